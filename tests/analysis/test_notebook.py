"""The notebook of docs/ runs from top to bottom on a work folder, and what it shows was made by running it."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

import ser

DOCS = Path(ser.__file__).parent.parent / "docs"
NOTEBOOK = DOCS / "results_in_python.ipynb"


@pytest.fixture(scope="module")
def notebook():
    return json.loads(NOTEBOOK.read_text())


def test_its_cells_run_in_order(notebook, work, tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("notebook", DOCS / "tools" / "notebook.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    (tmp_path / "demo").symlink_to(work)
    monkeypatch.chdir(tmp_path)
    cells = json.loads(json.dumps(notebook["cells"]))
    tool.run(cells)
    code = {cell["id"]: cell for cell in cells if cell["cell_type"] == "code"}
    assert [cell["execution_count"] for cell in code.values()] == list(range(1, len(code) + 1))
    assert [name for name, cell in code.items() if not cell["outputs"]] == []
    assert "image/png" in code["plot"]["outputs"][0]["data"]
    assert "failed" in "".join(code["holes"]["outputs"][0]["data"]["text/plain"])


def test_it_is_a_notebook_with_outputs(notebook):
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    cells = notebook["cells"]
    assert len({cell["id"] for cell in cells}) == len(cells)
    for cell in cells:
        code = {"outputs", "execution_count"} if cell["cell_type"] == "code" else set()
        assert cell.keys() == {"cell_type", "id", "metadata", "source"} | code
        assert not code or cell["outputs"]


def test_it_is_small_and_of_no_machine():
    text = NOTEBOOK.read_text()
    assert len(text) < 200_000
    assert not re.search(r"/home/|/root/|/tmp/|/work/|[A-Z]:\\\\", text)

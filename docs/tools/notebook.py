"""Runs the cells of a notebook in order, and writes into it what they give: ``notebook.py NOTEBOOK WORK``.

Neither Jupyter nor a kernel is needed. ``WORK`` is the folder in which the notebook's paths begin.
"""

import ast
import base64
import io
import json
import os
import sys
from pathlib import Path
from typing import TypedDict

import matplotlib
import matplotlib.pyplot as plt

_DPI = 72


class Cell(TypedDict):
    """A cell of code."""

    cell_type: str
    source: list[str]
    outputs: list[dict[str, object]]
    execution_count: int | None


def run(cells: list[Cell]) -> None:
    """Runs all cells of code, and replaces their outputs. Raises whatever a cell raises."""
    matplotlib.use("Agg")
    namespace: dict[str, object] = {"__name__": "__main__"}
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    for number, cell in enumerate(code, 1):
        body = ast.parse("".join(cell["source"])).body
        last = body.pop() if isinstance(body[-1], ast.Expr) else None
        exec(compile(ast.Module(body, []), f"cell {number}", "exec"), namespace)
        value = eval(compile(ast.Expression(last.value), f"cell {number}", "eval"), namespace) if last else None
        cell["execution_count"], cell["outputs"] = number, [*_result(value, number), *_figures()]


def _result(value: object, number: int) -> list[dict[str, object]]:
    if value is None or type(value).__module__.startswith("matplotlib"):
        return []
    data = {"text/plain": repr(value).splitlines(keepends=True)}
    if html := getattr(value, "_repr_html_", None):
        data["text/html"] = html().splitlines(keepends=True)
    return [{"output_type": "execute_result", "execution_count": number, "metadata": {}, "data": data}]


def _figures() -> list[dict[str, object]]:
    outputs = []
    for number in plt.get_fignums():
        picture = io.BytesIO()
        plt.figure(number).savefig(picture, dpi=_DPI, bbox_inches="tight")
        data = {"image/png": base64.b64encode(picture.getvalue()).decode()}
        outputs.append({"output_type": "display_data", "metadata": {}, "data": data})
    plt.close("all")
    return outputs


def main() -> None:
    """Run the notebook."""
    path = Path(sys.argv[1]).absolute()
    notebook = json.loads(path.read_text(encoding="utf-8"))
    os.chdir(sys.argv[2])
    run(notebook["cells"])
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

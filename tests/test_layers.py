"""The shape of the code: imports go down only, one file knows each tool, and everything says what it is for."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from parsed import nodes, tree

import ser

ROOT = Path(ser.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
# The rooms from the top: a file may import from the rooms below and, acyclically, from its own. docs/ prints this list.
LAYERS = (
    {"__main__"},
    {"cli"},
    {"demo"},
    {"distributed"},
    {"analysis"},
    {"prediction"},
    {"trials"},
    {"report"},
    {"runs"},
    {"balance"},
    {"training"},
    {"planning"},
    {"features"},
    {"corpora", "models"},
    {"frontends", "augment"},
    {"data", "metrics"},
    {"host"},
    {"study"},
    {"registry"},
    {"errors", "files"},
)
MOST_ENTRIES = 26


def name_of(path):
    return ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")


MODULES = {name_of(p) for p in FILES}
REPORTS = {p.name for p in (ROOT / "report").iterdir() if (p / "__init__.py").is_file()}


@cache
def imports(path):
    """Full names of all modules that a file imports, wherever in the file."""
    found = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= inner & MODULES or {node.module}
    return found


def layer(name):
    """Number of the layer of ``ser.x`` or ``ser.x.y``."""
    return next(i for i, names in enumerate(LAYERS) if name.split(".")[1] in names)


def ours(path):
    return imports(path) & MODULES - {"ser"}


def test_every_file_has_its_layer():
    assert {name.split(".")[1] for name in MODULES - {"ser"}} == set().union(*LAYERS)


def test_rooms_are_few():
    entries = [p.name for p in ROOT.iterdir() if p.name != "__pycache__"]
    assert len(entries) <= MOST_ENTRIES


def test_no_report_reads_anothers_files():
    """What two papers' reports need lies in ``ser/report`` itself."""
    crossing = set()
    for path in (p for p in FILES if len(p.relative_to(ROOT).parts) == 3 and p.relative_to(ROOT).parts[0] == "report"):
        own = ".".join(name_of(path).split(".")[:3])
        crossing |= {
            (name_of(path), name)
            for name in ours(path)
            if name.startswith("ser.report.") and name.split(".")[2] in REPORTS and not f"{name}.".startswith(f"{own}.")
        }
    assert crossing == set()


# One test over all files: a test for each costs more than what it does.
def test_imports_go_down_only():
    files = {name_of(p): ours(p) for p in FILES if name_of(p) != "ser"}
    upwards = {(name, used) for name in files for used in files[name] if layer(used) < layer(name)}
    assert upwards == set()


REPORTS_KNOW = {"report", "runs", "metrics", "study", "registry", "errors", "files"}
REPORTS_READ = {"ser.data.encoders"}  # plain values: what the identity of a pretrained encoder tells


def test_reports_know_runs_and_never_how_they_were_trained():
    """A report needs what a run logged, and neither torch nor the training, which may have changed since."""
    files = [p for p in FILES if p.relative_to(ROOT).parts[0] == "report"]
    rooms = {name.split(".")[1] for path in files for name in ours(path) - REPORTS_READ}
    assert rooms <= REPORTS_KNOW
    assert {name_of(p) for p in files} & users("torch") == set()


def test_no_import_leads_back():
    graph = {name_of(p): ours(p) - {name_of(p)} for p in FILES}
    while graph:
        leaves = {name for name, used in graph.items() if not used & graph.keys()}
        assert leaves, f"a circle among {sorted(graph)}"
        graph = {name: used for name, used in graph.items() if name not in leaves}


def users(tool):
    return {name_of(p) for p in FILES if any(name.split(".")[0] == tool for name in imports(p))}


@pytest.mark.parametrize(
    ("tool", "files"),
    [
        ("ray", {"distributed.driver", "distributed.feature_tasks", "distributed.tune", "distributed.watch"}),
        ("mlflow", {"runs.mlflow_client"}),
        ("rich", {"cli.console", "cli.live"}),
        ("uvicorn", {"cli.pages"}),
        ("fsspec", {"features.remote"}),
        ("optuna", {"planning.search"}),
        ("h5py", {"features.hdf5"}),
        ("pywt", {"frontends.wavelet"}),
        ("noisereduce", {"frontends.log_mel"}),
        ("opensmile", {"frontends.opensmile"}),
        ("audformat", {"corpora.audformat"}),
        ("yaml", {"corpora.ertk"}),
        ("av", {"data.codecs"}),
        ("onnx", {"prediction.onnx"}),
        ("onnxruntime", {"prediction.onnx"}),
    ],
)
def test_few_files_know_each_tool(tool, files):
    assert users(tool) == {f"ser.{file}" for file in files}


def test_scikit_learn_splits_and_is_fitted_and_nothing_else():
    assert all(name == "ser.data.splits" or name.startswith("ser.models.") for name in users("sklearn"))


@pytest.mark.parametrize("tool", ["soundfile", "soxr"])
def test_sound_files_are_read_in_one_place(tool):
    making = {"ser.demo", "ser.corpora._tones"}  # write made audio
    encoding = {"ser.augment.mp3"} if tool == "soundfile" else set()
    others = {name for name in users(tool) if not any(name.startswith(prefix) for prefix in making)}
    assert others - encoding == {"ser.data.audio"}


@pytest.mark.parametrize(
    ("module", "loaded"),
    [
        ("ser.training.train", ["torch"]),
        ("ser.distributed.driver", ["ray"]),
        ("ser.distributed.pool", []),
        ("ser.features.store", []),
        ("ser.study", []),
        ("ser.report.collect", []),
        ("ser.runs.tracker", []),
        ("ser.planning.request", []),
        ("ser.report.segments.content", []),
        ("ser.cli.main", []),
        ("ser.cli.pages", []),
        ("ser.analysis", []),
    ],
)
def test_training_loads_no_ray_and_no_mlflow_and_the_words_no_torch(module, loaded):
    code = f"import sys, {module}; print([m for m in ('ray', 'mlflow', 'torch') if m in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == str(loaded)


def test_every_file_says_what_it_is_for():
    assert [name_of(path) for path in FILES if not ast.get_docstring(tree(path))] == []


def test_every_public_name_says_what_it_is_for():
    public = [(p, n) for p in FILES for n in tree(p).body if isinstance(n, ast.FunctionDef | ast.ClassDef)]
    public = [(p, n) for p, n in public if not n.name.startswith("_")]
    assert [f"{name_of(p)}.{n.name}" for p, n in public if not ast.get_docstring(n)] == []


def test_no_function_is_longer_than_a_screen():
    functions = [(p, n) for p in FILES for n in nodes(p) if isinstance(n, ast.FunctionDef)]
    assert {f"{name_of(p)}.{n.name}" for p, n in functions if n.end_lineno - n.lineno + 1 > 60} == set()

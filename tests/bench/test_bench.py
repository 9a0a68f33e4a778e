"""Every benchmark still runs, at its smallest size; what it measures means nothing there."""

import ast
import runpy
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
import torch

HERE = Path(__file__).parent
BENCHES = sorted(HERE.glob("bench_*.py"))
SMALLEST = {
    "encoders": "--seconds 0.2 --utterances 2 --batches 2 --batch 2 --steps 1",
    "folders": "--files 500",
    "page": "8",
    "report": "--results 10 --utterances 20 --replicates 10",
}
# Those that start processes, Ray or MLflow, or whose networks have the papers' sizes, take from ten seconds to minutes.
SLOW = {
    "commands": "--runs 8 --scale 0.1 --repeats 1",
    "corpus": "--utterances 1000",
    "front_end": "--files 1 --rounds 1",
    "gan": "--images 64",
    "gpu": "--cpu",
    "grid": "--trials 20",
    "growth": "--trials 4 8 --utterances 1000 --machines 1",
    "host": "--updates 1 --rounds 1 --networks lstm",
    "naive": "--scale 0.1 --epochs 1 --steps 2 --blocks lstm --precision float32,bfloat16",
    "networks": "--batch 2 --steps 1 --updates 2 --seeds 2 --without-bfloat16",
    "proportions": "--seeds 1 --folds 2 --utterances 20 --speakers 2 --replicates 5",
    "runner": "--scale 0.2 --corpora ravdess",
    "stacked": "--candidates 2 --alone 1 --epochs 1 --turns 1",
    "store": "--utterances 20 --rounds 1 --wide-gb 0.1",
    "tracking": "--runs 20 --replicates 2",
    "training": "--updates 1 --blocks lstm --lengths even --json rates.json",
    "tune": "--largest 125",
}


def test_every_benchmark_is_run():
    assert {p.stem.removeprefix("bench_") for p in BENCHES} == {*SMALLEST, *SLOW}


@pytest.mark.parametrize("path", BENCHES, ids=lambda path: path.stem)
def test_what_a_benchmark_calls_is_there(path):
    """Those that are run seldom would otherwise be found broken late."""
    tree = ast.parse(path.read_text())
    froms = {str(n.module) for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert not any(module.split(".")[0] in ("experiments", "tests") for module in froms)  # scripts do not see the root
    modules = {}
    for node in (n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and str(n.module).startswith("ser")):
        source = import_module(node.module)
        for alias in node.names:
            if not hasattr(source, alias.name):
                import_module(f"{node.module}.{alias.name}")
            modules[alias.asname or alias.name] = getattr(source, alias.name)
    uses = [n for n in ast.walk(tree) if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name)]
    uses = [(modules[n.value.id], n.attr) for n in uses if isinstance(modules.get(n.value.id), ModuleType | type)]
    assert [(module.__name__, name) for module, name in uses if not hasattr(module, name)] == []


@pytest.mark.parametrize("name", SMALLEST)
def test_benchmark_runs(name, monkeypatch, capsys):
    path = HERE / f"bench_{name}.py"
    monkeypatch.setattr(sys, "argv", [str(path), *SMALLEST[name].split()])
    runpy.run_path(str(path), run_name="__main__")
    torch.set_flush_denormal(False)
    assert capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_slow_benchmark_runs(name, tmp_path):
    command = [sys.executable, str(HERE / f"bench_{name}.py"), *SLOW[name].split()]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout

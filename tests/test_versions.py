"""The versions of Python that are admitted: one statement in every file, and one clear line for all others."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

HERE = Path(__file__).parent.parent


def admitted():
    """The minor versions that pyproject.toml admits."""
    project = tomllib.loads((HERE / "pyproject.toml").read_text())["project"]
    low, high = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", project["requires-python"]).groups()
    return range(int(low), int(high))


def test_all_files_admit_the_same_versions():
    project = tomllib.loads((HERE / "pyproject.toml").read_text())
    words = f"Python 3.{admitted()[0]} to 3.{admitted()[-1]}"
    assert [c.rpartition("3.")[2] for c in project["project"]["classifiers"]] == [str(v) for v in admitted()]
    assert project["tool"]["ruff"]["target-version"] == f"py3{admitted()[0]}"
    assert words in (HERE / "README.md").read_text()
    assert (HERE / "Makefile").read_text().count(words) == 2
    image = re.findall(
        r"PYTHON=3\.(\d+)", "".join((HERE / "cluster" / n).read_text() for n in ("Containerfile", "README.md"))
    )
    assert {int(v) for v in image} <= set(admitted())
    assert sys.version_info[1] in admitted()


def make(folder, minor):
    """What make says where Python is 3.``minor``; whether it went on to the environment."""
    python = folder / "python3"
    told = f"import sys; sys.version_info = (3, {minor}, 1); exec(sys.argv[1])"
    python.write_text(f"#!/bin/sh\n[ $1 = -c ] || exec touch venv\nexec {sys.executable} -c '{told}' \"$2\"\n")
    python.chmod(0o755)
    (folder / "Makefile").write_text((HERE / "Makefile").read_text())
    done = subprocess.run(["make", ".venv/torch", "PYTHON=./python3"], cwd=folder, capture_output=True, text=True)
    return done.stderr.splitlines(), (folder / "venv").exists()


@pytest.mark.parametrize("minor", [min(admitted()) - 1, max(admitted()) + 1])
def test_another_python_is_refused_in_one_line_before_anything_is_made(tmp_path, minor):
    (said, _), begun = make(tmp_path, minor)
    remedy = "allowed: Python 3.11 to 3.14; name one with PYTHON=, such as PYTHON=python3.12"
    assert said == f"./python3 is Python 3.{minor}; {remedy}"
    assert not begun


@pytest.mark.parametrize("minor", admitted())
def test_an_admitted_python_makes_the_environment(tmp_path, minor):
    assert make(tmp_path, minor)[1]

"""``make test`` fails where anything of what it does at the same time fails, and prints each output whole."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent.parent
COMMANDS = {
    "ruff": "exit 0",
    "mypy": 'echo "types checked"; exit $TYPES',
    "pytest": '[ "$ATEN_CPU_CAPABILITY" ] && { echo "without vectors"; exit $PLAIN; }; echo "all tests"; exit $TESTS',
}


@pytest.mark.parametrize("failing", ["", "TYPES", "PLAIN", "TESTS"])
def test_make_test_fails_with_each_of_its_parts(tmp_path, failing):
    binaries = tmp_path / ".venv" / "bin"
    binaries.mkdir(parents=True)
    for name, script in COMMANDS.items():
        (binaries / name).write_text(f"#!/bin/sh\n{script}\n")
        (binaries / name).chmod(0o755)
    shutil.copy(HERE / "Makefile", tmp_path)
    for number, name in enumerate(("pyproject.toml", "setup.py", "constraints.txt", ".venv/torch", ".venv/ready-test")):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (number, number))  # each newer than what it is made from
    outer = {name: value for name, value in os.environ.items() if "MAKE" not in name}  # of a make that runs the tests
    status = {name: str(int(name == failing)) for name in ("TYPES", "PLAIN", "TESTS")}
    done = subprocess.run(["make", "test"], cwd=tmp_path, env=outer | status, capture_output=True, text=True)
    assert (done.returncode != 0) == bool(failing), done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if not line.startswith(("+", "[", "."))]
    assert lines == ["all tests", "types checked", *(["without vectors"] if failing != "TYPES" else [])]

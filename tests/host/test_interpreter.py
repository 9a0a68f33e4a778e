"""How Python was started, and from where the command line is called: a notebook, a thread, a script."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import ser
from ser.cli.main import main
from ser.errors import BadInput
from ser.host import interpreter


def test_python_without_docstrings_is_refused_before_anything_runs():
    call = [sys.executable, "-OO", "-m", "ser", "status", "interaffection"]
    done = subprocess.run(call, capture_output=True, text=True)
    assert done.returncode == 2
    assert "unset PYTHONOPTIMIZE" in done.stderr
    assert "Traceback" not in done.stderr
    interpreter.check(1, [])  # without assertions libraries live


@pytest.mark.parametrize("option", ["error", "err", "error::DeprecationWarning", "error:::ser"])
def test_warnings_that_end_a_process_are_refused(option):
    with pytest.raises(BadInput, match="unset PYTHONWARNINGS"):
        interpreter.check(0, ["default", option])


def test_other_warnings_are_shown():
    interpreter.check(0, ["default", "ignore::DeprecationWarning", "", "always"])


@pytest.mark.parametrize(
    ("backend", "stays"),
    [
        ("module://no_such_package.backend_inline", False),
        ("module://matplotlib.backends.backend_agg", True),
        ("TkAgg", True),
        ("", True),
    ],
)
def test_the_backend_of_a_notebook_is_forgotten_where_it_is_not_installed(backend, stays):
    environment = {"MPLBACKEND": backend}
    interpreter.drop_absent_backend(environment)
    assert environment == ({"MPLBACKEND": backend} if stays else {})


def test_a_command_can_be_given_in_a_thread(tmp_path, capsys):
    codes = []
    command = ["status", "interaffection", "--work", str(tmp_path)]
    thread = threading.Thread(target=lambda: codes.append(main(command)))
    thread.start()
    thread.join()
    assert codes == [2]
    assert "has no runs" in capsys.readouterr().err


def test_a_command_leaves_the_signals_of_its_caller_as_they_were(tmp_path, monkeypatch):
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        main(["status", "interaffection", "--work", str(tmp_path)])
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


def test_an_old_locale_reads_names_of_files_in_utf_8(tmp_path):
    (tmp_path / "Größe").mkdir()
    (tmp_path / "Größe" / "manifest.csv").write_text("path,label,speaker\nsprecher_ö.wav,happy,ö\n", encoding="utf-8")
    command = [sys.executable, "-m", "ser", "corpora", "--corpora", "calls=Größe", "--work", "w"]
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    paths = os.pathsep.join([str(Path(ser.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, **locale, "PYTHONPATH": paths}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True)
    assert done.returncode == 2
    assert b"none of its 1 files exist" in done.stdout  # and not: a name that is no UTF-8
    assert rb"sprecher_\xf6.wav" in done.stdout.replace(b"\n", b"")  # as far as the terminal can show it

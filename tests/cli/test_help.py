"""What help, version and completion say, and that they say it without importing anything slow."""

import os
import subprocess
import sys
import tomllib

import pytest

import ser
from ser.cli import help_texts
from ser.cli.main import main
from ser.study import load_study, study_names

ROOT = ser.PACKAGE.parent


def printed(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_the_version_is_that_of_the_package(capsys):
    stated = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert printed(capsys, "--version") == f"ser {stated}\n"


def test_help_lists_every_study_with_its_title_and_what_exit_statuses_mean(capsys):
    text = printed(capsys, "--help")
    for name in study_names():
        (line,) = [line for line in text.splitlines() if line.startswith(f"  {name} ")]
        assert len(line) <= 82
        assert len(line.split()) > 4
    assert all(f"{status} " in text.rpartition("exit status: ")[2] for status in (0, 1, 2, 130, 141, 70))


def test_the_help_of_a_command_has_exit_statuses_too(capsys):
    assert "exit status: 0 done" in printed(capsys, "run", "--help")


def test_modes_are_those_of_each_study(capsys):
    text = " ".join(printed(capsys, "run", "--help").split())
    for name in study_names():
        modes = tuple(load_study(name).modes)
        assert help_texts.modes_of(name) == ([] if modes == ("paper",) else list(modes)) or modes == ("paper",)
        if len(modes) > 1:
            assert f"{name}: {', '.join(modes)}" in text
    assert help_texts.modes_of("none-such") == []


def completed(line, tmp_path, **environment):
    """What bash is proposed after ``line``."""
    answer = tmp_path / "answer"
    asked = {"_ARGCOMPLETE": "1", "_ARGCOMPLETE_STDOUT_FILENAME": str(answer), "COMP_LINE": line}
    asked |= {"COMP_POINT": str(len(line.encode())), "_ARGCOMPLETE_IFS": "\n", "COMP_TYPE": "9"}
    asked["_ARGCOMPLETE_COMP_WORDBREAKS"] = " \t\n\"'><=;|&(:"
    code = "import sys; from ser.cli.main import main; code = main(); "
    code += "print([m for m in ('torch', 'mlflow', 'ray', 'numpy', 'rich') if m in sys.modules]); sys.exit(code)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | asked | environment, capture_output=True, text=True, cwd=ROOT
    )
    assert (done.stdout, done.stderr, done.returncode) == ("[]\n", "", 0)
    return answer.read_text(encoding="utf-8").split("\n")


@pytest.mark.parametrize(
    ("line", "proposed"),
    [
        ("ser sta", {"status"}),
        ("ser run int", {"interaffection"}),
        ("ser run ./exp", {"./experiments/"}),
        ("ser status interaffection --wa", {"--watch"}),
        ("ser run interaffection --corpora emod", {"emodb"}),
        ("ser run interaffection --corpora emodb,sav", {"emodb,savee"}),
        ("ser run interaffection --mode ", {"paper", "sound"}),
        ("ser run survey --mode ", {"equal"}),
        ("ser run interaffection --profile lo", {"local"}),
        ("ser show ls", {"lstm"}),
        ("ser completion f", {"fish"}),
    ],
)
def test_a_shell_is_proposed_what_may_follow(tmp_path, line, proposed):
    assert {word.strip() for word in completed(line, tmp_path)} == proposed


def test_components_of_plugins_are_proposed_too(tmp_path):
    (tmp_path / "corpora").mkdir()
    (tmp_path / "corpora" / "mine.py").write_text('"""A corpus."""\n')
    line = f"ser run interaffection --plugins {tmp_path} --corpora min"
    assert [word.strip() for word in completed(line, tmp_path)] == ["mine"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_a_script(capsys, shell):
    assert main(["completion", shell]) == 0
    assert "_ARGCOMPLETE" in capsys.readouterr().out

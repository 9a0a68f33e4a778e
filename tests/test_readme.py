"""What README tells a newcomer to type exists and is understood."""

import re
import shlex
from pathlib import Path

import pytest

from ser.cli.arguments import parser
from ser.cli.main import FUNCTIONS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
LINES = [
    line.split("#")[0].strip() for block in re.findall(r"```sh\n(.*?)```", README, re.S) for line in block.splitlines()
]
SER = [line.removeprefix(".venv/bin/ser ") for line in LINES if line.startswith(".venv/bin/ser ")]
MAKE = [line.removeprefix("make ").split()[0] for line in LINES if line.startswith("make ")]


@pytest.mark.parametrize("line", SER)
def test_every_ser_command_is_understood(line):
    assert callable(parser(FUNCTIONS).parse_args(shlex.split(line)).command)


@pytest.mark.parametrize("target", MAKE)
def test_every_make_target_exists(target):
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.M)


def test_the_readme_has_both_commands_and_ci_calls_the_test_command():
    assert {"demo", "test"} <= set(MAKE)
    assert (ROOT / ".ci" / "run").read_text().rstrip().endswith("make test")


def test_every_promise_is_held_by_tests_that_are_there():
    held = re.findall(r"^\|.*\| ((?:`test_\w+`(?:, )?)+) \|$", README, re.M)
    names = {name for cell in held for name in re.findall(r"test_\w+", cell)}
    assert len(held) > 15
    assert names - {p.stem for p in (ROOT / "tests").rglob("test_*.py")} == set()


def test_every_page_of_the_docs_is_named():
    assert [p.name for p in (ROOT / "docs").glob("*.md") if f"docs/{p.name}" not in README] == []


def test_every_corpus_and_subcommand_is_named():
    loaders = {p.stem for p in (ROOT / "ser" / "corpora").glob("[a-z]*.py")} - {"manifest_csv"}
    assert [name for name in sorted(loaders) if f"`{name}`" not in README] == []
    commands = set(FUNCTIONS)
    assert [name for name in sorted(commands) if f"ser {name}" not in README] == []

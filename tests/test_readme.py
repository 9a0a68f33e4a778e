"""What README and the pages of docs/ tell a newcomer to type is understood; README and its pictures are small."""

import re
import shlex
from pathlib import Path

import pytest

from ser.cli.arguments import parser
from ser.cli.main import FUNCTIONS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAGES = {"README.md": README} | {f"docs/{p.name}": p.read_text() for p in sorted((ROOT / "docs").glob("*.md"))}
MOST_LINES = 300
MOST_BYTES, MOST_BYTES_OF_ALL = 150_000, 600_000


def lines(text):
    """The lines of a page's commands, those that go on in the next joined with it."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", text, re.S | re.M)
    joined = "\n".join(re.sub(r"\s*\\\n\s*", " ", block) for language, block in blocks if language in ("", "sh"))
    return [line.split(" #")[0].strip() for line in joined.splitlines()]


COMMANDS = sorted({line for text in PAGES.values() for line in lines(text) if line.startswith("ser ")})
MAKE = {line.split()[1] for line in lines(README) if line.startswith("make ")}


@pytest.mark.parametrize("line", COMMANDS)
def test_every_ser_command_is_understood(line):
    words = re.split(r"\s[<>|]\s", line)[0]  # what the shell takes is not ours
    assert callable(parser(FUNCTIONS).parse_args(shlex.split(words)[1:]).command)


def test_there_are_commands():
    assert len(COMMANDS) > 60


@pytest.mark.parametrize("target", sorted(MAKE))
def test_every_make_target_exists(target):
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.M)


def test_the_readme_has_both_commands_and_ci_calls_the_test_command():
    assert {"demo", "test", "docs"} <= MAKE
    assert (ROOT / ".ci" / "run").read_text().rstrip().endswith("make test")


def test_every_promise_is_held_by_tests_that_are_there():
    held = re.findall(r"^\|.*\| ((?:`test_\w+`(?:, )?)+) \|$", PAGES["docs/what_survives.md"], re.M)
    names = {name for cell in held for name in re.findall(r"test_\w+", cell)}
    assert len(held) > 15
    assert names - {p.stem for p in (ROOT / "tests").rglob("test_*.py")} == set()


def test_every_subcommand_is_shown():
    everything = "\n".join(PAGES.values())
    assert [name for name in sorted(FUNCTIONS) if f"ser {name}" not in everything] == []


def test_the_readme_is_short_and_its_links_lead_somewhere():
    assert len(README.splitlines()) <= MOST_LINES
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert len(links) > 30
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_pictures_are_small_and_each_is_shown():
    pictures = sorted(p for p in (ROOT / "docs" / "pictures").iterdir() if p.suffix in (".png", ".svg"))
    sizes = {p.name: p.stat().st_size for p in pictures}
    assert len(sizes) >= 3
    assert {name: size for name, size in sizes.items() if size > MOST_BYTES} == {}
    assert sum(sizes.values()) <= MOST_BYTES_OF_ALL
    assert [name for name in sizes if not any(f"pictures/{name}" in text for text in PAGES.values())] == []


def test_pictures_of_the_terminal_ask_nothing_of_the_network():
    """Rich's SVG names fonts of a server where nobody takes them out."""
    for picture in (ROOT / "docs" / "pictures").glob("*.svg"):
        addresses = set(re.findall(r"https?://[^\s\"')]+", picture.read_text()))
        # An address of this machine is text that ser printed.
        assert {a for a in addresses if not a.startswith("http://127.0.0.1:")} <= {"http://www.w3.org/2000/svg"}

"""The pages of docs/ are true: what they print of the code is so, and their commands run in an empty folder."""

import ast
import re
from importlib import import_module
from pathlib import Path

import page_commands
import pytest

import ser
from ser import registry
from ser.study.languages import language_name

ROOT = Path(ser.__file__).parent
DOCS = ROOT.parent / "docs"
PAGES = sorted(DOCS.glob("*.md"))
ADD = {  # what the commands of a page print in the end
    "add_a_study": "R · lstm · μ · unified",
    "add_a_corpus": "4 trials",
    "add_a_front_end": "1 store entries ready",
    "add_a_model": "R · my_model · μ · unified",
    "pretrained_encoders": "4 trials",
    "faq": "actor 18 did not sing",
}
STATEMENTS = ast.parse((Path(__file__).parent / "test_layers.py").read_text()).body
LAYERS = next(
    ast.literal_eval(s.value) for s in STATEMENTS if isinstance(s, ast.Assign) and ast.unparse(s.targets[0]) == "LAYERS"
)
LISTED = "\n".join(f"{number}. {', '.join(sorted(names))}" for number, names in enumerate(LAYERS, 1))


OF_A_WORK_FOLDER = ("artifacts", "finished", "logs", "reports", "store", "trials")
MADE_WITH_THE_SITE = {"commands.md"}  # tests/test_site.py follows links to it


def text(name):
    return (DOCS / f"{name}.md").read_text()


def test_the_layers_are_those_of_the_test():
    assert LISTED in text("how_a_trial_runs"), f"docs/how_a_trial_runs.md should list:\n\n{LISTED}"


def test_every_room_is_described():
    rooms = {p.name for p in ROOT.iterdir() if p.name not in ("__pycache__", "__init__.py", "__main__.py", "py.typed")}
    assert [room for room in sorted(rooms) if f"`{room}`" not in text("how_a_trial_runs")] == []


def test_every_hop_is_a_function():
    hops = re.findall(r"^\d\. `([\w.]+)`", text("how_a_trial_runs"), re.M)
    assert len(hops) == 3 + 7
    for hop in hops:
        parts = hop.split(".")
        module = import_module(".".join(parts[:3]))
        for name in parts[3:]:
            module = getattr(module, name)
        assert callable(module)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_file_that_a_page_names_is_there(page):
    places = [ROOT.parent, ROOT, ROOT / "frontends", ROOT / "models", ROOT / "distributed", DOCS]
    words = re.findall(r"`((?:ser|tests|experiments|docs|cluster)?/?[\w/]+(?:\.py|/))`", page.read_text())
    # Neither a person's own file, nor an address on a server, nor what a work folder holds.
    named = [word for word in words if "my_" not in word and word.partition("/")[0] not in ("", *OF_A_WORK_FOLDER)]
    assert [word for word in named if not any((place / word).exists() for place in places)] == []
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text())
    assert [link for link in links if not (DOCS / link).exists() and link not in MADE_WITH_THE_SITE] == []


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """What became of the commands of each page, by its name."""
    scripts = {name: "\n".join(re.findall(r"```sh\n(.*?)```", text(name), re.S)) for name in ADD}
    ends = page_commands.run((tmp_path_factory.mktemp(name), script) for name, script in scripts.items())
    return {name: (scripts[name], *end) for name, end in zip(scripts, ends, strict=True)}


@pytest.mark.parametrize("name", ADD)
def test_the_commands_of_a_page_run_in_an_empty_folder(name, done):
    script, status, output = done[name]
    assert "ser " in script
    assert status == 0, output
    assert ADD[name] in output


def corpus_row(name):
    """The row of a loader in docs/corpora.md; "" for a format."""
    module = registry.find("corpora", name)
    if module.ABOUT is None:
        return ""
    spoken = ", ".join(map(language_name, module.ABOUT.languages))
    sizes = f"{sum(module.expected(module.Settings()).values()) or '–'} | {module.EXPECTED_SPEAKERS or '–'}"
    return f"| `{name}` | {module.TITLE} | {spoken} | {module.ABOUT.kind} | {sizes} |"


def test_the_corpora_are_those_of_the_loaders():
    lines, names = text("corpora").splitlines(), registry.names("corpora")
    missing = [row for row in map(corpus_row, names) if row and row not in lines]
    missing += [name for name in names if not any(line.startswith(f"| `{name}` |") for line in lines)]
    assert missing == [], "docs/corpora.md should list:\n\n" + "\n".join(missing)

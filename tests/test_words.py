"""The words of the code are the field's; names are nouns of what they hold or verbs of what they do."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from parsed import nodes, tree

import ser
from ser.cli.arguments import parser
from ser.cli.main import FUNCTIONS

ROOT = Path(ser.__file__).parent.parent
CODE = sorted(p for folder in ("ser", "experiments") for p in (ROOT / folder).rglob("*.py"))
TEXTS = sorted(
    {
        *CODE,
        *(p for folder in ("ser/cli/templates", "docs", "cluster") for p in (ROOT / folder).rglob("*.*")),
        *ROOT.glob("*.md"),
    }
)
BINARY = (".png", ".ipynb", ".pyc")
# Participles and pronouns say how a value came about, not what it is.
DIALECT = frozenset(
    re.findall(
        r"\w+",
        """found told said heard known own some left kept given there here named wanted lacking shown drawn chosen
        judged asked meant tried ended begun taken made seen alike unfolded the_one forgive over""",
    )
)
# Private words, and what the field says: worker pool, child process, messages, stacked, folder, delivery, remote, …
METAPHORS = frozenset(
    re.findall(r"\w+", "crew talk gather spool courier far sealed joint together mend card cards sides")
)
PROSE = re.compile(
    r"\b(paper 00|crew|spool\w*|courier|sealed|heard|mend(s|ed|ing)?|cards?|sides|(is|are|was|be) told)\b", re.I
)
# They may only fall.
MOST_DIALECT = 0.005  # of all bindings
MOST_METAPHORS = 0
MOST_PROSE = 0
MOST_ANY = 14  # lines


def bindings(path: Path) -> Iterator[str]:
    """Names of all variables, parameters, fields, functions, classes and attributes that a file gives a value to."""
    for node in nodes(path):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name
            case ast.arg(arg=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.ClassDef(name=name) | ast.alias(asname=str(name)) | ast.ExceptHandler(name=str(name)):
                yield name
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield name


def parts(name: str) -> set[str]:
    """``FarStore`` and ``far_store`` are ``far`` and ``store``."""
    return set(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().split("_"))


def listed(counts: Counter[str]) -> str:
    return "\n".join(f"{count:5} {place}" for place, count in counts.most_common(40))


def test_names_are_nouns_and_verbs():
    names = {path: list(bindings(path)) for path in CODE}
    counts = Counter({str(p.relative_to(ROOT)): sum(n.strip("_") in DIALECT for n in own) for p, own in names.items()})
    ratio = counts.total() / sum(map(len, names.values()))
    assert ratio <= MOST_DIALECT, f"{ratio:.2%} of all names say how a value came about:\n{listed(counts)}"


def test_no_function_is_called_of():
    """A class method may be: ``Location.of(work)`` reads well, ``of(work)`` does not."""
    functions = {p.name: [n for n in tree(p).body if isinstance(n, ast.FunctionDef)] for p in CODE}
    assert [file for file, defined in functions.items() if any(f.name.strip("_") == "of" for f in defined)] == []


def test_names_are_the_fields():
    counts = Counter(
        f"{path.relative_to(ROOT)}: {name}" for path in CODE for name in bindings(path) if parts(name) & METAPHORS
    )
    counts.update(f"{p.relative_to(ROOT)}: its name" for p in CODE if parts(p.stem) & METAPHORS)
    assert counts.total() <= MOST_METAPHORS, f"{counts.total()} private words:\n{listed(counts)}"


def test_prose_has_no_private_words():
    counts = Counter(
        f"{path.relative_to(ROOT)}:{number}: {hit[0]}"
        for path in TEXTS
        if path.is_file() and path.suffix not in BINARY
        for number, line in enumerate(path.read_text().splitlines(), 1)
        for hit in PROSE.finditer(line)
    )
    assert counts.total() <= MOST_PROSE, f"{counts.total()} private words:\n{listed(counts)}"


def test_help_has_no_private_words():
    commands = next(a for a in parser(FUNCTIONS)._actions if a.choices)
    helps = [parser(FUNCTIONS).format_help(), *(sub.format_help() for sub in commands.choices.values())]
    assert [hit[0] for text in helps for hit in PROSE.finditer(text)] == []


def is_any(annotation: ast.expr | None) -> bool:
    """Whether an annotation is ``Any``, alone or beside others: it hides what a function takes or returns."""
    if isinstance(annotation, ast.BinOp):
        return is_any(annotation.left) or is_any(annotation.right)
    return isinstance(annotation, ast.Name) and annotation.id == "Any"


def test_signatures_say_what_they_take():
    counts: Counter[str] = Counter()
    for path in (p for p in CODE if p.is_relative_to(ROOT / "ser")):
        for node in nodes(path):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                taken = [node.returns, *(a.annotation for a in ast.walk(node.args) if isinstance(a, ast.arg))]
                lines = {a.lineno for a in taken if a is not None and is_any(a)}
                counts[str(path.relative_to(ROOT))] += len(lines)
    assert counts.total() <= MOST_ANY, f"{counts.total()} lines of signatures with Any:\n{listed(+counts)}"

"""What was tested of each stranger: utterances, labels without a class, classes that it lacks, languages."""

import json
from collections.abc import Mapping
from typing import Any

from ser.report.content import HOLE, Row, Table
from ser.report.crossing.arranged import Arrangement


def table(across: Arrangement) -> Table | None:
    """Returns what the tests' files tell of every stranger; None where no test has one."""
    rows = [Row("", corpus, _cells(each)) for corpus, facts in across.facts.items() for each in facts]
    if not rows:
        return None
    rows = [row for place, row in enumerate(rows) if row not in rows[:place]]
    return Table(
        "strangers",
        "What was tested of corpora that were not trained on",
        "Side: all utterances, or those of the test side of its own split. Lacks: classes of the study of which it "
        "has no utterance, holes in every accuracy. Left out: its labels that are no class here, with their "
        "utterances. Taken for: what its labels are merged into.",
        ("Loader", "Side", "Utterances", "Speakers", "Languages", "Lacks", "Left out", "Taken for", "Release",
         "Fingerprint"),
        tuple(rows),
        unit="",
        grouped="",
        brief=True,
        typeset=False,
        ids=("Fingerprint",),
    )  # fmt: skip


def _cells(facts: Mapping[str, Any]) -> tuple[str, ...]:
    side = str(facts.get("side", HOLE))
    fold = facts.get("fold")
    if side == "test":
        side += f" ({split_words(facts.get('split'))}{f', fold {fold}' if fold else ''})"
    return (
        str(facts.get("loader") or HOLE),
        side,
        str(facts.get("utterances", HOLE)),
        _count(facts.get("speakers")),
        ", ".join(facts.get("languages") or ()) or HOLE,
        ", ".join(facts.get("absent") or ()) or "none",
        _counted(facts.get("unused")) or "none",
        _counted(facts.get("merge"), " → ") or "none",
        _release(facts.get("release")),
        str(facts.get("fingerprint") or HOLE),
    )


def split_words(split: object) -> str:
    """Returns a split in words, whether it is a name or holds its settings."""
    if isinstance(split, Mapping):
        settings = ", ".join(f"{k} {v}" for k, v in split.items() if k not in ("name", "rule"))
        name = split.get("name") or split.get("rule") or "split"
        return f"{name}: {settings}" if settings else str(name)
    return str(split or "no split")


def _count(value: object) -> str:
    if isinstance(value, list | tuple | dict):
        return str(len(value))
    return str(value) if value else HOLE


def _counted(value: object, sign: str = " ") -> str:
    """``calm 96, other 3`` of a mapping, names of a list."""
    if isinstance(value, Mapping):
        return ", ".join(f"{k}{sign}{v if not isinstance(v, list | tuple) else '+'.join(map(str, v))}"
                         for k, v in value.items())  # fmt: skip
    if isinstance(value, list | tuple):
        pairs = [each if isinstance(each, str) else sign.join(map(str, each)) for each in value]
        return ", ".join(pairs)
    return str(value or "")


def _release(value: object) -> str:
    if isinstance(value, Mapping):
        return str(value.get("state", json.dumps(value, sort_keys=True)))
    return str(value or HOLE)

"""What was tested of each stranger: utterances, labels without a class, classes that it lacks, languages."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ser.report.content import HOLE, Row, Table
from ser.report.crossing.arranged import Arrangement
from ser.report.sheets import SHORT

_COUNTED = ("utterances", "speakers")
_OF_ONE = (*_COUNTED, "fold", "seed")  # what differs between tests of one kind


def table(across: Arrangement) -> Table | None:
    """Returns what the tests' files tell of every stranger; None where no test has one."""
    rows = []
    for corpus, facts in across.facts.items():
        kinds: dict[str, list[Mapping[str, Any]]] = {}
        for each in facts:
            same = {k: v for k, v in each.items() if k not in _OF_ONE}
            kinds.setdefault(json.dumps(same, sort_keys=True), []).append(each)
        rows += [Row("", corpus, _cells(kind), len(kind), len(facts)) for kind in kinds.values()]
    if not rows:
        return None
    return Table(
        "strangers",
        "What was tested of corpora that were not trained on",
        "Side: all utterances, or those of the test side of its own split. Of several folds or seeds: from the least "
        "to the most. Lacks: classes of the study of which it has no utterance, holes in every accuracy. Left out: its "
        "labels that are no class here, with their utterances. Merged: labels that count as others in the study.",
        ("Loader", "Side", "Utterances", "Speakers", "Languages", "Lacks", "Left out", "Merged", "Release",
         "Fingerprint"),
        tuple(rows),
        unit="",
        grouped="",
        brief=True,
        typeset=False,
        ids=("Fingerprint",),
        named="Corpus",
    )  # fmt: skip


def _cells(kind: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    facts = kind[0]
    side = str(facts.get("side", HOLE))
    folds = sorted({int(each.get("fold") or 0) for each in kind} - {0})
    if side == "test":
        words = f", {len(folds)} folds" if len(folds) > 1 else f", fold {folds[0]}" if folds else ""
        side += f" ({facts.get('split') or 'no split'}{words})"
    return (
        str(facts.get("loader") or HOLE),
        side,
        *(_range(each.get(name) for each in kind) for name in _COUNTED),
        ", ".join(facts.get("languages") or ()) or HOLE,
        ", ".join(facts.get("absent") or ()) or "none",
        _pairs(facts.get("unused") or {}) or "none",
        _pairs(facts.get("merge") or {}, " → ") or "none",
        SHORT.get(str((facts.get("release") or {}).get("state")), HOLE),
        str(facts.get("fingerprint") or HOLE),
    )


def _range(values: Iterable[int | None]) -> str:
    """``24``, of several ``24 … 30``; a hole where none is known."""
    numbers = sorted({value for value in values if value})
    if not numbers:
        return HOLE
    return str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]} … {numbers[-1]}"


def _pairs(values: Mapping[str, object], sign: str = " ") -> str:
    """``calm 96, other 3``."""
    return ", ".join(f"{name}{sign}{value}" for name, value in values.items())

"""Table 1 of Sahoo et al. 2019: utterances and segments of each class, of whole corpora and of what was tested.

Whole corpora are counted in two files of a run: ``segments.json``, corpus → {"utterances": n, "segments": n,
"per_class": {class: segments}}, and ``split/<corpus>.json``, whose ``per_class`` has the utterances of every subset.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ser.report.content import HOLE, Cell, Row, Table
from ser.report.runs import Expected, Options
from ser.report.segments import published
from ser.report.segments.groups import Setting

Counts = Mapping[str, Mapping[str, int]]  # way of cutting ("none": utterances) → class → how many


def whole(settings: Sequence[Setting], corpus: str, options: Options) -> dict[str, dict[str, int]]:
    """Counts all subsets of a corpus, as far as a run's files tell: the first run of each way of cutting."""
    out: dict[str, dict[str, int]] = {}
    for setting in settings:
        run_id = setting.runs[0].run_id
        if "none" not in out and (proof := _file(options, run_id, f"split/{corpus}.json")):
            out["none"] = dict(sum((Counter(side) for side in proof["per_class"].values()), Counter()))
        if setting.way not in out and (logged := _file(options, run_id, "segments.json")) and corpus in logged:
            out[setting.way] = dict(logged[corpus]["per_class"])
    return out


def _file(options: Options, run_id: str, path: str) -> dict[str, Any]:
    text = options.file(run_id, path)
    content: dict[str, Any] = json.loads(text) if text else {}
    return content


def tested(settings: Sequence[Setting], corpus: str, classes: Sequence[str]) -> dict[str, dict[str, int]]:
    """Counts the test subset (of all folds, where there are such) of the first complete seed of each way of cutting."""
    out: dict[str, dict[str, int]] = {}
    for setting in settings:
        if (tests := setting.of(corpus)) and setting.way not in out:
            clips = [int((tests[0].truth == i).sum()) for i in range(len(classes))]
            out.setdefault("none", dict(zip(classes, clips, strict=True)))
            out[setting.way] = dict(zip(classes, tests[0].segments_per_class.tolist(), strict=True))
    return out


def table_1(settings: Sequence[Setting], expected: Expected, options: Options, in_folds: bool) -> Table:
    """Segments by way of cutting and class."""
    ways = list(dict.fromkeys([*published.SEGMENTATIONS, *(s.way for s in settings)]))
    rows = []
    for corpus in expected.tested:
        side = "test side of all folds" if in_folds else "test side"
        everything = whole(settings, corpus, options)
        rows += _rows(f"{corpus}, all", everything, ways, expected, beside=expected.printed_for(corpus))
        rows += _rows(f"{corpus}, {side}", tested(settings, corpus, expected.classes), ways, expected, beside=False)
    return Table(
        "table1",
        "Table 1: utterances (none) and segments of each class",
        "Counts, and shares of the study's classes. All: every subset of the split."
        + (
            " The paper's total is of all ten classes, of which the others are not read here; its own way of "
            "overlapping is not its program's: see its inconsistencies."
            if expected.printed_anywhere
            else ""
        ),
        tuple(ways),
        tuple(rows),
        digits=2,
        grouped="Of",
        brief=True,
        named="Segments",
    )


def _rows(of: str, counts: Counts, ways: Sequence[str], expected: Expected, beside: bool) -> list[Row]:
    total = {way: sum(counts[way].get(c, 0) for c in expected.classes) for way in ways if way in counts}
    rows = []
    if beside:
        rows.append(Row(of, "total", (None,) * len(ways), paper=_whole_numbers("total", ways)))
    cells = tuple(str(total[way]) if way in total else HOLE for way in ways)
    rows.append(Row(of, "relevant", cells, paper=_whole_numbers("relevant", ways) if beside else ()))
    for name in expected.classes:
        count = tuple(str(counts[way].get(name, 0)) if way in total else HOLE for way in ways)
        rows.append(Row(of, f"{name}, count", count))
        share = tuple(
            _share(counts[way].get(name, 0), total[way]) if way in total else Cell(float("nan")) for way in ways
        )
        paper = tuple(published.printed("table1", "share", name, way) for way in ways) if beside else ()
        rows.append(Row(of, f"{name}, share", share, paper=paper if any(paper) else ()))
    return rows


def _share(count: int, total: int) -> Cell:
    return Cell(count / total if total else float("nan"))


def _whole_numbers(row: str, ways: Sequence[str]) -> tuple[str | None, ...]:
    values = [published.printed("table1", "count", row, way) for way in ways]
    return tuple(f"{value:.0f}" if isinstance(value, float) else None for value in values)

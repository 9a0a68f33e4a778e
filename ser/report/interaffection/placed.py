"""One result for every place of the grid: of two the earlier one, all of a target and split on the same utterances."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ser.errors import BadInput
from ser.metrics.accuracy import confusion, ua, wa
from ser.report.interaffection.results import Grid, Key, Result, Split
from ser.report.predictions import utterances_of
from ser.report.runs import Hole

Utterances = tuple[tuple[str, ...], bytes]  # names, and labels


@dataclass(frozen=True, eq=False)
class Placed:
    """One result per place of the grid, and what was left out."""

    by_key: Mapping[Key, Result]
    holes: tuple[Hole, ...]
    expected: int  # trials
    notes: tuple[str, ...]


def place(results: Sequence[Result], grid: Grid) -> Placed:
    """Returns one result per expected place, all of a target, seed and fold on the same utterances."""
    expected = {key for _, keys in grid.trials() for key in keys}
    inside = [_checked(r, grid) for r in results if r.key in expected]
    tests: dict[tuple[str, Split], Counter[tuple[tuple[str, ...], bytes]]] = defaultdict(Counter)
    for result in inside:
        tests[result.target, result.split][utterances_of(result)] += 1
    common = _disjoint({where: count.most_common(1)[0][0] for where, count in tests.items()})
    by_key: dict[Key, Result] = {}
    again = strange = 0
    for result in inside:
        if utterances_of(result) != common.get((result.target, result.split)) or not result.uids:
            strange += 1
        elif result.key in by_key:
            again += 1
        else:
            by_key[result.key] = result
    drifted = sum(_drifted(r, len(grid.classes)) for r in by_key.values())
    remarks = {
        "results of trials outside the grid are ignored": len(results) - len(inside),
        "results repeat one that an earlier run gave; the earliest is kept": again,
        "results were tested on none or on other utterances or labels than most of their target, seed and fold, or on "
        "some that another fold of the seed tests; left out": strange,
        "results were logged with a WA or UA that their predictions do not give; the predictions count": drifted,
    }
    holes = []
    for title, keys in grid.trials():
        if untested := tuple(key[0] for key in keys if key not in by_key):
            holes.append(Hole(title, untested, grid.expected.failures.get(title, "")))
    notes = tuple(f"{count} {text}." for text, count in remarks.items() if count)
    return Placed(by_key, tuple(holes), len(grid.titles), notes)


def _disjoint(tests: Mapping[tuple[str, Split], Utterances]) -> dict[tuple[str, Split], Utterances]:
    """Without the folds that share an utterance with a fold before them: pooled, it would count twice."""
    before: dict[tuple[str, int], set[str]] = defaultdict(set)
    disjoint = {}
    for (target, split), test in sorted(tests.items(), key=lambda item: item[0]):
        if before[target, split[0]].isdisjoint(test[0]):
            before[target, split[0]].update(test[0])
            disjoint[target, split] = test
    return disjoint


def _checked(result: Result, grid: Grid) -> Result:
    count = len(grid.classes)
    labels = np.concatenate([result.truth, result.predicted])
    if not len(result.uids) == len(result.truth) == len(result.predicted):
        value = f"{len(result.uids)} uids, {len(result.truth)} true labels, {len(result.predicted)} predictions"
        raise BadInput(value, f"run {result.run_id} on {result.target}", "one of each per utterance", "test it again")
    if labels.size and (labels.min() < 0 or labels.max() >= count):
        value = f"class index {labels.min()} … {labels.max()}"
        raise BadInput(value, f"run {result.run_id} on {result.target}", f"0 … {count - 1}", "test it again")
    return result


def _drifted(result: Result, n_classes: int) -> bool:
    counts = confusion(result.truth, result.predicted, n_classes)
    return abs(wa(counts) - result.wa) > 1e-6 or abs(ua(counts) - result.ua) > 1e-6

"""The results of a grid of corpora and networks, arranged for its tables: by combination and configuration, resampled.

Scores of one target form a matrix [combinations, configurations]. Replicates are of a bootstrap over test utterances:
within one, a single resample of a target's utterances serves all results of that target (paired).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

from ser.errors import BadInput
from ser.metrics.accuracy import confusion, ua, wa
from ser.report.predictions import utterances_of
from ser.report.runs import Expected, Hole
from ser.report.statistics import AS_EQUAL, METRICS, Floats, Integers, accuracy_draws
from ser.study import POOLING_SIGNS

Configuration = tuple[str, str, str]  # temporal block, pooling, task set-up
TrialKey = tuple[tuple[str, ...], str, str, str, int]  # corpora, block, pooling, task, seed
Key = tuple[str, tuple[str, ...], str, str, str, int]  # target, and the same


@dataclass(frozen=True, eq=False)
class Result:
    """One trial tested on one corpus."""

    trial_id: str
    run_id: str
    corpora: tuple[str, ...]
    block: str
    pooling: str
    task: str
    seed: int
    target: str
    wa: float  # as logged, 0 … 1; the tables compute theirs from the predictions
    ua: float
    uids: tuple[str, ...]  # test utterances, sorted
    truth: Integers  # class indices [utterances]
    predicted: Integers  # class indices [utterances]
    same_as: str = ""  # id of the trial whose training this result shares (one corpus: unified is multi)

    @property
    def key(self) -> Key:
        """The place in the grid."""
        return self.target, self.corpora, self.block, self.pooling, self.task, self.seed


@dataclass(frozen=True)
class Grid:
    """The grid that a study expects over its corpora, so that holes are visible."""

    expected: Expected

    @property
    def letters(self) -> dict[str, str]:
        """Corpus → "I"."""
        return self.expected.letters

    @property
    def corpora(self) -> tuple[str, ...]:
        """All corpora."""
        return tuple(c.name for c in self.expected.corpora)

    @property
    def targets(self) -> tuple[str, ...]:
        """The corpora that are tested."""
        return self.expected.tested

    @property
    def classes(self) -> tuple[str, ...]:
        """The emotions that are distinguished."""
        return self.expected.classes

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of every point."""
        return self.expected.seeds

    @cached_property
    def titles(self) -> dict[TrialKey, str]:
        """Every expected trial, and the title that it bears elsewhere: ``I+T+R · tdnn · μσ² · multi``."""
        return {trial_key(point): title for title, point in self.expected.trials}

    @cached_property
    def points(self) -> tuple[Mapping[str, Any], ...]:
        """The points that are trained with every seed: corpora, block, pooling, task."""
        return tuple(point for _, point in self.expected.trials if point["seed"] == self.seeds[0])

    @cached_property
    def blocks(self) -> tuple[str, ...]:
        """The temporal blocks."""
        return tuple(dict.fromkeys(key[1] for key in self.titles))

    @cached_property
    def pooling(self) -> tuple[str, ...]:
        """The poolings."""
        return tuple(dict.fromkeys(key[2] for key in self.titles))

    @cached_property
    def task(self) -> tuple[str, ...]:
        """The task set-ups."""
        return tuple(dict.fromkeys(key[3] for key in self.titles))

    @property
    def configurations(self) -> tuple[Configuration, ...]:
        """The networks, in the fixed order that decides ties under "first"."""
        return tuple(product(self.blocks, self.pooling, self.task))

    def combinations(self, target: str) -> tuple[tuple[str, ...], ...]:
        """Returns the combinations that hold ``target``, in the order of the points."""
        return tuple(dict.fromkeys(key[0] for key in self.titles if target in key[0]))

    def mix(self, corpora: Iterable[str]) -> str:
        """Returns the letters of a combination: ``I+T``."""
        return "+".join(self.letters.get(c, c) for c in corpora)

    def trials(self) -> Iterator[tuple[str, list[Key]]]:
        """Yields title and expected results of every trial."""
        for key, title in self.titles.items():
            yield title, [(target, *key) for target in self.targets if target in key[0]]


def trial_key(point: Mapping[str, Any]) -> TrialKey:
    """Returns the place of a point, or of a run's statement, in the grid."""
    corpora = point["corpora"]
    names = tuple(corpora.split(",")) if isinstance(corpora, str) else tuple(corpora)
    network = point["block"], point.get("pooling", "none"), point.get("task", "unified")
    return names, *network, int(point["seed"])


@dataclass(frozen=True, eq=False)
class Scores:
    """Accuracies of one target by combination [K] and configuration [C]; nan = hole, -inf = not in the grid."""

    target: str
    combinations: tuple[tuple[str, ...], ...]
    configurations: tuple[Configuration, ...]
    point: dict[str, Floats]  # metric → [K, C], mean over seeds
    replicates: dict[str, Floats]  # metric → [replicates, K, C]
    results: dict[tuple[int, int], tuple[Result, ...]]  # those of each cell, in the order of the seeds
    utterances: int

    def best(self, metric: str, rows: Sequence[int]) -> list[tuple[int, int]]:
        """The cells tied best within some combinations, in fixed order; [] if all are holes."""
        cells = [(k, c) for k in rows for c in range(len(self.configurations)) if np.isfinite(self.point[metric][k, c])]
        top = max((self.point[metric][cell] for cell in cells), default=np.nan)
        return [cell for cell in cells if self.point[metric][cell] >= top - AS_EQUAL]


@dataclass(frozen=True, eq=False)
class Evidence:
    """All results of a study, arranged."""

    grid: Grid
    scores: tuple[Scores, ...]  # one per target
    holes: tuple[Hole, ...]
    expected: int  # trials
    notes: tuple[str, ...]

    @property
    def done(self) -> int:
        """Trials that have all their results."""
        return self.expected - len(self.holes)


def arranged_on_grid(results: Sequence[Result], grid: Grid, replicates: int = 1000, seed: int = 0) -> Evidence:
    """Arrange ``results`` (oldest first) on the grid and resample them; what is left out is said in the notes.

    Raises BadInput for a result whose labels do not fit each other or the grid's classes.
    """
    by_key, notes = _one_per_key(results, grid)
    holes = []
    expected = 0
    for title, keys in grid.trials():
        expected += 1
        untested = tuple(key[0] for key in keys if key not in by_key)
        if untested:
            holes.append(Hole(title, untested, grid.expected.failures.get(title, "")))
    # One stream per target: its intervals stay the same whatever else has been tested.
    streams = [np.random.default_rng([seed, place]) for place in range(len(grid.targets))]
    scores = [target_scores(t, by_key, grid, replicates, rng) for t, rng in zip(grid.targets, streams, strict=True)]
    return Evidence(grid, tuple(scores), tuple(holes), expected, tuple(notes))


def _one_per_key(results: Sequence[Result], grid: Grid) -> tuple[dict[Key, Result], list[str]]:
    """One result per expected key, all of a target on the same utterances, and notes on those left out."""
    expected = {key for _, keys in grid.trials() for key in keys}
    inside = [_checked(r, grid) for r in results if r.key in expected]
    tests = {t: Counter(utterances_of(r) for r in inside if r.target == t) for t in grid.targets}
    common = {t: count.most_common(1)[0][0] for t, count in tests.items() if count}
    by_key: dict[Key, Result] = {}
    again = strange = 0
    for result in inside:
        if utterances_of(result) != common[result.target] or not result.uids:
            strange += 1
        elif result.key in by_key:
            again += 1
        else:
            by_key[result.key] = result
    drifted = sum(_drifted(r, len(grid.classes)) for r in by_key.values())
    remarks = {
        "results of trials outside the grid are ignored": len(results) - len(inside),
        "results repeat one that an earlier run gave; the earliest is kept": again,
        "results were tested on none or on other utterances or labels than most of their target; left out": strange,
        "results were logged with a WA or UA that their predictions do not give; the predictions count": drifted,
    }
    return by_key, [f"{count} {text}." for text, count in remarks.items() if count]


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


def target_scores(
    target: str, by_key: Mapping[Key, Result], grid: Grid, replicates: int, rng: np.random.Generator
) -> Scores:
    """Arrange and resample the results of one target. A cell needs all its seeds; its value is their mean."""
    combinations, configurations = grid.combinations(target), grid.configurations
    cells = _cells(target, by_key, grid)
    blank = np.full((len(combinations), len(configurations)), -np.inf)
    for cell in cells:
        blank[cell] = np.nan
    full = [cell for cell, repeats in cells.items() if len(repeats) == len(grid.seeds)]
    tested = [result for cell in full for result in cells[cell]]
    if not tested:
        replicated = np.broadcast_to(blank, (replicates, *blank.shape))
        holes, no_draws = dict.fromkeys(METRICS, blank), dict.fromkeys(METRICS, replicated)
        return Scores(target, combinations, configurations, holes, no_draws, cells, 0)
    correct = np.stack([result.predicted == result.truth for result in tested], axis=1)
    owners = np.repeat(np.arange(len(full)), len(grid.seeds))
    values, resampled = accuracy_draws(tested[0].truth, correct, owners.tolist(), replicates, rng)
    point, draws = {}, {}
    for metric, means, replicated in zip(METRICS, values, resampled, strict=True):
        point[metric], draws[metric] = blank.copy(), np.broadcast_to(blank, (len(replicated), *blank.shape)).copy()
        rows, columns = [k for k, _ in full], [c for _, c in full]
        point[metric][rows, columns], draws[metric][:, rows, columns] = means, replicated
    return Scores(target, combinations, configurations, point, draws, cells, len(tested[0].truth))


def _cells(target: str, by_key: Mapping[Key, Result], grid: Grid) -> dict[tuple[int, int], tuple[Result, ...]]:
    """The results of each cell that the grid has, in the order of the seeds."""
    row = {corpora: k for k, corpora in enumerate(grid.combinations(target))}
    column = {configuration: c for c, configuration in enumerate(grid.configurations)}
    cells = {}
    for corpora, *network in dict.fromkeys(key[:4] for key in grid.titles):
        if corpora in row:
            block, pooling, task = network
            keys: list[Key] = [(target, corpora, block, pooling, task, seed) for seed in grid.seeds]
            place = row[corpora], column[block, pooling, task]
            cells[place] = tuple(by_key[key] for key in keys if key in by_key)
    return cells


def sign(pooling: str) -> str:
    """``μσ²`` for ``mean_var``; a pooling without a sign keeps its name."""
    return POOLING_SIGNS.get(pooling, pooling)

"""Paper 003's results, arranged for its tables: by combination and configuration, resampled, and the holes.

Scores of one target form a matrix [combinations, configurations]. Replicates are of a bootstrap over test utterances:
within one, a single resample of a target's utterances serves all results of that target (paired).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser.errors import BadInput
from ser.metrics.accuracy import confusion, ua, wa
from ser.report.bootstrap import CHUNK as _CHUNK
from ser.report.bootstrap import resamples
from ser.report.content import Hole
from ser.study import POOLING_SIGNS

METRICS = ("wa", "ua")
AS_EQUAL = 1e-9  # accuracies nearer than this are tied: means over seeds differ in the last bits

Floats = NDArray[np.float64]
Integers = NDArray[np.integer[Any]]
SMALL = np.int16  # class indices of ten thousand results are held at once
Configuration = tuple[str, str, str]  # temporal block, pooling, task set-up
Key = tuple[str, tuple[str, ...], str, str, str, int]  # target, corpora, block, pooling, task, seed


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
    """What the study expects, so that holes are visible."""

    study: str
    title: str
    letters: dict[str, str]  # corpus → "I"
    corpora: tuple[str, ...]
    train_only: tuple[str, ...]
    classes: tuple[str, ...]
    blocks: tuple[str, ...]
    pooling: tuple[str, ...]
    task: tuple[str, ...]
    seeds: tuple[int, ...]
    points: tuple[dict[str, Any], ...]  # every expected trial: corpora, block, pooling, task
    demo: bool  # made corpora
    papers_own: bool  # real corpora, and the paper's: then its numbers are printed beside ours
    notes: tuple[str, ...] = ()  # facts to print: deviations, sources, fingerprints, variants left out
    failures: dict[str, str] = field(default_factory=dict)  # trial title → last error

    @property
    def targets(self) -> tuple[str, ...]:
        """The corpora that are tested."""
        return tuple(c for c in self.corpora if c not in self.train_only)

    @property
    def configurations(self) -> tuple[Configuration, ...]:
        """The networks, in the fixed order that decides ties under "first"."""
        return tuple(product(self.blocks, self.pooling, self.task))

    def combinations(self, target: str) -> tuple[tuple[str, ...], ...]:
        """The combinations that hold ``target``, in the order of the points."""
        return tuple(dict.fromkeys(tuple(p["corpora"]) for p in self.points if target in p["corpora"]))

    def mix(self, corpora: Iterable[str]) -> str:
        """Letters of a combination: ``I+T``."""
        return "+".join(self.letters.get(c, c) for c in corpora)

    def trial_title(self, point: Mapping[str, Any], seed: int) -> str:
        """The title that the trial bears elsewhere: ``I+T+R · tdnn · μσ² · multi``."""
        name = f"{self.mix(point['corpora'])} · {point['block']} · {sign(point['pooling'])} · {point['task']}"
        return name + (f" · seed {seed}" if seed else "")

    def trials(self) -> Iterator[tuple[str, list[Key]]]:
        """Title and expected results of every trial."""
        for point, seed in product(self.points, self.seeds):
            rest = (point["block"], point["pooling"], point["task"], seed)
            corpora = tuple(point["corpora"])
            yield self.trial_title(point, seed), [(t, corpora, *rest) for t in self.targets if t in corpora]


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


def gather(results: Sequence[Result], grid: Grid, replicates: int = 1000, seed: int = 0) -> Evidence:
    """Arrange ``results`` (oldest first) on the grid and resample them; what is left out is said in the notes.

    Raises BadInput for a result whose labels do not fit each other or the grid's classes.
    """
    chosen, notes = _chosen(results, grid)
    holes = []
    expected = 0
    for title, keys in grid.trials():
        expected += 1
        lacking = tuple(key[0] for key in keys if key not in chosen)
        if lacking:
            holes.append(Hole(title, lacking, grid.failures.get(title, "")))
    # One stream per target: its intervals stay the same whatever else has been tested.
    streams = [np.random.default_rng([seed, place]) for place in range(len(grid.targets))]
    scores = [target_scores(t, chosen, grid, replicates, rng) for t, rng in zip(grid.targets, streams, strict=True)]
    return Evidence(grid, tuple(scores), tuple(holes), expected, tuple(notes))


def _chosen(results: Sequence[Result], grid: Grid) -> tuple[dict[Key, Result], list[str]]:
    """One result per expected key, all of a target on the same utterances, and notes on those left out."""
    expected = {key for _, keys in grid.trials() for key in keys}
    inside = [_checked(r, grid) for r in results if r.key in expected]
    tests = {t: Counter((r.uids, r.truth.tobytes()) for r in inside if r.target == t) for t in grid.targets}
    common = {t: count.most_common(1)[0][0] for t, count in tests.items() if count}
    chosen: dict[Key, Result] = {}
    again = strange = 0
    for result in inside:
        if (result.uids, result.truth.tobytes()) != common[result.target] or not result.uids:
            strange += 1
        elif result.key in chosen:
            again += 1
        else:
            chosen[result.key] = result
    drifted = sum(_drifted(r, len(grid.classes)) for r in chosen.values())
    said = {
        "results of trials outside the grid are ignored": len(results) - len(inside),
        "results repeat one that an earlier run gave; the earliest is kept": again,
        "results were tested on none or on other utterances or labels than most of their target; left out": strange,
        "results were logged with a WA or UA that their predictions do not give; the predictions count": drifted,
    }
    return chosen, [f"{count} {text}." for text, count in said.items() if count]


def _checked(result: Result, grid: Grid) -> Result:
    count = len(grid.classes)
    labels = np.concatenate([result.truth, result.predicted])
    if not len(result.uids) == len(result.truth) == len(result.predicted):
        found = f"{len(result.uids)} uids, {len(result.truth)} true labels, {len(result.predicted)} predictions"
        raise BadInput(found, f"run {result.run_id} on {result.target}", "one of each per utterance", "test it again")
    if labels.size and (labels.min() < 0 or labels.max() >= count):
        found = f"class index {labels.min()} … {labels.max()}"
        raise BadInput(found, f"run {result.run_id} on {result.target}", f"0 … {count - 1}", "test it again")
    return result


def _drifted(result: Result, n_classes: int) -> bool:
    counts = confusion(result.truth, result.predicted, n_classes)
    return abs(wa(counts) - result.wa) > 1e-6 or abs(ua(counts) - result.ua) > 1e-6


def target_scores(
    target: str, chosen: Mapping[Key, Result], grid: Grid, replicates: int, rng: np.random.Generator
) -> Scores:
    """Arrange and resample the results of one target. A cell needs all its seeds; its value is their mean."""
    combinations, configurations = grid.combinations(target), grid.configurations
    cells = _cells(target, chosen, grid)
    blank = np.full((len(combinations), len(configurations)), -np.inf)
    for cell in cells:
        blank[cell] = np.nan
    full = [cell for cell, found in cells.items() if len(found) == len(grid.seeds)]
    tested = [result for cell in full for result in cells[cell]]
    if not tested:
        drawn = np.broadcast_to(blank, (replicates, *blank.shape))
        point, draws = dict.fromkeys(METRICS, blank), dict.fromkeys(METRICS, drawn)
        return Scores(target, combinations, configurations, point, draws, cells, 0)
    truth = tested[0].truth
    correct = np.stack([result.predicted == truth for result in tested], axis=1)

    def measured(weights: NDArray[np.float32]) -> dict[str, Floats]:
        out = {}
        for metric, values in accuracies(truth, correct, weights).items():
            out[metric] = np.broadcast_to(blank, (len(weights), *blank.shape)).copy()
            by_seed = values.reshape(len(weights), len(full), len(grid.seeds))
            out[metric][:, [k for k, _ in full], [c for _, c in full]] = by_seed.mean(axis=-1)
        return out

    point = {metric: values[0] for metric, values in measured(np.ones((1, len(truth)), np.float32)).items()}
    step = max(1, _CHUNK // max(correct.shape))
    sizes = [min(step, replicates - start) for start in range(0, replicates, step)] or [0]
    parts = [measured(resamples(len(truth), size, rng)) for size in sizes]
    draws = {metric: np.concatenate([part[metric] for part in parts]) for metric in METRICS}
    return Scores(target, combinations, configurations, point, draws, cells, len(truth))


def _cells(target: str, chosen: Mapping[Key, Result], grid: Grid) -> dict[tuple[int, int], tuple[Result, ...]]:
    """The results of each cell that the grid has, in the order of the seeds."""
    row = {corpora: k for k, corpora in enumerate(grid.combinations(target))}
    column = {configuration: c for c, configuration in enumerate(grid.configurations)}
    cells = {}
    for point in grid.points:
        corpora, network = tuple(point["corpora"]), (point["block"], point["pooling"], point["task"])
        if corpora in row:
            keys: list[Key] = [(target, corpora, *network, seed) for seed in grid.seeds]
            cells[row[corpora], column[network]] = tuple(chosen[key] for key in keys if key in chosen)
    return cells


def accuracies(truth: Integers, correct: NDArray[np.bool_], weights: NDArray[np.float32]) -> dict[str, Floats]:
    """WA and UA [replicates, results] of weighted utterances; UA is the mean over the classes drawn.

    ``truth`` [utterances], ``correct`` [utterances, results], ``weights`` [replicates, utterances].
    """
    hits = np.zeros((len(weights), correct.shape[1]))
    recall = np.zeros_like(hits)
    present = np.zeros((len(weights), 1))
    for label in np.unique(truth):
        of_class = weights[:, truth == label]
        right = (of_class @ correct[truth == label].astype(np.float32)).astype(np.float64)  # counts: exact below 2**24
        total = of_class.sum(axis=1, dtype=np.float64, keepdims=True)
        hits += right
        recall += right / np.maximum(total, 1)
        present += total > 0
    return {"wa": hits / weights.sum(axis=1, dtype=np.float64, keepdims=True), "ua": recall / present}


def sign(pooling: str) -> str:
    """``μσ²`` for ``mean_var``; a pooling without a sign keeps its name."""
    return POOLING_SIGNS.get(pooling, pooling)

"""The results of a grid arranged for its tables: by target, combination and configuration, pooled and resampled.

Scores of one target form a matrix [combinations, configurations]. The folds of a seed are one test side, and a value is
the mean over the seeds. A replicate of the bootstrap serves all results of a target, so that these are paired.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np

from ser.metrics.accuracy import ua, wa
from ser.report.bootstrap import Sample, accuracy_draws, tested_of
from ser.report.content import HOLE, Cell
from ser.report.groups import spread
from ser.report.interaffection.placed import Placed, place
from ser.report.interaffection.results import Configuration, Grid, Key, Result, Split
from ser.report.predictions import LabelPredictions
from ser.report.reference import reference_accuracies
from ser.report.runs import Hole, Options
from ser.report.statistics import AS_EQUAL, DIFFERENCE, METRICS, SHARE, Floats, interval

Place = tuple[int, int]  # of a cell: combination, configuration
Names = tuple[tuple[str, ...], tuple[str, ...]]  # utterances, and their speakers


@dataclass(frozen=True, eq=False)
class Choice:
    """Cells chosen by validation, one in every split, and what they give on the test utterances of these."""

    tied: Mapping[Split, tuple[Place, ...]]  # the best by validation; the first of them is tested
    results: tuple[Result, ...]  # of the first, by seed and fold
    validation: float  # by which they were chosen: mean over the splits
    value: float = float("nan")  # on test: pooled over folds, mean over seeds; nan: a hole
    replicates: Floats = field(default_factory=lambda: np.empty(0))
    candidates: int = 0  # cells with a validation measure

    @property
    def cells(self) -> list[tuple[Place, int]]:
        """The cells, with the number of splits in which they are chosen; the most frequent first."""
        return Counter(places[0] for places in self.tied.values()).most_common()


NO_CHOICE = Choice({}, (), float("nan"))


@dataclass(frozen=True, eq=False)
class Scores:
    """Accuracies of one target by combination [K] and configuration [C]; nan = hole, -inf = not in the grid."""

    target: str
    combinations: tuple[tuple[str, ...], ...]
    configurations: tuple[Configuration, ...]
    point: Mapping[str, Floats]  # metric → [K, C], mean over seeds of all folds
    replicates: Mapping[str, Floats]  # metric → [replicates, K, C]
    spread: Mapping[str, Floats]  # metric → [K, C], sample deviation over the splits; nan where there is one
    validation: Mapping[str, Floats]  # metric → [K, C], mean over the splits
    choices: Mapping[tuple[str, bool], Choice]  # (metric, whether of the target's corpus alone)
    results: Mapping[Place, tuple[Result, ...]]  # those of each cell, by seed and fold
    sample: Sample  # what was tested, and is resampled

    def best(self, metric: str, rows: Sequence[int]) -> list[Place]:
        """The cells tied best within some combinations, in fixed order; [] if all are holes."""
        return tied_best(self.point[metric], rows)

    @property
    def alone(self) -> list[int]:
        """The rows of trainings on the target's corpus alone: one, or none."""
        return [k for k, combination in enumerate(self.combinations) if len(combination) == 1]

    @property
    def size(self) -> str:
        """Utterances, and speakers where these are known: ``930 (24)``; a hole where nothing was tested."""
        if not self.sample.utterances:
            return HOLE
        return f"{self.sample.utterances}" + (f" ({self.sample.speakers})" if self.sample.speakers else "")

    @property
    def words(self) -> str:
        """The same in words: ``930 utterances of 24 speakers``."""
        count = self.sample.speakers
        speakers = f" of {count} speaker{'s' if count != 1 else ''}" if count else ""
        return f"{self.sample.utterances} utterances{speakers}"

    def cell(self, value: float | Floats, draws: Floats) -> Cell:
        """Returns an accuracy with its interval, for so many speakers or utterances as there are."""
        return interval(value, draws, self.sample.clusters, SHARE)

    def source(self, place: Place) -> tuple[tuple[str, ...], str]:
        """Returns the runs of a cell, and what it is of in words."""
        combination, (block, pooling, task) = self.combinations[place[0]], self.configurations[place[1]]
        results = self.results.get(place, ())
        seeds = ", ".join(dict.fromkeys(str(result.seed) for result in results))
        words = f"{self.target}: trained on {' + '.join(combination)}; {block.upper()}, {pooling}, {task}"
        return tuple(result.run_id for result in results), words + (f"; seed {seeds}" if seeds else "")

    def difference(self, value: float | Floats, draws: Floats) -> Cell:
        """Returns the difference of two accuracies with its interval."""
        return interval(value, draws, self.sample.clusters, DIFFERENCE)


def tied_best(values: Floats, rows: Sequence[int]) -> list[Place]:
    """Returns the places of the greatest of ``values`` [combinations, configurations] in some rows; [] without any."""
    cells = [(k, c) for k in rows for c in range(values.shape[1]) if np.isfinite(values[k, c])]
    top = max((values[cell] for cell in cells), default=np.nan)
    return [cell for cell in cells if values[cell] >= top - AS_EQUAL]


@dataclass(frozen=True, eq=False)
class Evidence:
    """All results of a study, arranged."""

    grid: Grid
    scores: tuple[Scores, ...]  # one per target
    holes: tuple[Hole, ...]
    expected: int  # trials
    notes: tuple[str, ...]
    references: Mapping[str, tuple[Cell, Cell]]  # target → WA and UA of the plain reference, where there is one

    @property
    def done(self) -> int:
        """Trials that have all their results."""
        return self.expected - len(self.holes)


def arranged_on_grid(results: Sequence[Result], grid: Grid, options: Options | None = None, seed: int = 0) -> Evidence:
    """Arranges ``results`` (oldest first) on the grid and resamples them; what is left out is said in the notes.

    Raises BadInput for a result whose labels do not fit each other or the grid's classes.
    """
    options = options or Options()
    placed = place(results, grid)
    # One stream per target: its intervals stay the same whatever else has been tested.
    streams = [np.random.default_rng([seed, number]) for number in range(len(grid.targets))]
    scores = [target_scores(t, placed, grid, options, rng) for t, rng in zip(grid.targets, streams, strict=True)]
    references = reference_accuracies(grid.expected, options)
    return Evidence(grid, tuple(scores), placed.holes, placed.expected, placed.notes, references)


# --- pooled over folds, averaged over seeds, chosen by validation, resampled ---


def target_scores(target: str, placed: Placed, grid: Grid, options: Options, rng: np.random.Generator) -> Scores:
    """Returns the scores of one target. A cell needs all its seeds and folds; its value is the mean over the seeds."""
    keys = _keys_of_cells(target, grid)
    cells = {cell: tuple(placed.by_key[k] for k in expected if k in placed.by_key) for cell, expected in keys.items()}
    full = {cell: results for cell, results in cells.items() if len(results) == len(keys[cell])}
    combinations = grid.combinations(target)
    blank = np.full((len(combinations), len(grid.configurations)), -np.inf)
    blank[tuple(zip(*cells, strict=True)) if cells else ()] = np.nan
    # What validation chooses is a setting of its own: in each split the result of the cell that is best there.
    choices = {}
    for metric, alone in product(METRICS, (False, True)):
        candidates = {cell: results for cell, results in full.items() if not alone or len(combinations[cell[0]]) == 1}
        choices[metric, alone] = choose(candidates, metric)
    settings = [*full.values(), *(choice.results for choice in choices.values() if choice.results)]
    point, replicates, sample = _resampled(settings, options, rng)
    values = {metric: _matrix(blank, full, point[n, : len(full)]) for n, metric in enumerate(METRICS)}
    draws = {metric: _matrix(blank, full, replicates[n, :, : len(full)]) for n, metric in enumerate(METRICS)}
    number = len(full)
    for (metric, alone), choice in choices.items():
        if choice.results:
            n = METRICS.index(metric)
            choices[metric, alone] = replace(choice, value=float(point[n, number]), replicates=replicates[n, :, number])
            number += 1
    return Scores(
        target=target,
        combinations=combinations,
        configurations=grid.configurations,
        point=values,
        replicates=draws,
        spread={m: _matrix(blank, full, np.array([spread_of(r, m) for r in full.values()])) for m in METRICS},
        validation={m: _matrix(blank, full, np.array([_validation(r, m) for r in full.values()])) for m in METRICS},
        choices=choices,
        results=cells,
        sample=sample,
    )


def _keys_of_cells(target: str, grid: Grid) -> dict[Place, list[Key]]:
    """The expected results of each cell that the grid has, by seed and fold."""
    row = {corpora: k for k, corpora in enumerate(grid.combinations(target))}
    column = {configuration: c for c, configuration in enumerate(grid.configurations)}
    cells: dict[Place, list[Key]] = {}
    for key in sorted(grid.titles, key=lambda key: (key[5], key[4])):
        if key[0] in row:
            cells.setdefault((row[key[0]], column[key[1], key[2], key[3]]), []).append((target, *key))
    return dict(sorted(cells.items()))


def choose(candidates: Mapping[Place, Sequence[Result]], metric: str) -> Choice:
    """Returns the cells that validation chooses among ``candidates``: in every split one of those that are in it.

    What was tested in a split plays no part in its choice, nor does validation in another split, whose validation
    utterances may be tested in this one. A cell without a validation measure in all of its splits is no candidate.
    """
    lines = {
        cell: {result.split: result for result in results}
        for cell, results in candidates.items()
        if np.isfinite(_validation(results, metric))
    }
    if not lines:
        return NO_CHOICE
    tied, winners = {}, []
    for split in sorted({split for line in lines.values() for split in line}):
        values = {cell: line[split].validation[metric] for cell, line in lines.items() if split in line}
        top = max(values.values())
        tied[split] = tuple(cell for cell, value in values.items() if value >= top - AS_EQUAL)
        winners.append(lines[tied[split][0]][split])
    return Choice(tied, tuple(winners), _validation(winners, metric), candidates=len(lines))


def _resampled(
    settings: Sequence[Sequence[Result]], options: Options, rng: np.random.Generator
) -> tuple[Floats, Floats, Sample]:
    """WA and UA of settings [2, settings], their replicates [2, replicates, settings], and what these draw."""
    if not settings:
        return np.empty((2, 0)), np.empty((2, options.replicates, 0)), Sample(0, 0, by_speaker=False)
    names: dict[tuple[int, ...], Names] = {}
    tests = [
        (number, seed, _pooled([r.test for r in results if r.seed == seed], names))
        for number, results in enumerate(settings)
        for seed in dict.fromkeys(r.seed for r in results)
    ]
    tested = tested_of(tests, options.resample)
    return *accuracy_draws(tested, options.replicates, rng), tested.sample


def _pooled(parts: Sequence[LabelPredictions], names: dict[tuple[int, ...], Names]) -> LabelPredictions:
    """The folds of a seed as one; ``names`` keeps utterances and speakers, which thousands of settings share."""
    if len(parts) == 1:
        return parts[0]
    key = tuple(id(part.uids) for part in parts)
    if key not in names:
        uids = tuple(uid for part in parts for uid in part.uids)
        names[key] = uids, tuple(name for part in parts for name in part.speakers)
    truth, predicted = (np.concatenate([getattr(part, name) for part in parts]) for name in ("truth", "predicted"))
    uids, speakers = names[key]
    whole = replace(parts[0], uids=uids, truth=truth, predicted=predicted)
    return replace(whole, speakers=speakers if len(speakers) == len(uids) else ())


def _matrix(blank: Floats, cells: Iterable[Place], values: Floats) -> Floats:
    """Puts ``values`` [..., cells] on [..., combinations, configurations]; elsewhere they are ``blank``."""
    matrix = np.broadcast_to(blank, (*values.shape[:-1], *blank.shape)).copy()
    rows_and_columns = list(cells)
    matrix[..., [k for k, _ in rows_and_columns], [c for _, c in rows_and_columns]] = values
    return matrix


def spread_of(results: Sequence[Result], metric: str) -> float:
    """Returns the sample deviation of a metric over seeds and folds; nan for one."""
    measure = {"wa": wa, "ua": ua}[metric]
    return spread([measure(result.test.counts) for result in results])


def _validation(results: Sequence[Result], metric: str) -> float:
    """The mean over seeds and folds; nan where one is unknown."""
    return float(np.mean([result.validation.get(metric, np.nan) for result in results]))

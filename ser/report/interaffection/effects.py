"""What block, pooling, task set-up and each further corpus do to an accuracy, all else equal.

Where a corpus is trained on alone, the task set-ups are one training: it is counted once, and is no case of that axis.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from ser.report.comparisons import Effect, axis_effects, cases_of_axis
from ser.report.content import Row, Table
from ser.report.interactions import ByCorpus, OnCorpus, comparable
from ser.report.interaffection.results import Grid, sign
from ser.report.interaffection.scores import Evidence, Place, Scores
from ser.report.statistics import METRICS, Floats

_TASK, _PRESENCE = 3, 4  # places in a setting: other corpora, block, pooling, task, presence of one corpus


@dataclass(frozen=True)
class Axis:
    """What two results differ in: a part of the network, or whether a corpus was trained on as well."""

    place: int  # in a setting
    values: tuple[str, ...]
    corpus: str = ""

    def label(self, effect: Effect, grid: Grid) -> str:
        """Returns an effect in words: ``BLSTM − LSTM``, ``+ T``."""
        if self.corpus:
            return f"+ {grid.letters[self.corpus]}"
        names = (effect.second, effect.first)
        return " − ".join(name.upper() if self.place == 1 else sign(name) for name in names)


@dataclass(frozen=True, eq=False)
class Cases:
    """Matched cases of one axis."""

    point: Floats  # [cases, values]
    draws: Floats  # [replicates, cases, values]
    clusters: int


def effects_table(evidence: Evidence) -> Table:
    """The effect of each axis of the grid on each target, and over all of them."""
    grid, rows, several = evidence.grid, [], len(evidence.scores) > 1
    for metric, axis in product(METRICS, axes_of(grid)):
        by_target = [cases_of(scores, metric, axis) for scores in evidence.scores]
        counted = [cases for cases in by_target if cases]
        if not counted:
            continue
        point = np.concatenate([cases.point for cases in counted])
        draws = np.concatenate([cases.draws for cases in counted], axis=1)  # those of two targets are independent
        overall = axis_effects(axis.values, point, draws, min(cases.clusters for cases in counted))
        single = [
            axis_effects(axis.values, cases.point, cases.draws, cases.clusters) if cases else None
            for cases in by_target
        ]
        for number, effect in enumerate(overall):
            cells = [effects[number].difference if effects else None for effects in single]
            cells += [effect.difference] * several
            better = f"{effect.positive} of {effect.cases}"
            rows.append(Row(metric, axis.label(effect, grid), (*cells, better), effect.cases, len(point)))
    return Table(
        "effects",
        "What each part does",
        "Mean difference in accuracy, in points, between two results that differ in this alone, with its 95 % "
        "interval"
        + (": on each target, and over all. " if several else ". ")
        + ("“+ T” is one more corpus to train on. " if grid.mixes else "")
        + "Better in: cases in which the difference is above 0. A case that lacks one of the two results does not "
        "count. Each interval is for itself: of twenty effects that are none, one is expected to exclude 0.",
        (*(scores.target for scores in evidence.scores), *["All"] * several, "Better in"),
        tuple(rows),
        "cases",
        brief=True,
        named="Change",
    )


def axes_of(grid: Grid) -> list[Axis]:
    """Returns the axes with more than one value."""
    parts = zip((1, 2, 3), (grid.blocks, grid.pooling, grid.task), strict=True)
    axes = [Axis(place, values) for place, values in parts if len(values) > 1]
    return axes + [Axis(_PRESENCE, ("without", "with"), corpus) for corpus in grid.corpora if len(grid.corpora) > 1]


def by_target(evidence: Evidence, metric: str) -> list[ByCorpus]:
    """Returns the cases of each part of the network by the target."""
    grid, heads = evidence.grid, {1: "block", 2: "pooling", 3: "task"}
    out = []
    for axis in (axis for axis in axes_of(grid) if axis.place in heads):
        each = [(scores.target, cases_of(scores, metric, axis)) for scores in evidence.scores]
        on = tuple(OnCorpus(target, cases.point, cases.draws) for target, cases in each if cases)
        names = tuple(value.upper() if axis.place == 1 else sign(value) for value in axis.values)
        out.append(ByCorpus(heads[axis.place], names, on))
    return comparable(out)


def cases_of(scores: Scores, metric: str, axis: Axis) -> Cases | None:
    """Returns the matched cases of an axis on one target; None where it has none."""
    if axis.corpus == scores.target:
        return None
    cells, settings = [], []
    first_task = scores.configurations[0][2]
    for k, c in scores.results:
        combination, (block, pooling, task) = scores.combinations[k], scores.configurations[c]
        if not axis.corpus and len(combination) == 1 and (axis.place == _TASK or task != first_task):
            continue
        rest = ",".join(name for name in combination if name != axis.corpus)
        cells.append((k, c))
        settings.append((rest, block, pooling, task, axis.values[axis.corpus in combination] if axis.corpus else ""))
    if not cells:
        return None
    point, draws = at_cells(scores, metric, cells)
    present, point, draws = cases_of_axis(settings, axis.place, point, draws)
    by_value = np.full((len(point), len(axis.values)), np.nan)
    draws_by_value = np.full((len(draws), *by_value.shape), np.nan)
    for column, value in enumerate(present):
        by_value[:, axis.values.index(value)] = point[:, column]
        draws_by_value[..., axis.values.index(value)] = draws[..., column]
    return Cases(by_value, draws_by_value, scores.sample.clusters)


def at_cells(scores: Scores, metric: str, cells: Sequence[Place]) -> tuple[Floats, Floats]:
    """Returns values [cells] and draws [replicates, cells] of some cells."""
    rows, columns = [k for k, _ in cells], [c for _, c in cells]
    return scores.point[metric][rows, columns], scores.replicates[metric][:, rows, columns]

"""Means of results over settings, and differences of pairs of results, with intervals by paired draws."""

from collections.abc import Sequence

import numpy as np

from ser.report.content import Cell
from ser.report.crossing.arranged import Result
from ser.report.statistics import DIFFERENCE, SHARE, Floats, interval

SEEN = "°"  # behind the number of a corpus of which other speakers were trained on


def mean(results: Sequence[Result], metric: str) -> Cell:
    """Returns the mean of some results on one corpus with its interval; a hole of none."""
    if not results:
        return Cell(float("nan"))
    value = float(np.mean([result.point[metric] for result in results]))
    draws = np.mean([result.draws[metric] for result in results], axis=0)
    clusters = min(result.sample.clusters for result in results)
    cell = interval(value, draws, clusters, SHARE)
    return Cell(cell.value, cell.low, cell.high, mark=SEEN if results[0].seen else "")


Pair = tuple[Result | None, Result | None]  # without something, and with it; None: it is not there yet


def by_pair(pairs: Sequence[Pair], metric: str) -> tuple[Floats, Floats, int]:
    """Returns values [pairs, 2], draws [replicates, pairs, 2], and the fewest speakers behind these; a hole is nan."""
    results = [result for pair in pairs for result in pair if result]
    replicates = min((len(result.draws[metric]) for result in results), default=0)
    point = np.full((len(pairs), 2), np.nan)
    draws = np.full((replicates, len(pairs), 2), np.nan)
    for row, pair in enumerate(pairs):
        for side, result in enumerate(pair):
            if result:
                point[row, side], draws[:, row, side] = result.point[metric], result.draws[metric][:replicates]
    return point, draws, min((result.sample.clusters for result in results), default=0)


def difference(pairs: Sequence[Pair], metric: str) -> Cell:
    """Returns the mean difference that something makes over the complete pairs; a hole where there are none."""
    point, draws, clusters = by_pair([pair for pair in pairs if all(pair)], metric)
    if not len(point):
        return Cell(float("nan"))
    changes = (draws[:, :, 1] - draws[:, :, 0]).mean(axis=1) if len(draws) else np.empty(0)
    return interval(float((point[:, 1] - point[:, 0]).mean()), changes, clusters, DIFFERENCE)

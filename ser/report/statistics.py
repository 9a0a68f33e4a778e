"""Intervals from replicates, and the shares of cases won. ``ser.report.bootstrap`` makes the replicates.

A case is one comparison with all else equal. It hands out one credit, to the best of its options, and counts only if
all of them are there, so that an unfinished study shows smaller n and never a guess.
"""

from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ser.errors import BadInput
from ser.report.content import Cell

METRICS = ("wa", "ua")
AS_EQUAL = 1e-9  # accuracies nearer than this are tied: means over seeds differ in the last bits
TIES = ("fractional", "first")
SHARE = (0.0, 1.0)  # where accuracies lie
DIFFERENCE = (-1.0, 1.0)  # where differences of accuracies lie
FEW_CLUSTERS = 5  # speakers: with fewer an interval means little
_Z = 1.959963984540054  # of the normal distribution, 95 % two-sided

Floats = NDArray[np.float64]
Integers = NDArray[np.integer[Any]]
Bools = NDArray[np.bool_]


# --- intervals ---


def interval(
    value: float | Floats, draws: Floats, clusters: int = 0, within: tuple[float, float] = (-np.inf, np.inf)
) -> Cell:
    """Returns the value with the 2.5 and 97.5 percentiles of its replicates.

    Without replicates, where these do not vary, or where the value is undefined, it has no interval; undefined
    replicates do not count. Replicates that are all alike (all is right of every speaker, two results are one training,
    two speakers show the same difference) do not tell how far others would lie: an interval of no width would be false.

    ``clusters``: how many speakers (or utterances) the replicates were drawn from; 0 = not said. The percentiles are
    those at which a normal distribution is as wide as Student's t with ``clusters`` - 1 degrees of freedom, because
    the spread between few speakers is itself known from few (the expanded percentile interval of Hesterberg, "What
    Teachers Should Know About the Bootstrap", Am. Stat. 69, 2015, section 4.1): 2.5 and 97.5 for many. A single one
    has no interval. Of fewer than ``FEW_CLUSTERS`` there are too few different replicates for such percentiles (of two
    speakers, two): there the interval is Student's t, so many standard deviations of the replicates on either side, as
    far as values can lie: ``within``, ``SHARE`` for accuracies and other shares.

    >>> interval(0.5, np.array([0.4, 0.5, 0.6]))
    Cell(value=0.5, low=0.405, high=0.595)
    """
    defined = draws[np.isfinite(draws)]
    if not defined.size or np.isnan(value) or clusters == 1 or np.ptp(defined) < AS_EQUAL:
        return Cell(float(value))
    if 1 < clusters < FEW_CLUSTERS and defined.size > 1:
        from scipy.special import stdtrit

        half = float(stdtrit(clusters - 1, 0.975) * defined.std(ddof=1))
        return Cell(float(value), max(float(value) - half, within[0]), min(float(value) + half, within[1]))
    outside = 100 * tail(clusters)
    low, high = np.percentile(defined, (outside, 100 - outside))
    return Cell(float(value), float(low), float(high))


def interval_of_wins(share: float | Floats, draws: Floats, clusters: int = 0) -> Cell:
    """Returns a share of cases that are won with its interval, percentiles; without one where clusters are few.

    In replicates more noise decides who wins: such an interval need not lie around the share, as Student's t does. Of
    fewer than ``FEW_CLUSTERS`` there are too few different replicates to count winners in.
    """
    return Cell(float(share)) if 0 < clusters < FEW_CLUSTERS else interval(share, draws, clusters)


def tail(clusters: int, level: float = 0.95) -> float:
    """Returns the share of replicates below an interval, as wide as Student's t for so many clusters; 0 = very many.

    >>> [round(tail(clusters), 4) for clusters in (0, 100, 10, 4)]
    [0.025, 0.0236, 0.0118, 0.0007]
    """
    if not clusters:
        return (1 - level) / 2
    from scipy.special import ndtr, stdtrit  # later: what only looks needs none

    return float(ndtr(-stdtrit(clusters - 1, (1 + level) / 2)))


def wilson(right: int, n: int) -> Cell:
    """Returns a share with its 95 % interval after Wilson 1927, "Probable inference, the law of succession".

    The share of none is a hole.

    >>> cell = wilson(18, 37)
    >>> round(cell.value, 4), round(cell.low, 4), round(cell.high, 4)
    (0.4865, 0.3345, 0.6411)
    """
    if not n:
        return Cell(float("nan"))
    share = right / n
    middle = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    return Cell(share, max(0.0, middle - half), min(1.0, middle + half))


# --- shares of cases ---


def credit(scores: ArrayLike, ties: str = "fractional") -> Floats:
    """Hands one credit per case to the best along the last axis: [..., n] → [..., n]; a case with a hole gives nan.

    ``ties``: "fractional" divides the credit among all tied best, "first" gives it to the first of them.
    Raises BadInput for another rule.

    >>> credit([[0.5, 0.7, 0.7], [0.9, 0.1, 0.2]]).tolist()
    [[0.0, 0.5, 0.5], [1.0, 0.0, 0.0]]
    >>> credit([0.5, 0.7, 0.7], ties="first").tolist()
    [0.0, 1.0, 0.0]
    """
    check_ties(ties)
    values = np.asarray(scores, np.float64)
    best = values >= values.max(axis=-1, keepdims=True) - AS_EQUAL
    if ties == "first":
        best &= best.cumsum(axis=-1) == 1
    count = best.sum(axis=-1, keepdims=True)
    return np.where(count > 0, best / np.maximum(count, 1), np.nan)


def check_ties(ties: str) -> None:
    """Raises BadInput for an unknown rule of ties."""
    if ties not in TIES:
        raise BadInput(repr(ties), "ties", ", ".join(TIES), "choose one of them")


def complete_cases(scores: Floats) -> tuple[Bools, int]:
    """Returns which rows of [cases, options] are complete, and how many of them the grid has.

    nan is a hole, -inf an option that the grid does not have.
    """
    exist = np.asarray(~np.isneginf(scores).all(axis=-1))
    return np.asarray(exist & ~np.isnan(scores).any(axis=-1)), int(exist.sum())

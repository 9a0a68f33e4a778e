"""Which settings differ: effects of an axis, tests of all pairs, and the set that holds the best.

Accuracies are 0 … 1. ``point`` has a value per setting, or a matrix [cases, options]; ``draws`` has the same of every
replicate of the bootstrap in front, [replicates, …], paired as ``ser.report.bootstrap`` makes them. nan is a hole and
-inf an option that a case does not have; neither is compared. ``clusters``: the speakers (or utterances) behind the
draws, of several corpora the fewest; 0 = many. Ranks over cases are in ``ser.report.ranks``, shares of wins that are
expected by chance in ``ser.report.expected_shares``.

Two kinds of claims are kept apart. Tests *over cases* (Wilcoxon, Friedman) ask whether a difference would be seen on
other cases; they take cases as independent, which those of one corpus are not: these share speakers, utterances and
training data, so that such a p is too small, and a reader should count corpora rather than cases. Tests *over
speakers* ask whether a difference would be seen with other speakers (and seeds) of the same corpora; whatever cases
have in common is in the draws.

Efron and Tibshirani, "An Introduction to the Bootstrap", 1993; Demšar, "Statistical comparisons of classifiers over
multiple data sets", J. Mach. Learn. Res. 7, 2006; Holm, "A simple sequentially rejective multiple test procedure",
Scand. J. Stat. 6, 1979; Hsu, "Multiple Comparisons: Theory and Methods", 1996, chapter 4.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.special import ndtr, stdtr, stdtrit

from ser.report.content import Cell
from ser.report.signed_ranks import wilcoxon
from ser.report.statistics import AS_EQUAL, DIFFERENCE, FEW_CLUSTERS, Bools, Floats, interval

_ABSENT = -np.inf


@dataclass(frozen=True)
class Effect:
    """What one value of an axis does beside another, all else equal."""

    first: str
    second: str
    difference: Cell  # mean over the matched cases of second - first
    cases: int  # matched cases
    of: int  # those that there would be without holes
    positive: int  # those in which second is better


@dataclass(frozen=True)
class Pair:
    """Two options, told apart or not."""

    first: int  # place among the options
    second: int
    difference: Cell  # second - first
    p: float  # two-sided; nan where it is undefined
    adjusted: float  # after Holm, over all pairs
    cases: int  # matched cases


@dataclass(frozen=True)
class Standing:
    """A setting beside the best of the others."""

    difference: Cell  # setting - best of the others; its interval holds for all settings at once
    member: bool  # whether it is as good as the best, for all that is known


# --- cases ---


def cases_of_axis(
    settings: Sequence[tuple[str, ...]], axis: int, point: Floats, draws: Floats
) -> tuple[tuple[str, ...], Floats, Floats]:
    """Returns an axis's values, and ``point`` [settings] and ``draws`` [replicates, settings] by [cases, values].

    A case is what settings have in common that differ in this axis alone; a corpus that they are tested on is best one
    of their values. A value that no setting has in a case is -inf there.
    """
    values = tuple(dict.fromkeys(setting[axis] for setting in settings))
    rows: dict[tuple[str, ...], int] = {}
    places = [
        (rows.setdefault(setting[:axis] + setting[axis + 1 :], len(rows)), values.index(setting[axis]))
        for setting in settings
    ]
    by_case = np.full((len(rows), len(values)), _ABSENT)
    draws_by_case = np.full((len(draws), len(rows), len(values)), _ABSENT)
    for place, (row, column) in enumerate(places):
        by_case[row, column] = point[place]
        draws_by_case[:, row, column] = draws[:, place]
    return values, by_case, draws_by_case


def means_of_complete_cases(point: Floats, draws: Floats) -> tuple[Floats, Floats, int]:
    """Returns means over the cases that have every option, [options] and [replicates, options], and their number."""
    complete = np.isfinite(point).all(axis=1)
    count = int(complete.sum())
    if not count:
        return np.full(point.shape[1], np.nan), np.full((len(draws), point.shape[1]), np.nan), 0
    return point[complete].mean(axis=0), draws[:, complete].mean(axis=1), count


# --- effects ---


def axis_effects(values: Sequence[str], point: Floats, draws: Floats, clusters: int = 0) -> tuple[Effect, ...]:
    """Returns the mean paired difference of every two values of an axis over matched cases, with its interval.

    ``point`` [cases, values], ``draws`` [replicates, cases, values], as of ``cases_of_axis``. Intervals are each 95 %:
    of twenty effects that are none, one is expected to exclude 0.
    """
    effects = []
    for first, second in combinations(range(len(values)), 2):
        both = point[:, [first, second]]
        matched = np.isfinite(both).all(axis=1)
        differences = point[matched, second] - point[matched, first]
        cell = _mean_difference(differences, draws[:, matched, second] - draws[:, matched, first], clusters)
        positive = int((differences > AS_EQUAL).sum())
        possible = int((~np.isneginf(both)).all(axis=1).sum())
        effects.append(Effect(values[first], values[second], cell, int(matched.sum()), possible, positive))
    return tuple(effects)


def _mean_difference(differences: Floats, draws: Floats, clusters: int) -> Cell:
    """The mean over cases [cases] with the interval of its draws [replicates, cases]."""
    if not differences.size:
        return Cell(np.nan)
    return interval(float(differences.mean()), draws.mean(axis=1), clusters, DIFFERENCE)


# --- all pairs ---


def holm(p: Sequence[float]) -> list[float]:
    """Returns p-values adjusted for their number after Holm 1979; nan stays nan and does not count.

    >>> [round(value, 3) for value in holm([0.01, 0.04, float("nan"), 0.03])]
    [0.03, 0.06, nan, 0.06]
    """
    values = np.asarray(p, np.float64)
    defined = np.flatnonzero(~np.isnan(values))
    order = defined[np.argsort(values[defined], kind="stable")]
    adjusted = np.full(len(values), np.nan)
    steps = values[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1) if len(order) else []
    return [float(value) for value in adjusted]


def pairwise_over_cases(point: Floats) -> tuple[Pair, ...]:
    """Returns Wilcoxon's signed-rank test of every pair of options over cases [cases, options], corrected after Holm.

    As Demšar 2006 recommends for classifiers over data sets. Cases of no difference go to both signs by halves. With
    n cases no p is below 2 ** (1 - n): five or fewer never reach 0.05. Of a single case p is undefined.
    """
    pairs = []
    for first, second in combinations(range(point.shape[1]), 2):
        matched = np.isfinite(point[:, [first, second]]).all(axis=1)
        differences = point[matched, second] - point[matched, first]
        cell = Cell(float(differences.mean())) if differences.size else Cell(np.nan)
        pairs.append((first, second, cell, _wilcoxon(differences), len(differences)))
    return _corrected(pairs)


def _wilcoxon(differences: Floats) -> float:
    rounded = np.round(differences, 9)  # ties are ties, whatever the last bits say
    if len(rounded) < 2:  # one case says nothing of others
        return np.nan
    if not rounded.any():
        return 1.0
    return wilcoxon(rounded)


def pairwise_over_speakers(point: Floats, draws: Floats, clusters: int = 0, cases: int = 1) -> tuple[Pair, ...]:
    """Returns a test of every pair of options by the bootstrap over speakers (and seeds), corrected after Holm.

    ``point`` [options] and ``draws`` [replicates, options] are of one corpus, or means over ``cases``. The difference
    is divided by the standard deviation of its draws and compared with Student's t of ``clusters`` - 1 degrees of
    freedom. Counting draws beyond 0 instead would know no p below 1 / replicates, and none of 66 pairs could survive a
    correction with a thousand. Twins that never differ have p = 1. Where the draws do not vary though the values
    differ, or are undefined, so is p.
    """
    pairs = []
    for first, second in combinations(range(len(point)), 2):
        difference = float(point[second] - point[first]) if np.isfinite(point[[first, second]]).all() else np.nan
        changes = draws[:, second] - draws[:, first] if np.isfinite(difference) else np.empty(0)
        cell = interval(difference, changes, clusters, DIFFERENCE)
        count = cases if np.isfinite(difference) else 0
        pairs.append((first, second, cell, _p_of_draws(difference, changes, clusters), count))
    return _corrected(pairs)


def _p_of_draws(difference: float, draws: Floats, clusters: int) -> float:
    defined = draws[np.isfinite(draws)]
    if defined.size < 2 or clusters == 1:
        return np.nan
    error = float(defined.std(ddof=1))
    if error < AS_EQUAL:
        return 1.0 if abs(difference) < AS_EQUAL else np.nan
    return 2 * _below(-abs(difference) / error, clusters)


def _below(t: float, clusters: int) -> float:
    return float(stdtr(clusters - 1, t) if clusters else ndtr(t))


def _corrected(pairs: Sequence[tuple[int, int, Cell, float, int]]) -> tuple[Pair, ...]:
    adjusted = holm([p for *_, p, _ in pairs])
    return tuple(
        Pair(first, second, cell, p, corrected, cases)
        for (first, second, cell, p, cases), corrected in zip(pairs, adjusted, strict=True)
    )


# --- the best ---


def indistinguishable(
    point: Floats, draws: Floats, clusters: int = 0, level: float = 0.95
) -> tuple[Standing | None, ...]:
    """Returns every setting's difference to the best of the others, and whether it is as good, for all that is known.

    Multiple comparisons with the best after Hsu: the set holds the true best in at least ``level`` of all cases, and
    the intervals hold at once for all settings. A setting leaves the set if another one exceeds it by more than its
    bound: the ``level`` quantile of the greatest studentized difference to the others among draws that are centred, so
    that all are equal. Correlation between settings is thereby taken as it is; the bound is widened from the normal
    distribution's to Student's t of ``clusters`` - 1 degrees of freedom. Differences that do not vary between draws
    tell nothing apart. Without draws, and of fewer than ``FEW_CLUSTERS`` speakers, whose draws are too few different
    ones to have such a quantile, nothing is known of the spread: all are members, without intervals.

    ``point`` [settings], ``draws`` [replicates, settings], undefined replicates left out. None: a hole.
    """
    compared = [place for place, value in enumerate(point.tolist()) if np.isfinite(value)]
    values = point[compared]
    defined = draws[:, compared]
    defined = defined[np.isfinite(defined).all(axis=1)]
    standings: list[Standing | None] = [None] * len(point)
    if len(compared) < 2 or len(defined) < 2 or 0 < clusters < FEW_CLUSTERS:
        for place in compared:
            standings[place] = Standing(Cell(_to_best_of_others(point, place)), True)
        return tuple(standings)
    bounds = np.array(list(_bounds(values, defined, clusters, level)))  # [setting, other], 0 on the diagonal
    members = _members(values, bounds)
    for place, row in enumerate(compared):
        low, high = _hsu(values, bounds, members, place)
        standings[row] = Standing(Cell(_to_best_of_others(point, row), low, high), bool(members[place]))
    return tuple(standings)


def _to_best_of_others(point: Floats, place: int) -> float:
    others = np.delete(point, place)
    others = others[np.isfinite(others)]
    return float(point[place] - others.max()) if others.size else np.nan


def _bounds(values: Floats, draws: Floats, clusters: int, level: float) -> Iterator[Floats]:
    """Yields, of each setting, by how much each other one may exceed it by chance [settings].

    0 for itself and for a twin; inf where the difference is not 0 and never varies.
    """
    for place, value in enumerate(values):
        excess = draws - draws[:, [place]]
        error = excess.std(axis=0, ddof=1)
        varies = error > AS_EQUAL
        critical = 0.0
        if varies.any():
            studentized = (excess - excess.mean(axis=0))[:, varies] / error[varies]
            critical = max(0.0, float(np.quantile(studentized.max(axis=1), level)))
        constant = np.where(np.abs(values - value) <= AS_EQUAL, 0.0, np.inf)
        yield np.where(varies, _widened(critical, clusters) * error, constant)


def _widened(quantile: float, clusters: int) -> float:
    """The quantile of Student's t of the same probability as this one of the normal distribution."""
    return float(-stdtrit(clusters - 1, ndtr(-quantile))) if clusters else quantile


def _members(values: Floats, bounds: Floats) -> Bools:
    excess = values[None, :] - values[:, None]  # by how much the column exceeds the row
    return np.asarray((excess <= bounds + AS_EQUAL).all(axis=1))


def _hsu(values: Floats, bounds: Floats, members: Bools, place: int) -> tuple[float, float]:
    """Hsu's constrained interval of setting - best of the others: it ends at 0 where the sign is certain."""
    others = np.arange(len(values)) != place
    high = min(max(0.0, float((values[place] - values[others] + bounds[place, others]).min())), DIFFERENCE[1])
    rivals = members & others
    if not rivals.any():
        return 0.0, high
    low = max(min(0.0, float((values[place] - values[rivals] - bounds[rivals, place]).min())), DIFFERENCE[0])
    return low, high

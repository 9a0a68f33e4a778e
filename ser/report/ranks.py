"""Average ranks of configurations over cases: Friedman's test, Nemenyi's critical difference and their diagram.

Demšar, "Statistical comparisons of classifiers over multiple data sets", J. Mach. Learn. Res. 7, 2006, section 3.2.2;
Nemenyi, "Distribution-free multiple comparisons", Princeton, 1963. Both take cases as independent. Cases of one corpus
share speakers and training data: their ranks agree more than those of so many corpora would, and the tests find more
than there is. ``ser.report.comparisons.pairwise_over_speakers`` does not assume it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

from ser.metrics.confusion import INK
from ser.report import figures
from ser.report.content import Picture
from ser.report.statistics import Floats

if TYPE_CHECKING:  # Matplotlib takes half a second to import
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class Ranking:
    """Average ranks over complete cases, 1 = best, and whether they differ at all."""

    ranks: Floats  # [options]; nan without a case
    cases: int
    chi_square: float  # Friedman's; nan where it is undefined
    p: float
    f: float  # Iman and Davenport's, which is less conservative; inf where every case has one order
    f_p: float


def ranks_of(point: Floats) -> Floats:
    """Returns the rank of each option in each case [cases, options], 1 = best; tied ones share the mean of theirs."""
    return np.array([_ranks(case) for case in -np.round(point, 9)], np.float64).reshape(point.shape)


def _ranks(values: Floats) -> Floats:
    """The rank of each value, 1 = least; nan for all where one is nan."""
    if np.isnan(values).any():
        return np.full(len(values), np.nan)
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[which], np.float64)


def friedman(point: Floats) -> Ranking:
    """Returns the average ranks of options over cases [cases, options] and Friedman's test.

    Cases with holes do not count. The test is undefined for fewer than two cases or three options, and where all
    options are tied in every case.
    """
    from scipy.special import chdtrc, fdtrc  # scipy.stats takes half a second to load

    complete = point[np.isfinite(point).all(axis=1)]
    cases, options = complete.shape
    if not cases:
        return Ranking(np.full(options, np.nan), 0, np.nan, np.nan, np.nan, np.nan)
    ranks = ranks_of(complete)
    means = ranks.mean(axis=0)
    between = cases * ((means - (options + 1) / 2) ** 2).sum()
    within = ((ranks - (options + 1) / 2) ** 2).sum() / (cases * (options - 1)) if options > 1 else 0.0
    if cases < 2 or options < 3 or within == 0:
        return Ranking(means, cases, np.nan, np.nan, np.nan, np.nan)
    chi_square = float(between / within)  # with the correction for ties
    rest = cases * (options - 1) - chi_square
    f = (cases - 1) * chi_square / rest if rest > 1e-9 else np.inf
    f_p = float(fdtrc(options - 1, (options - 1) * (cases - 1), f))
    return Ranking(means, cases, chi_square, float(chdtrc(options - 1, chi_square)), float(f), f_p)


def critical_difference(options: int, cases: int, level: float = 0.95) -> float:
    """Returns Nemenyi's critical difference of average ranks; nan for fewer than two options or no case."""
    if options < 2 or cases < 1:
        return np.nan
    return range_quantile(options, level) / sqrt(2) * sqrt(options * (options + 1) / (6 * cases))


def range_quantile(options: int, level: float) -> float:
    """Returns the quantile of the range of so many standard normal values, two or more.

    The range is below q with probability k ∫ φ(z) (Φ(z + q) - Φ(z))^(k - 1) dz (Tippett, "On the extreme individuals
    and the range of samples", Biometrika 17, 1925), here by 200 points of Gauss and Legendre.
    """
    from scipy.special import ndtr

    nodes, weights = _legendre()
    z = 9 * nodes
    density = 9 * weights * np.exp(-(z**2) / 2) / sqrt(2 * np.pi)
    low, high = 0.0, 50.0
    for _ in range(60):  # halves: to the last digits
        middle = (low + high) / 2
        is_below = options * float((density * (ndtr(z + middle) - ndtr(z)) ** (options - 1)).sum()) < level
        low, high = (middle, high) if is_below else (low, middle)
    return (low + high) / 2


@cache
def _legendre() -> tuple[Floats, Floats]:
    return np.polynomial.legendre.leggauss(200)  # tens of milliseconds


def groups_of_ranks(ranks: Floats, difference: float) -> list[tuple[int, ...]]:
    """Returns the greatest groups of options whose ranks lie within ``difference``, best first, of two or more."""
    order = [int(place) for place in np.argsort(ranks, kind="stable") if np.isfinite(ranks[place])]
    groups: list[tuple[int, ...]] = []
    end = 0
    for start in range(len(order)):
        inside = [k for k in range(start, len(order)) if ranks[order[k]] - ranks[order[start]] <= difference + 1e-9]
        if len(inside) > 1 and inside[-1] >= end:
            groups.append(tuple(order[k] for k in inside))
            end = inside[-1] + 1
    return groups


# --- the diagram ---


def critical_difference_diagram(
    names: Sequence[str], ranking: Ranking, name: str, caption: str, level: float = 0.95
) -> Picture | None:
    """Draws average ranks, best first, and joins by a bar those that do not differ; None where nothing is ranked.

    A line for each configuration, so that fifty can be read as well as ten.
    """
    difference = critical_difference(len(names), ranking.cases, level)
    order = [int(place) for place in np.argsort(ranking.ranks, kind="stable")]
    if not ranking.cases or np.isnan(difference):
        return None
    return figures.picture(partial(_diagram, names, ranking, order, difference), name, caption)


def _diagram(names: Sequence[str], ranking: Ranking, order: Sequence[int], difference: float) -> "Figure":
    columns = _packed([sorted(order.index(i) for i in g) for g in groups_of_ranks(ranking.ranks, difference)])
    figure = figures.sheet(1.3 + 0.21 * len(names))
    axes, bars = figure.subplots(1, 2, sharey=True, width_ratios=(8, max(1.0, 0.22 * len(columns))))
    _draw_ranks(axes, [ranking.ranks[i] for i in order], difference, ranking.cases)
    axes.set_yticks(range(len(order)), [names[i] for i in order], fontsize=8)
    for column, members in enumerate(columns):
        for first, last in members:
            bars.plot([column, column], [first - 0.25, last + 0.25], color=INK, lw=3, solid_capstyle="butt")
    bars.set_xlim(-0.6, max(len(columns), 1) - 0.4)
    bars.set_xticks([])
    bars.text(-0.5, -1.1, "not found to differ", fontsize=8, va="center")
    bars.tick_params(length=0, labelleft=False)
    bars.spines[["top", "right", "bottom", "left"]].set_visible(False)
    return figure


def _draw_ranks(axes: "Axes", ranks: Sequence[float], difference: float, cases: int) -> None:
    for place, rank in enumerate(ranks):
        axes.plot([1, rank], [place, place], color=INK, alpha=0.18, lw=0.8)
        axes.plot([rank], [place], "o", color=figures.colour(0), ms=4.5)
    axes.plot([1, 1 + difference], [-1.1, -1.1], color=figures.colour(1), lw=2, marker="|", ms=7)
    text = f"critical difference {difference:.2f}, {cases} case{'s' if cases != 1 else ''}"
    axes.text(1 + difference, -1.1, f"  {text}", va="center", fontsize=8)
    axes.set_ylim(len(ranks) - 0.4, -1.8)
    axes.set_xlim(0.9, max(len(ranks), 1 + difference) + 0.1)
    axes.set_xlabel("average rank (1 = best)")
    axes.tick_params(axis="y", length=0)
    figures.light(axes, "x")


def _packed(groups: Sequence[Sequence[int]]) -> list[list[tuple[int, int]]]:
    """Bars (first line, last line) in as few columns as they fit without touching."""
    columns: list[list[tuple[int, int]]] = []
    for group in groups:
        bar = group[0], group[-1]
        free = next((column for column in columns if column[-1][1] < bar[0]), None)
        if free is None:
            columns.append([bar])
        else:
            free.append(bar)
    return columns

"""Tables and a diagram of the comparisons of ``ser.report.comparisons``, the same in every report that compares.

What is compared are options, each with a value per axis (a network: its block, its pooling), in cases that have all
else in common (a corpus that is tested, a combination of corpora that is trained on).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ser.report.comparisons import (
    Pair,
    axis_effects,
    cases_of_axis,
    indistinguishable,
    means_of_complete_cases,
    pairwise_over_cases,
    pairwise_over_speakers,
)
from ser.report.content import HOLE, Cell, Picture, Row, Table
from ser.report.ranks import critical_difference_diagram, friedman
from ser.report.statistics import Floats

MOST_COMPARED = 60  # options in all pairs: 1,770 lines
_MOST_READ = 24  # lines of one metric at the top of the page
_LEVEL = 0.05


@dataclass(frozen=True, eq=False)
class Compared:
    """Options over cases; nan is a hole, -inf an option that a case does not have."""

    axes: tuple[str, ...]  # what people call them
    options: tuple[tuple[str, ...], ...]  # a value per axis
    corpora: tuple[str, ...]  # that is tested in each case
    point: Mapping[str, Floats]  # metric → [cases, options]; the last one ranks
    draws: Mapping[str, Floats]  # metric → [replicates, cases, options], paired within a corpus
    clusters: int  # speakers (or utterances) behind the draws, of several corpora the fewest

    @property
    def names(self) -> tuple[str, ...]:
        """The options by the values in which they differ."""
        differing = [axis for axis in range(len(self.axes)) if len({option[axis] for option in self.options}) > 1]
        return tuple(" ".join(option[axis] for axis in differing) for option in self.options)

    @property
    def extent(self) -> str:
        """``of 3 corpora``: how far cases are independent at the most."""
        count = len(set(self.corpora))
        return f"of {count} corpora" if count != 1 else "of one corpus"


def pictures_of(compared: Compared) -> tuple[Picture, ...]:
    """Returns the critical-difference diagram of the last metric, where there are cases and options to rank."""
    metric = list(compared.point)[-1]
    ranking = friedman(compared.point[metric])
    if np.isnan(ranking.p):
        return ()
    caption = (
        f"Average ranks by {metric.upper()} over {ranking.cases} cases {compared.extent}. A bar joins what Nemenyi's "
        f"test does not find to differ (5 % level over all pairs). Friedman's test: χ² = {ranking.chi_square:.2f}, "
        f"p {p_text(ranking.p, sign=True)}; by F of Iman and Davenport p {p_text(ranking.f_p, sign=True)}. Both take "
        "cases as independent, which those of one corpus are not."
    )
    picture = critical_difference_diagram(compared.names, ranking, "ranks", caption)
    return (picture,) if picture else ()


# --- effects ---


def effects_table(compared: Compared) -> Table:
    """Returns what every value of an axis does beside every other one, all else equal."""
    rows = [
        row
        for metric in compared.point
        for axis in range(len(compared.axes))
        for row in _effects(compared, metric, axis)
    ]
    return Table(
        "effects",
        "Effect of each axis, all else equal",
        "Mean difference in percent points over matched cases: pairs of results that differ in this axis alone. "
        "Better: in how many of them the first of the two is. Where an interval excludes 0, the sign would be the same "
        "with other speakers (and seeds, where there are several) of these corpora. Each is a 95 % interval for "
        "itself: of twenty effects that are none, one is expected to exclude 0.",
        ("Axis", "Difference", "Better"),
        tuple(rows),
        "cases",
        brief=len(rows) <= _MOST_READ * len(compared.point),
        keys=1,
        named="Effect",
    )


def _effects(compared: Compared, metric: str, axis: int) -> list[Row]:
    """The lines of one axis; settings are every option in every case."""
    cases, options = compared.point[metric].shape
    settings = [(str(case), *option) for case in range(cases) for option in compared.options]
    point = compared.point[metric].reshape(cases * options)
    replicated = compared.draws[metric]
    draws = replicated.reshape(len(replicated), cases * options)
    values, by_case, draws_by_case = cases_of_axis(settings, axis + 1, point, draws)
    return [
        Row(
            metric,
            f"{effect.second} − {effect.first}",
            (compared.axes[axis], effect.difference, f"{effect.positive} of {effect.cases}"),
            effect.cases,
            effect.of,
        )
        for effect in axis_effects(values, by_case, draws_by_case, compared.clusters)
        if effect.of
    ]


# --- the best ---


def best_table(compared: Compared) -> Table:
    """Returns the options that may be the best, for all that is known, and those that are not."""
    rows = []
    for metric, by_case in compared.point.items():
        point, draws, count = means_of_complete_cases(by_case, compared.draws[metric])
        standings = indistinguishable(point, draws, compared.clusters)
        lines = [(place, each) for place, each in enumerate(standings) if each and len(compared.options) > 1]
        for place, standing in sorted(lines, key=lambda line: -line[1].difference.value):
            known = not np.isnan(standing.difference.low)
            among = ("yes" if standing.member else "no") if known else HOLE
            cells = (Cell(float(point[place])), standing.difference, among)
            rows.append(Row(metric, compared.names[place], cells, count, len(compared.corpora)))
    return Table(
        "best_set",
        "What cannot be distinguished from the best",
        f"Means over the cases {compared.extent} that have every option, and the difference to the best of the others "
        "in percent points. The options marked yes hold the one that is truly the best with 95 % certainty, and the "
        "intervals of all lines hold at once (multiple comparisons with the best, Hsu 1996). The best number alone "
        "says less. An interval that ends at 0 shows that an option is behind, or in front. Fewer than five speakers "
        "tell nothing apart, and it stays open.",
        ("Mean", "To the best other", "May be the best"),
        tuple(rows),
        "cases",
        brief=len(rows) <= _MOST_READ * len(compared.point),
        named="Setting",
    )


# --- all pairs ---


def pairs_table(compared: Compared) -> Table:
    """Returns the tests of all pairs, over speakers and over cases, the surest difference first."""
    rows = []
    for metric, by_case in compared.point.items():
        point, draws, count = means_of_complete_cases(by_case, compared.draws[metric])
        over_speakers = pairwise_over_speakers(point, draws, compared.clusters, count)
        over_cases = pairwise_over_cases(by_case)
        lines = [both for both in zip(over_speakers, over_cases, strict=True) if both[0].cases]
        for first, second in sorted(lines, key=_surest):
            rows.append(_pair_row(compared, metric, first, second))
    differ = {metric: sum(row.metric == metric and row.cells[-1] == "yes" for row in rows) for metric in compared.point}
    counts = ", ".join(f"by {metric.upper()} {count}" for metric, count in differ.items())
    return Table(
        "pairs",
        "All pairs",
        "Differences in percent points, and the probability of one so great if there were none. Speakers: with other "
        "speakers (and seeds) of these corpora, by the bootstrap and Student's t. Cases: on other cases, by Wilcoxon's "
        "signed-rank test, which takes cases as independent; those of one corpus are not, and its p is too small. "
        "Holm: corrected for the number of pairs. Differ: speakers, corrected, below 0.05 "
        f"({counts} of {len(rows) // max(len(compared.point), 1)} pairs).",
        ("Difference", "p speakers", "Holm", "p cases", "Holm, cases", "Differ"),
        tuple(rows),
        "cases",
        brief=len(rows) <= _MOST_READ * len(compared.point),
        named="Pair",
    )


def _surest(both: tuple[Pair, Pair]) -> tuple[bool, float]:
    p = both[0].p
    return bool(np.isnan(p)), p if not np.isnan(p) else 0.0


def _pair_row(compared: Compared, metric: str, over_speakers: Pair, over_cases: Pair) -> Row:
    differ = HOLE if np.isnan(over_speakers.adjusted) else "yes" if over_speakers.adjusted < _LEVEL else "no"
    values = (over_speakers.p, over_speakers.adjusted, over_cases.p, over_cases.adjusted)
    name = f"{compared.names[over_speakers.second]} − {compared.names[over_speakers.first]}"
    cells: tuple[Cell | str, ...] = (over_speakers.difference, *map(p_text, values), differ)
    return Row(metric, name, cells, over_speakers.cases, len(compared.corpora))


def p_text(p: float, sign: bool = False) -> str:
    """A probability for people.

    >>> [p_text(0.0312), p_text(0.0001), p_text(float("nan")), p_text(0.0312, sign=True)]
    ['0.031', '< 0.001', '–', '= 0.031']
    """
    if np.isnan(p):
        return HOLE
    if p < 0.001:
        return "< 0.001"
    return f"= {p:.3f}" if sign else f"{p:.3f}"

"""Which values of an axis differ: paired effects, tests of all pairs, and average ranks over the cases of an axis."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ser.report.comparison_tables import p_text
from ser.report.comparisons import (
    Effect,
    Pair,
    axis_effects,
    means_of_complete_cases,
    pairwise_over_cases,
    pairwise_over_speakers,
)
from ser.report.content import HOLE, Cell, Picture, Row, Table
from ser.report.general.axes import by_case, cases_of
from ser.report.general.tables import MOST_TYPESET, metric_name
from ser.report.ranks import Ranking, critical_difference_diagram, friedman
from ser.report.results import Results
from ser.report.statistics import Floats

MOST_VALUES = 20  # of an axis whose pairs are compared: 190
MOST_READ = 10  # pairs of a setting that are listed in Markdown, too


@dataclass(frozen=True, eq=False)
class Compared:
    """The values of one axis, compared over its cases by the metric that ranks."""

    head: str
    values: tuple[str, ...]
    effects: tuple[Effect, ...]  # of the pairs of values, in order
    over_speakers: tuple[Pair, ...]
    over_cases: tuple[Pair, ...]
    ranking: Ranking


def compared_axes(results: Results) -> list[Compared]:
    """Returns the axes of two values and more that have a case; those of very many values are left out."""
    out = []
    for axis, head in enumerate(results.axes.heads):
        values, cases = cases_of(results, axis)
        if cases and 1 < len(values) <= MOST_VALUES:
            out.append(_compared(head, values, *by_case(cases, values, results.ranking), results.clusters))
    return out


def _compared(head: str, values: Sequence[str], point: Floats, draws: Floats, clusters: int) -> Compared:
    means, mean_draws, count = means_of_complete_cases(point, draws)
    return Compared(
        head,
        tuple(values),
        axis_effects(values, point, draws, clusters),
        pairwise_over_speakers(means, mean_draws, clusters, count),
        pairwise_over_cases(point),
        friedman(point),
    )


def effect_tables(compared: Sequence[Compared], results: Results) -> Iterator[Table]:
    """Yields the effects of all axes: those of few values for reading, those of many for looking up."""
    few = [one for one in compared if len(one.effects) <= MOST_READ]
    many = [one for one in compared if len(one.effects) > MOST_READ]
    if few:
        yield _effect_table("effects", "Do the values of a setting differ?", few, results)
    if many:
        heads = ", ".join(one.head for one in many)
        yield replace(_effect_table("effects_many", f"Do the values differ: {heads}", many, results), brief=False)


def _effect_table(key: str, title: str, compared: Sequence[Compared], results: Results) -> Table:
    """The paired difference of every two values of some axes, with tests corrected for their number."""
    rows = []
    for one in compared:
        for effect, speakers, cases in zip(one.effects, one.over_speakers, one.over_cases, strict=True):
            better = f"{effect.positive} of {effect.cases}"
            cells = (effect.difference, better, p_text(speakers.adjusted), p_text(cases.adjusted))
            rows.append(Row(one.head, f"{effect.second} − {effect.first}", cells, effect.cases, len_of(one)))
    name = metric_name(results.ranking)
    return Table(
        key,
        title,
        f"Mean difference in {name}, in points, over the cases that have both, all else equal, with a paired interval; "
        "in how many of the cases the one named first is better. p, speakers: whether other speakers (and seeds) of "
        "the same corpora would show it, by the draws behind the intervals, over the cases that have all values of the "
        "setting. p, cases: whether other cases would, by Wilcoxon's signed-rank test, which takes cases as "
        "independent; those of a corpus are not. Both are corrected for the number of pairs of a setting (Holm): below "
        "0.05 a difference holds.",
        (f"{name} difference", "Better in", "p, speakers", "p, cases"),
        tuple(rows),
        "cases",
        grouped="Setting",
        brief=True,
        typeset=len(rows) <= MOST_TYPESET,
        named="Difference",
    )


def len_of(one: Compared) -> int:
    """The most cases that any pair of an axis has."""
    return max(effect.cases for effect in one.effects)


def rank_table(compared: Sequence[Compared], results: Results) -> Table:
    """Returns the average rank of every value of every axis of three values and more, and Friedman's test.

    Axes of which no case has all values are left out.
    """
    rows = []
    for one in compared:
        if len(one.values) > 2 and one.ranking.cases:
            for place in np.argsort(one.ranking.ranks, kind="stable").tolist():
                cells = (Cell(float(one.ranking.ranks[place])), _friedman(one.ranking))
                rows.append(Row(one.head, one.values[place], cells, one.ranking.cases, len_of(one)))
    return Table(
        "ranks",
        "Average ranks",
        f"Of the values of a setting by {metric_name(results.ranking)} over the cases that have all of them, 1 = best. "
        "Friedman: whether the ranks differ at all; it takes cases as independent, which those of a corpus are not.",
        ("Rank", "Friedman"),
        tuple(rows),
        "cases",
        digits=2,
        unit="",
        grouped="Setting",
        brief=True,
        typeset=len(rows) <= MOST_TYPESET,
        named="Value",
    )


def _friedman(ranking: Ranking) -> str:
    """``χ² = 7.2, p = 0.027``; a hole where it is undefined."""
    if np.isnan(ranking.p):
        return HOLE
    return f"χ² = {ranking.chi_square:.1f}, p {p_text(ranking.p, sign=True)}"


def diagrams(compared: Sequence[Compared], results: Results) -> Iterator[Picture]:
    """Yields a critical-difference diagram of each axis of three values and more."""
    for place, one in enumerate(compared, start=1):
        if len(one.values) > 2:
            caption = (
                f"{one.head}: average ranks by {metric_name(results.ranking)} over {one.ranking.cases} cases; values "
                "that a bar joins do not differ by Nemenyi's test (5 %)."
            )
            if picture := critical_difference_diagram(one.values, one.ranking, f"ranks_{place}", caption):
                yield picture

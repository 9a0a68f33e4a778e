"""Pinto et al.: families of features and classifiers against each other, and how often each is best."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ser.report.content import Cell, Row, Table
from ser.report.expected_shares import expected_shares
from ser.report.statistics import METRICS, Floats, complete_cases, credit, interval_of_wins
from ser.report.survey.published import CLASSIFIERS, FAMILIES
from ser.report.survey.results import PROTOCOLS, Bench, Key
from ser.report.survey.tables import TYPESET, cell_of

Grid = Sequence[Mapping[str, Key]]  # cases: option → its result
_COLUMNS = (*(metric.upper() for metric in METRICS), *(f"{metric.upper()} if nothing differed" for metric in METRICS))


def crossed(bench: Bench) -> tuple[list[str], list[str]]:
    """The families of features and the classifiers that the study runs with each other."""
    pairs = [(f, c) for f in FAMILIES for c in CLASSIFIERS if f"{f}_{c}" in bench.systems]
    return [f for f in FAMILIES if f in dict(pairs)], [c for c in CLASSIFIERS if c in {c for _, c in pairs}]


def families(bench: Bench) -> Table:
    """UA of every family with every classifier."""
    rows = []
    used, classifiers = crossed(bench)
    for corpus, protocol in bench.cases:
        for family in used:
            names = [f"{family}_{classifier}" for classifier in classifiers]
            cells = tuple(cell_of(bench, corpus, protocol, name, "ua") for name in names)
            n = sum(bench.complete(corpus, protocol, name) is not None for name in names)
            of = sum(bench.can(corpus, protocol, name) for name in names)
            rows.append(Row(f"{corpus}, {PROTOCOLS[protocol]}", family, cells, n, of))
    return Table(
        "families",
        "Families of features and classifiers",
        "UA of the folds that are there. Rows: the families of the survey's section 4, each alone; columns: what "
        "classifies them.",
        tuple(classifiers),
        tuple(rows),
        "systems",
        grouped="Corpus",
        brief=True,
        typeset=len(rows) <= TYPESET,
        named="Family",
    )


def proportions(bench: Bench, ties: str) -> Table:
    """Returns how often each system, family and classifier is the best."""
    parts: dict[str, Grid] = {"system": [{system: (*case, system) for system in bench.systems} for case in bench.cases]}
    used, classifiers = crossed(bench)
    if used:
        parts["family"] = [
            {family: (*case, f"{family}_{classifier}") for family in used}
            for case in bench.cases
            for classifier in classifiers
        ]
        parts["classifier"] = [
            {classifier: (*case, f"{family}_{classifier}") for classifier in classifiers}
            for case in bench.cases
            for family in used
        ]
    compared = {part: [case for case in grid if _possible(bench, case) > 1] for part, grid in parts.items()}
    alone = {part: sum(_possible(bench, case) == 1 for case in grid) for part, grid in parts.items()}
    rows = [row for part, grid in compared.items() for row in _rows(bench, part, grid, ties)]
    rule = "Of tied best the first has the case." if ties == "first" else "Tied best share the case equally."
    return Table(
        "proportions",
        "Proportion of cases in which each is the best",
        "A case is a corpus under a protocol; for families with each classifier, for classifiers with each family. It "
        "counts once all its systems have all folds. The cells of one kind add up to 100 %; systems that are not named "
        f"were never the best. {rule} Intervals: winners anew in every resample. If nothing differed: the share to be "
        "expected then, and its range in 95 % of resamples of results that are all made equally good; of fewer than "
        "five speakers it is that of equal chances, and neither has an interval."
        f"{_left_out(alone)}",
        _COLUMNS,
        tuple(rows),
        "cases",
        grouped="Kind",
        brief=True,
        bars=True,
        named="Option",
    )


def _possible(bench: Bench, case: Mapping[str, Key]) -> int:
    """How many options of a case can be run: one alone has nothing to win against."""
    return sum(bench.can(*key) for key in case.values())


def _left_out(alone: Mapping[str, int]) -> str:
    """`` No cases, and not counted: 3 with a single family.``; "" where every case has two options or more."""
    counted = [f"{count} with a single {part}" for part, count in alone.items() if count]
    return f" No cases, and not counted: {', '.join(counted)}." if counted else ""


def _rows(bench: Bench, part: str, grid: Grid, ties: str) -> list[Row]:
    if not grid:
        return []
    shares, options = [_shares(bench, grid, metric, ties) for metric in METRICS], list(grid[0])
    n, of = shares[0].n, shares[0].of
    if not n:
        return [Row(part, "any", tuple(Cell(float("nan")) for _ in _COLUMNS), n, of)]
    return [
        Row(part, option, (*(one.cells[i] for one in shares), *(one.expected[i] for one in shares)), n, of)
        for i, option in enumerate(options)
        if any(bench.can(*case[option]) for case in grid)
        and (part != "system" or any(one.cells[i].value > 0 for one in shares))
    ]


@dataclass(frozen=True, eq=False)
class _Shares:
    """In which share of the cases each option is the best."""

    cells: Sequence[Cell]
    expected: Sequence[Cell]  # if nothing differed, with the range of 95 %
    n: int  # cases that count
    of: int


def _shares(bench: Bench, grid: Grid, metric: str, ties: str) -> _Shares:
    point, replicated = by_case(bench, grid, metric)
    complete, of = complete_cases(point)
    if not complete.any():
        return _Shares((), (), 0, of)
    share, draws = credit(point[complete], ties).mean(axis=0), credit(replicated[:, complete], ties).mean(axis=1)
    cells = [interval_of_wins(value, draws[:, i], clusters(bench)) for i, value in enumerate(share)]
    return _Shares(cells, expected_shares(point, replicated, ties, clusters=clusters(bench)), int(complete.sum()), of)


def clusters(bench: Bench) -> int:
    """How many speakers (or utterances) are resampled of the corpus that has the fewest; 0 without results."""
    return min((result.sample.clusters for result in bench.results.values()), default=0)


def by_case(bench: Bench, grid: Grid, metric: str) -> tuple[Floats, Floats]:
    """Returns an accuracy [cases, options], and that of every replicate [replicates, cases, options].

    nan is a hole, -inf an option that a case does not have.
    """
    point = np.array([[_value(bench, key, metric) for key in case.values()] for case in grid])
    replicates = min((result.draws.shape[1] for result in bench.results.values()), default=0)
    replicated = np.where(np.isfinite(point), 0.0, point) + np.zeros((replicates, 1, 1))
    for place, case in enumerate(grid):
        for option, key in enumerate(case.values()):
            if result := bench.complete(*key):
                replicated[:, place, option] = result.draws_of(metric)
    return point, replicated


def _value(bench: Bench, key: Key, metric: str) -> float:
    """An accuracy of all folds; nan is a hole, -inf cannot be."""
    if result := bench.complete(*key):
        return result.value(metric)
    return float("nan") if bench.can(*key) else float("-inf")

"""What the values of each axis do: means over its cases, shares of the cases that are won, and those won by chance."""

from collections.abc import Mapping, Sequence

import numpy as np

from ser.report.content import Cell, Row, Table
from ser.report.expected_shares import expected_shares
from ser.report.general.tables import MOST_TYPESET, metric_name
from ser.report.interactions import ByCorpus, OnCorpus, comparable
from ser.report.measured import Result, Values
from ser.report.results import Results
from ser.report.statistics import SHARE, Floats, check_ties, complete_cases, credit, interval, interval_of_wins

_HOLE = Cell(float("nan"))


def axis_table(results: Results, ties: str = "fractional") -> Table:
    """Returns for every value of every axis its mean, and the share of the cases in which it is the best.

    A case is a corpus with one value on each of the other axes. Raises BadInput for an unknown rule of ties.
    """
    check_ties(ties)
    rows = []
    for axis, head in enumerate(results.axes.heads):
        values, cases = cases_of(results, axis)
        if not cases:  # of settings that share all their trainings
            continue
        measured = [_Measured(*by_case(cases, values, metric), ties, results.clusters) for metric in results.metrics]
        for i, value in enumerate(values):
            cells = [getattr(m, kind)[i] for kind in ("means", "shares", "chances") for m in measured]
            rows.append(Row(head, value, tuple(cells), measured[-1].counted[i], measured[-1].existing[i]))
    rule = "Of tied best the first has the case." if ties == "first" else "Tied best share the case equally."
    return Table(
        "axes",
        "What each setting does",
        "A case is a corpus with all other settings equal; it counts once all its results are there, and where an axis "
        "has two values or more, of different trainings. Mean: over the cases that have the value. Best: in which "
        f"share of all cases. {rule} "
        "Chance: the share that would be expected if nothing differed, with the range of 95 %: a share inside it tells "
        "nothing. Of fewer than five speakers it is that of equal chances, and neither has an interval; of one case "
        "there is none.",
        tuple(f"{what} {metric_name(m)}" for what in ("Mean", "Best", "Chance") for m in results.metrics),
        tuple(rows),
        "cases",
        grouped="Setting",
        brief=True,
        typeset=len(rows) <= MOST_TYPESET,
        bars=True,
        named="Value",
    )


Case = Mapping[str, Result | None]  # value → result, None: it is not there yet; values that cannot be are left out


def cases_of(results: Results, axis: int) -> tuple[list[str], list[Case]]:
    """Returns the values of an axis, and its cases: those with two values or more.

    Results that share all their trainings (on one corpus two task set-ups are one network) do not differ by what they
    are, and are no case; nor does the same pair of trainings count twice under two names of theirs.
    """
    cases: dict[tuple[str, Values], dict[str, Result | None]] = {}
    for (corpus, values), result in results.cells.items():
        others = values[:axis] + values[axis + 1 :]
        cases.setdefault((corpus, others), {})[values[axis]] = result
    compared: dict[object, Case] = {}
    for key, case in cases.items():
        trainings = tuple((value, result and _trainings(result)) for value, result in case.items())
        if len({training or value for value, training in trainings}) > 1:
            compared.setdefault(key if None in case.values() else (key[0], trainings), case)
    return list(dict.fromkeys(values[axis] for _, values in results.cells)), list(compared.values())


def by_corpus(results: Results) -> list[ByCorpus]:
    """Returns the cases of every axis by the corpora that were tested, as the metric ranks that ranks."""
    out = []
    for axis, head in enumerate(results.axes.heads):
        values, cases = cases_of(results, axis)
        of_corpus: dict[str, list[Case]] = {}
        for case in cases:
            if corpus := next((result.corpus for result in case.values() if result), ""):
                of_corpus.setdefault(corpus, []).append(case)
        each = [OnCorpus(c, *by_case(part, values, results.ranking)) for c, part in of_corpus.items()]
        out.append(ByCorpus(head, tuple(values), tuple(each)))
    return comparable(out)


def _trainings(result: Result) -> tuple[str, ...]:
    return tuple(run.same_as or run.trial_id for run in result.runs)


class _Measured:
    """Means and shares of the values of one axis, by one metric."""

    def __init__(self, point: Floats, draws: Floats, ties: str, clusters: int) -> None:
        complete, _ = complete_cases(point) if point.size else (np.zeros(len(point), bool), 0)
        exists = ~np.isneginf(point)
        self.counted: list[int] = (exists & complete[:, None]).sum(axis=0).tolist()
        self.existing: list[int] = exists.sum(axis=0).tolist()
        point, draws = point[complete], draws[:, complete]
        if not len(point):
            self.means = self.shares = self.chances = [_HOLE] * exists.shape[1]
            return
        share, share_draws = credit(point, ties).mean(axis=0), credit(draws, ties).mean(axis=1)
        mean, drawn_mean = _mean_of_finite(point, 0), _mean_of_finite(draws, 1)
        places = range(point.shape[1])
        self.means = [interval(mean[i], drawn_mean[:, i], clusters, SHARE) for i in places]
        self.shares = [interval_of_wins(share[i], share_draws[:, i], clusters) for i in places]
        self.chances = expected_shares(point, draws, ties, clusters=clusters)


def by_case(cases: Sequence[Case], values: Sequence[str], metric: str) -> tuple[Floats, Floats]:
    """Returns a metric [cases, values], and that of every replicate [replicates, cases, values].

    nan: a result that is not there yet; -inf: one that cannot be.
    """
    replicates = min((len(r.draws[metric]) for case in cases for r in case.values() if r), default=0)
    point = np.full((len(cases), len(values)), -np.inf)
    draws = np.full((replicates, *point.shape), -np.inf)
    for row, case in enumerate(cases):
        for value, result in case.items():
            column = values.index(value)
            point[row, column] = result.point[metric] if result else np.nan
            draws[:, row, column] = result.draws[metric][:replicates] if result else np.nan
    return point, draws


def _mean_of_finite(values: Floats, axis: int) -> Floats:
    finite = np.isfinite(values)
    count = finite.sum(axis=axis)
    return np.where(count > 0, np.where(finite, values, 0).sum(axis=axis) / np.maximum(count, 1), np.nan)

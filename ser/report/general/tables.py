"""The tables of the general report: every result, the best of each corpus, and what each axis does to the accuracy."""

from collections.abc import Mapping, Sequence

import numpy as np

from ser.report.content import HOLE, Cell, Row, Table
from ser.report.general.measured import Result, Values
from ser.report.general.results import Results
from ser.report.groups import fold_of
from ser.report.statistics import Floats, check_ties, complete_cases, credit, interval

MOST_READ = 60  # results of a corpus that are listed in Markdown, too
MOST_TYPESET = 30  # rows that fit a page
_HOLE = Cell(float("nan"))


def metric_name(metric: str) -> str:
    """Returns a metric as tables call it: ``WA``, ``macro F1``."""
    return metric.upper() if len(metric) <= 3 else metric.replace("_f1", " F1").replace("_", " ")


def best_table(results: Results) -> Table:
    """Returns the best setting of every corpus, by each metric."""
    rows = []
    for metric in results.metrics:
        for corpus in results.expected.tested:
            ranked = results.ranked(corpus, metric)
            of = len(ranked) + len(results.missing(corpus))
            cells: list[Cell | str] = [HOLE] * len(results.axes.paths)
            cells += [*[_HOLE] * len(results.metrics), HOLE, HOLE]
            if ranked:
                ties = str(len(results.ties(corpus, metric)) - 1)
                cells = [*ranked[0].values, *map(ranked[0].cell, results.metrics), ties, tested_in_words(ranked[0])]
            rows.append(Row(metric_name(metric), corpus, tuple(cells), len(ranked), of))
    return Table(
        "best",
        "The best result on every corpus",
        "By each metric, the first in the order of the study of tied ones. Ties: others that are as good. Being the "
        "best of many, a result is rather too good: the test utterances have chosen it."
        + (" What validation chooses is in the next table." if results.choices else ""),
        (*results.axes.heads, *map(metric_name, results.metrics), "Ties", "Tested on"),
        tuple(rows),
        "results",
        brief=True,
    )


def tested_in_words(result: Result) -> str:
    """``40 utterances, 4 speakers``; a hole where it is not known."""
    if result.sample is None:
        return HOLE
    speakers = f", {result.sample.speakers} speakers" if result.sample.speakers else ""
    return f"{result.sample.utterances} utterances{speakers}"


def every_result(results: Results, corpus: str) -> Table:
    """Returns every setting on a corpus, the best first; those that are to come are holes."""
    ranked, missing = results.ranked(corpus), results.missing(corpus)
    seeds = max([len(results.expected.seeds), *(result.seeds for result in ranked)])
    spread = results.metrics if any(len(result.runs) > 1 for result in ranked) else ()
    validated = not all(np.isnan(result.validation[results.ranking]) for result in ranked)
    rows = []
    for place, result in enumerate(ranked, start=1):
        more = [Cell(result.spread[metric]) for metric in spread]
        more += [Cell(result.validation[results.ranking])] * validated
        cells: tuple[Cell | str, ...] = (*result.values, *map(result.cell, results.metrics), *more)
        rows.append(Row("", str(place), cells, result.seeds, seeds))
    for values in missing:
        rows.append(Row("", HOLE, (*values, *[_HOLE] * (len(results.metrics) + len(spread) + validated)), 0, seeds))
    name = metric_name(results.ranking)
    return Table(
        f"results_{corpus}",
        f"Every result on {corpus}",
        f"One line for each setting, the best {name} in the test first."
        + (
            " Means over the seeds; ±: sample standard deviation over seeds and folds, each by itself."
            if spread
            else ""
        )
        + (f" Validation: {name} of the epoch that was kept." if validated else ""),
        (
            *results.axes.heads,
            *map(metric_name, results.metrics),
            *(f"± {metric_name(m)}" for m in spread),
            *["Validation"] * validated,
        ),
        tuple(rows),
        "seeds",
        grouped="",
        brief=len(rows) <= MOST_READ,
        typeset=len(rows) <= MOST_TYPESET,
        keys=len(results.axes.paths),
    )


def axis_table(results: Results, ties: str = "fractional") -> Table:
    """Returns for every value of every axis its mean, and the share of the cases in which it is the best.

    A case is a corpus with one value on each of the other axes. Raises BadInput for an unknown rule of ties.
    """
    check_ties(ties)
    rows = []
    for axis, head in enumerate(results.axes.heads):
        values, cases = cases_of(results, axis)
        measured = [_measured(cases, values, metric, ties, results.clusters) for metric in results.metrics]
        for i, value in enumerate(values):
            means, won = [m.means[i] for m in measured], [m.shares[i] for m in measured]
            rows.append(Row(head, value, (*means, *won), measured[-1].counted[i], measured[-1].existing[i]))
    rule = "Of tied best the first has the case." if ties == "first" else "Tied best share the case equally."
    return Table(
        "axes",
        "What each setting does",
        "A case is a corpus with all other settings equal; it counts once all its results are there, and where an axis "
        f"has two values or more. Mean: over the cases that have the value. Best: in which share of all cases. {rule}",
        tuple(
            f"{what} {metric_name(metric)}" if what == "Mean" else f"Best {metric_name(metric)}"
            for what in ("Mean", "Best")
            for metric in results.metrics
        ),
        tuple(rows),
        "cases",
        grouped="Setting",
        brief=True,
        typeset=len(rows) <= MOST_TYPESET,
        bars=True,
    )


Case = Mapping[str, Result | None]  # value → result, None: it is not there yet; values that cannot be are left out


def cases_of(results: Results, axis: int) -> tuple[list[str], list[Case]]:
    """Returns the values of an axis, and its cases: those with two values or more."""
    cases: dict[tuple[str, Values], dict[str, Result | None]] = {}
    for (corpus, values), result in results.cells.items():
        others = values[:axis] + values[axis + 1 :]
        cases.setdefault((corpus, others), {})[values[axis]] = result
    compared = [case for case in cases.values() if len(case) > 1]
    return list(dict.fromkeys(values[axis] for _, values in results.cells)), list(compared)


class _Measured:
    """Means and shares of the values of one axis, by one metric."""

    def __init__(self, point: Floats, draws: Floats, ties: str, clusters: int) -> None:
        complete, _ = complete_cases(point) if point.size else (np.zeros(len(point), bool), 0)
        exists = ~np.isneginf(point)
        self.counted: list[int] = (exists & complete[:, None]).sum(axis=0).tolist()
        self.existing: list[int] = exists.sum(axis=0).tolist()
        point, draws = point[complete], draws[:, complete]
        if not len(point):
            self.means = self.shares = [_HOLE] * exists.shape[1]
            return
        share, share_draws = credit(point, ties).mean(axis=0), credit(draws, ties).mean(axis=1)
        mean, drawn_mean = _mean_of_finite(point, 0), _mean_of_finite(draws, 1)
        places = range(point.shape[1])
        self.means = [interval(mean[i], drawn_mean[:, i], clusters) for i in places]
        self.shares = [interval(share[i], share_draws[:, i], clusters) for i in places]


def _measured(cases: Sequence[Case], values: Sequence[str], metric: str, ties: str, clusters: int) -> _Measured:
    replicates = min((len(r.draws[metric]) for case in cases for r in case.values() if r), default=0)
    point = np.full((len(cases), len(values)), -np.inf)
    draws = np.full((replicates, *point.shape), -np.inf)
    for row, case in enumerate(cases):
        for value, result in case.items():
            column = values.index(value)
            point[row, column] = result.point[metric] if result else np.nan
            draws[:, row, column] = result.draws[metric][:replicates] if result else np.nan
    return _Measured(point, draws, ties, clusters)


def _mean_of_finite(values: Floats, axis: int) -> Floats:
    finite = np.isfinite(values)
    count = finite.sum(axis=axis)
    return np.where(count > 0, np.where(finite, values, 0).sum(axis=axis) / np.maximum(count, 1), np.nan)


def comparison(results: Results) -> Table:
    """Returns what a search compared by validation alone, the least loss first."""
    rows, folds = [], {fold_of(run) for runs in results.untested.values() for run in runs}
    for values, runs in results.untested.items():
        complete = {fold_of(run) for run in runs} == folds
        logged = [[r.scores.get(f"objective/{name}", np.nan) for r in runs] for name in ("wa", "loss")]
        scores = [float(np.mean(values)) if complete else float("nan") for values in logged]
        accuracy = HOLE if np.isnan(scores[0]) else f"{100 * scores[0]:.1f} %"
        cells: tuple[Cell | str, ...] = (*values, accuracy, Cell(float(scores[1])))
        rows.append(
            (
                float(scores[1]),
                Row("", runs[0].title.partition(" · fold")[0], cells, len(runs), max(len(runs), len(folds))),
            )
        )
    ordered = [row for _, row in sorted(rows, key=lambda item: (np.isnan(item[0]), item[0]))]
    return Table(
        "validation",
        "Compared by validation alone",
        "Trials that were not tested: means over their folds and seeds, the least validation loss first. One that "
        "lacks a fold is a hole.",
        (*results.axes.heads, "Validation WA", "Validation loss"),
        tuple(ordered),
        "runs",
        digits=4,
        unit="",
        grouped="",
        brief=len(ordered) <= MOST_READ,
        typeset=False,
    )


def run_table(results: Results) -> Table:
    """Returns the runs behind every result, for looking up."""
    rows = []
    for (corpus, values), result in results.cells.items():
        if result:
            ids = " ".join(run.run_id for run in result.runs)
            rows.append(Row(corpus, result.runs[0].title, (*values, ids), result.seeds, len(results.expected.seeds)))
    return Table(
        "runs",
        "Runs behind every result",
        "Ids of the tracked runs, one for each seed and fold.",
        (*results.axes.heads, "Runs"),
        tuple(rows),
        "seeds",
        grouped="Corpus",
        ids=("Runs",),
        keys=len(results.axes.paths),
    )

"""The tables of the general report that list results: every one, the best of each corpus, and those of a search."""

from collections.abc import Sequence

import numpy as np

from ser.report.comparisons import Standing, indistinguishable
from ser.report.content import HOLE, Cell, Row, Table
from ser.report.groups import fold_of
from ser.report.measured import Result
from ser.report.results import Results
from ser.report.statistics import FEW_CLUSTERS

MOST_READ = 60  # results of a corpus that are listed in Markdown, too
MOST_TYPESET = 30  # rows that fit a page
MOST_WITH_BEST = 300  # results that are each compared with all others
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
        named="Corpus",
    )


_LEFT = {True: "•", False: ""}
_BEST_SET = (
    " Best set (•): results whose {name} cannot be distinguished from the best; with 95 % certainty the setting that "
    "is truly the best is among them (multiple comparisons with the best, Hsu 1996, by the draws behind the intervals)."
)


def _standings(ranked: Sequence[Result], metric: str) -> Sequence[Standing | None]:
    """How each result stands beside the best of a corpus; none without draws, of few speakers, or too many results."""
    if not 1 < len(ranked) <= MOST_WITH_BEST or not all(len(result.draws[metric]) for result in ranked):
        return ()
    clusters = min(result.sample.clusters if result.sample else 0 for result in ranked)
    if 0 < clusters < FEW_CLUSTERS:
        return ()
    draws = np.stack([result.draws[metric] for result in ranked], axis=1)
    return indistinguishable(np.array([result.point[metric] for result in ranked]), draws, clusters)


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
    standings = _standings(ranked, results.ranking)
    rows = []
    for place, result in enumerate(ranked):
        more: list[Cell | str] = [Cell(result.spread[metric]) for metric in spread]
        more += [Cell(result.validation[results.ranking])] * validated
        more += [_LEFT[standing.member] if (standing := standings[place]) else HOLE] if standings else []
        cells: tuple[Cell | str, ...] = (*result.values, *map(result.cell, results.metrics), *more)
        rows.append(Row("", str(place + 1), cells, result.seeds, seeds))
    for values in missing:
        blank = [_HOLE] * (len(results.metrics) + len(spread) + validated)
        rows.append(Row("", HOLE, (*values, *blank, *[HOLE] * bool(standings)), 0, seeds))
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
        + (f" Validation: {name} of the epoch that was kept." if validated else "")
        + (_BEST_SET.format(name=name) if standings else ""),
        (
            *results.axes.heads,
            *map(metric_name, results.metrics),
            *(f"± {metric_name(m)}" for m in spread),
            *["Validation"] * validated,
            *["Best set"] * bool(standings),
        ),
        tuple(rows),
        "seeds",
        grouped="",
        named="Rank",
        brief=len(rows) <= MOST_READ,
        typeset=len(rows) <= MOST_TYPESET,
        keys=len(results.axes.paths),
        best=tuple(map(metric_name, results.metrics)),
    )


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
        named="Trial",
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
        named="Trial",
    )

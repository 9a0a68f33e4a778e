"""The report of paper 003: which network and which mix of corpora wins, in which share of the cases.

da Silva, Filho, de Souza, "Interaffection of Multiple Datasets with Neural Networks in Speech Emotion Recognition".
Of every prediction only the class is kept: ten thousand results are compared at once.
"""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import product
from operator import itemgetter
from typing import Any

import numpy as np

from ser.metrics.accuracy import confusion
from ser.report import figures
from ser.report.content import LEGEND, Content, Matrix, Picture, Table, standing, with_paper
from ser.report.evidence import METRICS, SMALL, Evidence, Grid, Integers, Result, Scores, gather
from ser.report.interaffection import published
from ser.report.interaffection.figures import heat_map, shares, ua_by_combination
from ser.report.proportions import all_tables
from ser.report.runs import Expected, Finished, Options

PARAMS = ("corpora", "block", "pooling", "task", "seed")
SCORES = ("wa/", "ua/")


def content(finished: Iterable[Finished], expected: Expected, options: Options) -> Content:
    """The paper's Tables 2 to 5 and figures. Raises BadInput for an unknown tie rule or results that fit no class."""
    grid = grid_of(expected)
    results = list(results_of(finished, grid))
    return arranged(results, grid, options.ties, options.replicates, best_curves(results, grid, options.curve))


def arranged(
    results: Sequence[Result],
    grid: Grid,
    ties: str = "fractional",
    replicates: int = 1000,
    curves: Mapping[str, Sequence[float]] | None = None,
) -> Content:
    """The same from ``results``, oldest first: of two for one cell the first is kept.

    ``curves``: trial title → validation loss per epoch.
    """
    evidence = gather(results, grid, replicates)
    tables = all_tables(evidence, ties)
    beside = grid.papers_own and not grid.demo
    shown = tuple(with_paper(table, published.printed) for table in tables) if beside else tables
    trained = (f"{grid.letters.get(c, c)} = {c}{' (train only)' if c in grid.train_only else ''}" for c in grid.corpora)
    return Content(
        study=grid.study,
        title=grid.title,
        standing=standing(grid.demo, grid.papers_own),
        demo=grid.demo,
        corpora=", ".join(trained),
        seeds=len(grid.seeds),
        done=evidence.done,
        expected=evidence.expected,
        tables=shown,
        notes=(*_said(evidence, replicates), *evidence.notes, *grid.notes),
        pictures=tuple(_pictures(evidence, tables, curves)),
        matrices=tuple(_matrices(evidence)),
        matrices_title="Confusion matrices of the best networks",
        holes=evidence.holes,
        failures=grid.failures,
        inconsistencies=published.INCONSISTENCIES if beside else (),
        legend=LEGEND,
    )


# --- from runs ---


def grid_of(expected: Expected) -> Grid:
    """The grid that the study spans over its corpora."""
    points = [dict(point) for _, point in expected.trials if point["seed"] == expected.seeds[0]]
    return Grid(
        study=expected.study,
        title=expected.title,
        letters=expected.letters,
        corpora=tuple(c.name for c in expected.corpora),
        train_only=tuple(c.name for c in expected.corpora if not c.tested),
        classes=expected.classes,
        blocks=_axis(points, "block"),
        pooling=_axis(points, "pooling"),
        task=_axis(points, "task"),
        seeds=expected.seeds,
        points=tuple(points),
        demo=expected.demo,
        papers_own=expected.papers_own,
        notes=expected.notes,
        failures=dict(expected.failures),
    )


def _axis(points: Sequence[Mapping[str, Any]], axis: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(p[axis] for p in points))


def results_of(finished: Iterable[Finished], grid: Grid) -> Iterator[Result]:
    """One result per run and corpus that it was tested on."""
    number = {name: i for i, name in enumerate(grid.classes)}
    known: dict[Any, Any] = {}  # the utterances and labels of a target, which its results share
    for run in finished:
        for target, uids, truth, predicted in _predictions(run.text, number):
            yield Result(
                trial_id=run.trial_id,
                run_id=run.run_id,
                corpora=tuple(run.params["corpora"].split(",")),
                block=run.params["block"],
                pooling=run.params["pooling"],
                task=run.params["task"],
                seed=int(run.params["seed"]),
                target=target,
                wa=run.scores[f"wa/{target}"],
                ua=run.scores[f"ua/{target}"],
                uids=known.setdefault(uids, uids),
                truth=known.setdefault(truth.tobytes(), truth),
                predicted=predicted,
                same_as=run.same_as,
            )


def _predictions(text: str, number: Mapping[str, int]) -> Iterator[tuple[str, tuple[str, ...], Integers, Integers]]:
    """Target, utterances, true and predicted class indices of a table of predictions; -1 is no class of the grid."""
    if not text:
        return
    rows = csv.reader(io.StringIO(text, newline=""))
    chosen = itemgetter(*map(next(rows).index, ("corpus", "uid", "label", "predicted")))
    by_target: dict[str, list[list[str]]] = {}
    for target, *row in map(chosen, rows):
        by_target.setdefault(target, []).append(row)
    for target, found in by_target.items():
        uids, *labels = zip(*sorted(found), strict=True)
        truth, predicted = (np.array([number.get(name, -1) for name in side], SMALL) for side in labels)
        yield target, uids, truth, predicted


def best_curves(
    results: Sequence[Result], grid: Grid, curve: Callable[[str, str], list[float]]
) -> dict[str, list[float]]:
    """Validation loss per epoch of the trial with the best UA on each target, by the trial's title."""
    curves: dict[str, list[float]] = {}
    for target in grid.targets:
        here = [r for r in results if r.target == target]
        if here:
            best = max(here, key=lambda r: r.ua)
            point = {"corpora": best.corpora, "block": best.block, "pooling": best.pooling, "task": best.task}
            curves[grid.trial_title(point, best.seed)] = curve(best.run_id, "val/loss")
    return curves


# --- words and pictures ---


def _said(evidence: Evidence, replicates: int) -> list[str]:
    grid = evidence.grid
    notes = []
    if replicates:
        notes.append(
            f"Intervals: 95 % percentiles of {replicates} bootstrap resamples of the test utterances, paired within a "
            "target; winners and shares, tied ones too, are counted anew in each. They do not cover what another seed "
            "of the training would change, and as utterances of one speaker are alike, they are rather too narrow. "
            "Resampling adds noise to the noise that is there, so it pulls shares of winners towards equal ones: an "
            "interval of a share need not lie around it."
        )
    shared = sum(any(r.same_as for r in found) for s in evidence.scores for found in s.results.values())
    if shared:
        notes.append(
            f"{shared} results are those of another trial: on one corpus, unified and multi are one training and tie."
        )
    cases = sum(len(s.combinations) for s in evidence.scores)
    if grid.papers_own and not grid.demo and cases != published.CASES:
        notes.append(
            f"Shares are counted over {cases} cases; the paper's, over {published.CASES}, used other corpora too."
        )
    return notes


def _pictures(
    evidence: Evidence, tables: Sequence[Table], curves: Mapping[str, Sequence[float]] | None
) -> Iterator[Picture]:
    if not any(scores.utterances for scores in evidence.scores):
        return
    yield ua_by_combination(evidence)
    yield heat_map(evidence)
    yield shares(next(table for table in tables if table.key == "table3"), evidence)
    if curves:
        grid = evidence.grid
        blocks = {grid.trial_title(point, seed): point["block"] for point, seed in product(grid.points, grid.seeds)}
        yield figures.learning_curves(curves, blocks, {block: block.upper() for block in grid.blocks})


def _matrices(evidence: Evidence) -> Iterator[Matrix]:
    """Of the best network of each target, summed over its seeds."""
    grid = evidence.grid
    for place, scores in enumerate(evidence.scores, start=1):
        for metric in METRICS:
            if best := scores.best(metric, range(len(scores.combinations))):
                found = scores.results[best[0]]
                counts = sum(confusion(r.truth, r.predicted, len(grid.classes)) for r in found)
                safe = re.sub(r"[^\w-]+", "_", scores.target)  # two names may become one when made safe: place
                yield Matrix(
                    heading=f"{scores.target}, best {metric.upper()}",
                    title=_title(grid, scores, best[0]),
                    classes=grid.classes,
                    counts=np.asarray(counts),
                    runs=tuple(result.run_id for result in found),
                    name=f"confusion_{place}_{safe}_{metric}",
                )


def _title(grid: Grid, scores: Scores, cell: tuple[int, int]) -> str:
    block, pooling, task = scores.configurations[cell[1]]
    return grid.trial_title(
        {"corpora": scores.combinations[cell[0]], "block": block, "pooling": pooling, "task": task}, 0
    )

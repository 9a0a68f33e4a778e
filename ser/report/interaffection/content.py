"""The report of da Silva et al.: which network and which mix of corpora wins, in which share of the cases.

da Silva, Filho, de Souza, "Interaffection of Multiple Datasets with Neural Networks in Speech Emotion Recognition".
Of every prediction only the class is kept: ten thousand results are compared at once.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ser.metrics.accuracy import confusion
from ser.report import figures
from ser.report.content import Content, Matrix, Picture, Table, with_paper
from ser.report.interaffection import published
from ser.report.interaffection.figures import heat_map, shares, ua_by_combination
from ser.report.interaffection.results import Evidence, Grid, Result, Scores, arranged_on_grid, trial_key
from ser.report.interaffection.tables import all_tables
from ser.report.predictions import single_label
from ser.report.runs import Expected, Finished, Options
from ser.report.statistics import METRICS

AXES = ("corpora", "block", "pooling", "task")
PARAMS = (*AXES, "seed")
SCORES = ("wa/", "ua/")


def content(finished: Iterable[Finished], expected: Expected, options: Options) -> Content:
    """The paper's Tables 2 to 5 and figures. Raises BadInput for an unknown tie rule or results that fit no class."""
    grid = Grid(expected)
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
    evidence = arranged_on_grid(results, grid, replicates)
    tables = all_tables(evidence, ties)
    content = Content.of(
        grid.expected,
        (),
        tables=[with_paper(table, published.printed) for table in tables] if grid.expected.beside else tables,
        notes=(*_notes(evidence, replicates), *evidence.notes),
        pictures=_pictures(evidence, tables, curves),
        matrices=_matrices(evidence),
        matrices_title="Confusion matrices of the best networks",
        inconsistencies=published.INCONSISTENCIES,
    )
    # A trial is done when it has been tested on every corpus that it should be.
    return replace(content, done=evidence.done, expected=evidence.expected, holes=evidence.holes)


# --- from runs ---


def results_of(finished: Iterable[Finished], grid: Grid) -> Iterator[Result]:
    """One result per run and corpus that it was tested on."""
    shared: dict[object, Any] = {}  # the utterances and labels of a target, which its results share
    for run in finished:
        key = trial_key(run.params)
        for target, test in single_label(run, grid.classes).items():
            yield Result(
                run.trial_id,
                run.run_id,
                *key,
                target=target,
                wa=run.scores[f"wa/{target}"],
                ua=run.scores[f"ua/{target}"],
                uids=shared.setdefault(test.uids, test.uids),
                truth=shared.setdefault(test.truth.tobytes(), test.truth),
                predicted=test.predicted,
                same_as=run.same_as,
            )


def best_curves(
    results: Sequence[Result], grid: Grid, curve: Callable[[str, str], list[float]]
) -> dict[str, list[float]]:
    """Validation loss per epoch of the trial with the best UA on each target, by the trial's title."""
    curves: dict[str, list[float]] = {}
    for target in grid.targets:
        tested = [r for r in results if r.target == target]
        if tested:
            best = max(tested, key=lambda r: r.ua)
            curves[grid.titles.get(best.key[1:], best.run_id)] = curve(best.run_id, "val/loss")
    return curves


# --- words and pictures ---


def _notes(evidence: Evidence, replicates: int) -> list[str]:
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
    shared = sum(any(r.same_as for r in cell) for s in evidence.scores for cell in s.results.values())
    if shared:
        notes.append(
            f"{shared} results are those of another trial: on one corpus, unified and multi are one training and tie."
        )
    cases = sum(len(s.combinations) for s in evidence.scores)
    if grid.expected.beside and cases != published.CASES:
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
        blocks = {title: key[1] for key, title in grid.titles.items()}
        names = {block: block.upper() for block in grid.blocks}
        caption = "Validation loss of the trial with the best UA on each corpus (the first of its seeds)."
        yield figures.learning_curves(curves, blocks, names, "validation loss", caption)


def _matrices(evidence: Evidence) -> Iterator[Matrix]:
    """Yields the matrix of the best network of each target, summed over its seeds."""
    grid = evidence.grid
    for place, scores in enumerate(evidence.scores, start=1):
        for metric in METRICS:
            if best := scores.best(metric, range(len(scores.combinations))):
                cell = scores.results[best[0]]
                counts = sum(confusion(r.truth, r.predicted, len(grid.classes)) for r in cell)
                safe = re.sub(r"[^\w-]+", "_", scores.target)  # two names may become one when made safe: place
                yield Matrix(
                    heading=f"{scores.target}, best {metric.upper()}",
                    title=_title(grid, scores, best[0]),
                    classes=grid.classes,
                    counts=np.asarray(counts),
                    runs=tuple(result.run_id for result in cell),
                    name=f"confusion_{place}_{safe}_{metric}",
                )


def _title(grid: Grid, scores: Scores, cell: tuple[int, int]) -> str:
    return grid.titles[scores.combinations[cell[0]], *scores.configurations[cell[1]], grid.seeds[0]]

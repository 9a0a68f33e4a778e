"""The report of da Silva et al.: which network and which mix of corpora wins, in which share of the cases.

da Silva, Filho, de Souza, "Interaffection of Multiple Datasets with Neural Networks in Speech Emotion Recognition".
Of every prediction only the class is kept: ten thousand results are compared at once.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ser.metrics.accuracy import confusion
from ser.report import figures, further, validation
from ser.report.bootstrap import words
from ser.report.comparison_tables import MOST_COMPARED, best_table, pairs_table, pictures_of
from ser.report.content import Content, Matrix, Picture, Printed, Row, Table, with_paper
from ser.report.further import Best, Further
from ser.report.groups import fold_of
from ser.report.interactions import interaction_maps
from ser.report.interaffection import networks, published
from ser.report.interaffection.compared import best_sets, networks_compared, rank_table
from ser.report.interaffection.corpora import corpus_table
from ser.report.interaffection.effects import by_target, effects_table
from ser.report.interaffection.figures import architecture, heat_map, shares, ua_by_combination
from ser.report.interaffection.networks import Flow, cost_ratios, cost_table, flows_of
from ser.report.interaffection.results import Grid, Result, TrialKey, trial_key
from ser.report.interaffection.scores import Evidence, arranged_on_grid
from ser.report.interaffection.shares import VALIDATION
from ser.report.interaffection.tables import (
    best_results,
    best_runs,
    configuration_table,
    every_result,
    marginal_table,
    presence_table,
)
from ser.report.interaffection.validation import agreement, best_by_validation
from ser.report.predictions import single_label
from ser.report.runs import Expected, Finished, Options
from ser.report.statistics import FEW_CLUSTERS, METRICS
from ser.report.validation import Curve, validation_accuracy

AXES = ("corpora", "block", "pooling", "task", "fold")
PARAMS = ("corpora", "block", "pooling", "task", "seed", "corpus.*.split.fold", *networks.PARAMS)
SCORES = ("wa/", "ua/", *validation.SCORES, *networks.SCORES)

_NONE = Further()


def content(finished: Iterable[Finished], expected: Expected, options: Options) -> Content:
    """The paper's Tables 2 to 5 and figures. Raises BadInput for an unknown tie rule or results that fit no class."""
    grid = Grid(expected)
    trainings: dict[TrialKey, Finished] = {}
    results = list(results_of(_noted(finished, grid, trainings), grid, options.curve))
    return arranged(results, grid, options, best_curves(results, grid, options.curve), trainings)


def arranged(
    results: Sequence[Result],
    grid: Grid,
    options: Options | None = None,
    curves: Mapping[str, Sequence[float]] | None = None,
    trainings: Mapping[TrialKey, Finished] | None = None,
) -> Content:
    """The same from ``results``, oldest first: of two for one cell the first is kept.

    ``curves``: trial title → validation loss per epoch. ``trainings``: one run of each trial.
    """
    options = options or Options()
    evidence = arranged_on_grid(results, grid, options)
    more = further.more_of(_best(evidence, options), options)
    tables = all_tables(evidence, options, trainings, more)
    content = Content.of(
        grid.expected,
        (),
        tables=[_with_paper(table, grid.expected) for table in tables],
        notes=(*_notes(evidence, options), *evidence.notes, *more.notes),
        pictures=(
            *_pictures(evidence, tables, curves, flows_of(trainings or {}, grid, options)),
            *more.pictures,
        ),
        matrices=_matrices(evidence),
        matrices_title="Confusion matrices of the networks that are best on test",
        inconsistencies=published.INCONSISTENCIES,
    )
    # A trial is done when it has been tested on every corpus that it should be.
    return replace(content, done=evidence.done, expected=evidence.expected, holes=evidence.holes)


def all_tables(
    evidence: Evidence, options: Options, trainings: Mapping[TrialKey, Finished] | None = None, more: Further = _NONE
) -> tuple[Table, ...]:
    """Returns the paper's tables with winners by test and by validation, what is sure about them, and what is behind.

    ``trainings``: one run of each trial; ``more``: further measures of the best.
    """
    grid, trained = evidence.grid, trainings or {}
    shares = (configuration_table, marginal_table, *[presence_table] * grid.mixes)  # of one corpus there is no mix
    networks = networks_compared(evidence)
    # With one case the networks are all results: their standings would say the same again, and nothing is ranked.
    several = len(networks.corpora) > 1
    best, every_standing = best_sets(evidence)
    return (
        best_results(evidence),
        best_by_validation(evidence),
        *(table(evidence, options.ties) for table in shares),
        agreement(evidence, options.ties),
        *(table(evidence, options.ties, VALIDATION) for table in shares),
        effects_table(evidence),
        *[rank_table(networks)] * several,
        best_table(networks),
        *[best] * (several and bool(every_standing.rows)),
        *more.tables,
        corpus_table(trained, evidence.grid, options),
        cost_table(trained, grid),
        cost_ratios(trained, grid, published.COSTS if grid.expected.paper else ""),
        best_runs(evidence),
        *[pairs_table(networks)] * (len(networks.options) <= MOST_COMPARED),
        *[every_standing] * (several and bool(every_standing.rows)),
        every_result(evidence),
    )


def _with_paper(table: Table, expected: Expected) -> Table:
    """A target's printed numbers stand beside ours if it is the paper's; shares over targets if all of them are."""

    def is_shown(row: Row) -> bool:
        return expected.printed_for(row.name) if row.name in expected.letters else expected.printed_overall

    def printed(key: str, metric: str, row: str, column: str) -> Printed:
        is_others = column in expected.letters and not expected.printed_for(column)
        return None if is_others else published.printed(key, metric, row, column)

    if table.key not in ("table1", "table2", "table2_validation"):
        return with_paper(table, printed, is_shown) if expected.printed_overall else table
    table = with_paper(table, printed, is_shown)
    return replace(table, rows=tuple(replace(row, name=_corpus_in_words(row.name, expected)) for row in table.rows))


def _corpus_in_words(name: str, expected: Expected) -> str:
    """A person's own table is named: ``C: your manifest calls.csv``."""
    release = expected.releases.get(name)
    own = release is not None and release.state == "own"
    return f"{expected.letters[name]}: your manifest {release.file}" if release and own else name


# --- from runs ---


def _noted(finished: Iterable[Finished], grid: Grid, trainings: dict[TrialKey, Finished]) -> Iterator[Finished]:
    """Passes the runs on, and keeps one of each expected trial that was trained for itself, without predictions."""
    for run in finished:
        key = trial_key(run.params, fold_of(run))
        if key in grid.titles and not run.same_as:
            trainings.setdefault(key, replace(run, text=""))
        yield run


def results_of(finished: Iterable[Finished], grid: Grid, curve: Curve = Options.curve) -> Iterator[Result]:
    """One result per run and corpus that it was tested on. ``curve``: of runs that do not log their kept epoch."""
    shared: dict[object, Any] = {}  # the utterances and labels of a target, which its results share
    for run in finished:
        key = trial_key(run.params, fold_of(run))
        for target, test in single_label(run, grid.classes).items():
            test = replace(
                test,
                uids=shared.setdefault(test.uids, test.uids),
                truth=shared.setdefault(test.truth.tobytes(), test.truth),
                speakers=shared.setdefault(test.speakers, test.speakers),
            )
            yield Result(
                run.trial_id,
                run.run_id,
                *key,
                target=target,
                wa=run.scores[f"wa/{target}"],
                ua=run.scores[f"ua/{target}"],
                test=test,
                same_as=run.same_as,
                validation={m: validation_accuracy(run, target, m, curve) for m in METRICS},
            )


def best_curves(results: Sequence[Result], grid: Grid, curve: Curve) -> dict[str, list[float]]:
    """Validation loss per epoch of the trial with the best UA on test on each target, by the trial's title."""
    curves: dict[str, list[float]] = {}
    for target in grid.targets:
        tested = [r for r in results if r.target == target]
        if tested:
            best = max(tested, key=lambda r: r.ua)
            curves[grid.titles.get(best.trial_key, best.run_id)] = curve(best.run_id, "val/loss")
    return {title: values for title, values in curves.items() if values}


# --- words and pictures ---


def _notes(evidence: Evidence, options: Options) -> list[str]:
    grid = evidence.grid
    notes = []
    samples = {scores.target: scores.sample for scores in evidence.scores if scores.sample.utterances}
    if intervals := words(options, samples):
        notes.append(
            f"{intervals} Winners and shares, tied ones too, are counted anew in each replicate. Resampling adds noise "
            "to the noise that is there, so it pulls shares of winners towards equal ones: an interval of a share need "
            "not lie around it."
        )
    notes += _repeats(evidence)
    shared = sum(any(r.same_as for r in cell) for s in evidence.scores for cell in s.results.values())
    if shared:
        notes.append(
            f"{shared} results are those of another trial: on one corpus, unified and multi are one training"
            + (" and tie." if grid.mixes else ", which is one option in shares and comparisons.")
        )
    without = sum(
        not all(np.isfinite(v) for r in cell for v in r.validation.values())
        for s in evidence.scores
        for cell in s.results.values()
    )
    if without:
        notes.append(f"{without} results have no validation accuracy, and are no candidates where validation chooses.")
    if few := [s.target for s in evidence.scores if s.sample.utterances and s.sample.clusters < FEW_CLUSTERS]:
        whose = "speakers" if options.resample == "speaker" else "utterances"
        notes.append(
            f"Fewer than {FEW_CLUSTERS} {whose} do not say which results may be the best, nor how often chance wins: "
            f"{', '.join(few)}."
        )
    cases = sum(len(s.combinations) for s in evidence.scores)
    if grid.expected.printed_overall:
        notes.append(
            f"Shares are counted over {cases} cases; the paper's are over {published.CASES}, a third of them of "
            "CustomerPTBR, which is not public."
        )
    return notes


def _repeats(evidence: Evidence) -> list[str]:
    """What seeds and folds there are, and what becomes of them; nothing where a network is trained once."""
    grid = evidence.grid
    if len(grid.splits) == 1:
        return []
    text = f"Every network is trained {len(grid.splits)} times: {len(grid.seeds)} seeds × {len(grid.folds)} folds. "
    if grid.folds == (0,):
        text = f"Every network is trained with {len(grid.seeds)} seeds. "
    else:
        text += "The test utterances of a seed's folds are pooled into one test side. "
    text += "A value is the mean over the seeds; what lacks a seed or a fold on a target is a hole there."
    if len(grid.seeds) > 1:
        text += f" Another seed changes: {', '.join(grid.expected.seed_moves)}."
    notes = [text]
    for scores in evidence.scores:
        folds = {mix: {key[4] for key in grid.titles if key[0] == mix} for mix in scores.combinations}
        if few := [grid.mix(mix) for mix, each in folds.items() if len(each) < max(map(len, folds.values()))]:
            notes.append(
                f"On {scores.target} {', '.join(few)} are trained in fewer folds than other combinations, because a "
                "corpus of theirs has fewer: they are tested on fewer utterances, and compared on those of each."
            )
    return notes


def _pictures(
    evidence: Evidence,
    tables: Sequence[Table],
    curves: Mapping[str, Sequence[float]] | None,
    flows: Sequence[Flow],
) -> Iterator[Picture]:
    if not any(scores.sample.utterances for scores in evidence.scores):
        return
    yield ua_by_combination(evidence)
    if sum(len(scores.combinations) for scores in evidence.scores) > 1:  # of one case both would say one number
        yield heat_map(evidence)
        yield shares(next(table for table in tables if table.key == "table3"), evidence)
    if picture := interaction_maps(by_target(evidence, "ua"), "UA"):
        yield picture
    yield from pictures_of(networks_compared(evidence))
    if flows:
        yield architecture(flows)
    if curves:
        grid = evidence.grid
        blocks = {title: key[1] for key, title in grid.titles.items()}
        names = {block: block.upper() for block in grid.blocks}
        one = len(curves) == 1
        caption = (
            f"Validation loss of {len(curves)} of {evidence.done} trials: "
            f"{'the one' if one else 'those'} with the best UA on a target."
        )
        yield figures.learning_curves(curves, blocks, names, "validation loss", caption)


def _best(evidence: Evidence, options: Options) -> list[Best]:
    """The results that are shown in more detail: of each target the one with the best UA on test and by validation."""
    grid, best = evidence.grid, []
    for scores in evidence.scores:
        top = scores.best("ua", range(len(scores.combinations)))[:1]
        choice = scores.choices["ua", False].results
        for how, results in (("test UA", scores.results[top[0]] if top else ()), ("validation UA", choice)):
            titles = dict.fromkeys(_plain_title(grid, result) for result in results)
            title = next(iter(titles)) if len(titles) == 1 else further.several(len(titles))
            runs = [[r.run_id for r in results if r.seed == seed] for seed in dict.fromkeys(r.seed for r in results)]
            best.append(further.read(scores.target, how, title, runs, grid.classes, options) if results else None)
    return [each for each in best if each]


def _matrices(evidence: Evidence) -> Iterator[Matrix]:
    """Yields the matrix of the network of each target that is best on test, summed over its seeds and folds."""
    grid = evidence.grid
    for place, scores in enumerate(evidence.scores, start=1):
        every = range(len(scores.combinations))
        best_of = {metric: best[0] for metric in METRICS if (best := scores.best(metric, every))}
        for metric, where in best_of.items():
            by = [name.upper() for name, other in best_of.items() if other == where]
            if metric.upper() == by[0]:  # one network may be the best by both
                cell = scores.results[where]
                counts = sum(confusion(r.truth, r.predicted, len(grid.classes)) for r in cell)
                safe = re.sub(r"[^\w-]+", "_", scores.target)  # two names may become one when made safe: place
                yield Matrix(
                    heading=f"{scores.target}, best {' and '.join(by)}",
                    title=_plain_title(grid, cell[0]),
                    classes=grid.classes,
                    counts=np.asarray(counts),
                    runs=tuple(result.run_id for result in cell),
                    name=f"confusion_{place}_{safe}_{metric}",
                )


def _plain_title(grid: Grid, result: Result) -> str:
    """The title of a result's trial, without fold and seed."""
    return grid.titles[result.trial_key].partition(" · fold ")[0].partition(" · seed ")[0]

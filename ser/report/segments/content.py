"""The report of Sahoo et al. 2019: emotions of clips from the answers to their segments, cut with and without overlap.

Sahoo, Kumar, Raman, Roy, "A Segment Level Approach to Speech Emotion Recognition using Transfer Learning", ACPR 2019.
Where the study tests in folds, the test clips of all folds of a seed are one test side, and a seed that lacks a fold
does not count. Beside predictions it reads the files that ``_clips_counts`` names.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ser.metrics.accuracy import ua
from ser.report import figures, further
from ser.report.bootstrap import words
from ser.report.content import HOLE, Cell, Content, Matrix, Picture, Row, Table
from ser.report.groups import fold_of
from ser.report.predictions import SegmentPredictions, segments
from ser.report.reference import label, reference_segments
from ser.report.runs import Expected, Finished, Options
from ser.report.segments import published
from ser.report.segments.accuracies import METRICS, accuracies, disorder, sample_of
from ser.report.segments.counts import table_1
from ser.report.segments.groups import Setting, folds_of, main_units, settings_of
from ser.report.segments.tables import (
    Measured,
    PlainReference,
    baselines,
    figure_3,
    shares,
    table_2,
    table_3,
    table_4,
    table_5,
)

_AS_LOGGED = 1e-6
Answers = Mapping[str, Mapping[str, SegmentPredictions]]  # run id → corpus → clips


def content(finished: Iterable[Finished], expected: Expected, options: Options) -> Content:
    """The paper's Tables 1 to 5 and Figure 3. Raises BadInput for predictions that fit no class."""
    runs, answers = [], {}
    for run in finished:
        answers[run.run_id] = segments(run, expected.classes)
        runs.append(replace(run, text=""))
    folds = folds_of(runs, expected)
    settings = settings_of(runs, answers, folds, expected.tested)
    units, measured = main_units(settings), Measured(options.replicates, options.resample)
    reference = PlainReference(label(expected), reference_segments(expected, options))
    pictured = [s for s in settings if s.block == "vggish" and s.units == units and any(map(s.of, expected.tested))]
    more = further.more_of(list(_best(settings, expected, options)), options)
    wrong = _violations(runs, answers)
    random = any(s.param("block.weights") == "random" for s in settings)
    return Content.of(
        expected,
        (run.title for run in runs),
        tables=(
            table_3(settings, reference, units, measured, expected),
            table_4(settings, reference, measured, expected),
            table_5(settings, reference, units, measured, expected),
            baselines(settings, measured, expected),
            figure_3(pictured, expected),
            table_1(settings, expected, options, folds != (0,)),
            table_2(settings, units, expected, options),
            _each_run(settings, answers, expected),
            *more.tables,
        ),
        notes=(*wrong, *_notes(settings, folds, expected, options), *more.notes),
        pictures=(*_pictures(pictured, expected), *more.pictures),
        matrices=_matrices(pictured, expected),
        matrices_title="Confusion matrices of clips",
        inconsistencies=published.INCONSISTENCIES,
        badges=[
            text
            for text, applies in (("VGGish from random weights", random), ("ACA ≤ SCA ≤ BCA violated", wrong))
            if applies
        ],
    )


def _best(settings: Sequence[Setting], expected: Expected, options: Options) -> Iterator[further.Best]:
    """The setting with the best UA of clips in the test, by mean logits, and that of the least validation loss."""
    for corpus in expected.tested:
        tested = [s for s in settings if s.of(corpus)]
        by_test = sorted(tested, key=lambda s: -np.mean([ua(clips.counts) for clips in s.of(corpus)]))
        by_validation = sorted((s for s in tested if not np.isnan(s.group.loss)), key=lambda s: s.group.loss)
        for how, ranked in (("test UA of clips", by_test), ("validation loss", by_validation)):
            for setting in ranked[:1]:
                runs = [run for run in setting.runs if run.params.get("seed", "0") in setting.tests[corpus]]
                ids = further.by_seed(runs)
                if best := further.read(corpus, how, setting.title, ids, expected.classes, options):
                    yield best


def _violations(runs: Sequence[Finished], answers: Answers) -> list[str]:
    """Says where logged accuracies contradict each other or the predictions."""
    notes = []
    for run in runs:
        for corpus, clips in answers[run.run_id].items():
            if values := disorder(run.scores, corpus) or disorder(accuracies(clips)):
                notes.append(f"ACA ≤ SCA ≤ BCA does not hold in {run.title} on {corpus}: {values}.")
            computed = accuracies(clips)
            apart = [
                name.upper()
                for name in METRICS
                if abs(run.scores.get(f"{name}/{corpus}", computed[name]) - computed[name]) > _AS_LOGGED
            ]
            if apart:
                notes.append(
                    f"What {run.title} logged on {corpus} is not what its predictions give: {', '.join(apart)}. "
                    "The tables have the latter."
                )
    return notes


def _notes(settings: Sequence[Setting], folds: Sequence[int], expected: Expected, options: Options) -> list[str]:
    notes = [*_weights(settings)]
    tests = {corpus: max((s.of(corpus) for s in settings), key=len, default=()) for corpus in expected.tested}
    samples = {corpus: sample_of(runs, options.resample) for corpus, runs in tests.items() if runs}
    notes += [text] if (text := words(options, samples)) else []
    notes += [_repeats(expected)] if len(expected.seeds) > 1 else []
    notes += _kept_epochs(settings)
    for corpus in expected.tested:
        sizes = {s.way: (len(s.of(corpus)[0].uids), len(s.of(corpus)[0].clip)) for s in settings if s.of(corpus)}
        if sizes:
            described = ", ".join(
                f"{way} {segments} segments of {clips} clips" for way, (clips, segments) in sizes.items()
            )
            notes.append(f"Test side of {corpus}, per seed: {described}.")
        if settings and tuple(folds) != (0,):
            notes.append(f"The test clips of {corpus} in folds {', '.join(map(str, folds))} are pooled.")
        incomplete = [s.title for s in settings if len(s.of(corpus)) < len({run.params.get("seed") for run in s.runs})]
        if incomplete:
            notes.append(f"Not counted on {corpus}: seeds that lack a fold, of {'; '.join(incomplete)}.")
    return notes


def _repeats(expected: Expected) -> str:
    """Says what the standard deviation over the seeds is of, beside the paper's over six runs."""
    if "split" in expected.seed_moves:
        return (
            "Each seed draws its own split (seed 0 the stated one), so the standard deviation is over splits and "
            "initial weights; by Figure 3, whose two matrices are of different test clips, so is the paper's."
        )
    return (
        "All seeds share one split, so the standard deviation is over initial weights alone. The paper's is not: by "
        "Figure 3 its runs differ in their test clips. --set seed_moves=weights,split lets a seed move both."
    )


def _kept_epochs(settings: Sequence[Setting]) -> Iterator[str]:
    """Says which epoch's weights are tested, by the settings of the runs."""
    rules: dict[tuple[str, str, str], list[str]] = {}
    for s in settings:
        keys = ("training.keep", "training.check_every_epochs", "training.loss_tolerance")
        rule = s.param(keys[0]), s.param(keys[1]) or "1", s.param(keys[2])
        rules.setdefault(rule, []).append(s.title)
    for (keep, every, tolerance), titles in rules.items():
        looked = "after every epoch" if every == "1" else f"after every {every}th epoch"
        what = {
            "best_accuracy": f"of the best validation accuracy of segments, if its loss is below the least so far plus "
            f"{tolerance} (the rule of the authors' program, which looks after every tenth)",
            "best": "of the least validation loss",
            "last": "of the last epoch",
        }.get(keep, "unknown")
        named = f": {'; '.join(titles)}" if len(rules) > 1 else ""
        yield f"Weights are those {what}, looked at {looked}{named}."


def _weights(settings: Sequence[Setting]) -> Iterator[str]:
    """Says what VGGish started from, which decides what it can reach."""
    by_weights: dict[str, list[str]] = {}
    for s in settings:
        if s.block == "vggish":
            by_weights.setdefault(s.param("block.weights") or "unknown", []).append(s.title)
    for weights, titles in by_weights.items():
        if weights == "random":
            yield (
                "VGGish started from random weights, not from the public ones learnt on millions of videos that the "
                f"paper's networks started from: its transfer learning is not what was done in {'; '.join(titles)}."
            )
        else:
            yield f"VGGish started from public weights, file {weights}: {'; '.join(titles)}."


def _each_run(settings: Sequence[Setting], answers: Answers, expected: Expected) -> Table:
    """Every run by itself, for looking up."""
    rows = []
    for s in settings:
        for run in s.runs:
            for corpus in expected.tested:
                test = answers[run.run_id].get(corpus)
                scores = accuracies(test) if test else dict.fromkeys(METRICS, np.nan)
                epochs = f"{run.scores.get('best_epoch', np.nan):.0f} of {run.scores.get('epochs', np.nan):.0f}"
                cells = [Cell(scores[name]) for name in METRICS]
                place = (run.params.get("seed", HOLE), str(fold_of(run) or ""), str(len(test.uids) if test else 0))
                rows.append(Row(corpus, s.title, (*place, *cells, epochs, run.run_id)))
    return Table(
        "runs",
        "Every run",
        "Fold by fold where there are folds; best epoch by validation, of all that were trained.",
        ("Seed", "Fold", "Clips", *METRICS.values(), "Epochs", "Run"),
        tuple(rows),
        grouped="Corpus",
        ids=("Run",),
        keys=2,
        named="Setting",
    )


def _pictures(pictured: Sequence[Setting], expected: Expected) -> Iterator[Picture]:
    lines = {}
    for corpus in expected.tested:
        tested = [s for s in pictured if s.of(corpus)]
        if tested:
            lines[corpus] = {s.title: shares(s, corpus, by_mode=True) for s in tested}
    if lines:
        caption = (
            "Figure 3: what clips are taken for by most of their segments, of equally many classes the first; rows are "
            "the truth, each divided by its sum, over all seeds."
        )
        yield figures.small_matrices(lines, expected.classes, "figure3", caption)


def _matrices(pictured: Sequence[Setting], expected: Expected) -> Iterator[Matrix]:
    for place, s in enumerate(pictured, start=1):
        for number, corpus in enumerate(expected.tested, start=1):
            if tests := s.of(corpus):
                counts = np.sum([clips.counts for clips in tests], axis=0)
                ids = tuple(run.run_id for run in s.runs if run.params.get("seed", "0") in s.tests[corpus])
                yield Matrix(
                    f"{corpus}, by mean logits", s.title, expected.classes, counts, ids, f"confusion_{place}_{number}"
                )

"""The report of Khan et al.: two small networks on mean MFCC, as printed and as a search would have them.

Khan et al., a one-dimensional CNN and a simple RNN on 80 mean MFCC of RAVDESS. Beside predictions it reads curves
(``train/wa/<corpus>``, ``test/wa/<corpus>``) and of each corpus the proof of its split (``split/<corpus>.json``).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ser.metrics.accuracy import ua
from ser.report import bootstrap, further
from ser.report.content import HOLE, Content, Matrix, Picture
from ser.report.mfcc_networks import figures, published, tables
from ser.report.mfcc_networks.accuracies import Tests, differences, findings, tests_of
from ser.report.mfcc_networks.groups import Candidate, TestedSetting, candidates, is_candidate, settings_tested
from ser.report.predictions import single_label
from ser.report.runs import Expected, Finished, Options
from ser.report.statistics import wilson

_SUBSETS = ("train", "test")


def content(finished: Iterable[Finished], expected: Expected, options: Options) -> Content:
    """The paper's Tables 3 to 6 and Figures 6 and 7, and the search. Raises BadInput for labels of other classes."""
    runs, answers = [], {}
    for run in finished:
        if not is_candidate(run):
            answers[run.run_id] = single_label(run, expected.classes)
        runs.append(replace(run, text=""))
    settings, searched = settings_tested(runs, answers), candidates(runs)
    tests = tests_of(settings, expected, options)
    more = further.more_of(list(_bests(settings, expected, options)), options)
    compared = differences(tests)
    return Content.of(
        expected,
        (run.title for run in runs),
        tables=(
            tables.accuracy(settings, tests, expected, options),
            *([compared] if compared.rows else []),
            tables.recalls(settings, searched, expected, options),
            tables.confusions(settings, searched, expected, options),
            *tables.models(settings, expected, options),
            *tables.searches(searched, settings),
            *more.tables,
        ),
        notes=(*findings(settings, tests), *_notes(settings, runs, tests, expected, options), *more.notes),
        pictures=(*_pictures(settings, searched, expected, options), *more.pictures),
        matrices=_matrices(settings, expected),
        matrices_title="Confusion matrices of the test",
        inconsistencies=published.INCONSISTENCIES,
    )


def _bests(settings: Sequence[TestedSetting], expected: Expected, options: Options) -> Iterator[further.Best]:
    """Every setting that was tested: there are few. The one with the best UA in the test first."""
    for corpus in expected.tested:
        tested = [one for one in settings if one.tests(corpus)]
        for one in sorted(tested, key=lambda one: -np.mean([ua(test.counts) for test in one.tests(corpus)])):
            ids = [[run.run_id for run in one.runs_of(repeat)] for repeat in one.answers.get(corpus, {})]
            how = "validation, in a search" if one.refitted else "the study"
            if best := further.read(corpus, how, one.title, ids, expected.classes, options):
                yield best


def _notes(
    settings: Sequence[TestedSetting],
    runs: Sequence[Finished],
    tests: Mapping[str, Tests],
    expected: Expected,
    options: Options,
) -> list[str]:
    notes = []
    if intervals := bootstrap.words(options, {corpus: one.sample for corpus, one in tests.items()}):
        notes.append(f"{intervals} Where speakers are in training and test, they say nothing of new speakers.")
    if titles := [title for one in settings for title in one.left_out]:
        notes.append(f"Left out: runs of seeds that lack folds: {', '.join(titles)}.")
    refits = [f"{run.params.get('block')}: candidate {run.params.get('role.number')} (seed {run.params.get('seed')})"
              for one in settings if one.refitted for run in one.runs]  # fmt: skip
    if refits:
        notes.append(f"Chosen by validation and trained again: {', '.join(refits)}.")
    elif any(is_candidate(run) for run in runs):
        notes.append("No candidate of the search has been trained again yet.")
    return notes


def _pictures(
    settings: Sequence[TestedSetting], searched: Sequence[Candidate], expected: Expected, options: Options
) -> Iterator[Picture]:
    for place, corpus in enumerate(expected.tested, start=1):
        best_tests = {one.title: best for one in settings if (best := one.best(corpus))}
        panels = {
            title: {side: options.curve(best.run_id, f"{side}/wa/{corpus}") for side in _SUBSETS}
            for title, best in best_tests.items()
        }
        if panels_with_curves := {title: curves for title, curves in panels.items() if any(curves.values())}:
            of_best = " Of several seeds, the one with the most right in the test." if len(expected.seeds) > 1 else ""
            caption = f"Figure 6: accuracy in training and test over the epochs.{of_best}"
            yield figures.accuracy_curves(panels_with_curves, f"figure6_{place}", caption)
        if best_tests:
            bars = {
                title: [wilson(int(line[i]), int(line.sum())) for i, line in enumerate(best.counts)]
                for title, best in best_tests.items()
            }
            of_best = "; of several seeds, the one with the most right in the test" if len(expected.seeds) > 1 else ""
            caption = f"Figure 7: accuracy of each class in the test of {corpus}{of_best}. Lines are 95 % intervals."
            printed = _printed(settings, expected, corpus)
            chart = figures.class_chart(bars, printed, expected.classes, f"figure7_{place}", caption)
            yield replace(chart, quotes=bool(printed))
    panels_of: dict[str, list[tuple[str, list[float]]]] = {}
    for block in dict.fromkeys(c.block for c in searched):
        ranked = tables.ranked([c for c in searched if c.block == block])
        lines = [(c.number, c.each("objective/wa")) for rank, c in ranked if rank != HOLE]
        panels_of |= {block: lines} if lines else {}
    if panels_of:
        missing = len(searched) - sum(map(len, panels_of.values()))
        yield figures.search_dots(panels_of, "search", missing)


def _printed(settings: Sequence[TestedSetting], expected: Expected, corpus: str) -> dict[str, list[float | None]]:
    """Returns what the paper prints of each class, beside the first of a network's settings."""
    out: dict[str, list[float | None]] = {}
    for block in dict.fromkeys(one.block for one in settings) if expected.printed_for(corpus) else ():
        values = [published.printed("table6", "recall", block, c) for c in expected.classes]
        numbers = [v if isinstance(v, float) else None for v in values]
        if any(numbers):
            out[next(one.title for one in settings if one.block == block)] = numbers
    return out


def _matrices(settings: Sequence[TestedSetting], expected: Expected) -> Iterator[Matrix]:
    for place, one in enumerate(settings, start=1):
        for number, corpus in enumerate(expected.tested, start=1):
            if tests := one.tests(corpus):
                counts = np.sum([t.counts for t in tests], axis=0)
                runs = tuple(t.run_id for t in tests)
                yield Matrix(corpus, one.title, expected.classes, counts, runs, f"confusion_{place}_{number}")

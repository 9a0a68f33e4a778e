"""The general report: every result of a study over whatever axes it has, the best ones, and what each axis does.

It is the default, where a study names no report, and stands behind a paper's report where a study varies settings that
this does not know.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from ser.report import bootstrap, figures, further
from ser.report.content import Content, Matrix, Picture, Table
from ser.report.general.axes import axis_table, by_corpus
from ser.report.general.effects import Compared, compared_axes, diagrams, effect_tables, rank_table
from ser.report.general.figures import strip_plots
from ser.report.general.selection import chosen_table
from ser.report.general.tables import (
    MOST_READ,
    best_table,
    comparison,
    every_result,
    metric_name,
    run_table,
)
from ser.report.groups import without_repeats
from ser.report.interactions import ByCorpus, interaction_maps, interaction_table
from ser.report.measured import Result
from ser.report.results import Results, results_of
from ser.report.runs import Expected, Finished, Options

_LISTED = 6  # runs that a note names
MOST_AXES = 8  # that are drawn


def content(finished: Iterable[Finished], expected: Expected, options: Options) -> Content:
    """Arranges all results. Raises BadInput for an unknown rule of ties or predictions that fit no class."""
    results = results_of(finished, expected, options)
    compared, on_corpora = compared_axes(results), by_corpus(results)
    more = further.more_of(list(_best(results, options)), options)
    return Content.of(
        expected,
        results.titles,
        tables=(*_tables(results, compared, on_corpora, options.ties), *more.tables),
        notes=(*_notes(results, options), *more.notes),
        pictures=(*_pictures(results, compared, on_corpora, options), *more.pictures),
        matrices=_matrices(results),
        matrices_title="Confusion matrices of the best results",
        published=False,
    )


def _best(results: Results, options: Options) -> Iterator[further.Best]:
    """The result that is best in the test of each corpus, and the one that validation chooses."""
    metric = metric_name(results.ranking)
    for corpus in results.expected.tested:
        found = [(f"test {metric}", result, 1) for result in results.ranked(corpus)[:1] if result.counts is not None]
        if choice := results.choices.get((corpus, results.ranking)):
            found.append((f"validation {metric}", choice.result, len(choice.settings)))
        for how, result, settings in found:
            title = without_repeats(result.runs[0].title) if settings == 1 else further.several(settings)
            ids = further.by_seed(result.runs)
            if best := further.read(corpus, how, title, ids, _classes_of(result, results), options):
                yield best


def _classes_of(result: Result, results: Results) -> tuple[str, ...]:
    return tuple(result.runs[0].params.get("classes", ",".join(results.expected.classes)).split(","))


def _tables(
    results: Results, compared: Sequence[Compared], on_corpora: Sequence[ByCorpus], ties: str
) -> Iterator[Table]:
    yield best_table(results)
    if results.choices:
        yield chosen_table(results)
    if results.axes.paths:
        yield axis_table(results, ties)
    if compared:
        yield from effect_tables(compared, results)
        if on_corpora:
            yield interaction_table(on_corpora, metric_name(results.ranking), results.clusters)
        if (ranks := rank_table(compared, results)).rows:
            yield ranks
    for corpus in results.expected.tested:
        yield every_result(results, corpus)
    if results.untested:
        yield comparison(results)
    yield run_table(results)


def _notes(results: Results, options: Options) -> Iterator[str]:
    if results.axes.paths:
        yield f"Settings that vary: {', '.join(results.axes.paths)}."
    if len(results.axes.paths) > MOST_AXES:
        yield f"Figures are of the first {MOST_AXES} of these settings; the tables are of all."
    if intervals := bootstrap.words(options, results.samples):
        yield f"{intervals} Winners are counted anew in each replicate."
    if results.cells and not results.axes.stated:
        yield "Some of these settings are known from the runs alone: which results are to come is not known in advance."
    if any(
        len(results.ranked(corpus)) + len(results.missing(corpus)) > MOST_READ for corpus in results.expected.tested
    ):
        yield f"Tables of more than {MOST_READ} results are in report.html and tables.csv alone."
    if results.left_out:
        more = f" and {len(results.left_out) - _LISTED} more" if len(results.left_out) > _LISTED else ""
        yield f"Left out: runs that lack folds which others have: {'; '.join(results.left_out[:_LISTED])}{more}."
    if results.uneven:
        yield f"Not all results are of the same test utterances on {', '.join(results.uneven)}."


def _pictures(
    results: Results, compared: Sequence[Compared], on_corpora: Sequence[ByCorpus], options: Options
) -> Iterator[Picture]:
    if not any(results.cells.values()):
        return
    for axis in range(min(len(results.axes.paths), MOST_AXES)):
        yield strip_plots(results, axis)
    if picture := interaction_maps(on_corpora, metric_name(results.ranking)):
        yield picture
    yield from diagrams(compared, results)
    best = {corpus: results.ranked(corpus)[0] for corpus in results.expected.tested if results.ranked(corpus)}
    curves = {f"{corpus}: {r.runs[0].title}": options.curve(r.runs[0].run_id, "val/loss") for corpus, r in best.items()}
    if any(curves.values()):
        groups = {title: title.partition(": ")[0] for title in curves}
        legend = {corpus: f"best on {corpus}" for corpus in best}
        first = ", the first of its runs" if any(len(result.runs) > 1 for result in best.values()) else ""
        caption = f"Validation loss of the setting with the best {metric_name(results.ranking)} in the test{first}: "
        caption += f"{'; '.join(title for title, values in curves.items() if values)}."
        yield figures.learning_curves(curves, groups, legend, "validation loss", caption)


def _matrices(results: Results) -> Iterator[Matrix]:
    """Yields the matrix of the best result of each corpus, summed over its seeds."""
    for place, corpus in enumerate(results.expected.tested, start=1):
        for result in results.ranked(corpus)[:1]:
            if result.counts is not None:
                heading = f"{corpus}, best {metric_name(results.ranking)}"
                ids = tuple(run.run_id for run in result.runs)
                safe = re.sub(r"[^\w-]+", "_", corpus)
                classes, title = _classes_of(result, results), result.runs[0].title
                yield Matrix(heading, title, classes, result.counts, ids, f"confusion_{place}_{safe}")

"""The section on strangers, in every report whose runs have tests on corpora that they did not learn from."""

from collections.abc import Iterable, Iterator

from ser.report import bootstrap, sheets
from ser.report.content import Picture, Table
from ser.report.crossing import added, emobox, facts, figures, logged, matrix, others
from ser.report.crossing.arranged import Arrangement, arranged
from ser.report.crossing.tested import CrossRun
from ser.report.runs import Expected, Options
from ser.report.section import Section


def section_of(runs: Iterable[CrossRun], expected: Expected, options: Options) -> Section:
    """Returns the section. Raises BadInput for an unknown rule of ties or predictions that fit no class."""
    scores: logged.Logged = {}
    across = arranged(logged.noted(runs, scores), expected, options)
    as_logged = logged.table(scores)
    if not across.strangers:
        tables = tuple(table for table in (as_logged, facts.table(across)) if table)
        return Section(tables)
    tables = tuple(_tables(across, options))
    return Section(
        sheets.marked((*tables, *([as_logged] if as_logged else [])), expected),
        tuple(_pictures(across, tables)),
        tuple(_notes(across, options, tables)),
    )


def _tables(across: Arrangement, options: Options) -> Iterator[Table]:
    yield matrix.matrix(across)
    yield matrix.best_trainings(across)
    several = (
        added.helps(across, options.ties),
        added.changes(across),
        added.holds(across, options.ties),
        others.by_language(across),
        others.effects(across),
        others.heads(across),
        others.recalls(across),
        emobox.table(across),
        facts.table(across),
    )
    yield from (table for table in several if table)
    yield matrix.every_result(across)


def _pictures(across: Arrangement, tables: Iterable[Table]) -> Iterator[Picture]:
    charts = [figures.help_charts(table) for table in tables if table.key == "added"]
    yield from (picture for picture in (figures.heat_map(across), *charts) if picture)


def _notes(across: Arrangement, options: Options, tables: Iterable[Table]) -> Iterator[str]:
    yield (
        f"Tested without having been trained on: {', '.join(across.strangers)}. A classifier of the study's classes "
        "knows nothing of such a corpus: neither its speakers, nor its recordings, nor how it understands a label."
    )
    samples = {corpus: across.samples[corpus] for corpus in across.strangers}
    folds_repeat = any(sample.seeds > len(across.expected.seeds) for sample in samples.values())
    if intervals := bootstrap.words(options, samples, folds_repeat):
        yield f"Across corpora. {intervals}"
    if not any(table.key == emobox.KEY for table in tables) and (why := emobox.note(across)):
        yield why
    missing = sum(
        (corpus, key) not in across.results
        for corpus in across.strangers
        for key in across.planned
        if corpus not in key[0]
    )
    if missing:
        yield (
            f"{missing} results across corpora are missing: their trials are not finished, or not tested on the corpus "
            "yet. Means that need them are holes."
        )

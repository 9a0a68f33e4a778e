"""The report of Pinto et al.: the survey's systems, all on equal terms, on every corpus, with speakers known and new.

Pinto, Balasubramani, Martis, "Exploring Emotional Signals". A run is one fold of one system on one corpus under one
protocol, which its ``about`` tells. Beside predictions it reads the proof of a case's split (``split/<corpus>.json``).
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from ser.report import further, validation
from ser.report.content import LEGEND, Content, Matrix, Picture, Table
from ser.report.runs import Expected, Finished, Options
from ser.report.survey import costs, figures, published, rivals, selection, shares, tables
from ser.report.survey.described import described
from ser.report.survey.notes import notes
from ser.report.survey.results import PROTOCOLS, Bench, Fold, bench_of, fold_of

AXES = ("corpora", "system", "protocol", "fold")
PARAMS = (
    *("role.system", "role.protocol", "role.fold", "corpora", "classes", "seed", "normalise", "front_end", "block"),
    *("balance", "training.learns_from"),
)
_HIDDEN = "In the survey's columns it is a number of the survey, which is not shown."
SCORES = ("wa/", "ua/", "seconds/training", "parameters", *validation.SCORES)


def content(finished: Iterable[Finished], expected: Expected, options: Options) -> Content:
    """Every system, the best ones, and the paper's Table 1 and figures. Raises BadInput for labels of other classes."""
    folds: list[Fold] = []
    titles: set[str] = set()
    strays: list[str] = []
    names: dict[tuple[str, ...], tuple[str, ...]] = {}
    for run in finished:
        titles.add(run.title)
        if fold := fold_of(run, names):
            folds.append(fold)
        else:
            strays.append(run.title)
    bench = bench_of(folds, expected, options)
    sizes = costs.training_sizes(bench, options)
    more = further.more_of(list(_best(bench, options)), options)
    remarks = [f"Left out: runs of no system or protocol, {', '.join(strays)}."] if strays else []
    return Content.of(
        expected,
        titles,
        tables=(*_tables(bench, sizes, options), *more.tables),
        notes=(*notes(bench, options), *costs.notes(bench, sizes), *rivals.notes(bench), *more.notes, *remarks),
        pictures=(*_pictures(bench), *rivals.pictures(bench), *more.pictures),
        matrices=_matrices(bench),
        matrices_title="Confusion matrices of the best systems",
        inconsistencies=published.INCONSISTENCIES,
        legend=LEGEND if expected.printed_anywhere else f"{LEGEND} {_HIDDEN}",
    )


def _best(bench: Bench, options: Options) -> Iterator[further.Best]:
    """The best complete system of every case, and what validation chooses, which are networks."""
    for corpus, protocol in bench.cases:
        found = [("test UA", result.system, result.folds) for result in bench.ranked(corpus, protocol)[:1]]
        if chosen := selection.chosen_folds(bench, corpus, protocol, options):
            systems = {fold.key[2] for fold in chosen}
            title = further.several(len(systems)) if len(systems) > 1 else chosen[0].key[2]
            found.append(("validation UA", title, tuple(chosen)))
        for how, title, folds in found:
            ids = further.by_seed(fold.run for fold in folds)
            if best := further.read(corpus, how, title, ids, folds[0].classes, options):
                yield replace(best, corpus=f"{corpus} {PROTOCOLS[protocol]}")


def _tables(bench: Bench, sizes: costs.Sizes, options: Options) -> Iterator[Table]:
    yield tables.best(bench)
    chosen_by_validation = selection.best_by_validation(bench, options)
    if chosen_by_validation.rows:
        yield chosen_by_validation
    yield tables.systems(bench)
    if bench.systems:
        yield described(bench)
    if any(shares.crossed(bench)):
        yield shares.families(bench)
    yield shares.proportions(bench, options.ties)
    if bench.cases:
        yield from rivals.tables(bench)
    if tables.augmented(bench):
        yield tables.augmentations(bench)
    if costs.comparable(bench, sizes):
        yield costs.costs(bench, sizes)
    if bench.expected.printed_anywhere:
        yield tables.printed(bench)
    yield tables.runs(bench)


def _pictures(bench: Bench) -> Iterator[Picture]:
    for place, (corpus, claims) in enumerate(published.FIGURES.items(), start=1):
        if corpus in bench.expected.tested and any(claim.system in bench.systems for claim in claims):
            yield figures.printed_and_ours(bench, corpus, claims, f"figure{place}", f"Figure {place}, {corpus}")
    for corpus in bench.expected.tested:
        if picture := figures.both_protocols(bench, corpus):
            yield picture


def _matrices(bench: Bench) -> Iterator[Matrix]:
    for corpus, protocol in bench.cases:
        for result in bench.ranked(corpus, protocol)[:1]:
            heading = f"{corpus}, {PROTOCOLS[protocol]}, best UA"
            name = f"confusion_{corpus}_{protocol}"
            yield Matrix(heading, result.system, result.classes, result.counts, (), name)  # runs: the table has them

"""The report of the study of pretrained encoders: which is best on which corpus, which of its layers, with which head.

It is of trials on one corpus each that vary the encoder, its layer, the head and the normalisation; values on other
axes stand with every setting. Systems of the survey, of the study itself or of the study ``survey`` in the same work
folder, stand beside the best where folds and seeds are the same, and the printed numbers of Ma et al. 2024 where corpus
and folds are theirs.
"""

from collections.abc import Iterable, Iterator, Sequence

from ser.data.encoders import RANDOM_WEIGHTS
from ser.report import bootstrap, further
from ser.report.comparison_tables import MOST_COMPARED, Compared, best_table, pairs_table, pictures_of
from ser.report.content import Content, Matrix, Picture, Table
from ser.report.encoders import baselines, compared, emobox, figures, published, tables, weights
from ser.report.encoders.results import Bench, bench_of
from ser.report.groups import without_repeats
from ser.report.runs import Expected, Finished, Options

_LISTED = 6  # runs that a note names


def content(finished: Iterable[Finished], expected: Expected, options: Options) -> Content:
    """Arranges all results. Raises BadInput for an unknown rule of ties or predictions that fit no class."""
    bench = bench_of(finished, expected, options)
    systems = baselines.comparisons(bench, options.others(baselines.SURVEY), options)
    logged, rivals = weights.layer_weights(bench, options), compared.compared(bench, compared.kinds(bench)[0])
    more = further.more_of(list(_best(bench, options)), options)
    return Content.of(
        expected,
        bench.titles,
        tables=(*_tables(bench, systems, logged, rivals, options), *more.tables),
        notes=(*_notes(bench, systems, options), *more.notes),
        pictures=(*_pictures(bench, logged, rivals), *more.pictures),
        matrices=_matrices(bench),
        matrices_title="Confusion matrices of the best settings",
        inconsistencies=published.INCONSISTENCIES,
        badges=_badges(expected),
    )


def _badges(expected: Expected) -> list[str]:
    """Says at the top which encoders have random weights, as the notes of their runs tell."""
    starts = {name: f"encoder {name}: {RANDOM_WEIGHTS}" for name in expected.encoders}
    names = [name for name, start in starts.items() if any(note.startswith(start) for note in expected.notes)]
    return [f"random weights: {', '.join(names)}"] if names else []


def _best(bench: Bench, options: Options) -> Iterator[further.Best]:
    """The best setting of every case."""
    for case in bench.cases:
        for setting, result in bench.ranked(case)[:1]:
            classes = result.runs[0].params.get("classes", ",".join(bench.expected.classes)).split(",")
            ids = further.by_seed(result.runs)
            if best := further.read(case.corpus, "test UA", setting.words, ids, classes, options):
                yield best


def _tables(
    bench: Bench,
    systems: Sequence[baselines.Comparison],
    logged: Sequence[weights.LayerWeights],
    rivals: Compared | None,
    options: Options,
) -> Iterator[Table]:
    yield tables.leads(bench)
    yield tables.best(bench)
    if (chosen_ones := tables.by_validation(bench)).rows:
        yield chosen_ones
    if systems:
        yield baselines.table(bench, systems)
    if (effects := compared.effects(bench)).rows:
        yield effects
    if (shares := compared.shares(bench, options.ties)).rows:
        yield shares
    if rivals and len(rivals.options) > 1:
        few = [best_table(rivals), *([pairs_table(rivals)] if len(rivals.options) <= MOST_COMPARED else [])]
        yield from (table for table in few if table.rows)
    if logged:
        yield weights.table(bench, logged)
    if printed := emobox.table(bench, options):
        yield printed
    yield tables.every_result(bench)
    yield tables.runs(bench)


def _pictures(bench: Bench, logged: Sequence[weights.LayerWeights], rivals: Compared | None) -> Iterator[Picture]:
    drawn = (figures.heat_map(bench), figures.layer_profiles(bench), figures.weight_profiles(bench, logged))
    yield from (picture for picture in drawn if picture)
    if rivals:
        yield from pictures_of(rivals)


def _notes(bench: Bench, systems: Sequence[baselines.Comparison], options: Options) -> Iterator[str]:
    for name, encoder in bench.shapes.items():
        yield (
            f"{name}: {encoder.architecture}, {encoder.states - 1} transformer layers of width {encoder.width}, "
            f"fingerprint of weights and configuration {encoder.fingerprint}."
        )
    if intervals := bootstrap.words(options, bench.results.samples):
        yield f"{intervals} Winners are counted anew in each replicate."
    if any(case.normalise == "speaker" for case in bench.cases):
        yield (
            "Normalised by speaker: by mean and deviation of all that a speaker recorded, without its labels; in the "
            "test, too, where few uses would have so much of a new speaker. It is a case of its own."
        )
    yield from baselines.notes(systems)
    left_out = bench.results.left_out
    if left_out:
        more = f" and {len(left_out) - _LISTED} more" if len(left_out) > _LISTED else ""
        yield f"Left out: runs that lack folds which others have: {'; '.join(left_out[:_LISTED])}{more}."
    if bench.results.uneven:
        yield f"Not all results are of the same test utterances on {', '.join(bench.results.uneven)}."


def _matrices(bench: Bench) -> Iterator[Matrix]:
    for place, case in enumerate(bench.cases, start=1):
        for _, result in bench.ranked(case)[:1]:
            if result.counts is not None:
                classes = tuple(result.runs[0].params.get("classes", ",".join(bench.expected.classes)).split(","))
                ids, title = tuple(run.run_id for run in result.runs), without_repeats(result.runs[0].title)
                heading = f"{bench.words(case)}, best UA"
                yield Matrix(heading, title, classes, result.counts, ids, f"confusion_{place}_{case.corpus}")

"""Which systems differ: those that can be run in every case, ranked and compared; families by classifier."""

from collections.abc import Iterator, Sequence

from ser.report.comparison_tables import MOST_COMPARED, Compared, best_table, effects_table, pairs_table, pictures_of
from ser.report.content import Picture, Table
from ser.report.statistics import METRICS
from ser.report.survey.results import Bench
from ser.report.survey.shares import Grid, by_case, clusters, crossed


def tables(bench: Bench) -> Iterator[Table]:
    """Yields the set of the best systems, all pairs, and what family and classifier do; those that have a line."""
    systems, parts = _systems(bench), _parts(bench)
    made = [best_table(systems), *([pairs_table(systems)] if len(systems.options) <= MOST_COMPARED else [])]
    if parts:
        made.append(effects_table(parts))
    yield from (table for table in made if table.rows)


def pictures(bench: Bench) -> tuple[Picture, ...]:
    """Returns the critical-difference diagram of the systems, where there are cases to rank them in."""
    if not bench.cases:
        return ()
    return pictures_of(_systems(bench))


def notes(bench: Bench) -> Iterator[str]:
    """Says which systems are not among those compared."""
    left_out = [system for system in bench.systems if system not in _in_every_case(bench)]
    if left_out and bench.results:
        yield f"Ranked and compared pairwise are systems that can be run in every case, so not {', '.join(left_out)}."


def _in_every_case(bench: Bench) -> list[str]:
    return [system for system in bench.systems if all(bench.can(*case, system) for case in bench.cases)]


def _systems(bench: Bench) -> Compared:
    systems = _in_every_case(bench)
    return _compared(
        bench, ("System",), [(s,) for s in systems], [{s: (*case, s) for s in systems} for case in bench.cases]
    )


def _parts(bench: Bench) -> Compared | None:
    """Families by classifiers; None where they are not crossed."""
    families, classifiers = crossed(bench)
    if len(families) < 2 or len(classifiers) < 2:
        return None
    options = [(family, classifier) for family in families for classifier in classifiers]
    grid = [{f"{f}_{c}": (*case, f"{f}_{c}") for f, c in options} for case in bench.cases]
    return _compared(bench, ("Family", "Classifier"), options, grid)


def _compared(bench: Bench, axes: tuple[str, ...], options: Sequence[tuple[str, ...]], grid: Grid) -> Compared:
    both = {metric: by_case(bench, grid, metric) for metric in METRICS}
    return Compared(
        axes,
        tuple(options),
        tuple(corpus for corpus, _ in bench.cases),
        {metric: point for metric, (point, _) in both.items()},
        {metric: draws for metric, (_, draws) in both.items()},
        clusters(bench),
    )

"""The best result of every corpus as validation chooses it, beside the best that the test chooses."""

from ser.report.content import Cell, Row, Table
from ser.report.general.tables import metric_name
from ser.report.measured import Choice, Result
from ser.report.results import Results
from ser.report.statistics import DIFFERENCE, interval


def chosen_table(results: Results) -> Table:
    """Returns what choosing by validation gives on every corpus, beside the best of the test."""
    rows = []
    repeated = any(choice.repeats > 1 for choice in results.choices.values())
    for metric in results.metrics:
        for corpus in results.expected.tested:
            choice, ranked = results.choices.get((corpus, metric)), results.ranked(corpus, metric)
            if choice and ranked:
                rows.append(_row(choice, ranked[0], metric, repeated, len(ranked) + len(results.missing(corpus))))
    nested = (
        " The choice is made anew in every seed and fold, by its own validation utterances, and tested on its test "
        "utterances. Shown is the setting that is chosen most often; the numbers are of all that were chosen."
    )
    return Table(
        "chosen",
        "The best result, chosen by validation",
        "Test: of the setting with the best accuracy in validation, in the epoch that was kept. The test utterances "
        "have no part in the choice, so this is what searching, and testing once, gives. Best: of the setting that is "
        "best in the test. Optimism: Best minus Test, paired. Intervals do not cover another choice."
        + (nested if repeated else ""),
        (
            *results.axes.heads,
            *["Chosen in"] * repeated,
            "Validation",
            "Test",
            *["±"] * repeated,
            "Best",
            "Optimism",
        ),
        tuple(rows),
        "results",
        brief=True,
        named="Corpus",
    )


def _row(choice: Choice, best: Result, metric: str, repeated: bool, of: int) -> Row:
    tested, (values, times) = choice.result, choice.settings[0]
    clusters = tested.sample.clusters if tested.sample else 0
    lost = best.point[metric] - tested.point[metric]
    optimism = interval(lost, best.draws[metric] - tested.draws[metric], clusters, DIFFERENCE)
    cells: list[Cell | str | None] = [*values, *[f"{times} of {choice.repeats}"] * repeated, Cell(choice.validation)]
    cells += [tested.cell(metric), *[Cell(tested.spread[metric])] * repeated, best.cell(metric), optimism]
    return Row(metric_name(metric), choice.corpus, tuple(cells), choice.candidates, of)

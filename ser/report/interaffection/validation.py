"""The tables of winners that validation chooses, and how often these are the winners on test.

A winner that is chosen on the utterances on which it is shown is too good: the best of many. Chosen by validation, its
accuracy on test is that of a search followed by one test. With folds the choice is nested: in every fold by the
validation utterances of that fold alone, since those of another fold may be the ones that are tested here.
"""

from itertools import product

import numpy as np

from ser.report.content import HOLE, Cell, Row, Table
from ser.report.interaffection.results import Grid
from ser.report.interaffection.scores import Choice, Evidence, Scores, spread_of
from ser.report.interaffection.shares import TEST, VALIDATION, measured
from ser.report.interaffection.tables import (
    SINGLE_HEADS,
    distinct,
    labels,
    reference_cell,
    reference_head,
)
from ser.report.statistics import AS_EQUAL, METRICS, complete_cases, credit

_SHARED = (
    " The validation accuracies are means over folds, and what validates in one fold is tested in another: both agree "
    "more than in Table 2 by validation, where the choice is nested."
)


_SINGLE = (
    "Single: chosen in the same way among trainings on that corpus alone. Gain: Test minus Single, paired; without an "
    "interval where both are one choice. "
)


def best_by_validation(evidence: Evidence) -> Table:
    """Table 2 with winners that are chosen by validation: what searching and then testing gives."""
    grid, rows, repeated = evidence.grid, [], len(evidence.grid.splits) > 1
    for metric, scores in product(METRICS, evidence.scores):
        best, alone = scores.choices[metric, False], scores.choices[metric, True]
        top = scores.best(metric, range(len(scores.combinations)))[:1]
        cells: list[Cell | str | None] = [*_labels(grid, scores, best), Cell(best.validation), _value(scores, best)]
        cells += [Cell(spread_of(best.results, metric) if best.results else np.nan)] * repeated
        if grid.mixes:
            cells += [*_labels(grid, scores, alone)[2:], _value(scores, alone), _difference(scores, best, alone)]
        test = (scores.point[metric][top[0]], scores.replicates[metric][:, *top[0]]) if top else (np.nan, np.empty(0))
        lost = (
            scores.difference(test[0] - best.value, test[1] - best.replicates) if best.results and top else Cell(np.nan)
        )
        cells += [lost, _ties(scores, best), *[_frequency(best)] * repeated]
        cells += [*reference_cell(evidence, scores.target, metric), scores.size]
        rows.append(Row(metric, scores.target, tuple(cells), best.candidates, len(scores.results)))
    return Table(
        "table2_validation",
        "Table 2 by validation: result per target of the network that validation chooses",
        "Test: of the combination and network with the highest accuracy on the target's validation utterances, in the "
        "epoch that was kept. The test utterances have no part in the choice, so this is what a search gives that is "
        "tested once; its interval does not cover another choice. Validation: the accuracy by which it was chosen, as "
        "biased as a winner's is. "
        + (_SINGLE if grid.mixes else "")
        + "Optimism: Best of Table 2 minus Test. Ties: results that validation finds as good; the first in the order "
        "of the grid is tested." + (_nested(grid) if repeated else ""),
        (
            "Comb.",
            "Task",
            "Temp.",
            "Pooling",
            "Validation",
            "Test",
            *["SD"] * repeated,
            *SINGLE_HEADS[: len(SINGLE_HEADS) * grid.mixes],
            "Optimism",
            "Ties",
            *["Chosen in"] * repeated,
            *reference_head(evidence),
            "Utterances (speakers)",
        ),
        tuple(rows),
        "results",
        brief=True,
        named="Target",
    )


def _nested(grid: Grid) -> str:
    return (
        f" The choice is made anew in each of the {len(grid.splits)} {grid.repeats}, by the validation utterances of "
        "that one, and tested on its test utterances; folds are pooled, and values are means over the seeds. Shown is "
        "the network that is chosen most often, and in how many; numbers are of all the networks that were chosen. SD: "
        "sample standard deviation over these; ties are summed over them."
    )


def agreement(evidence: Evidence, ties: str = "fractional") -> Table:
    """How often the winner by validation is the winner on test, and what is lost where it is not."""
    rows = []
    for metric, by_network in product(METRICS, (True, False) if evidence.grid.mixes else (True,)):
        same, chance, lost, lost_by_chance, of = [], [], [], [], 0
        for scores in evidence.scores:
            test, validation = (measured(scores, metric, by)[0] for by in (TEST, VALIDATION))
            if not by_network:
                test, validation = test.T, validation.T
            complete = complete_cases(test)[0] & complete_cases(validation)[0]
            of += complete_cases(test)[1]
            for accuracies, chooses in zip(test[complete], credit(validation[complete], ties), strict=True):
                exist = np.isfinite(accuracies)
                best = accuracies[exist] >= accuracies.max() - AS_EQUAL
                same.append(chooses[exist] @ best)
                chance.append(best.mean())
                lost.append(accuracies.max() - chooses[exist] @ accuracies[exist])
                lost_by_chance.append(accuracies.max() - accuracies[exist].mean())
        cells = tuple(Cell(float(np.mean(each)) if each else np.nan) for each in (same, chance, lost, lost_by_chance))
        name = "network, of each combination" if by_network else "combination, of each network"
        rows.append(Row(metric, name, cells, len(same), of))
    return Table(
        "validation_agreement",
        "Is the winner by validation the winner on test?",
        "Of the cases of Tables 3 and 4 (which network is best?) "
        + ("and of Table 5 (which combination is best?) " if evidence.grid.mixes else "")
        + "the share in which the winner by validation is a winner on test as well, and the share if it were chosen at "
        "random. Lost: how much accuracy the winner by validation has less than the best on test, mean over the cases."
        + (_SHARED if len(evidence.grid.folds) > 1 else ""),
        ("Same winner", "At random", "Lost", "Lost at random"),
        tuple(rows),
        "cases",
        brief=True,
        typeset=False,
        named="Choice",
    )


def _labels(grid: Grid, scores: Scores, choice: Choice) -> tuple[str, str, str, str]:
    return labels(grid, scores, [cell for cell, _ in choice.cells[:1]])


def _value(scores: Scores, choice: Choice) -> Cell:
    return scores.cell(choice.value, choice.replicates)


def _difference(scores: Scores, choice: Choice, other: Choice) -> Cell:
    if not choice.results or not other.results:
        return Cell(np.nan)
    return scores.difference(choice.value - other.value, choice.replicates - other.replicates)


def _ties(scores: Scores, choice: Choice) -> str:
    """Other results that are as good by validation; of several splits the sum."""
    if not choice.results:
        return HOLE
    return str(sum(len(distinct(scores, places)) - 1 for places in choice.tied.values()))


def _frequency(choice: Choice) -> str:
    """``7 of 15``."""
    return f"{choice.cells[0][1]} of {len(choice.tied)}" if choice.results else HOLE

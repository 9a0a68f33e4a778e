"""Which of the networks differ at all: ranks over cases, and the results of each target that may be the best."""

from collections.abc import Sequence
from itertools import product

import numpy as np

from ser.report.comparison_tables import Compared, p_text
from ser.report.comparisons import Standing, indistinguishable
from ser.report.content import HOLE, Cell, Row, Table
from ser.report.interaffection.effects import at_cells
from ser.report.interaffection.results import sign
from ser.report.interaffection.scores import Evidence, Place, Scores
from ser.report.interaffection.tables import labels
from ser.report.ranks import critical_difference, friedman
from ser.report.statistics import FEW_CLUSTERS, METRICS

_MOST_COMPARED = 600  # settings of a target: the time grows with their square


def networks_compared(evidence: Evidence) -> Compared:
    """Returns the networks over the cases of all targets: a case is a target and a combination.

    Where no trial is of several corpora, all set-ups of a network are one training, and one option.
    """
    grid = evidence.grid
    places = [c for c, each in enumerate(grid.configurations) if grid.mixes or each[2] == grid.task[0]]
    options = [grid.configurations[c] for c in places]
    point, draws = {}, {}
    for metric in METRICS:
        point[metric] = np.concatenate([scores.point[metric][:, places] for scores in evidence.scores])
        draws[metric] = np.concatenate([scores.replicates[metric][..., places] for scores in evidence.scores], axis=1)
    return Compared(
        axes=("block", "pooling", "task"),
        options=tuple((block.upper(), sign(pooling), task) for block, pooling, task in options),
        corpora=tuple(scores.target for scores in evidence.scores for _ in scores.combinations),
        point=point,
        draws=draws,
        clusters=min((s.sample.clusters for s in evidence.scores if s.sample.utterances), default=0),
    )


def rank_table(compared: Compared) -> Table:
    """Average ranks of the networks over the cases, and Friedman's test of whether they differ."""
    networks, rows = compared.names, []
    for metric in METRICS:
        point = compared.point[metric]
        ranking = friedman(point)
        difference = critical_difference(len(networks), ranking.cases)
        order = [i for i in np.argsort(ranking.ranks, kind="stable") if np.isfinite(ranking.ranks[i])]
        best, worst = (
            (f"{networks[i]} ({ranking.ranks[i]:.2f})" for i in (order[0], order[-1])) if order else (HOLE, HOLE)
        )
        apart = sum(ranking.ranks[i] - ranking.ranks[order[0]] > difference for i in order) if order else 0
        cells = (best, worst, p_text(ranking.f_p), _number(difference), str(apart) if order else HOLE)
        rows.append(Row(metric, "ranks", cells, ranking.cases, len(point)))
    return Table(
        "ranks",
        "Do the networks differ?",
        "A case is a target and a combination, as in Table 3; of each the networks are ranked (1 = best). p: of "
        "Friedman's test in the form of Iman and Davenport. Critical difference: of Nemenyi's test at 5 %; worse: "
        "networks whose average rank is further than that from the best one's. Both take cases as independent, which "
        "those of one target, with its speakers and training data, are not: this p is too small.",
        ("Best average rank", "Worst", "p", "Critical difference", "Worse than the best"),
        tuple(rows),
        "cases",
        unit="",
        brief=True,
        typeset=False,
        named="Measure",
    )


# --- the set of the best ---


def best_sets(evidence: Evidence) -> tuple[Table, Table]:
    """The results of each target that may be the best, in two tables: their number, and every one."""
    grid, summary, rows = evidence.grid, [], []
    for metric, scores in product(METRICS, evidence.scores):
        cells = [cell for cell in _trainings(scores) if np.isfinite(scores.point[metric][cell])]
        standings = _standings(scores, metric, cells)
        members = [cell for cell, standing in standings.items() if standing.member]
        point = scores.point[metric]
        worst = min(members, key=lambda cell: float(point[cell]), default=None)
        alone = sum(len(scores.combinations[k]) == 1 for k, _ in members)
        lowest = Cell(float(point[worst])) if worst is not None else Cell(np.nan)
        of = sum(1 for _ in _trainings(scores))
        numbers = (str(len(members)), str(alone)) if standings else (HOLE, HOLE)
        summary.append(Row(metric, scores.target, (*numbers, lowest), len(standings), of))
        for cell in sorted(standings, key=lambda cell: -float(point[cell])):
            names = labels(grid, scores, [cell], single="")
            is_member = "yes" if standings[cell].member else "no"
            cells_of_row = (*names, Cell(float(point[cell])), standings[cell].difference, is_member)
            rows.append(Row(metric, scores.target, cells_of_row))
    explanation = (
        "Multiple comparisons with the best (Hsu): with 95 % confidence the set holds the one that is best with other "
        "speakers (or utterances, see the notes). Trainings that two set-ups share count once."
        + f" Where a target has more than {_MOST_COMPARED} results, or fewer than {FEW_CLUSTERS} speakers, there is no "
        "such set."
    )
    first = Table(
        "best_results", "Results per target that may be the best", f"{explanation} Alone: of trainings on that corpus "
        "alone. Lowest: the accuracy of the worst one in the set.", ("In the set", "Alone", "Lowest"), tuple(summary),
        "results", brief=True, typeset=False,
        named="Target",
    )  # fmt: skip
    heads = ("Comb.", "Task", "Temp.", "Pooling", "Accuracy", "To the best of the others", "In the set")
    return first, Table(
        "best_results_all", "Every result beside the best", explanation, heads, tuple(rows), keys=4, named="Target"
    )


def _trainings(scores: Scores) -> list[Place]:
    """The cells without those of another set-up whose training is shared: on one corpus all set-ups are one."""
    first = scores.configurations[0][2] if scores.configurations else ""
    return [
        (k, c) for k, c in scores.results if len(scores.combinations[k]) > 1 or scores.configurations[c][2] == first
    ]


def _standings(scores: Scores, metric: str, cells: Sequence[Place]) -> dict[Place, Standing]:
    if not cells or len(cells) > _MOST_COMPARED or scores.sample.clusters < FEW_CLUSTERS:
        return {}
    standings = indistinguishable(*at_cells(scores, metric, cells), scores.sample.clusters)
    return {cell: standing for cell, standing in zip(cells, standings, strict=True) if standing}


def _number(value: float) -> str:
    return HOLE if np.isnan(value) else f"{value:.2f}"

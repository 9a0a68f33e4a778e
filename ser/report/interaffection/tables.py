"""The tables of da Silva et al.: which network and which mix of corpora is best, and how sure that is. Pure computing.

Intervals are 95 % percentiles over the replicates, with winners and shares counted anew in each.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from ser.report.content import HOLE, Cell, Row, Table
from ser.report.interaffection.results import Grid, sign
from ser.report.interaffection.scores import Evidence, Place, Scores
from ser.report.interaffection.shares import (
    TEST,
    Shares,
    configuration_shares,
    marginals,
    over_targets,
    presence_shares,
)
from ser.report.reference import label
from ser.report.statistics import METRICS, Floats, check_ties

_IF_EQUAL = (
    " If equal: the share to be expected if nothing differed, and where 95 % of the replicates lie then: winners are "
    "counted in each after every option's own mean over the replicates is taken away. A line marks shares above or "
    "below that range; each range is for itself, so that of twenty shares one lies outside by chance."
)
_OF_FEW = (
    " Of fewer than five speakers shares have no intervals, and “if equal” are equal chances, without a range: there "
    "are too few different replicates to count winners in."
)
_ONE_CASE = " One case has one winner: nothing is said of chance."
SINGLE_HEADS = ("Single temp.", "Single pooling", "Single", "Gain")
_SINGLE = (
    " Single: over trainings on the target's corpus alone. Gain: Best minus Single, paired over the same utterances; "
    "without an interval where both are one training."
)
_DEVIATION = " SD: sample standard deviation over {repeats}, each for itself."


def best_results(evidence: Evidence) -> Table:
    """Table 2: the best configuration per target, and what it gains over the best training on that corpus alone."""
    grid, rows, repeated = evidence.grid, [], len(evidence.grid.splits) > 1
    for metric, scores in product(METRICS, evidence.scores):
        top, alone = _tops(scores, metric)
        cells: list[Cell | str | None] = [*labels(grid, scores, top[:1]), score(scores, metric, top[:1])]
        cells += [deviation(scores, metric, top[:1])] * repeated
        if grid.mixes:
            cells += [*labels(grid, scores, alone[:1])[2:], score(scores, metric, alone[:1])]
            cells.append(_gain(scores, metric, top, alone))
        cells.append(str(len(distinct(scores, top)) - 1) if top else HOLE)
        cells += [*reference_cell(evidence, scores.target, metric), scores.size]
        point = scores.point[metric]
        rows.append(Row(metric, scores.target, tuple(cells), int(np.isfinite(point).sum()), len(scores.results)))
    return Table(
        "table2",
        "Table 2: best result per target, chosen on test",
        "Best: over all combinations and networks, the one that is best on the utterances on which it is shown; being "
        "the best of many, it is biased upwards, and its interval, which is of the configuration shown, does not say "
        "by how much. With one corpus the task is “-”, since both set-ups are one training."
        + (_SINGLE if grid.mixes else "")
        + (_DEVIATION.format(repeats=grid.repeats) if repeated else "")
        + " Ties: other results that are as good; the first in the order of the grid is shown.",
        (
            "Comb.",
            "Task",
            "Temp.",
            "Pooling",
            "Best",
            *["SD"] * repeated,
            *SINGLE_HEADS[: len(SINGLE_HEADS) * grid.mixes],
            "Ties",
            *reference_head(evidence),
            "Utterances (speakers)",
        ),
        tuple(rows),
        "results",
        brief=True,
        named="Target",
    )


def best_runs(evidence: Evidence) -> Table:
    """The run ids behind the cells of Table 2, one per seed and fold, and the results tied with them."""
    rows = []
    for metric, scores in product(METRICS, evidence.scores):
        top, alone = _tops(scores, metric)
        runs = [
            " ".join(r.run_id for cell in cells[:1] for r in scores.results[cell]) or HOLE for cells in (top, alone)
        ]
        tied = "; ".join(" · ".join(labels(evidence.grid, scores, [cell])) for cell in distinct(scores, top)[1:])
        count = len(scores.results[top[0]]) if top else 0
        rows.append(Row(metric, scores.target, (*runs, tied or "none"), count, len(evidence.grid.splits)))
    explanation = "Run ids of the tracked runs whose predictions give the numbers of Table 2."
    columns = ("Runs of best", "Runs of single", "Tied with best")
    return Table(
        "table2_runs",
        "Runs behind Table 2",
        explanation,
        columns,
        tuple(rows),
        evidence.grid.repeats,
        brief=len(evidence.grid.splits) == 1,
        typeset=False,
        ids=columns,
        named="Target",
    )


def configuration_table(evidence: Evidence, ties: str = "fractional", by: str = TEST) -> Table:
    """Table 3: in which share of the cases (target × combination) each network is the best."""
    grid, rows = evidence.grid, []
    for metric in METRICS:
        shares = configuration_shares(evidence, metric, ties, by)
        for name, weights in lines_of_shares(grid).items():
            summed = shares.times(weights)
            rows += _lines(metric, name, [(summed, i) for i in range(weights.shape[1])], shares.n, shares.of)
    table = Table(
        "table3",
        "Table 3: proportion of cases where each network is the best",
        "A case is a target and a combination that holds it. The cells of one metric add up to 100 %. " + _rule(ties),
        tuple(f"{block.upper()} {sign(pooling)}" for block, pooling in product(grid.blocks, grid.pooling)),
        tuple(rows),
        "cases",
        digits=2,
        rows_compete=True,
        brief=True,
        bars=True,
        named="Task",
    )
    return _by(table, by)


def lines_of_shares(grid: Grid) -> dict[str, Floats]:
    """Returns the lines of Table 3, one per set-up: name → which networks each of its cells adds up [networks, cells].

    Where all set-ups of a network are one training, they are one line.
    """
    columns = list(product(grid.blocks, grid.pooling))
    holds = {task: np.zeros((len(grid.configurations), len(columns))) for task in grid.task}
    for number, (block, pooling, task) in enumerate(grid.configurations):
        holds[task][number, columns.index((block, pooling))] = 1
    return holds if grid.mixes or not holds else {"share": np.sum([*holds.values()], axis=0)}


def marginal_table(evidence: Evidence, ties: str = "fractional", by: str = TEST) -> Table:
    """Table 4: the sums of Table 3 by temporal block, by pooling and by task set-up."""
    grid, rows = evidence.grid, []
    sums = marginals(np.eye(len(grid.configurations)), grid.configurations)
    names = [*grid.blocks, *grid.pooling, *(grid.task if grid.mixes else ())]
    sums = {name: sums[name] for name in names}
    weights = np.stack([*sums.values()], axis=1) if sums else np.empty((0, 0))
    for metric in METRICS:
        shares = configuration_shares(evidence, metric, ties, by).times(weights)
        rows += _lines(metric, "share", [(shares, i) for i in range(len(sums))], shares.n, shares.of)
    heads = [t.upper() for t in grid.blocks] + [sign(name) for name in names[len(grid.blocks) :]]
    by_what = "by temporal block, by pooling and by task set-up" if grid.mixes else "by temporal block and by pooling"
    explanation = f"Sums of Table 3 {by_what}; each group adds up to 100 %."
    title = "Table 4: proportion of cases where each part of a network is the best"
    table = Table(
        "table4",
        title,
        explanation,
        tuple(heads),
        tuple(rows),
        "cases",
        digits=2,
        brief=True,
        bars=True,
        named="Measure",
    )
    return _by(table, by)


def presence_table(evidence: Evidence, ties: str = "fractional", by: str = TEST) -> Table:
    """Table 5: how often each other corpus is in the combination that is best for a target."""
    grid, rows = evidence.grid, []
    for metric in METRICS:
        shares = {s.target: presence_shares(s, metric, grid.corpora, ties, by) for s in evidence.scores}
        for target, each in shares.items():
            places = [None if name == target else (each, i) for i, name in enumerate(grid.corpora)]
            rows += _lines(metric, target, places, each.n, each.of)
        others = [[each for target, each in shares.items() if target != name] for name in grid.corpora]
        means = [over_targets(each) if each else None for each in others]
        n, of = sum(each.n for each in shares.values()), sum(each.of for each in shares.values())
        rows += _lines(metric, "All", [(each, i) if each else None for i, each in enumerate(means)], n, of)
    table = Table(
        "table5",
        "Table 5: proportion of networks whose best combination holds each corpus",
        "Row: the target; column: the corpus that was trained on as well. A case is a network. All: the mean over the "
        f"other targets that have a case. {_rule(ties)}",
        grid.corpora,
        tuple(rows),
        "networks",
        brief=True,
        bars=True,
        named="Target",
    )
    return _by(table, by)


def _lines(metric: str, name: str, places: Sequence[tuple[Shares, int] | None], n: int, of: int) -> list[Row]:
    """The line of some shares, and below it what is expected if nothing differed, and which are beyond that."""
    rows = [Row(metric, name, tuple(place and place[0].cell(place[1]) for place in places), n, of)]
    if not any(place and place[0].n and len(place[0].null) for place in places):
        return rows
    beyond = tuple(place and place[0].beyond(place[1]) for place in places)
    rows.append(
        Row(metric, f"{name} if equal", tuple(place and place[0].if_equal(place[1]) for place in places), n, of)
    )
    return rows + [Row(metric, f"{name} beyond that", beyond, n, of)] * any(beyond)


def _by(table: Table, by: str) -> Table:
    """The table with what its winners were chosen by."""
    if by == TEST:
        return replace(table, explanation=f"Best on test. {table.explanation}{_chance(table)}")
    number, _, rest = table.title.partition(":")
    explanation = (
        f"Best by validation: the highest accuracy on the target's validation utterances, mean over seeds and folds. "
        f"{table.explanation} Without intervals: predictions of validation utterances are not saved."
    )
    title = f"{number} by validation:{rest}"
    return replace(table, key=f"{table.key}_validation", title=title, explanation=explanation, typeset=False)


def _chance(table: Table) -> str:
    """What a table's lines on chance mean; "" where it has none because there are no replicates."""
    cells = [cell for row in table.rows if row.name.endswith("if equal") for cell in row.cells if cell]
    if cells:
        return _IF_EQUAL if any(isinstance(cell, Cell) and np.isfinite(cell.low) for cell in cells) else _OF_FEW
    return _ONE_CASE if max((row.n for row in table.rows), default=0) == 1 else ""


def every_result(evidence: Evidence) -> Table:
    """One row per target, combination and network."""
    grid, rows, repeated = evidence.grid, [], len(evidence.grid.splits) > 1
    for scores in evidence.scores:
        for cell, results in scores.results.items():
            runs = " ".join(r.run_id for r in results)
            cells: list[Cell | str | None] = [*labels(grid, scores, [cell], single="")]
            for metric in METRICS:
                cells += [score(scores, metric, [cell]), *[deviation(scores, metric, [cell])] * repeated]
            cells += [Cell(float(scores.validation[metric][cell])) for metric in METRICS]
            rows.append(Row("", scores.target, (*cells, runs or HOLE), len(results), len(grid.splits)))
    explanation = "Folds are pooled, and values are means over the seeds; a cell that lacks one of either is a hole."
    explanation += (_DEVIATION.format(repeats=grid.repeats) if repeated else "") + (
        " Validation: of the epoch that was kept, on the target's validation utterances, which chose that epoch."
    )
    columns = [name for metric in ("WA", "UA") for name in (metric, *[f"{metric} SD"] * repeated)]
    heads = ("Comb.", "Task", "Temp.", "Pooling", *columns, "Validation WA", "Validation UA", "Runs")
    return Table(
        "results", "Every result", explanation, heads, tuple(rows), grid.repeats, ids=("Runs",), keys=4, named="Target"
    )


def _tops(scores: Scores, metric: str) -> tuple[list[Place], list[Place]]:
    """The best cells of all combinations, and those of the target's corpus alone."""
    return scores.best(metric, range(len(scores.combinations))), scores.best(metric, scores.alone)


# --- cells ---


def distinct(scores: Scores, cells: Sequence[Place]) -> list[Place]:
    """Returns the cells without those that share all their trainings with one before them."""
    first: dict[tuple[str, ...], Place] = {}
    for cell in cells:
        first.setdefault(tuple(r.same_as or r.trial_id for r in scores.results[cell]), cell)
    return list(first.values())


def labels(grid: Grid, scores: Scores, cells: Sequence[Place], single: str = "-") -> tuple[str, str, str, str]:
    """Returns combination, task, block and pooling of the first cell; ``single``: the task of one corpus."""
    if not cells:
        return HOLE, HOLE, HOLE, HOLE
    combination, (block, pooling, task) = scores.combinations[cells[0][0]], scores.configurations[cells[0][1]]
    return grid.mix(combination), (single or task) if len(combination) == 1 else task, block.upper(), sign(pooling)


def score(scores: Scores, metric: str, cells: Sequence[Place]) -> Cell:
    """Returns the accuracy of the first cell, with its interval and what it comes from."""
    if not cells:
        return Cell(np.nan)
    k, c = cells[0]
    runs, words = scores.source(cells[0])
    cell = scores.cell(scores.point[metric][k, c], scores.replicates[metric][:, k, c])
    return cell.from_runs(runs, scores.sample.utterances, words)


def deviation(scores: Scores, metric: str, cells: Sequence[Place]) -> Cell:
    """Returns the sample deviation of the first cell over seeds and folds; a hole where the cell is one."""
    value = scores.spread[metric][cells[0]] if cells else np.nan
    return Cell(float(value) if np.isfinite(value) else np.nan)


def reference_head(evidence: Evidence) -> list[str]:
    """Returns the head of the column of the plain reference: ``Reference (SVM)``; none where there is no reference."""
    name = label(evidence.grid.expected)
    return [name[0].upper() + name[1:]] if name else []


def reference_cell(evidence: Evidence, target: str, metric: str) -> list[Cell]:
    """Returns what stands in that column."""
    cells = evidence.references.get(target, (Cell(np.nan), Cell(np.nan)))
    return [cells[METRICS.index(metric)] for _ in reference_head(evidence)]


def _gain(scores: Scores, metric: str, top: Sequence[Place], alone: Sequence[Place]) -> Cell:
    if not top or not alone:
        return Cell(np.nan)
    (k, c), (j, d) = top[0], alone[0]
    point, draws = scores.point[metric], scores.replicates[metric]
    return scores.difference(point[k, c] - point[j, d], draws[:, k, c] - draws[:, j, d])


def _rule(ties: str) -> str:
    check_ties(ties)
    if ties == "first":
        return "Of tied best, the first in the order of the grid has the case."
    return "Tied best share the case equally."

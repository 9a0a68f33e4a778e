"""The tables of da Silva et al.: which network and which mix of corpora is best, and how sure that is. Pure computing.

A case is a row of a target's scores (Tables 3, 4: which configuration is best?) or a column (Table 5: which combination
is best?). A case hands out one credit. It counts only if all its trials are there, so an unfinished study shows smaller
n and never a guess. Intervals are 95 % percentiles over the replicates, with winners and shares counted anew in each.
"""

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import ArrayLike

from ser.report.content import HOLE, Cell, Row, Table
from ser.report.interaffection.results import Configuration, Evidence, Grid, Scores, sign
from ser.report.statistics import METRICS, Floats, check_ties, complete_cases, credit, interval

Shares = tuple[Floats, Floats, int, int]  # shares [options], replicates [replicates, options], cases counted, cases


def marginals(shares: ArrayLike, configurations: Sequence[Configuration]) -> dict[str, Floats]:
    """Sums of ``shares`` [..., configurations] over all configurations with one block, one pooling or one task.

    >>> sums = marginals([1, 2, 4], [("lstm", "mean", "multi"), ("tdnn", "mean", "multi"), ("tdnn", "mean", "unified")])
    >>> {name: float(value) for name, value in sums.items()}
    {'lstm': 1.0, 'tdnn': 6.0, 'mean': 7.0, 'multi': 3.0, 'unified': 4.0}
    """
    values = np.asarray(shares, np.float64)
    return {
        name: values[..., [c[axis] == name for c in configurations]].sum(axis=-1)
        for axis in range(3)
        for name in dict.fromkeys(c[axis] for c in configurations)
    }


def all_tables(evidence: Evidence, ties: str = "fractional") -> tuple[Table, ...]:
    """Tables 2 to 5 of the paper, the runs behind Table 2, and every result."""
    return (
        best_results(evidence),
        best_runs(evidence),
        configuration_table(evidence, ties),
        marginal_table(evidence, ties),
        presence_table(evidence, ties),
        every_result(evidence),
    )


def best_results(evidence: Evidence) -> Table:
    """Table 2: the best configuration per target, and what it gains over the best training on that corpus alone."""
    grid, rows = evidence.grid, []
    for metric, scores in product(METRICS, evidence.scores):
        top, alone = _tops(scores, metric)
        cells: list[Cell | str | None] = [*_labels(grid, scores, top[:1]), _score(scores, metric, top[:1])]
        cells += [*_labels(grid, scores, alone[:1])[2:], _score(scores, metric, alone[:1])]
        cells += [_gain(scores, metric, top, alone), str(len(_distinct(scores, top)) - 1) if top else HOLE]
        cells.append(str(scores.utterances) if scores.utterances else HOLE)
        point = scores.point[metric]
        rows.append(Row(metric, scores.target, tuple(cells), int(np.isfinite(point).sum()), len(scores.results)))
    return Table(
        "table2",
        "Table 2: best result per target",
        "Best: over all combinations and networks. Single: over trainings on the target's corpus alone; for these the "
        "task is “-”, since with one corpus both set-ups are one training. Gain: Best minus Single, paired over the "
        "same utterances. The intervals are of the configuration shown; being the best of many, it is biased upwards. "
        "Ties: other results that are as good; the first in the order of the grid is shown.",
        (
            "Comb.",
            "Task",
            "Temp.",
            "Pooling",
            "Best",
            "Single temp.",
            "Single pooling",
            "Single",
            "Gain",
            "Ties",
            "Utterances",
        ),
        tuple(rows),
        "results",
        brief=True,
    )


def best_runs(evidence: Evidence) -> Table:
    """The run ids behind the cells of Table 2, one per seed, and the results tied with them."""
    rows = []
    for metric, scores in product(METRICS, evidence.scores):
        top, alone = _tops(scores, metric)
        runs = [
            " ".join(r.run_id for cell in cells[:1] for r in scores.results[cell]) or HOLE for cells in (top, alone)
        ]
        tied = "; ".join(" · ".join(_labels(evidence.grid, scores, [cell])) for cell in _distinct(scores, top)[1:])
        count = len(scores.results[top[0]]) if top else 0
        rows.append(Row(metric, scores.target, (*runs, tied or "none"), count, len(evidence.grid.seeds)))
    explanation = "Run ids of the tracked runs whose predictions give the numbers above, one per seed."
    columns = ("Runs of best", "Runs of single", "Tied with best")
    return Table(
        "table2_runs",
        "Runs behind Table 2",
        explanation,
        columns,
        tuple(rows),
        "seeds",
        brief=True,
        typeset=False,
        ids=columns,
    )


def configuration_table(evidence: Evidence, ties: str = "fractional") -> Table:
    """Table 3: in which share of the cases (target × combination) each network is the best."""
    grid, rows = evidence.grid, []
    for metric in METRICS:
        share, draws, n, of = configuration_shares(evidence, metric, ties)
        for task in grid.task:
            where = [c for c, configuration in enumerate(grid.configurations) if configuration[2] == task]
            rows.append(Row(metric, task, tuple(interval(share[c], draws[..., c]) for c in where), n, of))
    return Table(
        "table3",
        "Table 3: proportion of cases where each network is the best",
        "A case is a target and a combination that holds it. The cells of one metric add up to 100 %. " + _rule(ties),
        tuple(f"{block.upper()} {sign(pooling)}" for block, pooling in product(grid.blocks, grid.pooling)),
        tuple(rows),
        "cases",
        digits=2,
        brief=True,
        bars=True,
    )


def marginal_table(evidence: Evidence, ties: str = "fractional") -> Table:
    """Table 4: the sums of Table 3 by temporal block, by pooling and by task set-up."""
    grid, rows = evidence.grid, []
    for metric in METRICS:
        share, draws, n, of = configuration_shares(evidence, metric, ties)
        sums, sum_draws = marginals(share, grid.configurations), marginals(draws, grid.configurations)
        rows.append(Row(metric, "share", tuple(interval(sums[name], sum_draws[name]) for name in sums), n, of))
    names = [t.upper() for t in grid.blocks] + [sign(p) for p in grid.pooling] + list(grid.task)
    explanation = "Sums of Table 3 by temporal block, by pooling and by task set-up; each group adds up to 100 %."
    title = "Table 4: proportion of cases where each part of a network is the best"
    return Table("table4", title, explanation, tuple(names), tuple(rows), "cases", digits=2, brief=True, bars=True)


def presence_table(evidence: Evidence, ties: str = "fractional") -> Table:
    """Table 5: how often each other corpus is in the combination that is best for a target."""
    grid, rows = evidence.grid, []
    for metric in METRICS:
        shares = [presence_shares(scores, metric, grid.corpora, ties) for scores in evidence.scores]
        for scores, (share, draws, n, of) in zip(evidence.scores, shares, strict=True):
            cells = [
                None if name == scores.target else interval(share[i], draws[:, i])
                for i, name in enumerate(grid.corpora)
            ]
            rows.append(Row(metric, scores.target, tuple(cells), n, of))
        rows.append(_all_targets(metric, evidence, shares))
    return Table(
        "table5",
        "Table 5: proportion of networks whose best combination holds each corpus",
        "Row: the target; column: the corpus that was trained on as well. A case is a network. All: the mean over the "
        f"other targets that have a case. {_rule(ties)}",
        grid.corpora,
        tuple(rows),
        "networks",
        brief=True,
        bars=True,
    )


def every_result(evidence: Evidence) -> Table:
    """One row per target, combination and network."""
    rows = []
    for scores in evidence.scores:
        for cell, results in scores.results.items():
            runs = " ".join(r.run_id for r in results)
            names = _labels(evidence.grid, scores, [cell], single="")
            cells = (*names, _score(scores, "wa", [cell]), _score(scores, "ua", [cell]), runs or HOLE)
            rows.append(Row("", scores.target, cells, len(results), len(evidence.grid.seeds)))
    explanation = "Mean over the seeds; a cell that lacks a seed is a hole."
    columns = ("Comb.", "Task", "Temp.", "Pooling", "WA", "UA", "Runs")
    return Table("results", "Every result", explanation, columns, tuple(rows), "seeds", ids=("Runs",), keys=4)


def configuration_shares(evidence: Evidence, metric: str, ties: str) -> Shares:
    """Share of the cases of all targets in which each configuration is the best."""
    complete = [complete_cases(scores.point[metric]) for scores in evidence.scores]
    point = [s.point[metric][rows] for s, (rows, _) in zip(evidence.scores, complete, strict=True)]
    draws = [s.replicates[metric][:, rows] for s, (rows, _) in zip(evidence.scores, complete, strict=True)]
    return _shares(np.concatenate(point), np.concatenate(draws, axis=1), sum(of for _, of in complete), ties)


def presence_shares(scores: Scores, metric: str, corpora: Sequence[str], ties: str) -> Shares:
    """Share of the configurations whose best combination for this target holds each of ``corpora``."""
    point, draws = scores.point[metric].T, scores.replicates[metric].swapaxes(1, 2)
    columns, of = complete_cases(point)
    share, share_draws, n, of = _shares(point[columns], draws[:, columns], of, ties)
    holds = np.array([[name in combination for name in corpora] for combination in scores.combinations], np.float64)
    holds = holds.reshape(len(scores.combinations), len(corpora))
    return share @ holds, share_draws @ holds, n, of


def _shares(point: Floats, draws: Floats, of: int, ties: str) -> Shares:
    n = len(point)
    if n == 0:
        return np.full(point.shape[1], np.nan), np.full((len(draws), point.shape[1]), np.nan), 0, of
    return credit(point, ties).mean(axis=0), credit(draws, ties).mean(axis=1), n, of


def _all_targets(metric: str, evidence: Evidence, shares: Sequence[Shares]) -> Row:
    cells: list[Cell | None] = []
    for i, name in enumerate(evidence.grid.corpora):
        others = [f for s, f in zip(evidence.scores, shares, strict=True) if s.target != name and f[2]]
        exist = any(s.target != name for s in evidence.scores)
        share = np.mean([f[0][i] for f in others]) if others else np.nan
        draws = np.mean([f[1][:, i] for f in others], axis=0) if others else np.empty(0)
        cells.append(interval(share, draws) if exist else None)
    return Row(metric, "All", tuple(cells), sum(f[2] for f in shares), sum(f[3] for f in shares))


def _tops(scores: Scores, metric: str) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """The best cells of all combinations, and those of the target's corpus alone."""
    rows = range(len(scores.combinations))
    return scores.best(metric, rows), scores.best(metric, [k for k in rows if len(scores.combinations[k]) == 1])


def _distinct(scores: Scores, cells: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Without cells that share all their trainings with one before them."""
    distinct: dict[tuple[str, ...], tuple[int, int]] = {}
    for cell in cells:
        distinct.setdefault(tuple(r.same_as or r.trial_id for r in scores.results[cell]), cell)
    return list(distinct.values())


def _labels(
    grid: Grid, scores: Scores, cells: Sequence[tuple[int, int]], single: str = "-"
) -> tuple[str, str, str, str]:
    """Combination, task, block and pooling of the first cell; ``single`` stands for the task of one corpus."""
    if not cells:
        return HOLE, HOLE, HOLE, HOLE
    combination, (block, pooling, task) = scores.combinations[cells[0][0]], scores.configurations[cells[0][1]]
    return grid.mix(combination), (single or task) if len(combination) == 1 else task, block.upper(), sign(pooling)


def _score(scores: Scores, metric: str, cells: Sequence[tuple[int, int]]) -> Cell:
    if not cells:
        return Cell(np.nan)
    k, c = cells[0]
    return interval(scores.point[metric][k, c], scores.replicates[metric][:, k, c])


def _gain(scores: Scores, metric: str, top: Sequence[tuple[int, int]], alone: Sequence[tuple[int, int]]) -> Cell:
    if not top or not alone:
        return Cell(np.nan)
    (k, c), (j, d) = top[0], alone[0]
    point, draws = scores.point[metric], scores.replicates[metric]
    return interval(point[k, c] - point[j, d], draws[:, k, c] - draws[:, j, d])


def _rule(ties: str) -> str:
    check_ties(ties)
    if ties == "first":
        return "Of tied best, the first in the order of the grid has the case."
    return "Tied best share the case equally."

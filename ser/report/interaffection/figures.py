"""The figures of the study of da Silva et al.: accuracies by combination, shares of winners."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ser.metrics.confusion import INK
from ser.report import figures, marks
from ser.report.cell_text import in_words
from ser.report.content import Cell, Picture, Table
from ser.report.interaffection.networks import Flow
from ser.report.interaffection.results import Grid, sign
from ser.report.interaffection.scores import Evidence, Scores
from ser.report.interaffection.tables import lines_of_shares, score
from ser.report.statistics import METRICS

if TYPE_CHECKING:  # Matplotlib takes half a second to import
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def ua_by_combination(evidence: Evidence) -> Picture:
    """UA of every network over the combinations, one panel per target."""
    grid = evidence.grid
    caption = "Unweighted accuracy of every network on test, by the corpora it was trained on."
    if len(grid.splits) > 1:
        caption += f" Lines: ± one standard deviation over {len(grid.splits)} {grid.repeats}."
    return figures.picture(partial(_ua_by_combination, grid, evidence.scores), "ua_by_combination", caption)


def _ua_by_combination(grid: Grid, scores: Sequence[Scores]) -> "Figure":
    tasks = grid.task if grid.mixes else grid.task[:1]  # on one corpus all set-ups are one training
    figure = figures.sheet(0.7 + 2.5 * len(scores))
    panels = figure.subplots(len(scores), 1, squeeze=False)[:, 0]
    for axes, target in zip(panels, scores, strict=True):
        _dots(axes, target, grid.blocks, grid.pooling, tasks)
        axes.set_xticks(range(len(target.combinations)), [grid.mix(c) for c in target.combinations])
        axes.set_title(f"tested on {target.target} ({target.words})", loc="left", fontsize=10)
        axes.set_ylabel("UA in %")
    handles = [
        figures.key(marker=figures.marker(i), ls="", color=figures.colour(i), label=b.upper())
        for i, b in enumerate(grid.blocks)
    ]
    for i, pooling in enumerate(grid.pooling):
        handles.append(figures.key(marker="o", ls="", color=INK, mfc=INK if i else "none", label=sign(pooling)))
    for i, task in enumerate(grid.task if grid.mixes else ()):
        struck = f"{task} (struck through)" if i else task
        handles.append(figures.key(marker="D", ms=5, ls="-" if i else "", lw=1, color=INK, mfc="none", label=struck))
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), frameon=False, fontsize=9)
    return figure


def _dots(axes: "Axes", scores: Scores, blocks: Sequence[str], pooling: Sequence[str], task: Sequence[str]) -> None:
    columns = len(scores.configurations)
    for c, (block, pool, setup) in enumerate(scores.configurations):
        if setup not in task:
            continue
        values = 100 * scores.point["ua"][:, c]
        finite = np.isfinite(values)
        colour = figures.colour(blocks.index(block))
        where = np.arange(len(values))[finite] + 0.7 * ((c + 0.5) / columns - 0.5)
        fill = colour if pooling.index(pool) else "none"
        spread = 100 * np.nan_to_num(scores.spread["ua"][finite, c])
        series = [block.upper(), sign(pool), setup]
        lines = axes.vlines(where, values[finite] - spread, values[finite] + spread, color=colour, lw=0.8, alpha=0.5)
        marks.put(lines, (), series)
        shape = figures.marker(blocks.index(block))
        (dots,) = axes.plot(where, values[finite], shape, color=colour, mfc=fill, ms=5, mew=1.2)
        cells = [score(scores, "ua", [(int(k), c)]) for k in np.flatnonzero(finite)]
        marks.put(dots, [marks.Mark(f"{e.words}\nUA {in_words(e)}, n = {e.n}", e.runs) for e in cells], series)
        if task.index(setup):
            (bars,) = axes.plot(where, values[finite], "_", color=colour, ms=10, mew=0.9)
            marks.put(bars, (), series)
    if not scores.sample.utterances:
        axes.set_yticks([])
    axes.set_xlim(-0.6, len(scores.combinations) - 0.4)
    for k in range(1, len(scores.combinations)):
        axes.axvline(k - 0.5, color=INK, alpha=0.15, lw=0.7)
    figures.light(axes, "y")


def shares(table: Table, evidence: Evidence) -> Picture:
    """Bars of Table 3 with their intervals, one panel per metric."""
    caption = f"How often each network is the best on test.{_lines_and_bands(table)}"
    return figures.picture(partial(_shares, table, evidence.grid), "shares", caption)


def _shares(table: Table, grid: Grid) -> "Figure":
    figure = figures.sheet(0.9 + 0.31 * len(table.columns) * len(lines_of_shares(grid)))
    panels = figure.subplots(1, len(METRICS), sharey=True, squeeze=False)[0]
    for axes, metric in zip(panels, METRICS, strict=True):
        by_name = {row.name: row for row in table.rows if row.metric == metric}
        rows = [by_name[name] for name in lines_of_shares(grid)]
        bars = [
            (f"{column} {row.name}" if len(rows) > 1 else column, row.cells[i])
            for i, column in enumerate(table.columns)
            for row in rows
        ]
        equal = [by_name.get(f"{row.name} if equal") for row in rows]
        chances = [row.cells[i] if row else None for i in range(len(table.columns)) for row in equal]
        for place, ((_, cell), chance) in enumerate(zip(bars, chances, strict=True)):
            if isinstance(chance, Cell):
                low, high = 100 * chance.low, 100 * chance.high
                axes.plot([low, high], [place, place], color=INK, alpha=0.13, lw=11, solid_capstyle="butt")
            colour = figures.colour(place * len(grid.blocks) // len(bars))
            assert isinstance(cell, Cell)  # in Table 3 all are
            value, low, high = (100 * v for v in (cell.value, cell.low, cell.high))
            block = place * len(grid.blocks) // len(bars)
            look = {"fc": colour, "ec": INK, "lw": 0.3, "hatch": figures.hatch(block), "alpha": 0.75}
            (bar,) = axes.barh(place, np.nan_to_num(value), height=0.68, **look)
            marks.put(bar, [marks.Mark(f"{bars[place][0]}: best in {in_words(cell)} of the cases")])
            axes.plot([low, high], [place, place], color=INK, lw=1.2, solid_capstyle="butt", marker="|", ms=5)
        axes.set_yticks(range(len(bars)), [name for name, _ in bars], fontsize=9)
        axes.invert_yaxis() if metric == METRICS[0] else None
        axes.set_title(f"{metric.upper()}: best in % of {rows[0].n} of {rows[0].of} cases", loc="left", fontsize=10)
        axes.set_xlim(left=0)
        figures.light(axes, "x")
    return figure


def _lines_and_bands(table: Table) -> str:
    """What is drawn beside the bars, and says nothing of what is not."""
    drawn = {
        equal: any(
            isinstance(cell, Cell) and np.isfinite(cell.low)
            for row in table.rows
            if row.name.endswith("if equal") == equal
            for cell in row.cells
        )
        for equal in (False, True)
    }
    lines = " Lines are 95 % intervals." if drawn[False] else ""
    return lines + (" Grey bands are where 95 % of the replicates lie if nothing differs." if drawn[True] else "")


def heat_map(evidence: Evidence) -> Picture:
    """Mean UA over the networks, target by combination."""
    grid = evidence.grid
    mixes = list(dict.fromkeys(c for scores in evidence.scores for c in scores.combinations))
    mixes.sort(key=lambda c: (len(c), [grid.corpora.index(name) for name in c]))
    values = np.full((len(evidence.scores), len(mixes)), np.nan)
    for row, scores in enumerate(evidence.scores):
        for k, combination in enumerate(scores.combinations):
            finite = scores.point["ua"][k][np.isfinite(scores.point["ua"][k])]
            if finite.size:
                values[row, mixes.index(combination)] = finite.mean()
    caption = "Mean UA in % over the networks that are there; colours are stretched per target."
    recipe = partial(_heat_map, values, [grid.mix(c) for c in mixes], [s.target for s in evidence.scores])
    return figures.picture(recipe, "mean_ua", caption)


def _heat_map(values: NDArray[np.float64], mixes: Sequence[str], targets: Sequence[str]) -> "Figure":
    figure = figures.sheet(0.9 + 0.5 * len(values))
    axes = figure.subplots()
    words = [["" if np.isnan(v) else f"{100 * v:.1f}" for v in line] for line in values]
    figures.matrix(axes, _stretched(values), words, 9)
    axes.set_xticks(range(len(mixes)), mixes, fontsize=9)
    axes.set_yticks(range(len(values)), targets, fontsize=9)
    return figure


def architecture(flows: Sequence[Flow]) -> Picture:
    """The layers of the networks: Figures 1 to 5 of the paper, a line for each."""
    caption = (
        "The networks as they were run (Figures 1 to 5 of the paper), by their settings and the layers that they "
        "logged; of each network a trial with the most corpora."
    )
    return figures.picture(partial(_architecture, flows), "architecture", caption)


def _architecture(flows: Sequence[Flow]) -> "Figure":
    figure = figures.sheet(0.3 + 0.62 * len(flows))
    axes = figure.subplots()
    widest = max(len(flow.boxes) for flow in flows)
    for line, flow in enumerate(flows):
        axes.text(0, line - 0.42, flow.title, fontsize=8, va="center", weight="bold")
        for place, box in enumerate(flow.boxes):
            style = {"boxstyle": "round,pad=0.3", "fc": "none", "ec": INK, "lw": 0.7}
            axes.text(place + 0.45, line, box, fontsize=7, ha="center", va="center", bbox=style)
            if place:
                axes.text(place - 0.05, line, "→", fontsize=9, ha="center", va="center")
    axes.set_xlim(0, widest)
    axes.set_ylim(len(flows) - 0.5, -0.6)
    axes.set_axis_off()
    return figure


def _stretched(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each row from 0.05 (its least) to 0.85 (its greatest); targets differ more than combinations do."""
    out = np.full(values.shape, np.nan)
    for row, line in enumerate(values):
        finite = np.isfinite(line)
        if finite.any():
            low, width = line[finite].min(), np.ptp(line[finite])
            out[row, finite] = 0.05 + 0.8 * (line[finite] - low) / width if width > 0 else 0.45
    return out

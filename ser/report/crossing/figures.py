"""The figures across corpora: a heat map of training sets by tested corpora, and how often a corpus helps."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ser.metrics.confusion import INK
from ser.report import figures
from ser.report.content import Cell, Picture, Row, Table
from ser.report.crossing.arranged import Arrangement
from ser.report.crossing.matrix import cell_of, columns_of, means_in_words

if TYPE_CHECKING:  # Matplotlib takes half a second to import
    from matplotlib.figure import Figure

MOST_SETS = 40  # training sets that are drawn
_METRIC = "ua"


def heat_map(across: Arrangement) -> Picture | None:
    """Draws UA of every training set on every corpus, colours from the least to the greatest of a corpus."""
    corpora, sets = columns_of(across), across.trainings[:MOST_SETS]
    cells = [[cell_of(across, learned, corpus, _METRIC) for corpus in corpora] for learned in sets]
    values = np.array([[np.nan if cell is None else cell.value for cell in line] for line in cells])
    if not np.isfinite(values).any():
        return None
    caption = (
        f"UA in % of every training set on every corpus. {means_in_words(across)}Dashed: other speakers of that corpus "
        "were trained on. Colours are from the least to the greatest of each column; blank is a hole."
    )
    if len(across.trainings) > MOST_SETS:
        caption += f" The first {MOST_SETS} of {len(across.trainings)} training sets."
    has_frame = np.array([[corpus in learned for corpus in corpora] for learned in sets]) & np.isfinite(values)
    recipe = partial(_heat_map, values, has_frame, corpora, [across.words(learned) for learned in sets])
    return figures.picture(recipe, "across", caption)


def _heat_map(
    values: NDArray[np.float64], has_frame: NDArray[np.bool_], corpora: Sequence[str], sets: Sequence[str]
) -> "Figure":
    from matplotlib.patches import Rectangle

    figure = figures.sheet(1.0 + 0.36 * len(sets))
    axes = figure.subplots()
    words = [["" if np.isnan(v) else f"{100 * v:.1f}" for v in line] for line in values]
    figures.matrix(axes, _stretched(values), words, 9)
    for row, column in np.argwhere(has_frame):
        axes.add_patch(Rectangle((column - 0.47, row - 0.45), 0.94, 0.9, fill=False, ec=INK, lw=1.3, ls="--"))
    axes.set_xticks(range(len(corpora)), corpora, fontsize=9)
    axes.set_yticks(range(len(sets)), sets, fontsize=9)
    axes.set_ylabel("trained on")
    axes.xaxis.tick_top()
    return figure


def _stretched(
    values: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Each column from 0.05 (its least) to 0.85 (its greatest): corpora differ more than training sets do."""
    out = np.full(values.shape, np.nan)
    for column, line in enumerate(values.T):
        finite = np.isfinite(line)
        if finite.any():
            low, width = line[finite].min(), np.ptp(line[finite])
            out[finite, column] = 0.05 + 0.8 * (line[finite] - low) / width if width > 0 else 0.45
    return out


def help_charts(table: Table) -> Picture | None:
    """Draws the shares of UA of the table ``added``, a panel for each stranger, with the range of chance behind."""
    by_name = {row.name: row for row in table.rows if row.metric == _METRIC}
    lines = [name for name in by_name if not name.endswith((" if equal", " beyond that"))]
    if not lines:
        return None
    caption = (
        "How often training on a corpus as well raised the UA on a stranger, in % of pairs that are equal otherwise. "
        "Lines are 95 % intervals; grey is where 95 % of the replicates lie if adding a corpus changes nothing."
    )
    return figures.picture(partial(_help_charts, table.columns, by_name, lines), "added", caption)


def _help_charts(names: Sequence[str], by_name: Mapping[str, Row], lines: Sequence[str]) -> "Figure":
    columns = min(3, len(lines))
    rows = -(-len(lines) // columns)
    figure = figures.sheet(0.5 + rows * (0.8 + 0.28 * len(names)))
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, name in zip(panels, lines, strict=False):
        chance = by_name.get(f"{name} if equal")
        shares = [(place, cell) for place, cell in enumerate(by_name[name].cells) if isinstance(cell, Cell)]
        for place, cell in shares:
            equal = chance.cells[place] if chance else None
            if isinstance(equal, Cell) and np.isfinite(equal.low):
                axes.barh(
                    place, 100 * (equal.high - equal.low), left=100 * equal.low, color=INK, alpha=0.13, height=0.8
                )
            if np.isfinite(cell.value):
                axes.plot([100 * cell.low, 100 * cell.high], [place, place], color=figures.colour(0), lw=1.4)
                axes.plot(100 * cell.value, place, "o", color=figures.colour(0), ms=6)
        axes.axvline(50, color=INK, lw=0.8, ls=":")
        axes.set_yticks(range(len(names)), names, fontsize=8)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlim(-3, 103)
        axes.set_title(f"tested on {name}" if name in names or name != "All" else "all strangers",
                       loc="left", fontsize=10)  # fmt: skip
        figures.light(axes, "x")
    for axes in panels[len(lines) :]:
        axes.set_visible(False)
    return figure

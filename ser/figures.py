"""Pictures as PNG and SVG bytes. Matplotlib's objects only, no pyplot: nothing global, so trials may draw in parallel.

Colours are those of Okabe and Ito, told apart by colour-blind readers too; configurations differ in shape as well.
"""

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from numpy.typing import NDArray

from ser import confusion
from ser.confusion import INK  # in SVG it becomes the colour of the page's text
from ser.confusion import confusion_png as confusion_png
from ser.evidence import METRICS, Evidence, Scores, sign
from ser.tables import Table

OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "^", "s", "D", "v", "P")
BLUES: Colormap = LinearSegmentedColormap.from_list("blues", list(confusion.BLUES))


@dataclass(frozen=True)
class Picture:
    """One drawing in two forms, with words for those who cannot see it."""

    name: str  # file name without extension
    caption: str
    png: bytes
    svg: str  # for inlining in HTML: no prologue, no address, text in the colour of the page


def _matrix(axes: Axes, values: NDArray[np.float64], words: Sequence[Sequence[str]], size: float) -> None:
    """Coloured cells with words on them; nan cells stay blank."""
    rows, columns = values.shape
    edges = np.arange(columns + 1) - 0.5, np.arange(rows + 1) - 0.5
    axes.pcolormesh(*edges, np.ma.masked_invalid(values), cmap=BLUES, vmin=0, vmax=1)
    axes.invert_yaxis()
    for (row, column), value in np.ndenumerate(values):
        ink = "white" if value > 0.5 else "#111111"
        axes.text(column, row, words[row][column], ha="center", va="center", fontsize=size, color=ink)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def ua_by_combination(evidence: Evidence) -> Picture:
    """UA of every network over the combinations, one panel per target."""
    grid, scores = evidence.grid, evidence.scores
    figure = Figure(figsize=(9, 0.7 + 2.5 * len(scores)), layout="constrained")
    panels = figure.subplots(len(scores), 1, squeeze=False)[:, 0]
    for axes, target in zip(panels, scores, strict=True):
        _dots(axes, target, grid.blocks, grid.pooling, grid.task)
        axes.set_xticks(range(len(target.combinations)), [grid.mix(c) for c in target.combinations])
        axes.set_title(f"tested on {target.target} (n = {target.utterances})", loc="left", fontsize=10)
        axes.set_ylabel("UA in %")
    handles = [Line2D([], [], marker="o", ls="", color=_colour(i), label=b.upper()) for i, b in enumerate(grid.blocks)]
    handles += [Line2D([], [], marker=_marker(i), ls="", color=INK, label=t) for i, t in enumerate(grid.task)]
    for i, pooling in enumerate(grid.pooling):
        handles.append(Line2D([], [], marker="o", ls="", color=INK, mfc=INK if i else "none", label=sign(pooling)))
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), frameon=False, fontsize=9)
    return _picture(
        figure, "ua_by_combination", "Unweighted accuracy of every network, by the corpora it was trained on."
    )


def _dots(axes: Axes, scores: Scores, blocks: Sequence[str], pooling: Sequence[str], task: Sequence[str]) -> None:
    columns = len(scores.configurations)
    for c, (block, pool, setup) in enumerate(scores.configurations):
        values = 100 * scores.point["ua"][:, c]
        seen = np.isfinite(values)
        colour = _colour(blocks.index(block))
        where = np.arange(len(values))[seen] + 0.7 * ((c + 0.5) / columns - 0.5)
        fill = colour if pooling.index(pool) else "none"
        axes.plot(where, values[seen], _marker(task.index(setup)), color=colour, mfc=fill, ms=5, mew=1.2)
    if not scores.utterances:
        axes.set_yticks([])
    axes.set_xlim(-0.6, len(scores.combinations) - 0.4)
    for k in range(1, len(scores.combinations)):
        axes.axvline(k - 0.5, color=INK, alpha=0.15, lw=0.7)
    _light(axes, "y")


def shares(table: Table, evidence: Evidence) -> Picture:
    """Bars of Table 3 with their intervals, one panel per metric."""
    figure = Figure(figsize=(9, 0.9 + 0.31 * len(evidence.grid.configurations)), layout="constrained")
    panels = figure.subplots(1, len(METRICS), sharey=True, squeeze=False)[0]
    for axes, metric in zip(panels, METRICS, strict=True):
        rows = [row for row in table.rows if row.metric == metric]
        bars = [(f"{column} {row.name}", row.cells[i]) for i, column in enumerate(table.columns) for row in rows]
        for place, (_, cell) in enumerate(bars):
            colour = _colour(place * len(evidence.grid.blocks) // len(bars))
            value, low, high = (100 * v for v in (cell.value, cell.low, cell.high))  # type: ignore[union-attr]
            axes.barh(place, np.nan_to_num(value), color=colour, alpha=0.75, height=0.68)
            axes.plot([low, high], [place, place], color=INK, lw=1.2, solid_capstyle="butt", marker="|", ms=5)
        axes.set_yticks(range(len(bars)), [name for name, _ in bars], fontsize=9)
        axes.invert_yaxis() if metric == METRICS[0] else None
        axes.set_title(f"{metric.upper()}: best in % of {rows[0].n} of {rows[0].of} cases", loc="left", fontsize=10)
        axes.set_xlim(left=0)
        _light(axes, "x")
    return _picture(figure, "shares", "How often each network is the best; lines are 95 % intervals.")


def heat_map(evidence: Evidence) -> Picture:
    """Mean UA over the networks, target by combination."""
    grid = evidence.grid
    mixes = list(dict.fromkeys(c for scores in evidence.scores for c in scores.combinations))
    mixes.sort(key=lambda c: (len(c), [grid.corpora.index(name) for name in c]))
    values = np.full((len(evidence.scores), len(mixes)), np.nan)
    for row, scores in enumerate(evidence.scores):
        for k, combination in enumerate(scores.combinations):
            seen = scores.point["ua"][k][np.isfinite(scores.point["ua"][k])]
            if seen.size:
                values[row, mixes.index(combination)] = seen.mean()
    figure = Figure(figsize=(9, 0.9 + 0.5 * len(values)), layout="constrained")
    axes = figure.subplots()
    words = [["" if np.isnan(v) else f"{100 * v:.1f}" for v in line] for line in values]
    _matrix(axes, _stretched(values), words, 9)
    axes.set_xticks(range(len(mixes)), [grid.mix(c) for c in mixes], fontsize=9)
    axes.set_yticks(range(len(values)), [s.target for s in evidence.scores], fontsize=9)
    return _picture(
        figure, "mean_ua", "Mean UA in % over the networks that are there; colours are stretched per target."
    )


def _stretched(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each row from 0.05 (its least) to 0.85 (its greatest); targets differ more than combinations do."""
    out = np.full(values.shape, np.nan)
    for row, line in enumerate(values):
        seen = np.isfinite(line)
        if seen.any():
            low, width = line[seen].min(), np.ptp(line[seen])
            out[row, seen] = 0.05 + 0.8 * (line[seen] - low) / width if width > 0 else 0.45
    return out


def learning_curves(
    curves: Mapping[str, Sequence[float]], block_of: Mapping[str, str], blocks: Sequence[str]
) -> Picture:
    """Validation loss per epoch of each trial, coloured by temporal block; ``block_of`` maps trial titles to blocks."""
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    axes = figure.subplots()
    for title, losses in curves.items():
        colour = _colour(blocks.index(block_of[title])) if title in block_of else "#888888"
        axes.plot(np.arange(1, len(losses) + 1), losses, color=colour, alpha=0.45, lw=0.9)
    axes.set_xlabel("epoch")
    axes.set_ylabel("validation loss")
    handles = [Line2D([], [], color=_colour(i), label=block.upper()) for i, block in enumerate(blocks)]
    axes.legend(handles=handles, frameon=False, fontsize=9)
    _light(axes, "y")
    return _picture(figure, "curves", "Validation loss of every trial.")


def _colour(index: int) -> str:
    return OKABE_ITO[index % len(OKABE_ITO)]


def _marker(index: int) -> str:
    return MARKERS[index % len(MARKERS)]


def _light(axes: Axes, grid_axis: str) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis=grid_axis, color=INK, alpha=0.12, lw=0.7)  # type: ignore[arg-type]
    axes.set_axisbelow(True)


def _picture(figure: Figure, name: str, caption: str) -> Picture:
    _literal(figure)
    png, svg = io.BytesIO(), io.BytesIO()
    figure.savefig(png, format="png", dpi=130)
    figure.set_layout_engine("none")  # laid out once, drawn twice
    figure.patch.set_visible(False)
    for axes in figure.axes:
        axes.patch.set_visible(False)
    with rc_context(
        {"svg.fonttype": "none", "svg.hashsalt": name}
    ):  # text stays text; the same picture, the same bytes
        figure.savefig(svg, format="svg", metadata={"Date": None})
    return Picture(name, caption, png.getvalue(), _inline(svg.getvalue().decode(), caption))


def _literal(figure: Figure) -> None:
    """A dollar sign in a name is a dollar sign, not the start of a formula."""
    for text in figure.findobj(Text):
        text.set_parse_math(False)


def _inline(svg: str, caption: str) -> str:
    """The SVG element alone: without prologue, metadata, name spaces, fixed size; black is the page's text colour."""
    element = svg[svg.index("<svg") :]
    element = re.sub(r"<metadata>.*?</metadata>", "", element, flags=re.DOTALL)
    element = re.sub(r'\s+xmlns(:\w+)?="[^"]*"', "", element)
    element = element.replace("xlink:href", "href").replace(INK, "currentColor")
    element = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font: \1 system-ui, sans-serif", element)
    opening = re.sub(r'\s(width|height)="[^"]*"', "", element[: element.index(">")])
    return f'{opening} role="img" aria-label="{escape(caption)}"{element[element.index(">") :]}'

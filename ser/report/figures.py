"""What figures are made of: sizes, colours, signs, and those that several reports have.

A figure is a recipe, a function of this package with its values, that is called when the figure is drawn, and by which
a figure is known that a folder has already. Matplotlib's objects only, no pyplot: nothing global.

Colours are those of Okabe and Ito, told apart by colour-blind readers too; groups differ in shape, line or hatch as
well, for those who see or print no colours.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ser.metrics import confusion
from ser.metrics.confusion import INK
from ser.report import marks
from ser.report.content import Picture
from ser.report.drawing import begin

if TYPE_CHECKING:  # Matplotlib takes half a second to import
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

Dashes = tuple[int, tuple[int, ...]]  # where they begin; lengths of dashes and gaps

OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "^", "s", "D", "v", "P")
LINES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))
HATCHES = ("", "///", "...", "xxx", "---", "\\\\\\")


def sheet(height: float, width: float = 9) -> "Figure":
    """An empty figure of so many inches, as wide as a page."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def key(**look: str | float | Dashes) -> "Line2D":
    """A line or a sign that only a legend shows."""
    from matplotlib.lines import Line2D

    return Line2D([], [], **look)  # type: ignore[arg-type]


def matrix(axes: "Axes", values: NDArray[np.float64], words: Sequence[Sequence[str]], size: float) -> None:
    """Coloured cells with words on them; nan cells stay blank."""
    from matplotlib.colors import LinearSegmentedColormap

    blues = LinearSegmentedColormap.from_list("blues", list(confusion.BLUES))
    rows, columns = values.shape
    edges = np.arange(columns + 1) - 0.5, np.arange(rows + 1) - 0.5
    axes.pcolormesh(*edges, np.ma.masked_invalid(values), cmap=blues, vmin=0, vmax=1)
    axes.invert_yaxis()
    for (row, column), value in np.ndenumerate(values):
        ink = "white" if value > 0.5 else "#111111"
        axes.text(column, row, words[row][column], ha="center", va="center", fontsize=size, color=ink)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def learning_curves(
    curves: Mapping[str, Sequence[float]],
    group_of: Mapping[str, str],
    groups: Mapping[str, str],
    quantity: str,
    caption: str,
    name: str = "curves",
) -> Picture:
    """A quantity per epoch of some trials, coloured by group; ``caption`` says of which.

    ``group_of`` maps names of curves to groups, ``groups`` these to what the legend calls them, in order. Left out are
    curves without values, and groups without curves.
    """
    return picture(partial(_curves, curves, group_of, groups, quantity), name, caption)


def _curves(
    curves: Mapping[str, Sequence[float]], group_of: Mapping[str, str], groups: Mapping[str, str], quantity: str
) -> "Figure":
    with_values = {title: values for title, values in curves.items() if len(values)}
    present = {group_of[title] for title in with_values if title in group_of}
    figure = sheet(3.2)
    axes = figure.subplots()
    order = list(groups)
    for title, values in with_values.items():
        place = order.index(group_of[title]) if title in group_of else None
        look = {"color": "#888888"} if place is None else {"color": colour(place), "ls": line(place)}
        faint = 0.45 if len(with_values) > 6 else 0.9
        (curve,) = axes.plot(np.arange(1, len(values) + 1), values, alpha=faint, lw=1.1, **look)
        best = int(np.nanargmin(values)) if np.isfinite(values).any() else 0
        words = f"{title}\n{quantity}: least {values[best]:.4g}, epoch {best + 1} of {len(values)}"
        marks.put(curve, [marks.Mark(words)], [groups[group_of[title]]] if place is not None else [])
    axes.set_xlabel("epoch")
    axes.set_ylabel(quantity)
    whole_numbers(axes, 1)
    legend = [(place, groups[group]) for place, group in enumerate(order) if group in present]
    handles = [key(color=colour(place), ls=line(place), label=name) for place, name in legend]
    axes.legend(handles=handles, frameon=False, fontsize=9)
    light(axes, "y")
    return figure


def share_charts(panels: Mapping[str, Mapping[str, float]], name: str, caption: str) -> Picture:
    """Bars of shares, 0 … 1, side by side: title of the panel → name of the bar → share."""
    return picture(partial(_shares, panels), name, caption)


def _shares(panels: Mapping[str, Mapping[str, float]]) -> "Figure":
    most = max((len(bars) for bars in panels.values()), default=1)
    figure = sheet(0.9 + 0.3 * most)
    for axes, (title, bars) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        values = [100 * value for value in bars.values()]
        axes.barh(range(len(bars)), values, color=OKABE_ITO[0], alpha=0.75, height=0.68)
        for place, value in enumerate(values):
            axes.text(value, place, f" {value:.1f}", va="center", fontsize=8)
        axes.set_yticks(range(len(bars)), list(bars), fontsize=9)
        axes.set_ylim(most - 0.5, -0.5)
        axes.set_xlim(0, 1.2 * max(values, default=1))
        axes.set_title(f"{title}, %", loc="left", fontsize=10)
        light(axes, "x")
    return figure


def small_matrices(
    lines: Mapping[str, Mapping[str, NDArray[np.float64]]], ticks: Sequence[str], name: str, caption: str
) -> Picture:
    """Small square matrices of shares, 0 … 1 (rows = truth): title of the line → name of the matrix → [n, n].

    Shares that are not defined (nan) stay blank.
    """
    return picture(partial(_matrices, lines, ticks), name, caption)


def _matrices(lines: Mapping[str, Mapping[str, NDArray[np.float64]]], ticks: Sequence[str]) -> "Figure":
    columns = max((len(matrices) for matrices in lines.values()), default=1)
    figure = sheet(0.5 + 1.75 * len(lines))
    panels = figure.subplots(len(lines), columns, squeeze=False)
    for row, (title, matrices) in zip(panels, lines.items(), strict=True):
        for axes, (called, shares) in zip(row, matrices.items(), strict=False):
            words = [["" if np.isnan(v) else f"{v:.2f}" for v in line] for line in shares]
            matrix(axes, shares, words, 8)
            axes.set_aspect("equal")
            axes.set_title(called, fontsize=9)
            axes.set_xticks(range(len(ticks)), ticks, fontsize=7)
            axes.set_yticks(range(len(ticks)), ticks if axes is row[0] else [""] * len(ticks), fontsize=7)
        for axes in row[len(matrices) :]:
            axes.set_visible(False)
        row[0].set_ylabel(title, fontsize=8)
    return figure


def colour(index: int) -> str:
    """The colour of the group with this place."""
    return OKABE_ITO[index % len(OKABE_ITO)]


def marker(index: int) -> str:
    """The shape of the group with this place."""
    return MARKERS[index % len(MARKERS)]


def line(index: int) -> str | Dashes:
    """Returns the style of lines of the group with this place."""
    return LINES[index % len(LINES)]


def hatch(index: int) -> str:
    """Returns the hatch of bars of the group with this place."""
    return HATCHES[index % len(HATCHES)]


def whole_numbers(axes: "Axes", fewest: int = 2) -> None:
    """Makes the ticks below the axes, at least so many, whole numbers: epochs or layers."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=fewest))


def light(axes: "Axes", grid_axis: str) -> None:
    """Only what helps reading: no frame above and to the right, a faint grid."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis=grid_axis, color=INK, alpha=0.12, lw=0.7)  # type: ignore[arg-type]
    axes.set_axisbelow(True)


def picture(recipe: "Callable[[], Figure]", name: str, caption: str) -> Picture:
    """The figure that a recipe makes, in all forms; the same figure gives the same bytes."""
    return Picture(name, caption, begin(recipe, name, caption))

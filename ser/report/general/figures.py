"""The figures of the general report: all results by the values of each axis."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ser.metrics.confusion import INK
from ser.report import figures, marks
from ser.report.cell_text import in_words
from ser.report.content import Picture
from ser.report.general.tables import metric_name
from ser.report.measured import Result
from ser.report.results import Results

if TYPE_CHECKING:  # Matplotlib takes half a second to import
    from matplotlib.figure import Figure

_PANELS = 3  # side by side
_FEW = 8  # values that fit one of several panels
_LETTERS = 110  # that fit below the dots of one line of panels


def strip_plots(results: Results, axis: int) -> Picture:
    """Draws every result by its value on one axis, a panel for each corpus; a line is the mean."""
    head, corpora = results.axes.heads[axis], results.expected.tested
    order = list(dict.fromkeys(values[axis] for _, values in results.cells))
    missing = sum(len(results.missing(corpus)) for corpus in corpora)
    holes = f" ({missing} results are missing)" if missing else ""
    caption = (
        f"{head}: {metric_name(results.ranking)} of every result by its value{holes}; lines are means of the dots."
    )
    ranked = {corpus: results.ranked(corpus) for corpus in corpora}
    return figures.picture(partial(_strips, ranked, axis, order, results.ranking), f"axis_{axis + 1}", caption)


def _strips(ranked: Mapping[str, Sequence[Result]], axis: int, order: Sequence[str], metric: str) -> "Figure":
    corpora = list(ranked)
    values_of = {c: [v for v in order if any(r.values[axis] == v for r in ranked[c])] for c in corpora}
    most = max(map(len, values_of.values()))
    columns = min(_PANELS, len(corpora)) if most <= _FEW else 1
    lines = -(-len(corpora) // columns)
    slanted = max(map(len, order)) * most * columns > _LETTERS
    figure = figures.sheet(0.4 + lines * (2.8 if slanted else 2.3))
    panels = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes, corpus in zip(panels, corpora, strict=False):
        values = values_of[corpus]
        for place, value in enumerate(values):
            points = [r for r in ranked[corpus] if r.values[axis] == value]
            percent = 100 * np.array([r.point[metric] for r in points])
            look = {"color": figures.colour(order.index(value)), "mfc": "none", "ms": 4.5, "alpha": 0.85}
            shape = figures.marker(order.index(value))
            (dots,) = axes.plot(place + _beside(len(points)), percent, shape, **look)
            marks.put(dots, [marks.Mark(_said(r, metric), r.cell(metric).runs) for r in points])
            axes.plot([place - 0.34, place + 0.34], [percent.mean()] * 2, color=INK, lw=1.6)
        turned = {"rotation": 35, "ha": "right"} if slanted else {}
        axes.set_xticks(range(len(values)), values, fontsize=8, **turned)
        axes.set_xlim(-0.6, max(len(values), 1) - 0.4)
        axes.set_title(corpus, loc="left", fontsize=10)
        axes.set_ylabel(f"{metric_name(metric)} in %")
        figures.light(axes, "y")
    for axes in panels[len(corpora) :]:
        axes.set_visible(False)
    return figure


def _said(result: Result, metric: str) -> str:
    """What a dot says: corpus, setting, value, n."""
    cell = result.cell(metric)
    tested = f", n = {cell.n}" if cell.n else ""
    return f"{result.corpus} · {' · '.join(result.values)}\n{metric_name(metric)} {in_words(cell)}{tested}"


def _beside(count: int) -> NDArray[np.float64]:
    """Places of dots beside each other: as even as the golden ratio makes them, and the same every time."""
    return np.asarray(0.5 * ((np.arange(count) * 0.6180339887 + 0.5) % 1 - 0.5), np.float64)

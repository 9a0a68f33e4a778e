"""The figures of Khan et al.: accuracy over the epochs, accuracy of each class, and the candidates of the search."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ser.metrics.confusion import INK
from ser.report import figures, marks
from ser.report.cell_text import in_words
from ser.report.content import Cell, Picture

if TYPE_CHECKING:  # Matplotlib takes half a second to import
    from matplotlib.figure import Figure

_PRINTED = "the paper's"


def accuracy_curves(panels: Mapping[str, Mapping[str, Sequence[float]]], name: str, caption: str) -> Picture:
    """Shares, 0 … 1, per epoch: title of the panel → side (train, test) → values."""
    return figures.picture(partial(_accuracy_curves, panels), name, caption)


def _accuracy_curves(panels: Mapping[str, Mapping[str, Sequence[float]]]) -> "Figure":
    columns = min(2, len(panels))
    lines = -(-len(panels) // columns)
    figure = figures.sheet(0.5 + 2.6 * lines)
    every = figure.subplots(lines, columns, squeeze=False, sharey=True)
    for axes, (title, curves) in zip(every.ravel(), panels.items(), strict=False):
        for place, (side, values) in enumerate(curves.items()):
            percent = 100 * np.asarray(values)
            look = {"color": figures.colour(place), "ls": figures.line(place), "lw": 1.1}
            (line,) = axes.plot(np.arange(1, len(values) + 1), percent, label=side, **look)
            marks.put(line, [marks.Mark(f"{title}, {side}: {percent[-1]:.1f} % after {len(values)} epochs")], [side])
        axes.set_title(title, loc="left", fontsize=10)
        axes.set_xlabel("epoch")
        axes.set_ylabel("accuracy in %")
        figures.whole_numbers(axes, 1)
        axes.legend(frameon=False, fontsize=9)
        figures.light(axes, "y")
    for axes in every.ravel()[len(panels) :]:
        axes.set_visible(False)
    return figure


def class_chart(
    bars: Mapping[str, Sequence[Cell]],
    printed: Mapping[str, Sequence[float | None]],
    classes: Sequence[str],
    name: str,
    caption: str,
) -> Picture:
    """Recalls by class, a bar for each network, and what the paper prints (percent) as a diamond."""
    return figures.picture(partial(_class_chart, bars, printed, classes), name, caption)


def _class_chart(
    bars: Mapping[str, Sequence[Cell]], printed: Mapping[str, Sequence[float | None]], classes: Sequence[str]
) -> "Figure":
    figure = figures.sheet(3.4)
    axes = figure.subplots()
    width = 0.8 / max(len(bars), 1)
    for place, (title, cells) in enumerate(bars.items()):
        where = np.arange(len(classes)) + width * (place + 0.5) - 0.4
        values, low, high = (100 * np.array([getattr(c, k) for c in cells]) for k in ("value", "low", "high"))
        patches = axes.bar(where, np.nan_to_num(values), 0.92 * width, label=title, lw=0.3, alpha=0.75)
        for patch in patches:
            patch.set(facecolor=figures.colour(place), edgecolor=INK, hatch=figures.hatch(place))
        for patch, of_class, cell in zip(patches, classes, cells, strict=True):
            marks.put(patch, [marks.Mark(f"{title}, {of_class}: {in_words(cell)} found", cell.runs)], [title])
        marks.put(axes.vlines(where, low, high, color=INK, lw=1), (), [title])
        published_values = np.array([np.nan if v is None else v for v in printed.get(title, ())], np.float64)
        if published_values.size:
            axes.plot(where, published_values, "D", color=INK, mfc="none", ms=6, label=f"{title}: {_PRINTED}")
    axes.set_xticks(range(len(classes)), list(classes), fontsize=9)
    axes.set_ylabel("found in %")
    axes.set_ylim(0, 105)
    figure.legend(loc="outside upper center", ncols=3, frameon=False, fontsize=9)
    figures.light(axes, "y")
    return figure


def search_dots(panels: Mapping[str, Sequence[tuple[str, Sequence[float]]]], name: str, missing: int) -> Picture:
    """Validation accuracies, 0 … 1, of candidates: title of the panel → (candidate, value in each fold), best first.

    ``missing``: candidates that are not drawn, because they lack a fold.
    """
    caption = "The search: validation accuracy of every candidate in each fold (circles) and their mean (line)"
    caption += f"; without {missing} that lack folds." if missing else "."
    return figures.picture(partial(_search_dots, panels), name, caption)


def _search_dots(panels: Mapping[str, Sequence[tuple[str, Sequence[float]]]]) -> "Figure":
    figure = figures.sheet(0.4 + 2.5 * len(panels))
    for axes, (title, scores) in zip(figure.subplots(len(panels), 1, squeeze=False)[:, 0], panels.items(), strict=True):
        for place, (number, folds) in enumerate(scores):
            percent = 100 * np.asarray(folds)
            (dots,) = axes.plot(np.full(len(percent), place), percent, "o", color=figures.colour(0), mfc="none", ms=4)
            texts = [f"candidate {number}, fold {fold}: {value:.1f} %" for fold, value in enumerate(percent, start=1)]
            marks.put(dots, [marks.Mark(words) for words in texts])
            axes.plot([place - 0.3, place + 0.3], [percent.mean()] * 2, color=figures.colour(1), lw=1.6)
        axes.set_xticks(range(len(scores)), [number for number, _ in scores], fontsize=8)
        axes.set_xlabel("candidate, by its mean")
        axes.set_ylabel("validation accuracy in %")
        axes.set_title(title, loc="left", fontsize=10)
        figures.light(axes, "y")
    return figure

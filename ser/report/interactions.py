"""Whether what a setting does is the same on every corpus: its effects by corpus, with intervals, and as a heat map.

An effect is the mean difference of two values over the cases of a corpus that have both, all else equal. If a setting
and the corpus do not interact, the differences in a line of the table are the same but for chance.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ser.metrics.confusion import INK
from ser.report import figures
from ser.report.comparisons import axis_effects
from ser.report.content import Picture, Row, Table
from ser.report.statistics import Floats

if TYPE_CHECKING:  # Matplotlib takes half a second to import
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_VALUES = 8  # of an axis: 28 pairs
MOST_AXES = 8  # that are drawn
_COLOURS = "PuOr_r"  # told apart by colour-blind readers, and white where there is no difference


@dataclass(frozen=True, eq=False)
class OnCorpus:
    """The cases of an axis on one corpus; nan is a hole, -inf a value that a case does not have."""

    corpus: str
    point: Floats  # [cases, values]
    draws: Floats  # [replicates, cases, values], paired


@dataclass(frozen=True, eq=False)
class ByCorpus:
    """An axis on every corpus that has cases of it."""

    axis: str  # what people call it
    values: tuple[str, ...]
    corpora: tuple[OnCorpus, ...]

    def effects(self) -> Floats:
        """Returns how far each value is above the mean of all, over the cases with all values [corpora, values]."""
        rows = []
        for one in self.corpora:
            complete = one.point[np.isfinite(one.point).all(axis=1)]
            means = complete.mean(axis=0) if len(complete) else np.full(len(self.values), np.nan)
            rows.append(means - means.mean())
        return np.array(rows).reshape(len(self.corpora), len(self.values))


def comparable(axes: Iterable[ByCorpus]) -> list[ByCorpus]:
    """Returns those of two corpora and more, and of some values: of others there is nothing to compare."""
    return [one for one in axes if len(one.corpora) > 1 and 1 < len(one.values) <= MOST_VALUES]


def interaction_table(axes: Sequence[ByCorpus], metric: str, clusters: int) -> Table:
    """Returns the difference of every two values of every axis, a column for each corpus.

    ``clusters``: the speakers (or utterances) behind the draws, of several corpora the fewest; 0 = many.
    """
    corpora = tuple(dict.fromkeys(one.corpus for axis in axes for one in axis.corpora))
    rows = []
    for axis in axes:
        on = {
            one.corpus: axis_effects(axis.values, one.point, one.draws, clusters) if len(one.point) else ()
            for one in axis.corpora
        }
        pairs = next(iter(on.values()))
        for place, pair in enumerate(pairs):
            effects = [on[corpus][place] if corpus in on else None for corpus in corpora]
            if any(effect and effect.of for effect in effects):
                cells = tuple(effect.difference if effect and effect.of else None for effect in effects)
                n, of = (sum(getattr(e, name) for e in effects if e) for name in ("cases", "of"))
                rows.append(Row(axis.axis, f"{pair.second} − {pair.first}", cells, n, of))
    return Table(
        "interactions",
        "Is a difference the same on every corpus?",
        f"Mean difference in {metric}, in points, over the cases of each corpus that have both values, all else equal, "
        "with a paired interval. Where a line's intervals exclude each other, the setting does something else on one "
        "corpus than on another: the mean over corpora then tells little. Each interval holds for itself.",
        corpora,
        tuple(rows),
        "cases",
        grouped="Setting",
        brief=True,
        typeset=len(rows) <= 30 and len(corpora) <= 6,
    )


def interaction_maps(axes: Sequence[ByCorpus], metric: str) -> Picture | None:
    """Draws corpus by value, a panel for each axis: how far a value is above the mean of all, in points."""
    maps = [(axis, effects) for axis in axes[:MOST_AXES] if np.isfinite(effects := 100 * axis.effects()).any()]
    if not maps:
        return None
    caption = (
        f"Corpus by value of each setting: how far the mean {metric} of a value lies above that of all values on the "
        "corpus, in points, over the cases that have all of them. Rows that are alike say that the setting does the "
        "same on every corpus."
    )
    return figures.picture(partial(_maps, maps), "interactions", caption)


def _maps(maps: Sequence[tuple[ByCorpus, Floats]]) -> "Figure":
    columns = 2 if len(maps) > 1 and max(len(axis.values) for axis, _ in maps) <= 4 else 1
    lines = -(-len(maps) // columns)
    tallest = max(len(axis.corpora) for axis, _ in maps)
    figure = figures.sheet(0.4 + lines * (0.75 + 0.38 * tallest))
    panels = figure.subplots(lines, columns, squeeze=False).ravel()
    greatest = max(float(np.nanmax(np.abs(effects))) for _, effects in maps)
    for panel, (axis, effects) in zip(panels, maps, strict=False):
        _map(panel, axis, effects, max(greatest, 0.1))
    for panel in panels[len(maps) :]:
        panel.set_visible(False)
    return figure


def _map(panel: "Axes", axis: ByCorpus, effects: Floats, greatest: float) -> None:
    from matplotlib.colors import TwoSlopeNorm

    rows, columns = effects.shape
    edges = np.arange(columns + 1) - 0.5, np.arange(rows + 1) - 0.5
    norm = TwoSlopeNorm(0, -greatest, greatest)
    panel.pcolormesh(*edges, np.ma.masked_invalid(effects), cmap=_COLOURS, norm=norm)
    panel.invert_yaxis()
    for (row, column), value in np.ndenumerate(effects):
        if np.isfinite(value):
            is_dark = value > 0.75 * greatest or value < -0.5 * greatest
            ink = "white" if is_dark else "#111111"
            panel.text(column, row, signed(float(value)), ha="center", va="center", fontsize=9, color=ink)
    panel.set_xticks(range(columns), axis.values, fontsize=9)
    panel.set_yticks(range(rows), [one.corpus for one in axis.corpora], fontsize=9)
    panel.set_title(axis.axis, loc="left", fontsize=10, color=INK)
    panel.tick_params(length=0)
    for spine in panel.spines.values():
        spine.set_visible(False)


def signed(points: float) -> str:
    """A difference for people.

    >>> [signed(2.14), signed(-0.31), signed(0.04), signed(-0.01)]
    ['+2.1', '−0.3', '0.0', '0.0']
    """
    rounded = round(points, 1)
    return "0.0" if not rounded else f"{rounded:+.1f}".replace("-", "−")

"""The figures of further numbers of the best results: reliability diagrams, and every speaker's accuracy."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ser.metrics.calibration import BINS, reliability
from ser.metrics.confusion import INK
from ser.report import figures
from ser.report.content import Picture
from ser.report.further_scores import SEXES, Best, Scores
from ser.report.further_tables import short

if TYPE_CHECKING:  # Matplotlib takes half a second to import
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PANELS = 3  # side by side
_NAMED = 40  # speakers of a panel whose names fit


def reliability_diagrams(results: Sequence[Best]) -> Picture:
    """Draws accuracy over confidence of each result, and below it how many utterances have which confidence.

    All utterances of all seeds count alike; ``results`` have probabilities.
    """
    caption = (
        "Reliability of the best result on each corpus: of utterances with about the same confidence, the share that "
        "is right. On the dotted line confidence can be taken at its word; below it is too high. Bars: utterances of "
        "each confidence; a dot of few means little."
    )
    if any(len(best.tests) > 1 for best in results):
        caption += " All seeds together; the table's ECE is the mean of the seeds' own, which is rather greater."
    return figures.picture(partial(_diagrams, results), "reliability", caption)


def _diagrams(results: Sequence[Best]) -> "Figure":
    columns = min(_PANELS, max(2, len(results)))
    lines = -(-len(results) // columns)
    figure = figures.sheet(0.5 + (9 / columns) * lines)
    ratios = [3, 1] * lines
    panels = figure.subplots(2 * lines, columns, squeeze=False, height_ratios=ratios)
    for place in range(lines * columns):
        line, column = divmod(place, columns)
        above, below = panels[2 * line][column], panels[2 * line + 1][column]
        if place < len(results):
            _reliability(above, below, results[place])
        else:
            above.set_visible(False)
            below.set_visible(False)
    return figure


def _reliability(above: "Axes", below: "Axes", best: Best) -> None:
    truth = np.concatenate([test.truth for test in best.tests])
    chances = np.concatenate([test.probabilities for test in best.tests if test.probabilities is not None])
    found = reliability(truth, chances)
    used = found.counts > 0
    above.plot([0, 100], [0, 100], ":", color=INK, lw=1)
    x, y = 100 * found.confidence[used], 100 * found.accuracy[used]
    above.vlines(x, np.minimum(x, y), np.maximum(x, y), color=figures.OKABE_ITO[1], lw=2.2, alpha=0.6)
    size = 20 + 130 * found.counts[used] / found.counts.max()
    above.scatter(x, y, s=size, color=figures.OKABE_ITO[0], alpha=0.85, zorder=3, linewidths=0, clip_on=False)
    above.set_ylabel("right, %")
    above.set_title(
        f"{_wrapped(f'{best.corpus}: {best.title}')}\nECE {found.ece:.3f}, n = {_times(best)}", loc="left", fontsize=9
    )
    above.set_xlim(0, 100)
    above.set_ylim(0, 100)
    above.set_xticks(range(0, 101, 20), [""] * 6)
    figures.light(above, "both")
    width = 100 / BINS
    below.bar(100 * found.edges[:-1] + width / 2, found.counts, 0.86 * width, color=figures.OKABE_ITO[5])
    below.set_xlim(0, 100)
    below.set_xticks(range(0, 101, 20))
    below.set_xlabel("confidence, %")
    below.set_ylabel("n")
    figures.light(below, "y")


def _times(best: Best) -> str:
    """``338``, or ``338 × 3 seeds``: utterances do not become more by being tested with several seeds."""
    sizes = {len(test.truth) for test in best.tests}
    seeds = f" × {len(best.tests)} seeds" if len(best.tests) > 1 else ""
    return f"{sizes.pop()}{seeds}" if len(sizes) == 1 else f"{sum(len(t.truth) for t in best.tests)} of all seeds"


def _wrapped(title: str, width: int = 34) -> str:
    """The title of a setting in lines of about so many letters."""
    lines = [""]
    for part in title.split(" · "):
        if lines[-1] and len(lines[-1]) + len(part) > width:
            lines.append(part)
        else:
            lines[-1] = f"{lines[-1]} · {part}" if lines[-1] else part
    return "\n".join(lines)


def speakers(scores: Sequence[Scores]) -> Picture:
    """Draws the UA of every speaker of each result, the worst first, sexes in colour and shape."""
    caption = (
        "UA of every speaker of the best result on each corpus, the worst first; below the name the number of "
        "utterances. Dotted: the UA over all utterances."
    )
    return figures.picture(partial(_speakers, scores), "speakers", caption)


def _speakers(scores: Sequence[Scores]) -> "Figure":
    most = max(len(each.by_speaker) for each in scores)
    columns = 1 if most > 14 else min(_PANELS, len(scores))
    lines = -(-len(scores) // columns)
    figure = figures.sheet(0.5 + 2.7 * lines)
    panels = figure.subplots(lines, columns, squeeze=False).ravel()
    looks = {"F": (1, "o"), "M": (0, "s"), "": (2, "D")}
    seen: dict[str, None] = {}
    for axes, each in zip(panels, scores, strict=False):
        for place, who in enumerate(each.by_speaker):
            sex = who.sex if who.sex in SEXES else ""
            seen[sex] = None
            shade, marker = figures.colour(looks[sex][0]), looks[sex][1]
            axes.plot(place, 100 * who.ua, marker, color=shade, ms=7)
        names = [f"{short(who.speaker)}\n{who.utterances}" for who in each.by_speaker]
        if len(names) <= _NAMED:
            axes.set_xticks(range(len(names)), names, fontsize=8)
        else:
            axes.set_xticks([])
        mean = 100 * each.cells["ua"].value
        axes.axhline(mean, color=INK, lw=1, ls=":")
        axes.set_xlim(-0.7, len(names) - 0.3)
        axes.set_ylim(0, 104)
        axes.set_title(_wrapped(f"{each.best.corpus}: {each.best.title}"), loc="left", fontsize=9)
        axes.set_ylabel("UA, %")
        figures.light(axes, "y")
    for axes in panels[len(scores) :]:
        axes.set_visible(False)
    words = {**SEXES, "": "unknown"}
    handles = [
        figures.key(ls="", marker=looks[sex][1], color=figures.colour(looks[sex][0]), label=words[sex])
        for sex in looks
        if sex in seen
    ]
    panels[0].legend(handles=handles, frameon=False, fontsize=8, loc="lower right")
    return figure

"""The figures of Pinto et al.: the survey's accuracies beside ours, and all systems under both protocols."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ser.metrics.confusion import INK
from ser.report import figures, marks
from ser.report.cell_text import in_words
from ser.report.content import Cell, Picture
from ser.report.survey.published import Claim
from ser.report.survey.results import PROTOCOLS, Bench, Result

if TYPE_CHECKING:  # Matplotlib takes half a second to import
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PROTOCOL_NAMES = {"sd": "speaker dependent", "si": "speaker independent", "?": "protocol unknown"}
_COLOURS = {"sd": figures.colour(0), "si": figures.colour(1), "?": "#888888"}
_HATCHES = {"sd": "", "si": "///", "?": "..."}
_EDGES = {"sd": "-", "si": "--", "?": ":"}
_GAP = 0.7  # between systems, in bars


def printed_and_ours(bench: Bench, corpus: str, claims: Sequence[Claim], name: str, title: str) -> Picture:
    """Accuracies that the survey prints for a corpus, if they may be shown, and ours of the same systems."""
    beside = bench.expected.printed_for(corpus)
    survey = " as the survey prints them (outlined) and" if beside else ""
    caption = f"{title}: accuracies{survey} as found here (filled, WA); lines are 95 % intervals."
    return replace(figures.picture(partial(_bars, bench, corpus, claims), name, caption), quotes=beside)


def _bars(bench: Bench, corpus: str, claims: Sequence[Claim]) -> "Figure":
    from matplotlib.patches import Patch

    beside = bench.expected.printed_for(corpus)
    systems = [s for s in dict.fromkeys(claim.system for claim in claims) if beside or s in bench.systems]
    figure = figures.sheet(1)
    axes = figure.subplots()
    place, ticks, present = 0.0, [], set()
    for system in systems:
        start = place
        for claim in (c for c in claims if c.system == system and beside):
            _bar(axes, place, Cell(claim.percent / 100), claim.protocol, solid=False)
            present.add(claim.protocol)
            place += 1
        for protocol in (p for p in PROTOCOLS if bench.can(corpus, p, system)):
            result = bench.results.get((corpus, protocol, system))
            _bar(axes, place, result.cell("wa") if result else Cell(np.nan), protocol, solid=True)
            place += 1
        ticks.append((start + place - 1) / 2)
        place += _GAP
    axes.set_yticks(ticks, [_label(system, claims, beside) for system in systems], fontsize=9)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(place - _GAP - 0.2, -0.8)
    axes.set_xlim(0, 108)
    axes.set_xlabel("accuracy in %")
    figures.light(axes, "x")
    handles = [
        Patch(fc=_COLOURS[p], ec=INK, lw=0.3, hatch=_HATCHES[p], alpha=0.8, label=f"here, {_PROTOCOL_NAMES[p]}")
        for p in PROTOCOLS
    ]
    handles += [
        Patch(fc="none", ec=_COLOURS[p], lw=1.4, ls=_EDGES[p], label=f"survey, {label}")
        for p, label in _PROTOCOL_NAMES.items()
        if p in present
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=3, frameon=False, fontsize=9)
    figure.set_size_inches(9, 1.2 + 0.21 * place)
    return figure


def _label(system: str, claims: Sequence[Claim], beside: bool) -> str:
    authors = next(claim.authors for claim in claims if claim.system == system)
    return f"{authors}\n{system}" if beside else system


def _bar(axes: "Axes", place: float, cell: Cell, protocol: str, solid: bool) -> None:
    """One bar with its number behind it; nothing but a sign for a hole."""
    if np.isnan(cell.value):
        axes.text(0.6, place, "–", va="center", fontsize=8, color=INK)
        return
    value, low, high = (100 * v for v in (cell.value, cell.low, cell.high))
    shade = _COLOURS[protocol]
    if solid:
        (bar,) = axes.barh(place, value, height=0.8, fc=shade, ec=INK, lw=0.3, hatch=_HATCHES[protocol], alpha=0.8)
        mark = marks.Mark(f"{cell.words}\nWA {in_words(cell)}, n = {cell.n}", cell.runs)
        marks.put(bar, [mark], [f"here, {_PROTOCOL_NAMES[protocol]}"])
        axes.hlines(place, low, high, color=INK, lw=1.2)
    else:
        (bar,) = axes.barh(place, value, height=0.74, fc="none", ec=shade, lw=1.4, ls=_EDGES[protocol])
        marks.put(bar, [marks.Mark(f"the survey prints {value:.4g} %")], [f"survey, {_PROTOCOL_NAMES[protocol]}"])
    end = value if np.isnan(high) else max(value, high)
    axes.text(end + 0.6, place, f"{value:.4g}" if not solid else f"{value:.1f}", va="center", fontsize=8, color=INK)


def both_protocols(bench: Bench, corpus: str) -> Picture | None:
    """UA of every system that has one, SI and SD, the best SI on top; None without any."""
    by_system = {
        system: {p: r for p in PROTOCOLS if (r := bench.results.get((corpus, p, system)))} for system in bench.systems
    }
    by_system = {system: by_protocol for system, by_protocol in by_system.items() if by_protocol}
    if not by_system:
        return None
    caption = f"{corpus}: UA of every system with results, the best for new speakers first; lines are 95 % intervals."
    return figures.picture(partial(_both_protocols, by_system), f"systems_{corpus}", caption)


def _both_protocols(by_system: Mapping[str, Mapping[str, Result]]) -> "Figure":
    order = sorted(
        by_system, key=lambda s: [-by_system[s][p].value("ua") if p in by_system[s] else 1 for p in ("si", "sd")]
    )
    figure = figures.sheet(1.3 + 0.22 * len(order))
    axes = figure.subplots()
    for place, system in enumerate(order):
        for number, protocol in enumerate(PROTOCOLS):
            if result := by_system[system].get(protocol):
                cell, where = result.cell("ua"), place + (0.16 if number else -0.16)
                value, low, high = (100 * v for v in (cell.value, cell.low, cell.high))
                shade, fill = _COLOURS[protocol], _COLOURS[protocol] if result.complete else "none"
                line = axes.hlines(where, low, high, color=shade, lw=1, alpha=0.6)
                marks.put(line, (), [_PROTOCOL_NAMES[protocol]])
                (dot,) = axes.plot(value, where, figures.marker(number), color=shade, mfc=fill, ms=5)
                mark = marks.Mark(f"{cell.words}\nUA {in_words(cell)}, n = {cell.n}", cell.runs)
                marks.put(dot, [mark], [_PROTOCOL_NAMES[protocol]])
    chance = {100 / len(result.classes) for by_protocol in by_system.values() for result in by_protocol.values()}
    for share in chance:
        axes.axvline(share, color=INK, lw=0.8, ls=":")
    axes.set_yticks(range(len(order)), order, fontsize=8)
    axes.set_ylim(len(order) - 0.4, -0.6)
    axes.set_xlabel("UA in %")
    figures.light(axes, "both")
    handles = [
        figures.key(ls="", marker=figures.marker(i), color=_COLOURS[p], label=_PROTOCOL_NAMES[p])
        for i, p in enumerate(PROTOCOLS)
    ]
    handles += [figures.key(ls="", marker="o", color=INK, mfc="none", label="folds are missing")]
    handles += [figures.key(ls=":", lw=0.8, color=INK, label="chance")]
    figure.legend(handles=handles, loc="outside upper center", ncols=4, frameon=False, fontsize=9)
    return figure

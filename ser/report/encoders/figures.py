"""The figures of the study of encoders: accuracy over layers, encoders by corpora, and the weights of layers."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ser.metrics.confusion import INK
from ser.report import figures
from ser.report.content import HOLE, Picture
from ser.report.encoders.results import Bench, Case, Setting
from ser.report.encoders.weights import LayerWeights
from ser.report.measured import Result
from ser.report.statistics import Floats

if TYPE_CHECKING:  # Matplotlib takes half a second to import
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Profile = dict[int, Result | None]  # layer → its result
_STYLES = ("-", "--", ":")
_WAYS = {"train": "normalised by the training set", "corpus": "normalised by corpus",
         "speaker": "normalised by speaker", "none": "not normalised"}  # fmt: skip
_FAINTEST, _DARKEST = 0.06, 0.94  # of the colours of a heat map
_BANDS = 6  # lines of a panel whose bands a reader can see apart


def layer_profiles(bench: Bench) -> Picture | None:
    """Draws UA over the layers of every encoder, a panel for each corpus; None where no encoder has two layers."""
    head = _head_of_most_layers(bench)
    lines = {
        (case, encoder): profile
        for case in bench.cases
        for encoder in bench.encoders
        if len(profile := _profile(bench, case, encoder, head)) > 1
    }
    if not lines:
        return None
    corpora = list(dict.fromkeys(case.corpus for case, _ in lines))
    encoders = [name for name in bench.encoders if any(name == encoder for _, encoder in lines)]
    ways = list(dict.fromkeys(case.normalise for case, _ in lines))
    has_bands = max(sum(case.corpus == corpus for case, _ in lines) for corpus in corpora) <= _BANDS
    single = f", {_WAYS.get(ways[0], ways[0])}" if len(ways) == 1 else ""
    caption = (
        f"UA over the layers of every encoder with the head {head}{single}. A ring marks the best layer of those that "
        f"are there; {'bands are 95 % intervals' if has_bands else 'the line through it is its 95 % interval'}. A gap: "
        "a layer that is missing."
    )
    return figures.picture(partial(_layer_profiles, lines, corpora, encoders, ways, has_bands), "layers", caption)


def _layer_profiles(
    lines: "Mapping[tuple[Case, str], Profile]",
    corpora: Sequence[str],
    encoders: Sequence[str],
    ways: Sequence[str],
    has_bands: bool,
) -> "Figure":
    figure, panels = _panels(len(corpora))
    for axes, corpus in zip(panels, corpora, strict=True):
        for (case, encoder), profile in lines.items():
            if case.corpus == corpus:
                place, style = encoders.index(encoder), _STYLES[ways.index(case.normalise) % len(_STYLES)]
                _draw_profile(axes, profile, place, style, has_bands)
        axes.set_title(corpus, loc="left", fontsize=10)
        axes.set_xlabel("layer (0: input of the first)")
        axes.set_ylabel("UA in %")
        figures.whole_numbers(axes)
        figures.light(axes, "y")
    _legend(figure, encoders, [(ways.index(w), _WAYS.get(w, w)) for w in ways] if len(ways) > 1 else [])
    return figure


def _head_of_most_layers(bench: Bench) -> str:
    """The head that most single layers have; of equal ones that of the best mean UA."""
    by_head: dict[str, list[float]] = {}
    for (_, values), result in bench.results.cells.items():
        setting = bench.settings[values]
        if result and setting.layer is not None and not setting.others:
            by_head.setdefault(setting.head, []).append(result.point["ua"])
    return max(by_head, key=lambda head: (len(by_head[head]), float(np.mean(by_head[head]))), default="")


def _profile(bench: Bench, case: Case, encoder: str, head: str) -> "Profile":
    """The results of all layers that are to be, by index; none where all are missing."""
    every = {
        setting.layer: result
        for setting, result in bench.within(case, encoder).items()
        if setting.layer is not None and setting.head == head and not setting.others
    }
    return dict(sorted(every.items())) if any(every.values()) else {}


def _draw_profile(axes: "Axes", profile: "Profile", place: int, style: str, has_band: bool) -> None:
    layers = np.array(list(profile))
    cells = [result.cell("ua") if result else None for result in profile.values()]
    values, low, high = (
        100 * np.array([getattr(cell, side) if cell else np.nan for cell in cells]) for side in ("value", "low", "high")
    )
    shade = figures.colour(place)
    top = int(np.nanargmax(values))
    if not has_band:
        axes.vlines(layers[top], low[top], high[top], color=shade, lw=1, alpha=0.7)
    elif np.isfinite(low).any():
        axes.fill_between(layers, low, high, color=shade, alpha=0.12, lw=0)
    axes.plot(layers, values, style, color=shade, marker=_marker(place), ms=3.5, lw=1.3)
    axes.plot([layers[top]], [values[top]], "o", ms=10, mfc="none", mec=shade, mew=1.4)


def _marker(place: int) -> str:
    """The shape of an encoder: of equal colours another one."""
    return figures.marker(place + place // len(figures.OKABE_ITO))


def _panels(count: int) -> "tuple[Figure, list[Axes]]":
    """A figure of so many panels, two side by side."""
    columns = min(2, count)
    lines = -(-count // columns)
    figure = figures.sheet(0.7 + 2.9 * lines)
    panels = list(figure.subplots(lines, columns, squeeze=False).ravel())
    for axes in panels[count:]:
        axes.set_visible(False)
    return figure, panels[:count]


def _legend(figure: "Figure", encoders: Sequence[str], ways: Sequence[tuple[int, str]]) -> None:
    handles = [
        figures.key(color=figures.colour(i), marker=_marker(i), ms=4, lw=1.3, label=name)
        for i, name in enumerate(encoders)
    ]
    handles += [figures.key(color=INK, ls=_STYLES[i % len(_STYLES)], lw=1.3, label=words) for i, words in ways]
    figure.legend(handles=handles, loc="outside upper center", ncols=min(4, len(handles)), frameon=False, fontsize=9)


# --- encoders by corpora ---


def heat_map(bench: Bench) -> Picture | None:
    """Draws the best UA of every encoder on every corpus, and of how many settings; None without any.

    Ways of normalising are panels below each other.
    """
    ways = list(dict.fromkeys(case.normalise for case in bench.cases))
    corpora = list(dict.fromkeys(case.corpus for case in bench.cases))
    names = bench.encoders
    best = {
        (e, case): ranked[0][1].point["ua"] for case in bench.cases for e in names if (ranked := bench.ranked(case, e))
    }
    if not best:
        return None
    values = np.array([[[best.get((e, Case(c, way)), np.nan) for c in corpora] for e in names] for way in ways])
    counted = [[[_counted(bench, Case(c, way), e) for c in corpora] for e in names] for way in ways]
    caption = (
        "Best UA in percent of every encoder on every corpus, over its layers and heads; darker is higher. n: settings "
        f"that it is the best of, of those planned; {HOLE}: none is there yet."
    )
    return figures.picture(partial(_heat_map, values, counted, ways, names, corpora), "encoders_by_corpora", caption)


def _heat_map(
    values: Floats,
    counted: Sequence[Sequence[Sequence[str]]],
    ways: Sequence[str],
    names: Sequence[str],
    corpora: Sequence[str],
) -> "Figure":
    """``values`` and ``counted``: [ways, encoders, corpora]."""
    figure = figures.sheet(len(ways) * (0.75 + 0.46 * len(names)), min(9.0, 2.6 + 1.25 * len(corpora)))
    for axes, way, matrix, counts, shades in zip(
        figure.subplots(len(ways), 1, squeeze=False)[:, 0], ways, values, counted, _shades(values), strict=True
    ):
        words = [
            ["" if np.isnan(v) else f"{100 * v:.1f}\n{count}" for v, count in zip(line, counts_of_line, strict=True)]
            for line, counts_of_line in zip(matrix, counts, strict=True)
        ]
        figures.matrix(axes, shades, words, 8)
        for row, column in np.argwhere(np.isnan(matrix)):
            axes.text(column, row, HOLE, ha="center", va="center", fontsize=9, color=INK)
        axes.set_xticks(range(len(corpora)), corpora, fontsize=9)
        axes.set_yticks(range(len(names)), names, fontsize=9)
        if len(ways) > 1:
            axes.set_title(_WAYS.get(way, way), loc="left", fontsize=10)
    return figure


def _counted(bench: Bench, case: Case, encoder: str) -> str:
    """``n = 12 / 13``: settings that are there, of those planned; of all ``n = 13``."""
    every = bench.within(case, encoder)
    finished = sum(result is not None for result in every.values())
    return f"n = {finished}" if finished == len(every) else f"n = {finished} / {len(every)}"


def _shades(values: Floats) -> Floats:
    """Values spread over the colours that differ to the eye; nan stays."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    if high - low < 1e-9:
        return np.where(np.isnan(values), np.nan, 0.5)
    return np.asarray(_FAINTEST + (_DARKEST - _FAINTEST) * (values - low) / (high - low))


# --- weights of layers ---


def weight_profiles(bench: Bench, every: Sequence[LayerWeights]) -> Picture | None:
    """Draws the mean weight of every layer, a panel for each case, a line for each setting; None without any."""
    if not every:
        return None
    caption = "Weights that networks learned to give to the layers: means over seeds and folds, thin lines are runs."
    words = {one.case: bench.words(one.case) for one in every}
    return figures.picture(partial(_weight_profiles, words, every), "layer_weights", caption)


def _weight_profiles(cases: Mapping[Case, str], every: Sequence[LayerWeights]) -> "Figure":
    """``cases``: in words, in their order."""
    names = list(dict.fromkeys(_line(one.setting) for one in every))
    figure, panels = _panels(len(cases))
    for axes, (case, words) in zip(panels, cases.items(), strict=True):
        for one in (one for one in every if one.case == case):
            place, layers = names.index(_line(one.setting)), np.arange(one.weights.shape[1])
            shade = figures.colour(place)
            for weights in one.weights:
                axes.plot(layers, 100 * weights, color=shade, lw=0.6, alpha=0.3)
            axes.plot(layers, 100 * one.means, color=shade, marker=_marker(place), ms=3.5, lw=1.5)
            axes.axhline(100 / len(layers), color=shade, lw=0.8, ls=":")
        axes.set_ylim(bottom=0)
        axes.set_title(words, loc="left", fontsize=10)
        axes.set_xlabel("layer (0: input of the first)")
        axes.set_ylabel("weight in %")
        figures.whole_numbers(axes)
        figures.light(axes, "y")
    _legend(figure, names, [(2, "equal weights")])
    return figure


def _line(setting: Setting) -> str:
    return " · ".join(filter(None, [setting.encoder, setting.head, setting.others]))

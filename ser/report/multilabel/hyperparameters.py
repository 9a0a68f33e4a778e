"""Tables 2 and 3 of Pho et al. 2020, with what a search tried and chose, and Figures 2 and 3 as lists."""

from collections.abc import Mapping, Sequence

from ser.report.content import HOLE, Printed, Row, Table
from ser.report.groups import Group, readable
from ser.report.layers import layers_of
from ser.report.multilabel import published
from ser.report.runs import Expected, Finished, Options

# The paper's row → the path of the setting; the rest follows from several settings.
_TABLE_2 = {
    "Input Dimensions": "",
    "Optimization Algorithm": "training.optimiser",
    "Learning Rate": "training.learning_rate",
    "Beta 1": "",
    "Beta 2": "",
    "Epsilon": "training.epsilon",
    "Loss Measure": "training.loss",
    "Accuracy Metric": "",
    "Hidden Layer Activation Function": "",
    "Output Layer Activation Function": "",
}
_TABLE_3 = {"Epochs": "training.max_epochs", "Batch Size": "training.batch_size"}
_SUBSETS = {"Training Set": "train", "Validation Set": "val", "Testing Set": "test"}


def table_2(groups: Sequence[Group], best_group: Group | None, expected: Expected) -> Table:
    """The network's and the optimiser's settings; those that the search varies come last."""
    stated = [path for path in _TABLE_2.values() if path] + [*_TABLE_3.values()]
    extra = {name: name for name in (groups[0].settings if groups else ()) if name not in stated}
    return _table("table2", "Table 2: settings of the model", {**_TABLE_2, **extra}, {}, groups, best_group, expected)


def table_3(
    groups: Sequence[Group], best_group: Group | None, expected: Expected, subsets: Mapping[str, int] | None
) -> Table:
    """The settings of the training, and how many utterances each subset has (None = unknown)."""
    fixed = {row: HOLE if subsets is None else str(subsets.get(side, 0)) for row, side in _SUBSETS.items()}
    paths = _TABLE_3 | dict.fromkeys(_SUBSETS, "")
    return _table("table3", "Table 3: settings of the training", paths, fixed, groups, best_group, expected)


def _table(
    key: str,
    title: str,
    paths: Mapping[str, str],
    fixed: dict[str, str],
    groups: Sequence[Group],
    best_group: Group | None,
    expected: Expected,
) -> Table:
    rows = []
    for name, path in paths.items():
        first = next((g for g in groups if not g.searched), groups[0] if groups else None)
        of_own, of_best = ((_rest(group) | fixed).get(name) if group else None for group in (first, best_group))
        cells = (_value(first, path, of_own), _value(best_group, path, of_best), _values_tried(groups, path))
        value = published.printed(key, "setting", name, "Value") if expected.printed_overall else None
        paper: tuple[Printed, ...] = () if value is None else (f"{value:g}" if isinstance(value, float) else value,)
        rows.append(Row("", name, cells, paper=paper))
    return Table(
        key,
        title,
        "Study: as the study states it. Best: of the setting with the least validation loss. Tried: what the finished "
        "trials had, where they differ.",
        ("Study", "Best", "Tried"),
        tuple(rows),
        unit="",
        grouped="",
        brief=True,
        named="Setting",
    )


def _value(group: Group | None, path: str, fixed: str | None) -> str:
    if group is None:
        return HOLE
    return fixed if fixed is not None else readable(group.runs[0].params.get(path, HOLE))


def _values_tried(groups: Sequence[Group], path: str) -> str:
    values = list(dict.fromkeys(g.settings[path] for g in groups if g.settings.get(path)))
    if len(values) > 5 and all(_is_number(v) for v in values):
        ordered = sorted(values, key=float)
        return f"{len(values)} from {float(ordered[0]):.3g} to {float(ordered[-1]):.3g}"
    return ", ".join(map(readable, values))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _rest(group: Group) -> dict[str, str]:
    """The rows that no single setting tells."""
    params = group.runs[0].params
    block = params.get("block", "")
    frames, bands = params.get("block.frames"), params.get("front_end.mels")
    sigmoid = params.get("training.loss") == "binary_cross_entropy"
    adam = params.get("training.optimiser") == "adam"
    return {
        "Input Dimensions": f"{frames}w x {bands}h x 1d" if frames and bands else HOLE,
        "Beta 1": "0.9" if adam else HOLE,  # torch's
        "Beta 2": "0.999" if adam else HOLE,
        "Accuracy Metric": "see the metrics",
        "Hidden Layer Activation Function": "ReLU" if block == "cnn2d" else HOLE,
        "Output Layer Activation Function": "Sigmoid" if sigmoid else "Softmax" if params else HOLE,
    }


# Figure 2: step → what is done, and the settings that decide.
_STEPS = {
    "Recordings": ("cut or padded to one length, mono", ("front_end.rate_hz", "front_end.seconds", "front_end.trim_s")),
    "Noise": (
        "reduced by spectral gating, the first seconds taken for noise",
        ("front_end.denoise", "front_end.noise_s", "front_end.denoise_after_padding"),
    ),
    "Spectrogram": ("short-time Fourier transform", ("front_end.window", "front_end.hop", "front_end.fft")),
    "Mel bands": ("energies of mel bands, logarithm", ("front_end.mels", "front_end.low_hz", "front_end.high_hz")),
    "Scaling": ("to -1 … 1", ("front_end.scale",)),
    "Network": ("convolutions and dense layers, see Figure 3", ("block", "block.filters", "block.dense")),
    "Output": ("a probability for each emotion by itself", ("classes", "training.loss")),
}


def figure_2(run: Finished | None) -> Table:
    """Returns Figure 2, the way of the data from a recording to probabilities, with the settings of a run."""
    rows = []
    for step, (words, names) in _STEPS.items():
        values = [
            f"{name.rpartition('.')[2]} {readable(run.params[name])}" for name in names if run and name in run.params
        ]
        rows.append(Row("", step, (words, ", ".join(values) or HOLE)))
    return Table(
        "figure2",
        "Figure 2: from recording to emotions",
        "Steps in order, with the settings of the first trial; a corpus may have some of its own, see the sheet of "
        "deviations and origins.",
        ("What is done", "Settings"),
        tuple(rows),
        unit="",
        grouped="",
        named="Step",
    )


def layers(run: Finished | None, options: Options) -> Table:
    """Returns Figure 3: the layers of the network, as a run logged them; a hole where it did not."""
    logged = layers_of(run, options, head="dense, sigmoid") if run else []
    counts = [layer.parameters + layer.averaged for layer in logged]
    rows = [
        Row("", layer.name, (layer.output, f"{count:,}" if count else ""))
        for layer, count in zip(logged, counts, strict=True)
    ]
    total = f"{sum(counts):,}" if logged else HOLE
    return Table(
        "figure3",
        "Figure 3: the network",
        "Layers in order, what each gives (bands × frames × filters), and its parameters; batch normalisation counts "
        "the two that are averaged, not trained, too.",
        ("Gives", "Parameters"),
        (*rows, Row("", "all", ("", total))),
        unit="",
        grouped="",
        named="Layer",
    )

"""The networks as they were trained: their weights, how long training took, and their layers (Figures 1 to 5).

da Silva et al., sections 4.3 and 5.2.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, groupby, product

import numpy as np
from scipy.special import stdtrit

from ser.report.content import HOLE, Cell, Row, Table
from ser.report.interaffection.results import Configuration, Grid, TrialKey, sign
from ser.report.layers import LoggedLayer, layers_of
from ser.report.runs import Finished, Options

PARAMS = ("front_end", "front_end.*", "normalise", "block.*")
SCORES = ("parameters", "seconds/training", "epochs")
_ATTENTION = "attention pooling"  # as runs call that layer
_AXES = ((1, "block"), (2, "pooling"), (3, "task"))  # of a trial's key


# --- weights and time ---


def cost_table(trainings: Mapping[TrialKey, Finished], grid: Grid) -> Table:
    """Weights and training time of each of the networks, over all that they were trained on."""
    rows = []
    for configuration in grid.configurations:
        expected = [key for key in grid.titles if key[1:4] == configuration and not _is_twin(key, grid)]
        if not expected:  # a set-up whose trainings are all those of another
            continue
        runs = [trainings[key] for key in expected if key in trainings]
        cells = (
            _range([run.scores["parameters"] for run in runs if "parameters" in run.scores]),
            *_quartiles([run.scores["seconds/training"] for run in runs if "seconds/training" in run.scores]),
            *_quartiles(_seconds_per_epoch(runs)),
        )
        rows.append(Row("", grid.network(configuration), cells, len(runs), len(expected)))
    return Table(
        "costs",
        "Weights and training time per network",
        "Over all combinations, seeds and folds. Weights: fewest to most, as the multi set-up has a head for each "
        "corpus. Time: median of the wall clock, quartiles in parentheses, of whole trainings (which early stopping "
        "ends) and of one epoch. Trials that shared a machine slowed each other down.",
        ("Weights", "Seconds", "Quartiles", "Seconds per epoch", "Quartiles per epoch"),
        tuple(rows),
        "trainings",
        digits=2,
        unit="",
        grouped="",
        brief=True,
        typeset=False,
        named="Network",
    )


def cost_ratios(trainings: Mapping[TrialKey, Finished], grid: Grid, claim: str = "") -> Table:
    """What each part of a network costs beside another, all else equal. ``claim``: what the paper says of it."""
    rows = []
    for axis, name in _AXES:
        by_case = _by_case(trainings, axis)
        expected = _by_case({key: None for key in grid.titles if not _is_twin(key, grid)}, axis)
        for first, second in combinations(dict.fromkeys(key[axis] for key in grid.titles), 2):
            pairs = [(case[first], case[second]) for case in by_case.values() if first in case and second in case]
            of = sum(first in case and second in case for case in expected.values())
            if not of:
                continue
            label = " / ".join(sign(str(value)) if name == "pooling" else str(value) for value in (second, first))
            cells = tuple(_ratio(pairs, score) for score in ("parameters", "seconds/training", "per epoch"))
            rows.append(Row(name, label.upper() if name == "block" else label, cells, len(pairs), of))
    return Table(
        "cost_ratios",
        "What the parts of a network cost",
        "Geometric mean of the ratio between two trainings that differ in one axis alone, in brackets the 95 % "
        "interval of Student's t over the pairs' logarithms; 1 is no difference. " + claim,
        ("Weights", "Seconds", "Seconds per epoch"),
        tuple(rows),
        "pairs",
        digits=2,
        unit="",
        grouped="Axis",
        brief=True,
        typeset=False,
        named="Part",
    )


def _is_twin(key: TrialKey, grid: Grid) -> bool:
    """Whether a trial is the training of another set-up: on one corpus all set-ups are one network."""
    return len(key[0]) == 1 and key[3] != grid.task[0]


def _by_case(trainings: Mapping[TrialKey, Finished | None], axis: int) -> dict[object, dict[object, Finished | None]]:
    """Trainings by what they have in common but for one axis, and by its value."""
    cases: dict[object, dict[object, Finished | None]] = {}
    for key, run in trainings.items():
        cases.setdefault(key[:axis] + key[axis + 1 :], {})[key[axis]] = run
    return cases


def _seconds_per_epoch(runs: Iterable[Finished]) -> list[float]:
    scores = [run.scores for run in runs if "seconds/training" in run.scores and run.scores.get("epochs")]
    return [each["seconds/training"] / each["epochs"] for each in scores]


def _ratio(pairs: Sequence[tuple[Finished | None, Finished | None]], score: str) -> Cell:
    logarithms = []
    for pair in pairs:
        if score == "per epoch":
            values = _seconds_per_epoch(run for run in pair if run)
        else:
            values = [run.scores[score] for run in pair if run and score in run.scores]
        if len(values) == 2 and min(values) > 0:
            logarithms.append(np.log(values[1] / values[0]))
    if not logarithms:
        return Cell(np.nan)
    middle, n = float(np.mean(logarithms)), len(logarithms)
    if n < 2:
        return Cell(float(np.exp(middle)))
    half = float(stdtrit(n - 1, 0.975) * np.std(logarithms, ddof=1) / np.sqrt(n))
    return Cell(*(float(np.exp(value)) for value in (middle, middle - half, middle + half)))


def _range(values: Sequence[float]) -> str:
    """``461,444`` or ``461,444 – 463,496``."""
    return " – ".join(dict.fromkeys(f"{value:,.0f}" for value in (min(values), max(values)))) if values else HOLE


def _quartiles(values: Sequence[float]) -> tuple[Cell, str]:
    if not values:
        return Cell(np.nan), HOLE
    low, middle, high = np.percentile(values, (25, 50, 75))
    return Cell(float(middle)), f"({low:.2f} – {high:.2f})"


# --- layers ---


@dataclass(frozen=True)
class Flow:
    """What a figure of the paper shows, as it was run: boxes from left to right."""

    title: str
    boxes: tuple[str, ...]


def flows_of(trainings: Mapping[TrialKey, Finished], grid: Grid, options: Options) -> tuple[Flow, ...]:
    """Returns Figures 1 to 5 of the paper, by the statements and the logged layers of the runs; () without runs."""
    examples: dict[Configuration, Finished] = {}
    for (corpora, *network, _, _), run in trainings.items():  # one of as many heads as there are
        configuration = network[0], network[1], network[2]
        current = examples.get(configuration)
        if current is None or len(corpora) > len(current.params["corpora"].split(",")):
            examples[configuration] = run
    if not examples:
        return ()
    layers = {configuration: layers_of(run, options, "head") for configuration, run in examples.items()}
    front_end = _front_end(next(iter(examples.values())).params)
    flows = [Flow("Figure 1: front-end", front_end)]
    for block in grid.blocks:
        if of_block := [configuration for configuration in examples if configuration[0] == block]:
            number = {"lstm": "Figures 2 and 3", "blstm": "Figures 2 and 3", "tdnn": "Figure 4"}.get(block, "Block")
            boxes = _block(front_end[-1], examples[of_block[0]].params, layers[of_block[0]])
            flows.append(Flow(f"{number}: {block.upper()}", boxes))
    for pooling, task in product(grid.pooling, grid.task):
        alike = {block: layers[block, pooling, task] for block in grid.blocks if (block, pooling, task) in layers}
        if alike:
            flows.append(Flow(f"Figure 5: {sign(pooling)} {task}", _whole(pooling, alike, grid)))
    return tuple(flows)


def _front_end(params: Mapping[str, str]) -> tuple[str, ...]:
    name = params.get("front_end", "")
    settings = {k.removeprefix("front_end."): v for k, v in params.items() if k.startswith("front_end.")}
    normalised = f"normalised: {params.get('normalise', HOLE)}"
    if name != "log_stft":
        return "waveform", "\n".join([name, *(f"{k} {v}" for k, v in settings.items())]), normalised, "frames"
    if not {"rate_hz", "window", "hop"} <= settings.keys():
        return "waveform", name, normalised, "frames"
    return (
        f"waveform\n{settings['rate_hz']} Hz",
        f"|STFT|\nwindow {settings['window']}, hop {settings['hop']}",
        "logarithm",
        normalised,
        f"T × {int(settings['window']) // 2 + 1}",
    )


def _block(frames: str, params: Mapping[str, str], layers: Sequence[LoggedLayer]) -> tuple[str, ...]:
    """The boxes of a temporal block: layers alike and in a row are one."""
    boxes = []
    inside = [layer for layer in layers if not _is_behind(layer)]
    for (kind, output), group in groupby(inside, key=lambda layer: (_kind(layer), layer.output)):
        members = list(group)
        number = f"{len(members)} × " if len(members) > 1 else ""
        context = f", frames {{{params['block.context']}}}" if "block.context" in params and kind == "Conv1d" else ""
        boxes.append(f"{number}{kind} {output}{context}\n{sum(layer.parameters for layer in members):,} weights")
    dropout = [f"dropout {params['block.dropout']}"] if "block.dropout" in params else []
    outputs = [f"T × {layer.parameters}" for layer in layers if layer.name == _ATTENTION]  # a weight for each output
    return (frames, *boxes, *dropout, *outputs)


def _whole(pooling: str, networks: Mapping[str, Sequence[LoggedLayer]], grid: Grid) -> tuple[str, ...]:
    """The boxes of a whole network, its numbers for each block: local attention with pooling, head or heads."""
    attention = [next((layer for layer in layers if layer.name == _ATTENTION), None) for layers in networks.values()]
    heads = [[layer for layer in layers if layer.name.split(" ")[0] == "head"] for layers in networks.values()]
    letters = [grid.letters.get(head.name.removeprefix("head "), "") for head in heads[0]]
    title = f"{len(letters)} heads: {', '.join(letters)}" if any(letters) else "one head"
    statistics = {"mean": "E[X]", "mean_var": "E[X], V[X]"}.get(pooling, pooling)
    return (
        _each(block.upper() for block in networks),
        f"local attention\n{_each(f'{layer.parameters:,}' if layer else HOLE for layer in attention)} weights",
        f"{statistics}\n{_each(layer.output if layer else HOLE for layer in attention)} values",
        f"{title}, {len(grid.classes)} classes\n{_each(_weights(layers) for layers in heads)} weights",
        f"{_each(_weights(layers) for layers in networks.values())}\nweights in all",
    )


def _each(texts: Iterable[str]) -> str:
    return " / ".join(texts)


def _weights(layers: Sequence[LoggedLayer]) -> str:
    return f"{sum(layer.parameters for layer in layers):,}" if layers else HOLE


def _is_behind(layer: LoggedLayer) -> bool:
    return layer.name == _ATTENTION or layer.name.split(" ")[0] == "head"


def _kind(layer: LoggedLayer) -> str:
    """``Conv1d`` of ``layers.0 (Conv1d)``."""
    return layer.name.partition("(")[2].rstrip(")") or layer.name

"""The weights that networks give to the layers of an encoder, as runs logged them: ``layer_weights.json``."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ser.report.content import Cell, Row, Table
from ser.report.encoders.results import Bench, Case, Setting
from ser.report.encoders.tables import MOST_READ, TYPESET
from ser.report.groups import spread
from ser.report.measured import Result
from ser.report.runs import Options
from ser.report.statistics import Floats

FILE = "layer_weights.json"


@dataclass(frozen=True, eq=False)
class LayerWeights:
    """The weights of one setting in a case."""

    case: Case
    setting: Setting
    weights: Floats  # [runs, layers]; of each run they add up to 1
    of: int  # runs of the setting

    @property
    def means(self) -> Floats:
        """Means over runs [layers]."""
        return np.asarray(self.weights.mean(axis=0))


def layer_weights(bench: Bench, options: Options) -> list[LayerWeights]:
    """Returns the weights of all settings that have them: networks on all layers of an encoder."""
    out = []
    for case in bench.cases:
        for setting, result in bench.within(case).items():
            if result and setting.layers == "all" and (each := _of_runs(result, options)):
                out.append(LayerWeights(case, setting, np.array(each), len(result.runs)))
    return out


def _of_runs(result: Result, options: Options) -> list[list[float]]:
    texts = [options.file(run.run_id, FILE) for run in result.runs]
    every = [json.loads(text)["weights"] for text in texts if text]  # layer → its weight
    return [[float(each[str(layer)]) for layer in range(len(each))] for each in every if len(each) == len(every[0])]


def table(bench: Bench, every: Sequence[LayerWeights]) -> Table:
    """Returns the mean weight of every layer, and how much runs differ in it."""
    rows = []
    for one in every:
        for layer, mean in enumerate(one.means.tolist()):
            cells = (one.setting.encoder, one.setting.head, Cell(mean), Cell(spread(one.weights[:, layer].tolist())))
            rows.append(Row(bench.words(one.case), str(layer), cells, len(one.weights), one.of))
    return Table(
        "layer_weights",
        "Weights of layers",
        "What networks on all layers of an encoder learned to give to each: means over seeds and folds, ± their sample "
        "standard deviation; those of a network add up to 100 %. Equal weights are where training begins. A layer of "
        "large values needs less weight, so that weights are no measure of what a layer knows.",
        ("Encoder", "Head", "Weight", "±"),
        tuple(rows),
        "runs",
        grouped="Corpus",
        brief=len(rows) <= MOST_READ,
        typeset=len(rows) <= TYPESET,
        bars=True,
        keys=2,
        named="Layer",
    )

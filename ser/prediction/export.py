"""A run's model as one file that needs none of this code: weights with a description (safetensors), or ONNX.

A ``.safetensors`` file has a header of JSON: the tensors' places, and ``__metadata__``, texts by name. Those are the
statement of the trial, classes, front-end with its settings, and what to compute of the tensors.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ser.errors import BadInput
from ser.files import replacing
from ser.host.version import code_version
from ser.models._plain import Plain
from ser.prediction import onnx
from ser.prediction.predictor import Predictor
from ser.prediction.steps import branches
from ser.prediction.systems import FittedSystem, NetworkSystem
from ser.registry import version
from ser.study import settings_of
from ser.training.network import layers

FORMAT = "ser 1"
SUFFIXES = (".safetensors", ".onnx")
_NETWORK = (
    "PyTorch names: frames [frames, width] minus mean, times scale; layer_sum (softmax of its logits weighs the layers "
    "that lie in a vector); block; pooling, where there is one: softmax over frames of frames @ pooling.u weighs their "
    "mean, or mean and variance; heads: weight @ x + bias, the logits of classes, then ratings of dimensions, -1 to 1"
)
_ANSWERS = {"softmax": "softmax of the scores", "sigmoid": "sigmoid of each score", "none": "the largest score"}


def export(predictor: Predictor, path: Path) -> list[str]:
    """Writes the model to ``path``, a ``.safetensors`` or ``.onnx`` file; returns lines of what was written.

    Raises BadInput for another suffix, for a model that cannot be written so, and where the file cannot be written.
    """
    check_suffix(path)
    if path.suffix == ".onnx":
        content, lines = onnx.converted(predictor, metadata(predictor))
    else:
        from safetensors.torch import save

        weights = tensors(predictor)
        content, count = save(weights, metadata(predictor)), sum(t.numel() for t in weights.values())
        lines = [f"{len(weights)} arrays, {count:,} numbers; the header says what they are"]
    try:
        with replacing(path) as file:
            file.write(content)
    except OSError as error:
        raise BadInput(error.strerror or str(error), str(path), "a file that can be written", "name another") from None
    return [f"{path}: {predictor.trial.title}, {len(content) / 1e6:.2f} MB", *lines]


def check_suffix(path: Path) -> None:
    """Raises BadInput unless ``path`` says the format."""
    if path.suffix not in SUFFIXES:
        raise BadInput(path.name, "FILE", f"a name that ends in {' or '.join(SUFFIXES)}", "name it so")


def tensors(predictor: Predictor) -> dict[str, Tensor]:
    """Returns all arrays of a model by name: a network's weights, those of a frozen encoder too, or a fitted model's.

    Raises BadInput for a fitted model that is not plain arrays.
    """
    system = predictor.system
    if isinstance(system, NetworkSystem):
        whole = dict(system.network.named_parameters()) | dict(system.network.named_buffers())
        return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in whole.items()}
    assert isinstance(system, FittedSystem)
    arrays = {
        key: step.arrays[name]
        for branch, each in branches(system.fitted, predictor).items()
        for number, step in enumerate(each)
        for name, key in _keys(branch, number, step).items()
    }
    return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}


def metadata(predictor: Predictor) -> dict[str, str]:
    """Returns what a person, or another program, needs to know of a model's file: texts, most of them JSON."""
    trial, system = predictor.trial, predictor.system
    answer = "softmax" if predictor.unit == "probability" else "none"
    model: dict[str, Any] = {"block": asdict(trial.block), "pooling": trial.pooling}
    if isinstance(system, NetworkSystem):
        model |= {"text": _NETWORK, "layers": [asdict(layer) for layer in layers(system.network)]}
    else:
        assert isinstance(system, FittedSystem)
        columns = [] if system.fitted.model is None else system.fitted.model.classes_
        learned = [trial.classes[i] for i in columns]
        for name, each in branches(system.fitted, predictor).items():
            model[name] = [_described(name, number, step) for number, step in enumerate(each)]
        model["classes_of_scores"] = learned
        if system.fitted.gives_probabilities:
            answer = "none"  # the last step gives them
    answer = "sigmoid" if predictor.several_labels and answer == "softmax" else answer
    texts: dict[str, Any] = {
        "format": FORMAT,
        "version": code_version(),
        "title": trial.title,
        "trial": trial.id,
        "classes": trial.classes,
        "dimensions": trial.dimensions,
        "answer": _ANSWERS[answer],
        "normalise": trial.normalise,
        "front_end": _front_ends(predictor),
        "heads": predictor.heads,
        "model": model,
        "statement": asdict(trial),
    }
    return {name: text if isinstance(text, str) else _json(text) for name, text in texts.items()}


def _described(branch: str, number: int, step: Plain) -> Mapping[str, Any]:
    return {"kind": step.kind, "text": step.text, "arrays": _keys(branch, number, step), "values": step.values}


def _keys(branch: str, number: int, step: Plain) -> dict[str, str]:
    """Names in the file of a step's arrays, by their own."""
    before = "" if branch == "steps" else f"{branch}."
    return {name: f"{before}{number}.{step.kind}.{name}" for name in step.arrays}


def _front_ends(predictor: Predictor) -> Mapping[str, Any]:
    """Name, version and all settings of the front-end of each head, by corpus; one of all corpora is under ""."""
    heads: Sequence[str] = predictor.heads
    parts = {head: predictor.front_end(head) for head in heads}
    return {
        head: {
            "name": part.name,
            "version": version("frontends", part.name),
            "settings": vars(settings_of("frontends", part)),
        }
        for head, part in parts.items()
    }


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=list)

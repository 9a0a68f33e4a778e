"""The layers of a run's network, built anew from its statement: what each gives, and how many weights it has."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ser import registry
from ser.study import part
from ser.study.settings import values_of
from ser.training.network import SHARED_HEAD, Network


@dataclass(frozen=True)
class Layer:
    """One line of a summary: ``C1``, ``78 × 20`` (values × filters), its weights."""

    name: str
    gives: str
    weights: int


class _Unfilled(TorchFunctionMode):
    """Draws no starting weights: 72 million take seconds and memory, and here they are only counted."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__name__", "") in ("normal_", "uniform_", "kaiming_uniform_"):
            return (*args, *(kwargs or {}).values())[0]  # the tensor, as it is
        return func(*args, **(kwargs or {}))


def network(params: Mapping[str, str], classes: int) -> Network | None:
    """The network of a flat statement, with any weights; None if the statement lacks a setting.

    Texts become what the examples of front-end and model have in their place. Public weights are not waited for.
    """
    if "front_end" not in params or "block" not in params:
        return None
    front_end = registry.find("frontends", params["front_end"])
    heard = stated(params, "front_end", vars(front_end.Settings()))
    settings = stated(params, "block", values_of(registry.find("models", params["block"]).example()[1]))
    if heard is None or settings is None:
        return None
    settings |= {"weights": "random"} if "weights" in settings else {}
    with _Unfilled():
        return Network(
            front_end.width(front_end.Settings(**heard)), part(params["block"], **settings), "none", classes, "float32"
        )


def stated(params: Mapping[str, str], prefix: str, example: Mapping[str, Any]) -> dict[str, Any] | None:
    """The settings below ``prefix`` as values of the kinds in ``example``; None if one of them is not there.

    >>> stated({"block.filters": "20,10", "block.pool": "3"}, "block", {"filters": (4, 3), "pool": 2})
    {'filters': (20, 10), 'pool': 3}
    """
    if any(f"{prefix}.{name}" not in params for name in example):
        return None
    return {name: _parsed(params[f"{prefix}.{name}"], like) for name, like in example.items()}


def _parsed(text: str, like: Any) -> Any:
    if isinstance(like, tuple):
        return tuple(_parsed(item, like[0]) for item in text.split(","))
    return text == "True" if isinstance(like, bool) else type(like)(text)


def size(module: nn.Module) -> int:
    """Weights, all of them trained."""
    return sum(weight.numel() for weight in module.parameters())


def summary(params: Mapping[str, str], classes: int) -> list[Layer]:
    """The layers as the paper's Table 3 (block rnn) or 4 (cnn1d) lists them; [] for what it has not."""
    whole = network(params, classes) if params.get("block") in _LAYERS else None
    if whole is None:
        return []
    layers = _LAYERS[params["block"]](whole.block, len(whole.mean))
    head = whole.heads[SHARED_HEAD]
    return [*layers, Layer("Output", str(classes), size(head))]


@torch.no_grad()
def _cnn1d(block: Any, width: int) -> list[Layer]:
    steps = [
        ("C1", block.first, block.first),
        ("S1", nn.MaxPool1d(block.pool), None),
        ("D1", nn.Identity(), None),
        ("C2", block.second, block.second),
        ("S2", nn.MaxPool1d(block.pool), None),
        ("S3", lambda x: x.mean(2), None),
    ]
    x, layers = torch.zeros(1, 1, width), []
    for name, step, own in steps:
        x = step(x)
        layers.append(Layer(name, _shape(x), 0 if own is None else size(own)))
    return layers


def _shape(x: Tensor) -> str:
    """Of one utterance, filters last, as Keras and the paper have it."""
    return " × ".join(map(str, reversed(x.shape[1:])))


def _rnn(block: Any, width: int) -> list[Layer]:
    recurrent = Layer("SimpleRNN", f"{width} × {block.outputs}", size(block))
    return [recurrent, Layer("GlobalAveragePooling1D", str(block.outputs), 0)]


_LAYERS = {"cnn1d": _cnn1d, "rnn": _rnn}

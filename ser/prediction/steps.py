"""What a fitted model makes of the frames of a recording, step by step: plain arrays, and a torch module of these."""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any

import torch
from torch import Tensor, nn

from ser.errors import BadInput
from ser.models._estimators import Estimator
from ser.models._plain import Plain
from ser.prediction.predictor import Predictor
from ser.study import settings_of
from ser.training.fitted import NAME, Fitted
from ser.training.normalise import frames_by

BEFORE = ("group", "frames", "statistics", "speaker")  # steps that make a recording's vector


def branches(fitted: Fitted, predictor: Predictor) -> dict[str, list[Plain]]:
    """Returns the ``steps`` of a fitted model, and, as "ratings", those of its regressor, where it has these."""
    parts = {"steps": fitted.model, "ratings": fitted.regressor}
    return {name: steps(fitted, predictor, part) for name, part in parts.items() if part is not None}


def steps(fitted: Fitted, predictor: Predictor, model: Estimator | None) -> list[Plain]:
    """Returns what a fitted model, or its regressor, does, step by step.

    Raises BadInput where one of them is not plain arrays.
    """
    block, plain = predictor.trial.block, []
    if by := frames_by(predictor.trial):
        text = f"each frame: minus the mean, by the standard deviation, both over all frames of the {by}"
        plain.append(Plain("group", text))
    if fitted.scaling:
        mean, factor = fitted.scaling
        plain.append(Plain("frames", "each frame: (x - mean) * factor", {"mean": mean, "factor": factor}))
    statistics = getattr(settings_of("models", block), "statistics", None)
    if statistics:
        text = "over the frames of a recording, of all columns: the first of these statistics, then the second, …"
        plain.append(Plain("statistics", text, values={"names": ", ".join(statistics)}))
    if predictor.is_by_speaker and not frames_by(predictor.trial):
        text = "each feature minus its mean, by its standard deviation, both over the speaker's recordings"
        plain.append(Plain("speaker", text))
    for name, step in getattr(model, "steps", [("model", model)]):
        if not hasattr(step, "plain"):
            remedy = f"use {NAME} of the run's files, or ser predict"
            raise BadInput(f"step {name} of {block.name}", "export", "models of plain arrays", remedy)
        plain.append(step.plain())
    return plain


class Vectors(nn.Module):
    """The steps behind ``BEFORE``: float32 [items, width] -> scores, float32 [items, classes], in float64 within.

    ``columns``: the class of each score; a class that has none gets -inf. Raises BadInput for a step of another kind
    than those of ``_STEPS``.
    """

    def __init__(self, plain: Sequence[Plain], columns: Sequence[int], classes: int) -> None:
        super().__init__()
        self.plain = [step for step in plain if step.kind not in BEFORE]
        if odd := [step.kind for step in self.plain if step.kind not in _STEPS]:
            raise BadInput(f"a step {odd[0]}", ".onnx", ", ".join(_STEPS), "take a FILE.safetensors")
        self.places, self.classes = {c: i for i, c in enumerate(columns)}, classes
        for number, step in enumerate(self.plain):
            for name, array in step.arrays.items():
                self.register_buffer(f"{name}_{number}", torch.as_tensor(array))

    def forward(self, vectors: Tensor) -> Tensor:
        """Computes one step after another."""
        x = vectors.double()
        for number, step in enumerate(self.plain):
            arrays = {name: self.get_buffer(f"{name}_{number}") for name in step.arrays}
            x = _STEPS[step.kind](x, arrays, step.values)
        absent = torch.full_like(x[:, :1], -torch.inf)
        scores = [x[:, self.places[c]][:, None] if c in self.places else absent for c in range(self.classes)]
        return torch.cat(scores, dim=1).float()


def _layers(x: Tensor, a: Mapping[str, Tensor], v: Mapping[str, Any]) -> Tensor:
    for n in range(v["layers"]):
        x = (x.relu() if n else x) @ a[f"weight{n}"] + a[f"bias{n}"]
    return x.log_softmax(1)


def _machine(x: Tensor, a: Mapping[str, Tensor], v: Mapping[str, Any]) -> Tensor:
    """A support vector machine's scores, as ``ser.models._plain.machine_of`` says."""
    kernel = x @ a["vectors"].T
    if v["kernel"] == "poly":
        kernel = (v["gamma"] * kernel + v["coef0"]) ** v["degree"]
    elif v["kernel"] == "rbf":
        squares = x.square().sum(1, keepdim=True) + a["vectors"].square().sum(1) - 2 * kernel
        kernel = torch.exp(-v["gamma"] * squares)
    counts = a["counts"].tolist()
    if len(counts) == 2:
        d = kernel @ a["coefficients"][0] + a["bias"][0]
        return torch.stack([-d, d], dim=1)
    blocks, rows = kernel.split(counts, dim=1), a["coefficients"].split(counts, dim=1)
    votes, sums = ([torch.zeros_like(x[:, 0])] * len(counts) for _ in range(2))
    for pair, (i, j) in enumerate(combinations(range(len(counts)), 2)):
        d = blocks[i] @ rows[i][j - 1] + blocks[j] @ rows[j][i] + a["bias"][pair]
        wins = (d > 0).to(d.dtype)
        votes[i], votes[j] = votes[i] + wins, votes[j] + 1 - wins
        sums[i], sums[j] = sums[i] + d, sums[j] - d
    whole = torch.stack(sums, dim=1)
    return torch.stack(votes, dim=1) + whole / (3 * (whole.abs() + 1))


_STEPS: Mapping[str, Callable[[Tensor, Mapping[str, Tensor], Mapping[str, Any]], Tensor]] = {
    "same": lambda x, a, v: x,
    "standard": lambda x, a, v: (x - a["mean"]) * a["factor"],
    "select": lambda x, a, v: x[:, a["columns"]],
    "affine": lambda x, a, v: x @ a["weight"].T + a["bias"],
    "layers": _layers,
    "machine": _machine,
}

"""The recurrent network of paper 001 (Khan et al.), Table 3: one plain recurrent layer over the values of one vector.

Keras's SimpleRNN has one bias where torch's RNN has two that are added, so with 16 units and 8 classes there are
288 + 136 = 424 weights.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ser.errors import BadInput

GIVES = "utterance"
VARIES = ("init",)  # settings in which networks that are trained together may differ


class SimpleRNN(nn.Module):
    """h_t = tanh(k x_t + R h_(t-1) + b) over the values x_t of a vector; the mean of all h_t."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__()
        units = settings["units"]
        self.kernel = nn.Parameter(torch.empty(units, 1))
        self.recurrent = nn.Parameter(torch.empty(units, units))
        self.bias = nn.Parameter(torch.zeros(units))
        if settings["init"] == "glorot":
            nn.init.xavier_uniform_(self.kernel)
            nn.init.orthogonal_(self.recurrent)
        else:
            for weight in self.parameters():  # as torch's RNN
                nn.init.uniform_(weight, -(units**-0.5), units**-0.5)
        self.outputs = units

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """One frame per utterance [batch, width], lengths int64 [batch] all 1 -> [batch, outputs]."""
        if len(frames) != len(lengths):
            given = f"{len(frames)} frames of {len(lengths)} utterances"
            raise BadInput(given, "rnn", "one frame per utterance", "use a front-end that averages over time")
        start = frames.new_zeros(1, len(frames), self.outputs)
        weights = [self.kernel, self.recurrent, self.bias, torch.zeros_like(self.bias)]
        hidden: Tensor = torch.rnn_tanh(
            frames.T[:, :, None], start, weights, True, 1, 0.0, self.training, False, False
        )[0]
        return hidden.mean(0)


def build(width: int, settings: Mapping[str, Any]) -> SimpleRNN:
    """Settings: units, init. The width is the length of the sequence, and any will do."""
    return SimpleRNN(settings)


def example() -> tuple[int, dict[str, Any], int]:
    """Width, settings and frames per utterance of a small network."""
    return 12, {"units": 4, "init": "glorot"}, 1


class Stacked:
    """``members`` such networks at once, forwards and backwards, each on its own ``batch`` utterances.

    Time is the outermost dimension, so that a step is one matrix product over contiguous memory, added to what was put
    there for all steps at once. All buffers are kept between calls.
    """

    draws = 0  # no dropout

    def __init__(self, width: int, settings: Mapping[str, Any], members: int, batch: int, device: torch.device) -> None:
        self.hidden = torch.zeros(width + 1, members, settings["units"], batch, device=device)  # the first is h_0
        self.slopes = torch.empty(width, members, settings["units"], batch, device=device)
        self.gradient = torch.empty(members, settings["units"], batch, device=device)
        self.seen = torch.empty(members, width, batch, settings["units"] + 1, device=device)  # h_(t-1) and x_t

    def forward(self, weights: Mapping[str, Tensor], values: Tensor, mask: Tensor | None) -> Tensor:
        """Values [members, width, batch] -> [members, outputs, batch].

        ``weights`` are those of SimpleRNN, each with a leading dimension [members]. There is no ``mask``.
        """
        self.values, self.recurrent = values, weights["recurrent"].contiguous()
        steps = self.hidden[1:]
        torch.mul(values.transpose(0, 1)[:, :, None], weights["kernel"], out=steps)
        steps.add_(weights["bias"][:, :, None])
        before = self.hidden[0]
        for hidden in steps.unbind(0):
            before = hidden.baddbmm_(self.recurrent, before).tanh_()
        return steps.mean(0)

    def backward(self, gradient: Tensor) -> dict[str, Tensor]:
        """Gradient of the last answer [members, outputs, batch] -> gradients of the weights, shaped as these are."""
        width, members, units, _ = self.slopes.shape
        each, back = gradient / width, self.recurrent.mT.contiguous()
        torch.mul(self.hidden[1:], self.hidden[1:], out=self.slopes)
        self.slopes.neg_().add_(1)
        slopes = self.slopes.unbind(0)
        later = slopes[-1].mul_(each)
        for slope in slopes[-2::-1]:
            torch.baddbmm(each, back, later, out=self.gradient)
            later = slope.mul_(self.gradient)
        changes = self.slopes.permute(1, 2, 0, 3).reshape(members, units, -1)
        self.seen[..., :units] = self.hidden[:-1].permute(1, 0, 3, 2)
        self.seen[..., units] = self.values
        kernels = torch.bmm(changes, self.seen.view(members, -1, units + 1))
        return {"kernel": kernels[:, :, units:], "recurrent": kernels[:, :, :units], "bias": changes.sum(2)}

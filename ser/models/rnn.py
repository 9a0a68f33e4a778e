"""The recurrent network of Khan et al., Table 3: one plain recurrent layer over the values of one vector.

Keras's SimpleRNN has one bias where torch's RNN has two that are added, so with 16 units and 8 classes there are
288 + 136 = 424 weights.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ser.errors import BadInput
from ser.models import Layer
from ser.study.settings import setting

VERSION = 1
GIVES = "utterance"
VARIES = ("init",)  # settings in which networks of one stacked training may differ


@dataclass(frozen=True)
class Settings:
    """Settings of the network (Khan et al., Table 3)."""

    units: int = setting("units of the recurrent layer", 16, low=1)
    init: str = setting("start of the weights; glorot is Keras's", "glorot", choices=("glorot", "torch"))


class SimpleRNN(nn.Module):
    """h_t = tanh(k x_t + R h_(t-1) + b) over the values x_t of a vector; the mean of all h_t."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        units = settings.units
        self.kernel = nn.Parameter(torch.empty(units, 1))
        self.recurrent = nn.Parameter(torch.empty(units, units))
        self.bias = nn.Parameter(torch.zeros(units))
        if settings.init == "glorot":
            nn.init.xavier_uniform_(self.kernel)
            nn.init.orthogonal_(self.recurrent)
        else:
            for weight in self.parameters():  # as torch's RNN
                nn.init.uniform_(weight, -(units**-0.5), units**-0.5)
        self.outputs = units

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """One frame per utterance [batch, width], lengths int64 [batch] all 1 -> [batch, outputs]."""
        if len(frames) != len(lengths):
            count = f"{len(frames)} frames of {len(lengths)} utterances"
            raise BadInput(count, "rnn", "one frame per utterance", "use a front-end that averages over time")
        zeros = frames.new_zeros(1, len(frames), self.outputs)
        weights = [self.kernel, self.recurrent, self.bias, torch.zeros_like(self.bias)]
        hidden: Tensor = torch.rnn_tanh(
            frames.T[:, :, None], zeros, weights, True, 1, 0.0, self.training, False, False
        )[0]
        return hidden.mean(0)


def build(width: int, settings: Settings) -> SimpleRNN:
    """Returns the network; the width is the length of the sequence, and any will do."""
    return SimpleRNN(settings)


def example() -> tuple[int, Settings, int]:
    """Returns width, small settings, and frames per utterance."""
    return 12, Settings(units=4), 1


def layers(block: SimpleRNN, width: int) -> list[Layer]:
    """Returns the layers as Table 3 names them; shapes are values × units."""
    recurrent = Layer("SimpleRNN", f"{width} × {block.outputs}", sum(p.numel() for p in block.parameters()))
    return [recurrent, Layer("GlobalAveragePooling1D", str(block.outputs))]


class Stacked:
    """``members`` such networks at once, forwards and backwards, each on its own ``batch`` utterances.

    Time is the outermost dimension, so that a step is one matrix product over contiguous memory, added to what was put
    there for all steps at once. The state is s = (h + 1) / 2 and so s = sigmoid(2 a) for h = tanh(a): torch's sigmoid
    takes a third of its tanh's time, and the weights can take in the rest: 2 R h = 4 R s - 2 R 1. All buffers, and the
    views of single steps, are kept between calls.
    """

    draws = 0  # no dropout

    def __init__(self, width: int, settings: Settings, members: int, batch: int, device: torch.device) -> None:
        shape = members, settings.units, batch
        self.states = torch.empty(width + 1, *shape, device=device)  # the first is of h_0 = 0
        self.slopes = torch.empty(width, *shape, device=device)
        self.gradient = torch.empty(shape, device=device)
        self.state, self.slope = self.states.unbind(0), self.slopes.unbind(0)

    def forward(self, weights: Mapping[str, Tensor], values: Tensor, mask: Tensor | None) -> Tensor:
        """Values [members, width, batch] -> [members, outputs, batch].

        ``weights`` are those of SimpleRNN, each with a leading dimension [members]. There is no ``mask``.
        """
        self.values, self.recurrent = values.transpose(0, 1)[:, :, None], weights["recurrent"] * 4
        before, steps = self.state[0].fill_(0.5), self.states[1:]
        torch.mul(self.values, weights["kernel"] * 2, out=steps)
        steps.add_((weights["bias"] * 2 - self.recurrent.sum(2) / 2)[:, :, None])
        for state in self.state[1:]:
            before = state.baddbmm_(self.recurrent, before).sigmoid_()
        return steps.mean(0).mul_(2).sub_(1)

    def backward(self, gradient: Tensor) -> dict[str, Tensor]:
        """Gradient of the last answer [members, outputs, batch] -> gradients of the weights, shaped as these are."""
        width, members, units, batch = self.slopes.shape
        each, back = gradient / width, self.recurrent.mT.contiguous()
        steps = self.states[1:]
        torch.mul(steps, steps, out=self.slopes)
        torch.sub(steps, self.slopes, out=self.slopes)  # a quarter of tanh's slope; the other factor is in R and below
        later = self.slope[-1].mul_(each)
        for slope in self.slope[-2::-1]:
            torch.baddbmm(each, back, later, out=self.gradient)
            later = slope.mul_(self.gradient)
        before = self.states[:-1].mul_(2).sub_(1).view(-1, units, batch)  # no longer needed as they were
        recurrent = torch.bmm(self.slopes.view(-1, units, batch), before.mT).view(width, members, units, units).sum(0)
        bias = self.slopes.sum(0).sum(2) * 4
        kernel = self.slopes.mul_(self.values).sum(0).sum(2) * 4
        return {"kernel": kernel[:, :, None], "recurrent": recurrent * 4, "bias": bias}

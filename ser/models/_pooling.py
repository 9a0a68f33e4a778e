"""Attention pooling of da Silva et al.: from a vector per frame to one per utterance."""

import torch
from torch import Tensor, nn

from ser.errors import BadInput
from ser.models._transfer import to_device
from ser.study import POOLING_SIGNS


class AttentionPooling(nn.Module):
    """Equations 1-3: softmax over time of u·x_t weighs the mean, or mean and variance, of x_t."""

    def __init__(self, width: int, pooling: str) -> None:
        super().__init__()
        if pooling not in POOLING_SIGNS:
            raise BadInput(repr(pooling), "pooling", ", ".join(POOLING_SIGNS), "choose one of them")
        self.variance = pooling == "mean_var"
        self.u = nn.Parameter(torch.empty(width))
        nn.init.normal_(self.u, std=width**-0.5)
        self.outputs = width * (2 if self.variance else 1)

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """[sum(lengths), width] -> [batch, outputs]. The weights are a dense [batch, frames] matrix."""
        if len(lengths) == 1:
            return self._pooled((frames @ self.u)[None].softmax(dim=1), frames)
        owner = to_device(torch.arange(len(lengths)).repeat_interleave(lengths), frames.device)
        foreign = owner != torch.arange(len(lengths), device=frames.device)[:, None]
        alpha = (frames @ self.u).expand(len(lengths), -1).masked_fill(foreign, -torch.inf).softmax(dim=1)
        return self._pooled(alpha, frames)

    def _pooled(self, alpha: Tensor, frames: Tensor) -> Tensor:
        """Weights of the frames [batch, frames] -> [batch, outputs]."""
        mean = alpha @ frames
        if not self.variance:
            return mean
        return torch.cat([mean, (alpha @ frames.square() - mean.square()).clamp_min(0)], dim=1)

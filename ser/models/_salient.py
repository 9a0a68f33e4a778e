"""A hidden layer split in two: what tells the classes apart, and the rest (Huang et al. 2014, after Rifai et al. 2012).

Features x go to h = sigmoid(W x + b) = (salient, rest), and both write x' = W' h + b'. The loss is

    mean |x - x'|²  +  discrimination · within / total  +  orthogonality · mean cos²

with within and total the traces of the scatter of ``salient`` about the means of classes and about the common one (so
it is 1 less the share between classes, Fisher's), and cos between the weights of each salient unit and each of the
rest: the directions of x in which they change should differ.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ser.models._estimators import Tensors


@dataclass(frozen=True)
class Salient(Tensors):
    """The layer after training: ``weights`` [units, width] and ``offsets`` [units] of the salient units alone."""

    weights: Tensor
    offsets: Tensor

    def answers(self, x: Tensor) -> Tensor:
        """[utterances, width] -> [utterances, units] between 0 and 1."""
        return torch.sigmoid(x @ self.weights.T + self.offsets)


def learn(
    x: Tensor,
    y: Tensor,
    units: tuple[int, int],
    discrimination: float,
    orthogonality: float,
    epochs: int,
    learning_rate: float,
    seed: int,
) -> tuple[Salient, list[float]]:
    """Trains on x [utterances, width] and y int64 [utterances], all at once; ``units``: how many salient, and others.

    By Adam, from Glorot-uniform weights. Returns the layer, and the loss before each step.
    """
    make = torch.Generator().manual_seed(seed)
    inward = _glorot(sum(units), x.shape[1], make).to(x.device).requires_grad_()
    outward = _glorot(x.shape[1], sum(units), make).to(x.device).requires_grad_()
    hidden = torch.zeros(sum(units), device=x.device, requires_grad=True)
    written = torch.zeros(x.shape[1], device=x.device, requires_grad=True)
    optimiser = torch.optim.Adam([inward, hidden, outward, written], lr=learning_rate)
    hot = (y[:, None] == y.unique()).to(x.dtype)
    losses = []
    with torch.enable_grad():
        for _ in range(epochs):
            h = torch.sigmoid(x @ inward.T + hidden)
            loss = (h @ outward.T + written - x).square().mean()
            loss = loss + discrimination * scatter(h[:, : units[0]], hot)
            loss = loss + orthogonality * overlap(inward[: units[0]], inward[units[0] :])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.detach())
    layer = Salient(inward.detach()[: units[0]].clone(), hidden.detach()[: units[0]].clone())
    return layer, torch.stack(losses).tolist()


def scatter(h: Tensor, hot: Tensor) -> Tensor:
    """Returns the share of the scatter of h [utterances, units] within the classes of ``hot`` [utterances, classes]."""
    means = hot.T @ h / hot.sum(0)[:, None]
    within, total = (h - hot @ means).square().sum(), (h - h.mean(0)).square().sum()
    share: Tensor = within / total.clamp(min=torch.finfo(h.dtype).tiny)
    return share


def overlap(rows: Tensor, others: Tensor) -> Tensor:
    """Returns the mean squared cosine between rows [n, width] and others [m, width]; 0 where one is empty."""
    cosines = normalize(rows) @ normalize(others).T
    mean: Tensor = cosines.square().sum() / max(1, cosines.numel())
    return mean


def _glorot(rows: int, columns: int, make: torch.Generator) -> Tensor:
    bound: float = (6 / (rows + columns)) ** 0.5
    return (torch.rand(rows, columns, generator=make) * 2 - 1) * bound

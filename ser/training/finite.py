"""Numbers of a training that are not finite: the first step that made one, and the weights that are spoilt."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ser.training.network import Network
from ser.training.start import Diverged, Run, first_names


def check_finite(
    run: Run, steps: Sequence[int], made: Sequence[tuple[str, tuple[int, ...]]], numbers: Sequence[Tensor]
) -> None:
    """Raises Diverged at the first of these steps with a number that is not finite.

    ``made``: corpus and items of each; ``numbers``: loss, norm of the gradient, and the sum of each weight before it.
    """
    table = torch.stack(list(numbers))
    if table.sum().isfinite():
        return
    table = table.cpu()
    spoilt = (~table.isfinite()).any(1).nonzero().flatten().tolist()
    if not spoilt:
        return
    (name, indices), row = made[spoilt[0]], table[spoilt[0]].tolist()
    batch = ", ".join(run.data[name].train.names[i] for i in indices)
    weights = [n for (n, _), total in zip(_learning(run.network), row[2:], strict=True) if not math.isfinite(total)]
    raise Diverged(
        f"loss {row[0]} at step {steps[spoilt[0]] + 1}, learning rate {run.trial.training.learning_rate}, gradient of "
        f"norm {row[1]}, weights not finite: {first_names(weights)}; batch: {batch}"
    )


@torch.no_grad()
def sums_of_weights(network: Network) -> Tensor:
    """Returns the sum of each weight that learns: a loss alone would not show what an infinite bias has silenced."""
    return torch.stack([p.sum() for _, p in _learning(network)])


def _learning(network: Network) -> list[tuple[str, nn.Parameter]]:
    return [(name, p) for name, p in network.named_parameters() if p.requires_grad]


def spoilt_weights(network: Network) -> str:
    """Returns the names of the weights that are not finite, as text."""
    return first_names([name for name, p in network.named_parameters() if not p.isfinite().all()])

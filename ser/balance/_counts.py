"""How many items each class lacks, and drawing so many of some as evenly as can be."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ser.errors import BadInput
from ser.training.batches import Items

Indices = npt.NDArray[np.int64]


def lacking(labels: Tensor, classes: int) -> Indices:
    """Items that each class has fewer than the largest, int64 [classes]; 0 for one without any.

    Raises BadInput where an item may have several labels.
    """
    if labels.ndim != 1:
        remedy = 'balance only studies whose labels are "one"'
        raise BadInput("several labels per item", "balance", "one class per item", remedy)
    counts = torch.bincount(labels, minlength=classes).cpu().numpy()
    return np.where(counts > 0, counts.max() - counts, 0)


def evenly(candidates: Indices, count: int, rng: np.random.Generator) -> Indices:
    """``count`` of the candidates, each as often as any other or once more; in another order each time round."""
    rounds = -(-count // len(candidates))
    return np.concatenate([rng.permutation(candidates) for _ in range(rounds)])[:count]


def of_each(source: Items, wanted: Indices, place: str, rng: np.random.Generator) -> list[int]:
    """Indices of ``wanted[c]`` items of each class c of ``source``. Raises BadInput where one has none to draw from."""
    labels = source.labels.cpu().numpy()
    drawn: list[int] = []
    for c in wanted.nonzero()[0].tolist():
        own = (labels == c).nonzero()[0]
        if not len(own):
            remedy = "make copies of more utterances, or balance by copying"
            raise BadInput(f"no item of class {c}", place, f"some to draw {wanted[c]} from", remedy)
        drawn += evenly(own, int(wanted[c]), rng).tolist()
    return drawn

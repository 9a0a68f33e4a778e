"""Counts of the items that each class lacks, and even draws of so many from others."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ser.errors import BadInput
from ser.training.batches import Items

Indices = npt.NDArray[np.int64]


def missing(labels: Tensor, classes: int) -> Indices:
    """Returns how many items each class has fewer than the largest, int64 [classes]; 0 for one without any.

    Raises BadInput where an item may have several labels.
    """
    if labels.ndim != 1:
        remedy = 'balance only studies whose labels are "one"'
        raise BadInput("several labels per item", "balance", "one class per item", remedy)
    counts = torch.bincount(labels, minlength=classes).cpu().numpy()
    return np.where(counts > 0, counts.max() - counts, 0)


def evenly(candidates: Indices, count: int, rng: np.random.Generator) -> Indices:
    """Returns ``count`` of the candidates, each as often as any other or once more; each round in another order."""
    rounds = -(-count // len(candidates))
    return np.concatenate([rng.permutation(candidates) for _ in range(rounds)])[:count]


def draw_each(source: Items, counts: Indices, place: str, rng: np.random.Generator) -> list[int]:
    """Returns indices of ``counts[c]`` items of each class c of ``source``. Raises BadInput where one has no item."""
    labels = source.labels.cpu().numpy()
    indices: list[int] = []
    for c in counts.nonzero()[0].tolist():
        candidates = (labels == c).nonzero()[0]
        if not len(candidates):
            remedy = "make copies of more utterances, or balance by copying"
            raise BadInput(f"no item of class {c}", place, f"some to draw {counts[c]} from", remedy)
        indices += evenly(candidates, int(counts[c]), rng).tolist()
    return indices

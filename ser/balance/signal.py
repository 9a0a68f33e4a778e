"""Augmented recordings of the smaller classes: the signal-based way of Chatziagapi et al. 2019 to balance.

The recordings are changed and their features computed before training, by ``ser.augment`` and the store.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ser.balance import _counts
from ser.errors import BadInput
from ser.training.batches import Items

COPIES = True


def balanced(
    train: Items, copies: Items | None, classes: int, settings: Mapping[str, Any], seed: Sequence[int], device: str
) -> Items:
    """See ``ser.balance``; ``settings["copies"]`` is how many were made of each training utterance.

    A class that lacks fewer items than it has copies is given some, drawn at random; one that lacks more is given all,
    and then again all in another order, until it has enough. Raises BadInput where a class that lacks items has no
    copies.
    """
    wanted = _counts.lacking(train.labels, classes)
    if not wanted.any():
        return train
    place = "copies of the training side"
    if copies is None:
        remedy = "state augmentations, and balance.copies of at least 1"
        raise BadInput("none", place, "augmented recordings", remedy)
    drawn = copies.chosen(_counts.of_each(copies, wanted, place, np.random.default_rng([*seed, 0])))
    return train.followed_by(drawn)


def example() -> dict[str, Any]:
    """Two copies of each training utterance."""
    return {"copies": 2}

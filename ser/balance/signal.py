"""Augmented recordings of the smaller classes: the signal-based way of Chatziagapi et al. 2019 to balance.

The recordings are changed and their features computed before training, by ``ser.augment`` and the store.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ser.balance import _counts
from ser.errors import BadInput
from ser.study.settings import setting
from ser.training.batches import Items

VERSION = 1
COPIES = True


@dataclass(frozen=True)
class Settings:
    """Settings of the copies; ours."""

    copies: int = setting("augmented copies that are made of each training utterance", 3, low=1)


def balanced(
    train: Items, copies: Items | None, classes: int, settings: Settings, seed: Sequence[int], device: str
) -> Items:
    """Returns ``train`` and items of ``copies``, see ``ser.balance``.

    A class that lacks fewer items than it has copies gets some, drawn at random; one that lacks more gets all, and then
    again all in another order, until it has enough. Raises BadInput where a class that lacks items has no copies.
    """
    missing = _counts.missing(train.labels, classes)
    if not missing.any():
        return train
    place = "copies of the training subset"
    if copies is None:
        remedy = "state augmentations, and balance.copies of at least 1"
        raise BadInput("none", place, "augmented recordings", remedy)
    extra = copies.selected(_counts.draw_each(copies, missing, place, np.random.default_rng([*seed, 0])))
    return train.followed_by(extra)


def example() -> Settings:
    """Returns settings for two copies of each training utterance."""
    return Settings(copies=2)

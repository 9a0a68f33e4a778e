"""Items of the smaller classes once more: the plainest way of Chatziagapi et al. 2019 to balance a training side."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ser.balance import _counts
from ser.training.batches import Items

VERSION = 1
COPIES = False


@dataclass(frozen=True)
class Settings:
    """It has no settings."""


def balanced(
    train: Items, copies: Items | None, classes: int, settings: Settings, seed: Sequence[int], device: str
) -> Items:
    """Returns ``train`` with items again, see ``ser.balance``: each as often as others of its class, or once more."""
    missing = _counts.missing(train.labels, classes)
    if not missing.any():
        return train
    again = _counts.draw_each(train, missing, "the training subset", np.random.default_rng([*seed, 0]))
    return train.followed_by(train.selected(again))


def example() -> Settings:
    """It has no settings."""
    return Settings()

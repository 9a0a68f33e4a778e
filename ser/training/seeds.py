"""The seeds of a training: everything random comes from a trial's seed and repeat, and from what it is drawn for."""

from collections.abc import Sequence

import numpy as np


def for_weights(seed: Sequence[int]) -> list[int]:
    """Returns the seed of the initial weights. ``seed`` here and below: a trial's seed and repeat."""
    return [*seed, 0]


def for_batches(seed: Sequence[int], corpus: int) -> list[int]:
    """Returns the seed of the mini-batches of the trial's corpus of that number."""
    return [*seed, 1, corpus]


def for_dropout(seed: Sequence[int], epoch: int) -> list[int]:
    """Returns the seed of an epoch's dropout: drawn anew for each, it needs no state in a checkpoint."""
    return [*seed, 2, epoch]


def for_balance(seed: Sequence[int]) -> list[int]:
    """Returns the seed of what makes the classes of the training subset equal."""
    return [*seed, 3]


def integer(seed: Sequence[int]) -> int:
    """Returns one 63-bit seed from several numbers, without the collisions of adding them."""
    return int(np.random.SeedSequence(list(seed)).generate_state(1, np.uint64)[0] >> np.uint64(1))

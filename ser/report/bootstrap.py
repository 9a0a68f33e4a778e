"""Bootstrap over test utterances: how often each replicate draws each of them, a few replicates at a time."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

CHUNK = 4_000_000  # resampled utterances held at once


def resamples(utterances: int, replicates: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """How often each bootstrap replicate draws each utterance: [replicates, utterances]."""
    draws = rng.integers(utterances, size=(replicates, utterances)) + utterances * np.arange(replicates)[:, None]
    return np.bincount(draws.ravel(), minlength=draws.size).reshape(draws.shape).astype(np.float32)


def in_chunks(utterances: int, replicates: int, rng: np.random.Generator) -> Iterator[NDArray[np.float32]]:
    """The same in parts that fit the memory; the numbers do not depend on the size of the parts."""
    step = max(1, CHUNK // max(utterances, 1))
    for start in range(0, replicates, step):
        yield resamples(utterances, min(step, replicates - start), rng)

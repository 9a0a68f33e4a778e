"""What a demo corpus is before it is spoken: who says what, under which file name, and what is written beside it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ser.demo.acting import Stage, Take

Seconds = Mapping[str, float]  # duration of every take, by path


@dataclass(frozen=True)
class Cast:
    """One speaker and all that he or she says. ``voice`` numbers the voice variants of that sex."""

    speaker: str
    sex: str
    voice: int
    takes: tuple[Take, ...]


@dataclass(frozen=True)
class Plan:
    """A corpus to be made: below ``root``, spoken by ``cast``; ``label(root, seconds)`` writes its label files."""

    name: str
    root: str
    entry: str  # what a loader is given, relative to the demo folder
    language: str
    stage: Stage
    cast: tuple[Cast, ...]
    label: Callable[[Path, Seconds], None] = lambda root, seconds: None


def share_of(rng: np.random.Generator, takes: Sequence[Take], scale: float) -> tuple[Take, ...]:
    """``scale`` of the takes, one at least, in their order."""
    order = rng.permutation(len(takes))[: max(1, round(scale * len(takes)))]
    return tuple(takes[i] for i in sorted(order))

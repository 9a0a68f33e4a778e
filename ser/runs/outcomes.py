"""How one attempt to train a trial ended: what a worker returns, and what a grid, a console and a search match on."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Finished:
    """The trial's run in MLflow is finished. ``results`` are empty where it was so before anything was trained."""

    results: Mapping[str, float] = field(default_factory=dict)  # metric -> value, such as ``wa/<corpus>``


@dataclass(frozen=True)
class Undelivered:
    """The trial is trained, and its results wait in its folder, as MLflow is away or refuses them."""

    results: Mapping[str, float]
    reason: str = ""
    refused: bool = False  # for good, until a person does something about the reason


@dataclass(frozen=True)
class Failed:
    """The trial cannot be trained; its run says why."""

    error: str


@dataclass(frozen=True)
class Busy:
    """Another process trains the trial."""


@dataclass(frozen=True)
class StoreDamaged:
    """The feature store has to be built again before the trial can be trained."""

    error: str


@dataclass(frozen=True)
class UnfitNode:
    """No trial can be trained on the worker's node; other nodes may take it."""

    error: str


TrialOutcome = Finished | Undelivered | Failed | Busy | StoreDamaged | UnfitNode

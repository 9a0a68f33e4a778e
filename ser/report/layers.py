"""The layers of a run's network, as the run logged them: ``layers.json``, written when the network was trained."""

import json
from dataclasses import dataclass, replace

from ser.report.runs import Finished, Options

FILE = "layers.json"
_HEAD = "head"  # as runs call the last layer


@dataclass(frozen=True)
class LoggedLayer:
    """One line of a summary: ``C1``, ``78 × 20`` (values × filters), the weights that are trained."""

    name: str
    output: str
    parameters: int
    averaged: int = 0  # numbers that training averages, as batch normalisation does
    frozen: int = 0  # weights that stay as they came


def layers_of(run: Finished, options: Options, head: str) -> list[LoggedLayer]:
    """Returns the layers of a run's network in order; [] where it logged none.

    ``head``: what a report calls the last one.
    """
    text = options.file(run.run_id, FILE)
    layers = [LoggedLayer(**line) for line in json.loads(text)] if text else []
    return [replace(layer, name=head) if layer.name == _HEAD else layer for layer in layers]

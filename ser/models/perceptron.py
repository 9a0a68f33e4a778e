"""A multilayer perceptron over utterance vectors, by Adam: the "ANN" of Demircan & Kahramanli 2018 (paper 004, row 4).

ReLU between layers; x [utterances, width] -> probabilities [utterances, classes].
"""

import math
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline

from ser.errors import BadInput
from ser.models._estimators import Estimator, Labels, Vectors, classes_of
from ser.models._steps import pipeline

GIVES = "classes"
TAKES = "vectors"


class Perceptron(Estimator):
    """scikit-learn's MLPClassifier; ``converged_`` says whether it came to rest before its ``epochs`` were over.

    With ``held_out`` it keeps that share of the training utterances aside, drawn at random within classes and so with
    speakers on both sides, and ends with the weights that knew most of these.
    """

    def __init__(self, settings: Mapping[str, Any], seed: int) -> None:
        self.settings, self.seed = settings, seed

    def fit(self, x: Vectors, y: Labels) -> "Perceptron":
        """Train on x [utterances, width] and y [utterances]. Raises BadInput where too few are there to hold out."""
        self.classes_ = classes_of(y)
        kept = math.ceil(self.settings["held_out"] * len(y))
        rarest = int(np.unique(y, return_counts=True)[1].min())
        if kept and (rarest < 2 or min(kept, len(y) - kept) < len(self.classes_)):
            value = f"{kept} of {len(y)} utterances held out, {rarest} of the rarest class"
            allowed = f"at least {len(self.classes_)} on both sides, one per class, and two of each class"
            raise BadInput(value, "perceptron.held_out", allowed, "hold out 0 (no early stopping), or train on more")
        self.network_ = self._network(len(y) - kept, held_out=kept > 0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # converged_ says it
            self.network_.fit(x, y)
        self.converged_ = self.network_.n_iter_ < self.settings["epochs"]
        return self

    def predict_proba(self, x: Vectors) -> Vectors:
        """[utterances, width] -> probabilities [utterances, classes]."""
        probabilities: Vectors = self.network_.predict_proba(x)
        return probabilities

    def _network(self, utterances: int, *, held_out: bool) -> MLPClassifier:
        chosen = self.settings
        return MLPClassifier(
            chosen["hidden"],
            alpha=chosen["alpha"],
            batch_size=min(chosen["batch_size"], utterances),
            learning_rate_init=chosen["learning_rate"],
            max_iter=chosen["epochs"],
            tol=chosen["tolerance"],
            n_iter_no_change=chosen["patience"],
            early_stopping=held_out,
            validation_fraction=chosen["held_out"] or 0.1,  # that is not looked at, but must not be 0
            random_state=self.seed,
        )


def build(settings: Mapping[str, Any], seed: int, device: str) -> Pipeline:
    """Settings: those of ``_steps``, and hidden (units per layer), alpha (of the squared weights), learning_rate,
    batch_size, epochs, tolerance and patience, held_out (share; 0: no early stopping).

    It rests after ``patience`` epochs in which the training loss (held out: the share of right answers) got better by
    less than ``tolerance``. Always on the CPU. Raises BadInput.
    """
    if not 0 <= settings["held_out"] < 1:
        raise BadInput(str(settings["held_out"]), "perceptron.held_out", "0 up to 1", "take a share")
    return pipeline(settings, seed, Perceptron(settings, seed))


def example() -> tuple[int, dict[str, Any], int]:
    """Width of a frame, small settings, and frames per utterance."""
    steps = {"statistics": ("mean", "std"), "scaling": "standard", "select": 0, "clusters": 0}
    loop = {"learning_rate": 1e-2, "batch_size": 32, "epochs": 60, "tolerance": 1e-4, "patience": 10, "held_out": 0.0}
    return 4, steps | {"hidden": (12,), "alpha": 1e-4} | loop, 9

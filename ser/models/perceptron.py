"""A multilayer perceptron over utterance vectors: the "ANN" of Demircan & Kahramanli 2018 (Pinto et al., row 4).

ReLU between layers; x [utterances, width] -> probabilities [utterances, classes].
"""

import math
import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline

from ser.errors import BadInput
from ser.models._estimators import Estimator, Labels, Vectors, classes_of
from ser.models._plain import Plain
from ser.models._steps import Steps, pipeline
from ser.study.settings import setting

VERSION = 1
GIVES = "classes"
TAKES = "vectors"


@dataclass(frozen=True)
class Settings(Steps):
    """Settings of the network and its training; ours.

    It rests after ``patience`` epochs in which the training loss (held out: the share of right answers) got better by
    less than ``tolerance``.
    """

    hidden: tuple[int, ...] = setting("units of each hidden layer", (100,), low=1)
    alpha: float = setting("weight of the squared weights in the loss", 1e-2, low=0)
    learning_rate: float = setting("learning rate of Adam", 1e-3, above=0)
    batch_size: int = setting("utterances of a mini-batch", 32, low=1)
    epochs: int = setting("epochs at most", 200, low=1)
    tolerance: float = setting("improvement below which an epoch is stale", 1e-4, low=0)
    patience: int = setting("stale epochs after which the training ends", 10, low=1)
    held_out: float = setting("share of the training utterances for early stopping; 0: none", 0.0, low=0, below=1)


class Perceptron(Estimator):
    """scikit-learn's MLPClassifier; ``converged_`` says whether it came to rest before its ``epochs`` were over.

    With ``held_out`` it puts that share of the training utterances aside, drawn at random within classes and so with
    speakers in both subsets, and ends with the weights that recognised most of these.
    """

    def __init__(self, settings: Settings, seed: int) -> None:
        self.settings, self.seed = settings, seed

    def fit(self, x: Vectors, y: Labels) -> "Perceptron":
        """Trains on x [utterances, width] and y [utterances]. Raises BadInput where too few are there to hold out."""
        self.classes_ = classes_of(y)
        aside = math.ceil(self.settings.held_out * len(y))
        rarest = int(np.unique(y, return_counts=True)[1].min())
        if aside and (rarest < 2 or min(aside, len(y) - aside) < len(self.classes_)):
            value = f"{aside} of {len(y)} utterances held out, {rarest} of the rarest class"
            allowed = f"at least {len(self.classes_)} in both subsets, one per class, and two of each class"
            raise BadInput(value, "perceptron.held_out", allowed, "hold out 0 (no early stopping), or train on more")
        self.network_ = self._network(len(y) - aside, held_out=aside > 0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # converged_ says it
            self.network_.fit(x, y)
        self.converged_ = self.network_.n_iter_ < self.settings.epochs
        return self

    def predict_proba(self, x: Vectors) -> Vectors:
        """[utterances, width] -> probabilities [utterances, classes]."""
        probabilities: Vectors = self.network_.predict_proba(x)
        return probabilities

    def plain(self) -> Plain:
        """Returns the layers as arrays."""
        network = self.network_
        weights, biases = list(network.coefs_), list(network.intercepts_)
        if weights[-1].shape[1] == 1:  # of two classes scikit-learn has one sigmoid
            weights[-1] = np.concatenate([0 * weights[-1], weights[-1]], axis=1)
            biases[-1] = np.concatenate([0 * biases[-1], biases[-1]])
        arrays = {f"weight{n}": w for n, w in enumerate(weights)} | {f"bias{n}": b for n, b in enumerate(biases)}
        text = "x @ weight0 + bias0, the positive part, @ weight1 + bias1 …; softmax of the last"
        return Plain("layers", text, arrays, {"layers": len(weights)})

    def _network(self, utterances: int, *, held_out: bool) -> MLPClassifier:
        settings = self.settings
        return MLPClassifier(
            settings.hidden,
            alpha=settings.alpha,
            batch_size=min(settings.batch_size, utterances),
            learning_rate_init=settings.learning_rate,
            max_iter=settings.epochs,
            tol=settings.tolerance,
            n_iter_no_change=settings.patience,
            early_stopping=held_out,
            validation_fraction=settings.held_out or 0.1,  # that is not looked at, but must not be 0
            random_state=self.seed,
        )


def build(settings: Settings, seed: int, device: str) -> Pipeline:
    """Returns the model, which always computes on the CPU. Raises BadInput as ``pipeline`` does."""
    return pipeline(settings, seed, Perceptron(settings, seed))


def example() -> tuple[int, Settings, int]:
    """Returns width of a frame, small settings, and frames per utterance."""
    return 4, Settings(statistics=("mean", "std"), hidden=(12,), alpha=1e-4, learning_rate=1e-2, epochs=60), 9

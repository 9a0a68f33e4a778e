"""The nearest neighbours of an utterance vector vote: Demircan & Kahramanli 2018 (row 4 of Pinto et al.).

There on fuzzy memberships. x [utterances, width] -> shares of the vote [utterances, classes].
"""

from dataclasses import dataclass

import numpy as np
from sklearn.neighbors import KNeighborsClassifier
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
    """Settings of the vote; ours."""

    neighbours: int = setting("neighbours that vote", 5, low=1)
    weights: str = setting(
        "votes are equal, or weigh by the inverse distance", "uniform", choices=("distance", "uniform")
    )


class Neighbours(Estimator):
    """Euclidean nearest neighbours; of two classes with equal votes the first in ``classes_`` is the answer."""

    def __init__(self, count: int, weights: str) -> None:
        self.count, self.weights = count, weights

    def fit(self, x: Vectors, y: Labels) -> "Neighbours":
        """Keeps x [utterances, width] and y [utterances]. Raises BadInput for fewer utterances than neighbours."""
        self.classes_ = classes_of(y)
        if len(x) < self.count:
            remedy = "ask fewer neighbours, or train on more"
            raise BadInput(f"{len(x)} utterances", "knn", f"at least {self.count}, its neighbours", remedy)
        self.neighbours_ = KNeighborsClassifier(self.count, weights=self.weights).fit(x, y)
        return self

    def predict_proba(self, x: Vectors) -> Vectors:
        """[utterances, width] -> shares of the vote [utterances, classes], summing to one."""
        shares: Vectors = self.neighbours_.predict_proba(x)
        return shares

    def plain(self) -> Plain:
        """Returns the utterances that vote as arrays."""
        vote = "one vote" if self.weights == "uniform" else "1 / distance votes (at distance 0 only those count)"
        text = f"of the count rows of points nearest to x, each has {vote} for its class in labels; shares of all votes"
        arrays = {"points": self.neighbours_._fit_X, "labels": self.neighbours_._y.astype(np.int64)}
        return Plain("neighbours", text, arrays, {"count": self.count, "weights": self.weights})


def build(settings: Settings, seed: int, device: str) -> Pipeline:
    """Returns the model, which always computes on the CPU. Raises BadInput as ``pipeline`` does."""
    return pipeline(settings, seed, Neighbours(settings.neighbours, settings.weights))


def example() -> tuple[int, Settings, int]:
    """Returns width of a frame, small settings, and frames per utterance."""
    return 4, Settings(statistics=("mean", "std"), neighbours=3), 9

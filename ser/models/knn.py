"""The nearest neighbours of an utterance vector vote: Demircan & Kahramanli 2018, on fuzzy memberships (004, row 4).

x [utterances, width] -> shares of the vote [utterances, classes].
"""

from collections.abc import Mapping
from typing import Any

from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline

from ser.errors import BadInput
from ser.models._estimators import Estimator, Labels, Vectors, classes_of
from ser.models._steps import pipeline

GIVES = "classes"
TAKES = "vectors"
_WEIGHTS = ("distance", "uniform")


class Neighbours(Estimator):
    """Euclidean nearest neighbours; of two classes with equal votes the first in ``classes_`` is the answer."""

    def __init__(self, count: int, weights: str) -> None:
        self.count, self.weights = count, weights

    def fit(self, x: Vectors, y: Labels) -> "Neighbours":
        """Keep x [utterances, width] and y [utterances]. Raises BadInput for fewer utterances than neighbours."""
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


def build(settings: Mapping[str, Any], seed: int, device: str) -> Pipeline:
    """Settings: those of ``_steps``, and neighbours, weights ("uniform", or "distance": its inverse); on the CPU.

    Raises BadInput.
    """
    count, weights = settings["neighbours"], settings["weights"]
    if weights not in _WEIGHTS:
        raise BadInput(repr(weights), "knn.weights", ", ".join(_WEIGHTS), "choose one of them")
    if count < 1:
        raise BadInput(str(count), "knn.neighbours", "1 or more", "ask more")
    return pipeline(settings, seed, Neighbours(count, weights))


def example() -> tuple[int, dict[str, Any], int]:
    """Width of a frame, small settings, and frames per utterance."""
    steps = {"statistics": ("mean", "std"), "scaling": "standard", "select": 0, "clusters": 0}
    return 4, steps | {"neighbours": 3, "weights": "uniform"}, 9

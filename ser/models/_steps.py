"""The steps before a classifier of utterance vectors: scaling, selection of features, fuzzy clusters.

Settings, in the order of the steps: ``scaling`` ("standard" | "none"); ``select`` (0: all features; k: the k best by
analysis of variance, for Shegokar & Sircar 2016); ``clusters`` (0: off; c: so many fuzzy clusters, for Demircan &
Kahramanli 2018), and with clusters also ``given``, what the classifier is given: "centres" of each class in place of
its training utterances, or "memberships" of all clusters in place of the features; ``fuzzifier``, ``cluster_starts``,
``cluster_iterations`` and ``cluster_tolerance``.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from ser.errors import BadInput
from ser.models._condensed import Condensed
from ser.models._estimators import Estimator, Labels, Vectors
from ser.models._fuzzy import FuzzyCMeans
from ser.models._scaling import Scaling

_GIVEN = ("centres", "memberships")


def pipeline(settings: Mapping[str, Any], seed: int, classifier: Estimator) -> Pipeline:
    """The steps that ``settings`` ask for, and ``classifier`` after them. Raises BadInput for values of no meaning."""
    steps: list[tuple[str, Any]] = [("scaling", Scaling(settings["scaling"]))]
    if settings["select"]:
        steps.append(("select", Select(settings["select"])))
    if settings["clusters"]:
        loop = {name: settings[f"cluster_{name}"] for name in ("starts", "iterations", "tolerance")}
        found = FuzzyCMeans(settings["clusters"], settings["fuzzifier"], **loop, seed=seed)
        if settings["given"] not in _GIVEN:
            raise BadInput(repr(settings["given"]), "given", ", ".join(_GIVEN), "choose one of them")
        if settings["given"] == "centres":
            classifier = Condensed(classifier, found)
        else:
            steps.append(("clusters", found))
    return Pipeline([*steps, ("classifier", classifier)])


class Select(Estimator):
    """The ``count`` features whose means differ most between classes by analysis of variance; of equals, the first."""

    def __init__(self, count: int) -> None:
        self.count = count

    def fit(self, x: Vectors, y: Labels) -> "Select":
        """Choose ``chosen_`` [count], ascending. Raises BadInput where there are fewer features."""
        if not 0 < self.count <= x.shape[1]:
            raise BadInput(f"{self.count} features", "select", f"1 to {x.shape[1]}, or 0 for all", "choose another")
        self.chosen_ = np.sort(np.argsort(-variance_ratio(x, y), kind="stable")[: self.count])
        return self

    def transform(self, x: Vectors) -> Vectors:
        """[utterances, width] -> [utterances, count]."""
        return x[:, self.chosen_]


def variance_ratio(x: Vectors, y: Labels) -> Vectors:
    """F of each feature: the variance between the means of classes over that within classes [width].

    Infinite where a feature differs between classes and nowhere within, 0 where it differs nowhere. Raises BadInput
    for as many classes as utterances, since nothing is known of the variance within them then.
    """
    classes, counts = np.unique(y, return_counts=True)
    if len(classes) >= len(y):
        value = f"{len(y)} utterances of {len(classes)} classes"
        raise BadInput(value, "select", "more utterances than classes", "train on more, or select nothing")
    x = x - x[0]  # so that constants become zeros, and not sums with their rounding
    means = np.stack([x[y == c].mean(0) for c in classes])
    between = counts @ (means - x.mean(0)) ** 2 / (len(classes) - 1)
    within = sum(((x[y == c] - mean) ** 2).sum(0) for c, mean in zip(classes, means, strict=True))
    within = within / (len(y) - len(classes))
    ratio: Vectors = np.divide(between, within, out=np.where(between > 0, np.inf, 0.0), where=within > 0)
    return ratio

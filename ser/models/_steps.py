"""The steps before a classifier of utterance vectors: scaling, selection of features, fuzzy memberships.

Settings, in the order of the steps: ``scaling`` ("standard" | "none"); ``select`` (0: all features; k: the k best by
analysis of variance, for Shegokar & Sircar 2016); ``clusters`` (0: off; c: memberships of c fuzzy clusters replace the
features, as in Demircan & Kahramanli 2018), and with clusters also ``fuzzifier``, ``cluster_starts``,
``cluster_iterations`` and ``cluster_tolerance``.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from ser.errors import BadInput
from ser.models._estimators import Estimator, Labels, Vectors
from ser.models._fuzzy import FuzzyCMeans

# What varies by less, beside its largest value, varies by the rounding of sums over frames only.
_ROUNDING = 1e-12


def pipeline(settings: Mapping[str, Any], seed: int, classifier: Estimator) -> Pipeline:
    """The steps that ``settings`` ask for, and ``classifier`` after them. Raises BadInput for values of no meaning."""
    steps: list[tuple[str, Any]] = [("scaling", Scaling(settings["scaling"]))]
    if settings["select"]:
        steps.append(("select", Select(settings["select"])))
    if settings["clusters"]:
        loop = {name: settings[f"cluster_{name}"] for name in ("starts", "iterations", "tolerance")}
        steps.append(("clusters", FuzzyCMeans(settings["clusters"], settings["fuzzifier"], **loop, seed=seed)))
    return Pipeline([*steps, ("classifier", classifier)])


class Scaling(Estimator):
    """Every feature to mean 0 and standard deviation 1 over the training side ("standard"), or as it is ("none").

    A feature that is constant in training says nothing, and becomes 0 also where it varies later: in its own unit it
    might outweigh all others.
    """

    def __init__(self, kind: str) -> None:
        if kind not in ("standard", "none"):
            raise BadInput(repr(kind), "scaling", "none, standard", "choose one of them")
        self.kind = kind

    def fit(self, x: Vectors, y: object = None) -> "Scaling":
        """Learn from x [utterances, width]. Raises BadInput where a number is not finite, or where nothing varies."""
        _finite(x)
        self.mean_, spread = x.mean(0), x.std(0)
        varies = np.ptp(x, axis=0) > _ROUNDING * np.abs(x).max(0)
        if not varies.any():
            remedy = "look at its audio and the front-end"
            raise BadInput(f"{x.shape[1]} constant features", "vectors of a training side", "some that vary", remedy)
        self.factor_ = np.divide(1, spread, out=np.zeros_like(spread), where=varies)
        return self

    def transform(self, x: Vectors) -> Vectors:
        """[utterances, width] -> the same, scaled. Raises BadInput where a number is not finite."""
        _finite(x)
        scaled: Vectors = (x - self.mean_) * self.factor_ if self.kind == "standard" else x
        return scaled


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


def _finite(x: Vectors) -> None:
    if not np.isfinite(x).all():
        utterance, feature = np.argwhere(~np.isfinite(x))[0]
        value = f"{x[utterance, feature]} as feature {feature} of utterance {utterance}"
        raise BadInput(value, "vectors for a classifier", "finite numbers", "look at its audio and the front-end")

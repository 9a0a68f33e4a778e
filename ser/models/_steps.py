"""The steps before a classifier of utterance vectors: scaling, selection of features, fuzzy clusters.

Selection is for Shegokar & Sircar 2016, fuzzy clusters for Demircan & Kahramanli 2018: their abstract has centres in
place of the training utterances.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.pipeline import Pipeline

from ser.errors import BadInput
from ser.models._condensed import Condensed
from ser.models._estimators import Estimator, Labels, Vectors
from ser.models._fuzzy import FuzzyCMeans
from ser.models._plain import Plain
from ser.models._scaling import Scaling
from ser.study.functionals import FUNCTIONALS
from ser.study.settings import setting


@dataclass(frozen=True)
class Steps:
    """Settings of the steps, in their order; ours where a study states nothing else."""

    statistics: tuple[str, ...] = setting(
        "functionals of the frames; none: an utterance has one frame", choices=FUNCTIONALS
    )
    scaling: str = setting("scaling of every feature on the training subset", "standard", choices=("none", "standard"))
    select: int = setting("number of the best features by analysis of variance; 0: all", 0, low=0)
    clusters: int = setting("number of fuzzy clusters; 0: no clusters", 0, low=0)
    classifier_input: str = setting(
        "with clusters, the classifier's input: centres of each class in place of its training utterances, or "
        "memberships of all clusters in place of the features",
        "centres",
        choices=("centres", "memberships"),
    )
    # With the usual fuzzifier of 2 the centres of so many features are all the same.
    fuzzifier: float = setting("m of fuzzy C-means: how much clusters overlap", 1.1, above=1)
    cluster_starts: int = setting("random starts of the clustering, the best of which stays", 3, low=1)
    cluster_iterations: int = setting("iterations of the clustering at most", 300, low=1)
    cluster_tolerance: float = setting("change of a membership at which the clustering ends", 1e-4, low=0)


def pipeline(settings: Steps, seed: int, classifier: Estimator) -> Pipeline:
    """Returns the steps that ``settings`` ask for, with ``classifier`` behind them. Raises BadInput for one cluster."""
    steps: list[tuple[str, Estimator]] = [("scaling", Scaling(settings.scaling))]
    if settings.select:
        steps.append(("select", Select(settings.select)))
    if settings.clusters:
        means = FuzzyCMeans(
            settings.clusters,
            settings.fuzzifier,
            settings.cluster_starts,
            settings.cluster_iterations,
            settings.cluster_tolerance,
            seed,
        )
        if settings.classifier_input == "centres":
            classifier = Condensed(classifier, means)
        else:
            steps.append(("clusters", means))
    return Pipeline([*steps, ("classifier", classifier)])


class Select(Estimator):
    """The ``count`` features whose means differ most between classes by analysis of variance; of equals, the first."""

    def __init__(self, count: int) -> None:
        self.count = count

    def fit(self, x: Vectors, y: Labels) -> "Select":
        """Finds ``columns_`` [count], ascending. Raises BadInput where there are fewer features."""
        if not 0 < self.count <= x.shape[1]:
            raise BadInput(f"{self.count} features", "select", f"1 to {x.shape[1]}, or 0 for all", "choose another")
        self.columns_ = np.sort(np.argsort(-variance_ratio(x, y), kind="stable")[: self.count])
        return self

    def transform(self, x: Vectors) -> Vectors:
        """[utterances, width] -> [utterances, count]."""
        return x[:, self.columns_]

    def plain(self) -> Plain:
        """Returns the step as arrays."""
        return Plain("select", "x[columns]", {"columns": self.columns_})


def variance_ratio(x: Vectors, y: Labels) -> Vectors:
    """Returns F of each feature: the variance between the means of classes over that within classes [width].

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

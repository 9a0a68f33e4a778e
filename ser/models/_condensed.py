"""A classifier that learns from few fuzzy centres of each class in place of its utterances.

So reads the abstract of Demircan & Kahramanli 2018: cluster centres are what their classifiers are given. What is
tested are utterances all the same.
"""

from typing import Any

import numpy as np

from ser.models._estimators import Estimator, Labels, Vectors, classes_of
from ser.models._fuzzy import FuzzyCMeans


class Condensed(Estimator):
    """``classifier``, fitted to the centres that ``clusters`` finds in each class of the training side by itself."""

    def __init__(self, classifier: Any, clusters: FuzzyCMeans) -> None:
        self.classifier, self.clusters = classifier, clusters

    def fit(self, x: Vectors, y: Labels) -> "Condensed":
        """Fit to x [utterances, width] and y [utterances]; a class of no more utterances than clusters stays as it is.

        Raises BadInput where y has one class only.
        """
        self.classes_ = classes_of(y)
        found = [self._centres(x[y == c]) for c in self.classes_]
        self.classifier.fit(np.concatenate(found), np.repeat(self.classes_, [len(some) for some in found]))
        return self

    def _centres(self, x: Vectors) -> Vectors:
        return self.clusters.fit(x).centres_.copy() if len(x) > self.clusters.clusters else x

    def decision_function(self, x: Vectors) -> Vectors:
        """[utterances, width] -> [utterances, classes]: the classifier's values, or its shares of the vote."""
        asked = getattr(self.classifier, "decision_function", None) or self.classifier.predict_proba
        values: Vectors = asked(x)
        return values

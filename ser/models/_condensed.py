"""A classifier that learns from few fuzzy centres of each class in place of its utterances.

The abstract of Demircan & Kahramanli 2018 reads so: cluster centres are the input of their classifiers. Tests are on
utterances all the same.
"""

import numpy as np

from ser.models._estimators import Estimator, Labels, Vectors, classes_of
from ser.models._fuzzy import FuzzyCMeans


class Condensed(Estimator):
    """``classifier``, fitted to the centres that ``clusters`` finds in each class of the training subset by itself."""

    def __init__(self, classifier: Estimator, clusters: FuzzyCMeans) -> None:
        self.classifier, self.clusters = classifier, clusters

    def fit(self, x: Vectors, y: Labels) -> "Condensed":
        """Fits to x [utterances, width] and y [utterances]; a class of no more utterances than clusters stays as it is.

        Raises BadInput where y has one class only.
        """
        self.classes_ = classes_of(y)
        centres = [self._centres(x[y == c]) for c in self.classes_]
        self.classifier.fit(np.concatenate(centres), np.repeat(self.classes_, [len(rows) for rows in centres]))
        return self

    def _centres(self, x: Vectors) -> Vectors:
        return self.clusters.fit(x).centres_.copy() if len(x) > self.clusters.clusters else x

    def decision_function(self, x: Vectors) -> Vectors:
        """[utterances, width] -> [utterances, classes]: the classifier's values, or its shares of the vote."""
        score = getattr(self.classifier, "decision_function", None) or self.classifier.predict_proba
        values: Vectors = score(x)
        return values

"""Logistic regression of utterance vectors: the plain reference where a support vector machine's kernel is too slow, or
where an utterance may have several labels.

x [utterances, width] -> logits [utterances, classes]. Of one label per utterance their softmax is the probability
(multinomial regression); of several, the sigmoid of each class by itself (one regression for each class).
"""

from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from ser.models._estimators import Estimator, Labels, Vectors, classes_of
from ser.models._plain import Plain, affine
from ser.models._steps import Steps, pipeline
from ser.study.settings import setting

VERSION = 1
GIVES = "classes"
TAKES = "vectors"
SEVERAL_LABELS = True
LOGITS = True


@dataclass(frozen=True)
class Settings(Steps):
    """Settings of the regression; ours."""

    c: float = setting("C: 1 / weight of the squared weights in the summed loss", 1.0, above=0)
    balanced: bool = setting("whether errors weigh as if all classes were equally frequent", False)
    iterations: int = setting("iterations of L-BFGS at most", 1000, low=1)


class Regressions(Estimator):
    """One regression over all classes for y [utterances]; one for each class for k-hot y [utterances, classes]."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def fit(self, x: Vectors, y: Labels) -> "Regressions":
        """Fits to x [utterances, width]. Raises BadInput where y [utterances] has one class only."""
        if y.ndim == 1:
            self.classes_ = classes_of(y)
            self.fitted_ = [self._regression().fit(x, y)]
            return self
        self.classes_ = np.arange(y.shape[1])
        # A class that no utterance has, or that all have, leaves nothing to fit: it is answered as it was seen.
        self.fitted_ = [
            self._regression().fit(x, one > 0) if 0 < one.sum() < len(one) else np.inf if one.all() else -np.inf
            for one in y.T
        ]
        self.several_ = True
        return self

    def decision_function(self, x: Vectors) -> Vectors:
        """[utterances, width] -> logits [utterances, classes]; infinite for a class that training left no choice."""
        if not hasattr(self, "several_"):
            logits: Vectors = self.fitted_[0].decision_function(x)
            return logits if logits.ndim == 2 else np.stack([-logits / 2, logits / 2], axis=1)
        columns = [np.full(len(x), one) if isinstance(one, float) else one.decision_function(x) for one in self.fitted_]
        return np.stack(columns, axis=1)

    def plain(self) -> Plain:
        """Returns the regression as arrays. Of several labels, a class without choice has weights of 0."""
        if not hasattr(self, "several_"):
            one = self.fitted_[0]
            share = 0.5 if len(one.coef_) == 1 else 1.0  # of two classes the logits are halves of their difference
            return affine(share * one.coef_, share * one.intercept_)
        width = next(len(one.coef_[0]) for one in self.fitted_ if not isinstance(one, float))
        rows = [(np.zeros(width), one) if isinstance(one, float) else (one.coef_[0], one.intercept_[0])
                for one in self.fitted_]  # fmt: skip
        return affine(np.stack([row for row, _ in rows]), np.array([bias for _, bias in rows]))

    def _regression(self) -> LogisticRegression:
        s = self.settings
        return LogisticRegression(C=s.c, class_weight="balanced" if s.balanced else None, max_iter=s.iterations)


def build(settings: Settings, seed: int, device: str) -> Pipeline:
    """Returns the model, which always computes on the CPU. Raises BadInput as ``pipeline`` does."""
    return pipeline(settings, seed, Regressions(settings))


def example() -> tuple[int, Settings, int]:
    """Returns width of a frame, small settings, and frames per utterance."""
    return 4, Settings(statistics=("mean", "std")), 9

"""The interface of fitted models, scikit-learn's, with scores [utterances, classes] whatever their number."""

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import BaseEstimator
from torch import Tensor

from ser.errors import BadInput
from ser.models._plain import Plain, affine, machine_of

Vectors = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


class Estimator(BaseEstimator):
    """scikit-learn's interface: parameters are the arguments of ``__init__``, what is fitted ends in ``_``."""


class Tensors:
    """Tensors as attributes, which are arrays in the state: files of models hold no tensors.

    What is copied or read back has them on the CPU.
    """

    def __getstate__(self) -> dict[str, object]:
        return {k: v.detach().cpu().numpy() if isinstance(v, Tensor) else v for k, v in vars(self).items()}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update({k: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for k, v in state.items()})


class Scores(Estimator):
    """A scikit-learn classifier with a score per class also where there are two: [-s, s] of its single score s."""

    def __init__(self, classifier: BaseEstimator) -> None:
        self.classifier = classifier

    def fit(self, x: Vectors, y: Labels) -> "Scores":
        """Fits to x [utterances, width] and y [utterances]. Raises BadInput where y has one class only."""
        self.classes_ = classes_of(y)
        self.classifier.fit(x, y)
        return self

    def decision_function(self, x: Vectors) -> Vectors:
        """[utterances, width] -> [utterances, classes], in the order of ``classes_``; the largest is the answer."""
        scores: Vectors = self.classifier.decision_function(x)
        return scores if scores.ndim == 2 else np.stack([-scores, scores], axis=1)

    def plain(self) -> Plain:
        """Returns the classifier as arrays: a support vector machine's, or the weights of linear scores."""
        classifier = self.classifier
        if hasattr(classifier, "support_vectors_"):
            return machine_of(classifier)
        return affine(classifier.coef_, classifier.intercept_)


def classes_of(y: Labels) -> Labels:
    """Returns the classes that occur in y [utterances], sorted. Raises BadInput for fewer than two."""
    classes = np.unique(y)
    if len(classes) < 2:
        remedy = "add utterances of another class to the training subset"
        raise BadInput(f"{len(classes)} classes", "the labels of a training subset", "two classes or more", remedy)
    return classes

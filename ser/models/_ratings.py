"""Regressors of ratings: one for each dimension, fitted to the utterances that have its rating."""

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline

from ser.errors import BadInput
from ser.models._estimators import Estimator, Vectors
from ser.models._plain import Plain, kernels_of
from ser.models._steps import Steps, pipeline

_FEWEST = 2  # utterances with a rating


class Ratings(Estimator):
    """One ``regressor`` of scikit-learn, such as ``Ridge``, for each dimension."""

    def __init__(self, regressor: BaseEstimator) -> None:
        self.regressor = regressor

    def fit(self, x: Vectors, y: Vectors) -> "Ratings":
        """Fits to x [utterances, width] and y [utterances, dimensions], nan for no rating. Raises BadInput."""
        rated = ~np.isnan(y)
        if (fewest := int(rated.sum(0).min())) < _FEWEST:
            remedy = "leave the dimension out, or train on more"
            raise BadInput(f"{fewest} utterances with a rating", "training subset", f"{_FEWEST} or more", remedy)
        self.fitted_ = [
            clone(self.regressor).fit(x[has], column[has]) for has, column in zip(rated.T, y.T, strict=True)
        ]
        return self

    def predict(self, x: Vectors) -> Vectors:
        """[utterances, width] -> [utterances, dimensions]."""
        return np.stack([one.predict(x) for one in self.fitted_], axis=1)

    def plain(self) -> Plain:
        """Returns the regressors as arrays."""
        if hasattr(self.fitted_[0], "support_vectors_"):
            return kernels_of(self.fitted_)
        weight, bias = np.stack([one.coef_ for one in self.fitted_]), np.array([one.intercept_ for one in self.fitted_])
        return Plain("affine", "weight @ x + bias: a rating of each dimension", {"weight": weight, "bias": bias})


def regression(settings: Steps, seed: int, regressor: BaseEstimator) -> Pipeline:
    """Returns the steps of ``settings`` with ``regressor`` behind them. Raises BadInput for those that need classes."""
    for name in ("select", "clusters"):
        if value := getattr(settings, name):
            raise BadInput(str(value), f"block.{name}, of ratings", "0: it needs classes", f"--set {name} to 0")
    return pipeline(settings, seed, Ratings(regressor))

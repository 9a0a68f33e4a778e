"""Linear discriminant analysis of utterance vectors: Wu, Falk & Chan 2011 as the survey tells it (paper 004, row 8).

x [utterances, width] -> log posteriors [utterances, classes] but for a term that all classes share; with two classes
half their difference, in both directions. Classes are as frequent as in training.
"""

from collections.abc import Mapping
from typing import Any

from sklearn.covariance import ledoit_wolf
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.pipeline import Pipeline

from ser.errors import BadInput
from ser.models._estimators import Estimator, Scores, Vectors
from ser.models._steps import pipeline

GIVES = "classes"
TAKES = "vectors"
_ALLOWED = (("lsqr", "auto"), ("lsqr", "none"), ("svd", "none"))


class _Shrunk(Estimator):
    """Covariance of one class, shrunk as Ledoit & Wolf 2004 say after scaling: scikit-learn's "auto".

    That warns of a class of one utterance, whose covariance is plainly zero.
    """

    def fit(self, x: Vectors) -> "_Shrunk":
        """Estimate ``covariance_`` [width, width] of x [utterances, width]."""
        scale = x.std(0)
        scale[scale == 0] = 1
        some = (x - x.mean(0)) / scale
        self.covariance_ = scale[:, None] * (ledoit_wolf(some)[0] if len(x) > 1 else 0) * scale
        return self


def build(settings: Mapping[str, Any], seed: int, device: str) -> Pipeline:
    """Settings: those of ``_steps``, and solver ("lsqr" or "svd"), shrinkage ("auto", of "lsqr" only, or "none").

    With more features than utterances the covariance can only be inverted in part, and "auto" is what to choose. Always
    on the CPU. Raises BadInput.
    """
    chosen = settings["solver"], settings["shrinkage"]
    if chosen not in _ALLOWED:
        allowed = "; ".join(" with ".join(pair) for pair in _ALLOWED)
        raise BadInput(" with ".join(chosen), "lda.solver with lda.shrinkage", allowed, "choose one of them")
    shrunk = _Shrunk() if settings["shrinkage"] == "auto" else None
    return pipeline(settings, seed, Scores(LinearDiscriminantAnalysis(settings["solver"], covariance_estimator=shrunk)))


def example() -> tuple[int, dict[str, Any], int]:
    """Width of a frame, small settings, and frames per utterance."""
    steps = {"statistics": ("mean", "std"), "scaling": "standard", "select": 0, "clusters": 0}
    return 4, steps | {"solver": "lsqr", "shrinkage": "auto"}, 9

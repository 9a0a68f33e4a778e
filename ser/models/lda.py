"""Linear discriminant analysis of utterance vectors: Wu, Falk & Chan 2011 as Pinto et al. describe it (row 8).

x [utterances, width] -> log posteriors [utterances, classes] but for a term that all classes share; with two classes
half their difference, in both directions. Classes are as frequent as in training.
"""

from dataclasses import dataclass

from sklearn.covariance import ledoit_wolf
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.pipeline import Pipeline

from ser.errors import BadInput
from ser.models._estimators import Estimator, Scores, Vectors
from ser.models._steps import Steps, pipeline
from ser.study.settings import setting

VERSION = 1
GIVES = "classes"
TAKES = "vectors"


@dataclass(frozen=True)
class Settings(Steps):
    """Settings of the analysis; ours.

    With more features than utterances the covariance can only be inverted in part: "auto" shrinks it (Ledoit & Wolf).
    """

    solver: str = setting("way to compute it, as scikit-learn calls it", "lsqr", choices=("lsqr", "svd"))
    shrinkage: str = setting("of the covariance; auto is of lsqr only", "auto", choices=("auto", "none"))


class _Shrunk(Estimator):
    """Covariance of one class, shrunk as Ledoit & Wolf 2004 say after scaling: scikit-learn's "auto".

    That warns of a class of one utterance, whose covariance is plainly zero.
    """

    def fit(self, x: Vectors) -> "_Shrunk":
        """Estimates ``covariance_`` [width, width] of x [utterances, width]."""
        scale = x.std(0)
        scale[scale == 0] = 1
        scaled = (x - x.mean(0)) / scale
        self.covariance_ = scale[:, None] * (ledoit_wolf(scaled)[0] if len(x) > 1 else 0) * scale
        return self


def build(settings: Settings, seed: int, device: str) -> Pipeline:
    """Returns the model, which always computes on the CPU. Raises BadInput for svd with shrinkage."""
    if (settings.solver, settings.shrinkage) == ("svd", "auto"):
        place, allowed = "lda.solver with lda.shrinkage", "lsqr with auto; lsqr with none; svd with none"
        raise BadInput("svd with auto", place, allowed, "choose one of them")
    shrunk = _Shrunk() if settings.shrinkage == "auto" else None
    return pipeline(settings, seed, Scores(LinearDiscriminantAnalysis(settings.solver, covariance_estimator=shrunk)))


def example() -> tuple[int, Settings, int]:
    """Returns width of a frame, small settings, and frames per utterance."""
    return 4, Settings(statistics=("mean", "std")), 9

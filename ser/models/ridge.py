"""Ridge regression of utterance vectors: of ratings, or, of a 1 or -1 for each class, a linear classifier.

x [utterances, width] -> scores [utterances, classes], or ratings [utterances, dimensions]. Hoerl & Kennard 1970.
"""

from dataclasses import dataclass

from sklearn.linear_model import Ridge, RidgeClassifier
from sklearn.pipeline import Pipeline

from ser.models._estimators import Scores
from ser.models._ratings import regression
from ser.models._steps import Steps, pipeline
from ser.study.settings import setting

VERSION = 1
GIVES = "classes"
TAKES = "vectors"


@dataclass(frozen=True)
class Settings(Steps):
    """Settings of the regression; ours."""

    alpha: float = setting("weight of the squared weights in the summed squared error", 1.0, above=0)


def build(settings: Settings, seed: int, device: str) -> Pipeline:
    """Returns the classifier, which always computes on the CPU. Raises BadInput as ``pipeline`` does."""
    return pipeline(settings, seed, Scores(RidgeClassifier(alpha=settings.alpha, solver="cholesky")))


def regressor(settings: Settings, seed: int, device: str) -> Pipeline:
    """Returns the regression of ratings. Raises BadInput as ``regression`` does."""
    return regression(settings, seed, Ridge(alpha=settings.alpha, solver="cholesky"))


def example() -> tuple[int, Settings, int]:
    """Returns width of a frame, small settings, and frames per utterance."""
    return 4, Settings(statistics=("mean", "std")), 9

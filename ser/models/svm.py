"""A support vector machine over utterance vectors: the classifier of rows 4, 8, 9 and 10 of Pinto et al.

Of ratings it is support vector regression.

x [utterances, width] -> scores [utterances, classes]: the votes of all pairs of classes, ties broken by their margins
(scikit-learn's "ovr" of a one-against-one machine).
"""

from dataclasses import dataclass

from sklearn.pipeline import Pipeline
from sklearn.svm import SVC, SVR

from ser.models._estimators import Scores
from ser.models._ratings import regression
from ser.models._steps import Steps, pipeline
from ser.study.settings import setting

VERSION = 1
GIVES = "classes"
TAKES = "vectors"


@dataclass(frozen=True)
class Settings(Steps):
    """Settings of the machine; ours.

    "poly" is (gamma x·x' + coef0)^degree: with degree 2 and coef0 1 the quadratic machine.
    """

    kernel: str = setting("kernel of the machine", "rbf", choices=("linear", "poly", "rbf"))
    c: float = setting("C: the weight of errors", 1.0, above=0)
    gamma: float = setting("gamma of rbf and poly; 0: 1 / (width · variance)", 0.0, low=0)
    degree: int = setting("degree of poly", 2, low=1)
    coef0: float = setting("the constant within poly", 1.0)
    balanced: bool = setting("whether errors weigh as if all classes were equally frequent", False)


def build(settings: Settings, seed: int, device: str) -> Pipeline:
    """Returns the model, which always computes on the CPU. Raises BadInput as ``pipeline`` does."""
    machine = SVC(
        C=settings.c,
        kernel=settings.kernel,
        degree=settings.degree,
        gamma=settings.gamma or "scale",
        coef0=settings.coef0,
        class_weight="balanced" if settings.balanced else None,
        decision_function_shape="ovr",
    )
    return pipeline(settings, seed, Scores(machine))


def regressor(settings: Settings, seed: int, device: str) -> Pipeline:
    """Returns the regression of ratings, with errors of up to 0.1 free. Raises BadInput as ``regression`` does."""
    machine = SVR(
        C=settings.c,
        kernel=settings.kernel,
        degree=settings.degree,
        gamma=settings.gamma or "scale",
        coef0=settings.coef0,
        epsilon=0.1,
    )
    return regression(settings, seed, machine)


def linear(c: float, seed: int) -> Pipeline:
    """Returns a linear machine over standardised vectors: the end of models that learn their own features."""
    return build(Settings(statistics=(), kernel="linear", c=c, degree=1, coef0=0.0), seed, "cpu")


def example() -> tuple[int, Settings, int]:
    """Returns width of a frame, small settings, and frames per utterance."""
    return 4, Settings(statistics=("mean", "std")), 9

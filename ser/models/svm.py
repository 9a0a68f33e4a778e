"""A support vector machine over utterance vectors: the classifier of paper 004, rows 4, 8, 9 and 10.

x [utterances, width] -> scores [utterances, classes]: the votes of all pairs of classes, ties broken by their margins
(scikit-learn's "ovr" of a one-against-one machine).
"""

from collections.abc import Mapping
from typing import Any

from sklearn.pipeline import Pipeline
from sklearn.svm import SVC

from ser.errors import BadInput
from ser.models._estimators import Scores
from ser.models._steps import pipeline

GIVES = "classes"
TAKES = "vectors"
_KERNELS = ("linear", "poly", "rbf")


def build(settings: Mapping[str, Any], seed: int, device: str) -> Pipeline:
    """Settings: those of ``_steps``, and kernel, c, gamma, degree, coef0, balanced; always on the CPU.

    ``gamma`` 0 is 1 / (width · variance). "poly" is (gamma x·x' + coef0)^degree: with degree 2 and coef0 1 the
    quadratic machine. ``balanced``: errors weigh as if all classes were equally frequent. Raises BadInput.
    """
    kernel = settings["kernel"]
    if kernel not in _KERNELS:
        raise BadInput(repr(kernel), "svm.kernel", ", ".join(_KERNELS), "choose one of them")
    if not settings["c"] > 0 or settings["gamma"] < 0:
        value = f"c {settings['c']}, gamma {settings['gamma']}"
        raise BadInput(value, "svm", "c above 0, gamma above 0 or 0 for its scale", "change these")
    machine = SVC(
        C=settings["c"],
        kernel=kernel,
        degree=settings["degree"],
        gamma=settings["gamma"] or "scale",
        coef0=settings["coef0"],
        class_weight="balanced" if settings["balanced"] else None,
        decision_function_shape="ovr",
    )
    return pipeline(settings, seed, Scores(machine))


def linear(c: float, seed: int) -> Pipeline:
    """A linear machine over standardised vectors: the end of models that learn their own features."""
    steps = {"scaling": "standard", "select": 0, "clusters": 0, "kernel": "linear", "c": c}
    return build(steps | {"gamma": 0.0, "degree": 1, "coef0": 0.0, "balanced": False}, seed, "cpu")


def example() -> tuple[int, dict[str, Any], int]:
    """Width of a frame, small settings, and frames per utterance."""
    steps = {"statistics": ("mean", "std"), "scaling": "standard", "select": 0, "clusters": 0}
    settings = {"kernel": "rbf", "c": 1.0, "gamma": 0.0, "degree": 2, "coef0": 1.0, "balanced": False}
    return 4, steps | settings, 9

"""A step of a fitted model as plain arrays, for files that any program reads: the arrays, and what to compute of them.

A step of a model has ``plain()``, which returns its ``Plain``, or cannot be written so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator


@dataclass(frozen=True)
class Plain:
    """``text``: what becomes of x, a vector (or, of several, each row), in words and formulas over ``arrays``."""

    kind: str
    text: str
    arrays: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    values: Mapping[str, float | int | str] = field(default_factory=dict)


def affine(weight: npt.NDArray[np.float64], bias: npt.NDArray[np.float64]) -> Plain:
    """A score of each class, weight [classes, width] and bias [classes]; of two classes the first may be left out."""
    if len(weight) == 1:
        weight, bias = np.concatenate([-weight, weight]), np.concatenate([-bias, bias])
    return Plain("affine", "weight @ x + bias: a score of each class", {"weight": weight, "bias": bias})


_KERNELS = {
    "linear": "k(a, b) = a · b",
    "poly": "k(a, b) = (gamma a · b + coef0)^degree",
    "rbf": "k(a, b) = exp(-gamma |a - b|^2)",
}
_VOTES = (
    "each pair of classes i < j, in order: d = bias + the sum, over the vectors of i, of coefficients[j - 1] "
    "k(vector, x) and, over those of j, of coefficients[i] k(vector, x); d > 0 is a vote for i, else for j; c_i gets "
    "+d, c_j gets -d; "
    "a class's score: its votes + c / (3 (|c| + 1))"
)
_TWO = "d = bias + the sum of coefficients[0] k(vector, x); scores -d and d"


def machine_of(machine: BaseEstimator) -> Plain:
    """Returns scikit-learn's support vector machine as arrays; vectors lie one class after another, as counts says."""
    two = len(machine.n_support_) == 2
    text = f"{_KERNELS[machine.kernel]}; {_TWO if two else _VOTES}"
    arrays = {
        "vectors": machine.support_vectors_,
        "coefficients": machine.dual_coef_,
        "bias": machine.intercept_,
        "counts": machine.n_support_.astype(np.int64),
    }
    gamma = float(machine._gamma)
    values = {"kernel": machine.kernel, "gamma": gamma, "coef0": machine.coef0, "degree": machine.degree}
    return Plain("machine", text, arrays, values)


def kernels_of(machines: Sequence[BaseEstimator]) -> Plain:
    """Returns support vector regressions, one for each dimension, as arrays; each vector has its machine's gamma."""
    counts = [len(m.support_vectors_) for m in machines]
    coefficients = np.zeros((len(machines), sum(counts)))
    for row, end in enumerate(np.cumsum(counts).tolist()):
        coefficients[row, end - counts[row] : end] = machines[row].dual_coef_[0]
    first = machines[0]
    arrays = {
        "vectors": np.concatenate([m.support_vectors_ for m in machines]),
        "coefficients": coefficients,
        "bias": np.concatenate([m.intercept_ for m in machines]),
        "gammas": np.repeat([float(m._gamma) for m in machines], counts),
    }
    text = f"{_KERNELS[first.kernel]}, with the gamma of each vector b; coefficients @ k(x, vectors) + bias: a rating"
    return Plain("kernels", text, arrays, {"kernel": first.kernel, "coef0": first.coef0, "degree": first.degree})

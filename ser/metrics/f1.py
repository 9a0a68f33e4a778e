"""F1 of each class, and its means, from a confusion matrix: numpy only, a formula, a source and an example each.

``counts`` is a confusion matrix, rows = truth, or many of them: [..., classes, classes]. With TP the diagonal, FN the
rest of a row and FP the rest of a column, F1 = 2 TP / (2 TP + FP + FN), the harmonic mean of precision and recall. A
class that is neither present nor predicted has no F1, and is absent from the means; one that is predicted and nowhere
present has 0.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ser.metrics.accuracy import UndefinedMetric

VERSION = 1  # goes up when a number of this file changes

Floats = NDArray[np.float64]


def f1(counts: ArrayLike) -> Floats:
    """Returns the F1 of each class [..., classes], 0 … 1; nan for a class that is neither present nor predicted.

    Reference: van Rijsbergen, "Information Retrieval", 2nd edition, 1979, chapter 7.

    >>> f1([[3, 1, 0], [1, 1, 0], [0, 0, 0]]).tolist()  # 6 / (6 + 1 + 1), 2 / (2 + 1 + 1)
    [0.75, 0.5, nan]
    """
    matrix = np.asarray(counts, np.float64)
    hits = np.diagonal(matrix, axis1=-2, axis2=-1)
    both = matrix.sum(axis=-1) + matrix.sum(axis=-2)  # 2 TP + FN + FP
    return _shares(2 * hits, both)


def macro_f1(counts: ArrayLike) -> float:
    """Returns the mean F1 of the classes that are present or predicted, 0 … 1.

    Raises UndefinedMetric without any utterance. Reference: Yang, "An evaluation of statistical approaches to text
    categorization", Information Retrieval 1, 1999.

    >>> macro_f1([[3, 1, 0], [1, 1, 0], [0, 0, 0]])  # (3/4 + 1/2) / 2
    0.625
    """
    _check_any(counts)
    return float(macro_f1s(counts))


def weighted_f1(counts: ArrayLike) -> float:
    """Returns the mean of the classes' F1, each weighted by its utterances in truth, 0 … 1.

    Raises UndefinedMetric without any utterance. Reference: scikit-learn, ``f1_score(average="weighted")``.

    >>> weighted_f1([[3, 1, 0], [1, 1, 0], [0, 0, 0]])  # (4 · 3/4 + 2 · 1/2) / 6
    0.6666666666666666
    """
    _check_any(counts)
    return float(weighted_f1s(counts))


def macro_f1s(counts: ArrayLike) -> Floats:
    """Returns ``macro_f1`` of many confusion matrices [...]; nan for one without any utterance.

    >>> macro_f1s([[[3, 1], [1, 1]], [[0, 0], [0, 0]]]).tolist()
    [0.625, nan]
    """
    scores = f1(counts)
    count = np.sum(~np.isnan(scores), axis=-1).astype(np.float64)
    total = np.nansum(scores, axis=-1)
    return _shares(total, count)


def weighted_f1s(counts: ArrayLike) -> Floats:
    """Returns ``weighted_f1`` of many confusion matrices [...]; nan for one without any utterance.

    >>> weighted_f1s([[[4, 0], [0, 0]], [[0, 0], [0, 0]]]).tolist()
    [1.0, nan]
    """
    support = np.asarray(counts, np.float64).sum(axis=-1)
    total = np.nansum(f1(counts) * support, axis=-1)
    return _shares(total, support.sum(axis=-1))


def _shares(part: Floats, whole: Floats) -> Floats:
    """``part / whole``, nan of nothing."""
    shares = np.full(whole.shape, np.nan)
    np.divide(part, whole, out=shares, where=whole > 0)
    return shares


def _check_any(counts: ArrayLike) -> None:
    if np.asarray(counts, np.float64).sum() <= 0:
        raise UndefinedMetric("F1 of no utterances; test on at least one labelled utterance")

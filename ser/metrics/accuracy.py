"""Weighted and unweighted accuracy from a confusion matrix: numpy only, a formula, a source and an example each.

The names are those of the field's papers: *weighted* accuracy weighs each class by its utterances (plain accuracy),
*unweighted* accuracy weighs the classes alike (mean recall, also called UAR or balanced accuracy).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

VERSION = 1  # goes up when a number of this file changes


class UndefinedMetric(ValueError):
    """There is no utterance to measure on; a number would be invented."""


def confusion(truth: ArrayLike, predicted: ArrayLike, n_classes: int) -> NDArray[np.int64]:
    """Returns counts [n_classes, n_classes]; row = true class, column = predicted class.

    ``truth`` and ``predicted`` are class indices [utterances]. Raises ValueError for unequal lengths or an index
    outside 0 … n_classes - 1.

    >>> confusion([0, 0, 1, 1, 1], [0, 1, 1, 1, 0], 2).tolist()
    [[1, 1], [1, 2]]
    """
    true, guess = np.asarray(truth, np.int64).ravel(), np.asarray(predicted, np.int64).ravel()
    if true.shape != guess.shape:
        raise ValueError(f"{true.size} true labels but {guess.size} predictions; give one prediction per utterance")
    both = np.concatenate([true, guess])
    if both.size and (both.min() < 0 or both.max() >= n_classes):
        raise ValueError(f"class index {both.min()} … {both.max()}; allowed: 0 … {n_classes - 1}")
    return np.bincount(true * n_classes + guess, minlength=n_classes**2).reshape(n_classes, n_classes).astype(np.int64)


def wa(counts: ArrayLike) -> float:
    """Returns the weighted accuracy: trace / sum, the share of utterances that are right, 0 … 1.

    ``counts`` is a confusion matrix [classes, classes], rows = truth. Raises UndefinedMetric without any utterance.
    Reference: Han, Yu, Tashev, "Speech emotion recognition using deep neural network and ELM", Interspeech 2014.

    >>> wa([[8, 2], [1, 1]])  # 9 right of 12
    0.75
    """
    matrix = np.asarray(counts)
    return float(np.trace(matrix) / _total(matrix))


def ua(counts: ArrayLike) -> float:
    """Returns the unweighted accuracy: the mean recall of the classes that are present in truth, 0 … 1.

    ``counts`` is a confusion matrix [classes, classes], rows = truth. Raises UndefinedMetric without any utterance.
    Reference: Schuller, Steidl, Batliner, "The INTERSPEECH 2009 Emotion Challenge" (there: unweighted average recall).

    >>> ua([[8, 2], [1, 1]])  # (8/10 + 1/2) / 2
    0.65
    >>> ua([[3, 1, 0], [0, 0, 0], [1, 0, 1]])  # no utterance of the second class: (3/4 + 1/2) / 2
    0.625
    """
    matrix = np.asarray(counts)
    _total(matrix)
    return float(np.nanmean(recalls(matrix)))


def recalls(counts: ArrayLike) -> NDArray[np.float64]:
    """Returns the recall of each class [classes]: diagonal / row sum; nan for a class absent from truth.

    >>> recalls([[3, 1], [0, 0]]).tolist()
    [0.75, nan]
    """
    matrix = np.asarray(counts, np.float64)
    rows = matrix.sum(axis=1)
    shares = np.full(rows.shape, np.nan)
    np.divide(np.diag(matrix), rows, out=shares, where=rows > 0)
    return shares


def row_shares(counts: ArrayLike) -> NDArray[np.float64]:
    """Returns confusion matrices normalised by row [..., classes, classes]: of each true class, what it is taken for.

    The diagonal has the recalls; the row of a class absent from truth is nan.

    >>> row_shares([[3, 1], [0, 0]]).tolist()
    [[0.75, 0.25], [nan, nan]]
    """
    matrix = np.asarray(counts, np.float64)
    rows = matrix.sum(axis=-1, keepdims=True)
    shares = np.full(matrix.shape, np.nan)
    np.divide(matrix, rows, out=shares, where=rows > 0)
    return shares


def _total(matrix: NDArray[np.generic]) -> float:
    total = float(np.asarray(matrix, np.float64).sum())
    if total <= 0:
        raise UndefinedMetric("accuracy of no utterances; test on at least one labelled utterance")
    return total

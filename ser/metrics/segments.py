"""Accuracies of clips whose segments were classified one by one: the five of Sahoo et al.

Sahoo, Kumar, Raman, Roy, "A Segment Level Approach to Speech Emotion Recognition using Transfer Learning", ACPR 2019,
section 3.3. p_ij is the class predicted for segment j of clip i, y_i the clip's true class, M_i the set of classes
that the most segments of the clip are predicted as. Always aca ≤ sca ≤ bca, and all five are equal where every clip
is one segment.
"""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ser.metrics.accuracy import UndefinedMetric

VERSION = 1  # goes up when a number of this file changes


def accuracies(
    clip: ArrayLike, truth: ArrayLike, logits: ArrayLike, ties: Literal["strict", "lowest"] = "strict"
) -> dict[str, float]:
    """Returns the five accuracies, 0 … 1.

    - ``sa``: mean over segments of p_ij = y_i;
    - ``aca``: share of clips with every p_ij = y_i;
    - ``sca``: share of clips with M_i = {y_i};
    - ``alca``: share of clips where the mean of the logits is highest for y_i;
    - ``bca``: share of clips with y_i in M_i.

    ``clip`` [segments] is the index of each segment's clip, in any order, ``truth`` [clips] the class indices, and
    ``logits`` [segments, classes]. With ``ties`` "lowest" the first class of M_i stands for the clip in ``sca``, as in
    the authors' program. Raises UndefinedMetric without clips, ValueError for a clip without segments, a class that
    has no logit, or nan.

    >>> shares = accuracies([0, 0, 1], [0, 1], [[2.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    >>> {name: round(value, 2) for name, value in shares.items()}  # the first clip's segments tie; its logits do not
    {'sa': 0.67, 'aca': 0.5, 'sca': 0.5, 'alca': 1.0, 'bca': 1.0}
    """
    if ties not in ("strict", "lowest"):
        raise ValueError(f"ties {ties!r}; allowed: strict, lowest")
    true = np.asarray(truth, np.int64).ravel()
    owners, values = _segments(clip, logits)
    if not true.size:
        raise UndefinedMetric("accuracy of no clips; test on at least one labelled clip")
    n_classes = values.shape[1]
    if true.min() < 0 or true.max() >= n_classes:
        raise ValueError(f"class index {true.min()} … {true.max()}; allowed: 0 … {n_classes - 1}")
    sums = _sums(owners, values)
    if len(sums) != true.size:
        raise ValueError(f"segments of {len(sums)} clips but {true.size} labels; give each clip a label and a segment")
    guess = values.argmax(axis=1)
    votes = np.bincount(owners * n_classes + guess, minlength=true.size * n_classes).reshape(true.size, n_classes)
    modes = votes == votes.max(axis=1, keepdims=True)
    right = np.arange(true.size), true
    first = modes.argmax(axis=1) == true
    return {
        "sa": float(np.mean(guess == true[owners])),
        "aca": float(np.mean(votes[right] == votes.sum(axis=1))),
        "sca": float(np.mean(first & (modes.sum(axis=1) == 1) if ties == "strict" else first)),
        "alca": float(np.mean(sums.argmax(axis=1) == true)),
        "bca": float(np.mean(modes[right])),
    }


def clip_predictions(clip: ArrayLike, logits: ArrayLike) -> NDArray[np.int64]:
    """Returns the class of each clip [clips]: the highest mean of its segments' logits, of equal ones the first.

    ``clip`` and ``logits`` as in ``accuracies``. Raises ValueError where a clip before the last has no segment, or a
    logit is nan.

    >>> clip_predictions([0, 0, 1], [[2.0, 0.0], [0.0, 1.0], [0.0, 1.0]]).tolist()
    [0, 1]
    """
    highest: NDArray[np.int64] = _sums(*_segments(clip, logits)).argmax(axis=1).astype(np.int64)
    return highest


def clip_modes(clip: ArrayLike, logits: ArrayLike) -> NDArray[np.int64]:
    """Returns the class that most of a clip's segments are predicted as [clips], of equally many the lowest.

    ``clip`` and ``logits`` as in ``accuracies``; of clips before the last that have no segment it is class 0. Raises
    ValueError for nan. Reference: the matrices of Figure 3, as the authors' program makes them.

    >>> clip_modes([0, 0, 0, 1, 1], [[0.0, 9.0], [1.0, 0.0], [1.0, 0.0], [0.0, 9.0], [1.0, 0.0]]).tolist()
    [0, 0]
    """
    owners, values = _segments(clip, logits)
    size, classes = int(owners.max(initial=-1)) + 1, values.shape[1]
    votes = np.bincount(owners * classes + values.argmax(axis=1), minlength=size * classes).reshape(size, classes)
    highest: NDArray[np.int64] = votes.argmax(axis=1).astype(np.int64)
    return highest


def clip_probabilities(clip: ArrayLike, logits: ArrayLike) -> NDArray[np.float32]:
    """Returns the softmax of the mean of each clip's logits [clips, classes].

    It is the geometric mean of the segments' probabilities, scaled to a sum of 1, and highest for the class that
    ``clip_predictions`` has. ``clip`` and ``logits`` as in ``accuracies``. Raises ValueError as ``clip_predictions``.

    >>> clip_probabilities([0, 0, 1], [[2.0, 0.0], [-2.0, 0.0], [0.0, 0.0]]).tolist()
    [[0.5, 0.5], [0.5, 0.5]]
    """
    owners, values = _segments(clip, logits)
    means = _sums(owners, values) / np.bincount(owners)[:, None]
    powers = np.exp(means - means.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def _segments(clip: ArrayLike, logits: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.generic]]:
    owners, values = np.asarray(clip, np.int64).ravel(), np.asarray(logits)
    if values.ndim != 2 or len(values) != owners.size:
        raise ValueError(f"{owners.size} segments but logits {values.shape}; allowed: [segments, classes]")
    if np.isnan(values).any():
        raise ValueError("nan among the logits; allowed: numbers; the training diverged, lower its learning rate")
    if owners.size and owners.min() < 0:
        raise ValueError(f"clip index {owners.min()}; allowed: 0 and more")
    return owners, values


def _sums(owners: NDArray[np.int64], values: NDArray[np.generic]) -> NDArray[np.float64]:
    """Returns the sums of logits [clips, classes] in float64: highest where the mean is."""
    if missing := np.flatnonzero(np.bincount(owners) == 0).tolist():
        raise ValueError(f"no segment of clip {missing[0]}; allowed: at least one of each; leave the clip out")
    columns = [np.bincount(owners, weights=column) for column in np.asarray(values, np.float64).T]
    return np.stack(columns, axis=-1) if columns else np.empty((0, 0))

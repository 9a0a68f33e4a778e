"""How well predicted ratings agree with those of raters: numpy only, a formula, a source and an example each.

``truth`` and ``predicted`` are ratings of one dimension, such as valence, float [utterances]. An utterance without a
rating has nan as its truth, and does not count.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ser.metrics.accuracy import UndefinedMetric

VERSION = 1  # goes up when a number of this file changes

Floats = NDArray[np.float64]


def ccc(truth: ArrayLike, predicted: ArrayLike) -> float:
    """Returns the concordance correlation coefficient, -1 … 1: 2 s_tp / (s_t² + s_p² + (m_t - m_p)²).

    Means m, variances s² and the covariance s_tp divide by the number of utterances. Raises UndefinedMetric where all
    ratings and all predictions are one and the same number, or for fewer than two rated utterances. Reference: Lin, "A
    concordance correlation coefficient to evaluate reproducibility", Biometrics 45, 1989.

    >>> round(ccc([1, 2, 3], [2, 3, 4]), 4)  # 2 · 2/3 / (2/3 + 2/3 + 1)
    0.5714
    """
    true, guess = _rated(truth, predicted, 2)
    spread = true.var() + guess.var() + (true.mean() - guess.mean()) ** 2
    if spread == 0:
        raise UndefinedMetric("CCC of equal constants; test on utterances of different ratings")
    return float(2 * _covariance(true, guess) / spread)


def pearson(truth: ArrayLike, predicted: ArrayLike) -> float:
    """Returns the correlation of Pearson, -1 … 1: s_tp / (s_t s_p), blind to shift and scale.

    Raises UndefinedMetric where ratings or predictions are constant, or for fewer than two rated utterances. Reference:
    Lin (1989), equation 5, of which ``ccc`` is the part that lies on the diagonal.

    >>> round(pearson([1, 2, 3], [2, 4, 9]), 4)
    0.9707
    """
    true, guess = _rated(truth, predicted, 2)
    if not (np.ptp(true) and np.ptp(guess)):
        raise UndefinedMetric("correlation of a constant; test on utterances of different ratings")
    return float(_covariance(true, guess) / (true.std() * guess.std()))


def rmse(truth: ArrayLike, predicted: ArrayLike) -> float:
    """Returns the root of the mean squared difference, 0 … inf, in the unit of the ratings; less is better.

    Raises UndefinedMetric without any rated utterance. Reference: scikit-learn, ``root_mean_squared_error``.

    >>> rmse([1.0, 2.0, float("nan")], [2.0, 2.0, 9.0])  # sqrt((1 + 0) / 2)
    0.7071067811865476
    """
    true, guess = _rated(truth, predicted, 1)
    return float(np.sqrt(np.square(true - guess).mean()))


METRICS: dict[str, Callable[[ArrayLike, ArrayLike], float]] = {"ccc": ccc, "pearson": pearson, "rmse": rmse}


def scores(truth: ArrayLike, predicted: ArrayLike) -> dict[str, float]:
    """Returns those of ``METRICS`` that are defined, by name.

    >>> sorted(scores([1, 2], [3, 3]))
    ['ccc', 'rmse']
    """
    defined: dict[str, float] = {}
    for name, metric in METRICS.items():
        try:
            defined[name] = metric(truth, predicted)
        except UndefinedMetric:
            continue
    return {name: value for name, value in defined.items() if np.isfinite(value)}


def _covariance(true: Floats, guess: Floats) -> float:
    return float(((true - true.mean()) * (guess - guess.mean())).mean())


def _rated(truth: ArrayLike, predicted: ArrayLike, least: int) -> tuple[Floats, Floats]:
    """Both, of the utterances that have a rating, of which there are ``least`` at least."""
    true, guess = np.asarray(truth, np.float64).ravel(), np.asarray(predicted, np.float64).ravel()
    if true.shape != guess.shape:
        raise ValueError(f"{true.size} ratings but {guess.size} predictions; give one prediction per utterance")
    rated = ~np.isnan(true)
    if rated.sum() < least:
        raise UndefinedMetric(f"{rated.sum()} rated utterances; test on {least} at least")
    return true[rated], guess[rated]

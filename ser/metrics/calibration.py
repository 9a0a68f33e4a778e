"""How far probabilities can be trusted: numpy only, a formula, a source and an example each. Less is better.

``truth`` are class indices [utterances], ``probabilities`` [utterances, classes] of which each row sums to 1. The class
of the highest probability, of equal ones the first, is what is predicted; that probability is the confidence in it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ser.metrics.accuracy import UndefinedMetric

VERSION = 1  # goes up when a number of this file changes

BINS = 15  # of confidence, of equal width, as Guo et al. have them
SUM = 1e-3  # by so much a row of probabilities, printed with nine digits or fewer, may miss 1

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Reliability:
    """What a reliability diagram shows: utterances by confidence. nan in a bin without any utterance."""

    edges: Floats  # of the bins [bins + 1], 0 … 1; a bin has its upper edge
    counts: Integers  # utterances [bins]
    confidence: Floats  # mean confidence [bins]
    accuracy: Floats  # share that is right [bins]

    @property
    def ece(self) -> float:
        """The expected calibration error of these bins."""
        used = self.counts > 0
        gaps = np.abs(self.accuracy[used] - self.confidence[used])
        return float(np.sum(self.counts[used] * gaps) / self.counts.sum())


def ece(truth: ArrayLike, probabilities: ArrayLike, bins: int = BINS) -> float:
    """Returns the expected calibration error: the mean over utterances of |accuracy - confidence| of their bin, 0 … 1.

    The bins are of equal width, and of the highest probability. Small numbers of utterances make it too large: even
    of perfect probabilities the accuracy of a bin with n of them misses its confidence by some 0.4 / sqrt(n). Raises
    UndefinedMetric without any utterance, ValueError for what is no table of probabilities.
    Reference: Guo, Pleiss, Sun, Weinberger, "On calibration of modern neural networks", ICML 2017, equation 3.

    >>> chances = [[0.75, 0.25], [0.75, 0.25], [0.75, 0.25], [0.0, 1.0]]
    >>> round(ece([0, 0, 1, 1], chances), 4)  # three of four utterances: |2/3 - 3/4|; one: |1 - 1|
    0.0625
    """
    return reliability(truth, probabilities, bins).ece


def nll(truth: ArrayLike, probabilities: ArrayLike) -> float:
    """Returns the negative log-likelihood: the mean over utterances of -ln of the true class's probability, 0 … inf.

    Natural logarithm. It is inf where a true class has probability 0: a network was certain and wrong. Nothing is
    clipped, as each limit gives another number. Raises UndefinedMetric without any utterance, ValueError for what is
    no table of probabilities. Reference: Guo et al. (2017), equation 6; it is also the cross-entropy of a test.

    >>> nll([0, 1], [[0.5, 0.5], [0.75, 0.25]])  # (ln 2 + ln 4) / 2
    1.0397207708399179
    """
    return float(losses(truth, probabilities)[0].mean())


def brier(truth: ArrayLike, probabilities: ArrayLike) -> float:
    """Returns the Brier score: the mean over utterances of the sum over classes of (p - y)², 0 … 2; y is 1 or 0.

    With two classes it is twice what some print. Raises UndefinedMetric without any utterance, ValueError for what is
    no table of probabilities. Reference: Brier, "Verification of forecasts expressed in terms of probability", Monthly
    Weather Review 78, 1950.

    >>> brier([0, 1], [[0.5, 0.5], [0.75, 0.25]])  # (1/4 + 1/4 + 9/16 + 9/16) / 2
    0.8125
    """
    return float(losses(truth, probabilities)[1].mean())


def reliability(truth: ArrayLike, probabilities: ArrayLike, bins: int = BINS) -> Reliability:
    """Returns accuracy and mean confidence of utterances in ``bins`` bins of equal width by confidence.

    Raises UndefinedMetric without any utterance, ValueError for what is no table of probabilities. Reference: Guo et
    al. (2017), equations 1 and 2.

    >>> found = reliability([0, 1], [[0.8, 0.2], [0.9, 0.1]], bins=2)
    >>> found.counts.tolist(), found.accuracy.tolist()
    ([0, 2], [nan, 0.5])
    """
    true, values = _checked(truth, probabilities)
    confidence, right = values.max(axis=1), values.argmax(axis=1) == true
    place = bins_of(confidence, bins)
    counts = np.bincount(place, minlength=bins)
    means = [
        np.divide(np.bincount(place, each, bins), counts, out=np.full(bins, np.nan), where=counts > 0)
        for each in (confidence, right.astype(np.float64))
    ]
    return Reliability(np.linspace(0, 1, bins + 1), counts.astype(np.int64), *means)


def bins_of(confidence: Floats, bins: int = BINS) -> Integers:
    """Returns the bin of each confidence [utterances], 0 … ``bins`` - 1; an edge belongs to the bin below it.

    >>> bins_of(np.array([0.0, 0.5, 0.51, 1.0]), bins=2).tolist()
    [0, 0, 1, 1]
    """
    return np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], confidence, side="left").astype(np.int64)


def losses(truth: ArrayLike, probabilities: ArrayLike) -> tuple[Floats, Floats]:
    """Returns -ln of the true class's probability, and the sum of (p - y)², of each utterance [utterances].

    Raises as ``nll`` and ``brier``, which are their means.
    """
    true, values = _checked(truth, probabilities)
    rows = np.arange(len(true))
    with np.errstate(divide="ignore"):
        surprise = -np.log(values[rows, true])
    hot = np.zeros_like(values)
    hot[rows, true] = 1
    return surprise, np.square(values - hot).sum(axis=1)


def _checked(truth: ArrayLike, probabilities: ArrayLike) -> tuple[Integers, Floats]:
    true, values = np.asarray(truth, np.int64).ravel(), np.asarray(probabilities, np.float64)
    if values.ndim != 2 or len(values) != true.size:
        raise ValueError(f"{true.size} labels but probabilities {values.shape}; allowed: [utterances, classes]")
    if not true.size:
        raise UndefinedMetric("calibration of no utterances; test on at least one labelled utterance")
    if true.min() < 0 or true.max() >= values.shape[1]:
        raise ValueError(f"class index {true.min()} … {true.max()}; allowed: 0 … {values.shape[1] - 1}")
    sums = values.sum(axis=1)
    if not (np.isfinite(values).all() and values.min() >= 0 and np.abs(sums - 1).max() <= SUM):
        found = f"probabilities {values.min()} … {values.max()}, sums {sums.min()} … {sums.max()}"
        raise ValueError(f"{found}; allowed: 0 … 1, and sums of 1")
    return true, values

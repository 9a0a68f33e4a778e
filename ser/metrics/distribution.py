"""How near probabilities are to the shares of raters' votes: numpy only, a formula, a source and an example each.

``shares`` and ``probabilities`` are float [utterances, classes], of which each row sums to 1. Logarithms are natural.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ser.metrics.accuracy import UndefinedMetric

VERSION = 1  # goes up when a number of this file changes

SUM = 1e-3  # by so much a row, printed with nine digits or fewer, may miss 1

Floats = NDArray[np.float64]


def kl(shares: ArrayLike, probabilities: ArrayLike) -> float:
    """Returns the mean over utterances of the Kullback-Leibler divergence: the sum of s ln(s / p), 0 … inf.

    Classes without a vote add nothing. It is inf where a class that raters chose has probability 0; nothing is clipped.
    Raises UndefinedMetric without any utterance, ValueError for what are no distributions. Reference: Kullback,
    Leibler, "On information and sufficiency", Annals of Mathematical Statistics 22, 1951.

    >>> kl([[0.5, 0.5], [1.0, 0.0]], [[0.5, 0.5], [0.5, 0.5]])  # (0 + ln 2) / 2
    0.34657359027997264
    """
    votes, chances = _checked(shares, probabilities)
    return float(divergences(votes, chances).mean())


def js(shares: ArrayLike, probabilities: ArrayLike) -> float:
    """Returns the mean over utterances of the Jensen-Shannon divergence, 0 … ln 2.

    With m = (s + p) / 2 it is (KL(s, m) + KL(p, m)) / 2, which is always finite. Raises as ``kl``. Reference: Lin,
    "Divergence measures based on the Shannon entropy", IEEE Transactions on Information Theory 37(1), 1991.

    >>> js([[1.0, 0.0], [0.5, 0.5]], [[0.0, 1.0], [0.5, 0.5]])  # (ln 2 + 0) / 2
    0.34657359027997264
    """
    votes, chances = _checked(shares, probabilities)
    middle = (votes + chances) / 2
    return float((divergences(votes, middle) + divergences(chances, middle)).mean() / 2)


def divergences(first: Floats, second: Floats) -> Floats:
    """Returns the sum of a ln(a / b) of each row [utterances]; inf where b is 0 and a is not.

    >>> divergences(np.array([[1.0, 0.0]]), np.array([[0.5, 0.5]])).round(4).tolist()
    [0.6931]
    """
    there = first > 0
    with np.errstate(divide="ignore"):
        ratio = np.divide(first, second, out=np.full(first.shape, np.inf), where=second > 0)
    terms = np.where(there, first * np.log(np.where(there, ratio, 1)), 0)
    return np.asarray(terms.sum(axis=1), np.float64)


def entropy(shares: ArrayLike) -> float:
    """Returns the mean over utterances of -sum s ln s, 0 … ln classes: how much raters disagree.

    Raises as ``kl``. Reference: Shannon, "A mathematical theory of communication", Bell System Technical Journal, 1948.

    >>> entropy([[0.5, 0.5], [1.0, 0.0]])  # (ln 2 + 0) / 2
    0.34657359027997264
    """
    votes, _ = _checked(shares, shares)
    return float(-np.where(votes > 0, votes * np.log(np.where(votes > 0, votes, 1)), 0).sum(axis=1).mean())


def majority(shares: ArrayLike) -> NDArray[np.int64]:
    """Returns the class of most votes of each utterance [utterances], -1 where several have as many.

    >>> majority([[0.5, 0.25, 0.25], [0.5, 0.5, 0.0]]).tolist()
    [0, -1]
    """
    votes = np.asarray(shares)
    if not votes.size:
        return np.zeros(len(votes), np.int64)
    most = votes.max(axis=1, keepdims=True)
    return np.where((votes == most).sum(axis=1) == 1, votes.argmax(axis=1), -1).astype(np.int64)


def scores(shares: ArrayLike, probabilities: ArrayLike) -> dict[str, float]:
    """Returns ``kl`` and ``js`` where they are defined and finite, by name; {} of what are no probabilities.

    >>> sorted(scores([[0.5, 0.5]], [[1.0, 0.0]]))
    ['js']
    """
    if not np.isfinite(np.asarray(probabilities)).all() or not len(np.asarray(shares)):
        return {}
    with np.errstate(divide="ignore"):
        values = {"kl": kl(shares, probabilities), "js": js(shares, probabilities)}
    return {name: value for name, value in values.items() if np.isfinite(value)}


def _checked(shares: ArrayLike, probabilities: ArrayLike) -> tuple[Floats, Floats]:
    votes, chances = np.asarray(shares, np.float64), np.asarray(probabilities, np.float64)
    if votes.ndim != 2 or votes.shape != chances.shape:
        raise ValueError(f"shares {votes.shape}, probabilities {chances.shape}; allowed: [utterances, classes] of both")
    if not len(votes):
        raise UndefinedMetric("divergence of no utterances; test on at least one with votes")
    for name, rows in (("shares", votes), ("probabilities", chances)):
        sums = rows.sum(axis=1)
        if not (np.isfinite(rows).all() and rows.min() >= 0 and np.abs(sums - 1).max() <= SUM):
            found = f"{name} {rows.min()} … {rows.max()}, sums {sums.min()} … {sums.max()}"
            raise ValueError(f"{found}; allowed: 0 … 1, and sums of 1")
    return votes, chances

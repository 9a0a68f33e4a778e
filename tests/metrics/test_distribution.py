"""Divergence of probabilities from raters' shares: by hand, against scipy, and of what has no number."""

import doctest
import math

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy as scipy_entropy

from ser.metrics import distribution
from ser.metrics.accuracy import UndefinedMetric
from ser.metrics.distribution import entropy, js, kl, majority, scores

RNG = np.random.default_rng(5)
SHARES, CHANCES = RNG.dirichlet(np.ones(4), size=50), RNG.dirichlet(np.ones(4), size=50)


def test_doctests():
    assert doctest.testmod(distribution).failed == 0


def test_as_scipy_has_them():
    assert kl(SHARES, CHANCES) == pytest.approx(np.mean(scipy_entropy(SHARES, CHANCES, axis=1)))
    assert js(SHARES, CHANCES) == pytest.approx(np.mean(jensenshannon(SHARES, CHANCES, axis=1) ** 2))
    assert entropy(SHARES) == pytest.approx(np.mean(scipy_entropy(SHARES, axis=1)))


def test_of_one_vote_it_is_the_likelihood():
    hot = np.eye(4)[[0, 3]]
    assert kl(hot, CHANCES[:2]) == pytest.approx(-(math.log(CHANCES[0, 0]) + math.log(CHANCES[1, 3])) / 2)
    assert (kl(SHARES, SHARES), js(hot, hot[::-1])) == pytest.approx((0, math.log(2)))


def test_certain_and_wrong_has_no_divergence_of_kullback_and_leibler():
    with np.errstate(all="raise"):
        assert kl([[0.5, 0.5]], [[1.0, 0.0]]) == math.inf
        assert kl([[1.0, 0.0]], [[1.0, 0.0]]) == 0
    assert scores([[0.5, 0.5]], [[1.0, 0.0]]).keys() == {"js"}
    assert scores([[0.5, 0.5]], [[np.nan, 0.0]]) == {} == scores(np.zeros((0, 2)), np.zeros((0, 2)))


def test_the_majority_is_a_hole_where_votes_tie():
    thirds = np.array([[1 / 3, 1 / 3, 1 / 3], [2 / 3, 1 / 3, 0], [0, 0.5, 0.5], [0, 0, 1]], np.float32)
    assert majority(thirds).tolist() == [-1, 0, -1, 2]
    assert majority(np.zeros((0, 3))).tolist() == []


def test_what_is_no_distribution_is_refused():
    with pytest.raises(ValueError, match="sums of 1"):
        kl([[0.5, 0.6]], [[0.5, 0.5]])
    with pytest.raises(ValueError, match="of both"):
        kl([[0.5, 0.5]], [[1.0]])
    with pytest.raises(UndefinedMetric):
        js(np.zeros((0, 2)), np.zeros((0, 2)))

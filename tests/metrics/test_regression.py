"""Concordance, correlation and error of ratings: by hand, against scipy and scikit-learn, and of holes."""

import doctest

import numpy as np
import pytest
from scipy.stats import pearsonr
from sklearn.metrics import root_mean_squared_error

from ser.metrics import regression
from ser.metrics.accuracy import UndefinedMetric
from ser.metrics.regression import ccc, pearson, rmse, scores

RNG = np.random.default_rng(3)
TRUTH = RNG.normal(size=300)
GUESS = 0.6 * TRUTH + RNG.normal(scale=0.5, size=300) + 0.2


def test_doctests():
    assert doctest.testmod(regression).failed == 0


def test_as_others_have_them():
    assert pearson(TRUTH, GUESS) == pytest.approx(pearsonr(TRUTH, GUESS).statistic)
    assert rmse(TRUTH, GUESS) == pytest.approx(root_mean_squared_error(TRUTH, GUESS))


def test_concordance_is_correlation_times_a_bias_factor():
    """Lin 1989, section 2: rho_c = rho C_b with C_b = 2 / (v + 1/v + u²)."""
    v, u = TRUTH.std() / GUESS.std(), (TRUTH.mean() - GUESS.mean()) / np.sqrt(TRUTH.std() * GUESS.std())
    assert ccc(TRUTH, GUESS) == pytest.approx(pearson(TRUTH, GUESS) * 2 / (v + 1 / v + u**2))
    assert ccc(TRUTH, TRUTH) == pytest.approx(1)
    assert ccc(TRUTH, -TRUTH + 2 * TRUTH.mean()) == pytest.approx(-1)


def test_concordance_sees_shift_and_scale_and_correlation_does_not():
    assert pearson(TRUTH, 3 * GUESS + 5) == pytest.approx(pearson(TRUTH, GUESS))
    assert ccc(TRUTH, 3 * GUESS + 5) < ccc(TRUTH, GUESS)
    same = ccc(3 * TRUTH + 5, 3 * GUESS + 5)
    assert same == pytest.approx(ccc(TRUTH, GUESS))  # so it does not matter on which scale both are


def test_utterances_without_a_rating_do_not_count():
    holes = np.where(np.arange(300) % 3 == 0, np.nan, TRUTH)
    kept = np.arange(300) % 3 != 0
    for metric in (ccc, pearson, rmse):
        assert metric(holes, GUESS) == metric(TRUTH[kept], GUESS[kept])


def test_what_has_no_number_is_none():
    with pytest.raises(UndefinedMetric, match="equal constants"):
        ccc([1, 1], [1, 1])
    with pytest.raises(UndefinedMetric, match="correlation of a constant"):
        pearson([1, 2], [1, 1])
    with pytest.raises(UndefinedMetric, match="1 rated utterances; test on 2"):
        ccc([1, np.nan], [1, 2])
    with pytest.raises(UndefinedMetric):
        rmse([np.nan], [1])
    with pytest.raises(ValueError, match="one prediction per utterance"):
        rmse([1, 2], [1])
    assert scores([np.nan], [1]) == {}
    assert scores([1, 2], [np.nan, 1]) == {}  # of a network that diverged
    assert ccc([1, 1], [1, 2]) == 0

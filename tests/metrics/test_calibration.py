"""Calibration against scikit-learn, by hand, and of probabilities that are right by construction."""

import doctest

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss

from ser.metrics import calibration
from ser.metrics.accuracy import UndefinedMetric
from ser.metrics.calibration import bins_of, brier, ece, losses, nll, reliability

RNG = np.random.default_rng(7)
TRUTH = RNG.integers(4, size=200)
CHANCES = RNG.dirichlet(np.ones(4), size=200)


def test_doctests():
    assert doctest.testmod(calibration).failed == 0


def test_as_scikit_learn_has_it():
    assert nll(TRUTH, CHANCES) == pytest.approx(log_loss(TRUTH, CHANCES, labels=range(4)))
    assert brier(TRUTH, CHANCES) == pytest.approx(np.mean(np.sum((CHANCES - np.eye(4)[TRUTH]) ** 2, axis=1)))
    two = CHANCES[:, :2] / CHANCES[:, :2].sum(axis=1, keepdims=True)
    labels = TRUTH % 2
    assert brier(labels, two) == pytest.approx(2 * brier_score_loss(labels, two[:, 1]))
    surprise, square = losses(TRUTH, CHANCES)
    assert (surprise.mean(), square.mean()) == pytest.approx((nll(TRUTH, CHANCES), brier(TRUTH, CHANCES)))


def test_calibration_error_is_the_sum_over_bins():
    confidence, right = CHANCES.max(axis=1), CHANCES.argmax(axis=1) == TRUTH
    total = 0.0
    for b in range(15):
        inside = (confidence > b / 15) & (confidence <= (b + 1) / 15)
        if inside.any():
            total += inside.sum() / 200 * abs(right[inside].mean() - confidence[inside].mean())
    assert ece(TRUTH, CHANCES) == pytest.approx(total)
    found = reliability(TRUTH, CHANCES)
    assert found.counts.sum() == 200
    assert (found.counts > 0).tolist() == np.isfinite(found.accuracy).tolist()


def test_right_probabilities_are_calibrated_and_bold_ones_are_not():
    chances = RNG.dirichlet(np.ones(4), size=20_000)
    truth = (chances.cumsum(axis=1) < RNG.random((20_000, 1))).sum(axis=1)  # drawn from these very probabilities
    assert ece(truth, chances) < 0.02
    bold = chances**3 / (chances**3).sum(axis=1, keepdims=True)
    assert ece(truth, bold) > 0.1
    assert nll(truth, bold) > nll(truth, chances)
    assert brier(truth, bold) > brier(truth, chances)


def test_certain_and_right_is_perfect_and_certain_and_wrong_has_no_likelihood():
    assert (ece([0, 1], np.eye(2)), nll([0, 1], np.eye(2)), brier([0, 1], np.eye(2))) == (0, 0, 0)
    assert (ece([1, 0], np.eye(2)), nll([1, 0], np.eye(2)), brier([1, 0], np.eye(2))) == (1, np.inf, 2)


def test_a_bin_has_its_upper_edge_and_the_first_has_both():
    assert bins_of(np.linspace(0, 1, 16)).tolist() == [0, *range(15)]


@pytest.mark.parametrize("metric", [ece, nll, brier])
def test_no_utterance_is_undefined(metric):
    with pytest.raises(UndefinedMetric, match="no utterances"):
        metric([], np.zeros((0, 4)))


@pytest.mark.parametrize("chances", [[[0.5, 0.4]], [[1.5, -0.5]], [[np.nan, 1]], [[2.0, 3.0]], [0.5, 0.5]])
def test_what_is_no_probability_is_refused(chances):
    with pytest.raises(ValueError, match="allowed"):
        ece([0], chances)


def test_a_class_without_a_probability_is_refused():
    with pytest.raises(ValueError, match="class index"):
        nll([2], [[0.5, 0.5]])

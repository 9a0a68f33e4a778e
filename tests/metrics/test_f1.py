"""F1 against scikit-learn and by hand; classes that are nowhere are absent."""

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from ser.metrics import f1 as module
from ser.metrics.accuracy import UndefinedMetric, confusion
from ser.metrics.f1 import f1, macro_f1, macro_f1s, weighted_f1, weighted_f1s


def test_doctests():
    assert doctest.testmod(module).failed == 0


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=60))
def test_as_scikit_learn_has_it(pairs):
    truth, predicted = zip(*pairs, strict=True)
    counts = confusion(truth, predicted, 5)
    assert macro_f1(counts) == pytest.approx(f1_score(truth, predicted, average="macro"))
    assert weighted_f1(counts) == pytest.approx(f1_score(truth, predicted, average="weighted"))
    there = sorted({*truth, *predicted})
    np.testing.assert_allclose(f1(counts)[there], f1_score(truth, predicted, labels=there, average=None))
    assert np.isnan(np.delete(f1(counts), there)).all()


def test_a_class_that_is_predicted_and_nowhere_present_counts_as_nothing_right():
    counts = confusion([0, 0, 0], [0, 0, 1], 3)
    assert macro_f1(counts) == pytest.approx((0.8 + 0) / 2)
    assert weighted_f1(counts) == pytest.approx(0.8)


@pytest.mark.parametrize("metric", [macro_f1, weighted_f1])
def test_no_utterance_is_undefined(metric):
    with pytest.raises(UndefinedMetric, match="no utterances"):
        metric(np.zeros((3, 3)))


def test_many_matrices_at_once_are_each_as_alone():
    rng = np.random.default_rng(0)
    many = rng.integers(0, 4, size=(20, 3, 3)) * (rng.random((20, 1, 1)) < 0.9)
    many[0] = 0
    alone = [(macro_f1(each), weighted_f1(each)) if each.any() else (np.nan, np.nan) for each in many]
    np.testing.assert_allclose(np.stack([macro_f1s(many), weighted_f1s(many)], axis=1), alone)

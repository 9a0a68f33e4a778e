"""WA, UA and confusion matrices against sums done by hand."""

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ser.metrics import accuracy
from ser.metrics.accuracy import UndefinedMetric, confusion, recalls, ua, wa


def test_doctests():
    assert doctest.testmod(accuracy).failed == 0


def test_rows_are_truth():
    counts = confusion([2, 2, 0], [1, 1, 0], 3)
    assert counts.dtype == np.int64
    assert counts.tolist() == [[1, 0, 0], [0, 0, 0], [0, 2, 0]]


def test_absent_class_is_nan_in_recalls_and_left_out_of_ua():
    counts = confusion([0, 0, 2], [0, 1, 2], 4)
    np.testing.assert_array_equal(recalls(counts), [0.5, np.nan, 1.0, np.nan])
    assert ua(counts) == 0.75
    assert wa(counts) == pytest.approx(2 / 3)


@pytest.mark.parametrize("metric", [wa, ua])
def test_no_utterance_is_undefined(metric):
    with pytest.raises(UndefinedMetric, match="no utterances"):
        metric(confusion([], [], 4))


@pytest.mark.parametrize(("truth", "predicted"), [([0, 1], [0]), ([0, 4], [0, 0]), ([0], [-1])])
def test_impossible_labels_are_refused(truth, predicted):
    with pytest.raises(ValueError, match=r"predictions|allowed"):
        confusion(truth, predicted, 4)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60))
def test_against_counting_by_hand(pairs):
    truth, predicted = zip(*pairs, strict=True)
    counts = confusion(truth, predicted, 4)
    assert counts.sum() == len(pairs)
    assert wa(counts) == pytest.approx(sum(t == p for t, p in pairs) / len(pairs))
    by_class = [[t == p for t, p in pairs if t == c] for c in range(4)]
    assert ua(counts) == pytest.approx(np.mean([np.mean(hits) for hits in by_class if hits]))


def test_balanced_classes_make_wa_and_ua_equal():
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(4), 25)
    counts = confusion(truth, rng.integers(4, size=100), 4)
    assert wa(counts) == pytest.approx(ua(counts))

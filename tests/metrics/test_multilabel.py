"""Multi-label metrics against scikit-learn, against sums done by hand, and against the numbers of paper 000."""

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics as reference

from ser.metrics import multilabel
from ser.metrics.accuracy import UndefinedMetric
from ser.metrics.multilabel import (
    always_absent,
    argmax_accuracy,
    balanced_accuracy,
    binary_cross_entropy,
    categorical_accuracy,
    equation_4,
    hamming_loss,
    int_cast,
    lrap,
    macro_f1,
    matrices,
    micro_f1,
    scores,
    subset_accuracy,
)

KEYS = {"published", "eq4", "eq4_absent", "balanced", "macro_f1", "micro_f1", "subset", "hamming", "lrap", "argmax"}
KEYS |= {"categorical_accuracy"}
# Three utterances, three emotions; the last has no emotion predicted rightly.
TRUTH = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0]], bool)
GUESS = np.array([[1, 0, 0], [1, 0, 1], [1, 0, 0]], bool)


def made(seed, n=60, classes=7):
    """Truth with one to three emotions each, and probabilities that lean towards it."""
    rng = np.random.default_rng(seed)
    truth = rng.random((n, classes)) < 0.2
    truth[np.arange(n), rng.integers(classes, size=n)] = True
    return truth, (0.6 * rng.random((n, classes)) + 0.4 * truth).astype(np.float32)


def test_doctests():
    assert doctest.testmod(multilabel).failed == 0


def test_matrices_by_hand():
    counts = matrices(TRUTH, GUESS)
    assert counts.dtype == np.int64
    assert counts.tolist() == [[[0, 1], [0, 2]], [[1, 0], [2, 0]], [[2, 1], [0, 0]]]


def test_metrics_by_hand():
    counts = matrices(TRUTH, GUESS)
    assert equation_4(counts) == pytest.approx((2 + 1 + 2) / 9)
    assert balanced_accuracy(counts) == pytest.approx(((0 + 1) / 2 + (1 + 0) / 2) / 2)  # none has the third emotion
    assert macro_f1(counts) == pytest.approx((4 / 5 + 0 + 0) / 3)
    assert micro_f1(counts) == pytest.approx(4 / (4 + 2 + 2))
    assert subset_accuracy(TRUTH, GUESS) == pytest.approx(1 / 3)
    assert hamming_loss(TRUTH, GUESS) == pytest.approx(4 / 9)
    assert always_absent(TRUTH) == pytest.approx(5 / 9)


@pytest.mark.parametrize("seed", range(4))
def test_against_scikit_learn(seed):
    truth, probabilities = made(seed)
    guess = probabilities > 0.5
    counts = matrices(truth, guess)
    np.testing.assert_array_equal(counts, reference.multilabel_confusion_matrix(truth, guess))
    by_emotion = [reference.balanced_accuracy_score(t, g) for t, g in zip(truth.T, guess.T, strict=True)]
    expected = {
        "eq4": np.mean([reference.accuracy_score(t, g) for t, g in zip(truth.T, guess.T, strict=True)]),
        "eq4_absent": np.mean([reference.accuracy_score(t, np.zeros_like(t)) for t in truth.T]),
        "balanced": np.mean(by_emotion),
        "macro_f1": reference.f1_score(truth, guess, average="macro", zero_division=np.nan),
        "micro_f1": reference.f1_score(truth, guess, average="micro"),
        "subset": reference.accuracy_score(truth, guess),
        "hamming": reference.hamming_loss(truth, guess),
        "lrap": reference.label_ranking_average_precision_score(truth, probabilities),
    }
    found = scores(truth, probabilities)
    assert found.keys() == KEYS
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    single = truth.sum(axis=1) == 1
    most = reference.accuracy_score(truth[single].argmax(axis=1), probabilities[single].argmax(axis=1))
    assert found["argmax"] == pytest.approx(most)


def test_rates_of_figure_4_give_the_printed_accuracy():
    # Per emotion 100 absent ones, all found absent, and 100 present ones.
    found = [6, 3, 13, 21, 3, 14, 47]
    counts = [[[100, 0], [100 - tp, tp]] for tp in found]
    assert 100 * balanced_accuracy(counts) == pytest.approx(57.6429, abs=5e-5)


def test_int_cast_is_that_of_python():
    # The float32 next to 1 is 1 - 2^-24, half-way to it 17.3 on the logit's scale.
    logits = np.array([[-3, 0, 5, 16, 17, 17.5, 18, 40]])
    probabilities = (1 / (1 + np.exp(-logits))).astype(np.float32)
    assert int_cast(probabilities).tolist() == [[bool(int(p)) for p in probabilities[0]]]
    assert int_cast(probabilities).tolist() == [[False] * 5 + [True] * 3]
    assert not int_cast([[np.nextafter(np.float32(1), np.float32(0))]]).any()


def test_published_needs_certainty_and_eq4_does_not():
    truth = np.array([[1, 0], [0, 1]], bool)
    sure = np.array([[1, 0.1], [0.2, 1]], np.float32)
    assert scores(truth, sure)["published"] == 1
    nearly = scores(truth, 0.99 * sure)
    assert (nearly["published"], nearly["eq4"], nearly["balanced"]) == (0.5, 1, 1)


def test_emotions_that_none_or_all_have_are_left_out_of_balanced_accuracy():
    truth = np.array([[1, 1, 0], [0, 1, 0]], bool)
    assert balanced_accuracy(matrices(truth, ~truth)) == 0
    assert balanced_accuracy(matrices(truth, truth)) == 1
    with pytest.raises(UndefinedMetric, match="both present and absent"):
        balanced_accuracy(matrices(truth[:1], truth[:1]))


def test_what_is_undefined_is_left_out_and_never_zero():
    nothing = np.empty((0, 7))
    assert scores(nothing.astype(bool), nothing.astype(np.float32)) == {}
    one = scores([[1, 1]], [[0.9, 0.2]])
    assert one.keys() == KEYS - {"published", "balanced", "argmax"}
    none = scores([[0, 0]], [[0.1, 0.2]])
    assert none.keys() == {"eq4", "eq4_absent", "subset", "hamming", "categorical_accuracy"}


@pytest.mark.parametrize(
    "metric", [subset_accuracy, hamming_loss, lrap, argmax_accuracy, categorical_accuracy, binary_cross_entropy]
)
def test_no_utterance_is_undefined(metric):
    with pytest.raises(UndefinedMetric, match="no utterances"):
        metric(np.empty((0, 3)), np.empty((0, 3)))


@pytest.mark.parametrize("metric", [equation_4, balanced_accuracy, macro_f1, micro_f1])
def test_no_counts_are_undefined(metric):
    with pytest.raises(UndefinedMetric):
        metric(matrices(np.empty((0, 3)), np.empty((0, 3))))


def test_lrap_with_ties_and_without_emotions():
    truth, values = np.array([[1, 0, 0], [1, 1, 1], [0, 0, 0]], bool), np.array([[0.5, 0.5, 0.1], [1, 1, 1], [3, 2, 1]])
    assert lrap(truth, values) == pytest.approx((1 / 2 + 1) / 2)
    expected = reference.label_ranking_average_precision_score(truth[:2], values[:2])
    assert lrap(truth, values) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("metric", "truth", "other"),
    [
        (matrices, [[1, 0]], [[1]]),
        (matrices, [1, 0], [1, 0]),
        (subset_accuracy, [[1, 0]], [[1, 0], [1, 0]]),
        (lrap, [[1, 0]], [[0.1, np.nan]]),
        (scores, [[1, 0]], [[np.nan, 0.2]]),
        (scores, [[1, 0]], [0.1, 0.2]),
    ],
)
def test_what_does_not_fit_is_refused(metric, truth, other):
    with pytest.raises(ValueError, match=r"allowed|one prediction per label"):
        metric(truth, other)


def test_the_programs_accuracy_knows_only_the_first_emotion_of_an_utterance():
    truth = np.array([[0, 1, 1], [0, 1, 1], [0, 0, 1], [1, 0, 1], [0, 0, 0]], bool)
    values = np.array([[0, 0.9, 0.1], [0, 0.1, 0.9], [0.2, 0.2, 0.3], [0.5, 0.5, 0.1], [0.9, 0, 0]])
    assert categorical_accuracy(truth, values) == 4 / 5  # the second names a true emotion, but not the first one


def test_the_programs_loss_is_scikit_learns_averaged_over_emotions():
    truth, values = made(3)
    expected = np.mean([reference.log_loss(truth[:, c], values[:, c], labels=[0, 1]) for c in range(7)])
    assert binary_cross_entropy(truth, values) == pytest.approx(expected, rel=1e-6)
    assert binary_cross_entropy([[1]], [[0.0]]) == pytest.approx(-np.log(1e-7))


@given(st.integers(1, 12).flatmap(lambda n: st.tuples(arrays(bool, (n, 4)), arrays(bool, (n, 4)))))
def test_relations_between_metrics(tables):
    truth, guess = tables
    counts = matrices(truth, guess)
    assert (counts.sum(axis=(1, 2)) == len(truth)).all()
    assert equation_4(counts) == pytest.approx(1 - hamming_loss(truth, guess))
    assert subset_accuracy(truth, guess) <= equation_4(counts) + 1e-12
    assert always_absent(truth) == pytest.approx(1 - truth.mean())
    found = scores(truth, guess.astype(np.float32))
    assert found.get("published") == found.get("balanced")  # 0 and 1 survive the cast
    assert all(0 <= value <= 1 for value in found.values())

"""Accuracies of clips from their segments: by hand, against a plain loop, and the relations that always hold."""

import doctest
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ser.metrics import segments
from ser.metrics.accuracy import UndefinedMetric
from ser.metrics.segments import accuracies, clip_predictions


def by_loop(clip, truth, logits, ties):
    """Section 3.3 of the paper, clip by clip."""
    hits, every, standard, average, best = [], [], [], [], []
    for i, true in enumerate(truth):
        rows = [row for of, row in zip(clip, logits, strict=True) if of == i]
        guesses = [max(range(len(row)), key=lambda c, row=row: row[c]) for row in rows]
        hits += [guess == true for guess in guesses]
        counts = Counter(guesses)
        modes = sorted(c for c, n in counts.items() if n == max(counts.values()))
        every.append(all(guess == true for guess in guesses))
        standard.append((modes == [true]) if ties == "strict" else modes[0] == true)
        means = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
        average.append(means.index(max(means)) == true)
        best.append(true in modes)
    names = ("sa", "aca", "sca", "alca", "bca")
    return {n: sum(v) / len(v) for n, v in zip(names, (hits, every, standard, average, best), strict=True)}


@st.composite
def segmented(draw, most=5):
    """Clips of 1 … ``most`` segments in any order, 3 classes; whole logits, so that sums are exact and ties occur."""
    n_clips = draw(st.integers(1, 6))
    lengths = draw(st.lists(st.integers(1, most), min_size=n_clips, max_size=n_clips))
    clip = draw(st.permutations([i for i, length in enumerate(lengths) for _ in range(length)]))
    rows = st.lists(st.integers(-3, 3), min_size=3, max_size=3)
    logits = draw(st.lists(rows, min_size=len(clip), max_size=len(clip)))
    truth = draw(st.lists(st.integers(0, 2), min_size=n_clips, max_size=n_clips))
    return clip, truth, logits


def test_doctests():
    assert doctest.testmod(segments).failed == 0


def test_by_hand():
    # Clip 0: classes 1, 1, 0, true 1. Clip 1: classes 0, 2 tie, true 2. Clip 2: class 1, true 1. Clip 3: 0, 0, true 2.
    clip = [0, 0, 0, 1, 1, 2, 3, 3]
    logits = [[0, 1, 0], [0, 1, 0], [5, 0, 0], [1, 0, 0], [0, 0, 4], [0, 2, 0], [1, 0, 0], [1, 0, 0]]
    found = accuracies(clip, [1, 2, 1, 2], logits)
    assert found == {"sa": 4 / 8, "aca": 1 / 4, "sca": 2 / 4, "alca": 2 / 4, "bca": 3 / 4}
    assert clip_predictions(clip, logits).tolist() == [0, 2, 1, 0]
    assert accuracies(clip, [1, 0, 1, 2], logits)["sca"] == 2 / 4
    assert accuracies(clip, [1, 0, 1, 2], logits, ties="lowest")["sca"] == 3 / 4


@given(segmented(), st.sampled_from(["strict", "lowest"]))
def test_against_a_plain_loop(case, ties):
    assert accuracies(*case, ties=ties) == pytest.approx(by_loop(*case, ties))


@given(segmented(), st.sampled_from(["strict", "lowest"]))
def test_all_right_is_standard_is_best(case, ties):
    found = accuracies(*case, ties=ties)
    assert found["aca"] <= found["sca"] <= found["bca"]
    assert accuracies(*case)["sca"] <= accuracies(*case, ties="lowest")["sca"]


@given(segmented(most=1))
def test_clips_of_one_segment_have_one_accuracy(case):
    assert len(set(accuracies(*case).values())) == 1


@given(segmented())
def test_alca_is_that_of_the_predictions(case):
    clip, truth, logits = case
    assert accuracies(*case)["alca"] == pytest.approx(np.mean(clip_predictions(clip, logits) == truth))


def test_float32_logits_are_added_in_float64():
    # In float32 1e8 swallows the ones.
    logits = np.array([[1e8, 1e8 + 8]] + [[1, 0]] * 9, np.float32)
    assert clip_predictions(np.zeros(10, int), logits).tolist() == [0]


def test_no_clips_are_undefined():
    with pytest.raises(UndefinedMetric, match="no clips"):
        accuracies([], [], np.empty((0, 4)))


@pytest.mark.parametrize(
    ("clip", "truth", "logits"),
    [
        ([0, 2], [0, 0, 0], [[1, 0]] * 2),  # a clip without segments
        ([0, 1], [0], [[1, 0]] * 2),
        ([0, 1], [0, 0, 0], [[1, 0]] * 2),
        ([0, 1], [0, 2], [[1, 0]] * 2),
        ([0, -1], [0, 0], [[1, 0]] * 2),
        ([0, 1], [0, -1], [[1, 0]] * 2),
        ([0], [0], [[1, 0]] * 2),
        ([0], [0], [[1, np.nan]]),
        ([0], [0], [1, 0]),
    ],
)
def test_what_does_not_fit_is_refused(clip, truth, logits):
    with pytest.raises(ValueError, match=r"allowed|give each clip"):
        accuracies(clip, truth, logits)


def test_ties_have_two_names():
    with pytest.raises(ValueError, match="strict, lowest"):
        accuracies([0], [0], [[1, 0]], ties="first")

"""Votes to label sets: ties, merged names, words outside the classes, and clips that nobody judged."""

import doctest
from collections import Counter
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ser.data import votes
from ser.data.votes import Statistics, label_sets, statistics, tied

CLASSES = ("neutral", "angry", "disgust", "fear", "happy", "sad", "surprise")
MERGE = {"excited": "happy", "frustrated": "angry", "calm": "neutral"}


def by(*emotions):
    return [(f"C-E{i}", emotion) for i, emotion in enumerate(emotions)]


def test_doctests():
    assert doctest.testmod(votes).failed == 0


@pytest.mark.parametrize(
    ("emotions", "expected"),
    [
        (("sad",), ("sad",)),
        (("sad", "sad", "angry"), ("sad",)),
        (("sad", "angry"), ("angry", "sad")),  # order of the classes, not of the votes
        (("frustrated", "angry", "sad"), ("angry",)),  # merged before counting
        (("excited", "happy", "frustrated", "angry"), ("angry", "happy")),
        (("other", "other", "fear"), ("fear",)),  # passed over, not a majority
        (("other", "unknown"), ()),
        (("calm", "surprise", "disgust"), ("neutral", "disgust", "surprise")),
        (CLASSES, CLASSES),  # sets that a study leaves out are for the study to leave out
    ],
)
def test_most_votes_after_merging(emotions, expected):
    assert tied(by(*emotions), "happy", CLASSES, MERGE) == expected


def test_several_words_of_one_rater_count_each():
    pairs = [("C-E1", "angry"), ("C-E1", "frustrated"), ("C-E2", "sad"), ("C-F1", "sad"), ("C-E3", "neutral")]
    assert tied(pairs, "unknown", CLASSES, MERGE) == ("angry", "sad")


@pytest.mark.parametrize(("label", "expected"), [("calm", ("neutral",)), ("sad", ("sad",)), ("boredom", ())])
def test_without_votes_the_label_stands(label, expected):
    assert tied([], label, CLASSES, MERGE) == expected


@given(st.lists(st.sampled_from([*CLASSES, *MERGE, "other"]), max_size=12))
def test_against_counting_by_hand(emotions):
    merged = [MERGE.get(emotion, emotion) for emotion in emotions]
    counts = {emotion: merged.count(emotion) for emotion in CLASSES if emotion in merged}
    expected = tuple(e for e in CLASSES if counts.get(e) == max(counts.values(), default=0))
    assert tied(by(*emotions), "other", CLASSES, MERGE) == expected


def test_label_sets_are_by_uid(utterance):
    voted = utterance("a", 1, label="unknown", votes=(("1", "sad"), ("2", "excited")))
    acted = utterance("a", 2, label="calm")
    assert label_sets([voted, acted], CLASSES, MERGE) == {
        voted.uid: ("happy", "sad"),
        acted.uid: ("neutral",),
    }


def test_statistics_count_emotions_and_numbers_of_them():
    sets = [("sad",), ("sad", "angry"), ("angry", "fear", "happy"), (), ("sad",)]
    found = statistics(sets, CLASSES)
    assert found == Statistics(
        5,
        {"neutral": 0, "angry": 2, "disgust": 0, "fear": 1, "happy": 1, "sad": 3, "surprise": 0},
        {0: 1, 1: 2, 2: 1, 3: 1},
    )
    assert list(found.types) == [0, 1, 2, 3]
    assert list(found.positives) == list(CLASSES)


def test_statistics_of_every_set_of_two_classes():
    sets = [tuple(c for c, there in zip("ab", mask, strict=True) if there) for mask in product((0, 1), repeat=2)]
    assert statistics(iter(sets), ("a", "b")).positives == Counter("aabb")

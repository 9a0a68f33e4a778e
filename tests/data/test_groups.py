"""Draws of groups: seeds count, sizes do not, sexes are alike, shares are met; dealt folds are one of each."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ser.data.groups import dealt, drawn, groups_of
from ser.data.manifest import Utterance

SHARES = (0.7, 0.2, 0.1)


def corpus(sizes, sexes="FM", **other):
    """Speakers of these sizes, their sexes in turn."""
    return [
        Utterance(f"c/{s:03d}_{n}", "c", "", f"c/{s:03d}", "happy", "happy", sexes[s % len(sexes)], **other)
        for s, size in enumerate(sizes)
        for n in range(size)
    ]


def of_seeds(groups, seeds, shares=SHARES):
    """Part of each group [seeds, groups]."""
    draws = (drawn(groups, shares, {}, seed, 8) for seed in range(seeds))
    return np.array([[parts[name] for name in groups.names] for parts in draws])


@pytest.fixture(scope="module")
def unequal():
    """33 speakers of 20 … 52 utterances."""
    return groups_of(corpus(range(20, 53)), "speaker")


def test_a_hundred_seeds_draw_a_hundred_splits_of_speakers_who_differ_in_size(unequal):
    assert len({parts.tobytes() for parts in of_seeds(unequal, 100)}) >= 95


def test_no_subset_prefers_speakers_by_their_size(unequal):
    """Before, the largest always trained and the smallest were tested: mean sizes of 40 and 22 of 36."""
    parts = of_seeds(unequal, 400)
    for part in range(3):
        sizes = np.broadcast_to(unequal.sizes, parts.shape)[parts == part]
        assert sizes.mean() == pytest.approx(unequal.sizes.mean(), rel=0.04)
    tested = (parts == 2).mean(0)
    assert abs(np.corrcoef(unequal.sizes, tested)[0, 1]) < 0.4
    assert tested.min() > 0


def test_shares_and_sexes_are_met_by_every_seed(unequal):
    women = np.array([sex == "F" for sex in unequal.sexes])
    for parts in of_seeds(unequal, 100):
        assert np.bincount(parts).tolist() == [23, 7, 3]
        shares = np.bincount(parts, unequal.sizes) / unequal.sizes.sum()
        assert shares == pytest.approx(SHARES, abs=0.06)
        assert {2 * np.bincount(parts[women], minlength=3)[part] - n for part, n in enumerate((23, 7, 3))} <= {-1, 1}


def test_a_speaker_with_half_of_a_corpus_trains_and_the_others_are_drawn():
    """Sizes as of a Pareto distribution: no draw is good that tests or validates the largest."""
    sizes = np.ceil(8 * (1 - np.arange(40) / 40) ** -1.2).astype(int)  # 8 … 670 of 2,100
    groups = groups_of(corpus(sizes), "speaker")
    parts = of_seeds(groups, 100)
    assert len({each.tobytes() for each in parts}) >= 95
    assert (parts[:, groups.sizes.argmax()] == 0).mean() > 0.95
    assert (parts == 2).mean(0)[groups.sizes < 100].min() > 0


def test_a_thousand_speakers_are_drawn_within_a_percent_of_the_shares():
    groups = groups_of(corpus(np.random.default_rng(0).integers(1, 12, 1000)), "speaker")
    parts = of_seeds(groups, 3)
    for each in parts:
        assert np.bincount(each, groups.sizes) / groups.sizes.sum() == pytest.approx(SHARES, abs=0.01)


def test_fixed_groups_stay_and_the_others_make_up_for_them():
    groups = groups_of(corpus([10] * 10), "speaker")
    fixed = dict.fromkeys(groups.names[:6], 0) | {groups.names[6]: 2}
    for seed in range(20):
        parts = drawn(groups, SHARES, fixed, seed, 8)
        assert {name: parts[name] for name in fixed} == fixed
        assert Counter(parts.values()) == {0: 7, 1: 2, 2: 1}


@given(
    who=st.lists(st.tuples(st.integers(1, 60), st.sampled_from(["F", "M", ""])), min_size=3, max_size=30),
    folds=st.integers(3, 6),
    seed=st.integers(0, 99),
)
def test_dealt_folds_have_as_many_groups_and_of_each_sex_to_one(who, folds, seed):
    utterances = [
        Utterance(f"c/{s}_{n}", "c", "", f"c/{s}", "happy", "happy", sex)
        for s, (size, sex) in enumerate(who)
        for n in range(size)
    ]
    fold_of = dealt(groups_of(utterances, "speaker"), folds, seed)
    counts = Counter(fold_of.values())
    assert set(counts) <= set(range(1, folds + 1))
    assert max(counts.values()) - min(counts.get(k, 0) for k in range(1, folds + 1)) <= 1
    for sex in ("F", "M"):
        of_sex = Counter(fold_of[f"c/{s}"] for s, (_, own) in enumerate(who) if own == sex)
        numbers = [of_sex.get(k, 0) for k in range(1, folds + 1)]
        assert max(numbers) - min(numbers) <= 2


def test_dealt_folds_are_near_in_size_and_another_seed_deals_otherwise(unequal):
    deals = [dealt(unequal, 5, seed) for seed in range(50)]
    assert len({tuple(deal.values()) for deal in deals}) == 50
    for deal in deals:
        sizes = np.bincount([deal[name] for name in unequal.names], unequal.sizes)[1:]
        assert sizes / unequal.sizes.sum() == pytest.approx([0.2] * 5, abs=0.045)


def test_speakers_of_one_dialogue_are_one_group_and_those_of_a_session_without_dialogue_are_not(utterance):
    pairs = [
        utterance(f"{s}{sex}", n, session=s, channel="dialog", sex=sex) for s in "ab" for sex in "FM" for n in (1,)
    ]
    assert groups_of(pairs, "speaker").names == ("corpus/aF", "corpus/bF")
    assert groups_of(pairs, "speaker").sexes == ("FM", "FM")
    apart = [utterance(f"{s}{sex}", 1, session=s, sex=sex) for s in "ab" for sex in "FM"]
    assert len(groups_of(apart, "speaker").names) == 4
    assert groups_of(apart, "session").names == ("a", "b")


def test_dialogues_join_speakers_through_others(utterance):
    """A talks with B, and B, in another session, with C."""
    talks = {"1": "AB", "2": "BC", "3": "DE"}
    everyone = [utterance(name, int(s), session=s, channel="dialog") for s, names in talks.items() for name in names]
    assert groups_of(everyone, "speaker").names == ("corpus/A", "corpus/D")

"""Effects, tests of pairs and the set of the best: agreement with other libraries and with simulations."""

import doctest

import numpy as np
import pytest
from scipy.stats import binom, wilcoxon
from statsmodels.stats.multitest import multipletests

from ser.report import bootstrap, comparisons
from ser.report.bootstrap import accuracy_draws
from ser.report.comparisons import (
    axis_effects,
    cases_of_axis,
    holm,
    indistinguishable,
    means_of_complete_cases,
    pairwise_over_cases,
    pairwise_over_speakers,
)

NO_DRAWS = np.empty((0, 1, 1))


def rng(*seed):
    return np.random.default_rng(seed)


def test_doctests():
    assert doctest.testmod(comparisons).failed == 0


# --- effects ---


def test_an_effect_is_the_mean_difference_of_matched_cases():
    settings = [(t, b) for t in ("x", "y", "z") for b in ("lstm", "blstm")]
    point = np.array([0.5, 0.6, 0.4, 0.4, 0.7, np.nan])
    draws = point + np.array([[0.0] * 6, [0, 0.02, 0, 0.02, 0, 0], [0, 0.04, 0, 0.04, 0, 0]])
    values, by_case, by_case_draws = cases_of_axis(settings, 1, point, draws)
    (effect,) = axis_effects(values, by_case, by_case_draws)
    assert (effect.first, effect.second, effect.cases, effect.of, effect.positive) == ("lstm", "blstm", 2, 3, 1)
    assert effect.difference.value == pytest.approx(0.05)
    assert (effect.difference.low, effect.difference.high) == pytest.approx((0.051, 0.089))


def test_cases_differ_in_the_axis_alone_whichever_it_is():
    settings = [("x", "lstm", "a"), ("x", "lstm", "b"), ("x", "tdnn", "b"), ("y", "lstm", "a")]
    values, point, draws = cases_of_axis(settings, 0, np.arange(4.0), np.empty((0, 4)))
    assert values == ("x", "y")
    assert point == pytest.approx(np.array([[0, 3], [1, -np.inf], [2, -np.inf]]))
    assert draws.shape == (0, 3, 2)


def test_effects_without_matched_cases_or_draws_are_holes():
    (effect,) = axis_effects(("a", "b"), np.array([[0.5, np.nan], [-np.inf, 0.1]]), np.empty((0, 2, 2)))
    assert (effect.cases, effect.of, effect.positive) == (0, 1, 0)
    assert np.isnan(effect.difference.value)
    (effect,) = axis_effects(("a", "b"), np.array([[0.5, 0.6]]), np.empty((0, 1, 2)))
    assert np.isnan(effect.difference.low)


def test_means_are_over_cases_that_have_every_option():
    point = np.array([[0.1, 0.3], [0.5, np.nan], [0.3, 0.5]])
    means, draws, count = means_of_complete_cases(point, np.stack([point, point + 1]))
    assert (means.tolist(), count) == (pytest.approx([0.2, 0.4]), 2)
    assert draws[1].tolist() == pytest.approx([1.2, 1.4])
    assert np.isnan(means_of_complete_cases(np.full((2, 2), np.nan), np.empty((3, 2, 2)))[0]).all()


# --- pairs ---


def test_holm_is_that_of_statsmodels():
    for size in (1, 2, 5, 66):
        p = rng(size).random(size) ** 3
        assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])
    assert holm([np.nan, 0.02]) == pytest.approx([np.nan, 0.02], nan_ok=True)
    assert holm([]) == []


def test_pairs_over_cases_are_wilcoxons_with_holms_correction():
    point = rng(1).random((20, 4)) + np.array([0, 0, 0.3, 0.6])
    point[3, 1] = np.nan
    pairs = pairwise_over_cases(point)
    assert len(pairs) == 6
    for pair in pairs:
        used = np.isfinite(point[:, [pair.first, pair.second]]).all(axis=1)
        one, two = point[used, pair.first], point[used, pair.second]
        assert pair.cases == used.sum()
        assert pair.difference.value == pytest.approx((two - one).mean())
        assert pair.p == pytest.approx(wilcoxon(one, two).pvalue)
    assert [pair.adjusted for pair in pairs] == pytest.approx(multipletests([q.p for q in pairs], method="holm")[1])


def test_p_over_few_equal_or_no_cases():
    (pair,) = pairwise_over_cases(np.array([[0.1, 0.2]] * 5))
    assert pair.p >= 0.05  # five cases can show nothing
    (pair,) = pairwise_over_cases(np.array([[0.3, 0.1 + 0.2]] * 9))
    assert pair.p == 1
    (pair,) = pairwise_over_cases(np.array([[0.3, np.nan]]))
    assert (pair.cases, np.isnan(pair.p), np.isnan(pair.adjusted)) == (0, True, True)


def test_pairs_over_speakers_are_t_tests_of_the_speakers_differences():
    """For a plain mean the bootstrap's standard error is the usual one, and so the test is Student's."""
    from scipy.stats import ttest_rel

    scores = rng(2).normal([0.6, 0.66], 0.1, (12, 2))
    weights = bootstrap.draws_of(12, 50_000, rng(3)) / 11
    (pair,) = pairwise_over_speakers(scores.mean(axis=0), weights @ scores, clusters=12)
    assert pair.p == pytest.approx(ttest_rel(*scores.T).pvalue, rel=0.03)


def test_pairs_over_speakers_that_cannot_be_told():
    draws = np.linspace(0.4, 0.6, 50)[:, None] + np.array([0, 0, 0.1])
    twins, constant, _ = pairwise_over_speakers(np.array([0.5, 0.5, 0.6]), draws, 10)
    assert (twins.p, twins.adjusted) == (1, 1)
    assert np.isnan([constant.p, constant.adjusted]).all()  # a difference that never varies: too few speakers
    (single,) = pairwise_over_speakers(np.array([0.5, 0.6]), draws[:, :2], clusters=1)
    assert np.isnan([single.p, single.difference.low]).all()
    (hole,) = pairwise_over_speakers(np.array([0.5, np.nan]), draws[:, :2], 10)
    assert (hole.cases, np.isnan(hole.p)) == (0, True)


# --- what simulations know ---


def planted(effects, number):
    """Settings with these mean accuracies on the same utterances: speakers differ, and so what suits each of them."""
    speakers, each, random = 12, 25, rng(11, number)
    speaker = np.repeat(np.arange(speakers), each)
    level = 0.55 + random.normal(0, 0.1, (speakers, 1)) + random.normal(0, 0.06, (speakers, len(effects)))
    correct = random.random((len(speaker), len(effects))) < np.clip(level[speaker] + effects, 0, 1)
    settings = np.arange(len(effects))
    made = bootstrap.Tested(
        np.tile(np.arange(each) % 2, speakers),
        correct,
        np.broadcast_to(np.True_, correct.shape),
        speaker,
        settings,
        np.zeros(len(effects), int),
    )
    point, draws = accuracy_draws(made, 300, random)
    return point[1], draws[1]


def most(runs, share):
    """What so rare a thing reaches but once in a thousand times."""
    return binom.ppf(0.999, runs, share)


def test_pairs_of_equal_settings_are_told_apart_once_in_twenty_times_at_most():
    runs = 300
    results = [pairwise_over_speakers(*planted(np.zeros(6), number), clusters=12) for number in range(runs)]
    wrong = sum(any(pair.adjusted < 0.05 for pair in pairs) for pairs in results)
    assert wrong <= most(runs, 0.05)
    uncorrected = np.mean([pair.p < 0.05 for pairs in results for pair in pairs])
    assert 0.03 < uncorrected < 0.07


def test_pairs_over_independent_cases_are_told_apart_once_in_twenty_times_at_most():
    runs = 200
    wrong = sum(
        any(pair.adjusted < 0.05 for pair in pairwise_over_cases(rng(12, number).random((15, 5))))
        for number in range(runs)
    )
    assert wrong <= most(runs, 0.05)


def test_a_planted_difference_is_found():
    runs, effects = 100, np.array([0, 0, 0, 0.25])
    found = 0
    for number in range(runs):
        pairs = pairwise_over_speakers(*planted(effects, number), clusters=12)
        found += all(pair.adjusted < 0.05 for pair in pairs if pair.second == 3)
    assert found >= 0.9 * runs


@pytest.mark.parametrize("effects", [(0, 0, 0, 0, 0, 0), (0, 0, 0, 0.04, 0.05, 0.05), (0, 0.3)], ids=str)
def test_the_set_of_the_best_holds_the_best_and_its_intervals_the_truth(effects):
    runs, effects = 300, np.array(effects)
    best = effects >= effects.max()
    to_others = np.array([effects[i] - np.delete(effects, i).max() for i in range(len(effects))])
    missed = outside = size = 0
    for number in range(runs):
        standings = indistinguishable(*planted(effects, number), clusters=12)
        # Of several best ones any could be the best: each of them is missed at most once in twenty times.
        missed += not standings[int(np.flatnonzero(best)[0])].member
        cells = [standing.difference for standing in standings]
        outside += any(not c.low - 1e-9 <= t <= c.high + 1e-9 for c, t in zip(cells, to_others, strict=True))
        size += sum(standing.member for standing in standings)
    assert missed <= most(runs, 0.05)
    assert outside <= most(runs, 0.05)
    if len(effects) == 2:
        assert size / runs < 1.1  # 30 points are found


def test_settings_whose_spread_is_unknown_are_all_members():
    point = np.array([0.5, 0.7, np.nan])
    for draws, clusters in (
        (np.empty((0, 3)), 9),
        (np.full((9, 3), np.nan), 9),
        (rng(1).random((9, 3)), 1),
        (rng(1).random((9, 3)), 4),
    ):
        low, high, hole = indistinguishable(point, draws, clusters)
        assert hole is None
        assert (low.member, high.member) == (True, True)
        assert (low.difference.value, high.difference.value) == pytest.approx((-0.2, 0.2))
        assert np.isnan(low.difference.low)


def test_twins_of_the_best_are_members_and_equal():
    point, draws = planted(np.array([0, 0.3]), 1)
    first, best, twin = indistinguishable(point[[0, 1, 1]], draws[:, [0, 1, 1]], 12)
    assert (first.member, best.member, twin.member) == (False, True, True)
    assert (best.difference.value, best.difference.low, best.difference.high) == (0, 0, 0)
    assert first.difference.high == 0


def test_comparisons_repeat_to_the_bit():
    one, two = (str(pairwise_over_speakers(*planted(np.zeros(4), 5), 12)) for _ in range(2))
    assert one == two
    assert str(indistinguishable(*planted(np.zeros(4), 5), 12)) == str(indistinguishable(*planted(np.zeros(4), 5), 12))


def test_one_case_says_nothing_of_others():
    (pair,) = pairwise_over_cases(np.array([[0.5, 0.9]]))
    assert pair.difference.value == pytest.approx(0.4)
    assert np.isnan([pair.p, pair.adjusted]).all()


def test_differences_of_accuracies_end_at_100_points():
    """Student's t of two speakers is wide; a difference cannot be wider than accuracies are."""
    point, draws = np.array([0.9, 0.5, 0.4]), np.array([[1.0, 0.2, 0.6], [0.8, 0.8, 0.2]] * 50)
    cells = [pair.difference for pair in pairwise_over_speakers(point, draws, 2)]
    cells += [standing.difference for standing in indistinguishable(point, draws, 5)]
    cells += [effect.difference for effect in axis_effects("abc", point[None], draws[:, None], 2)]
    limits = np.array([(cell.low, cell.high) for cell in cells])
    assert limits.min() == -1
    assert limits.max() <= 1

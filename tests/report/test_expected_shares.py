"""Shares of wins if nothing differed: by enumeration, and with the correlation of cases that share speakers."""

from itertools import product

import numpy as np
import pytest

from ser.report import bootstrap
from ser.report.bootstrap import accuracy_draws
from ser.report.expected_shares import expected, expected_shares, null_draws
from ser.report.statistics import credit


def test_centred_draws_keep_noise_and_holes():
    draws = np.array([[[1.0, -np.inf, np.nan]], [[3.0, -np.inf, 5.0]]])
    assert null_draws(draws).tolist() == pytest.approx(
        np.array([[[-1, -np.inf, np.nan]], [[1, -np.inf, 0]]]), nan_ok=True
    )


def test_shares_are_those_of_all_equally_likely_outcomes():
    """Two cases of three options; an option's noise is -1 or 1, all independent: every outcome is a replicate."""
    draws = np.array(list(product((-1.0, 1.0), repeat=6))).reshape(-1, 2, 3)
    shifted = draws + np.array([[0.0, 5.0, -3.0], [9.0, 0.0, 0.0]])  # what differs is taken away
    cells = expected_shares(np.ones((2, 3)), shifted)
    by_hand = np.array([credit(draw).mean(axis=0) for draw in draws])
    assert [cell.value for cell in cells] == pytest.approx([1 / 3] * 3)
    assert [cell.low for cell in cells] == pytest.approx(np.percentile(by_hand, 2.5, axis=0))
    assert [cell.high for cell in cells] == pytest.approx(np.percentile(by_hand, 97.5, axis=0))


def test_twins_share_what_one_training_would_win():
    noise = np.random.default_rng(1).normal(size=(4000, 5, 2))
    cells = expected_shares(np.ones((5, 3)), noise[:, :, [0, 1, 1]])
    assert [cell.value for cell in cells] == pytest.approx([0.5, 0.25, 0.25], abs=0.02)
    first = expected_shares(np.ones((5, 3)), noise[:, :, [0, 1, 1]], ties="first")
    assert [cell.value for cell in first] == pytest.approx([0.5, 0.5, 0], abs=0.02)


def test_share_of_combinations_that_hold_a_corpus():
    """Of the combinations I, I+T, I+R and I+T+R half hold T: so would half of the best ones."""
    holds = np.array([[1, 0, 0], [1, 1, 0], [1, 0, 1], [1, 1, 1]])
    noise = np.random.default_rng(2).normal(size=(4000, 6, 4))
    cells = expected_shares(np.ones((6, 4)), noise, groups=holds)
    assert [cell.value for cell in cells] == pytest.approx([1, 0.5, 0.5], abs=0.02)
    assert (cells[0].low, cells[0].high) == pytest.approx((1, 1))
    assert cells[1].low < 0.2  # of six cases


def test_cases_that_hang_together_make_the_range_wide():
    noise = np.random.default_rng(3).normal(size=(4000, 20, 4))
    together = np.repeat(noise[:, :1], 20, axis=1) + 0.1 * noise
    apart, joined = (expected_shares(np.ones((20, 4)), draws)[0] for draws in (noise, together))
    assert apart.value == pytest.approx(joined.value, abs=0.02)
    assert apart.high < 0.5
    assert joined.high > 0.9


def test_what_is_missing_does_not_count_and_nothing_is_invented():
    point = np.array([[0.1, 0.2, -np.inf], [np.nan, 0.3, 0.1], [0.4, 0.2, 0.9]])
    no_draws = np.empty((0, 3, 3))
    cells = expected_shares(point, no_draws)
    assert [cell.value for cell in cells] == pytest.approx([(1 / 2 + 1 / 3) / 2, (1 / 2 + 1 / 3) / 2, 1 / 6])
    assert np.isnan([cell.low for cell in cells]).all()
    assert np.isnan([cell.value for cell in expected_shares(np.full((2, 3), np.nan), no_draws)]).all()
    undefined = expected_shares(np.ones((2, 3)), np.full((9, 2, 3), np.nan))
    assert np.isnan([cell.value for cell in undefined]).all()
    assert np.isnan(expected(np.empty((0, 1)))[0].value)


def test_of_few_speakers_or_one_case_nothing_is_counted_in_replicates():
    draws = np.random.default_rng(3).normal(size=(200, 4, 3))
    few = expected_shares(np.ones((4, 3)), draws, clusters=3)
    assert [cell.value for cell in few] == pytest.approx([1 / 3] * 3)
    assert np.isnan([cell.low for cell in few]).all()
    assert np.isfinite([cell.low for cell in expected_shares(np.ones((4, 3)), draws, clusters=5)]).all()
    assert np.isnan([cell.value for cell in expected_shares(np.ones((1, 3)), draws[:, :1])]).all()


def test_counted_shares_of_equal_networks_lie_within_the_expected_range():
    """Twelve combinations of one corpus under four networks that are equally good, tested by ten speakers."""
    inside = total = 0
    for number in range(60):
        random = np.random.default_rng([21, number])
        speaker = np.repeat(np.arange(10), 20)
        network = random.normal(0, 0.08, (10, 1, 4))  # some speakers suit some networks, in all combinations
        level = 0.55 + random.normal(0, 0.1, (10, 1, 1)) + network + random.normal(0, 0.04, (10, 12, 4))
        correct = random.random((200, 12, 4)) < np.clip(level[speaker], 0, 1)
        tested = bootstrap.Tested(
            np.tile(np.arange(20) % 2, 10),
            correct.reshape(200, 48),
            np.broadcast_to(np.True_, (200, 48)),
            speaker,
            np.arange(48),
            np.zeros(48, int),
        )
        point, draws = (
            values[0].reshape(*values[0].shape[:-1], 12, 4) for values in accuracy_draws(tested, 200, random)
        )
        counted = credit(point).mean(axis=0)
        for share, cell in zip(counted, expected_shares(point, draws), strict=True):
            inside += cell.low - 1e-9 <= share <= cell.high + 1e-9
            total += 1
    assert inside / total > 0.9

"""Friedman's test, Nemenyi's critical difference and their diagram agree with scipy and scikit-posthocs."""

import numpy as np
import pytest
from scikit_posthocs import posthoc_nemenyi_friedman
from scipy.stats import f as f_distribution
from scipy.stats import friedmanchisquare, rankdata, studentized_range

from ser.report.ranks import (
    critical_difference,
    critical_difference_diagram,
    friedman,
    groups_of_ranks,
    range_quantile,
    ranks_of,
)


def scores(cases=15, options=5, seed=0):
    return np.random.default_rng(seed).normal(size=(cases, options)) + np.linspace(0, 1.5, options)


def test_ranks_begin_with_the_best_and_ties_share_theirs():
    assert ranks_of(np.array([[0.1, 0.9, 0.5], [0.3, 0.1 + 0.2, 0.1]])).tolist() == [[3, 1, 2], [1.5, 1.5, 3]]


@pytest.mark.parametrize("decimals", [12, 0])  # without ties, and with many
def test_friedman_is_scipys(decimals):
    point = np.round(scores(), decimals)
    ranking = friedman(point)
    right = friedmanchisquare(*point.T)
    assert (ranking.chi_square, ranking.p) == pytest.approx((right.statistic, right.pvalue))
    assert ranking.ranks == pytest.approx(ranks_of(point).mean(axis=0))


def test_friedman_of_demsars_example():
    """Demšar 2006, section 3.2.3: four classifiers on 14 data sets, average ranks 3.143, 2.000, 2.893, 1.964."""
    ranks = np.array([3.143, 2.000, 2.893, 1.964])
    n, k = 14, 4
    chi_square = 12 * n / (k * (k + 1)) * ((ranks**2).sum() - k * (k + 1) ** 2 / 4)
    assert chi_square == pytest.approx(9.28, abs=0.01)
    assert (n - 1) * chi_square / (n * (k - 1) - chi_square) == pytest.approx(3.69, abs=0.01)
    assert critical_difference(k, n) == pytest.approx(1.25, abs=0.01)
    assert critical_difference(k, n, 0.9) == pytest.approx(1.12, abs=0.02)


@pytest.mark.parametrize("options", [2, 12, 100])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_ranges_of_normal_values_are_scipys(options, level):
    assert range_quantile(options, level) == pytest.approx(studentized_range.ppf(level, options, np.inf), rel=1e-9)


def test_ranks_are_scipys_also_with_ties_and_holes():
    point = np.round(scores(40, 7, seed=2), 1)
    point[3, 2] = np.nan
    assert ranks_of(point) == pytest.approx(rankdata(-point, axis=1), nan_ok=True)
    assert ranks_of(point[:0]).shape == (0, 7)


def test_iman_and_davenport():
    point = scores(seed=3)
    ranking = friedman(point)
    cases, options = point.shape
    f = (cases - 1) * ranking.chi_square / (cases * (options - 1) - ranking.chi_square)
    assert ranking.f == pytest.approx(f)
    assert ranking.f_p < ranking.p
    assert ranking.f_p == pytest.approx(f_distribution.sf(f, options - 1, (options - 1) * (cases - 1)))


def test_options_within_the_critical_difference_are_those_that_nemenyis_test_does_not_tell_apart():
    point = scores(30, 8, seed=1)
    ranking = friedman(point)
    p = posthoc_nemenyi_friedman(point).to_numpy()
    apart = np.abs(ranking.ranks[:, None] - ranking.ranks) > critical_difference(8, 30)
    assert apart.any()
    assert (apart == (p < 0.05)).all()


def test_cases_with_holes_do_not_count_and_what_is_undefined_is_nan():
    point = scores()
    with_holes = np.vstack([point, [[np.nan, 1, 1, 1, 1], [-np.inf, 1, 1, 1, 1]]])
    assert friedman(with_holes).cases == 15
    assert friedman(with_holes).p == friedman(point).p
    for few in (point[:1], point[:, :2], np.ones((9, 4))):
        assert np.isnan([friedman(few).p, friedman(few).f_p]).all()
    assert np.isnan(friedman(point[:0]).ranks).all()
    assert np.isnan(critical_difference(5, 0))
    assert np.isnan(critical_difference(1, 5))


def test_one_order_in_every_case_leaves_no_doubt():
    ranking = friedman(np.tile([0.1, 0.2, 0.3], (6, 1)))
    assert ranking.ranks.tolist() == [3, 2, 1]
    assert (ranking.f, ranking.f_p) == (np.inf, 0)
    assert ranking.p == pytest.approx(np.exp(-6))  # chi-square of 12 with 2 degrees of freedom


def test_groups_are_the_greatest_and_hold_their_options_in_order():
    ranks = np.array([4.0, 1.0, 1.5, 2.5, np.nan, 5.6])
    assert groups_of_ranks(ranks, 1.5) == [(1, 2, 3), (3, 0)]
    assert groups_of_ranks(ranks, 0.1) == []
    assert groups_of_ranks(ranks, 9) == [(1, 2, 3, 0, 5)]


@pytest.mark.parametrize("options", [3, 54])
def test_diagram_names_every_configuration_best_first(options):
    names = [f"network {i} $x" for i in range(options)]
    ranking = friedman(scores(12, options))
    picture = critical_difference_diagram(names, ranking, "ranks", "Average ranks.")
    order = [names[i] for i in np.argsort(ranking.ranks, kind="stable")]
    places = [picture.svg.index(f">{name}<") for name in order]
    assert sorted(places) == places
    assert f"critical difference {critical_difference(options, 12):.2f}, 12 cases" in picture.svg
    again = critical_difference_diagram(names, ranking, "ranks", "Average ranks.")
    assert (again.png, again.svg) == (picture.png, picture.svg)


def test_no_diagram_of_nothing():
    assert critical_difference_diagram(["a", "b", "c"], friedman(np.empty((0, 3))), "ranks", "") is None

"""Fuzzy C-means: a case by hand, its objective, and its limit, which is k-means."""

import numpy as np
import pytest
from sklearn.cluster import KMeans

from ser.errors import BadInput
from ser.models._fuzzy import FuzzyCMeans, memberships

LOOP = {"starts": 5, "iterations": 300, "tolerance": 1e-9, "seed": 0}


def blobs(seed=0, each=30):
    draw = np.random.default_rng(seed)
    centres = np.array([[0.0, 0, 0], [6, 0, 0], [0, 6, 6]])
    return np.concatenate([c + draw.normal(size=(each, 3)) for c in centres])


def test_memberships_by_hand():
    # Distances 1 and 2: with m = 2 as 1 to 1/4 of their squares, with m = 3 as 1 to 1/2.
    squares = np.array([[1.0, 4.0]])
    np.testing.assert_allclose(memberships(squares, 2.0), [[0.8, 0.2]])
    np.testing.assert_allclose(memberships(squares, 3.0), [[2 / 3, 1 / 3]])
    np.testing.assert_allclose(memberships(squares * 1e30, 2.0), [[0.8, 0.2]])


def test_a_point_at_a_centre_belongs_to_it_and_at_several_to_each_alike():
    squares = np.array([[0.0, 4.0, 9.0], [0.0, 2.0, 0.0], [1.0, 1.0, 1.0]])
    np.testing.assert_allclose(memberships(squares, 2.0), [[1, 0, 0], [0.5, 0, 0.5], [1 / 3, 1 / 3, 1 / 3]])


def test_one_step_by_hand():
    # Points 0, 1, 3 on a line, centres at 0 and 3: u of the point 1 is (4/5, 1/5), and with m = 2 the centres become
    # (16/25 · 1) / (1 + 16/25) and (1/25 · 1 + 3) / (1/25 + 1).
    x = np.array([[0.0], [1.0], [3.0]])
    model = FuzzyCMeans(2, 2.0, starts=1, iterations=1, tolerance=0.0, seed=0)
    centres, objectives, converged = model._descend(x, x[[0, 2]])
    np.testing.assert_allclose(centres, [[16 / 41], [76 / 26]])
    assert objectives[0] == pytest.approx(0.8**2 * 1 + 0.2**2 * 4)
    assert not converged


def test_the_objective_never_rises_and_its_end_is_what_the_memberships_say():
    x = blobs()
    for fuzzifier in (1.1, 2.0, 4.0):
        model = FuzzyCMeans(4, fuzzifier, **LOOP).fit(x)
        steps = np.diff(model.objectives_)
        assert len(steps) > 3
        assert (steps <= 1e-9 * model.objectives_[0]).all()
        u = model.transform(x)
        squares = ((x[:, None] - model.centres_) ** 2).sum(2)
        assert (u**fuzzifier * squares).sum() == pytest.approx(model.objectives_[-1])
        np.testing.assert_allclose(u.sum(1), 1)


def test_where_it_rests_memberships_and_centres_agree():
    x = blobs()
    model = FuzzyCMeans(3, 2.0, **LOOP).fit(x)
    assert model.converged_
    weights = model.transform(x) ** 2
    np.testing.assert_allclose(model.centres_, weights.T @ x / weights.sum(0)[:, None], atol=1e-7)


@pytest.mark.parametrize("fuzzifier", [1.05, 1.0001])
def test_a_fuzzifier_near_one_is_k_means(fuzzifier):
    x = blobs()
    model = FuzzyCMeans(3, fuzzifier, **LOOP).fit(x)
    theirs = KMeans(3, n_init=5, random_state=0).fit(x)
    order = np.argsort(model.centres_ @ [1, 2, 3]), np.argsort(theirs.cluster_centers_ @ [1, 2, 3])
    np.testing.assert_allclose(model.centres_[order[0]], theirs.cluster_centers_[order[1]], atol=1e-3)
    assert model.objectives_[-1] == pytest.approx(theirs.inertia_, rel=1e-3)
    assert np.array_equal(model.transform(x)[:, order[0]].round(), np.eye(3)[np.repeat([0, 1, 2], 30)])


def test_a_cluster_that_loses_all_members_stays_where_it_is():
    x = np.array([[0.0], [1.0], [10.0]])
    model = FuzzyCMeans(2, 1.0001, starts=1, iterations=5, tolerance=0.0, seed=0)
    centres, objectives, _ = model._descend(x, np.array([[4.0], [99.0]]))
    np.testing.assert_allclose(centres, [[11 / 3], [99.0]])
    assert np.isfinite(objectives).all()


def test_the_best_of_its_starts_is_kept():
    x = blobs()
    alone = [FuzzyCMeans(5, 1.3, **LOOP | {"starts": 1, "seed": seed}).fit(x).objectives_[-1] for seed in range(8)]
    assert len({round(o, 3) for o in alone}) > 1
    many = FuzzyCMeans(5, 1.3, **LOOP | {"starts": 20}).fit(x)
    assert many.objectives_[-1] <= min(alone) * (1 + 1e-6)


def test_with_a_fuzzifier_of_two_many_features_say_nothing_and_that_is_seen():
    x = np.random.default_rng(0).normal(size=(90, 40))
    x[:, 0] += np.repeat([0, 5, 10], 30)
    vague, sharp = (FuzzyCMeans(3, m, **LOOP).fit(x).sharpness_ for m in (2.0, 1.05))
    assert vague == pytest.approx(1 / 3, abs=0.05)
    assert 0.8 < sharp <= 1


def test_equal_utterances_share_all_they_have():
    x = np.repeat([[1.0, 2.0]], 6, axis=0)
    u = FuzzyCMeans(3, 2.0, **LOOP).fit(x).transform(np.array([[1.0, 2.0], [4.0, 4.0]]))
    np.testing.assert_allclose(u, 1 / 3)


def test_a_limit_of_iterations_is_seen():
    model = FuzzyCMeans(3, 2.0, **LOOP | {"iterations": 2}).fit(blobs())
    assert not model.converged_
    assert len(model.objectives_) == 3


@pytest.mark.parametrize(("clusters", "fuzzifier"), [(1, 2.0), (3, 1.0), (3, float("nan"))])
def test_numbers_without_a_meaning_are_refused(clusters, fuzzifier):
    with pytest.raises(BadInput, match=f"{clusters} clusters, fuzzifier {fuzzifier}"):
        FuzzyCMeans(clusters, fuzzifier, **LOOP)


def test_fewer_utterances_than_clusters_are_refused():
    with pytest.raises(BadInput, match="4 utterances; allowed: at least 7"):
        FuzzyCMeans(7, 2.0, **LOOP).fit(np.eye(4))

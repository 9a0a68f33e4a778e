"""Group multi-task feature selection: its proximal map, its optimum, and what a penalty does."""

from itertools import pairwise

import numpy as np
import pytest
from component_settings import with_values
from sklearn.linear_model import LogisticRegression

from ser.models import gmtfs
from ser.models._scaling import Scaling

_, SETTINGS, _ = gmtfs.example()
TIGHT = {"iterations": 20_000, "tolerance": 1e-8}


def toy(tasks=2, each=60, width=6, seed=0):
    """Feature 0 says the class in every task alike, 1 in the opposite way in odd tasks, the rest nothing."""
    draw = np.random.default_rng(seed)
    t = np.repeat(np.arange(tasks), each)
    y = draw.integers(3, size=len(t)) * 2
    x = draw.normal(size=(len(t), width))
    x[:, 0] += y
    x[:, 1] += np.where(t % 2, -y, y)
    return x, y, t


def fit(x, y, t, **changed):
    return gmtfs.build(with_values(SETTINGS, **changed), 0, "cpu").fit(x, y, tasks=t)


def loss(model, x, y, t):
    scores = model.decision_function(x, tasks=t)
    logs = scores - np.log(np.exp(scores).sum(1, keepdims=True))
    right = logs[np.arange(len(y)), np.searchsorted(model.classes_, y)]
    return -sum(right[t == one].mean() for one in np.unique(t))


def test_the_proximal_map_by_hand():
    weights = np.zeros((3, 2, 2))
    weights[0] = [[3, 0], [0, 4]]  # of length 5: shortened by 2, three fifths of it are left
    weights[1] = [[1, 1], [1, 1]]  # of length 2: nothing is left
    expected = np.zeros((3, 2, 2))
    expected[0] = [[1.8, 0], [0, 2.4]]
    np.testing.assert_allclose(gmtfs.shrunk(weights, 2.0), expected)
    np.testing.assert_allclose(gmtfs.shrunk(weights, 0.0), weights)


def test_the_proximal_map_is_the_minimum_that_it_stands_for():
    draw = np.random.default_rng(0)
    weights = draw.normal(size=(5, 2, 3))

    def value(w):
        return ((w - weights) ** 2).sum() / 2 + 1.5 * np.sqrt((w**2).sum((1, 2))).sum()

    best = gmtfs.shrunk(weights, 1.5)
    assert all(value(best) < value(best + 0.01 * draw.normal(size=best.shape)) for _ in range(50))


def test_the_gradient_is_that_of_the_loss():
    x, y, t = toy()
    model = fit(x, y, t, scaling="none", iterations=3)
    hot = (y[:, None] == model.classes_) * 1.0
    ones = np.ones((len(x), 1))
    sides = [(np.concatenate([x, ones], 1)[t == one], hot[t == one]) for one in (0, 1)]
    found = gmtfs.gradient(sides, np.concatenate([model.weights_, model.offsets_[None]]))
    for place in [(0, 0, 0), (1, 1, 2), (5, 0, 1)]:
        before, values = model.weights_[place], []
        for step in (-1e-5, 1e-5):
            model.weights_[place] = before + step
            values.append(loss(model, x, y, t))
        model.weights_[place] = before
        assert found[place] == pytest.approx((values[1] - values[0]) / 2e-5, rel=1e-5, abs=1e-8)


def test_one_task_without_penalty_is_multinomial_logistic_regression():
    x, y, t = toy(tasks=1, each=200)
    model = fit(x, y, t, penalty=0.0, **TIGHT)
    assert model.converged_
    theirs = LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000).fit(Scaling("standard").fit(x).transform(x), y)
    np.testing.assert_allclose(model.weights_[:, 0].T, theirs.coef_ - theirs.coef_.mean(0), atol=1e-5)
    np.testing.assert_allclose(model.offsets_[0], theirs.intercept_ - theirs.intercept_.mean(), atol=1e-5)


def test_without_penalty_tasks_do_not_meet():
    x, y, t = toy(each=150)
    both = fit(x, y, t, penalty=0.0, scaling="none", **TIGHT).decision_function(x, tasks=t)
    for one in (0, 1):
        own = t == one
        alone = fit(x[own], y[own], t[own], penalty=0.0, scaling="none", **TIGHT)
        np.testing.assert_allclose(both[own], alone.decision_function(x[own], tasks=t[own]), atol=1e-3)


@pytest.mark.parametrize("penalty", [0.01, 0.1, 0.5])
def test_where_it_rests_the_conditions_of_an_optimum_hold(penalty):
    x, y, t = toy()
    model = fit(x, y, t, penalty=penalty, scaling="none", **TIGHT)
    assert model.converged_
    hot, ones = (y[:, None] == model.classes_) * 1.0, np.ones((len(x), 1))
    sides = [(np.concatenate([x, ones], 1)[t == one], hot[t == one]) for one in (0, 1)]
    slope = gmtfs.gradient(sides, np.concatenate([model.weights_, model.offsets_[None]]))
    np.testing.assert_allclose(slope[-1], 0, atol=1e-6)
    for feature, used in enumerate(model.selected_):
        if used:
            direction = model.weights_[feature] / np.linalg.norm(model.weights_[feature])
            np.testing.assert_allclose(slope[feature], -penalty * direction, atol=1e-6)
        else:
            assert np.linalg.norm(slope[feature]) <= penalty + 1e-6


def test_a_growing_penalty_removes_features_and_whole_ones():
    x, y, t = toy(tasks=3)
    kept = []
    for penalty in (0.0, 0.05, 0.1, 0.2, 5.0):
        model = fit(x, y, t, penalty=penalty, iterations=5000)
        used = (model.weights_ != 0).all((1, 2))
        assert np.array_equal(used, model.selected_)
        assert np.array_equal(used, (model.weights_ != 0).any((1, 2)))
        kept.append(set(np.flatnonzero(used)))
    assert kept[0] == set(range(6))
    assert all(a >= b for a, b in pairwise(kept))
    assert kept[3] == {0, 1}
    assert kept[-1] == set()


def test_a_group_is_kept_for_what_it_says_in_either_task():
    x, y, t = toy()
    model = fit(x, y, t, penalty=0.05)
    assert model.weights_[1, 0] @ model.weights_[1, 1] < 0
    shared = fit(x, y, np.zeros_like(t), penalty=0.05)
    found = [(m.classes_[m.decision_function(x, tasks=t).argmax(1)] == y).mean() for m in (model, shared)]
    assert found[0] > found[1] + 0.05


def test_a_task_that_training_lacked_gets_the_mean_of_all():
    x, y, t = toy()
    model = fit(x, y, t * 10)
    found = [model.decision_function(x, tasks=np.full(len(x), one)) for one in (0, 10, 7)]
    np.testing.assert_allclose(found[2], (found[0] + found[1]) / 2)
    mixed = model.decision_function(x, tasks=np.where(t == 0, 7, 10))
    np.testing.assert_allclose(mixed, np.where(t[:, None] == 0, found[2], found[1]))


def test_tasks_weigh_alike_whatever_their_size():
    x, y, t = toy()
    twice = [np.concatenate([a, a[t == 0], a[t == 0]]) for a in (x, y, t)]
    one, other = (fit(*side, scaling="none", **TIGHT).weights_ for side in ((x, y, t), twice))
    np.testing.assert_allclose(one, other, atol=1e-5)


def test_a_class_that_a_task_never_has_scores_low_in_it():
    x, y, t = toy(each=100)
    y[(t == 1) & (y == 4)] = 0
    model = fit(x, y, t, iterations=300)
    scores = model.decision_function(x, tasks=t)
    assert np.isfinite(scores).all()
    assert (scores[t == 1].argmax(1) != 2).all()


def test_too_few_iterations_are_seen():
    x, y, t = toy()
    assert not fit(x, y, t, iterations=3).converged_
    assert fit(x, y, t, iterations=3000).converged_

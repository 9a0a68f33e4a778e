"""The contract of fitted models: scores per class, their own whatever the company; and the steps that some share."""

import numpy as np
import pytest
import torch
from component_settings import with_values
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.feature_selection import f_classif
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC
from sklearn.utils import check_random_state

from ser import registry
from ser.errors import BadInput
from ser.models import knn, lda, perceptron, svm, traits
from ser.models._condensed import Condensed
from ser.models._fuzzy import FuzzyCMeans
from ser.models._scaling import Scaling
from ser.models._steps import Select, variance_ratio

FITTED = [name for name in registry.names("models") if registry.find("models", name).GIVES == "classes"]
VECTORS = [name for name in FITTED if registry.find("models", name).TAKES == "vectors"]
FRAMES = [name for name in FITTED if name not in VECTORS]
CLASSES = (0, 2, 5)  # there may be others, which this training side lacks


class Toy:
    """Utterances of a model's kind, with their classes and tasks; every class is high in another place."""

    def __init__(self, name, classes=CLASSES, each=12, seed=0, features=None):
        draw, module = np.random.default_rng(seed), registry.find("models", name)
        width, self.settings, frames = module.example()
        self.name, self.module, self.vectors = name, module, module.TAKES == "vectors"
        self.y = draw.permutation(np.repeat(np.array(classes, np.int64), each))
        place = np.searchsorted(classes, self.y)
        self.tasks = draw.integers(2, size=len(self.y))
        if self.vectors:
            self.x = draw.normal(size=(len(self.y), features or width * len(self.settings.statistics)))
            self.x += 5 * (np.arange(self.x.shape[1]) % 20 == place[:, None])
        else:
            lengths = draw.integers(frames - 3, frames + 4, size=len(self.y))
            self.x = [draw.normal(size=(n, width)).astype(np.float32) for n in lengths]
            for frames, band in zip(self.x, place, strict=True):
                frames[:, band] += 3

    def fitted(self, seed=0, **changed):
        model = self.module.build(with_values(self.settings, **changed), seed, "cpu")
        model.fit(self.x, self.y, **self.extra(slice(None)))
        return model

    def extra(self, chosen):
        return {"tasks": self.tasks[chosen]} if traits(self.name).tasks else {}

    def scores(self, model, chosen=slice(None)):
        x = self.x[chosen] if self.vectors or isinstance(chosen, slice) else [self.x[i] for i in chosen]
        return (getattr(model, "decision_function", None) or model.predict_proba)(x, **self.extra(chosen))


@pytest.mark.parametrize("name", FITTED)
def test_a_fitted_model_learns_to_tell_classes_that_others_are_missing_between(name):
    assert registry.find("models", name).TAKES in ("vectors", "frames")
    model, new = Toy(name, each=20).fitted(), Toy(name, seed=1)
    assert model.classes_.tolist() == list(CLASSES)
    found = new.scores(model)
    assert found.shape == (len(new.y), 3)
    assert np.isfinite(found).all()
    assert (model.classes_[found.argmax(1)] == new.y).mean() > 0.9


@pytest.mark.parametrize("name", FITTED)
def test_two_classes_have_a_score_each_too(name):
    toy = Toy(name, classes=(1, 3))
    model = toy.fitted()
    found = toy.scores(model)
    assert found.shape == (len(toy.y), 2)
    assert (model.classes_[found.argmax(1)] == toy.y).mean() > 0.9


@pytest.mark.parametrize("name", FITTED)
def test_an_answer_is_an_utterances_own(name):
    toy, new = Toy(name), Toy(name, seed=1)
    model = toy.fitted()
    found = new.scores(model)
    for chosen in ([3], [7, 3, 0], list(range(len(new.y)))[::-1]):
        np.testing.assert_allclose(new.scores(model, chosen), found[chosen], rtol=1e-4, atol=1e-5)


DRAWS_NOTHING = {"gmtfs", "knn", "lda", "logistic", "ridge", "svm"}  # as ser.models says


@pytest.mark.parametrize("name", FITTED)
def test_another_seed_is_another_model_but_where_nothing_is_drawn(name):
    toy = Toy(name)
    one, other = (toy.scores(toy.fitted(seed)) for seed in (0, 1))
    assert np.array_equal(one, other) is (name in DRAWS_NOTHING)


@pytest.mark.parametrize("name", FITTED)
def test_the_seed_says_all_and_no_random_number_of_others_is_taken(name):
    toy = Toy(name)
    everyones = check_random_state(None)
    before = everyones.get_state()[1].tolist(), torch.get_rng_state()
    first, second = (toy.scores(toy.fitted(seed=3)) for _ in range(2))
    assert np.array_equal(first, second)
    assert everyones.get_state()[1].tolist() == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])


@pytest.mark.parametrize("name", FITTED)
def test_what_a_model_is_given_stays_as_it_was(name):
    toy, same = Toy(name), Toy(name)
    toy.scores(toy.fitted())
    assert np.array_equal(toy.y, same.y)
    assert all(np.array_equal(a, b) for a, b in zip(toy.x, same.x, strict=True))


@pytest.mark.parametrize("name", FITTED)
def test_a_class_of_one_utterance_is_a_class(name):
    toy = Toy(name)
    toy.y[0] = 4
    model = toy.fitted()
    assert model.classes_.tolist() == [0, 2, 4, 5]
    assert np.isfinite(toy.scores(model)).all()


@pytest.mark.parametrize("name", FITTED)
def test_a_single_class_is_refused(name):
    with pytest.raises(BadInput, match="two classes or more"):
        Toy(name, classes=(1,)).fitted()


@pytest.mark.parametrize("name", FITTED)
@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_what_is_no_finite_number_is_refused_in_training_and_after(name, number):
    toy, new = Toy(name), Toy(name)
    new.x[4][-1] = number
    with pytest.raises(BadInput, match="utterance 4"):
        new.fitted()
    with pytest.raises(BadInput, match="utterance 4"):
        new.scores(toy.fitted())


@pytest.mark.parametrize("name", VECTORS)
def test_features_that_are_constant_in_training_never_matter(name):
    toy, new = Toy(name), Toy(name, seed=1)
    for some in (toy, new):
        some.x[:, -1] = 0.1
    model = toy.fitted()
    found = new.scores(model)
    new.x[:, -1] = 1e6
    assert np.array_equal(new.scores(model), found)
    assert (model.classes_[found.argmax(1)] == new.y).mean() > 0.9


@pytest.mark.parametrize("scaling", ["standard", "none"])
@pytest.mark.parametrize("name", VECTORS)
def test_more_features_than_utterances_are_no_hindrance(name, scaling):
    toy, new = Toy(name, features=60), Toy(name, seed=1, features=60)
    toy.x[:, 50:] = 2
    model = toy.fitted(scaling=scaling)
    found = new.scores(model)
    assert np.isfinite(found).all()
    if scaling == "standard":
        assert (model.classes_[found.argmax(1)] == new.y).mean() > 0.7


@pytest.mark.parametrize("name", FRAMES)
def test_a_single_frame_is_an_utterance_and_a_band_constant_in_training_never_matters(name):
    toy, new = Toy(name), Toy(name, seed=1)
    for some in (toy, new):
        for frames in some.x:
            frames[:, -1] = -8
        some.x[0] = some.x[0][:1]
    model = toy.fitted()
    found = new.scores(model)
    assert np.isfinite(found).all()
    for frames in new.x:
        frames[:, -1] = 1e6
    assert np.array_equal(new.scores(model), found)


@pytest.mark.parametrize("name", FRAMES)
def test_no_frames_and_another_width_are_refused(name):
    toy, new = Toy(name), Toy(name, seed=1)
    model = toy.fitted()
    for wrong in (new.x[1][:0], new.x[1][:, 1:]):
        new.x[1] = wrong
        with pytest.raises(BadInput, match="utterance 1"):
            new.scores(model)


@pytest.mark.parametrize(
    ("module", "theirs", "changed"),
    [
        (svm, SVC(kernel="poly", degree=2, coef0=1, class_weight="balanced"), {"kernel": "poly", "balanced": True}),
        (svm, SVC(C=3.0, gamma=0.07), {"c": 3.0, "gamma": 0.07}),
        (knn, KNeighborsClassifier(5, weights="distance"), {"neighbours": 5, "weights": "distance"}),
        (lda, LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"), {}),
        (lda, LinearDiscriminantAnalysis(), {"solver": "svd", "shrinkage": "none"}),
        (
            perceptron,
            MLPClassifier((12,), learning_rate_init=0.01, batch_size=32, max_iter=500, random_state=0),
            {"epochs": 500},
        ),
    ],
)
def test_a_classifier_is_scikit_learns_after_scaling(module, theirs, changed):
    name = module.__name__.split(".")[-1]
    toy, new = Toy(name), Toy(name, seed=1)
    toy.y[:8] = 2
    found = new.scores(toy.fitted(**changed))
    mean, std = toy.x.mean(0), toy.x.std(0)
    theirs.fit((toy.x - mean) / std, toy.y)
    answer = theirs.decision_function if hasattr(theirs, "decision_function") else theirs.predict_proba
    np.testing.assert_allclose(found, answer((new.x - mean) / std), rtol=1e-9, atol=1e-9)


FUZZY = {"fuzzifier": 2.0, "cluster_starts": 3, "cluster_iterations": 100, "cluster_tolerance": 1e-6}


@pytest.mark.parametrize("name", ["svm", "knn", "lda", "perceptron"])
def test_a_classifier_may_be_given_fuzzy_centres_of_each_class_in_place_of_its_utterances(name):
    toy, new = Toy(name, each=30), Toy(name, seed=1)
    model, given = toy.fitted(clusters=4, classifier_input="centres", **FUZZY), []
    condensed = model.named_steps["classifier"]
    condensed.classifier.fit = lambda x, y: given.append((x, y))
    scaled = model[:-1].transform(toy.x)
    condensed.fit(scaled, toy.y)
    ((centres, labels),) = given
    for c in np.unique(toy.y):
        loop = {key.removeprefix("cluster_"): value for key, value in FUZZY.items() if key.startswith("cluster_")}
        expected = FuzzyCMeans(4, 2.0, **loop, seed=0).fit(scaled[toy.y == c]).centres_
        np.testing.assert_allclose(centres[labels == c], expected)
    assert (model.classes_[new.scores(model).argmax(1)] == new.y).mean() > 0.8


def test_a_class_of_fewer_utterances_than_centres_stays_as_it_is():
    toy = Toy("knn", each=30)
    keep = np.concatenate([np.flatnonzero(toy.y == c)[: 3 if c == 0 else None] for c in np.unique(toy.y)])
    condensed = Condensed(knn.Neighbours(1, "uniform"), FuzzyCMeans(4, 2.0, 3, 100, 1e-6, 0)).fit(
        toy.x[keep], toy.y[keep]
    )
    kept = condensed.classifier.neighbours_._fit_X
    assert len(kept) == 3 + 4 * (len(np.unique(toy.y)) - 1)
    np.testing.assert_array_equal(kept[:3], toy.x[keep][:3])


@pytest.mark.parametrize("name", ["svm", "knn", "lda", "perceptron"])
def test_selection_and_fuzzy_memberships_come_before_the_classifier_in_this_order(name):
    fuzzy = FUZZY | {"classifier_input": "memberships"}
    toy, new = Toy(name, each=30), Toy(name, seed=1)
    model = toy.fitted(select=3, clusters=4, **fuzzy)
    assert list(model.named_steps) == ["scaling", "select", "clusters", "classifier"]
    assert model.named_steps["select"].columns_.tolist() == [0, 1, 2]
    u = model[:-1].transform(new.x)
    assert u.shape == (len(new.y), 4)
    np.testing.assert_allclose(u.sum(1), 1)
    assert (model.classes_[new.scores(model).argmax(1)] == new.y).mean() > 0.8


def test_the_variance_ratio_is_that_of_analysis_of_variance():
    draw = np.random.default_rng(0)
    x, y = draw.normal(3, 2, size=(30, 6)), draw.integers(4, size=30)
    np.testing.assert_allclose(variance_ratio(x, y), f_classif(x, y)[0])


def test_the_variance_ratio_of_features_without_variance_is_zero_or_without_bound():
    y = np.repeat([0, 1, 2], 5)
    x = np.stack([np.full(15, 0.1), y * 1.0, np.tile([1.0, 2, 3, 4, 5], 3)], axis=1)
    assert variance_ratio(x, y).tolist() == [0, np.inf, 0]


def test_selection_keeps_the_best_in_their_order_and_of_equals_the_first():
    y = np.repeat([0, 1], 4)
    good, bad = np.array([0.0, 1, 0, 1, 5, 6, 5, 6]), np.array([0.0, 1, 0, 1, 0, 1, 0, 1])
    x = np.stack([bad, good, bad, good, bad], axis=1)
    assert Select(3).fit(x, y).columns_.tolist() == [0, 1, 3]
    assert np.array_equal(Select(2).fit(x, y).transform(x), np.stack([good, good], axis=1))


def test_too_much_selected_is_refused():
    with pytest.raises(BadInput, match=r"9 features; allowed: 1 to 8"):
        Toy("svm").fitted(select=9)
    with pytest.raises(BadInput, match="more utterances than classes"):
        Toy("svm", each=1).fitted(select=2)


@pytest.mark.parametrize("name", VECTORS)
def test_features_of_which_none_varies_are_refused(name):
    toy = Toy(name)
    toy.x[:] = 0.3
    with pytest.raises(BadInput, match="8 constant features"):
        toy.fitted()


def test_what_varies_by_rounding_only_is_constant():
    x = np.random.default_rng(0).normal(size=(20, 3))
    x[:, 1] = 1e3 + 1e-11 * x[:, 1]
    scaled = Scaling("standard").fit(x).transform(x)
    np.testing.assert_allclose(scaled.std(0), [1, 0, 1])


@pytest.mark.parametrize(
    ("name", "changed", "words"),
    [
        ("knn", {"neighbours": 37}, "36 utterances; allowed: at least 37"),
        ("lda", {"solver": "svd"}, "lsqr with auto; lsqr with none; svd with none"),
        ("perceptron", {"held_out": 0.05}, "2 of 36 utterances held out, 12 of the rarest"),
    ],
)
def test_settings_without_a_meaning_are_refused(name, changed, words):
    with pytest.raises(BadInput, match=words):
        Toy(name).fitted(**changed)


def test_a_perceptron_says_whether_it_came_to_rest():
    toy = Toy("perceptron")
    short, long = (toy.fitted(epochs=n).named_steps["classifier"] for n in (3, 500))
    assert (short.converged_, short.network_.n_iter_) == (False, 3)
    assert long.converged_
    assert long.network_.n_iter_ < 500


def test_a_perceptron_may_hold_out_utterances_of_its_own_to_know_when_to_stop():
    toy, new = Toy("perceptron", each=20), Toy("perceptron", seed=1)
    model = toy.fitted(held_out=0.2, epochs=300, patience=20, batch_size=1000)
    inner = model.named_steps["classifier"]
    assert inner.converged_
    assert len(inner.network_.validation_scores_) == inner.network_.n_iter_ < 300
    assert (model.classes_[new.scores(model).argmax(1)] == new.y).mean() > 0.9

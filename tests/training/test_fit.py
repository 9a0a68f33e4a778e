"""Fitted models in trials: what they are given, and what they answer for a class or a speaker that they do not know."""

from dataclasses import replace

import numpy as np
import pytest
import tiny_survey
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from tiny_survey import LDA

from ser.data.functionals import functionals
from ser.errors import BadInput
from ser.study import part, trial_of
from ser.training.batches import Items
from ser.training.fit import fit
from ser.training.start import CorpusData

SPREAD = np.random.default_rng(0)


def items(rows, corpus="ravdess"):
    """Of (class, speaker, mean of the frames): seven frames of two bins, the second of which is noise."""
    frames = [torch.from_numpy(mean + SPREAD.normal(size=(7, 2)) * (0.1, 1.0)).float() for _, _, mean in rows]
    names = tuple(f"{corpus}/{i}" for i in range(len(rows)))
    voices = np.array([(speaker, 0) for _, speaker, _ in rows], np.int32).reshape(-1, 2)
    return Items(corpus, names, frames, torch.tensor([label for label, _, _ in rows]), voices)


def trial(block=LDA, **changed):
    made = tiny_survey.study()
    point = {"corpora": ("ravdess",), "system": "lda", "protocol": "si", "fold": 1}
    corpus = replace(tiny_survey.CORPUS, classes=("a", "b", "c"))
    return replace(trial_of(made, point, {"ravdess": corpus}, 0), block=block, **changed)


def answers(trial, train, val, test):
    outcome = fit(trial, {"ravdess": CorpusData(items(train), items(val), items(test))}, "cpu")
    return outcome, outcome.predictions["ravdess"]


TWO = [(label, 0, 2.0 * label) for label in (0, 1) for _ in range(20)]


def test_a_class_that_it_never_saw_is_never_answered_and_has_no_finite_value():
    outcome, found = answers(trial(), TWO, [], [(0, 1, 0.0), (1, 1, 2.0), (2, 1, 4.0)])
    assert found.predicted.tolist() == [0, 1, 1]
    assert np.isneginf(found.logits[:, 2]).all()
    assert np.isfinite(found.logits[:, :2]).all()
    assert (outcome.history, outcome.weights) == ([], {})


@pytest.mark.parametrize(("subsets", "answer"), [("train", 1), ("train_and_validation", 2)])
def test_it_learns_from_validation_where_the_trial_says_so(subsets, answer):
    own = trial()
    own = replace(own, training=replace(own.training, learns_from=subsets))
    _, found = answers(own, TWO, [(2, 1, 4.0)] * 10, [(2, 2, 4.0)])
    assert found.predicted.tolist() == [answer]


@pytest.mark.parametrize("subsets", ["train", "train_and_validation"])
def test_frames_are_normalised_over_what_it_learns_from(subsets, monkeypatch):
    given, own = Given(), trial(normalise="train")
    own = replace(own, training=replace(own.training, learns_from=subsets))
    monkeypatch.setattr("ser.models.lda.build", lambda settings, seed, device: given)
    train, val = items(TWO), items([(1, 1, 50.0)] * 20)
    fit(own, {"ravdess": CorpusData(train, val, items(TWO))}, "cpu")
    seen = [*train.features, *(val.features if subsets != "train" else ())]
    frames = torch.cat(seen).numpy().astype(np.float64)
    normal = [(x.numpy() - frames.mean(0)) / frames.std(0) for x in seen]
    np.testing.assert_allclose(given.x, [functionals(x, ("mean", "std")) for x in normal], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("normalise", "low", "high"), [("speaker", 1.0, 1.0), ("none", 0.2, 0.8), ("train", 0.2, 0.8)])
def test_what_a_speaker_adds_to_everything_is_taken_out_if_speakers_are_normalised(normalise, low, high):
    train = [(label, s, 50.0 * s + label) for s in range(3) for label in (0, 1) for _ in range(10)]
    test = [(label, 9, 500.0 + label) for label in (0, 1) for _ in range(10)]
    _, found = answers(trial(normalise=normalise), train, [], test)
    assert low <= (found.predicted == found.truth).mean() <= high


class Given:
    """Remembers what it is fitted to."""

    def fit(self, x, y):
        self.x, self.classes_ = x, np.unique(y)

    def decision_function(self, x):
        return np.zeros((len(x), len(self.classes_)))


def test_a_model_of_vectors_is_given_functionals_of_the_frames(monkeypatch):
    given, train = Given(), items(TWO)
    monkeypatch.setattr("ser.models.lda.build", lambda settings, seed, device: given)
    fit(trial(), {"ravdess": CorpusData(train, items([]), items(TWO))}, "cpu")
    np.testing.assert_allclose(given.x, [functionals(x.numpy(), ("mean", "std")) for x in train.features])


def test_numbers_that_it_keeps_are_counted():
    outcome, _ = answers(trial(), TWO, [], TWO)
    assert outcome.parameters == (4 + 1) + (4 + 4)  # a discriminant of four functionals; their means and scales


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"block": LDA.changed(statistics=())}, "an item of 7 frames"),
        ({"block": LDA.changed(statistics=("men",))}, "men"),
    ],
)
def test_what_does_not_go_together_is_refused(changed, said):
    with pytest.raises(BadInput, match=said):
        answers(trial(**changed), TWO, [], TWO)


def test_a_model_that_cannot_be_fitted_says_why():
    with pytest.raises(BadInput, match="1 classes"):
        answers(trial(), TWO[:20], [], TWO)


# --- labels of several classes, and segments ---

LOGISTIC = part("logistic", statistics=("mean", "std"))


def vectors(items):
    return np.array([functionals(x.numpy(), ("mean", "std")) for x in items.features])


def test_of_several_labels_each_class_has_a_regression_of_its_own_whose_sigmoid_is_its_probability():
    hot = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0]] * 15, np.float32)
    rows = [(0, 0, 2.0 * one[0] - one[1]) for one in hot]
    train, test = replace(items(rows), labels=torch.from_numpy(hot)), items([(0, 1, 2.0), (0, 1, -1.0)])
    test = replace(test, labels=torch.tensor([[1.0, 0, 0], [0, 1, 0]]))
    outcome = fit(trial(LOGISTIC, normalise="none"), {"ravdess": CorpusData(train, items([]), test)}, "cpu")
    scaler = StandardScaler().fit(vectors(train))
    x = scaler.transform(vectors(test))
    found = outcome.predictions["ravdess"]
    for label in (0, 1):
        alone = LogisticRegression(max_iter=1000).fit(scaler.transform(vectors(train)), hot[:, label])
        np.testing.assert_allclose(found.probabilities[:, label], alone.predict_proba(x)[:, 1], rtol=1e-4)
    assert found.probabilities[:, 2].tolist() == [0, 0]  # no training item has the third
    assert found.truth.shape == (2, 3)


def test_a_model_of_one_label_refuses_several():
    hot = replace(items(TWO), labels=torch.ones(len(TWO), 3))
    with pytest.raises(BadInput, match="several labels"):
        fit(trial(), {"ravdess": CorpusData(hot, items([]), hot)}, "cpu")


def test_segments_are_items_of_their_own_each_with_a_logit_for_every_class():
    rows = [(label, 0, 1.0 * label) for label in (0, 1, 2) for _ in range(20)]
    train, test = items(rows), items([(2, 1, 2.0), (0, 1, 0.0)])
    test = replace(test, names=("ravdess/a#0", "ravdess/a#1"))
    outcome = fit(trial(LOGISTIC, normalise="train"), {"ravdess": CorpusData(train, items([]), test)}, "cpu")
    scaler = StandardScaler().fit(vectors(train))
    alone = LogisticRegression(max_iter=1000).fit(scaler.transform(vectors(train)), train.labels.numpy())
    found = outcome.predictions["ravdess"]
    np.testing.assert_allclose(found.logits, alone.decision_function(scaler.transform(vectors(test))), rtol=1e-2)
    assert found.names == ("ravdess/a#0", "ravdess/a#1")
    assert found.predicted.tolist() == [2, 0]

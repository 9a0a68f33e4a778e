"""Networks that learn ratings and shares: they learn, go on bit by bit after a kill, are trained again on both."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from experiments.interaffection import study
from ser.errors import BadInput
from ser.metrics.regression import ccc
from ser.study import Corpus, Labels, Part, override, part, trial_of
from ser.training.batches import Items
from ser.training.start import CorpusData
from ser.training.train import mean_of_heads, predict_by_head, train

WIDTH = 6
SETTINGS = {
    "augmentation": "none", "tdnn.units": 8, "tdnn.layers": 1, "tdnn.dropout": 0.2, "training.learning_rate": 1e-2,
    "training.steps_per_epoch": 8, "training.max_epochs": 4, "training.batch_size": 12,
    "training.class_weights": "none",
}  # fmt: skip


def side(corpus, number, seed, shares=False):
    """Frames whose first two bins are the ratings and noise; of some items a rating is missing."""
    draw = torch.Generator().manual_seed(seed)
    ratings = 2 * torch.rand(number, 2, generator=draw) - 1
    features = [torch.randn(5, WIDTH, generator=draw) for _ in range(number)]
    for x, rating in zip(features, ratings, strict=True):
        x[:, :2] += 2 * rating
    ratings[::5, 0] = ratings[1::7, 1] = float("nan")
    labels = torch.arange(number) % 2
    if shares:
        labels = torch.stack([labels, 1 - labels], 1) * 0.5 + 0.25
    names = tuple(f"{corpus}/{seed}-{i}" for i in range(number))
    return Items(corpus, names, features, labels, ratings=ratings, shares=shares)


def sides(corpus, seed, **other):
    return CorpusData(*(side(corpus, n, 10 * seed + i, **other) for i, n in enumerate((48, 24, 24))))


@pytest.fixture(scope="module")
def data():
    return {"a": sides("a", 1), "b": sides("b", 2)}


def trial(task="multi", classes=(), **settings):
    two = tuple(Corpus(name, name.upper(), Part("none"), part("named", test=("x",))) for name in "ab")
    made = replace(study, classes=("happy", "sad"), labels=Labels(dimensions=("valence", "arousal")))
    for path, value in (SETTINGS | settings).items():
        made = override(made, path, value)
    point = {"corpora": ("a", "b"), "block": "tdnn", "pooling": "mean", "task": task}
    return replace(trial_of(made, point, {c.name: c for c in two}, seed=0), classes=classes)


def trained(one, data, folder, report=lambda epoch, row: None, parts=1):
    folder.mkdir(exist_ok=True)
    return train(one, data, folder / "checkpoint.pt", "cpu", report, parts)


@pytest.mark.parametrize("loss", ["ccc", "mse"])
def test_ratings_are_learned_and_validation_decides(data, tmp_path, loss):
    settings = {"training.dimension_loss": loss, "training.max_epochs": 12, "training.learning_rate": 3e-2}
    outcome = trained(trial(**settings, **{"tdnn.dropout": 0.0}), data, tmp_path)
    p = outcome.predictions["a"]
    assert p.predicted_ratings.shape == (24, 2)
    assert p.logits.shape == (24, 0)
    assert min(ccc(p.ratings[:, i], p.predicted_ratings[:, i]) for i in range(2)) > 0.6
    best = min(outcome.history, key=lambda row: row["val/loss"])
    assert best["epoch"] == outcome.best_epoch
    assert {"val/ccc/a/valence", "val/ccc/b/arousal"} <= set(best)
    assert not any(name.startswith("val/wa") for name in best)


@pytest.mark.parametrize("classes", [(), ("happy", "sad")])
def test_killed_after_an_epoch_it_goes_on_to_the_same_bits(data, tmp_path, classes):
    def kill(epoch, row):
        if epoch == 2:
            raise KeyboardInterrupt

    whole = trained(trial(classes=classes), data, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        trained(trial(classes=classes), data, tmp_path / "killed", kill)
    again = trained(trial(classes=classes), data, tmp_path / "killed")
    assert all(torch.equal(again.weights[name], weight) for name, weight in whole.weights.items())
    for name, p in whole.predictions.items():
        assert np.array_equal(p.predicted_ratings, again.predictions[name].predicted_ratings)


def test_classes_beside_ratings_have_both(data, tmp_path):
    outcome = trained(trial("unified", ("happy", "sad")), data, tmp_path)
    assert outcome.weights["heads.all.weight"].shape[0] == 4
    assert {"val/wa/a", "val/ccc/a/valence"} <= set(outcome.history[0])
    assert outcome.predictions["b"].logits.shape == outcome.predictions["b"].predicted_ratings.shape == (24, 2)


def test_they_are_trained_again_on_validation_too(data, tmp_path):
    outcome = trained(trial(**{"training.learns_from": "train_and_validation"}), data, tmp_path)
    assert outcome.refit_epochs == outcome.best_epoch
    assert outcome.predictions["a"].predicted_ratings.shape == (24, 2)


def test_parts_of_a_batch_give_the_weights_of_whole_ones_for_squared_errors(data, tmp_path):
    one = trial(**{"training.dimension_loss": "mse", "tdnn.dropout": 0.0, "training.max_epochs": 1})
    whole, cut = (trained(one, data, tmp_path / str(n), parts=n).weights for n in (1, 3))
    for name, weight in whole.items():
        torch.testing.assert_close(cut[name], weight, rtol=1e-3, atol=1e-4)


def test_shares_are_learned(tmp_path):
    data = {name: sides(name, i, shares=True) for i, name in enumerate("ab")}
    one = trial(classes=("happy", "sad"), **{"training.loss": "kl_divergence"})
    outcome = trained(one, data, tmp_path)
    assert outcome.predictions["a"].shares
    assert outcome.predictions["a"].probabilities.sum(1) == pytest.approx(np.ones(24), abs=1e-5)
    assert "val/wa/a" in outcome.history[0]


def test_a_corpus_without_ratings_has_no_part_in_their_loss(data, tmp_path):
    bare = {
        n: CorpusData(*(replace(x, ratings=torch.full_like(x.ratings, float("nan"))) for x in (d.train, d.val, d.test)))
        if n == "b" else d for n, d in data.items()
    }  # fmt: skip
    outcome = trained(trial(classes=("happy", "sad")), bare, tmp_path)
    assert "val/ccc/b/valence" not in outcome.history[0]
    assert all(np.isfinite(list(row.values())).all() for row in outcome.history)


def test_of_a_corpus_without_a_head_ratings_are_the_mean_of_all_heads(data, tmp_path):
    from ser.training.network import network_of

    one = trial()
    network = network_of(one, WIDTH)
    network.load_state_dict(trained(one, data, tmp_path).weights)
    by_head = predict_by_head(network, replace(data["a"].test, corpus="stranger"))
    mean = mean_of_heads(by_head)
    expected = (by_head["a"].predicted_ratings + by_head["b"].predicted_ratings) / 2
    np.testing.assert_allclose(mean.predicted_ratings, expected, rtol=1e-6)


def test_the_best_accuracy_needs_classes(data, tmp_path):
    with pytest.raises(BadInput, match="there are no classes"):
        trained(trial(**{"training.keep": "best_accuracy"}), data, tmp_path)

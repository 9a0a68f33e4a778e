"""LSTM, BLSTM and TDNN stacked: each member's steps are those of the ordinary loop, and no member is another's loss."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ser.registry import find
from ser.study import Corpus, Part, part, trial_of
from ser.study.settings import values_of
from ser.training import stacked_frames, start
from ser.training import train as loop
from ser.training.batches import Items
from ser.training.finite import sums_of_weights
from ser.training.stacked_frames import FramesMember, stack_key
from ser.training.stacked_graphs import rounded
from ser.training.stacked_networks import Networks, padded
from ser.training.start import CorpusData
from ser.training.train import Outcome

WIDTH, CLASSES, UNITS = 6, 4, 5
BLOCKS = ("lstm", "blstm", "tdnn")
MIXES = (("a",), ("a", "b"), ("b", "c"))


def side(corpus, number, seed, dtype=torch.float32):
    """Frames of noise of 2 to 9 frames an utterance; the class raises one bin, and classes are of unequal size."""
    make = torch.Generator().manual_seed(seed)
    labels = torch.tensor([0, 1, 2, 3, 3, 2, 3]).repeat(number)[:number]
    lengths = torch.randint(2, 10, (number,), generator=make).tolist()
    features = [torch.randn(n, WIDTH, generator=make, dtype=dtype) for n in lengths]
    for x, label in zip(features, labels, strict=True):
        x[:, label] += 2
    return Items(corpus, tuple(f"{corpus}{seed}/{i}" for i in range(number)), features, labels)


def corpora(dtype=torch.float32):
    return {
        c: CorpusData(*(side(c, n, 10 * k + i, dtype) for i, n in enumerate((21, 9, 7)))) for k, c in enumerate("abc")
    }


@pytest.fixture(scope="module")
def data():
    return corpora()


@pytest.fixture
def make(paper):
    """Makes small trials of the paper's study: a few steps and epochs, without dropout."""

    def trial(block="lstm", pooling="mean", task="unified", mix=("a",), seed=0, dropout=0.0, **changed):
        settings = values_of(find("models", block).example()[1]) | {"dropout": dropout, "units": UNITS}
        own = {c: Corpus(c, c.upper(), Part("none"), part("named", test=("x",))) for c in "abc"}
        point = {"corpora": mix, "block": block, "pooling": pooling, "task": task}
        made = trial_of(paper, point, own, seed=seed)
        budget = {"batch_size": 4, "bucket_pool": 2, "steps_per_epoch": 5, "max_epochs": 2, "patience_epochs": 2}
        training = replace(paper.training, **{"stacked": True, "learning_rate": 3e-3, **budget, **changed})
        return replace(made, block=part(block, **settings), training=training)

    return trial


def members(trials, data):
    return [FramesMember(t.id, t, {c.name: data[c.name] for c in t.corpora}) for t in trials]


def trained(trials, data, folder, heard=None):
    folder.mkdir(exist_ok=True)
    note = (lambda *row: heard.append(row)) if heard is not None else lambda *_: None
    return stacked_frames.train(members(trials, data), folder / "group.pt", "cpu", note)


def alone(trial, data, folder):
    folder.mkdir(exist_ok=True)
    own = {c.name: data[c.name] for c in trial.corpora}
    return loop.train(trial, own, folder / f"{trial.id}.pt", "cpu", lambda *_: None)


def untimed(history):
    return [{k: v for k, v in row.items() if k != "timestamp_ms"} for row in history]


def bits(outcome):
    """All that two equal trainings have equal to the last bit."""
    logits = {c: p.logits.tobytes() for c, p in outcome.predictions.items()}
    return untimed(outcome.history), outcome.best_epoch, outcome.refit_epochs, logits


def assert_close(one, other, tolerance):
    assert isinstance(one, Outcome)
    assert (one.best_epoch, one.refit_epochs) == (other.best_epoch, other.refit_epochs)
    for ours, theirs in zip(one.history, other.history, strict=True):
        assert {k: v for k, v in ours.items() if k != "timestamp_ms"} == pytest.approx(
            {k: v for k, v in theirs.items() if k != "timestamp_ms"}, abs=tolerance
        )
    assert one.weights.keys() == other.weights.keys()
    for name in one.weights:
        torch.testing.assert_close(one.weights[name], other.weights[name], rtol=0, atol=tolerance)
    for corpus, theirs in other.predictions.items():
        np.testing.assert_allclose(one.predictions[corpus].logits, theirs.logits, atol=10 * tolerance)


@pytest.mark.parametrize("task", ["unified", "multi"])
@pytest.mark.parametrize("pooling", ["mean", "mean_var"])
@pytest.mark.parametrize("block", BLOCKS)
def test_every_step_is_that_of_the_ordinary_loop(make, block, pooling, task):
    trials = [
        make(block, pooling, task, mix, seed, clip_norm=(0.3, 0.0, 10.0)[seed], weight_decay=0.01 * seed)
        for seed, mix in enumerate(MIXES)
    ]
    double = corpora(torch.float64)
    runs = [start.begin(t, {c.name: double[c.name] for c in t.corpora}, "cpu", 1) for t in trials]
    for run in runs:
        run.network.double()
        for loss in run.losses.values():
            loss.double()
    networks = Networks(runs)
    states = [SimpleNamespace(training=run, member=SimpleNamespace(trial=run.trial)) for run in runs]
    recorded, genuine = [], networks.step

    def step(*batches):
        found = genuine(*batches)
        for i, run in enumerate(runs):
            k = len(recorded)
            name = list(run.data)[k % len(run.data)]
            sums = sums_of_weights(run.network)
            loss, norm = loop._gradients(run, name, run.streams[name].indices(k // len(run.data)))
            run.optimiser.step()
            expected = torch.cat([torch.stack([loss, norm]), sums])
            torch.testing.assert_close(found[i, networks.columns(i)], expected, rtol=0, atol=1e-10)
            for key, value in run.network.state_dict().items():
                torch.testing.assert_close(networks.state(i)[key], value, rtol=0, atol=1e-10)
        recorded.append(found)
        return found

    networks.update = step
    rows = stacked_frames._train_epoch(networks, states, [1, 1, 1])
    assert len(recorded) == 5
    assert [row.keys() for row in rows] == [{"train/loss", *(f"train/loss/{c}" for c in mix)} for mix in MIXES]


@pytest.mark.parametrize(("block", "task"), [("lstm", "multi"), ("blstm", "unified"), ("tdnn", "multi")])
def test_whole_trainings_are_those_of_the_ordinary_loop(make, data, tmp_path, block, task):
    more = {"watch": ("test",), "class_weights": "inverse", "weighted_validation": False}
    trials = [make(block, "mean_var", task, mix, seed, **more) for seed, mix in enumerate(MIXES)]
    heard = []
    found = trained(trials, data, tmp_path, heard)
    for trial in trials:
        assert_close(found[trial.id], alone(trial, data, tmp_path / "alone"), 2e-5)
        assert [row for key, _, row in heard if key == trial.id] == found[trial.id].history


def test_members_that_learn_from_validation_too_are_trained_again(make, data, tmp_path):
    both = {"learns_from": "train_and_validation"}
    trials = [make(mix=("a", "b"), task="multi", **both), make(mix=("c",), task="multi", seed=1)]
    found = trained(trials, data, tmp_path)
    for trial in trials:
        assert_close(found[trial.id], alone(trial, data, tmp_path / "alone"), 2e-5)
    assert found[trials[0].id].refit_epochs > 0


@pytest.mark.parametrize("block", BLOCKS)
def test_numbers_do_not_depend_on_the_company_dropout_included(make, data, tmp_path, block):
    trials = [make(block, "mean_var", "multi", mix, seed, 0.5) for seed, mix in enumerate(MIXES)]
    group = trained(trials, data, tmp_path / "group")
    for trial in trials:
        assert_close(group[trial.id], trained([trial], data, tmp_path / trial.id)[trial.id], 2e-5)
    dry = trained([make(block, "mean_var", "multi", MIXES[0], 0)], data, tmp_path / "dry")
    assert abs(next(iter(dry.values())).history[0]["train/loss"] - group[trials[0].id].history[0]["train/loss"]) > 1e-3


def test_a_member_ends_by_its_own_patience_and_the_others_go_on(make, data, tmp_path):
    more = {"max_epochs": 8, "min_improvement": 0.5, "patience_epochs": 1}
    trials = [make(learning_rate=1e-6, **more), make(mix=("a", "b"), seed=1, max_epochs=8, patience_epochs=8)]
    found = trained(trials, data, tmp_path)
    assert [len(found[t.id].history) for t in trials] == [2, 8]
    for trial in trials:
        assert_close(found[trial.id], alone(trial, data, tmp_path / "alone"), 5e-5)


def test_one_that_diverges_ends_alone_and_is_told_as_alone(make, data, tmp_path):
    bad = replace(data["b"].train, features=[f * math.nan for f in data["b"].train.features])
    spoilt = {**data, "b": replace(data["b"], train=bad)}
    trials = [replace(make(mix=("a", "b"), task="multi"), normalise="none"), make(mix=("a", "c"), task="multi", seed=1)]
    found = trained(trials, spoilt, tmp_path)
    with pytest.raises(start.Diverged) as told:
        alone(trials[0], spoilt, tmp_path / "alone")
    assert found[trials[0].id].split("gradient")[0] == f"Diverged: {told.value}".split("gradient")[0]
    assert found[trials[0].id].rpartition("batch: ")[2] == str(told.value).rpartition("batch: ")[2]
    assert_close(found[trials[1].id], alone(trials[1], spoilt, tmp_path / "alone"), 2e-5)
    unable = replace(trials[0], normalise="train")  # its means are no numbers
    found = trained([unable, trials[1]], spoilt, tmp_path / "second")
    assert found[unable.id].startswith("Diverged: mean features not finite before step 1")
    assert isinstance(found[trials[1].id], Outcome)


@pytest.mark.parametrize("last", range(1, 6))
def test_a_group_that_was_killed_goes_on_to_the_same_bits(make, data, tmp_path, monkeypatch, last):
    """Whenever: within the first pass, where a member has ended by then, or within the second."""
    both = {"learns_from": "train_and_validation", "max_epochs": 3}
    trials = [make(mix=("a", "b"), dropout=0.5, **both), make(seed=1, dropout=0.5, **(both | {"max_epochs": 2}))]
    whole = trained(trials, data, tmp_path / "whole")
    monkeypatch.setattr(stacked_frames, "_LEAST_S", 0.0)
    monkeypatch.setattr(stacked_frames, "_SHARE", 0.0)
    genuine, left = stacked_frames._train_epoch, [last]

    def dies(*args):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return genuine(*args)

    monkeypatch.setattr(stacked_frames, "_train_epoch", dies)
    folder = tmp_path / "killed"
    with pytest.raises(KeyboardInterrupt):
        trained(trials, data, folder)
    left[0], heard = 100, []
    found = trained(trials, data, folder, heard)
    assert 0 < 100 - left[0] <= 6 - last
    for trial in trials:
        assert bits(found[trial.id]) == bits(whole[trial.id])
        epochs = untimed(row for key, _, row in heard if key == trial.id)
        assert epochs[: len(whole[trial.id].history)] == untimed(whole[trial.id].history)


def test_what_may_differ_and_what_may_not(make):
    plain = make(mix=("a", "b"))
    known = stack_key(plain)
    assert known is not None
    for other in (make(), make(seed=3), make(mix=("b", "c"), learning_rate=1.0, patience_epochs=1, weight_decay=0.5)):
        assert stack_key(other) == known
    for other in (make(pooling="mean_var"), make(task="multi"), make("blstm"), make(batch_size=8), make(max_epochs=9)):
        assert stack_key(other) not in (known, None)
    for other in (
        make(precision="bfloat16"),
        make(steps_per_epoch=0),
        make(loss="binary_cross_entropy", class_weights="none"),
        replace(plain, labels="shares"),
        replace(plain, block=part("projection", **values_of(find("models", "projection").example()[1]))),
    ):
        assert stack_key(other) is None


def test_filled_up_to_other_sizes_a_step_is_the_same(make):
    """As graphs have it, which need a GPU."""
    double, trial = corpora(torch.float64), make("blstm", "mean_var", mix=("a",))
    answers = []
    for more in (None, (64, 32)):
        run = start.begin(trial, {"a": double["a"]}, "cpu", 1)
        run.network.double()
        networks = Networks([run])
        batch = double["a"].train.batch(run.streams["a"].indices(0))
        frames, layout = padded([batch], torch.float64, more)
        heads, importance = torch.tensor([0]), torch.ones(1, 4, dtype=torch.float64)
        answers.append(networks.step(frames, layout, None, batch.labels[None], importance, heads))
        answers.append(networks.body.weights.clone())
    torch.testing.assert_close(answers[:2], answers[2:], rtol=0, atol=1e-12)
    sizes = {rounded(n) for n in range(1, 20000)}
    assert len(sizes) < 40
    assert all(n <= rounded(n) <= max(32, 1.5 * n) for n in range(17, 20000))

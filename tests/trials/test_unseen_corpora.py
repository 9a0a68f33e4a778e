"""Trials with a corpus that trains nothing: who trains the network, what each head says, what the run holds."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from ser.features.store import Store
from ser.metrics import accuracy
from ser.planning.plan import resolve
from ser.runs.folder import RunFolder
from ser.runs.outcomes import Undelivered
from ser.study import completed, override, part
from ser.training.fit import fit
from ser.training.network import network_of
from ser.training.start import build_network
from ser.training.train import predict, train
from ser.trials import run as one
from ser.trials.inputs import load
from ser.trials.job import job_of

NAMES = ("tess", "ravdess", "customer")


@pytest.fixture(scope="module")
def plan(study, manifests):
    rule = part("leave_one_corpus_out", val=0.5)
    return resolve(override(study, "split", rule), {name: manifests[name] for name in NAMES})


@pytest.fixture(scope="module")
def store(plan, tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    for source in plan.sources.values():
        for recipe in source.entries:
            Store(folder).build(recipe)
    return folder


@pytest.fixture
def job(plan, store, where, tmp_path):
    return job_of(plan, where, tmp_path, str(store), "cpu", 1, "test", []).untracked()


def of(plan, title):
    return next(t for t in plan.trials if t.title == title)


def data_of(job, trial):
    return {c.name: load(job, trial, c) for c in trial.corpora}


def test_the_unseen_corpus_has_no_head_and_is_answered_by_the_mean_of_all(job, plan):
    trial = of(plan, "T+R+C · lstm · μ · multi · R unseen")
    assert isinstance(one.run(job, trial), Undelivered)
    run_folder = RunFolder(job.work, trial.id)
    _, scores = run_folder.results
    weights = torch.load(run_folder.files / "best.pt", weights_only=True)
    assert {name.split(".")[1] for name in weights if name.startswith("heads.")} == {"tess", "customer"}
    # Each head by itself, and the mean of their probabilities, computed again from the weights.
    data = data_of(job, trial)
    items = data["ravdess"].test
    network = network_of(trial, items.features[0].shape[1])
    network.load_state_dict(weights)
    by_head = {h: predict(network, replace(items, corpus=h)).probabilities for h in ("tess", "customer")}
    table = pd.read_csv(run_folder.files / "predictions.csv")
    assert set(table["corpus"]) == {"ravdess"}
    mean = np.mean(list(by_head.values()), axis=0)
    np.testing.assert_allclose(table[[f"p_{c}" for c in trial.classes]], mean, atol=1e-6)
    truth = items.labels.numpy()
    for head, probabilities in by_head.items():
        matrix = accuracy.confusion(truth, probabilities.argmax(1), len(trial.classes))
        assert scores[f"head/ua/ravdess/{head}"] == pytest.approx(accuracy.ua(matrix))
        assert scores[f"head/wa/ravdess/{head}"] == pytest.approx(accuracy.wa(matrix))
    matrix = accuracy.confusion(truth, mean.argmax(1), len(trial.classes))
    assert scores["ua/ravdess"] == pytest.approx(accuracy.ua(matrix))
    assert not [name for name in scores if name.startswith("wa/") and name != "wa/ravdess"]
    proof = json.loads((run_folder.files / "split" / "ravdess.json").read_text())
    assert proof["utterances"] == {"train": 0, "val": 0, "test": len(items)}


def test_its_frames_are_in_no_moment_and_no_batch(job, plan):
    trial = of(plan, "T+R+C · lstm · μ · unified · R unseen")
    pair = replace(trial, corpora=trial.training_corpora)
    whole, alone = data_of(job, trial), data_of(job, pair)
    assert torch.equal(build_network(trial, whole).mean, build_network(pair, alone).mean)


@pytest.mark.parametrize("batches", ["corpus", "pooled"])
def test_the_network_is_that_of_the_others_alone(job, plan, tmp_path, batches):
    trial = of(plan, "T+R+C · lstm · μ · unified · R unseen")
    trial = replace(trial, training=replace(trial.training, batches=batches))
    pair = replace(trial, corpora=trial.training_corpora)
    outcomes = [
        train(t, data_of(job, t), tmp_path / f"{k}.pt", "cpu", lambda epoch, row: None)
        for k, t in enumerate((trial, pair))
    ]
    for name, weight in outcomes[0].weights.items():
        assert torch.equal(weight, outcomes[1].weights[name])
    assert set(outcomes[0].predictions) == {"ravdess"}
    assert not outcomes[1].predictions


@pytest.mark.parametrize(
    ("block", "learns_from"),
    [
        (part("logistic", statistics=("mean",)), "train_and_validation"),
        (part("gmtfs", statistics=("mean",), iterations=20), "train"),
    ],
    ids=["logistic", "gmtfs"],
)
def test_a_fitted_model_learns_from_the_others_alone(job, plan, block, learns_from):
    trial = of(plan, "T+R+C · lstm · μ · unified · R unseen")
    training = replace(trial.training, learns_from=learns_from)
    trial = replace(trial, block=completed("models", block, "block"), pooling="none", training=training)
    outcome = fit(trial, data_of(job, trial), "cpu")
    pair = replace(trial, corpora=trial.training_corpora)
    alone = fit(pair, data_of(job, pair), "cpu")
    assert set(outcome.predictions) == {"ravdess"}
    assert len(outcome.predictions["ravdess"].names) == len(data_of(job, trial)["ravdess"].test)
    np.testing.assert_array_equal(outcome.fitted.scaling, alone.fitted.scaling)
    assert outcome.parameters == alone.parameters

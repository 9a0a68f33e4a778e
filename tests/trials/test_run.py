"""One trial on one worker: its run holds everything, and a killed, failed or held one is nobody's loss."""

import io
import json
import socket
from dataclasses import fields
from pathlib import Path

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
import torch

from ser.errors import BadInput
from ser.runs.folder import RunFolder
from ser.runs.outcomes import Busy, Failed, Finished
from ser.runs.tracker import Tracker
from ser.training.start import Diverged
from ser.trials import inputs
from ser.trials import run as one
from ser.trials.job import Subset


@pytest.fixture
def tracker(job):
    return Tracker(job.where, job.study)


@pytest.fixture
def trial(trial_of):
    return trial_of("T+R", block="tdnn", pooling="mean_var", task="multi")


@pytest.fixture
def finished(job, trial, tracker):
    """The run of a finished trial, with what ``run`` returned."""
    result = one.run(job, trial)
    return tracker.finished()[trial.id], result


def test_a_finished_run_states_every_setting(finished, trial):
    run, _ = finished
    assert run.data.params == trial.params()
    assert {k.partition(".")[0] for k in run.data.params} >= {f.name for f in fields(trial)} - {
        "weights_seed",
        "dimensions",
    }


def test_a_finished_run_says_where_it_belongs(finished, trial, plan):
    tags = finished[0].data.tags
    assert (
        tags.items() >= {"trial_id": trial.id, "variant": plan.variant, "data": "real", "code_version": "test"}.items()
    )
    assert tags["fingerprint/ravdess"] == plan.sources["ravdess"].corpus.fingerprint
    grid = json.loads(tags["grid"])
    assert set(grid.pop("releases")) == {"tess", "ravdess"}
    assert grid == {
        "corpora": [["tess", "T", False], ["ravdess", "R", True]],
        "seeds": 1,
        "mode": "paper",
        "count": 24,
        "folds": {"tess": {"": 0}, "ravdess": {"": 0}},
        "beyond": {"folds": "0", "reference": "none"},
        "unmet": {"tess": {}, "ravdess": {}},
        "seed_moves": ["weights", "split", "augmentation"],
        "systems": [],
        "protocols": [],
        "references": {},
    }
    assert json.loads(tags["notes"]) == ["a note"]


def test_a_finished_run_has_curves_of_every_corpus_and_scores_of_the_tested_one(finished, tracker):
    run, _ = finished
    for key in (f"{k}/{c}" for k in ("train/loss", "val/loss", "val/wa", "val/ua") for c in ("tess", "ravdess")):
        assert [m.step for m in tracker.client.get_metric_history(run.info.run_id, key)] == [1, 2]
    assert run.data.metrics.keys() >= {"wa/ravdess", "ua/ravdess", "epochs", "best_epoch", "seconds/training"}
    assert "wa/tess" not in run.data.metrics
    assert run.data.tags["processor"].endswith(" thread")
    assert run.data.tags["machine"].startswith(f"{socket.gethostname()}: ")
    assert f"torch {torch.__version__}" in run.data.tags["versions"]
    assert 0 < run.data.metrics["seconds/evaluation"] < run.data.metrics["seconds/training"]
    kept = int(run.data.metrics["best_epoch"])
    for corpus in ("tess", "ravdess"):
        curve = tracker.client.get_metric_history(run.info.run_id, f"val/ua/{corpus}")
        assert run.data.metrics[f"objective/ua/{corpus}"] == next(m.value for m in curve if m.step == kept)


def test_scores_matrix_and_predictions_agree(finished, tracker, trial, plan):
    run, result = finished
    table = pd.read_csv(tracker.artifact(run, "predictions.csv"))
    truth = {u.uid: u.label for u in plan.sources["ravdess"].split.test}
    assert dict(zip(table["uid"], table["label"], strict=True)) == truth
    speakers = {u.uid: (u.speaker, u.sex, int(u.sentence)) for u in plan.sources["ravdess"].split.test}
    rows = zip(table["uid"], table["speaker"], table["sex"], table["sentence"], strict=True)
    assert {uid: tuple(who) for uid, *who in rows} == speakers
    right = table["label"] == table["predicted"]
    assert run.data.metrics["wa/ravdess"] == pytest.approx(right.mean())
    assert run.data.metrics["ua/ravdess"] == pytest.approx(right.groupby(table["label"]).mean().mean())
    assert result.results["ua/ravdess"] == run.data.metrics["ua/ravdess"]
    for name in trial.classes:
        assert run.data.metrics[f"recall/ravdess/{name}"] == pytest.approx(right[table["label"] == name].mean())
    confusion = json.loads(tracker.artifact(run, "confusion/ravdess.json").read_text())
    counts = (
        pd.crosstab(table["label"], table["predicted"]).reindex(trial.classes, axis=0).reindex(trial.classes, axis=1)
    )
    assert confusion["classes"] == list(trial.classes)
    assert confusion["counts"] == counts.fillna(0).astype(int).to_numpy().tolist()
    probabilities = table[[f"p_{c}" for c in trial.classes]].to_numpy()
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-4)
    assert [trial.classes[i] for i in probabilities.argmax(1)] == table["predicted"].tolist()


def test_a_finished_run_has_the_matrix_as_a_picture_the_proofs_the_statement_and_the_weights(finished, tracker, job):
    run, _ = finished
    picture = matplotlib.image.imread(io.BytesIO(tracker.artifact(run, "confusion/ravdess.png").read_bytes()))
    assert min(picture.shape[:2]) > 100
    for corpus in ("tess", "ravdess"):
        proof = json.loads(tracker.artifact(run, f"split/{corpus}.json").read_text())
        assert proof == json.loads(json.dumps(job.proofs[corpus]))
        assert proof["shared_speakers"] == proof["shared_recordings"] == 0
    assert json.loads(tracker.artifact(run, "statement.json").read_text())["seed"] == 0
    assert tracker.artifact(run, "best.pt").stat().st_size > 0


def test_nothing_is_left_behind_in_the_work_folder(finished, job):
    assert list(Path(job.work, "trials").iterdir()) == []
    assert len(list(Path(job.work, "finished").iterdir())) == 1


def test_a_finished_trial_is_not_trained_again(finished, job, trial, monkeypatch):
    monkeypatch.delattr(one, "train")
    assert one.run(job, trial) == Finished()


def test_a_duplicate_is_recorded_with_its_original(job, trial_of, tracker):
    original, twin = trial_of("R"), trial_of("R", task="multi")
    one.run(job, original)
    runs = tracker.finished()
    assert runs.keys() == {original.id, twin.id}
    assert runs[twin.id].data.tags["same_as"] == original.id
    assert runs[twin.id].data.metrics == runs[original.id].data.metrics


def test_a_trial_that_another_process_holds_is_left_alone(job, trial, tracker):
    with RunFolder(job.work, trial.id).lock() as owned:
        assert owned
        assert one.run(job, trial) == Busy()
        assert tracker.runs() == []
    assert isinstance(one.run(job, trial), Finished)


@pytest.mark.parametrize("error", [Diverged("loss nan at step 3"), BadInput("all refused", "store", "audio", "look")])
def test_a_trial_that_cannot_be_trained_says_why_and_is_tried_again_by_the_next_call(
    job, trial, tracker, monkeypatch, error
):
    def fail(*_):
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(one, "train", fail)
        assert one.run(job, trial) == Failed(f"{type(error).__name__}: {error}")
    (run,) = tracker.runs()
    assert run.info.status == "FAILED"
    assert str(error) in run.data.tags["error"]
    assert isinstance(one.run(job, trial), Finished)
    assert [r.info.status for r in tracker.runs()] == ["FINISHED"]


def test_a_trial_that_really_diverges_names_the_step(job, trial_of, tracker):
    trial = trial_of("R", learning_rate=1e30, weight_decay=1e30, max_epochs=9, steps_per_epoch=9)
    result = one.run(job, trial)
    assert isinstance(result, Failed)
    assert "loss" in tracker.runs()[0].data.tags["error"]


def test_a_worker_that_dies_between_epochs_costs_no_epoch(job, trial_of, tracker):
    trial = trial_of("R", max_epochs=4)

    def dies(epoch, row):
        if epoch == 2:
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        one.run(job, trial, dies)
    seen = []
    one.run(job, trial, lambda epoch, row: seen.append(row["timestamp_ms"]))
    (run,) = [r for r in tracker.runs() if r.data.tags["trial_id"] == trial.id]
    history = tracker.client.get_metric_history(run.info.run_id, "val/loss")
    assert [m.step for m in history] == [1, 2, 3, 4]
    assert sorted(seen) == [m.timestamp for m in history]


def test_an_interrupted_trial_has_the_numbers_of_an_undisturbed_one(job, trial_of, tracker):
    trial, same = trial_of("R", max_epochs=3), trial_of("R", max_epochs=3, patience_epochs=4)

    def dies(epoch, row):
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        one.run(job, trial, dies)
    a, b = one.run(job, trial).results, one.run(job, same).results
    assert {k: a[k] for k in a if "/ravdess" in k} == {k: b[k] for k in b if "/ravdess" in k}
    tables = [tracker.artifact(r, "predictions.csv").read_bytes() for r in tracker.finished().values()]
    assert len(set(tables)) == 1


def test_refused_audio_is_left_out_of_its_side(job, plan, features):
    recipe = plan.sources["ravdess"].recipes[0]
    subset = Subset(("ravdess/never seen", recipe.names[0]), (0, 1))
    items = inputs._items(str(features), job.work, "ravdess", (recipe.key,), subset, 0, "cpu")
    assert items.names == (recipe.names[0],)
    assert items.labels.tolist() == [1]
    with pytest.raises(BadInput, match="all 1 utterances refused"):
        inputs._items(str(features), job.work, "ravdess", (recipe.key,), Subset(("none",), (0,)), 0, "cpu")


def test_features_are_mapped_and_not_copied(job, plan, features, trial_of):
    trial = trial_of("R")
    (key,) = (r.key for r in plan.sources["ravdess"].recipes)
    data = inputs.load(job, trial, trial.corpora[0])
    mapped = inputs._entry(str(features), job.work, key)
    assert data.train.features[0].data_ptr() == mapped.frames(data.train.names[0]).ctypes.data
    assert inputs.load(job, trial, trial.corpora[0]).train is data.train

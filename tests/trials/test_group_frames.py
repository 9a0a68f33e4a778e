"""Groups of temporal blocks: each trial leaves the run it would leave alone, whatever ends the group's process."""

import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ser.errors import BadInput
from ser.planning.plan import resolve
from ser.runs.folder import RunFolder
from ser.runs.location import Location
from ser.runs.outcomes import Failed, Finished
from ser.runs.tracker import Tracker
from ser.study import override
from ser.training import stacked_frames
from ser.trials import group
from ser.trials import run as one
from ser.trials.job import job_of


@pytest.fixture
def trials(trial_of):
    """Two combinations of corpora, with a head each, and without dropout, which a group draws otherwise."""
    asked = [trial_of(mix, block="blstm", pooling="mean_var", task="multi") for mix in ("T+R", "R")]
    return [
        replace(t, block=t.block.changed(dropout=0.0), training=replace(t.training, stacked=True, max_epochs=3))
        for t in asked
    ]


def contents(job, trial):
    """Metrics without times, and predictions, of its finished run."""
    tracker = Tracker(job.where, job.study)
    run = tracker.finished()[trial.id]
    numbers = {
        k: v for k, v in run.data.metrics.items() if not k.startswith(("seconds/", "system/")) and k != "stacked_trials"
    }
    curves = {k: tracker.curve(run.info.run_id, k) for k in numbers}
    return curves, pd.read_csv(tracker.artifact(run, "predictions.csv"))


@pytest.fixture
def apart(plan, features, tmp_path, empty_ledger):
    """Another work folder."""
    folder = tmp_path / "apart"
    folder.mkdir()
    shutil.copy(empty_ledger, folder / "mlflow.db")
    return job_of(plan, Location.of(folder, None), folder, str(features), "cpu", 1, "test", [])


def test_a_group_leaves_the_runs_that_its_trials_leave_alone(job, trials, apart):
    assert len({group.group_key(t) for t in trials}) == 1
    told = group.run(job, trials)
    assert {type(v) for v in told.values()} == {Finished}
    for trial in trials:
        curves, table = contents(job, trial)
        assert isinstance(one.run(apart, trial), Finished)  # which takes no notice of ``stacked``
        expected, predictions = contents(apart, trial)
        assert curves.keys() == expected.keys()
        for name in curves:
            assert curves[name] == pytest.approx(expected[name], abs=1e-3), name
        assert table["uid"].tolist() == predictions["uid"].tolist()
        columns = [c for c in table.columns if c.startswith("p_")]
        np.testing.assert_allclose(table[columns], predictions[columns], atol=1e-3)
        assert told[trial.id].results["stacked_trials"] == 2
    assert list(Path(job.work, "trials").iterdir()) == []


def test_a_group_that_was_killed_goes_on_from_its_checkpoint(job, trials, monkeypatch):
    monkeypatch.setattr(stacked_frames, "_LEAST_S", 0.0)
    monkeypatch.setattr(stacked_frames, "_SHARE", 0.0)

    def dies(epoch, row):
        if epoch == 2:
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        group.run(job, trials, dies)
    attempts = [json.loads((RunFolder(job.work, t.id).path / "attempt.json").read_text()) for t in trials]
    assert [a["starts"] for a in attempts] == [0, 0]
    genuine, epochs = stacked_frames._train_epoch, []
    monkeypatch.setattr(stacked_frames, "_train_epoch", lambda *args: epochs.append(args[2]) or genuine(*args))
    assert {type(v) for v in group.run(job, trials).values()} == {Finished}
    assert epochs == [[3, 3]]
    for trial in trials:
        assert len(contents(job, trial)[0]["val/loss"]) == 3


def test_a_group_too_large_for_the_memory_is_halved(job, trials, monkeypatch):
    genuine, sizes = stacked_frames.train, []

    def train(members, *args):
        sizes.append(len(members))
        if len(members) > 1:
            raise RuntimeError("CUDA out of memory")
        return genuine(members, *args)

    monkeypatch.setattr(stacked_frames, "train", train)
    assert {type(v) for v in group.run(job, trials).values()} == {Finished}
    assert sizes == [2, 1, 1]


def test_a_trial_whose_data_are_refused_fails_alone(job, trials, monkeypatch):
    genuine = group.load

    def load(job, trial, corpus):
        if trial is trials[1]:
            raise BadInput("all 4 utterances refused", "store of ravdess", "usable audio", "ser prepare")
        return genuine(job, trial, corpus)

    monkeypatch.setattr(group, "load", load)
    told = group.run(job, trials)
    assert isinstance(told[trials[0].id], Finished)
    assert isinstance(told[trials[1].id], Failed)
    assert "usable audio" in told[trials[1].id].error


def test_the_papers_grid_is_twelve_groups(paper, manifests):
    """Blocks, poolings and task set-ups; the fourteen combinations of corpora are trained together."""
    made = resolve(override(override(paper, "training.stacked", True), "augmentation", "none"), manifests)
    groups = Counter(group.group_key(t) for t in made.trials)
    assert len(made.trials) == 168
    assert None not in groups
    assert set(groups.values()) == {14}

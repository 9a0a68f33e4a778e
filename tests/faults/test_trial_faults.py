"""What can end a trial besides a kill: memory, disks, its own errors, a store that is damaged under it."""

import json
import pickle
from collections import Counter
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from ser.cli.main import main
from ser.distributed import launch
from ser.distributed.ledger import unfinished
from ser.distributed.messages import Ended
from ser.distributed.profile import Profile
from ser.features.store import Store
from ser.planning import request
from ser.runs import attempts, delivery
from ser.runs.attempts import STARTS, Attempt
from ser.runs.folder import RunFolder
from ser.runs.location import Location
from ser.runs.outcomes import Failed, Finished, Undelivered
from ser.runs.tracker import Tracker
from ser.trials import run as one
from ser.trials.job import job_of


@pytest.fixture
def trial(trial_of):
    return trial_of("R", max_epochs=3)


@pytest.fixture
def tracker(job):
    return Tracker(job.where, job.study)


def folder_of(job, trial):
    return RunFolder(job.work, trial.id).path


def memory_for(split, then):
    """A ``train`` that has memory for mini-batches in that many parts."""

    def train(trial, data, path, device, report, parts, *others):
        if parts < split:
            raise MemoryError(f"asked for {64 // parts} GB")
        return then(trial, data, path, device, report, parts, *others)

    return train


def test_a_trial_out_of_memory_is_trained_with_its_batches_in_parts(job, trial, tracker, monkeypatch):
    monkeypatch.setattr(one, "train", memory_for(4, one.train))
    assert isinstance(one.run(job, trial), Finished)
    assert tracker.finished()[trial.id].data.metrics["batch_split"] == 4


def test_the_split_that_was_needed_outlives_the_worker(job, trial, tracker, monkeypatch):
    monkeypatch.setattr(one, "train", memory_for(2, one.train))

    def die(epoch, row):
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        one.run(job, trial, die)
    assert Attempt.read(folder_of(job, trial)).accumulation_steps == 2


def test_a_trial_too_large_for_any_split_fails_and_the_next_one_goes_on(job, trial, trial_of, tracker, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(one, "train", memory_for(10**6, one.train))
        result = one.run(job, trial)
    assert isinstance(result, Failed)
    assert "single utterance" in result.error
    assert "asked for" in tracker.runs()[0].data.tags["error"]
    assert isinstance(one.run(job, trial_of("R", block="tdnn")), Finished)


def test_a_worker_that_the_kernel_killed_for_memory_comes_back_with_smaller_parts(job, trial, monkeypatch):
    folder = folder_of(job, trial)
    folder.mkdir(parents=True)
    kills = [3, 3, 4, 4]  # of the machine, at the beginning of each attempt
    monkeypatch.setattr(attempts, "memory_kills", lambda: kills.pop(0))
    assert [attempts.begin(folder).accumulation_steps for _ in range(4)] == [1, 1, 2, 2]
    assert "out of memory" in attempts.last_error(folder)


def test_what_ray_says_of_lack_of_memory_splits_once(job, trial):
    folder = folder_of(job, trial)
    folder.mkdir(parents=True)
    attempts.begin(folder)
    attempts.note(folder, "the worker was ended: the node was running low on memory")
    assert [attempts.begin(folder).accumulation_steps for _ in range(3)] == [2, 2, 2]
    attempts.note(folder, "the worker was ended: the node was running low on memory")
    assert attempts.begin(folder).accumulation_steps == 4


def test_a_trial_that_fails_again_and_again_is_reported_with_its_last_error(
    job, trial, tracker, study, tmp_path, monkeypatch, capsys
):
    tried = Counter()

    def broken(*_):
        tried["times"] += 1
        raise RuntimeError(f"try {tried['times']}: no such kernel")

    monkeypatch.setattr(one, "train", broken)
    for _ in range(STARTS):
        with pytest.raises(RuntimeError):
            one.run(job, trial)
    assert main(["status", trial.study, "--work", str(tmp_path)]) == 0
    assert f"tried again: {trial.title}: RuntimeError: try {STARTS}: no such kernel" in capsys.readouterr().out
    result = one.run(job, trial)
    assert tried["times"] == STARTS
    assert isinstance(result, Failed)
    assert result.error.endswith(f"RuntimeError: try {STARTS}: no such kernel")
    main(["status", trial.study, "--work", str(tmp_path)])
    assert f"failed: {trial.title}: " in capsys.readouterr().out
    main(["report", trial.study, "--work", str(tmp_path), "--replicates", "0"])
    assert f"try {STARTS}: no such kernel" in capsys.readouterr().out
    monkeypatch.undo()
    attempts.reset(folder_of(job, trial))
    assert isinstance(one.run(job, trial), Finished)


def test_a_finished_epoch_gives_all_attempts_back(job, trial_of):
    trial = trial_of("R", max_epochs=2 * STARTS, patience_epochs=2 * STARTS)
    for known in range(STARTS + 2):

        def die(epoch, row, known=known):
            if epoch > known:
                raise ConnectionResetError

        with pytest.raises(ConnectionResetError):
            one.run(job, trial, die)
    assert Attempt.read(folder_of(job, trial)).starts <= 1
    assert isinstance(one.run(job, trial), Finished)


def test_results_that_were_harmed_in_their_folder_are_made_again(job, trial, tracker, monkeypatch):
    away = replace(job, where=Location("http://127.0.0.1:9", ""))
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    for name in ("results.json", "files/predictions.csv"):
        assert isinstance(one.run(away, trial), Undelivered)
        harmed = folder_of(job, trial) / name
        text = harmed.read_text()
        harmed.write_text(text.replace("0.", "1.", 1))
        assert unfinished(away, [trial]) == [trial]
        assert delivery.sync(job.where, Path(job.work)).unfinished == [trial.id]
    assert isinstance(one.run(job, trial), Finished)
    fresh = replace(trial, training=replace(trial.training, patience_epochs=21))
    one.run(job, fresh)
    tables = [tracker.artifact(tracker.finished()[t.id], "predictions.csv").read_bytes() for t in (trial, fresh)]
    assert tables[0] == tables[1]


FILLING = """
import json, pickle, subprocess, sys
from pathlib import Path
from ser.errors import BadInput
from ser.runs import attempts
from ser.runs.outcomes import Finished
from ser.trials import run as one
from ser.study import trial_of
place = sys.argv[1]
job, trial = pickle.loads(Path(sys.argv[2]).read_bytes())
told = {"errors": []}
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "none", place], check=True)
for size in range(4, 4000, 12):
    subprocess.run(["mount", "-o", f"remount,size={size}k", place], check=True)
    try:
        result = one.run(job, trial)
        if isinstance(result, Finished):
            break
        told["errors"].append(result.error)
        attempts.reset(one.RunFolder(job.work, trial.id).path)
    except OSError as error:
        told["errors"].append(f"OSError: {error.strerror}")
told["result"] = {k: v for k, v in result.results.items() if "/ravdess" in k}
print(json.dumps(told))
"""


def test_a_work_folder_on_a_disk_that_is_full_again_and_again(
    job, trial, tmp_path, tmp_path_factory, mounts, in_a_namespace
):
    disk = tmp_path_factory.mktemp("disk")
    given = tmp_path / "given"
    given.write_bytes(pickle.dumps((replace(job, work=str(disk)), trial)))
    told = in_a_namespace(FILLING, disk, given)
    assert len(told["errors"]) > 3
    assert all("No space left" in e for e in told["errors"])
    undisturbed = one.run(job, replace(trial, training=replace(trial.training, patience_epochs=21)))
    assert told["result"] == {k: v for k, v in undisturbed.results.items() if "/ravdess" in k}


class PoolOfOne:
    """Trials one after another in this process, without Ray."""

    slots = 1.0

    @classmethod
    def of_job(cls, job, trials, profile, address, on_note):
        pool = cls()
        pool.job, pool.by_id = job, {t.id: t for t in trials}
        return pool

    def run(self, items, on_event, halving):
        for trial_id in (name for item in items for name in item.trials):
            on_event(Ended(trial_id, one.run(self.job, self.by_id[trial_id])))

    def close(self): ...


def test_a_store_damaged_after_it_was_built_is_built_again_and_the_grid_goes_on(
    plan, where, trial, tmp_path, monkeypatch
):
    monkeypatch.setattr(launch, "WorkerPool", PoolOfOne)
    store = Store(tmp_path / "store")
    request.prepare(plan, store, {}, _quiet)
    job = job_of(plan, where, tmp_path, str(store.local), "cpu", 1, "test", [])
    shard = next((store.local / plan.sources["ravdess"].recipes[0].key).glob("*.npy"))
    harmed = bytearray(shard.read_bytes())
    harmed[-1] ^= 1  # one bit
    shard.write_bytes(harmed)
    lines = []

    class Listener:
        def started(self, at_once): ...

        def finished(self, trial, outcome):
            lines.append(type(outcome))

        def failed(self, trial, error):
            lines.append(error)

        def note(self, line):
            lines.append(line)

    def repair():
        request.prepare(plan, store, {}, _quiet)

    summary = launch.run(job, [trial], Profile.read("local"), None, Listener(), repair)
    assert (summary.unfinished, summary.failures) == (0, {})
    assert lines[0].endswith("it is built again")
    assert lines[1:] == [Finished]


def _quiet(title):
    return nullcontext(lambda done, of: None)


def test_secrets_in_an_error_stay_out_of_mlflow_and_the_folder(job, trial, tracker, monkeypatch):
    def broken(*_):
        raise one.BadInput("x", "store", "s3", "no answer from https://anna:s3cret@bucket/x")

    monkeypatch.setattr(one, "train", broken)
    assert "s3cret" not in repr(one.run(job, trial))
    assert "s3cret" not in json.dumps(tracker.runs()[0].to_dictionary())
    assert all(b"s3cret" not in p.read_bytes() for p in folder_of(job, trial).rglob("*") if p.is_file())

"""MLflow away, slow, restarting or lying about what it did: training goes on, and it hears everything once."""

import random
from collections import Counter
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient

from ser.cli.main import main
from ser.distributed import launch
from ser.distributed.ledger import unfinished
from ser.distributed.profile import Profile
from ser.errors import Refused
from ser.runs import delivery
from ser.runs.delivery import Delivery, sync
from ser.runs.folder import Head, RunFolder
from ser.runs.location import Location
from ser.runs.outcomes import Failed, Finished, Undelivered
from ser.runs.store_check import check_writable, try_out
from ser.runs.tracker import Tracker
from ser.trials import run as one

EPOCHS = 4


@pytest.fixture
def study_of_one(request, way, job, trial_of, monkeypatch):
    """A job on the proxied server and a trial, in an experiment of their own; news is carried after every epoch."""
    monkeypatch.setattr(delivery, "_EVERY_S", 0.0)
    monkeypatch.setattr(delivery, "_LONGEST_S", 0.0)
    trial = replace(trial_of("R", max_epochs=EPOCHS, patience_epochs=EPOCHS), study=request.node.name)
    twin = replace(trial, task="multi")
    return replace(job, where=way.where, study=trial.study, mirrors={trial.id: (twin,)}), trial


def heard(server, study):
    """A tracker that asks the server itself."""
    return Tracker(Location(server.uri, ""), study)


def check_exactly_once(tracker, trial, twins=1):
    """One finished run of the trial and one of each twin, whole, and everything else marked as superseded."""
    runs = tracker.runs()
    counted = [r for r in runs if r.info.status == "FINISHED"]
    assert len(counted) == len({r.data.tags["trial_id"] for r in counted}) == 1 + twins
    assert all("superseded_by" in r.data.tags for r in runs if r.info.status != "FINISHED")
    for run in counted:
        for key in ("val/loss", "train/loss", "val/ua/ravdess"):
            assert [m.step for m in tracker.client.get_metric_history(run.info.run_id, key)] == list(
                range(1, EPOCHS + 1)
            )
        for key in ("ua/ravdess", "wa/ravdess", "epochs"):
            assert len(tracker.client.get_metric_history(run.info.run_id, key)) == 1
        predictions = pd.read_csv(tracker.artifact(run, "predictions.csv"))
        right = predictions["label"] == predictions["predicted"]
        assert run.data.metrics["wa/ravdess"] == pytest.approx(right.mean())
    return tracker.finished()[trial.id]


def test_a_server_away_from_the_start_costs_nothing(study_of_one, way, server, monkeypatch):
    job, trial = study_of_one
    way.close()
    result = one.run(job, trial)
    assert isinstance(result, Undelivered)
    assert "127.0.0.1" in result.reason
    assert unfinished(job, [trial]) == []  # trained, and never to be run again
    assert sync(job.where, Path(job.work)).undelivered == [trial.id]
    way.open()
    monkeypatch.delattr(one, "train")
    assert sync(job.where, Path(job.work)).delivered == [trial.id]
    run = check_exactly_once(heard(server, trial.study), trial)
    assert run.data.metrics["ua/ravdess"] == result.results["ua/ravdess"]
    assert not RunFolder(job.work, trial.id).path.exists()
    assert isinstance(one.run(job, trial), Finished)


@pytest.mark.parametrize("at", [1, 2, EPOCHS])
def test_a_server_that_goes_in_the_middle_of_a_trial_and_comes_back(study_of_one, way, server, at):
    job, trial = study_of_one

    def vanish(epoch, row):
        if epoch == at:
            way.close()

    assert isinstance(one.run(job, trial, vanish), Undelivered)
    way.open()
    assert sync(job.where, Path(job.work)).delivered == [trial.id]
    check_exactly_once(heard(server, trial.study), trial)


def test_a_server_that_comes_back_during_the_trial_is_told_all(study_of_one, way, server):
    job, trial = study_of_one
    way.close()
    assert isinstance(one.run(job, trial, lambda epoch, row: way.open() if epoch == 3 else None), Finished)
    check_exactly_once(heard(server, trial.study), trial)


def test_a_server_that_fails_at_random_hears_everything_once(study_of_one, way, server):
    job, trial = study_of_one
    rng = random.Random(5)  # the first fault is the seventh request, and more follow closely
    faults = ["500", "lost", "500", "lost", "hang"]  # after four it is well again: each costs seconds of waiting
    way.fault = lambda line: rng.choice(faults) if way.injected < 4 and rng.random() < 0.08 else ""
    delivered = isinstance(one.run(job, trial), Finished)
    for _ in range(200):
        if delivered:
            break
        delivered = bool(sync(job.where, Path(job.work)).delivered)
    assert way.injected > 2
    assert delivered
    check_exactly_once(heard(server, trial.study), trial)


@pytest.mark.parametrize("request_line", ["runs/create", "runs/log-batch", "runs/update", "mlflow-artifacts"])
def test_an_answer_that_is_lost_doubles_nothing(study_of_one, way, server, request_line):
    job, trial = study_of_one
    lost = Counter()

    def lose_twice(line):
        lost[line] += request_line in line
        return "lost" if request_line in line and lost[line] <= 2 and sum(lost.values()) <= 4 else ""

    way.fault = lose_twice
    delivered = isinstance(one.run(job, trial), Finished)
    for _ in range(10):
        delivered = delivered or bool(sync(job.where, Path(job.work)).delivered)
    assert way.injected
    assert delivered
    check_exactly_once(heard(server, trial.study), trial)


def test_a_killed_server_is_told_when_it_is_started_again(study_of_one, way, server):
    job, trial = study_of_one

    def kill(epoch, row):
        if epoch == 2:
            server.kill()

    try:
        assert isinstance(one.run(job, trial, kill), Undelivered)
    finally:
        server.start()
    assert sync(job.where, Path(job.work)).delivered == [trial.id]
    check_exactly_once(heard(server, trial.study), trial)


def test_a_whole_grid_without_its_server(study_of_one, way, server, one_at_once, monkeypatch):
    job, trial = study_of_one
    monkeypatch.setattr(launch, "_LAST_TRIES_S", (0.0,))
    heard_of = []

    class Listener:
        def started(self, at_once): ...

        def finished(self, trial, outcome):
            heard_of.append(type(outcome))

        def failed(self, trial, error): ...

        def note(self, line): ...

    job = replace(job, where=Location(way.where.uri.replace("//", "//anna:s3cret@"), ""))
    way.close()
    other, profile = replace(trial, seed=1), Profile.read(one_at_once[1])
    summary = launch.run(job, [trial, other], profile, None, Listener())
    assert heard_of == [Undelivered, Undelivered]
    assert (summary.unfinished, sorted(summary.undelivered), summary.failures) == (0, sorted([trial.id, other.id]), {})
    monkeypatch.delattr(launch, "WorkerPool")  # nothing is trained a second time
    assert sorted(launch.run(job, [trial, other], profile, None, Listener()).undelivered) == sorted(summary.undelivered)
    way.open()
    assert launch.run(job, [trial, other], profile, None, Listener()).undelivered == []
    assert heard(server, trial.study).finished().keys() >= {trial.id, other.id}
    written = [p for p in Path(job.work).rglob("*") if p.is_file()]
    assert any(p.name == "ray.log" for p in written)
    assert not [p for p in written if b"s3cret" in p.read_bytes()]


def test_what_a_dead_driver_left_is_delivered_by_the_command(study_of_one, way, tmp_path, capsys):
    job, trial = study_of_one
    way.close()
    one.run(job, trial)
    command = ["sync", "--work", str(tmp_path), "--tracking-uri", job.where.uri]
    assert main(command) == 1
    assert "1 trained trials wait" in capsys.readouterr().out
    way.open()
    assert main(command) == 0
    assert "1 trained trials delivered" in capsys.readouterr().out


def test_an_unfinished_trial_tells_what_it_has_and_goes_on(study_of_one, way, server):
    job, trial = study_of_one

    def die(epoch, row):
        if epoch == 2:
            way.close()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        one.run(job, trial, die)
    way.open()
    assert sync(job.where, Path(job.work)).unfinished == [trial.id]
    tracker = heard(server, trial.study)
    (run,) = tracker.runs()
    assert run.info.status == "KILLED"
    assert [m.step for m in tracker.client.get_metric_history(run.info.run_id, "val/loss")] == [1, 2]
    assert isinstance(one.run(job, trial), Finished)
    check_exactly_once(tracker, trial)


def test_a_failure_that_could_not_be_told_is_told_later(study_of_one, way, server):
    job, trial = study_of_one
    bad = replace(trial, training=replace(trial.training, learning_rate=1e30, weight_decay=1e30, steps_per_epoch=9))
    way.close()
    assert isinstance(one.run(job, bad), Failed)
    way.open()
    sync(job.where, Path(job.work))
    (run,) = heard(server, trial.study).runs()
    assert run.info.status == "FAILED"
    assert run.data.tags["error"].startswith("Diverged: ")


def test_two_people_on_one_server_count_once(study_of_one, server, trial_of, tmp_path, features):
    """Each with a work folder and a copy of the store, so that neither can see the other but on the server."""
    job, trial = study_of_one
    second = replace(job, work=str(tmp_path / "second"), tags={**job.tags, "work": "another"})

    def meanwhile(epoch, row):
        if epoch == 2:  # the second begins and finishes while the first is under way
            assert isinstance(one.run(replace(second, store=str(tmp_path / "copy")), trial), Finished)

    copy_store(features, tmp_path / "copy")
    assert isinstance(one.run(job, trial, meanwhile), Finished)
    tracker = heard(server, trial.study)
    check_exactly_once(tracker, trial)
    (superseded,) = [r for r in tracker.runs() if "superseded_by" in r.data.tags]
    assert superseded.data.tags["superseded_by"] == tracker.finished()[trial.id].info.run_id


def copy_store(store, to):
    to.mkdir()
    for entry in Path(store).iterdir():
        if entry.is_dir() and not entry.name.startswith("."):
            (to / entry.name).symlink_to(entry)


def test_both_of_two_finished_runs_are_reconciled_and_both_sides_agree(study_of_one, server):
    job, trial = study_of_one
    one.run(job, trial)
    tracker = heard(server, trial.study)
    first = tracker.finished()[trial.id]
    late = tracker.client.create_run(tracker.experiment, tags={**first.data.tags, "work": "another"}).info.run_id
    tracker.client.set_terminated(late, "FINISHED")
    assert tracker.finished()[trial.id].info.run_id == first.info.run_id
    tracker.settle(trial.id)
    marked = tracker.client.get_run(late)
    assert (marked.info.status, marked.data.tags["superseded_by"]) == ("KILLED", first.info.run_id)
    tracker.settle(trial.id)
    assert tracker.finished()[trial.id].info.run_id == first.info.run_id


def test_an_experiment_that_is_deleted_during_a_trial_keeps_it_until_it_is_restored(study_of_one, way, server):
    job, trial = study_of_one
    tracker = heard(server, trial.study)

    def delete(epoch, row):
        if epoch == 2:
            tracker.client.delete_experiment(tracker.experiment)

    result = one.run(job, trial, delete)
    assert isinstance(result, Undelivered)
    assert result.refused
    assert f"experiments restore --experiment-id {tracker.experiment}" in result.reason
    assert unfinished(job, [trial]) == []  # trained, and never to be run again
    tracker.client.restore_experiment(tracker.experiment)
    assert sync(job.where, Path(job.work)).delivered == [trial.id]
    check_exactly_once(tracker, trial)


@pytest.mark.parametrize("status", ["401", "403", "413"])
def test_a_server_that_refuses_files_is_found_before_anything_is_trained(study_of_one, way, server, status):
    job, trial = study_of_one
    tracker = Tracker(way.where, trial.study)
    check_writable(tracker)
    way.fault = lambda line: status if line.startswith("PUT ") and "mlflow-artifacts" in line else ""
    for ask in (lambda: check_writable(tracker), lambda: try_out(way.where)):
        with pytest.raises(Refused, match=status):
            ask()
    result = one.run(job, trial)
    assert isinstance(result, Undelivered)
    assert result.refused
    way.fault = lambda line: ""
    assert sync(job.where, Path(job.work)).delivered == [trial.id]
    check_exactly_once(heard(server, trial.study), trial)


def test_a_server_that_keeps_files_in_its_own_folder_is_found(way, request, tmp_path):
    """A folder that cannot be written here is as one of another machine; one that both see will do."""
    name, client = request.node.name, MlflowClient(way.where.uri)
    client.create_experiment(name, artifact_location="file:///proc/of/another/machine")
    with pytest.raises(Refused, match=r"keeps artifacts in its own folder .*--artifacts-destination"):
        check_writable(Tracker(way.where, name))
    client.create_experiment(f"{name}_shared", artifact_location=(tmp_path / "shared").as_uri())
    check_writable(Tracker(way.where, f"{name}_shared"))
    assert [p for p in (tmp_path / "shared").rglob("*") if p.is_file()] == []


def test_the_doctor_tries_a_run_and_leaves_a_deleted_experiment(way, server):
    for _ in range(2):
        try_out(way.where)
    client = MlflowClient(server.uri)
    assert client.get_experiment_by_name("ser-doctor").lifecycle_stage == "deleted"
    assert "ser-doctor" not in {e.name for e in client.search_experiments()}


def _send_one(work, uri, artifacts, number):
    """A trial's worth of news, as a worker sends it; in a process of its own."""
    run_folder = RunFolder(work, f"trial{number}")
    with run_folder.lock():
        head = Head("crowd", run_folder.trial, f"trial {number}", {"seed": str(number)}, {"work": "crowd"})
        delivery._EVERY_S = 0.0
        carried = Delivery(Location(uri, artifacts), run_folder)
        carried.open(head)
        run_folder.begin(head)
        run_folder.files.mkdir()
        (run_folder.files / "predictions.csv").write_text(f"of {number}\n")
        for epoch in range(1, 3):
            run_folder.add_epoch(
                epoch,
                {"timestamp_ms": 1_000_000 + epoch}
                | {f"m{i}": epoch + i / 10 for i in range(8)}
                | {"val/loss": 1 / epoch},
            )
            carried._next = 0.0
            carried.send_epochs()
        run_folder.complete({"ua/ravdess": number / 100})
        carried.deliver()


@pytest.mark.parametrize("number", [6, pytest.param(16, marks=pytest.mark.slow)])
def test_writers_at_once_on_one_sqlite_file_lose_nothing(where, tmp_path, number):
    Tracker(where, "crowd")
    context = get_context("forkserver")
    context.set_forkserver_preload(["ser.runs.delivery"])
    writers = [
        context.Process(target=_send_one, args=(str(tmp_path), where.uri, where.artifacts, n)) for n in range(number)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)
    assert [w.exitcode for w in writers] == [0] * number
    sync(where, tmp_path)  # "database is locked" run_folders; here it has its say
    tracker = Tracker(where, "crowd")
    runs = tracker.runs()
    assert sorted(r.data.tags["trial_id"] for r in runs) == sorted(f"trial{n}" for n in range(number))
    assert {r.info.status for r in runs} == {"FINISHED"}
    for run in runs:
        for key in ["val/loss", *(f"m{i}" for i in range(8))]:
            steps = [m.step for m in tracker.client.get_metric_history(run.info.run_id, key)]
            assert steps == [1, 2]
        assert tracker.artifact(run, "predictions.csv").read_text() == f"of {run.data.params['seed']}\n"

"""MLflow on PostgreSQL, behind a server and directly: many trials at once, and nothing lost, doubled or told."""

import sys
import threading
import time
from multiprocessing import get_context

import pytest

from ser.errors import Away, BadInput, Refused
from ser.runs import delivery
from ser.runs.delivery import Delivery, sync
from ser.runs.folder import Head, RunFolder
from ser.runs.location import Location
from ser.runs.store_check import check_writable, try_out
from ser.runs.tracker import Tracker

THREADS, EPOCHS = 8, 3
# Nodes, each of which trains some trials at once.
NODES = pytest.mark.parametrize("nodes", [2, pytest.param(4, marks=pytest.mark.slow)])
PASSWORD = "s3cret-of-postgres"


def begun(where, work, number, study):
    """A trial's open folder and the delivery of it."""
    run_folder = RunFolder(work, f"trial{number}")
    head = Head(study, run_folder.trial, f"trial {number}", {"seed": str(number)}, {"work": "crowd"})
    carried = Delivery(where, run_folder)
    run_folder.path.mkdir(parents=True)
    carried.open(head)
    run_folder.begin(head)
    run_folder.files.mkdir()
    (run_folder.files / "predictions.csv").write_text(f"of {number}\n")
    return run_folder, carried


def epoch(run_folder, carried, number):
    row = {"timestamp_ms": 1_000_000 + number, "val/loss": 1 / number}
    run_folder.add_epoch(number, row | {f"m{i}": number + i / 10 for i in range(8)})
    carried._next = 0.0
    carried.send_epochs()


def _write(where, work, number, study, start):
    start.wait(120)
    run_folder, carried = begun(where, work, number, study)
    for done in range(1, EPOCHS + 1):
        epoch(run_folder, carried, done)
    run_folder.complete({"ua/ravdess": number / 100})
    carried.deliver()


def _writers(where, work, numbers, study, start):
    """Some trials at once, as the workers of a node; in a process of its own."""
    threads = [threading.Thread(target=_write, args=(where, work, n, study, start)) for n in numbers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def crowd(where, work, study, nodes):
    """All writers of so many nodes, from the same moment on."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["ser.runs.delivery"])
    writers = nodes * THREADS
    start = context.Barrier(writers)
    shares = [range(first, writers, nodes) for first in range(nodes)]
    processes = [context.Process(target=_writers, args=(where, work, share, study, start)) for share in shares]
    for process in processes:
        process.start()
    for process in processes:
        process.join(180)
    assert [p.exitcode for p in processes] == [0] * nodes


def check_each_once(where, work, study, writers):
    """One finished run of every writer, whole, and no word of the password."""
    for _ in range(5):
        if not sync(where, work).undelivered:  # a busy machine may have been too slow for someone's patience
            break
    tracker = Tracker(where, study)
    runs = tracker.runs()
    assert sorted(r.data.tags["trial_id"] for r in runs) == sorted(f"trial{n}" for n in range(writers))
    assert {r.info.status for r in runs} == {"FINISHED"}
    for run, text in zip(runs, tracker.texts([r.info.artifact_uri for r in runs], "predictions.csv"), strict=True):
        number = int(run.data.params["seed"])
        assert text == f"of {number}\n"
        assert run.data.metrics["ua/ravdess"] == number / 100
        for key in ("val/loss", "m0", "m7"):
            assert [m.step for m in tracker.client.get_metric_history(run.info.run_id, key)] == [1, 2, 3]
        assert PASSWORD not in str(run.to_dictionary())
    assert len(tracker.client.search_experiments(filter_string=f"name = '{study}'")) == 1
    assert len(list((work / "finished").iterdir())) == writers
    check_untold(work)


def check_untold(folder):
    assert [p for p in folder.rglob("*") if p.is_file() and PASSWORD.encode() in p.read_bytes()] == []


@NODES
def test_trials_at_once_through_a_server(mlflow_server, tmp_path, nodes):
    uri, folder = mlflow_server
    where = Location.of(tmp_path, uri)
    crowd(where, tmp_path, f"served{nodes}", nodes)
    check_each_once(where, tmp_path, f"served{nodes}", nodes * THREADS)
    assert (folder / "log").stat().st_size > 0
    check_untold(folder)


@pytest.fixture
def direct(postgres, tmp_path):
    """A place in the database itself, whose tables are there: they are made by who opens it first."""
    where = Location.of(tmp_path, postgres)
    Tracker(where, "first")
    return where


@NODES
def test_trials_at_once_in_the_database_itself(direct, tmp_path, capfd, nodes):
    crowd(direct, tmp_path, f"direct{nodes}", nodes)
    check_each_once(direct, tmp_path, f"direct{nodes}", nodes * THREADS)
    assert PASSWORD not in "".join(capfd.readouterr())


@pytest.mark.parametrize("served", [True, False])
def test_a_statement_of_many_corpora_fits_the_columns(mlflow_server, direct, tmp_path, served):
    """More letters and more tags than a column, or a request, takes."""
    where = Location.of(tmp_path, mlflow_server[0]) if served else direct
    prints = {f"fingerprint/corpus{n}": "0123" for n in range(120)}
    tags = {"grid": "g" * 30_000, "notes": "n" * 9_000, **prints}
    study = f"many{served}"
    head = Head(study, "trial0", "t" * 900, {"corpora": "c" * 20_000, "seed": "0"}, tags)
    (tmp_path / "predictions.csv").write_text("of 0")
    tracker = Tracker(where, study)
    check_writable(tracker)
    tracker.start(head).finish(1, {"ua/ravdess": 0.5}, tmp_path, only=["predictions.csv"])
    run = tracker.finished("trial0")["trial0"]
    assert run.data.params == head.params
    assert run.data.tags.items() >= {**tags, "title": "t" * 900}.items()
    try_out(where)


def test_an_experiment_of_a_server_is_not_one_of_its_database(mlflow_server, direct, tmp_path):
    Tracker(Location.of(tmp_path, mlflow_server[0]), "of the server")
    with pytest.raises(Refused, match="address of the server that made the experiment"):
        check_writable(Tracker(direct, "of the server"))


def test_a_place_too_long_for_the_columns_is_refused_before_anything_is_trained(direct, tmp_path):
    long = tmp_path / ("w" * 150)
    with pytest.raises(BadInput, match="a work folder with a shorter path"):
        Tracker(Location.of(long, direct.uri), "long")
    assert "long" not in {e.name for e in Tracker(direct, "first").client.search_experiments()}


def test_a_wrong_password_is_bad_input_and_stays_untold(postgres, tmp_path):
    where = Location.of(tmp_path, postgres.replace(PASSWORD, f"not-{PASSWORD}"))
    with pytest.raises(BadInput, match="authentication failed") as error:
        Tracker(where, "study")
    assert PASSWORD not in str(error.value)


def test_a_database_that_restarts_during_a_trial_hears_everything_once(database, direct, tmp_path, monkeypatch):
    monkeypatch.setattr(delivery, "_EVERY_S", 0.0)
    run_folder, carried = begun(direct, tmp_path, 0, "restarted")
    epoch(run_folder, carried, 1)
    database.stop()
    try:
        epoch(run_folder, carried, 2)
        assert "127.0.0.1" in carried.reason
        assert PASSWORD not in carried.reason
        with pytest.raises(Away):
            Tracker(direct, "restarted")
    finally:
        database.start()
    epoch(run_folder, carried, 3)
    run_folder.complete({"ua/ravdess": 0.5})
    deadline = time.monotonic() + 30
    while not carried.deliver() and time.monotonic() < deadline:
        time.sleep(0.1)
    tracker = Tracker(direct, "restarted")
    (run,) = tracker.runs()
    assert run.info.status == "FINISHED"
    assert [m.step for m in tracker.client.get_metric_history(run.info.run_id, "val/loss")] == [1, 2, 3]


def test_without_its_driver_the_address_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    with pytest.raises(BadInput, match=r"here psycopg2; .*ser\[cluster\]") as error:
        Location.of(tmp_path, f"postgresql+psycopg2://anna:{PASSWORD}@host/runs")
    assert PASSWORD not in str(error.value)

"""A trial's folder beside the features: what one node had reached another takes up, and results are never lost."""

import shutil
from dataclasses import replace

import fsspec
import pytest
from chaos import facts

from ser.errors import BadInput
from ser.features.remote import RemoteFolder
from ser.runs import attempts, replica
from ser.runs.attempts import Attempt
from ser.runs.delivery import sync
from ser.runs.folder import Head, RunFolder
from ser.runs.location import Location
from ser.runs.outcomes import Finished
from ser.runs.replica import Replica
from ser.runs.tracker import Tracker
from ser.trials import run as one
from ser.trials.job import job_of

URL = "memory://features/trials/w"
HEAD = Head("interaffection", "abc", "A", {}, {"work": "w"})


@pytest.fixture(autouse=True)
def far():
    """The place by URL, empty."""
    fsspec.filesystem("memory").mkdirs("/features/trials/w", exist_ok=True)
    yield RemoteFolder(URL)
    fsspec.filesystem("memory").rm("/features", recursive=True)


@pytest.fixture
def nodes(tmp_path):
    """A function that gives the replica of trial ``abc`` on a node."""

    def on(name):
        run_folder = RunFolder(tmp_path / name, "abc")
        run_folder.path.mkdir(parents=True, exist_ok=True)
        return Replica(URL, run_folder)

    return on


def test_another_node_goes_on_where_a_lost_one_was(nodes):
    a, b = nodes("a"), nodes("b")
    a.run_folder.begin(HEAD)
    Attempt(epoch=3).write(a.run_folder.path)
    (a.run_folder.path / "checkpoint.pt").write_bytes(b"third")
    a.push()
    b.fetch()
    assert (b.run_folder.path / "checkpoint.pt").read_bytes() == b"third"
    assert Attempt.read(b.run_folder.path).epoch == 3
    assert b.run_folder.head == HEAD
    assert {p.name for p in b.run_folder.path.iterdir()} == {"checkpoint.pt", "attempt.json", "run.json"}


def test_a_node_that_could_not_send_goes_on_from_its_own(nodes):
    a, b = nodes("a"), nodes("b")
    Attempt(epoch=3).write(a.run_folder.path)
    (a.run_folder.path / "checkpoint.pt").write_bytes(b"third")
    a.push()
    Attempt(epoch=7).write(b.run_folder.path)
    (b.run_folder.path / "checkpoint.pt").write_bytes(b"seventh")
    b.fetch()
    assert (b.run_folder.path / "checkpoint.pt").read_bytes() == b"seventh"


def test_only_what_changed_is_sent_and_soon_means_later(nodes, far):
    a = nodes("a")
    (a.run_folder.path / "checkpoint.pt").write_bytes(b"first")
    a.push()
    far.remove("abc/checkpoint.pt")
    a.push()
    assert far.sizes("abc") == {}  # unchanged
    (a.run_folder.path / "checkpoint.pt").write_bytes(b"the second")
    a.push(soon=True)
    assert far.sizes("abc") == {}  # too soon
    a.push()
    assert far.sizes("abc") == {"checkpoint.pt": 10}


def test_results_are_collected_with_their_files_delivered_and_dropped(nodes, far, tmp_path, where):
    a = nodes("a")
    a.run_folder.begin(HEAD)
    (a.run_folder.files / "confusion").mkdir(parents=True)
    (a.run_folder.files / "predictions.csv").write_text("uid\n")
    (a.run_folder.files / "confusion" / "tess.json").write_text("{}")
    a.run_folder.complete({"ua/tess": 0.5})
    a.push()
    work = tmp_path / "driver"
    assert replica.collect(work) == []
    replica.begin(URL, work)
    assert [r.run_folder.results[1] for r in replica.collect(work)] == [{"ua/tess": 0.5}]
    assert sync(where, work).delivered == ["abc"]
    assert far.folders("") == []
    (run,) = Tracker(where, "interaffection").runs()
    assert run.info.status == "FINISHED"
    assert run.data.metrics == {"ua/tess": 0.5}


def test_notes_and_forgiveness_reach_a_trial_of_another_node(nodes, tmp_path):
    a, driver = nodes("a"), nodes("driver")
    Attempt(starts=4, epoch=2).write(a.run_folder.path)
    a.push()
    shutil.rmtree(driver.run_folder.path)
    assert driver.note("the worker died") == "the worker died"
    a.fetch()
    assert attempts.last_error(a.run_folder.path) == "the worker died"
    assert driver.note("") == "the worker died"
    replica.reset(URL, tmp_path / "driver", ["abc", "another"])
    a.fetch()
    assert Attempt.read(a.run_folder.path).starts == 0


def test_a_place_that_does_not_answer_costs_nothing_but_is_told(nodes, monkeypatch):
    a = nodes("a")
    (a.run_folder.path / "checkpoint.pt").write_bytes(b"first")

    def gone(*_, **__):
        raise RuntimeError("no such host")

    with monkeypatch.context() as patch:
        patch.setattr(type(fsspec.filesystem("memory")), "put_file", gone)
        a.push()
        assert "no such host" in a.reason
    a.push()
    assert a.reason == ""
    assert RemoteFolder(URL).sizes("abc") == {"checkpoint.pt": 5}


def test_a_trial_that_moves_from_node_to_node_has_the_numbers_of_one_that_stays(
    plan, trial_of, features, where, tmp_path
):
    trial = trial_of("R", max_epochs=6, patience_epochs=6)
    fsspec.filesystem("memory").put(f"{features}/", "/features/", recursive=True)
    driver = job_of(plan, where, tmp_path / "driver", "memory://features", "cpu", 1, "test", []).spread()
    jobs = [replace(driver, work=str(tmp_path / name)) for name in "abc"]

    class Lost(BaseException):
        pass

    def after(epochs):
        def heard(epoch, row):
            if epoch == epochs:
                raise Lost

        return heard

    replica._EVERY_S, kept = 0.0, replica._EVERY_S
    try:
        for job, epochs in zip(jobs, (2, 4), strict=False):
            with pytest.raises(Lost):
                one.run(job, trial, after(epochs))
        assert isinstance(one.run(jobs[2], trial), Finished)
    finally:
        replica._EVERY_S = kept
    alone = tmp_path / "alone"
    alone.mkdir()
    there = Location.of(alone, None)
    one.run(job_of(plan, there, alone, str(features), "cpu", 1, "test", []), trial)
    moved, stayed = (facts(t, t.finished()[trial.id]) for t in (Tracker(w, trial.study) for w in (where, there)))
    assert moved == stayed
    assert len(moved["curves"]["val/loss"]) == 6
    assert driver.replica == replica.place("memory://features", driver.tags["work"])
    assert RemoteFolder(driver.replica).folders("") == []


def test_an_address_that_nothing_can_open_is_told():
    with pytest.raises(BadInput, match=r"--store.*a URL whose protocol fsspec can open"):
        RemoteFolder("nosuch://bucket/features")

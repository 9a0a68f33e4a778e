"""The process that talks to Ray: where it listens, and how it speaks of deaths."""

import threading
from multiprocessing import get_context
from types import SimpleNamespace

import pytest

from ser.distributed import driver, tune, watch
from ser.distributed.messages import Alive, EpochDone
from ser.distributed.profile import Profile
from ser.runs import attempts
from ser.runs.folder import RunFolder


@pytest.mark.parametrize(
    ("text", "said", "memory"),
    [
        ("Failure # 1\nThe actor died. (1) the OOM killer: out of memory", "the worker died: it was killed", False),
        ("Failure # 1\nran out of memory\nFailure # 2\nThe actor died.", "the worker died: it was killed", False),
        (
            "Failure # 1\n1 worker(s) were killed due to the node running low on memory\n- 3",
            "the worker was ended",
            True,
        ),
        ("Failure # 1\nray::ImplicitFunc.train()\nValueError: x", "ValueError: x", False),
        ("", "the worker died: it was killed", False),
    ],
)
def test_of_rays_long_account_of_a_death_what_it_knows_is_kept(job, trial_of, tmp_path, text, said, memory):
    run_folder = RunFolder(job.work, trial_of("R").id)
    run_folder.path.mkdir(parents=True)
    assert watching(job)._noted(run_folder.trial, tune._last_failure(failed(tmp_path, text))).startswith(said)
    assert attempts.last_error(run_folder.path).startswith(said)
    assert attempts.begin(run_folder.path).accumulation_steps == (2 if memory else 1)


def failed(folder, text):
    """A trial of Tune's with what Tune writes of its failures."""
    (folder / "error.txt").write_text(text)
    return SimpleNamespace(error_file=str(folder / "error.txt"))


def watching(job):
    return watch.Watch(lambda message: None, job.work, "", Profile.read("local"))


def test_what_a_worker_noted_itself_is_not_overwritten(job, trial_of, tmp_path):
    run_folder = RunFolder(job.work, trial_of("R").id)
    run_folder.path.mkdir(parents=True)
    attempts.note(run_folder.path, "RuntimeError: no such kernel")
    said = tune._last_failure(failed(tmp_path, "Failure # 1\nray::ImplicitFunc.train()\nTypeError: of Ray's own"))
    assert watching(job)._noted(run_folder.trial, said) == "RuntimeError: no such kernel"
    assert attempts.last_error(run_folder.path) == "RuntimeError: no such kernel"


def test_a_process_that_nobody_listens_to_ends(job, trial_of, monkeypatch):
    ours, theirs = get_context("spawn").Pipe()
    ended = threading.Event()
    monkeypatch.setattr(driver.os, "_exit", lambda code: ended.set())
    ours.close()
    driver._Line(theirs).send(Alive())
    assert ended.is_set()


def test_a_trial_of_a_job_that_was_suspended_does_not_hang(job, monkeypatch):
    looking = watching(job)
    looking.on_event(EpochDone("trial", 1, "node", 7))
    since = looking.running["trial"].awake_s
    now = watch.time.monotonic()
    monkeypatch.setattr(watch.time, "monotonic", lambda: now)
    for _ in range(3):
        now += 2.0
        looking.tick()
    assert 5.0 < looking.awake_s - since < 10.0  # while it runs, the clock goes
    now += 10 * looking.limit_s
    looking.tick()
    assert looking.awake_s - since < looking.limit_s

"""The process that talks to Ray: where it listens, and how it speaks of deaths."""

import threading

import psutil
from ray.exceptions import ActorUnavailableError

from ser import attempt, launch, workers
from ser.profile import Profile


def test_a_local_ray_listens_on_loopback_only(job, trial_of):
    crew = launch._Crew(job, [trial_of("R")], Profile.read("local"), None)
    try:
        processes = [crew.process.pid, *(p.pid for p in psutil.Process(crew.process.pid).children(recursive=True))]
        listening = [
            c.laddr.ip
            for pid in processes
            for c in psutil.Process(pid).net_connections("inet")
            if c.status == psutil.CONN_LISTEN
        ]
    finally:
        crew.dismiss()
    assert len(listening) > 2
    assert {ip.removeprefix("::ffff:") for ip in listening} <= {"127.0.0.1", "::1"}
    assert not launch.Path(crew.folder).exists()


def test_rays_long_account_of_a_death_does_not_pass_for_lack_of_memory():
    long = "The actor died. (1) the process was killed by the OOM killer due to high memory usage: out of memory"
    error = ActorUnavailableError(long, None)
    assert not attempt.is_out_of_memory(workers._in_short(error))
    told = workers._in_short(RuntimeError("task was killed due to the node running low on memory.\nmore"))
    assert attempt.is_out_of_memory(told)
    assert workers._in_short(ValueError("first\nlast")) == "last"


def test_a_process_that_nobody_listens_to_ends(job, trial_of, monkeypatch):
    ours, theirs = launch.get_context("spawn").Pipe()
    ended = threading.Event()
    monkeypatch.setattr(workers.os, "_exit", lambda code: ended.set())
    ours.close()
    workers._Line(theirs).tell("alive")
    assert ended.is_set()

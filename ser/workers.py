"""Trials on one machine or a cluster: the only file that imports Ray. It runs in a process of its own.

A raylet or head node that dies takes the process connected to it along, or leaves it waiting for ever. So
``ser.launch`` decides, keeps the count and starts this process again; here Tune runs what it is told and tells how.
"""

import contextlib
import faulthandler
import logging
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")  # a quarter of what is left of the cost per trial
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")  # the new output prints a table even at verbosity 0
os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")  # Tune would swallow an interrupt and return as if finished

import ray
from ray import tune
from ray.exceptions import RayError
from ray.tune import Callback, FailureConfig, RunConfig, TuneConfig
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from ser import attempt
from ser import trial as one
from ser.errors import BadInput
from ser.profile import Profile
from ser.spool import Spool
from ser.study import Trial

# glibc gives large tensors back to the kernel and asks for them anew; these keep the pages (same bits, 25 % faster).
WORKER_ENVIRONMENT = {
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_TRIM_THRESHOLD_": "8589934592",
    "MALLOC_TOP_PAD_": "268435456",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # deterministic matrix products on a GPU
}
PULSE_S = 2.0
_RESTARTS = 5  # of one trial in one pass; trials count their attempts themselves, this bounds workers that never begin


@dataclass
class _Line:
    """To the process that started this one; several threads speak."""

    connection: Connection
    lock: threading.Lock = field(default_factory=threading.Lock)

    def tell(self, *message: Any) -> None:
        with self.lock:
            try:
                self.connection.send(message)
            except OSError:  # nobody listens any more: workers die with this process, and their trials go on later
                os._exit(1)


def serve(
    address: str | None, connection: Connection, job: one.Job, trials: Sequence[Trial], profile: Profile, folder: str
) -> None:
    """Run the trials whose ids are received, list by list, until None comes. ``folder`` is for a local Ray's files."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; the listening process decides
    line = _Line(connection)
    by_id = {t.id: t for t in trials}
    try:
        with _session(address, profile, folder) as slots:
            signal.signal(signal.SIGTERM, _interrupted)
            line.tell("ready", slots)
            _Pulse(line, job, by_id, profile).start()
            while (ids := connection.recv()) is not None:
                _one_pass(job, [by_id[i] for i in ids], profile, line)
                line.tell("passed")
    except BadInput as error:
        line.tell("refused", error)
    except (KeyboardInterrupt, EOFError):
        pass


def _interrupted(*_: Any) -> None:
    raise KeyboardInterrupt


def _one_pass(job: one.Job, todo: Sequence[Trial], profile: Profile, line: _Line) -> None:
    by_id = {t.id: t for t in todo}
    passed = Path(job.work) / "logs" / "tune" / f"{time.time_ns()}"
    tuner = tune.Tuner(
        tune.with_resources(
            tune.with_parameters(_work, job=job, trials=by_id),
            {"cpu": profile.cpus_per_trial, "gpu": profile.gpus_per_trial},
        ),
        param_space={"trial": tune.grid_search(list(by_id))},
        tune_config=TuneConfig(reuse_actors=True, max_concurrent_trials=profile.trials_at_once or None),
        run_config=RunConfig(
            name=passed.name,
            storage_path=str(passed.parent),
            failure_config=FailureConfig(max_failures=_RESTARTS),
            callbacks=[_Relay(line, job)],
            verbose=0,
        ),
    )
    try:
        tuner.fit()
    finally:
        shutil.rmtree(passed, ignore_errors=True)


def _work(config: dict[str, str], job: one.Job, trials: Mapping[str, Trial]) -> None:
    """What a worker does with one trial."""
    folder = Spool(job.work, config["trial"]).folder
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "stack.txt").open("w") as stack:
        faulthandler.register(signal.SIGUSR1, file=stack)  # where it hangs, should it have to be ended
        try:
            tune.report(one.run(job, trials[config["trial"]]))
        finally:
            faulthandler.unregister(signal.SIGUSR1)


class _Relay(Callback):
    """Tells what Tune tells, and notes deaths of which the worker itself could leave no trace."""

    def __init__(self, line: _Line, job: one.Job) -> None:
        self.line, self.job = line, job

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles its callbacks for a restore that is never asked for

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.line.tell("ended", trial.config["trial"], dict(trial.last_result or {}))

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._note(trial)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.line.tell("broke", trial.config["trial"], self._note(trial))

    def _note(self, trial: Any) -> str:
        """Of what a worker raised it has left a note of its own."""
        text, folder = _last_failure(trial), Spool(self.job.work, trial.config["trial"]).folder
        if "ray::" not in text or not attempt.last_error(folder):
            attempt.note(folder, _in_short(text))
        return attempt.last_error(folder) or _in_short(text)


def _last_failure(trial: Any) -> str:
    """From the file that Tune writes at once; what ``trial.get_error`` reads is only there later."""
    try:
        return Path(trial.error_file).read_text().rpartition("Failure # ")[2].strip()
    except (OSError, TypeError):
        return ""


def _in_short(text: str) -> str:
    """Ray explains the death of a worker at length, and names every possible cause; we keep what it knows."""
    if "running low on memory" in text:
        return "the worker was ended: the node was running low on memory"
    if "ray::" not in text:
        return "the worker died: it was killed, or its machine was lost"
    return text.splitlines()[-1]


class _Pulse(threading.Thread):
    """Says every few seconds that Ray has a living node, and ends trials that make no progress."""

    def __init__(self, line: _Line, job: one.Job, trials: Mapping[str, Trial], profile: Profile) -> None:
        super().__init__(daemon=True)
        self.line, self.job, self.trials = line, job, trials
        self.limit_s = profile.minutes_without_progress * 60
        self.seen: dict[str, tuple[attempt.Attempt, float]] = {}

    def run(self) -> None:
        while True:
            with contextlib.suppress(RayError, ConnectionError, TimeoutError):
                hosts = {n["NodeManagerHostname"]: n["NodeID"] for n in ray.nodes() if n["Alive"]}
                self.line.tell(*(("alive",) if hosts else ("lost", "no node is alive")))
                if self.limit_s:
                    self._look(hosts)
            time.sleep(PULSE_S)

    def _look(self, hosts: Mapping[str, str]) -> None:
        """By this process's own clock, as those of other machines may differ or jump."""
        now = time.monotonic()
        for spool in Spool.all(self.job.work):
            current = attempt.Attempt.read(spool.folder)
            then, since = self.seen.setdefault(spool.trial, (current, now))
            if then != current:
                self.seen[spool.trial] = current, now
            elif now - since > self.limit_s and spool.trial in self.trials and current.host in hosts:
                del self.seen[spool.trial]
                if not one.is_free(self.job, self.trials[spool.trial]):
                    self._end(spool, current, hosts[current.host])

    def _end(self, spool: Spool, current: attempt.Attempt, node: str) -> None:
        here = NodeAffinitySchedulingStrategy(node_id=node, soft=False)
        ray.get(_kill.options(scheduling_strategy=here).remote(current.pid), timeout=60)
        told = f"no progress for {self.limit_s / 60:g} min in epoch {current.epoch + 1}, ended; it was at"
        try:
            stack = (spool.folder / "stack.txt").read_text().splitlines()
        except OSError:
            stack = []
        lines = [text.strip() for text in stack if text.strip().startswith("File")]
        attempt.note(spool.folder, f"{told} {' < '.join(lines[:8]) or 'an unknown place'}")


@ray.remote(num_cpus=0)
def _kill(pid: int) -> None:
    """Have a process of this node write where it is, and end it, also if it is stopped."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGUSR1)
        time.sleep(1)
        os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def _session(address: str | None, profile: Profile, folder: str) -> Iterator[float]:
    """A Ray session; yields how many trials fit at once."""
    options: dict[str, Any] = {
        "runtime_env": {"env_vars": WORKER_ENVIRONMENT},
        "log_to_driver": False,
        "logging_level": logging.ERROR,
        "configure_logging": True,
    }
    if address is None:
        options |= {"address": "local", "include_dashboard": False, "_temp_dir": folder}
        os.environ.update(WORKER_ENVIRONMENT)
    else:
        options["address"] = address
    try:
        ray.init(**options)
    except (ConnectionError, ValueError, RuntimeError, RayError) as error:
        raise BadInput(str(address), "--address", "auto, ray://HOST:10001 or HOST:6379 of a running cluster",
                       f"start it, or leave --address out to use this machine ({error})") from None  # fmt: skip
    try:
        have = ray.cluster_resources()
        fits = have.get("CPU", 0) / profile.cpus_per_trial
        if profile.gpus_per_trial:
            fits = min(fits, have.get("GPU", 0) / profile.gpus_per_trial)
        if fits < 1:
            raise BadInput(
                f"{profile.cpus_per_trial} CPU and {profile.gpus_per_trial} GPU per trial",
                "--profile",
                f"at most what there is: {have.get('CPU', 0):.0f} CPU, {have.get('GPU', 0):.0f} GPU",
                "choose another profile",
            )
        yield min(fits, profile.trials_at_once or fits)
    finally:
        ray.shutdown()

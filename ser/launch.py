"""Trials on one machine or a cluster: the only file that imports Ray.

Tune enumerates and schedules; MLflow is the ledger.
Tune's own restore may run finished trials again, so it is not used: whatever has no finished run in MLflow is handed to
a new Tune experiment, and each trial goes on from its own checkpoint.
"""

import contextlib
import logging
import os
import shutil
import tempfile
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")  # a quarter of what is left of the cost per trial
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")  # the new output prints a table even at verbosity 0
os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")  # Tune would swallow Ctrl-C and return as if it had finished

import ray
from ray import tune
from ray.tune import Callback, FailureConfig, RunConfig, TuneConfig

from ser import trial as one
from ser.errors import BadInput
from ser.study import Trial
from ser.track import Tracker

# glibc gives large tensors back to the kernel and asks for them anew; these keep the pages (same bits, 25 % faster).
WORKER_ENVIRONMENT = {
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_TRIM_THRESHOLD_": "8589934592",
    "MALLOC_TOP_PAD_": "268435456",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # deterministic matrix products on a GPU
}
_DYING_S = 10.0  # a worker inside a long matrix product hears of its end only after it
_PASSES = 4  # a worker killed between two trials can leave one unfinished with retries to spare


@dataclass(frozen=True)
class Profile:
    """How trials share machines; none of it is part of a trial's identity."""

    device: str
    cpus_per_trial: int
    gpus_per_trial: float
    trials_at_once: int

    @classmethod
    def read(cls, name: str) -> "Profile":
        """``cluster/<name>.toml``, or a path to such a file. Raises BadInput."""
        path = Path(name) if name.endswith(".toml") else Path(str(files("cluster"))) / f"{name}.toml"
        known = ", ".join(sorted(p.stem for p in path.parent.glob("*.toml")))
        try:
            return cls(**tomllib.loads(path.read_text()))
        except FileNotFoundError:
            raise BadInput(repr(name), "--profile", known or "a .toml file", "name one, or give a path") from None
        except (TypeError, tomllib.TOMLDecodeError) as error:
            raise BadInput(str(error), str(path), ", ".join(cls.__annotations__), "mend the profile") from None


class Listener(Protocol):
    """What wants to know how a grid is going."""

    def started(self, at_once: int) -> None:
        """Workers are there: this many trials run at once."""

    def finished(self, trial: Trial, result: Mapping[str, Any]) -> None:
        """A trial ended: ``result["status"]`` is finished, failed or busy."""

    def failed(self, trial: Trial, error: str) -> None:
        """A trial's worker died or raised, and its retries are used up."""


@dataclass
class Summary:
    """How a call ended."""

    trained: int = 0
    failures: dict[str, str] = field(default_factory=dict)  # trial id -> last error
    interrupted: bool = False
    left: int = 0
    wall_seconds: float = 0.0
    training_seconds: float = 0.0
    slots: float = 1.0


def run(job: one.Job, trials: Sequence[Trial], profile: Profile, address: str | None, listener: Listener) -> Summary:
    """Train all of ``trials`` that have no finished run yet, as many at once as ``profile`` and the machines allow.

    Ctrl-C ends the running trials at their last checkpoint; the same call continues.
    """
    summary = Summary()
    repair_mirrors(job, trials)
    todo = unfinished(job, trials)
    if not todo:
        return summary
    started = time.perf_counter()
    with _session(address, profile) as slots:
        summary.slots = slots
        listener.started(int(slots))
        for _ in range(_PASSES):
            _one_pass(job, todo, profile, listener, summary)
            todo = unfinished(job, trials)
            if not todo or summary.interrupted or all(t.id in summary.failures for t in todo):
                break
    summary.wall_seconds = time.perf_counter() - started
    summary.left = len(todo)
    left = {t.id: summary.failures.get(t.id, "") for t in _let_go(job, todo)}
    Tracker(job.where, job.study).close_left(left)
    return summary


def _let_go(job: one.Job, todo: Sequence[Trial]) -> list[Trial]:
    """Those of ``todo`` that no process holds, after a while in which workers die; the rest are another driver's."""
    deadline = time.monotonic() + _DYING_S
    while not all(one.is_free(job, t) for t in todo) and time.monotonic() < deadline:
        time.sleep(0.1)
    return [t for t in todo if one.is_free(job, t)]


def unfinished(job: one.Job, trials: Sequence[Trial]) -> list[Trial]:
    """The trials that have no finished run."""
    done = Tracker(job.where, job.study).finished()
    return [t for t in trials if t.id not in done]


def repair_mirrors(job: one.Job, trials: Sequence[Trial]) -> None:
    """Record the duplicates whose original finished when nobody was left to record them."""
    tracker = Tracker(job.where, job.study)
    done = tracker.finished()
    for trial in trials:
        for twin in job.mirrors.get(trial.id, ()):
            if trial.id in done and twin.id not in done:
                tracker.mirror(done[trial.id], twin)


def _one_pass(job: one.Job, todo: Sequence[Trial], profile: Profile, listener: Listener, summary: Summary) -> None:
    by_id = {t.id: t for t in todo}
    attempt = Path(job.work) / "logs" / "tune" / f"{time.time_ns()}"
    tuner = tune.Tuner(
        tune.with_resources(
            tune.with_parameters(_work, job=job, trials=by_id),
            {"cpu": profile.cpus_per_trial, "gpu": profile.gpus_per_trial},
        ),
        param_space={"trial": tune.grid_search(list(by_id))},
        tune_config=TuneConfig(reuse_actors=True, max_concurrent_trials=profile.trials_at_once or None),
        run_config=RunConfig(
            name=attempt.name,
            storage_path=str(attempt.parent),
            failure_config=FailureConfig(max_failures=2),
            callbacks=[_Relay(by_id, listener, summary)],
            verbose=0,
        ),
    )
    try:
        tuner.fit()
    except KeyboardInterrupt:
        summary.interrupted = True
    finally:
        shutil.rmtree(attempt, ignore_errors=True)


def _work(config: dict[str, str], job: one.Job, trials: Mapping[str, Trial]) -> None:
    """What a worker does with one trial."""
    tune.report(one.run(job, trials[config["trial"]], lambda epoch, row: None))


class _Relay(Callback):
    """Tells the listener what Tune tells the driver."""

    def __init__(self, trials: Mapping[str, Trial], listener: Listener, summary: Summary) -> None:
        self.trials, self.listener, self.summary = trials, listener, summary

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles its callbacks for a restore that is never asked for

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        result = trial.last_result or {}
        ours = self.trials[trial.config["trial"]]
        if result.get("status") == "finished":
            self.summary.trained += 1
            self.summary.training_seconds += result.get("seconds/training", 0.0)
            self.summary.failures.pop(ours.id, None)
        elif result.get("status") == "failed":
            self.summary.failures[ours.id] = result["error"]
        self.listener.finished(ours, result)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        ours = self.trials[trial.config["trial"]]
        error = str(trial.get_error() or "worker died").strip().splitlines()[-1]
        self.summary.failures[ours.id] = error
        self.listener.failed(ours, error)


@contextlib.contextmanager
def _session(address: str | None, profile: Profile) -> Iterator[float]:
    """A Ray session; yields how many trials fit at once. A local one cleans up behind itself."""
    options: dict[str, Any] = {
        "runtime_env": {"env_vars": WORKER_ENVIRONMENT},
        "log_to_driver": False,
        "logging_level": logging.ERROR,
        "configure_logging": True,
    }
    with contextlib.ExitStack() as stack:
        if address is None:
            folder = tempfile.mkdtemp(prefix="ser-ray-")  # Ray's sockets need a short path
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            options |= {"address": "local", "include_dashboard": False, "_temp_dir": folder}
            os.environ.update(WORKER_ENVIRONMENT)
        else:
            options["address"] = address
        try:
            ray.init(**options)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise BadInput(str(address), "--address", "auto, ray://HOST:10001 or HOST:6379 of a running cluster",
                           f"start it, or leave --address out to use this machine ({error})") from None  # fmt: skip
        stack.callback(ray.shutdown)
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

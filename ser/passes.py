"""One pass of Ray Tune over some trials: who hands them out to workers, and tells what became of each."""

import faulthandler
import os
import pickle
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray
from ray import tune
from ray.tune import Callback, FailureConfig, RunConfig, TuneConfig

from ser import node
from ser.profile import Profile

if TYPE_CHECKING:  # the process that only hands trials out does without torch and MLflow
    from ser.study import Trial
    from ser.trial import Job

Tell = Callable[..., None]
_RESTARTS = 5  # of one trial in one pass; trials count their attempts themselves, this bounds workers that never begin
_TELL_EVERY_S = 1.0  # a report takes a few milliseconds of the process that talks to Ray
_UNFIT_PAUSE_S = 30.0  # a node on which no trial can run would else take one after the other


def run(ids: Sequence[str], given: list[Any], profile: Profile, tell: Tell) -> None:
    """Run the trials ``ids`` of ``given``, a list of one reference to a pickled (job, trials by id).

    ``tell("epoch", trial, epoch, node, pid)`` says that a trial goes on, ``("ended", trial, result)`` that its worker
    returned, ``("died", trial, error)`` that it is tried again, and ``("broke", trial, error)`` that it is not.
    """
    folder = tempfile.mkdtemp(prefix="ser-tune-")
    tuner = tune.Tuner(
        tune.with_resources(
            tune.with_parameters(_work, given=given),
            {"cpu": profile.cpus_per_trial, "gpu": profile.gpus_per_trial},
        ),
        param_space={"trial": tune.grid_search(list(ids))},
        tune_config=TuneConfig(reuse_actors=True, max_concurrent_trials=profile.trials_at_once or None),
        run_config=RunConfig(
            name="pass",
            storage_path=folder,
            failure_config=FailureConfig(max_failures=_RESTARTS),
            callbacks=[_Relay(tell)],
            verbose=0,
        ),
    )
    try:
        tuner.fit()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@lru_cache(maxsize=2)
def _opened(reference: Any) -> "tuple[Job, Mapping[str, Trial]]":
    """Once per process: to read a job with the names of a million utterances takes longer than many a trial."""
    stack = stack_file(os.getpid())
    stack.parent.mkdir(parents=True, exist_ok=True)
    faulthandler.register(signal.SIGUSR1, file=stack.open("w"))  # where it hangs, should it have to be ended
    job, trials = pickle.loads(ray.get(reference))
    return node.local(job), trials


def stack_file(pid: int) -> Path:
    """Where a worker of this node writes the place it is at, when it is sent SIGUSR1."""
    return node.cache() / "stacks" / str(pid)


def _work(config: dict[str, str], given: list[Any]) -> None:
    """What a worker does with one trial."""
    from ser import trial as one

    job, trials = _opened(given[0])
    if reason := node.unfit(job):
        time.sleep(_UNFIT_PAUSE_S)
        tune.report({"status": "unfit", "error": reason})
        return
    where, latest = ray.get_runtime_context().get_node_id(), 0.0

    def heard(epoch: int, _: Any) -> None:
        nonlocal latest
        if time.monotonic() - latest > _TELL_EVERY_S:
            tune.report({"epoch": epoch, "node": where, "pid": os.getpid()})
            latest = time.monotonic()

    heard(0, {})  # first of all: should it hang from here on, it is known who holds it
    tune.report(one.run(job, trials[config["trial"]], heard))


class _Relay(Callback):
    """Tells what Tune tells."""

    def __init__(self, tell: Tell) -> None:
        self.tell = tell

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles its callbacks for a restore that is never asked for

    def on_trial_result(self, iteration: int, trials: list[Any], trial: Any, result: Any, **info: Any) -> None:
        if "status" not in result:
            self.tell("epoch", trial.config["trial"], result["epoch"], result["node"], result["pid"])

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.tell("ended", trial.config["trial"], dict(trial.last_result or {}))

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.tell("died", trial.config["trial"], _last_failure(trial))

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.tell("broke", trial.config["trial"], _last_failure(trial))


def _last_failure(trial: Any) -> str:
    """From the file that Tune writes at once; what ``trial.get_error`` reads is only there later."""
    try:
        return Path(trial.error_file).read_text().rpartition("Failure # ")[2].strip()
    except (OSError, TypeError):
        return ""

"""One pass of Ray Tune over some trials: who hands them out to workers, and tells what became of each."""

import faulthandler
import json
import os
import pickle
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray
from ray import tune
from ray.tune import Callback, FailureConfig, RunConfig, TuneConfig
from ray.tune.schedulers import ASHAScheduler

from ser.distributed import node
from ser.distributed.messages import Halving, Unit
from ser.distributed.profile import Profile
from ser.host import environment, machine
from ser.host.scratch import Scratch
from ser.runs.outcomes import TrialOutcome, UnfitNode

if TYPE_CHECKING:  # the process that only hands trials out does without torch and MLflow
    from ser.study import Trial
    from ser.trials.job import Job

Tell = Callable[..., None]
_RESTARTS = 5  # of one trial in one pass; trials count their attempts themselves, this bounds workers that never begin
_TELL_EVERY_S = 1.0  # a report takes a few milliseconds of the process that talks to Ray
_UNFIT_PAUSE_S = 30.0  # a node on which no trial can run would else take one after the other


def run(units: Sequence[Unit], given: list[Any], profile: Profile, tell: Tell, halving: Halving | None = None) -> None:
    """Run ``units`` of the trials ``given``: a list of one reference to a pickled (job, trials by id).

    ``tell("epoch", trial, epoch, node, pid)`` says that a trial goes on, ``("ended", trial, outcome)`` that its worker
    returned, ``("stopped", trial, epoch)`` that the scheduler ended it, ``("died", trial, error)`` that it is tried
    again, and ``("broke", trial, error)`` that it is not.
    """
    scratch = Scratch("ser-tune-")
    tuner = tune.Tuner(
        tune.with_resources(
            tune.with_parameters(_work, given=given),
            {"cpu": profile.cpus_per_trial, "gpu": profile.gpus_per_trial},
        ),
        # As text: what is no plain value Tune shows as a placeholder.
        param_space={"unit": tune.grid_search([json.dumps(asdict(unit)) for unit in units])},
        tune_config=TuneConfig(
            reuse_actors=True,
            max_concurrent_trials=profile.trials_at_once or None,
            scheduler=_scheduler(halving),
        ),
        run_config=RunConfig(
            name="pass",
            storage_path=str(scratch.folder),
            failure_config=FailureConfig(max_failures=_RESTARTS),
            callbacks=[_Relay(tell)],
            verbose=0,
        ),
    )
    try:
        tuner.fit()
    finally:
        scratch.remove()


def _scheduler(halving: Halving | None) -> ASHAScheduler | None:
    if halving is None:
        return None
    return ASHAScheduler(
        time_attr="epoch",
        metric="loss",
        mode="min",
        grace_period=halving.grace,
        reduction_factor=halving.reduction,
        max_t=halving.most + 1,  # at this one Tune would end a trial that has only to be evaluated yet
    )


def _unit(config: Mapping[str, str]) -> Unit:
    told = json.loads(config["unit"])
    return Unit(**{**told, "trials": tuple(told["trials"]), "replay": tuple(told["replay"])})


@lru_cache(maxsize=2)
def _opened(reference: Any) -> "tuple[Job, Mapping[str, Trial]]":
    """Once per process: to read a job with the names of a million utterances takes longer than many a trial."""
    stack = stack_file(os.getpid())
    stack.parent.mkdir(parents=True, exist_ok=True)
    # Where it hangs, should it have to be ended.
    faulthandler.register(signal.SIGUSR1, file=stack.open("w", encoding="utf-8"))
    job, trials = pickle.loads(ray.get(reference))
    return node.local(job), trials


def stack_file(pid: int) -> Path:
    """Where a worker of this node writes the place it is at, when it is sent SIGUSR1."""
    return node.cache() / "stacks" / machine.process(pid)


def _work(config: dict[str, str], given: list[Any]) -> None:
    """What a worker does with one unit. A scheduler judges by every report; to epoch 0 it says nothing."""
    environment.settle()
    unit = _unit(config)
    for epoch, loss in enumerate(unit.replay, start=1):
        tune.report({"epoch": epoch, "loss": loss})
    if unit.replay:
        return
    from ser.trials import group
    from ser.trials.run import run as run_trial

    job, trials = _opened(given[0])
    if reason := node.unfit(job):
        time.sleep(_UNFIT_PAUSE_S)
        return _report(dict.fromkeys(unit.trials, UnfitNode(reason)))
    chosen = [trials[name] for name in unit.trials]
    where, latest = ray.get_runtime_context().get_node_id(), 0.0

    def heard(epoch: int, row: Mapping[str, float]) -> None:
        nonlocal latest
        # After its last epoch there is nothing left to end: stopped there, it would be handed out once more.
        judged = unit.judged and epoch < chosen[0].training.max_epochs
        if judged or time.monotonic() - latest > _TELL_EVERY_S:
            told = {"epoch": epoch, "loss": row.get("val/loss", inf)} if judged else {"epoch": 0, "loss": inf}
            tune.report({**told, "reached": epoch, "node": where, "pid": os.getpid()})
            latest = time.monotonic()

    heard(0, {})  # first of all: should it hang from here on, it is known who holds it
    if group.group_key(chosen[0]) is not None:
        _report(group.run(job, chosen, heard))
    else:
        _report({chosen[0].id: run_trial(job, chosen[0], heard, unit.last)})


def _report(outcomes: Mapping[str, TrialOutcome]) -> None:
    tune.report({"outcomes": dict(outcomes), "epoch": 0, "loss": inf})


class _Relay(Callback):
    """Tells what Tune tells."""

    def __init__(self, tell: Tell) -> None:
        self.tell = tell

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles its callbacks for a restore that is never asked for

    def on_trial_result(self, iteration: int, trials: list[Any], trial: Any, result: Any, **info: Any) -> None:
        if "outcomes" not in result and "node" in result:
            self._tell("epoch", trial, result["reached"], result["node"], result["pid"])

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        last = dict(trial.last_result or {})
        if "outcomes" in last:
            for name, outcome in last["outcomes"].items():
                self.tell("ended", name, outcome)
        else:
            self._tell("stopped", trial, last.get("epoch", 0))

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._tell("died", trial, _last_failure(trial))

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._tell("broke", trial, _last_failure(trial))

    def _tell(self, kind: str, trial: Any, *told: Any) -> None:
        unit = _unit(trial.config)
        for name in unit.trials if not unit.replay else ():
            self.tell(kind, name, *told)


def _last_failure(trial: Any) -> str:
    """From the file that Tune writes at once; what ``trial.get_error`` reads is only there later."""
    try:
        return Path(trial.error_file).read_text(encoding="utf-8", errors="replace").rpartition("Failure # ")[2].strip()
    except (OSError, TypeError):
        return ""

"""One run of Ray Tune over work items: it hands them out to workers, and returns what becomes of each trial."""

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
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.schedulers import ASHAScheduler

from ser.distributed import node
from ser.distributed.messages import Broke, Died, Ended, EpochDone, Halving, Stopped, TrialEvent, WorkItem
from ser.distributed.profile import Profile
from ser.host import environment, machine
from ser.host.scratch import Scratch
from ser.runs.outcomes import TrialOutcome, UnfitNode

if TYPE_CHECKING:  # the process that only hands trials out does without torch and MLflow
    from ser.study import Trial
    from ser.trials.job import Job

_RESTARTS = 5  # of one trial in one run; trials count their attempts themselves, this bounds workers that never begin
_REPORT_EVERY_S = 1.0  # a report takes a few milliseconds of the process that talks to Ray
_UNFIT_PAUSE_S = 30.0  # a node on which no trial can run would else take one after the other


def run(
    items: Sequence[WorkItem],
    job: "ray.ObjectRef[bytes]",
    profile: Profile,
    halving: Halving | None,
    on_event: Callable[[TrialEvent], None],
) -> None:
    """Runs ``items`` of the trials of ``job``, a reference to a pickled (job, trials by id), and calls ``on_event``."""
    scratch = Scratch("ser-tune-")
    tuner = tune.Tuner(
        tune.with_resources(
            tune.with_parameters(work, jobs=[job]),  # in a list, as Tune would replace a plain reference
            {"cpu": profile.cpus_per_trial, "gpu": profile.gpus_per_trial},
        ),
        # As text: Tune shows everything but plain values as a placeholder.
        param_space={"item": tune.grid_search([json.dumps(asdict(item)) for item in items])},
        tune_config=TuneConfig(
            reuse_actors=True,
            max_concurrent_trials=profile.trials_at_once or None,
            scheduler=_scheduler(halving),
        ),
        run_config=RunConfig(
            name="run",
            storage_path=str(scratch.folder),
            failure_config=FailureConfig(max_failures=_RESTARTS),
            callbacks=[_Relay(on_event)],
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
        max_t=halving.max_epochs + 1,  # at this one Tune would end a trial that has only to be evaluated yet
    )


def _item(config: Mapping[str, str]) -> WorkItem:
    values = json.loads(config["item"])
    return WorkItem(**{**values, "trials": tuple(values["trials"]), "past_losses": tuple(values["past_losses"])})


@lru_cache(maxsize=2)
def _unpickled(reference: "ray.ObjectRef[bytes]") -> "tuple[Job, Mapping[str, Trial]]":
    """Once per process: to read a job with the names of a million utterances takes longer than many a trial."""
    stack = stack_file(os.getpid())
    stack.parent.mkdir(parents=True, exist_ok=True)
    # Where it hangs, should it have to be ended.
    faulthandler.register(signal.SIGUSR1, file=stack.open("w", encoding="utf-8"))
    job, trials = pickle.loads(ray.get(reference))
    return node.local(job), trials


def stack_file(pid: int) -> Path:
    """Returns where a worker of this node writes the place it is at, when it is sent SIGUSR1."""
    return node.cache() / "stacks" / machine.process(pid)


def work(config: dict[str, str], jobs: "list[ray.ObjectRef[bytes]]") -> None:
    """Does one work item, as a worker. A scheduler compares by every report; reports of epoch 0 leave it alone."""
    environment.settle()
    item = _item(config)
    # A finished trial is only reported again.
    for epoch, loss in enumerate(item.past_losses, start=1):
        tune.report({"epoch": epoch, "loss": loss})
    if item.past_losses:
        return
    from ser.prediction import unseen
    from ser.trials import group
    from ser.trials.run import run as run_trial

    job, by_id = _unpickled(jobs[0])
    if reason := node.unfit(job):
        time.sleep(_UNFIT_PAUSE_S)
        return _report(dict.fromkeys(item.trials, UnfitNode(reason)))
    trials = [by_id[name] for name in item.trials]
    node_id, last_report = ray.get_runtime_context().get_node_id(), 0.0

    def on_epoch(epoch: int, row: Mapping[str, float]) -> None:
        nonlocal last_report
        # After its last epoch there is nothing left to end: stopped there, it would be handed out once more.
        may_stop = item.may_stop and epoch < trials[0].training.max_epochs
        if may_stop or time.monotonic() - last_report > _REPORT_EVERY_S:
            is_scored = may_stop and "val/loss" in row  # not so in a second pass, which nothing ends
            by = {"epoch": epoch, "loss": row["val/loss"]} if is_scored else {"epoch": 0, "loss": inf}
            tune.report({**by, "reached": epoch, "node": node_id, "pid": os.getpid()})
            last_report = time.monotonic()

    on_epoch(0, {})  # first of all: should it hang from here on, it is known who holds it
    if item.is_test:
        _report({trials[0].id: unseen.run(job, trials[0])})
    elif group.group_key(trials[0]) is not None:
        _report(group.run(job, trials, on_epoch))
    else:
        _report({trials[0].id: run_trial(job, trials[0], on_epoch, item.stop_epoch)})


def _report(outcomes: Mapping[str, TrialOutcome]) -> None:
    tune.report({"outcomes": dict(outcomes), "epoch": 0, "loss": inf})


class _Relay(Callback):
    """Turns what Tune calls back with into events of trials."""

    def __init__(self, on_event: Callable[[TrialEvent], None]) -> None:
        self.on_event = on_event

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles its callbacks for a restore that is never asked for

    def on_trial_result(
        self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, result: dict[str, Any], **info: object
    ) -> None:
        if "node" in result:
            for name in _trained(trial):
                self.on_event(EpochDone(name, result["reached"], result["node"], result["pid"]))

    def on_trial_complete(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: object) -> None:
        last = dict(trial.last_result or {})
        for name in _trained(trial):
            if "outcomes" in last:
                self.on_event(Ended(name, last["outcomes"][name]))
            else:
                self.on_event(Stopped(name, last.get("epoch", 0)))

    def on_trial_recover(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: object) -> None:
        for name in _trained(trial):
            self.on_event(Died(name, _last_failure(trial)))

    def on_trial_error(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: object) -> None:
        for name in _trained(trial):
            self.on_event(Broke(name, _last_failure(trial)))


def _trained(trial: TuneTrial) -> tuple[str, ...]:
    """Returns the ids of our trials that one of Tune's trains: none where it only reports past losses."""
    item = _item(trial.config)
    return () if item.past_losses else item.trials


def _last_failure(trial: TuneTrial) -> str:
    """Returns the last error from the file that Tune writes at once; ``trial.get_error`` reads one that comes later."""
    try:
        return Path(trial.error_file).read_text(encoding="utf-8", errors="replace").rpartition("Failure # ")[2].strip()
    except (OSError, TypeError):
        return ""

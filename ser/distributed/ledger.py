"""The trials of one grid and what is known of them: from MLflow, from their folders, and from events of workers."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Protocol

from ser.distributed import gpu_memory
from ser.distributed.messages import Broke, Ended, EpochDone, Halving, Message, Note, Stopped, WorkItem
from ser.distributed.profile import Profile
from ser.errors import Away, BadInput
from ser.runs import delivery
from ser.runs.folder import RunFolder
from ser.runs.outcomes import Busy, Failed, Finished, StoreDamaged, TrialOutcome, Undelivered, UnfitNode
from ser.runs.replica import Replica
from ser.runs.tracker import Tracker
from ser.study import REFERENCE, Study, Trial
from ser.trials.group import group_key
from ser.trials.job import Job
from ser.trials.run import is_free

_STACKED = 64  # trials in one group; more would leave other workers idle
_BROKEN = 3  # times that Tune gives up a trial: one killed between two trials can be left with retries to spare
_FRUITLESS = 3  # rounds in which nothing is reached, before a person is asked
_WAITING = 40  # such rounds while nodes lack what trials need; each takes half a minute and more
_SYNC_EVERY_S = 60.0

Grow = Callable[[Mapping[str, float]], tuple[Job, Sequence[Trial]] | None]


class Listener(Protocol):
    """Whoever is to know how a grid is going."""

    def started(self, at_once: int) -> None:
        """Workers are there: this many trials run at once."""

    def finished(self, trial: Trial, outcome: TrialOutcome) -> None:
        """A trial ended, other than by a node or a store that is of no use."""

    def failed(self, trial: Trial, error: str) -> None:
        """A trial's worker died or raised, and its retries are used up."""

    def note(self, line: str) -> None:
        """A line that a person should read."""

    def grown(self, trials: Sequence[Trial]) -> None:
        """A search added trials."""

    def testing(self, trials: Sequence[Trial]) -> None:
        """All trials are trained that can be; these are tested next on corpora that they have not learned from."""


@dataclass
class Summary:
    """How a call ended."""

    trained: int = 0
    failures: dict[str, str] = field(default_factory=dict)  # trial id -> last error
    undelivered: list[str] = field(default_factory=list)  # ids of trained trials that MLflow does not have
    reason: str = ""  # why not
    refused: bool = False  # for good, until a person does something about the reason
    interrupted: bool = False
    unfinished: int = 0  # trials
    wall_seconds: float = 0.0
    training_seconds: float = 0.0
    evaluation_seconds: float = 0.0  # of them
    slots: float = 1.0
    used: list[gpu_memory.Used] = field(default_factory=list)  # of GPUs, by each trial
    gpus_per_trial: float = 0.0
    tests: "Summary | None" = None  # of finished trials, on corpora that they have not learned from


@dataclass(frozen=True)
class Search:
    """How a study gets trials beyond those it starts with."""

    metric: str = ""  # final metric by which candidates are compared; made small, but "objective/wa", made large
    grow: Grow | None = None
    halving: Halving | None = None

    @classmethod
    def of(cls, study: Study, grow: Grow) -> "Search":
        """The search that the study names; ``grow`` makes trials of losses. Raises BadInput for what conflicts."""
        if study.training.stacked and {"asha", "pbt"} & {study.search.scheduler.name, study.search.rule.name}:
            raise BadInput(
                "True", "training.stacked", "False with asha and pbt", "they end and go on with single trials"
            )
        rule, halving = study.search.scheduler.values(), None
        if study.search.scheduler.name == "asha":
            halving = Halving(rule["grace"], rule["reduction"], study.training.max_epochs)
        if study.search.rule.name == "grid":
            return cls(halving=halving)
        return cls(f"objective/{study.search.rule.values().get('by', 'loss')}", grow, halving)

    def losses(self, job: Job, trials: Sequence[Trial], failures: Mapping[str, str]) -> dict[str, float]:
        """Returns ``metric`` of the trials that ended, as a loss; infinite for one that failed."""
        values: dict[str, float] = {}
        for t in trials:
            if (results := RunFolder(job.work, t.id).results) and self.metric in results[1]:
                values[t.id] = results[1][self.metric]  # trained, and MLflow is away
        with suppress(Away):
            values |= Tracker.of(job.where, job.study).objectives([t.id for t in trials], self.metric)
        sign = -1.0 if self.metric == "objective/wa" else 1.0
        return {k: sign * v for k, v in values.items()} | dict.fromkeys(failures, inf)


def unfinished(job: Job, trials: Sequence[Trial]) -> list[Trial]:
    """Returns the trials without a finished run in MLflow, as far as it can be asked, and without results here."""
    run_folders = {t.id: RunFolder(job.work, t.id) for t in trials}
    try:
        done = Tracker.of(job.where, job.study).finished_of(run_folders)
        for trial in run_folders.keys() - done:  # a run that was deleted is trained again, also while the store is away
            run_folders[trial].unmark_delivered()
    except (Away, BadInput):
        done = {i for i, run_folder in run_folders.items() if run_folder.is_delivered_to(job.where.printable)}
    return [t for t in trials if t.id not in done and run_folders[t.id].results is None]


class Ledger:
    """The trials of one call: which are left, what workers reached, and when to give up."""

    def __init__(self, job: Job, trials: Sequence[Trial], profile: Profile, listener: Listener) -> None:
        self.job, self.profile, self.listener = job, profile, listener
        self.summary = Summary(gpus_per_trial=profile.gpus_per_trial)
        self.by_id = {t.id: t for t in trials}
        self.damage = ""  # of the store, as a worker found it
        self._epochs: Counter[str] = Counter()  # reached
        self._broken: Counter[str] = Counter()
        self._broken_at: dict[str, int] = {}  # the epochs reached when it broke last
        self._unfit: set[str] = set()
        self._trained: set[str] = set()
        self._fruitless = 0  # rounds one after the other
        self._progress_before = 0
        self._is_shared = False  # in this round another driver had a trial
        self._last_report = ""  # of a worker, for when nothing goes on
        self._undelivered = 0
        self._next_sync = time.monotonic() + _SYNC_EVERY_S
        self.todo = self.unfinished(trials)

    @property
    def trials(self) -> list[Trial]:
        """All trials that are known by now."""
        return list(self.by_id.values())

    def update(self) -> None:
        """Looks which trials are left."""
        self.todo = [t for t in self.unfinished(self.todo) if t.id not in self.summary.failures]

    def unfinished(self, trials: Sequence[Trial]) -> list[Trial]:
        """Returns those of ``trials`` that are not trained yet."""
        return unfinished(self.job, trials)

    def is_free(self, trial: Trial) -> bool:
        """Returns whether no living process works on ``trial``."""
        return is_free(self.job, trial)

    def grow(self, search: Search) -> bool:
        """Takes the trials that the search adds, now that all others have ended; False where it adds none."""
        if search.grow is None:
            return False
        losses = search.losses(self.job, self.trials, self.summary.failures)
        if (grown := search.grow(losses)) is None:
            return False
        self.job, trials = grown
        fresh = {t.id: t for t in trials if t.id not in self.by_id}
        self.by_id |= fresh
        self.todo = self.unfinished(list(fresh.values()))
        self.listener.grown(list(fresh.values()))
        return bool(fresh)

    # Rounds: each hands all trials that are left to workers

    def begin_round(self) -> None:
        """Remembers how far the trials are."""
        self._progress_before, self._is_shared = self._progress(), False

    def has_progressed(self) -> bool:
        """Whether an epoch was reached, or a trial was trained, broke or was given up, in this round."""
        return self._progress() != self._progress_before

    def _progress(self) -> int:
        return self._epochs.total() + len(self._trained) + len(self.summary.failures) + self._broken.total()

    def end_round(self) -> None:
        """Counts the rounds that reach nothing, but for those that wait for another driver. Raises BadInput."""
        self.update()
        progressed = self.has_progressed()
        if self._is_shared and not progressed:
            time.sleep(1.0)
            return
        self._fruitless = 0 if progressed or not self.todo else self._fruitless + 1
        if self._fruitless >= (_WAITING if self._unfit else _FRUITLESS):
            last = f"; the last report: {self._last_report}" if self._last_report else ""
            raise BadInput(
                f"{len(self.todo)} trials were handed out {self._fruitless} times, and none went on{last}",
                f"grid of {self.job.study}",
                "trials that go on, fail, or are finished in MLflow",
                "look at logs/ray.log of the work folder and at the experiment in MLflow; the same command goes on",
            )

    def items(self, trials: Sequence[Trial], halving: Halving | None) -> list[WorkItem]:
        """Returns ``trials`` as work items: each alone, or small ones of a kind stacked."""
        if halving is not None:
            stopped = {t.id: RunFolder(self.job.work, t.id).stopped_epoch for t in trials}
            single = [WorkItem((t.id,), _may_stop(t) and not stopped[t.id], stopped[t.id]) for t in trials]
            return [*self._past_items(), *single]
        groups: dict[object, list[str]] = {}
        for trial in trials:
            groups.setdefault(group_key(trial) or trial.id, []).append(trial.id)
        return [
            WorkItem(tuple(ids[at : at + _STACKED])) for ids in groups.values() for at in range(0, len(ids), _STACKED)
        ]

    def _past_items(self) -> list[WorkItem]:
        """Returns the loss curves of finished trials, as a new scheduler knows nothing of them."""
        try:
            tracker = Tracker.of(self.job.where, self.job.study)
            done = {i: r for i, r in tracker.finished().items() if i in self.by_id and _may_stop(self.by_id[i])}
            curves = {i: tracker.curve(run.info.run_id, "val/loss") for i, run in done.items()}
        except Away:
            return []
        return [WorkItem((i,), past_losses=tuple(curve)) for i, curve in curves.items() if curve]

    # Events of workers

    def record(self, event: Message) -> None:
        """Takes in an event, and tells the listener; delivers what waits for MLflow, once a minute."""
        match event:
            case EpochDone(trial, epoch):
                self._epochs[trial] = max(self._epochs[trial], epoch)
            case Stopped(trial, epoch):
                RunFolder(self.job.work, trial).mark_stopped(epoch)
            case Broke(trial, error):
                self._record_broken(self.by_id[trial], error)
            case Ended(trial, outcome):
                self._record_outcome(self.by_id[trial], outcome)
            case Note(line):
                self.listener.note(line)
        if self._undelivered and time.monotonic() > self._next_sync:
            self._undelivered = len(delivery.sync(self.job.where, Path(self.job.work)).undelivered)
            self._next_sync = time.monotonic() + _SYNC_EVERY_S

    def _record_outcome(self, trial: Trial, outcome: TrialOutcome) -> None:
        run_folder = RunFolder(self.job.work, trial.id)
        match outcome:
            case StoreDamaged(error):
                self._last_report = self.damage = error
                return self._record_broken(trial, error)
            case UnfitNode(error):
                self._last_report = error
                if error not in self._unfit:
                    self._unfit.add(error)
                    self.listener.note(f"{error}; other nodes take its trials")
                return
            case Busy():
                self._is_shared, self._last_report = True, "another process trains it"
            case Failed(error):
                self.summary.failures[trial.id] = self._last_report = error
            case Finished(results):
                self._last_report = "finished"
                run_folder.mark_delivered(self.job.where.printable)  # its node may not share this folder
                self._record_results(trial, results)
            case Undelivered(results, reason):
                self._last_report = reason
                self._undelivered += 1
                if self.job.replica:
                    with suppress(OSError):  # else its worker only has to deliver it in the next round
                        Replica(self.job.replica, run_folder).fetch()
                self._record_results(trial, results)
        self.listener.finished(trial, outcome)

    def _record_broken(self, trial: Trial, error: str) -> None:
        epoch = self._epochs[trial.id]
        if epoch > self._broken_at.get(trial.id, 0):  # it lives through deaths; only those without progress count
            self._broken_at[trial.id], self._broken[trial.id] = epoch, 0
        self._broken[trial.id] += 1
        if self._broken[trial.id] >= _BROKEN:
            self.summary.failures[trial.id] = error
            self.listener.failed(trial, error)

    def _record_results(self, trial: Trial, results: Mapping[str, float]) -> None:
        self._trained.add(trial.id)
        self.summary.trained = len(self._trained)
        self.summary.training_seconds += results.get("seconds/training", 0.0)
        self.summary.evaluation_seconds += results.get("seconds/evaluation", 0.0)
        self.summary.used += gpu_memory.used(results)


def _may_stop(trial: Trial) -> bool:
    """Whether a scheduler may end it.

    What its paper states, and a search's best candidate, is trained to its end; a reference has no epochs.
    """
    return trial.role.name not in ("printed", "refit", REFERENCE)

"""A grid, to its end: which trials are left, who runs them, and what to do when workers, Ray or MLflow go away.

MLflow is the ledger, together with the trials' folders for what it could not be told yet. Tune's own restore may run
finished trials again, so it is not used: whatever is not trained is handed to Tune anew, and each trial goes on from
its own checkpoint.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path
from typing import Any, Protocol

from ser import files
from ser.distributed import gpu_memory
from ser.distributed.child import Lost
from ser.distributed.messages import Halving, Unit
from ser.distributed.pool import Crew
from ser.distributed.profile import Profile
from ser.errors import Away, BadInput
from ser.runs import replica
from ser.runs.delivery import sync
from ser.runs.folder import RunFolder
from ser.runs.outcomes import Busy, Failed, Finished, StoreDamaged, TrialOutcome, Undelivered, UnfitNode
from ser.runs.tracker import Tracker
from ser.study import Study, Trial
from ser.trials.group import group_key
from ser.trials.job import Job, head_of
from ser.trials.run import is_free

_DYING_S = 10.0  # a worker inside a long matrix product hears of its end only after it
_TOGETHER = 64  # trials in one group; more would leave other workers idle
_BROKEN = 3  # times that Tune gives up a trial: one killed between two trials can be left with retries to spare
_FRUITLESS = 3  # passes of Tune in which nothing is reached, before a person is asked
_WAITING = 40  # such passes while nodes lack what trials need; each takes half a minute and more
_LAST_TRIES_S = (0.0, 5.0, 10.0, 20.0)  # an MLflow server that restarts as the grid ends


class Listener(Protocol):
    """What wants to know how a grid is going."""

    def started(self, at_once: int) -> None:
        """Workers are there: this many trials run at once."""

    def finished(self, trial: Trial, outcome: TrialOutcome) -> None:
        """A trial ended, other than by a node or a store that is of no use."""

    def failed(self, trial: Trial, error: str) -> None:
        """A trial's worker died or raised, and its retries are used up."""

    def told(self, line: str) -> None:
        """Something that a person should know."""

    def grown(self, trials: Sequence[Trial]) -> None:
        """A search found more trials."""


@dataclass
class Summary:
    """How a call ended."""

    trained: int = 0
    failures: dict[str, str] = field(default_factory=dict)  # trial id -> last error
    kept: list[str] = field(default_factory=list)  # trained, but MLflow could not be told
    reason: str = ""  # why not
    refused: bool = False  # for good, until a person does something about the reason
    interrupted: bool = False
    left: int = 0
    wall_seconds: float = 0.0
    training_seconds: float = 0.0
    slots: float = 1.0
    used: list[gpu_memory.Used] = field(default_factory=list)  # of GPUs, by each trial
    share: float = 0.0  # of a GPU, that each trial was given


@dataclass(frozen=True)
class Search:
    """How a study finds its trials beyond those it starts with."""

    metric: str = ""  # final metric by which candidates are compared; made small, but "objective/wa", made large
    more: Callable[[Mapping[str, float]], tuple[Job, Sequence[Trial]] | None] | None = None
    halving: Halving | None = None

    @classmethod
    def of(cls, study: Study, more: Callable[[Mapping[str, float]], tuple[Job, Sequence[Trial]] | None]) -> "Search":
        """As the study names it; ``more`` makes trials of losses. Raises BadInput for what does not go together."""
        if study.training.stacked and {"asha", "pbt"} & {study.search.scheduler.name, study.search.rule.name}:
            raise BadInput(
                "True", "training.stacked", "False with asha and pbt", "they end and go on with single trials"
            )
        rule, halving = study.search.scheduler.values(), None
        if study.search.scheduler.name == "asha":
            halving = Halving(rule["grace"], rule["reduction"], study.training.max_epochs)
        if study.search.rule.name == "grid":
            return cls(halving=halving)
        return cls(f"objective/{study.search.rule.values().get('by', 'loss')}", more, halving)

    def losses(self, job: Job, trials: Sequence[Trial], failures: Mapping[str, str]) -> dict[str, float]:
        """What ``metric`` says of the trials that ended, as a loss; infinite for one that failed."""
        found: dict[str, float] = {}
        for t in trials:
            if (results := RunFolder(job.work, t.id).results) and self.metric in results[1]:
                found[t.id] = results[1][self.metric]  # trained, and MLflow is away
        with suppress(Away):
            found |= Tracker.of(job.where, job.study).objectives([t.id for t in trials], self.metric)
        sign = -1.0 if self.metric == "objective/wa" else 1.0
        return {k: sign * v for k, v in found.items()} | dict.fromkeys(failures, inf)


def run(
    job: Job,
    trials: Sequence[Trial],
    profile: Profile,
    address: str | None,
    listener: Listener,
    repair: Callable[[], object] = lambda: None,
    search: Search | None = None,
) -> Summary:
    """Train all of ``trials`` that are not trained yet, as many at once as ``profile`` and the machines allow.

    Trials that another driver is training are waited for. An interrupt ends the running trials at their last
    checkpoint; the same call continues. ``repair`` builds the store again where a worker found it damaged. A ``search``
    is asked for more trials whenever all known ones have ended. Raises BadInput where there is no such cluster.
    """
    summary = Summary()
    search = search or Search()
    sync(job.where, Path(job.work))
    repair_mirrors(job, trials)
    todo = unfinished(job, trials)
    replica.begin(job.replica, Path(job.work))
    # A trial that is not free has a worker of another driver, which keeps the count.
    replica.reset(job.replica, Path(job.work), [t.id for t in todo if is_free(job, t)])
    grid = None
    if todo or search.more:
        started = time.perf_counter()
        grid = _Grid(job, trials, todo, profile, address, listener, summary, repair, search)
        grid.run()
        summary.wall_seconds = time.perf_counter() - started
        job, todo = grid.job, unfinished(grid.job, list(grid.by_id.values()))
    summary.left = len(todo)
    _deliver(job, summary)
    left = {t.id: summary.failures.get(t.id, "") for t in _let_go(job, todo)}
    try:
        nest_folds(job, trials if grid is None else list(grid.by_id.values()))
        Tracker.of(job.where, job.study).close_left(left)
    except (Away, BadInput) as error:
        summary.reason, summary.refused = str(error), isinstance(error, BadInput)
    return summary


def _deliver(job: Job, summary: Summary) -> None:
    for pause_s in _LAST_TRIES_S if not summary.interrupted else (0.0,):
        time.sleep(pause_s)
        synced = sync(job.where, Path(job.work))
        summary.kept, summary.reason, summary.refused = synced.kept, synced.reason, synced.refused
        if not synced.kept or synced.refused:
            return


def _let_go(job: Job, todo: Sequence[Trial]) -> list[Trial]:
    """Those of ``todo`` that no process holds, after a while in which workers die; the rest are another driver's."""
    deadline = time.monotonic() + _DYING_S
    while not all(is_free(job, t) for t in todo) and time.monotonic() < deadline:
        time.sleep(0.1)
    return [t for t in todo if is_free(job, t)]


def unfinished(job: Job, trials: Sequence[Trial]) -> list[Trial]:
    """The trials that are not trained: no finished run in MLflow, as far as it can be asked, and no results here."""
    run_folders = {t.id: RunFolder(job.work, t.id) for t in trials}
    try:
        done = Tracker.of(job.where, job.study).finished_of(run_folders)
        for trial in run_folders.keys() - done:  # a run that was deleted is trained again, also while the store is away
            run_folders[trial].unmark_delivered()
    except (Away, BadInput):
        done = {i for i, run_folder in run_folders.items() if run_folder.is_delivered_to(job.where.shown)}
    return [t for t in trials if t.id not in done and run_folders[t.id].results is None]


def repair_mirrors(job: Job, trials: Sequence[Trial]) -> None:
    """Record the duplicates whose original finished when nobody was left to record them."""
    try:
        tracker = Tracker.of(job.where, job.study)
        pairs = [(trial, twin) for trial in trials for twin in job.mirrors.get(trial.id, ())]
        done = tracker.finished_of({t.id for pair in pairs for t in pair})
        for trial, twin in pairs:
            if trial.id in done and twin.id not in done:
                tracker.mirror(tracker.finished(trial.id)[trial.id], head_of(job, twin))
    except Away:
        pass  # the next call does it


def stopped(job: Job, trial: str) -> int:
    """The epoch after which a scheduler ended a trial that has still to be evaluated; 0 if none did."""
    try:
        return int(files.read(Path(job.work) / "stopped" / trial)["epoch"])
    except (OSError, files.Damaged):
        return 0


def _mark_stopped(job: Job, trial: str, epoch: int) -> None:
    (Path(job.work) / "stopped").mkdir(exist_ok=True)
    files.write(Path(job.work) / "stopped" / trial, {"epoch": epoch})


def nest_folds(job: Job, trials: Sequence[Trial]) -> None:
    """Give every candidate of a cross-validated search a run, with those of its folds beneath it."""
    candidates: dict[str, list[Trial]] = {}
    for trial in trials:
        if trial.role.name == "candidate" and any(c.split.values().get("fold") for c in trial.corpora):
            whole = replace(trial, corpora=tuple(c.in_fold(0) for c in trial.corpora))
            candidates.setdefault(whole.id, []).append(trial)
    if not candidates:
        return
    with suppress(Away):  # the next call does it
        tracker = Tracker.of(job.where, job.study)
        done = tracker.finished()
        for key, folds in candidates.items():
            if all(t.id in done for t in folds):
                whole = replace(folds[0], corpora=tuple(c.in_fold(0) for c in folds[0].corpora))
                drawn = whole.varied_values() | {"block": whole.block.name}
                tracker.nest(key, whole.title, [done[t.id] for t in folds], drawn)


def _is_judged(trial: Trial) -> bool:
    """Whether a scheduler may end it: what its paper states, and what a search has chosen, is trained to its end."""
    return trial.role.name not in ("printed", "refit")


class _Grid:
    """The trials that one call has to train."""

    def __init__(
        self,
        job: Job,
        trials: Sequence[Trial],
        todo: list[Trial],
        profile: Profile,
        address: str | None,
        listener: Listener,
        summary: Summary,
        repair: Callable[[], object],
        search: Search,
    ) -> None:
        self.job, self.todo, self.profile, self.address = job, todo, profile, address
        self.listener, self.summary, self.repair, self.search = listener, summary, repair, search
        self.damage = ""
        self.by_id = {t.id: t for t in trials}
        self.broken: Counter[str] = Counter()
        self.epochs: Counter[str] = Counter()  # reached
        self.broke_at: dict[str, int] = {}  # the epochs reached when it broke last
        self.unfit: set[str] = set()
        self.trained: set[str] = set()
        self.lost = 0
        self.fruitless = 0  # passes one after the other
        self.busy = False  # in this pass another driver had a trial
        self.heard_last = ""  # what a worker said last, for when nothing goes on

    def run(self) -> None:
        crew: Crew | None = None
        try:
            while self.todo or self._found_more(crew):
                free = [t for t in self.todo if is_free(self.job, t)]
                if not free:
                    time.sleep(1.0)  # all are another driver's: they finish, or fall free
                    self._look()
                    continue
                before, self.busy = self._progress(), False
                try:
                    if crew is None:
                        crew = Crew(self.job, list(self.by_id.values()), self.profile, self.address, self.listener.told)
                        self.summary.slots = crew.slots
                        self.listener.started(int(crew.slots))
                    crew.work(self._units(free), self._heard, self.search.halving)
                except (Lost, BadInput) as error:
                    if isinstance(error, BadInput) and not self.lost:
                        raise  # it was never there; after a loss it may still be starting
                    if crew:
                        crew.dismiss()
                        crew = None
                    self._after_loss(str(error), self._progress() != before)
                if self.damage:
                    self.listener.told(f"{self.damage}; it is built again")
                    self.repair()
                    self.damage = ""
                self._look()
                self._bound(self._progress() != before)
        except KeyboardInterrupt:
            self.summary.interrupted = True
        finally:
            if crew:
                crew.dismiss()

    def _found_more(self, crew: Crew | None) -> bool:
        """Ask the search; the crew learns what it finds."""
        if self.search.more is None:
            return False
        losses = self.search.losses(self.job, list(self.by_id.values()), self.summary.failures)
        if (found := self.search.more(losses)) is None:
            return False
        self.job, trials = found
        fresh = {t.id: t for t in trials if t.id not in self.by_id}
        self.by_id |= fresh
        self.todo = unfinished(self.job, list(fresh.values()))
        self.listener.grown(list(fresh.values()))
        if crew:
            crew.learn(self.job, list(self.by_id.values()))
        return bool(fresh)

    def _units(self, free: Sequence[Trial]) -> list[Unit]:
        """Trials as workers are given them: each alone, or small ones of a kind together, and what a scheduler knew."""
        groups: dict[Any, list[str]] = {}
        for trial in free:
            groups.setdefault(group_key(trial) or trial.id, []).append(trial.id)
        cut = [ids[at : at + _TOGETHER] for ids in groups.values() for at in range(0, len(ids), _TOGETHER)]
        if self.search.halving is None:
            return [Unit(tuple(ids)) for ids in cut]
        last = {t.id: stopped(self.job, t.id) for t in free}
        own = [Unit((t.id,), _is_judged(t) and not last[t.id], last[t.id]) for t in free]
        return [*self._replays(), *own]

    def _replays(self) -> list[Unit]:
        """Of every finished trial its losses: a scheduler knows only what it is told."""
        try:
            tracker = Tracker.of(self.job.where, self.job.study)
            done = {i: r for i, r in tracker.finished().items() if i in self.by_id and _is_judged(self.by_id[i])}
            curves = {i: tracker.curve(run.info.run_id, "val/loss") for i, run in done.items()}
        except Away:
            return []
        return [Unit((i,), replay=tuple(curve)) for i, curve in curves.items() if curve]

    def _look(self) -> None:
        self.todo = [t for t in unfinished(self.job, self.todo) if t.id not in self.summary.failures]

    def _progress(self) -> int:
        """Changes with every epoch that is reached, and every trial that is trained, broken or given up."""
        return self.epochs.total() + len(self.trained) + len(self.summary.failures) + self.broken.total()

    def _bound(self, progressed: bool) -> None:
        """Count the passes that reach nothing, but for those that wait for another driver. Raises BadInput."""
        if self.busy and not progressed:
            time.sleep(1.0)
            return
        self.fruitless = 0 if progressed or not self.todo else self.fruitless + 1
        if self.fruitless >= (_WAITING if self.unfit else _FRUITLESS):
            said = f"; the last that was heard: {self.heard_last}" if self.heard_last else ""
            raise BadInput(
                f"{len(self.todo)} trials were handed out {self.fruitless} times, and none went on{said}",
                f"grid of {self.job.study}",
                "trials that go on, fail, or are finished in MLflow",
                "look at logs/ray.log of the work folder and at the experiment in MLflow; the same command goes on",
            )

    def _after_loss(self, why: str, progressed: bool) -> None:
        self.lost = 1 if progressed else self.lost + 1
        if self.lost >= (3 if self.address is None else 10):  # a cluster's head may take minutes to come back
            raise BadInput(f"lost {self.lost} times without progress ({why})", "Ray", "a machine that keeps it running",
                           "look at its logs; the same command goes on") from None  # fmt: skip
        pause_s = min(5.0 * 2 ** (self.lost - 1), 60.0)
        self.listener.told(f"Ray was lost ({why}); trials go on from their checkpoints in {pause_s:.0f} s")
        time.sleep(pause_s)
        _let_go(self.job, self.todo)

    def _heard(self, kind: str, trial_id: str, told: Any) -> None:
        trial, summary = self.by_id[trial_id], self.summary
        if kind == "epoch":
            self.epochs[trial_id] = max(self.epochs[trial_id], told)
            return
        if kind == "died":
            return
        if kind == "stopped":
            _mark_stopped(self.job, trial_id, told)
            return
        if kind == "broke":
            return self._broke(trial, told)
        outcome: TrialOutcome = told
        self.heard_last = getattr(outcome, "error", "") or getattr(outcome, "reason", "") or type(outcome).__name__
        match outcome:
            case StoreDamaged(error):
                self.damage = error
                return self._broke(trial, error)
            case UnfitNode(error):
                if error not in self.unfit:
                    self.unfit.add(error)
                    self.listener.told(f"{error}; other nodes take its trials")
                return
            case Busy():
                self.busy = True
            case Failed(error):
                summary.failures[trial_id] = error
            case Finished(results):  # on a node that may not share this folder
                RunFolder(self.job.work, trial_id).mark_delivered(self.job.where.shown)
                self._count(trial_id, results)
            case Undelivered(results):
                if self.job.replica:
                    with suppress(OSError):  # else its worker only has to deliver it in the next pass
                        replica.Replica(self.job.replica, RunFolder(self.job.work, trial_id)).fetch()
                self._count(trial_id, results)
        self.listener.finished(trial, outcome)

    def _broke(self, trial: Trial, error: str) -> None:
        epoch = self.epochs[trial.id]
        if epoch > self.broke_at.get(trial.id, 0):  # it lives through deaths; only those without progress count
            self.broke_at[trial.id], self.broken[trial.id] = epoch, 0
        self.broken[trial.id] += 1
        if self.broken[trial.id] >= _BROKEN:
            self.summary.failures[trial.id] = error
            self.listener.failed(trial, error)

    def _count(self, trial_id: str, results: Mapping[str, float]) -> None:
        self.trained.add(trial_id)
        self.summary.trained = len(self.trained)
        self.summary.training_seconds += results.get("seconds/training", 0.0)
        self.summary.used += gpu_memory.used(results)
        self.summary.share = self.profile.gpus_per_trial

"""From trials' folders to MLflow, now or later: training never waits long for the tracking store, and nothing is lost.

While the store is away everything stays in the trials' folders; tries become rarer, up to five minutes apart.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ser.errors import Away, BadInput, Refused
from ser.runs import attempts, replica
from ser.runs.folder import Head, RunFolder
from ser.runs.location import Location
from ser.runs.tracker import Tracker
from ser.study import Trial

if TYPE_CHECKING:  # what only looks does without MLflow
    from ser.runs.run_log import RunLog

_EVERY_S = 15.0  # a request costs about as much whether it carries one epoch or fifty
_LONGEST_S = 300.0


class Delivery:
    """Takes one trial's folder to MLflow. No method raises because of the store."""

    def __init__(self, where: Location, run_folder: RunFolder) -> None:
        self.where, self.run_folder = where, run_folder
        self.reason = ""  # why the last try failed
        self.refused = False  # for good, until a person does something about the reason
        self._log: RunLog | None = None
        self._pause_s = _EVERY_S
        self._next = time.monotonic() + _EVERY_S

    def open(self, head: Head) -> bool:
        """Begins or continue the trial's run. False: it need not be trained, as the store has a finished run of it."""
        try:
            self._log = Tracker.of(self.where, head.study).start(head)
        except (Away, BadInput) as error:
            self._note_failure(error)
            return not self.run_folder.is_delivered_to(self.where.printable)
        return self._log is not None

    def send_epochs(self) -> None:
        """Sends the epochs that were added since, if it is time."""
        if time.monotonic() < self._next:
            return
        try:
            if self._log is None:
                head = self.run_folder.head
                self._log = Tracker.of(self.where, head.study).start(head) if head else None
            if self._log is not None:
                self._log.epochs(self.run_folder.epochs)
        except (Away, BadInput) as error:
            self._note_failure(error)
        else:
            self._pause_s = _EVERY_S
            self._next = time.monotonic() + _EVERY_S

    def deliver(self) -> bool:
        """Sends everything, as far as it goes; a trained trial's folder is removed. False: it stays in its folder."""
        head = self.run_folder.head
        if head is None:
            return False
        try:
            self._deliver(head)
        except (Away, BadInput, OSError) as error:
            self._note_failure(error)
            return False
        if self.run_folder.results:
            self.run_folder.mark_delivered(self.where.printable)
        return True

    def _deliver(self, head: Head) -> None:
        """Sends all to the open run; to another one where somebody has deleted that."""
        if self._log is not None:
            try:
                return Tracker.of(self.where, head.study).deliver(self.run_folder, self._log)
            except Refused:
                self._log = None
        Tracker.of(self.where, head.study).deliver(self.run_folder)

    def _note_failure(self, error: Exception) -> None:
        # How much of the last call arrived is unknown: the run is looked up again before more is sent.
        self._log, self.reason, self.refused = None, str(error), isinstance(error, BadInput)
        self._next = time.monotonic() + self._pause_s
        self._pause_s = min(self._pause_s * 2, _LONGEST_S)


class NoDelivery(Delivery):
    """Leaves a trial in its folder: nothing is sent."""

    def open(self, head: Head) -> bool:
        """Returns True: the trial is to be trained."""
        return True

    def send_epochs(self) -> None:
        """Sends nothing."""

    def deliver(self) -> bool:
        """Returns False: the trial stays in its folder."""
        return False


@dataclass
class Synced:
    """Ids of the trials that ``sync`` met, by what became of them."""

    delivered: list[str] = field(default_factory=list)
    undelivered: list[str] = field(default_factory=list)  # trained, and the store is away
    unfinished: list[str] = field(default_factory=list)  # not trained to the end: `ser run` goes on
    busy: list[str] = field(default_factory=list)  # a living process works on it
    reason: str = ""
    refused: bool = False  # the reason is one that waiting does not remove


def sync(where: Location, work: Path) -> Synced:
    """Delivers what earlier processes left, on whatever node; once the store does not answer, only count the rest."""
    out = Synced()
    replicas = {r.run_folder.trial: r for r in replica.collect(work)}
    for run_folder in RunFolder.all(work):
        with run_folder.lock() as is_owner:
            if not is_owner:
                out.busy.append(run_folder.trial)
                continue
            if run_folder.head is None:  # a worker took it up and died before its first file
                continue
            is_trained = run_folder.results is not None
            delivery = Delivery(where, run_folder)
            is_delivered = not out.reason and delivery.deliver()
            if delivery.reason and not out.reason:
                out.reason, out.refused = delivery.reason, delivery.refused
            if is_delivered and run_folder.trial in replicas:
                replicas[run_folder.trial].drop()
            trials = out.unfinished if not is_trained else out.delivered if is_delivered else out.undelivered
            trials.append(run_folder.trial)
    return out


def record_duplicates(
    where: Location, study: str, twins: Mapping[str, Sequence[Trial]], head_of: Callable[[Trial], Head]
) -> None:
    """Records the ``twins`` of finished trials, by id, that have no finished run: nobody was left to record them."""
    with suppress(Away):  # the next call does it
        tracker = Tracker.of(where, study)
        done = tracker.finished_of({*twins, *(twin.id for equal in twins.values() for twin in equal)})
        for trial, equal in twins.items():
            for twin in equal:
                if trial in done and twin.id not in done:
                    tracker.mirror(tracker.finished(trial)[trial], head_of(twin))


def nest_folds(where: Location, study: str, trials: Sequence[Trial]) -> None:
    """Gives every candidate of a cross-validated search a run, with those of its folds beneath it."""
    candidates: dict[str, list[Trial]] = {}
    for trial in trials:
        if trial.role.name == "candidate" and any(c.split.values().get("fold") for c in trial.corpora):
            candidates.setdefault(_without_fold(trial).id, []).append(trial)
    if not candidates:
        return
    with suppress(Away):  # the next call does it
        tracker = Tracker.of(where, study)
        done = tracker.finished()
        from ser.runs import candidates as runs_of  # and with it MLflow

        for key, folds in candidates.items():
            if all(t.id in done for t in folds):
                whole = _without_fold(folds[0])
                values = whole.varied_values() | {"block": whole.block.name}
                runs_of.nest(tracker, key, whole.title, [done[t.id] for t in folds], values)


def _without_fold(trial: Trial) -> Trial:
    return replace(trial, corpora=tuple(c.in_fold(0) for c in trial.corpora))


def close_runs(where: Location, study: str, errors: Mapping[str, str]) -> None:
    """Closes the runs that dead workers left open: trial id -> its error, or "" for an interrupt.

    The next call opens them again. Raises Away, and BadInput where the store refuses.
    """
    Tracker.of(where, study).close_runs(errors)


def local(work: Path) -> list[tuple[str, str, str]]:
    """(title, state, last error) of every trial of ``work`` that is not delivered: trained, failed or unfinished."""
    out = []
    for run_folder in RunFolder.all(work):
        head = run_folder.head
        if head is not None:
            state = "trained" if run_folder.results else "failed" if run_folder.error else "unfinished"
            out.append((head.title, state, run_folder.error or attempts.last_error(run_folder.path)))
    return out

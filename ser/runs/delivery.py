"""From trials' folders to MLflow, now or later: training never waits long for the tracking store, and nothing is lost.

While the store is away everything stays in the run_folder; tries become rarer, up to five minutes apart.
"""

import time
from dataclasses import dataclass, field
from pathlib import Path

from ser.errors import Away, BadInput, Refused
from ser.runs import attempts, replica
from ser.runs.folder import Head, RunFolder
from ser.runs.tracker import Location, RunLog, Tracker

_EVERY_S = 15.0  # telling costs about as much whether it carries one epoch or fifty
_LONGEST_S = 300.0


class Delivery:
    """Of one trial. No method raises because of the store."""

    def __init__(self, where: Location, run_folder: RunFolder) -> None:
        self.where, self.run_folder = where, run_folder
        self.reason = ""  # why the last try failed
        self.refused = False  # for good, until a person does something about the reason
        self._log: RunLog | None = None
        self._pause_s = _EVERY_S
        self._next = time.monotonic() + _EVERY_S

    def open(self, head: Head) -> bool:
        """Begin or continue the trial's run. False: it need not be trained, as the store has a finished run of it."""
        try:
            self._log = Tracker.of(self.where, head.study).start(head)
        except (Away, BadInput) as error:
            self._away(error)
            return not self.run_folder.is_delivered_to(self.where.shown)
        return self._log is not None

    def carry(self) -> None:
        """Send the epochs that were added since, if it is time."""
        if time.monotonic() < self._next:
            return
        try:
            if self._log is None:
                head = self.run_folder.head
                self._log = Tracker.of(self.where, head.study).start(head) if head else None
            if self._log is not None:
                self._log.epochs(self.run_folder.epochs)
        except (Away, BadInput) as error:
            self._away(error)
        else:
            self._pause_s = _EVERY_S
            self._next = time.monotonic() + _EVERY_S

    def deliver(self) -> bool:
        """Send everything, as far as it goes; a trained trial's folder is removed. False: it stays in its folder."""
        head = self.run_folder.head
        if head is None:
            return False
        try:
            self._deliver(head)
        except (Away, BadInput, OSError) as error:
            self._away(error)
            return False
        if self.run_folder.results:
            self.run_folder.mark_delivered(self.where.shown)
        return True

    def _deliver(self, head: Head) -> None:
        """To the open run; to another one where somebody has deleted that."""
        if self._log is not None:
            try:
                return self._log.tracker.deliver(self.run_folder, self._log)
            except Refused:
                self._log = None
        Tracker.of(self.where, head.study).deliver(self.run_folder)

    def _away(self, error: Exception) -> None:
        # What of the last call arrived is not known: the run is looked up again before more is sent.
        self._log, self.reason, self.refused = None, str(error), isinstance(error, BadInput)
        self._next = time.monotonic() + self._pause_s
        self._pause_s = min(self._pause_s * 2, _LONGEST_S)


class NoDelivery(Delivery):
    """Leaves a trial in its folder: nothing is sent."""

    def open(self, head: Head) -> bool:
        """Returns True: the trial is to be trained."""
        return True

    def carry(self) -> None:
        """Sends nothing."""

    def deliver(self) -> bool:
        """Returns False: the trial stays in its folder."""
        return False


@dataclass
class Synced:
    """What ``sync`` found: ids of trials."""

    delivered: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)  # trained, and the store is away
    open: list[str] = field(default_factory=list)  # not trained to the end: `ser run` goes on
    held: list[str] = field(default_factory=list)  # a living process works on it
    reason: str = ""
    refused: bool = False  # the reason is none that time mends


def sync(where: Location, work: Path) -> Synced:
    """Deliver what earlier processes left, on whatever node; once the store is found away, only count the rest."""
    out = Synced()
    far = {r.run_folder.trial: r for r in replica.collect(work)}
    for run_folder in RunFolder.all(work):
        with run_folder.lock() as owned:
            if not owned:
                out.held.append(run_folder.trial)
                continue
            if run_folder.head is None:  # taken up and left before anything was known of it
                continue
            trained = run_folder.results is not None
            delivery = Delivery(where, run_folder)
            gone = not out.reason and delivery.deliver()
            if delivery.reason and not out.reason:
                out.reason, out.refused = delivery.reason, delivery.refused
            if gone and run_folder.trial in far:
                far[run_folder.trial].drop()
            (out.delivered if gone and trained else out.kept if trained else out.open).append(run_folder.trial)
    return out


def local(work: Path) -> list[tuple[str, str, str]]:
    """(title, state, last error) of every trial of ``work`` that is not delivered: trained, failed or unfinished."""
    out = []
    for run_folder in RunFolder.all(work):
        head = run_folder.head
        if head is not None:
            state = "trained" if run_folder.results else "failed" if run_folder.error else "unfinished"
            out.append((head.title, state, run_folder.error or attempts.last_error(run_folder.path)))
    return out

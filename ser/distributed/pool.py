"""Ray and its workers, behind a process of their own, as ``ser.distributed.launch`` sees them."""

import pickle
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ser.distributed.child import Lost, Talk
from ser.distributed.messages import Halving, Unit
from ser.distributed.node import Finding, Places, places
from ser.distributed.profile import Profile
from ser.errors import BadInput
from ser.runs.delivery import sync
from ser.runs.outcomes import Undelivered
from ser.study import Trial
from ser.trials.job import Job

_SYNC_EVERY_S = 60.0


class Crew:
    """Ray and its workers, behind a process of their own. Raises Lost as soon as that is known to be of no use."""

    def __init__(
        self,
        job: Job,
        trials: Sequence[Trial],
        profile: Profile,
        address: str | None,
        told: Callable[[str], None] = lambda line: None,
    ) -> None:
        """Ready to work, or BadInput; ``told`` hears what a person should know meanwhile."""
        work = Path(job.work)
        reached = None if address is None else places(job.where, job.store, work, profile.device)
        given = _packed(job, trials)
        self.job, self.talk = job, Talk(work, address, reached, profile, given, job.work, job.replica)
        self._fresh: bytes | None = None
        if self.talk.note:
            told(self.talk.note)
        try:
            (self.slots,) = self.talk.until("ready", lambda kind, *said: told(*said) if said else None)
        except BaseException:
            self.dismiss()
            raise

    def learn(self, job: Job, trials: Sequence[Trial]) -> None:
        """Another job and its trials, for the units from now on."""
        self.job, self._fresh = job, _packed(job, trials)

    def work(self, units: Sequence[Unit], heard: Callable[..., None], halving: Halving | None = None) -> None:
        """Run these units, and pass on what ``passes.run`` tells of them."""
        kept, next_sync = 0, time.monotonic() + _SYNC_EVERY_S

        def count(kind: str, *said: Any) -> None:
            nonlocal kept, next_sync
            kept += kind == "ended" and isinstance(said[1], Undelivered)
            if kept and time.monotonic() > next_sync:
                kept = len(sync(self.job.where, Path(self.job.work)).kept)
                next_sync = time.monotonic() + _SYNC_EVERY_S
            if kind != "alive":
                heard(kind, *said)

        self.talk.say((list(units), halving, self._fresh))
        self._fresh = None
        self.talk.until("passed", count)

    def dismiss(self) -> None:
        """End Ray and its workers, and remove what a local one wrote."""
        self.talk.end()


def _packed(job: Job, trials: Sequence[Trial]) -> bytes:
    return pickle.dumps((job, {t.id: t for t in trials}))


def examine(reached: Places, work: Path, address: str, profile: Profile) -> list[Finding]:
    """What every living node of a cluster says of itself. Raises BadInput."""
    talk = Talk(work, address, reached, profile)
    try:
        (found,) = talk.until("examined", lambda *_: None)
    except Lost as error:
        raise BadInput(str(error), "--address", "a running cluster that answers", "look at its logs") from None
    finally:
        talk.end()
    return list(found)

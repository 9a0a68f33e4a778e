"""A pool of workers without Ray, for tests of all that is not Ray: every work item is done in this process."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ser.distributed.messages import Ended, Halving, TrialEvent, WorkItem
from ser.prediction import unseen
from ser.runs.outcomes import TrialOutcome
from ser.study import Trial
from ser.trials import group
from ser.trials import run as one
from ser.trials.job import Job


class Here:
    """In place of ``ser.distributed.launch.WorkerPool``."""

    slots = 1.0

    @classmethod
    def of_job(cls, job: Job, trials: Iterable[Trial], *_: Any) -> "Here":
        pool = cls()
        pool.set_job(job, trials)
        return pool

    def set_job(self, job: Job, trials: Iterable[Trial]) -> None:
        self.job, self.trials = job, {t.id: t for t in trials}

    def do(self, item: WorkItem) -> Mapping[str, TrialOutcome]:
        """Does one work item. Returns what becomes of its trials."""
        chosen = [self.trials[name] for name in item.trials]
        if item.is_test:
            return {chosen[0].id: unseen.run(self.job, chosen[0])}
        if group.group_key(chosen[0]) is None:
            return {chosen[0].id: one.run(self.job, chosen[0], None, item.stop_epoch)}
        return group.run(self.job, chosen)

    def run(
        self, items: Iterable[WorkItem], on_event: Callable[[TrialEvent], None], halving: Halving | None = None
    ) -> None:
        for item in items:
            for name, outcome in self.do(item).items():
                on_event(Ended(name, outcome))

    def close(self) -> None: ...

"""The tests of one grid on corpora that its trials have not learned from, as a ledger of finished trials."""

from collections.abc import Mapping, Sequence

from ser.distributed.ledger import Ledger
from ser.distributed.messages import Halving, WorkItem
from ser.errors import Away
from ser.prediction import unseen
from ser.runs.outcomes import Finished, TrialOutcome, Undelivered
from ser.study import Trial


class TestLedger(Ledger):
    """Which finished trials lack a test, what workers tested, and when to give up."""

    __test__ = False  # for pytest: it is no class of tests

    def unfinished(self, trials: Sequence[Trial]) -> list[Trial]:
        """Returns the finished ones of ``trials`` that lack a test, as far as the tracking store can be asked."""
        try:
            return unseen.untested(self.job, trials)
        except Away as error:
            self._last_report = str(error)
            return [t for t in trials if t.id not in self._trained and self.job.tests.get(t.id)]

    def is_free(self, trial: Trial) -> bool:
        """Returns whether no living process tests ``trial``."""
        return unseen.is_untouched(self.job, trial)

    def items(self, trials: Sequence[Trial], halving: Halving | None) -> list[WorkItem]:
        """Returns ``trials`` as work items, each alone."""
        return [WorkItem((t.id,), is_test=True) for t in trials]

    def _record_outcome(self, trial: Trial, outcome: TrialOutcome) -> None:
        match outcome:
            case Finished(results):
                self._record_results(trial, results)
            case Undelivered(_, reason):
                self._last_report = reason
            case _:
                return super()._record_outcome(trial, outcome)
        self.listener.finished(trial, outcome)

    def _record_results(self, trial: Trial, results: Mapping[str, float]) -> None:
        self._trained.add(trial.id)
        self.summary.trained += bool(results)  # else another process was faster

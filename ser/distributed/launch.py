"""A grid, to its end: which trials are left, who runs them, and what to do when workers, Ray or MLflow go away.

MLflow is the ledger, together with the trials' folders for what it does not have yet. Tune's own restore may run
finished trials again, so it is not used: whatever is not trained is handed to Tune anew, and each trial goes on from
its own checkpoint.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ser.distributed.ledger import Ledger, Listener, Search, Summary, unfinished
from ser.distributed.pool import RayLost, WorkerPool
from ser.distributed.profile import Profile
from ser.distributed.unseen import TestLedger
from ser.errors import Away, BadInput
from ser.runs import delivery, replica
from ser.study import Trial
from ser.trials.job import Job, head_of

_DYING_S = 10.0  # a worker inside a long matrix product ends only after it
_LAST_TRIES_S = (0.0, 5.0, 10.0, 20.0)  # an MLflow server that restarts as the grid ends
_LOSSES, _LOSSES_OF_CLUSTER = 3, 10  # of Ray without progress between them: a cluster's head may take minutes to return


def run(
    job: Job,
    trials: Sequence[Trial],
    profile: Profile,
    address: str | None,
    listener: Listener,
    repair: Callable[[], object] = lambda: None,
    search: Search | None = None,
    trains: bool = True,
) -> Summary:
    """Trains all of ``trials`` that are not trained yet, as many at once as ``profile`` and the machines allow.

    Then it tests those that are finished on the corpora of ``job.tests``; with ``trains`` False it does that alone.
    Trials that another driver is training are waited for. An interrupt ends the running trials at their last
    checkpoint; the same call continues. ``repair`` builds the store again where a worker found it damaged. A ``search``
    is asked for more trials whenever all others have ended. Raises BadInput where there is no such cluster.
    """
    # What earlier calls left: results that wait for MLflow, duplicates without a run, attempts that are used up.
    delivery.sync(job.where, Path(job.work))
    _record_duplicates(job, trials)
    ledger, started = Ledger(job, trials, profile, listener), time.perf_counter()
    summary, workers = ledger.summary, _Workers(profile, address, repair)
    if not trains:
        ledger.todo, search = [], None
    replica.begin(job.replica, Path(job.work))
    # A trial that is not free has a worker of another driver, which keeps the count.
    replica.reset(job.replica, Path(job.work), [t.id for t in ledger.todo if ledger.is_free(t)])
    try:
        workers.do(ledger, search or Search())
        summary.wall_seconds = time.perf_counter() - started
        if ledger.job.tests:
            tests = TestLedger(ledger.job, ledger.trials, profile, listener)
            summary.tests = tests.summary
            _test(tests, workers)
    except KeyboardInterrupt:
        summary.interrupted = True
    finally:
        workers.close()
    summary.wall_seconds = summary.wall_seconds or time.perf_counter() - started
    if trains:
        _finish(ledger)
    return summary


def _test(tests: TestLedger, workers: "_Workers") -> None:
    """Tests what is left to be tested; counts what still is at the end."""
    if tests.todo:
        tests.listener.testing(tests.todo)
    try:
        workers.do(tests, Search())
    finally:
        tests.summary.unfinished = len(tests.unfinished(tests.trials))


@dataclass
class _Workers:
    """The pool that does the work of ledgers, started as often as needed."""

    profile: Profile
    address: str | None
    repair: Callable[[], object]
    pool: WorkerPool | None = None
    losses: int = 0

    def do(self, ledger: Ledger, search: Search) -> None:
        """Hands out round after round all trials that are left; mostly the first round does them all."""
        while ledger.todo or _grow(ledger, search, self.pool):
            free = [t for t in ledger.todo if ledger.is_free(t)]
            if not free:
                time.sleep(1.0)  # all are another driver's: they finish, or fall free
                ledger.update()
                continue
            ledger.begin_round()
            self._round(ledger, free, search)
            if ledger.damage:
                ledger.listener.note(f"{ledger.damage}; it is built again")
                self.repair()
                ledger.damage = ""
            ledger.end_round()

    def _round(self, ledger: Ledger, free: Sequence[Trial], search: Search) -> None:
        try:
            if self.pool is None:
                note = ledger.listener.note
                self.pool = WorkerPool.of_job(ledger.job, ledger.trials, self.profile, self.address, note)
                ledger.listener.started(int(self.pool.slots))
            ledger.summary.slots = self.pool.slots
            self.pool.run(ledger.items(free, search.halving), ledger.record, search.halving)
        except (RayLost, BadInput) as error:
            if isinstance(error, BadInput) and not self.losses:
                raise  # it was never there; after a loss it may still be starting
            self.close()
            self.losses = 1 if ledger.has_progressed() else self.losses + 1
            _wait_after_loss(ledger, str(error), self.losses, is_cluster=self.address is not None)

    def close(self) -> None:
        """Ends the pool, if there is one."""
        if self.pool is not None:
            self.pool.close()
            self.pool = None


def _grow(ledger: Ledger, search: Search, pool: WorkerPool | None) -> bool:
    """Takes more trials from the search, also into a pool that runs."""
    has_grown = ledger.grow(search)
    if has_grown and pool is not None:
        pool.set_job(ledger.job, ledger.trials)
    return has_grown


def _wait_after_loss(ledger: Ledger, reason: str, losses: int, is_cluster: bool) -> None:
    """Gives Ray time to come back. Raises BadInput after too many losses without progress."""
    if losses >= (_LOSSES_OF_CLUSTER if is_cluster else _LOSSES):
        allowed = "a machine that keeps it running"
        remedy = "look at its logs; the same command goes on"
        raise BadInput(f"lost {losses} times without progress ({reason})", "Ray", allowed, remedy) from None
    pause_s = min(5.0 * 2 ** (losses - 1), 60.0)
    ledger.listener.note(f"Ray was lost ({reason}); trials go on from their checkpoints in {pause_s:.0f} s")
    time.sleep(pause_s)
    _free(ledger, ledger.todo)


def _free(ledger: Ledger, trials: Sequence[Trial]) -> list[Trial]:
    """Returns the trials that no process holds, after a while in which workers die; others are another driver's."""
    deadline = time.monotonic() + _DYING_S
    while not all(map(ledger.is_free, trials)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return [t for t in trials if ledger.is_free(t)]


def _record_duplicates(job: Job, trials: Sequence[Trial]) -> None:
    """Records the duplicates whose original finished when nobody was left to record them."""
    twins = {t.id: job.mirrors[t.id] for t in trials if t.id in job.mirrors}
    delivery.record_duplicates(job.where, job.study, twins, partial(head_of, job))


def _finish(ledger: Ledger) -> None:
    """Delivers what waits, puts folds beneath their candidates, and closes the runs that dead workers left open."""
    job, summary = ledger.job, ledger.summary
    todo = unfinished(job, ledger.trials)
    summary.unfinished = len(todo)
    for pause_s in _LAST_TRIES_S if not summary.interrupted else (0.0,):
        time.sleep(pause_s)
        synced = delivery.sync(job.where, Path(job.work))
        summary.undelivered, summary.reason, summary.refused = synced.undelivered, synced.reason, synced.refused
        if not synced.undelivered or synced.refused:
            break
    errors = {t.id: summary.failures.get(t.id, "") for t in _free(ledger, todo)}
    try:
        delivery.nest_folds(job.where, job.study, ledger.trials)
        delivery.close_runs(job.where, job.study, errors)
    except (Away, BadInput) as error:
        summary.reason, summary.refused = str(error), isinstance(error, BadInput)

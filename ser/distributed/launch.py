"""A grid, to its end: which trials are left, who runs them, and what to do when workers, Ray or MLflow go away.

MLflow is the ledger, together with the trials' folders for what it does not have yet. Tune's own restore may run
finished trials again, so it is not used: whatever is not trained is handed to Tune anew, and each trial goes on from
its own checkpoint.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from ser.distributed.ledger import Ledger, Listener, Search, Summary, unfinished
from ser.distributed.pool import RayLost, WorkerPool
from ser.distributed.profile import Profile
from ser.errors import Away, BadInput
from ser.runs import delivery, replica
from ser.study import Trial
from ser.trials.job import Job, head_of
from ser.trials.run import is_free

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
) -> Summary:
    """Trains all of ``trials`` that are not trained yet, as many at once as ``profile`` and the machines allow.

    Trials that another driver is training are waited for. An interrupt ends the running trials at their last
    checkpoint; the same call continues. ``repair`` builds the store again where a worker found it damaged. A ``search``
    is asked for more trials whenever all others have ended. Raises BadInput where there is no such cluster.
    """
    # What earlier calls left: results that wait for MLflow, duplicates without a run, attempts that are used up.
    delivery.sync(job.where, Path(job.work))
    _record_duplicates(job, trials)
    ledger, search = Ledger(job, trials, profile, listener), search or Search()
    summary, pool, losses, started = ledger.summary, None, 0, time.perf_counter()
    replica.begin(job.replica, Path(job.work))
    # A trial that is not free has a worker of another driver, which keeps the count.
    replica.reset(job.replica, Path(job.work), [t.id for t in ledger.todo if is_free(job, t)])
    try:
        # Round after round, all trials that are left are handed out; mostly the first round trains them all.
        while ledger.todo or _grow(ledger, search, pool):
            free = [t for t in ledger.todo if is_free(ledger.job, t)]
            if not free:
                time.sleep(1.0)  # all are another driver's: they finish, or fall free
                ledger.update()
                continue
            ledger.begin_round()
            try:
                if pool is None:
                    pool = WorkerPool.of_job(ledger.job, ledger.trials, profile, address, listener.note)
                    summary.slots = pool.slots
                    listener.started(int(pool.slots))
                pool.run(ledger.items(free, search.halving), ledger.record, search.halving)
            except (RayLost, BadInput) as error:
                if isinstance(error, BadInput) and not losses:
                    raise  # it was never there; after a loss it may still be starting
                if pool is not None:
                    pool.close()
                    pool = None
                losses = 1 if ledger.has_progressed() else losses + 1
                _wait_after_loss(ledger, str(error), losses, is_cluster=address is not None)
            if ledger.damage:
                listener.note(f"{ledger.damage}; it is built again")
                repair()
                ledger.damage = ""
            ledger.end_round()
    except KeyboardInterrupt:
        summary.interrupted = True
    finally:
        if pool is not None:
            pool.close()
    summary.wall_seconds = time.perf_counter() - started
    _finish(ledger)
    return summary


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
    _free(ledger.job, ledger.todo)


def _free(job: Job, trials: Sequence[Trial]) -> list[Trial]:
    """Returns the trials that no process holds, after a while in which workers die; others are another driver's."""
    deadline = time.monotonic() + _DYING_S
    while not all(is_free(job, t) for t in trials) and time.monotonic() < deadline:
        time.sleep(0.1)
    return [t for t in trials if is_free(job, t)]


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
    errors = {t.id: summary.failures.get(t.id, "") for t in _free(job, todo)}
    try:
        delivery.nest_folds(job.where, job.study, ledger.trials)
        delivery.close_runs(job.where, job.study, errors)
    except (Away, BadInput) as error:
        summary.reason, summary.refused = str(error), isinstance(error, BadInput)

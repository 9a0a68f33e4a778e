"""Grids whose finished trials are tested on other corpora: once, after lost pools, deaths and damaged stores."""

import json
import shutil
from dataclasses import asdict
from typing import ClassVar

import pool_here
import pytest

from ser import registry
from ser.data.scan import scan
from ser.distributed import launch, tune
from ser.distributed.messages import Broke, Ended, WorkItem
from ser.distributed.pool import RayLost
from ser.distributed.profile import Profile
from ser.errors import Away
from ser.features.store import Store
from ser.planning.plan import resolve
from ser.prediction import unseen
from ser.runs import later
from ser.runs.outcomes import Failed, Finished
from ser.runs.tracker import Tracker
from ser.study import Corpus, override, part
from ser.trials import run as one
from ser.trials.job import job_of

LOCAL = Profile.read("local")


class Kept:
    """A listener that keeps what it hears of."""

    def __init__(self):
        self.tested, self.outcomes, self.lines = [], {}, []

    def started(self, at_once): ...

    def finished(self, trial, outcome):
        self.outcomes.setdefault(trial.id, []).append(outcome)

    def failed(self, trial, error):
        self.lines.append(error)

    def note(self, line):
        self.lines.append(line)

    def testing(self, trials):
        self.tested += [t.id for t in trials]


class Here(pool_here.Here):
    """A pool that does every item in this process; ``troubles`` come first, one for each call of ``run``."""

    troubles: ClassVar[list[str]] = []
    items: ClassVar[list[WorkItem]] = []

    def run(self, items, on_event, halving=None):
        for item in items:
            (name,) = item.trials
            trouble = type(self).troubles.pop(0) if item.is_test and type(self).troubles else ""
            if trouble == "lost":
                raise RayLost("its head died")
            if trouble == "broke":
                on_event(Broke(name, "the worker died"))
                continue
            type(self).items.append(item)
            on_event(Ended(name, self.do(item)[name]))
            if trouble == "lost after":
                raise RayLost("its head died")


@pytest.fixture(autouse=True)
def _here(monkeypatch):
    monkeypatch.setattr(launch, "WorkerPool", Here)
    monkeypatch.setattr(launch.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(Here, "troubles", [])
    monkeypatch.setattr(Here, "items", [])


@pytest.fixture(scope="module")
def grid(study, manifests, tmp_path_factory):
    """A plan whose trials are tested on a corpus that none trains on, and a store with all features."""
    root = tmp_path_factory.mktemp("savee")
    registry.find("corpora", "savee").miniature(root)
    savee = scan("savee", "savee", root, {}, root / "scans")
    tests = override(override(study, "test_on", ("savee",)), "test_side", "all")
    brought = {"savee": (Corpus("savee", "S", part("savee"), study.other_corpora), savee)}
    plan, store = resolve(tests, {"ravdess": manifests["ravdess"]}, brought=brought), Store(root / "store")
    for source in (*plan.sources.values(), *plan.unseen.sources.values()):
        for recipe in source.entries:
            store.build(recipe)
    return plan, root / "store"


@pytest.fixture
def job(grid, where, tmp_path):
    plan, store = grid
    return job_of(plan, where, tmp_path, str(store), "cpu", 1, "test", [])


@pytest.fixture
def trials(grid):
    return [t for t in grid[0].to_run if t.block.name == "lstm"]


def assert_tested_once(job, trials):
    tracker = Tracker(job.where, job.study)
    for trial in trials:
        run = tracker.finished(trial.id)[trial.id]
        assert run.info.status == "FINISHED"
        assert set(later.marks_of(run)) == {"savee"}
        for key in (k for k in run.data.metrics if k.startswith("cross/")):
            assert len(tracker.client.get_metric_history(run.info.run_id, key)) == 1


@pytest.mark.parametrize("troubles", [[], ["lost"], ["lost after"], ["broke", "", "lost after"]])
def test_trials_are_trained_and_then_tested_once_whatever_is_lost(job, trials, troubles):
    heard = Kept()
    Here.troubles[:] = troubles
    summary = launch.run(job, trials, LOCAL, None, heard)
    assert (summary.trained, summary.unfinished, summary.failures) == (len(trials), 0, {})
    assert summary.tests.unfinished == 0
    assert set(heard.tested) == {t.id for t in trials}
    assert_tested_once(job, trials)
    Here.items.clear()
    again = launch.run(job, trials, LOCAL, None, Kept())
    assert (again.trained, again.tests.trained, Here.items) == (0, 0, [])


def test_old_runs_are_tested_without_training_with_the_numbers_of_the_whole_command(job, trials, grid, tmp_path):
    launch.run(job, trials, LOCAL, None, Kept())
    tracker = Tracker(job.where, job.study)
    before = {t.id: tracker.finished(t.id)[t.id].data.metrics for t in trials}
    for trial in trials:  # as if they had never been tested
        tracker.client.delete_tag(tracker.finished(trial.id)[trial.id].info.run_id, "cross/savee")
    Here.items.clear()
    tests_alone = job_of(grid[0].for_tests, job.where, tmp_path, job.store, "cpu", 1, "test", [])
    assert tests_alone.tests == job.tests
    summary = launch.run(tests_alone, trials, LOCAL, None, Kept(), trains=False)
    assert summary.tests.trained == len(trials)
    assert all(item.is_test for item in Here.items)
    after = {t.id: tracker.finished(t.id)[t.id].data.metrics for t in trials}
    assert after == before


def test_trials_that_are_not_finished_are_not_tested(job, trials):
    assert isinstance(one.run(job, trials[0]), Finished)
    summary = launch.run(job, trials, LOCAL, None, Kept(), trains=False)
    assert (summary.tests.trained, summary.tests.unfinished, summary.trained) == (1, 0, 0)
    assert [item.trials for item in Here.items] == [(trials[0].id,)]


def test_a_damaged_store_is_built_again_and_a_test_that_cannot_be_done_is_left(job, trials, grid, monkeypatch):
    one.run(job, trials[0])
    plan, store = grid
    (source,) = plan.unseen.sources.values()
    entry = store / source.entries[0].key
    shutil.move(entry, store / "aside")
    from ser.trials import inputs

    inputs._items.cache_clear()
    inputs._entry.cache_clear()
    repaired = []

    def repair():
        repaired.append(True)
        if (store / "aside").exists():
            shutil.move(store / "aside", entry)

    summary = launch.run(job, trials[:1], LOCAL, None, Kept(), repair, trains=False)
    assert repaired
    assert summary.tests.trained == 1
    one.run(job, trials[1])
    monkeypatch.setattr(unseen, "_tested", lambda *_: (_ for _ in ()).throw(unseen.BadInput("it", "is", "not", "so")))
    summary = launch.run(job, trials, LOCAL, None, Kept(), trains=False)
    assert list(summary.tests.failures) == [trials[1].id]
    assert summary.tests.unfinished == 1


def test_while_mlflow_is_away_what_is_left_stays_left(job, trials, monkeypatch):
    one.run(job, trials[0])
    ledger = launch.TestLedger(job, trials[:1], LOCAL, Kept())
    assert ledger.todo == trials[:1]

    def away(*_):
        raise Away("it restarts")

    with monkeypatch.context() as patch:
        patch.setattr(unseen, "untested", away)
        ledger.update()
        assert ledger.todo == trials[:1]
    (item,) = ledger.items(ledger.todo, None)
    assert tune._item({"item": json.dumps(asdict(item))}) == item
    ledger.record(Ended(trials[0].id, Failed("no")))
    ledger.update()
    assert ledger.todo == []

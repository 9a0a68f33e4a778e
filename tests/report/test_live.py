"""The page that follows running grids: folders of trials as training leaves them, runs as the store has them."""

import json
import os
import re
import time
from pathlib import Path

import pytest

from ser.errors import Away
from ser.report import live, live_page
from ser.report.live import Watcher, look_at_folders
from ser.runs import attempts
from ser.runs.folder import Head, RunFolder, work_id
from ser.runs.location import Location
from ser.runs.reader import Data, Experiment, Info, Page, Point, Run
from ser.study import SCHEMA

HOSTILE = "<img src=x onerror=alert(1)>"
GRID = json.dumps({"corpora": [], "seeds": 1, "count": 6})
NOW_MS = int(time.time() * 1000)


def run(trial, status="FINISHED", minutes_ago=1, metrics=None, work="", title="", **tags):
    """A run that took a minute."""
    start = NOW_MS - 60_000 * (minutes_ago + 1)
    end = None if status == "RUNNING" else start + 60_000
    info = Info(f"run-{trial}", title or f"title {trial}", status, start, end, "", "1", "active")
    every = {"trial_id": trial, "title": title or f"title {trial}", "grid": GRID, "variant": "v", "schema": str(SCHEMA)}
    return Run(info, Data({"corpora": "emodb"}, every | {"work": work} | tags, dict(metrics or {})))


class Store:
    """A tracking store of one study that may be away."""

    def __init__(self, *runs):
        self.runs, self.away = runs, False

    def search_experiments(self):
        if self.away:
            raise Away("the server does not answer")
        return [Experiment("1", "grid", "", "active", {})]

    def search_runs(self, experiments, query, max_results, order_by, page_token=None):
        since = int(query.rpartition(" ")[2]) if "end_time" in query else None
        runs = [r for r in self.runs if "RUNNING" not in query or r.info.status == "RUNNING"]
        runs = [r for r in runs if since is None or (r.info.end_time or 0) >= since]
        page = Page(runs[int(page_token or 0) :][:max_results])
        page.token = str(int(page_token or 0) + max_results) if len(runs) > int(page_token or 0) + max_results else None
        return page

    def get_metric_history(self, run_id, key):
        return [Point(key, value, 0, step) for step, value in ((2, 0.5), (1, 1.0))] if key == "val/loss" else []


@pytest.fixture
def watch(tmp_path, monkeypatch):
    """What watches the work folder, whose tracking store has these runs; every look is a new one."""

    def watcher(*runs):
        store = Store(*runs)
        monkeypatch.setattr(live.reader, "client", lambda *_, **__: store)
        return Watcher(Location("sqlite:///unused", ""), tmp_path, every_s=0.0), store

    return watcher


def trained_here(work, trial, epochs=3, title="", seconds_ago=0.0):
    """The folder of a trial in training."""
    folder = RunFolder(work, trial)
    folder.path.mkdir(parents=True)
    folder.begin(Head("grid", trial, title or f"title {trial}", {}, {}))
    attempts.begin(folder.path)
    for epoch in range(1, epochs + 1):
        row = {"train/loss": 1 / epoch, "val/loss": 2 / epoch, "val/ua/emodb": 0.2 * epoch, "timestamp_ms": 0}
        folder.add_epoch(epoch, row)
    for path in folder.path.iterdir():
        os.utime(path, (time.time() - seconds_ago,) * 2)
    return folder


def files(folder):
    return {str(p.relative_to(folder)): (p.stat().st_mtime_ns, p.stat().st_size) for p in Path(folder).rglob("*")}


def test_a_running_grid_is_shown_with_the_curves_of_its_trials_and_nothing_is_written(tmp_path, watch, accessible):
    own = work_id(tmp_path)
    trained_here(tmp_path, "b")
    before = files(tmp_path)
    watcher, _ = watch(
        run("a", metrics={"ua/emodb": 0.612}),
        run("b", "RUNNING", work=own),
        run("c", "RUNNING", work="another"),
        run("d", "FAILED", error="out of memory"),
    )
    snapshot = watcher.snapshot()
    (study,) = snapshot.studies
    assert (study.progress.finished, study.progress.expected, study.open) == (1, 6, 2)
    here, elsewhere = sorted(study.trials, key=lambda trial: trial.run.trial_id)
    assert here.curves == (("train/loss", (1.0, 0.5, 1 / 3)), ("val/loss", (2.0, 1.0, 2 / 3)))
    assert dict(here.latest)["val/ua/emodb"] == pytest.approx(0.6)
    assert 0 <= here.silent_s < 60
    assert not study.is_still
    assert (elsewhere.epochs, elsewhere.curves, elsewhere.silent_s) == (2, (("val/loss", (1.0, 0.5)),), None)
    page = live_page.page(snapshot)
    for words in ("1 of 6", "61.2 % UA", "epoch 3: training loss 0.333, validation loss 0.667", "out of memory"):
        assert words in page, words
    assert "validation UA emodb 60.0 %" in page
    assert "trained elsewhere, seen by what it sent" in page
    assert page.count("<svg") == 2
    assert "../#/experiments/1/runs/run-b" in page
    assert files(tmp_path) == before
    (tmp_path / "live.html").write_text(page, encoding="utf-8")
    accessible(tmp_path / "live.html")


def test_a_grid_whose_command_was_ended_is_said_to_stand_still(tmp_path, watch):
    own = work_id(tmp_path)
    trained_here(tmp_path, "b", seconds_ago=3600)
    watcher, _ = watch(run("a"), run("b", "RUNNING", work=own))
    (study,) = watcher.snapshot().studies
    assert study.is_still
    page = live_page.page(watcher.snapshot())
    assert "nothing moves" in page
    assert "ser run grid" in page
    assert "trials per hour" not in page


def test_a_grid_without_a_run_is_said_not_to_have_begun(tmp_path, watch):
    watcher, _ = watch()
    page = live_page.page(watcher.snapshot())
    assert "no trial has begun" in page
    assert "0 of 0 trials finished" not in re.sub(r"</?b>", "", page)


def test_a_store_that_is_away_leaves_what_was_known(tmp_path, watch):
    watcher, store = watch(run("a", metrics={"ua/emodb": 0.612}))
    watcher.snapshot()
    store.away = True
    snapshot = watcher.snapshot()
    assert snapshot.problem == "the server does not answer"
    assert snapshot.studies[0].progress.finished == 1
    page = live_page.page(snapshot, "http://mlflow:5000", "http://mlflow:5000")
    assert "the server does not answer" in page
    assert "of such as wait there for the server nothing" in page


def test_names_and_errors_of_strangers_are_text(tmp_path, watch):
    own = work_id(tmp_path)
    trained_here(tmp_path, "b", title=HOSTILE)
    attempts.note(tmp_path / "trials" / "b", HOSTILE)
    watcher, _ = watch(
        run("a", metrics={"ua/emodb": 0.5}, title=HOSTILE),
        run("b", "RUNNING", work=own, title=HOSTILE),
        run("c", "FAILED", error=HOSTILE, title=HOSTILE),
    )
    page = live_page.page(watcher.snapshot())
    assert HOSTILE not in page
    assert page.count("&lt;img src=x") >= 6


def test_trials_that_wait_for_the_store_and_those_that_are_tried_again_are_told(tmp_path):
    for trial in ("a", "b"):
        folder = trained_here(tmp_path, trial)
        folder.files.mkdir()
        folder.complete({"ua/emodb": 0.5})
    trained_here(tmp_path, "c")
    attempts.note(tmp_path / "trials" / "c", "the kernel killed the worker")
    folders = look_at_folders(tmp_path)
    assert (folders.waiting, folders.unfinished, folders.is_part) == (2, 1, False)
    assert folders.retried == (("title c", "the kernel killed the worker"),)
    assert look_at_folders(tmp_path / "none") == live.Folders()


def test_of_very_many_runs_a_refresh_reads_some_and_says_so(tmp_path, watch, monkeypatch):
    monkeypatch.setattr(live, "_PAGES", 1)
    watcher, _ = watch(*(run(f"t{i}", minutes_ago=i) for i in range(600)))
    looks = []

    def clock():  # a page takes longer than half of the time that there is
        looks.append(1)
        return 0.6 * len(looks)

    monkeypatch.setattr(live.time, "perf_counter", clock)
    snapshot = watcher.snapshot()
    (study,) = snapshot.studies
    assert (study.progress.finished, study.read) == (250, 250)
    assert "250 runs are read by now" in live_page.page(snapshot)
    watcher.snapshot()
    (study,) = watcher.snapshot().studies
    assert (study.progress.finished, study.read) == (600, 0)


def test_many_readers_share_a_look(tmp_path, watch):
    watcher, store = watch(run("a"))
    watcher._every_s = 60.0
    first = watcher.snapshot()
    store.runs = ()
    assert watcher.snapshot() is first


@pytest.mark.parametrize(
    ("curves", "points"),
    [
        ([], []),
        ([("val/loss", (1.0,))], []),
        ([("val/loss", (3.0, 1.0, 2.0))], ["0.0,0.0 150.0,60.0 300.0,30.0"]),
        ([("val/loss", (2.0, float("nan"), 1.0))], ["0.0,0.0 300.0,60.0"]),
        ([("train/loss", (1.0, 0.0)), ("val/loss", (1.0, 1.0))], ["0.0,0.0 300.0,60.0", "0.0,0.0 300.0,0.0"]),
    ],
)
def test_curves_are_drawn_on_one_scale(curves, points):
    assert [
        part.partition('points="')[2].partition('"')[0] for part in live_page.drawing(curves).split("/>")[:-1]
    ] == points

"""Grids on Ray: everything finishes once, whatever is killed or interrupted, with the numbers of a single process."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import half_grid
import pandas as pd
import psutil
import pytest

from ser.cli.live import Live
from ser.cli.main import main
from ser.distributed import launch, ledger
from ser.distributed.messages import Broke, Ended, EpochDone
from ser.distributed.profile import Profile
from ser.errors import Away, BadInput
from ser.runs.location import Location
from ser.runs.outcomes import Finished, UnfitNode
from ser.runs.tracker import Tracker
from ser.trials import run as one
from ser.trials.job import Job, job_of


class Heard:
    """A listener that keeps what it is told."""

    def __init__(self):
        self.results, self.errors, self.lines = {}, {}, []

    def started(self, at_once):
        self.at_once = at_once
        processes = [c for child in psutil.Process().children() for c in (child, *child.children(recursive=True))]
        self.listening = [
            c.laddr.ip for p in processes for c in p.net_connections("inet") if c.status == psutil.CONN_LISTEN
        ]
        self.folders = [path.parent for path in locked() if "ser-ray-" in str(path)]

    def finished(self, trial, outcome):
        self.results[trial.id] = outcome

    def failed(self, trial, error):
        self.errors[trial.id] = error

    def note(self, line):
        self.lines.append(line)


def locked():
    """Locks of folders that this process holds."""
    held = (os.path.realpath(path) for path in Path("/proc/self/fd").iterdir())
    return [Path(path) for path in held if path.endswith("/.lock")]


LOCAL = Profile.read("local")


def scores(job):
    """Predictions of every finished run by trial."""
    tracker = Tracker(job.where, job.study)
    return {
        trial_id: pd.read_csv(tracker.artifact(run, "predictions.csv")) for trial_id, run in tracker.finished().items()
    }


def test_a_grid_finishes_with_the_numbers_of_a_single_process(
    job, trial_of, plan, features, empty_ledger, tmp_path, monkeypatch
):
    trials = [trial_of("R"), trial_of("T+R", block="tdnn", task="multi"), trial_of("T+R", block="blstm")]
    heard = Heard()
    summary = launch.run(job, trials, LOCAL, None, heard)
    assert (summary.trained, summary.unfinished, summary.failures, summary.interrupted) == (3, 0, {}, False)
    assert heard.results.keys() == {t.id for t in trials}
    assert heard.at_once >= 1
    assert len(heard.listening) > 2
    assert {ip.removeprefix("::ffff:") for ip in heard.listening} <= {"127.0.0.1", "::1"}
    assert len(heard.folders) == 1
    assert not heard.folders[0].exists()
    runs = Tracker(job.where, job.study).runs()
    assert sorted(r.data.tags["trial_id"] for r in runs) == sorted([*(t.id for t in trials), *mirrored(job, trials)])

    monkeypatch.delattr(launch, "WorkerPool")  # a second call needs no workers
    assert launch.run(job, trials, LOCAL, None, heard).trained == 0
    assert ended(job) == {r.info.run_id: r.info.end_time for r in runs}

    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(empty_ledger, alone / "mlflow.db")
    plain = job_of(plan, Location.of(alone, None), alone, str(features), "cpu", 1, "test", [])
    for trial in trials:
        one.run(plain, trial)
    expected = scores(plain)
    for trial_id, table in scores(job).items():
        pd.testing.assert_frame_equal(table, expected[trial_id])


def ended(job):
    """When each run ended."""
    return {r.info.run_id: r.info.end_time for r in Tracker(job.where, job.study).runs()}


def mirrored(job, trials):
    return [twin.id for t in trials for twin in job.mirrors.get(t.id, ())]


def wait_for(what):
    """The first true value of ``what()``, within three minutes."""
    for _ in range(1800):
        if found := what():
            return found
        time.sleep(0.1)
    raise TimeoutError


def training(work):
    """Checkpoints of trials that are under way."""
    return list(Path(work, "trials").glob("*/checkpoint.pt"))


def test_an_interrupted_command_goes_on_and_ends_in_a_report(data, tiny, one_at_once, empty_ledger, tmp_path, capsys):
    shutil.copy(empty_ledger, tmp_path / "mlflow.db")
    work = [half_grid.__file__, "--work", str(tmp_path)]
    command = ["run", *work, "--data", str(data), "--corpora", "ravdess", *tiny, *one_at_once]
    command += ["--set=training.max_epochs=15", "--set=training.patience_epochs=15"]
    # A suite that was itself started in the background inherits that SIGINT is ignored.
    heed = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    call = f"{heed}; import sys; from ser.cli.main import main; sys.exit(main())"
    process = subprocess.Popen([sys.executable, "-c", call, *command], stderr=subprocess.PIPE, text=True)
    wait_for(lambda: training(tmp_path) or process.poll() is not None)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    tracker = Tracker(Location.of(tmp_path, None), "interaffection")
    assert len(tracker.finished()) < 6
    assert {r.info.status for r in tracker.runs()} <= {"FINISHED", "KILLED"}

    assert main(command) == 0
    runs = tracker.runs()
    assert [r.info.status for r in runs] == ["FINISHED"] * 6
    assert len({r.data.tags["trial_id"] for r in runs}) == 6
    capsys.readouterr()

    assert main(["status", *work]) == 0
    assert "6 of 6 trials finished" in capsys.readouterr().out
    assert main(["report", *work, "--replicates", "10"]) == 0
    assert "Table 2" in capsys.readouterr().out
    report = tmp_path / "reports" / "interaffection"
    assert {p.name for p in report.iterdir()} >= {"tables.md", "tables.csv", "tables.tex", "report.html"}
    assert main([*command, "--plan"]) == 0
    assert "nothing left to train" in capsys.readouterr().out


def test_a_duplicate_that_nobody_recorded_is_recorded_by_the_next_call(job, trial_of, monkeypatch):
    trial = trial_of("R")
    one.run(job_without_mirrors(job), trial)
    monkeypatch.delattr(launch, "WorkerPool")
    launch.run(job, [trial], LOCAL, None, Heard())
    assert Tracker(job.where, job.study).finished().keys() == {trial.id, *mirrored(job, [trial])}


def job_without_mirrors(job):
    return Job(**{**vars(job), "mirrors": {}})


def test_an_unknown_profile_is_refused_with_those_that_exist(tmp_path):
    with pytest.raises(BadInput, match="local, gpu; did you mean local"):
        Profile.read("lokal")
    (tmp_path / "mine.toml").write_text('device = "cpu"\ncores = 3\n')
    with pytest.raises(BadInput, match="cpus_per_trial"):
        Profile.read(str(tmp_path / "mine.toml"))
    (tmp_path / "mine.toml").write_text("device = ")
    with pytest.raises(BadInput, match="fix the profile"):
        Profile.read(str(tmp_path / "mine.toml"))


def test_only_deaths_without_progress_count(job, trial_of):
    trial, heard = trial_of("R"), Heard()
    grid = ledger.Ledger(job, [trial], LOCAL, heard)
    for epoch in range(1, 9):
        grid.record(EpochDone(trial.id, epoch, "node", 7))
        grid.record(Broke(trial.id, "the worker died"))
    assert heard.errors == {}
    for _ in range(2):
        grid.record(Broke(trial.id, "the worker died"))
    assert heard.errors == grid.summary.failures == {trial.id: "the worker died"}


class Pool:
    """Workers that do nothing, and end the first trial of every round so."""

    slots = 1.0

    def __init__(self, *outcomes):
        self.outcomes, self.rounds = outcomes, 0

    def of_job(self, *given):
        return self

    def run(self, items, on_event, halving=None):
        self.rounds += 1
        for outcome in self.outcomes:
            on_event(Ended(items[0].trials[0], outcome))

    def close(self): ...


@pytest.mark.parametrize(
    ("outcomes", "rounds"),
    [
        ([Finished()], ledger._FRUITLESS + 1),  # as where MLflow forgets at once: once it counts
        ([], ledger._FRUITLESS),
        ([UnfitNode("no store")], ledger._WAITING),
    ],
)
def test_passes_that_reach_nothing_end_with_the_reason(job, trial_of, monkeypatch, outcomes, rounds):
    trial, heard, pool = trial_of("R"), Heard(), Pool(*outcomes)
    monkeypatch.setattr(launch, "WorkerPool", pool)
    monkeypatch.setattr(heard, "started", lambda at_once: None)
    with pytest.raises(BadInput, match=f"1 trials were handed out {rounds - (rounds == 4)} times, and none went on"):
        launch.run(job, [trial], LOCAL, None, heard)
    assert pool.rounds == rounds
    assert len(heard.results) <= 1


def test_a_trial_whose_run_was_deleted_is_trained_again_also_while_mlflow_is_away(job, trial_of, monkeypatch):
    trial = trial_of("R")
    one.run(job, trial)
    assert ledger.unfinished(job, [trial]) == []
    tracker = Tracker(job.where, job.study)
    tracker.client.delete_run(tracker.finished()[trial.id].info.run_id)
    Tracker.cache.clear()  # as for the next command
    assert ledger.unfinished(job, [trial]) == [trial]

    def away(*_):
        raise Away("it does not answer")

    monkeypatch.setattr(Tracker, "of", away)
    assert ledger.unfinished(job, [trial]) == [trial]


def test_trials_that_end_several_times_are_counted_once(trial_of, tmp_path):
    trial = trial_of("R")
    with Live([trial], 0, tmp_path / "log") as live:
        live.started(2)
        for _ in range(3):
            live.finished(trial, Finished())
        assert live.summary().startswith("1 of 1 done, 0 running, 0 failed, 0:00:00 left")

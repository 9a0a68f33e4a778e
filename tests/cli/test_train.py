"""``ser train``: one trial in this process has the numbers of the grid, is found by what is typed, and counts once."""

import pdb
import shutil
from dataclasses import replace

import pool_here
import pytest
import tiny_search
import torch

from ser.cli.main import main
from ser.distributed import launch
from ser.errors import BadInput
from ser.planning import request
from ser.planning.selection import select
from ser.runs.folder import RunFolder
from ser.runs.location import Location
from ser.runs.outcomes import Finished
from ser.runs.tracker import Tracker
from ser.training import train
from ser.trials import group

TITLE = "R lstm mean unified"


@pytest.fixture
def work(tmp_path, empty_ledger):
    """A work folder with an empty ledger."""
    (tmp_path / "work").mkdir()
    shutil.copy(empty_ledger, tmp_path / "work" / "mlflow.db")
    return tmp_path / "work"


@pytest.fixture
def command(data, tiny, features, work):
    """The options that say what is trained, on the miniature of RAVDESS, and where."""
    return ["interaffection", "--corpora", f"ravdess={data}", *tiny, "--store", str(features), "--work", str(work)]


@pytest.fixture
def trial(trial_of):
    return trial_of("R")


def tracker(work):
    return Tracker(Location.of(work, None), "interaffection", to_read=True)


def numbers(ledger, run):
    """Everything that may not differ by a bit: curves, scores, predictions and weights of a finished run."""
    metrics = [k for k in run.data.metrics if not k.startswith(("seconds/", "system/"))]
    history = {k: [(m.step, m.value) for m in ledger.client.get_metric_history(run.info.run_id, k)] for k in metrics}
    weights = torch.load(ledger.artifact(run, "best.pt"))
    predictions = ledger.artifact(run, "predictions.csv").read_bytes()
    return history, predictions, {name: w.numpy().tobytes() for name, w in weights.items()}


# the numbers


def test_a_trial_trained_here_has_the_numbers_of_the_grid(
    command, work, trial, tmp_path, one_at_once, monkeypatch, capsys
):
    """That Ray's workers have the numbers of one process: test_launch."""
    monkeypatch.setattr(launch, "WorkerPool", pool_here.Here)
    apart = tmp_path / "grid"
    assert main(["run", *command[:-1], str(apart), *one_at_once]) == 0
    assert main(["train", *command, "--trial", TITLE]) == 0
    grid, here = tracker(apart), tracker(work)
    assert numbers(here, here.finished()[trial.id]) == numbers(grid, grid.finished()[trial.id])
    assert here.finished()[trial.id].data.params == grid.finished()[trial.id].data.params
    out = capsys.readouterr().out
    assert "epoch 2: train loss" in out
    assert "val UA ravdess" in out
    assert "test UA ravdess" in out
    # A grid that goes on from here does not train it again, nor its equal.
    assert main(["run", *command, "--plan"]) == 0
    assert "; 2 finished" in " ".join(capsys.readouterr().out.split())


def test_a_finished_trial_is_not_trained_again(command, work, trial, capsys, monkeypatch):
    assert main(["train", *command, "--trial", TITLE]) == 0
    first = tracker(work).finished()
    assert first.keys() == {trial.id, replace(trial, task="multi").id}  # the equal trial counts, too
    monkeypatch.setattr(train, "_train_epoch", None)
    assert main(["train", *command, "--trial", trial.id]) == 0
    assert "finished already" in capsys.readouterr().out
    assert {k: r.info.run_id for k, r in tracker(work).finished().items()} == {
        k: r.info.run_id for k, r in first.items()
    }


def test_a_stacked_trial_alone_has_the_numbers_it_has_in_its_group(data, tmp_path, empty_ledger):
    study = tiny_search.study("cnn1d", search=tiny_search.RANDOM.changed(candidates=2, per_shape=2))
    plan = tiny_search.plan(study, data, tmp_path / "cache")
    members = [t for t in plan.trials if t.role.name == "candidate"]
    made = {}
    for name, groups in {"group": [members], "alone": [[t] for t in members]}.items():
        (tmp_path / name).mkdir()
        shutil.copy(empty_ledger, tmp_path / name / "mlflow.db")
        job = tiny_search.job(plan, tmp_path / "cache", tmp_path / name)
        for trials in groups:
            assert {type(outcome) for outcome in group.run(job, trials).values()} == {Finished}
        ledger = Tracker(job.where, job.study)
        made[name] = {t.id: numbers_of_stacked(ledger, ledger.finished()[t.id]) for t in members}
    assert made["alone"] == made["group"]


def numbers_of_stacked(ledger, run):
    weights = torch.load(ledger.artifact(run, "best.pt"))
    curve = [m.value for m in ledger.client.get_metric_history(run.info.run_id, "val/loss")]
    return curve, {name: w.numpy().tobytes() for name, w in weights.items()}


# without tracking


def test_without_tracking_nothing_is_sent_now_or_later(command, work, trial, monkeypatch, capsys):
    monkeypatch.setattr(Tracker, "start", None)
    assert main(["train", *command, "--trial", TITLE, "--no-tracking"]) == 0
    files = RunFolder(work / "untracked", trial.id).files
    assert {p.name for p in files.iterdir()} >= {"predictions.csv", "confusion", "best.pt"}
    assert str(files) in capsys.readouterr().out
    monkeypatch.undo()
    assert main(["sync", "--work", str(work)]) == 0
    assert "0 trained trials delivered" in capsys.readouterr().out
    # The same command trains anew.
    (files / "predictions.csv").unlink()
    assert main(["train", *command, "--trial", TITLE, "--no-tracking"]) == 0
    assert (files / "predictions.csv").exists()


def test_numbers_are_the_same_with_and_without_tracking(command, work, trial):
    assert main(["train", *command, "--trial", TITLE, "--no-tracking"]) == 0
    assert main(["train", *command, "--trial", TITLE]) == 0
    untracked = RunFolder(work / "untracked", trial.id).files / "predictions.csv"
    sent = tracker(work).artifact(tracker(work).finished()[trial.id], "predictions.csv")
    assert untracked.read_bytes() == sent.read_bytes()


# errors


def test_a_debugger_is_entered_where_an_error_was_raised(command, work, trial, monkeypatch, capsys):
    places = []

    def look(traceback):
        while traceback.tb_next:
            traceback = traceback.tb_next
        places.append(traceback.tb_frame.f_code.co_name)

    def broken_epoch(run, epoch):
        raise train.Diverged("loss nan at step 3")

    monkeypatch.setattr(pdb, "post_mortem", look)
    monkeypatch.setattr(train, "_train_epoch", broken_epoch)
    assert main(["train", *command, "--trial", TITLE, "--pdb"]) != 0
    assert places == ["broken_epoch"]
    assert "Diverged: loss nan at step 3\npdb" in capsys.readouterr().out
    (run,) = tracker(work).runs(f"tags.trial_id = '{trial.id}'")
    assert run.info.status == "FAILED"
    # Without --pdb the same ends as a failed trial.
    assert main(["train", *command, "--trial", TITLE]) == 1
    assert places == ["broken_epoch"]
    assert "failed: Diverged: loss nan at step 3" in capsys.readouterr().out


def test_a_damaged_store_is_built_again(command, work, trial, data, tiny, features, tmp_path, capsys, monkeypatch):
    shutil.copytree(features, tmp_path / "store")
    command = [*command[: command.index("--store")], "--store", str(tmp_path / "store"), "--work", str(work)]
    prepare, shards = request.prepare, sorted((tmp_path / "store").rglob("*.npy"))

    def damaged_after(*args):
        refused = prepare(*args)
        monkeypatch.setattr(request, "prepare", prepare)
        for shard in shards:
            content = bytearray(shard.read_bytes())
            content[-1] ^= 1  # one bit
            shard.write_bytes(content)
        return refused

    monkeypatch.setattr(request, "prepare", damaged_after)
    assert main(["train", *command, "--trial", TITLE]) == 0
    assert "it is built again" in capsys.readouterr().out
    assert trial.id in tracker(work).finished()


# which trial


def test_a_trial_is_found_by_title_sign_and_beginning(plan):
    for trial in plan.trials:
        assert select(plan.trials, trial.id) is trial
        assert select(plan.trials, trial.title) is trial
    wanted = select(plan.trials, "T+R · lstm · μσ² · multi")
    for text in ("t+r lstm mean_var multi", "T+R  lstm μσ2 multi", " T+R · lstm · µσ² · multi", wanted.id[:6].upper()):
        assert select(plan.trials, text) is wanted


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("T+R lstm mean", r"T\+R · lstm · μ · unified \("),
        ("T+R lstn mean_var multi", r"allowed: T\+R · lstm · μσ² · multi \("),
        ("", "and 19 more"),
    ],
)
def test_a_name_of_no_trial_is_refused_with_the_nearest(plan, text, allowed):
    with pytest.raises(BadInput, match=rf"--trial: .*{allowed}"):
        select(plan.trials, text)


def test_the_beginning_of_several_ids_is_refused_with_their_titles(plan):
    first, second = plan.trials[:2]
    with pytest.raises(BadInput, match=r"--trial: 'r lstm mean unified' is 2 trials"):
        select([first, first], TITLE.lower())
    digit = next(t.id[0] for t in plan.trials if sum(o.id[0] == t.id[0] for o in plan.trials) > 1)
    with pytest.raises(BadInput, match=rf"--trial: '{digit}' is \d+ trials"):
        select(plan.trials, digit)
    assert second


def test_a_trial_that_there_is_not_is_refused_before_anything_is_computed(command, work, capsys, monkeypatch):
    monkeypatch.setattr(request, "prepare", None)
    assert main(["train", *command, "--trial", "R lstm"]) == 2
    assert "--trial: 'R lstm'; allowed: R · lstm · μ · unified" in capsys.readouterr().err

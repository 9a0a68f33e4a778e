"""Trials trained together: each leaves the run it would leave alone, and none is another's loss."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import tiny_search
import torch

from ser.distributed import ledger
from ser.distributed.ledger import Search
from ser.distributed.messages import Halving, WorkItem
from ser.distributed.profile import Profile
from ser.errors import BadInput
from ser.files import Damaged
from ser.runs import attempts
from ser.runs.folder import RunFolder
from ser.runs.outcomes import Busy, Failed, Finished, StoreDamaged, Undelivered
from ser.runs.tracker import Tracker
from ser.study import override, part
from ser.trials import group
from ser.trials import run as one

PBT = part("pbt", members=2, generations=2, quantile=0.5, seed=0, by="loss")
RNN = tiny_search.study("rnn", search=tiny_search.RANDOM.changed(candidates=2, per_shape=2))


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def rnn(data, cache):
    return tiny_search.plan(RNN, data, cache)


@pytest.fixture
def place(tmp_path, empty_ledger):
    """A folder with an empty ledger."""

    def make(name):
        (tmp_path / name).mkdir()
        shutil.copy(empty_ledger, tmp_path / name / "mlflow.db")
        return tmp_path / name

    return make


@pytest.fixture
def job(rnn, cache, place):
    return tiny_search.job(rnn, cache, place("work"))


@pytest.fixture
def four(rnn):
    """Two candidates in two folds each: one group."""
    return [t for t in rnn.trials if t.role.name == "candidate"]


def tracker(job):
    return Tracker(job.where, job.study)


def numbers(job, trial):
    """Curves and scores of its finished run."""
    ledger = tracker(job)
    run = ledger.finished()[trial.id]
    kept = [k for k in run.data.metrics if not k.startswith(("seconds/", "system/")) and k != "stacked_trials"]
    return {k: ledger.curve(run.info.run_id, k) for k in kept}


def test_a_group_leaves_the_runs_that_its_trials_leave_alone(job, four, rnn, cache, place):
    told = group.run(job, four)
    assert {t.id: Finished for t in four} == {k: type(v) for k, v in told.items()}
    apart = tiny_search.job(rnn, cache, place("apart"))
    for trial in four:
        assert isinstance(one.run(apart, trial), Finished)
        together, alone = numbers(job, trial), numbers(apart, trial)
        assert together.keys() - alone.keys() == {"train/accuracy/ravdess"}
        assert alone.keys() <= together.keys()
        for name in alone:
            assert together[name] == pytest.approx(alone[name], abs=1e-4), name
        runs = [tracker(j).finished()[trial.id] for j in (job, apart)]
        assert runs[0].data.params == runs[1].data.params == trial.params()
        assert runs[0].data.metrics["stacked_trials"] == 4
        assert told[trial.id].results["objective/wa"] == runs[0].data.metrics["objective/wa"]
        weights = [torch.load(tracker(j).artifact(r, "best.pt")) for j, r in zip((job, apart), runs, strict=True)]
        assert weights[0].keys() == weights[1].keys()
        for name in weights[0]:
            torch.testing.assert_close(weights[0][name], weights[1][name], atol=1e-4, rtol=0)
        tables = [tracker(j).artifact(r, "layers.json").read_text() for j, r in zip((job, apart), runs, strict=True)]
        assert tables[0] == tables[1]
        assert json.loads(tables[0])[-1]["name"] == "head"
    assert list(Path(job.work, "trials").iterdir()) == []


def test_members_that_learn_from_validation_too_are_trained_again_as_alone(job, four, rnn, cache, place):
    both = [
        replace(t, training=replace(t.training, learns_from="train_and_validation", max_epochs=epochs))
        for t, epochs in zip(four, (3, 2, 3, 2), strict=True)
    ]
    told = group.run(job, [*both[:3], four[3]])
    apart = tiny_search.job(rnn, cache, place("apart"))
    for trial in both[:3]:
        assert isinstance(one.run(apart, trial), Finished)
        together, alone = numbers(job, trial), numbers(apart, trial)
        assert "refit/train/loss/ravdess" in alone
        assert together.keys() - alone.keys() == {f"{kind}train/accuracy/ravdess" for kind in ("", "refit/")}
        for name in alone:
            assert together[name] == pytest.approx(alone[name], abs=1e-4), name
        weights = [torch.load(tracker(j).artifact(tracker(j).finished()[trial.id], "best.pt")) for j in (job, apart)]
        for name in weights[0]:
            torch.testing.assert_close(weights[0][name], weights[1][name], atol=1e-4, rtol=0)
    assert told[both[0].id].results["refit_epochs"] == 3
    assert "refit_epochs" not in told[four[3].id].results


def test_what_is_tested_is_predicted(job, rnn, four):
    whole = [replace(t, corpora=tuple(c.in_fold(0) for c in t.corpora)) for t in four[::2]]
    told = group.run(job, whole)
    uids = {u.uid: u.label for u in rnn.sources["ravdess"].split.test}
    for trial in whole:
        table = pd.read_csv(tracker(job).artifact(tracker(job).finished()[trial.id], "predictions.csv"))
        assert dict(zip(table["uid"], table["label"], strict=True)) == uids
        right = (table["label"] == table["predicted"]).mean()
        assert told[trial.id].results["wa/ravdess"] == pytest.approx(right)
        assert "objective/loss" not in told[trial.id].results


def test_a_finished_a_held_and_a_trained_member_are_not_trained_again(job, four):
    first, second, third, fourth = four
    one.run(job, first)
    heard = []
    with RunFolder(job.work, second.id).lock():
        told = group.run(job, four, lambda epoch, row: heard.append(epoch))
    assert [type(told[t.id]) for t in four] == [Finished, Busy, Finished, Finished]
    assert len(heard) == 2 * third.training.max_epochs
    assert tracker(job).finished().keys() == {first.id, third.id, fourth.id}
    heard.clear()
    assert isinstance(group.run(job, four, lambda epoch, row: heard.append(epoch))[second.id], Finished)
    assert len(heard) == second.training.max_epochs


def test_a_trained_member_that_the_ledger_has_not_is_only_delivered(job, four, monkeypatch):
    with monkeypatch.context() as away:
        away.setattr("ser.runs.delivery.Delivery.deliver", lambda self: False)
        assert isinstance(group.run(job, four[:1])[four[0].id], Undelivered)
    heard = []
    assert isinstance(group.run(job, four[:1], lambda *said: heard.append(said))[four[0].id], Finished)
    assert heard == []


def test_a_group_that_was_killed_starts_anew_and_tells_every_epoch_once(job, four):
    def dies(epoch, row):
        if epoch == 2:
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        group.run(job, four, dies)
    assert {type(v) for v in group.run(job, four).values()} == {Finished}
    ledger = tracker(job)
    for trial in four:
        (run,) = ledger.runs(f"tags.trial_id = '{trial.id}'")
        history = ledger.client.get_metric_history(run.info.run_id, "val/loss/ravdess")
        assert [m.step for m in history] == [1, 2, 3]


def test_a_member_that_diverges_fails_alone(job, four):
    wild = replace(four[0], training=replace(four[0].training, optimiser="sgd", learning_rate=1e38))
    told = group.run(job, [wild, *four[1:]])
    assert isinstance(told[wild.id], Failed)
    assert "learning rate 1e+38" in told[wild.id].error
    assert {type(told[t.id]) for t in four[1:]} == {Finished}
    (run,) = tracker(job).runs(f"tags.trial_id = '{wild.id}'")
    assert run.info.status == "FAILED"
    assert "Diverged" in run.data.tags["error"]


def test_a_member_whose_attempts_are_used_up_is_left_out(job, four):
    with RunFolder(job.work, four[0].id).lock():
        for _ in range(attempts.STARTS):
            attempts.begin(RunFolder(job.work, four[0].id).path)
    told = group.run(job, four)
    assert "4 attempts did not finish; the last: its worker died" in told[four[0].id].error
    assert {type(told[t.id]) for t in four[1:]} == {Finished}


def test_a_damaged_store_is_said_and_the_group_waits(job, four, monkeypatch):
    def damaged(*_):
        raise Damaged("store entry x: wrong sum")

    with monkeypatch.context() as broken:
        broken.setattr(group, "load", damaged)
        assert {type(v) for v in group.run(job, four).values()} == {StoreDamaged}
    assert {type(v) for v in group.run(job, four).values()} == {Finished}


def test_frames_where_there_should_be_one_vector_are_refused_and_not_taken_for_utterances(data, cache, place):
    long = override(RNN, "front_end.mean", False)
    made = tiny_search.plan(long, data, cache)
    several = [t for t in made.trials if t.role.name == "candidate"]
    told = group.run(tiny_search.job(made, cache, place("long")), several)
    assert {type(v) for v in told.values()} == {Failed}
    assert all("one frame per utterance" in v.error for v in told.values())


# who may be trained with whom


def test_candidates_of_one_shape_are_one_group_whatever_else_they_draw():
    several = tiny_search.first(tiny_search.study("cnn1d", "rnn", search=tiny_search.RANDOM.changed(candidates=8)))
    asked = [t for t in several if t.role.name == "candidate"]
    groups = {}
    for trial in asked:
        groups.setdefault(group.group_key(trial), []).append(trial)
    assert None not in groups
    shapes = {(t.block.name, t.block.values().get("filters"), t.block.values().get("units")) for t in asked}
    assert len(groups) == len(shapes) > 2
    for members in groups.values():
        shape = {(t.block.name, t.block.values().get("filters"), t.block.values().get("units")) for t in members}
        assert len(shape) == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"training": {"stacked": False}},
        {"training": {"precision": "bfloat16"}},
        {"training": {"loss": "binary_cross_entropy"}},
        {"training": {"class_weights": "inverse"}},
        {"block": part("lstm", units=3, prep_units=3, prep_layers=1, dropout=0.0)},
    ],
)
def test_what_a_group_cannot_do_is_trained_alone(four, changed):
    assert group.group_key(four[0]) is not None
    training = replace(four[0].training, **changed.get("training", {}))
    assert group.group_key(replace(four[0], **{**changed, "training": training})) is None


def test_several_corpora_and_copies_are_trained_alone(four):
    (corpus,) = four[0].corpora
    assert group.group_key(replace(four[0], corpora=(corpus, corpus))) is None
    assert group.group_key(replace(four[0], corpora=(replace(corpus, copies=3),))) is None


@pytest.mark.parametrize("more", [{"scheduler": part("asha", grace=1, reduction=2)}, {"search": PBT}])
def test_what_ends_or_goes_on_with_single_trials_is_not_for_groups(more):
    with pytest.raises(BadInput, match=r"training.stacked.*False with asha and pbt"):
        Search.of(tiny_search.study(**more), lambda losses: None)
    Search.of(tiny_search.study(**more, stacked=False), lambda losses: None)


# what workers are handed


def items(job, trials, chosen, halving=None):
    return ledger.Ledger(job, trials, Profile.read("local"), None).items(chosen, halving)


def test_a_work_item_is_a_group_and_large_groups_are_shared_among_workers(job, four, rnn, monkeypatch):
    printed = [t for t in rnn.trials if t.role.name == "printed"]
    several = [*printed, *four]
    assert items(job, several, several) == [WorkItem((printed[0].id,)), WorkItem(tuple(t.id for t in four))]
    monkeypatch.setattr(ledger, "_STACKED", 3)
    shared = items(job, four, four)
    assert [len(item.trials) for item in shared] == [3, 1]
    assert [t for item in shared for t in item.trials] == [t.id for t in four]


def test_what_a_scheduler_judges_is_handed_out_alone_and_finished_losses_first(job, four):
    one.run(job, four[0])
    RunFolder(job.work, four[2].id).mark_stopped(2)
    alone = items(job, four, four[1:], Halving(1, 2, 3))
    (run,) = tracker(job).finished().values()
    losses = tuple(tracker(job).curve(run.info.run_id, "val/loss"))
    assert len(losses) == 3
    assert alone == [
        WorkItem((four[0].id,), past_losses=losses),
        WorkItem((four[1].id,), may_stop=True),
        WorkItem((four[2].id,), stop_epoch=2),
        WorkItem((four[3].id,), may_stop=True),
    ]


def test_a_mark_of_the_scheduler_that_is_damaged_is_none(job, four):
    RunFolder(job.work, four[0].id).mark_stopped(2)
    assert RunFolder(job.work, four[0].id).stopped_epoch == 2
    Path(job.work, "stopped", four[0].id).write_text("{")
    assert RunFolder(job.work, four[0].id).stopped_epoch == 0
    assert RunFolder(job.work, four[1].id).stopped_epoch == 0

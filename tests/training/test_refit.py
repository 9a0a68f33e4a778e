"""A network that learns from training and validation: chosen by validation, trained again from the start on both."""

from dataclasses import replace

import pytest
import torch

from experiments.interaffection import study
from ser.errors import BadInput
from ser.study import Corpus, Part, part, trial_of
from ser.training import checkpoint
from ser.training import train as loop
from ser.training.batches import Items
from ser.training.start import CorpusData, Diverged
from ser.training.train import train

WIDTH, SIZES = 6, {"train": 22, "val": 11, "test": 8}


def made(**training):
    """A small trial on two corpora, whose validation chooses an epoch before the last."""
    two = {name: Corpus(name, name.upper(), Part("none"), part("named", test=("x",))) for name in "ab"}
    point = {"corpora": ("a", "b"), "block": "lstm", "pooling": "mean_var", "task": "multi"}
    trial = trial_of(study, point, two, seed=0)
    budget = {"batch_size": 4, "bucket_pool": 2, "steps_per_epoch": 20, "max_epochs": 4, "learning_rate": 0.1}
    stated = replace(trial.training, **budget | {"learns_from": "train_and_validation"} | training)
    return replace(trial, block=trial.block.changed(units=4, prep_units=4), training=stated)


def corpora(val=SIZES["val"]):
    """Noise, so that what is learned by heart soon harms validation."""
    make = torch.Generator().manual_seed(1)

    def subset(corpus, kind, number):
        lengths = torch.randint(2, 9, (number,), generator=make).tolist()
        features = [torch.randn(n, WIDTH, generator=make) for n in lengths]
        return Items(corpus, tuple(f"{corpus}/{kind}{i}" for i in range(number)), features, torch.arange(number) % 4)

    return {c: CorpusData(**{k: subset(c, k, n) for k, n in (SIZES | {"val": val}).items()}) for c in "ab"}


def trained(trial, data, folder, report=lambda epoch, row: None, **other):
    folder.mkdir(exist_ok=True)
    return train(trial, data, folder / "checkpoint.pt", "cpu", report, **other)


def bits(outcome):
    history = [{k: v for k, v in row.items() if k != "timestamp_ms"} for row in outcome.history]
    weights = {k: v.numpy().tobytes() for k, v in outcome.weights.items()}
    predictions = {c: p.logits.tobytes() for c, p in outcome.predictions.items()}
    return history, outcome.best_epoch, outcome.refit_epochs, weights, predictions


def test_the_second_pass_is_a_training_on_both_for_the_chosen_number_of_epochs(tmp_path):
    data = corpora()
    outcome = trained(made(), data, tmp_path / "both")
    plain = trained(made(learns_from="train"), data, tmp_path / "train")
    assert 1 <= outcome.best_epoch < 4
    assert bits(outcome)[:2] == bits(plain)[:2]  # validation chose as ever
    joined = {
        c: CorpusData(d.train.followed_by(d.val), Items(c, (), [], torch.zeros(0, dtype=torch.int64)), d.test)
        for c, d in data.items()
    }
    assert [len(d.train) for d in joined.values()] == [33, 33]
    alone = made(learns_from="train", keep="last", patience_epochs=0, max_epochs=outcome.best_epoch)
    again = trained(alone, joined, tmp_path / "again")
    assert outcome.refit_epochs == outcome.best_epoch
    assert bits(outcome)[3:] == bits(again)[3:]
    assert not outcome.weights["mean"].equal(plain.weights["mean"])  # normalised over both


@pytest.mark.parametrize("last", range(1, 7))
def test_a_run_that_was_killed_in_either_pass_goes_on_to_the_same_bits(last, tmp_path):
    data, rows = corpora(), []
    whole = trained(made(), data, tmp_path / "whole", lambda epoch, row: rows.append(row))
    numbers = [int(row["epoch"]) for row in rows]
    assert numbers == list(range(1, 4 + whole.best_epoch + 1))

    class Killed(Exception):
        pass

    def killed(epoch, row):
        if epoch == min(last, numbers[-1]):
            raise Killed

    with pytest.raises(Killed):
        trained(made(), data, tmp_path / "killed", killed)
    seen = []
    resumed = trained(made(), data, tmp_path / "killed", lambda epoch, row: seen.append(epoch))
    assert bits(resumed) == bits(whole)
    assert seen == numbers


def test_killed_within_an_epoch_of_the_second_pass_it_goes_on_to_the_same_bits(tmp_path, monkeypatch):
    data = corpora()
    whole = trained(made(), data, tmp_path / "whole")
    genuine, left = loop._gradients, [4 * 20 + 2]  # steps until the kill: two after the first pass

    def gradients(*given):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return genuine(*given)

    monkeypatch.setattr(loop, "_gradients", gradients)
    with pytest.raises(KeyboardInterrupt):
        trained(made(), data, tmp_path / "killed")
    assert checkpoint.load(tmp_path / "killed" / "checkpoint.pt")["progress"]["refit_epochs"] == 0
    monkeypatch.undo()
    assert bits(trained(made(), data, tmp_path / "killed")) == bits(whole)


def test_a_second_pass_that_lacks_memory_goes_on_in_smaller_parts_after_the_same_first_pass(tmp_path, monkeypatch):
    data, genuine, first_passes = corpora(), loop._gradients, []

    def gradients(run, name, indices):
        is_second = len(run.data[name].train) > SIZES["train"]
        if is_second and run.accumulation_steps == 1:
            raise RuntimeError("CUDA out of memory")
        first_passes.extend([] if is_second else [run.accumulation_steps])
        return genuine(run, name, indices)

    monkeypatch.setattr(loop, "_gradients", gradients)
    with pytest.raises(RuntimeError, match="out of memory"):
        trained(made(), data, tmp_path)
    outcome = trained(made(), data, tmp_path, accumulation_steps=2)
    assert first_passes == [1] * 4 * 20  # once, as it was
    assert outcome.refit_epochs == outcome.best_epoch


def test_a_finished_second_pass_trains_no_more(tmp_path, monkeypatch):
    data = corpora()
    whole = trained(made(), data, tmp_path)
    monkeypatch.delattr(loop, "_train_epoch")
    assert bits(trained(made(), data, tmp_path)) == bits(whole)


def test_its_curves_are_named_apart_and_validation_is_scored_no_more(tmp_path):
    rows = {}
    outcome = trained(made(watch=("test",)), corpora(), tmp_path, rows.__setitem__)
    second = rows[4 + 1]
    assert {k for k in second if k.startswith("refit/")} >= {
        "refit/train/loss",
        "refit/train/loss/a",
        "refit/test/wa/b",
    }
    assert not any("val" in key for key in second)
    assert not any(key.startswith("refit/") for row in outcome.history for key in row)


def test_without_validation_items_there_is_nothing_to_learn_from_again(tmp_path):
    outcome = trained(made(keep="last", patience_epochs=0), corpora(val=0), tmp_path)
    assert (outcome.refit_epochs, len(outcome.history)) == (0, 4)


def test_where_the_last_weights_are_kept_all_epochs_are_trained_again(tmp_path):
    outcome = trained(made(keep="last", patience_epochs=0), corpora(), tmp_path)
    assert (outcome.refit_epochs, len(outcome.history)) == (4, 4)


def test_a_loss_that_is_no_number_says_in_which_pass(tmp_path, monkeypatch):
    genuine = loop._train_epoch

    def epoch(run, number):
        if len(run.data["a"].train) > SIZES["train"]:
            raise Diverged("loss nan at step 1")
        return genuine(run, number)

    monkeypatch.setattr(loop, "_train_epoch", epoch)
    with pytest.raises(Diverged, match="trained again on training and validation: loss nan at step 1"):
        trained(made(), corpora(), tmp_path)


def test_a_trial_that_goes_on_from_another_is_refused(tmp_path):
    state = trained(made(learns_from="train"), corpora(), tmp_path / "first").state
    with pytest.raises(BadInput, match="train where a trial goes on from another") as error:
        trained(made(), corpora(), tmp_path / "second", initial_state=state)
    assert error.value.place == "training.learns_from"

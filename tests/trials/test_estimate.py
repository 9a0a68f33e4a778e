"""How long a grid will take: what is learned again on training and validation counts."""

import re
from dataclasses import replace

import pytest

from ser.planning.entries import entries_of
from ser.planning.plan import resolve
from ser.study import override
from ser.trials import estimate as rules
from ser.trials.estimate import estimate


def settings(study, **training):
    return replace(study, training=replace(study.training, **training))


@pytest.mark.parametrize(
    ("training", "least", "most"),
    [
        ({"learns_from": "train", "patience_epochs": 3}, 4, 9),
        ({"learns_from": "train", "patience_epochs": 0}, 9, 9),
        ({"patience_epochs": 3}, 5, 18),  # four epochs, and the first of them once more
        ({"patience_epochs": 0}, 10, 18),
        ({"patience_epochs": 0, "keep": "last"}, 18, 18),
    ],
)
def test_epochs_are_those_of_both_passes(study, manifests, monkeypatch, training, least, most):
    monkeypatch.setattr(rules, "_seconds_per_update", lambda plan, trial: 1.0)
    stated = {"max_epochs": 9, "keep": "best", "learns_from": "train_and_validation", **training}
    plan = resolve(settings(study, **stated), {name: manifests[name] for name in ("tess", "ravdess")})
    (line,) = [text for text in estimate(plan, plan.trials[:1], 1, {}).lines if "left to train" in text]
    assert f"({least} to {most} epochs each)" in line
    minutes = [int(h) * 60 + int(m) for h, m in re.findall(r"(\d+):(\d\d):\d\d", line)]
    steps = study.training.steps_per_epoch
    assert minutes == [(epochs * steps) // 60 for epochs in (least, most)]


def test_an_epoch_on_both_subsets_has_more_mini_batches_where_each_item_comes_once(study, manifests):
    passes = override(override(study, "training.steps_per_epoch", 0), "training.batches", "pooled")
    plans = {
        kind: resolve(settings(passes, learns_from=kind), {"ravdess": manifests["ravdess"]})
        for kind in ("train", "train_and_validation")
    }
    split = plans["train"].sources["ravdess"].split
    train, val, batch = len(split.train), len(split.val), passes.training.batch_size
    found = {kind: rules._steps(plan, plan.trials[0]) for kind, plan in plans.items()}
    assert found["train"] == pytest.approx(max(1.0, train / batch))
    assert found["train_and_validation"] == pytest.approx(max(1.0, (train + val / 2) / batch))
    assert val > 0


def test_the_store_is_as_large_as_its_frames_and_entries_that_folds_share_count_once(study, manifests, plan, features):
    entries = {recipe.key: recipe.bytes for recipe in entries_of(plan)}
    assert len(entries) == 2
    written = sum(path.stat().st_size for key in entries for path in (features / key).glob("*.npy"))
    assert sum(entries.values()) == pytest.approx(written, rel=0.01)
    sound = override(study.in_mode("sound"), "ravdess.folds", 3)
    in_folds = resolve(sound, {name: manifests[name] for name in ("tess", "ravdess")}, seeds=2)
    assert len(in_folds.sources) > len(plan.sources)
    assert {recipe.key: recipe.bytes for recipe in entries_of(in_folds)} == entries


def test_what_was_timed_is_kept_for_the_same_settings_and_no_others(study, manifests, monkeypatch, tmp_path):
    timed = []
    monkeypatch.setattr(rules, "_seconds_per_update", lambda plan, trial: timed.append(trial.block.name) or 0.5)
    path = tmp_path / "update_times.json"
    plan, other = (
        resolve(settings(study, batch_size=size), {"tess": manifests["tess"], "ravdess": manifests["ravdess"]})
        for size in (4, 5)
    )
    first = estimate(plan, plan.trials, 1, {}, path)
    assert sorted(timed) == ["blstm", "lstm", "tdnn"]
    assert estimate(plan, plan.trials, 1, {}, path) == first
    assert len(timed) == 3
    estimate(other, other.trials, 1, {}, path)
    assert len(timed) == 6
    monkeypatch.setattr(rules, "version", lambda name: "3.0")
    estimate(plan, plan.trials, 1, {}, path)
    assert len(timed) == 9
    path.write_bytes(b"damaged")
    estimate(plan, plan.trials, 1, {}, path)
    assert len(timed) == 12

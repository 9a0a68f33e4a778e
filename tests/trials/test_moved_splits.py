"""A trial of a fold and of a seed that moves it: trains on that split with its copies, and is tested on its own."""

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from ser.features.store import Store
from ser.planning.plan import resolve
from ser.runs.folder import RunFolder
from ser.runs.outcomes import Undelivered
from ser.study import override, part
from ser.trials import run as one
from ser.trials.inputs import _items, load
from ser.trials.job import UNCOPIED, job_of

LOUDER = (part("volume", gain_db=(-6.0, 6.0), seed=6), part("noise", snr_db=(5.0, 20.0), source="generated", seed=1))


@pytest.fixture(scope="module")
def plan(study, manifests):
    """RAVDESS and TESS in three folds, with two augmentations and two seeds."""
    sound = override(study.in_mode("sound"), "ravdess.folds", 3)
    sound = replace(sound, features=replace(sound.features, augmentation=LOUDER))
    return resolve(sound, {name: manifests[name] for name in ("tess", "ravdess")}, seeds=2)


def of(plan, fold, seed):
    found = [t for t in plan.trials if (t.combination, t.block.name, t.seed) == ("T+R", "lstm", seed)]
    return next(t for t in found if t.corpora[0].split["fold"] == fold and (t.pooling, t.task) == ("mean", "unified"))


@pytest.fixture(scope="module")
def store(plan, tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    for source in plan.sources.values():
        for recipe in source.entries:
            Store(folder).build(recipe)
    return folder


def test_a_trial_is_tested_on_its_fold_as_its_seed_deals_it(plan, store, where, tmp_path):
    job = job_of(plan, where, tmp_path, str(store), "cpu", 1, "test", []).untracked()
    trial = of(plan, fold=2, seed=1)
    assert isinstance(one.run(job, trial), Undelivered)
    files = RunFolder(job.work, trial.id).files
    done = plan.sources["ravdess/grouped/2/seed 1"].split
    table = pd.read_csv(files / "predictions.csv")
    assert set(table["corpus"]) == {"ravdess"}
    assert (
        set(table["uid"]) == {u.uid for u in done.test} != {u.uid for u in plan.sources["ravdess/grouped/2"].split.test}
    )
    proof = json.loads(Path(files, "split", "ravdess.json").read_text())
    assert proof["speakers"]["test"] == sorted({u.speaker for u in done.test})


@pytest.mark.parametrize(("fold", "seed"), [(1, 0), (2, 0), (3, 1)])
def test_the_training_items_are_the_split_and_its_copies_and_those_of_other_seeds_differ(
    plan, store, where, tmp_path, fold, seed
):
    job = job_of(plan, where, tmp_path, str(store), "cpu", 1, "test", [])
    trial = of(plan, fold, seed)
    sizes = set()
    for corpus in trial.corpora:
        source, data = plan.sources[corpus.source], load(job, trial, corpus)
        assert set(data.train.names) == {u.uid for u in source.split.train} | {name for name, _ in source.copies}
        assert list(data.val.names) == [u.uid for u in source.split.val]
        sizes.add(len(data.train))
    assert len(sizes) == 1


def test_another_seed_has_other_copies_of_an_utterance(plan, store):
    """The entries of two seeds hold a copy of one name that was made otherwise."""
    copied = [s for s in plan.sources.values() if s.copies]
    first = copied[0]
    second = next(s for s in copied if s.corpus.name == first.corpus.name and s.corpus.seed != first.corpus.seed)
    name = f"{first.split.train[0].uid}#1"

    def frames(source):
        entry = next(r for r in source.recipes[1:] if name in r.names)
        return Store(store).open(entry.key).frames(name)

    assert frames(first).shape == frames(second).shape
    assert (frames(first) != frames(second)).any()


def test_a_worker_keeps_all_subsets_of_five_corpora_in_five_folds():
    of_a_source = len(("train", "val", "test", UNCOPIED))
    assert _items.cache_parameters()["maxsize"] >= 5 * 5 * of_a_source

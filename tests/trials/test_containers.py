"""Front-ends that share an entry of the store: one recipe, columns of mapped memory, the numbers of an entry alone."""

from dataclasses import replace

import h5py
import layered
import numpy as np
import pytest
import torch

from ser.features import entry, hdf5, shards
from ser.features.store import Store
from ser.planning import request
from ser.planning.plan import resolve
from ser.runs.outcomes import StoreDamaged, Undelivered
from ser.study import grid, part
from ser.trials import inputs
from ser.trials import run as one
from ser.trials.job import job_of

LAYERS = (0, 3, "all")


@pytest.fixture(scope="module", autouse=True)
def _front_end(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SER_PLUGINS", layered.install(tmp_path_factory.mktemp("plugins")))
        yield


def study_of(study, layers, stored="float32"):
    return with_axes(study, stored, **{"front_end.layers": layers})


def with_axes(study, stored="float32", **axes):
    points = grid(corpora=[("ravdess",)], block=["tdnn"], pooling=["mean"], task=["unified"], **axes)
    features = replace(study.features, front_end=part("layered", stored=stored))
    return replace(study, features=features, points=lambda every, trained: points, expect=len(points))


@pytest.fixture(scope="module")
def plan_of(study, manifests, _front_end):
    """Makes a plan of trials of RAVDESS, one for each of the layers."""
    return lambda layers, stored="float32": resolve(study_of(study, layers, stored), {"ravdess": manifests["ravdess"]})


@pytest.fixture(scope="module", params=["float32", "float16"])
def stored(request):
    return request.param


@pytest.fixture(scope="module")
def store(plan_of, stored, tmp_path_factory):
    """Holds the entry of all layers, and one of each alone."""
    store = Store(tmp_path_factory.mktemp("store"))
    for layers in (LAYERS, (0,), (3,)):
        request.prepare(plan_of(layers, stored), store, {}, quiet)
    return store


class quiet:
    """A progress bar that nobody sees."""

    def __init__(self, title): ...

    def __enter__(self):
        return lambda done, of: None

    def __exit__(self, *_): ...


def job_in(plan, where, work, store):
    return job_of(plan, where, work, str(store.local), "cpu", 1, "test", [])


def test_one_entry_holds_what_several_front_ends_make(plan_of, where, tmp_path, store):
    plan = plan_of(LAYERS)
    (source,) = plan.sources.values()
    (recipe,) = source.entries
    assert recipe.front_end["layers"] == "all"
    assert [source.recipes_for(t.front_end) for t in plan.trials] == [(recipe,)] * 3
    job = job_in(plan, where, tmp_path, store)
    by_layer = {t.front_end["layers"]: str(t.front_end) for t in plan.trials}
    assert job.keys["ravdess"] == dict.fromkeys(by_layer.values(), (recipe.key,))
    assert job.columns == {"ravdess": {by_layer[0]: (0, 8), by_layer[3]: (24, 32)}}


def test_a_front_end_alone_has_an_entry_of_its_own(plan_of, where, tmp_path, store):
    plan = plan_of((3,))
    (recipe,) = plan.sources["ravdess"].entries
    assert recipe.front_end["layers"] == 3
    assert job_in(plan, where, tmp_path, store).columns == {}


def test_what_one_entry_cannot_hold_has_two(study, manifests):
    gains = with_axes(study, **{"front_end.layers": [0, 1], "front_end.gain": [1.0, 2.0]})
    plan = resolve(gains, {"ravdess": manifests["ravdess"]})
    (source,) = plan.sources.values()
    assert [(r.front_end["layers"], r.front_end["gain"]) for r in source.entries] == [("all", 1.0), ("all", 2.0)]
    for trial in plan.trials:
        (recipe,) = source.recipes_for(trial.front_end)
        assert recipe.front_end["gain"] == trial.front_end["gain"]


def test_columns_are_mapped_and_what_is_read_of_them_is_whole(plan_of, where, tmp_path, store, stored):
    plan = plan_of(LAYERS, stored)
    job = job_in(plan, where, tmp_path, store)
    whole = store.open(plan.sources["ravdess"].entries[0].key)
    for trial in plan.trials:
        data = inputs.load(job, trial, trial.corpora[0])
        frames, k = data.train.features, trial.front_end["layers"]
        assert np.shares_memory(
            frames.blocks[0].numpy(), inputs._entry(job.store, job.work, whole.folder.name).blocks[0]
        )
        expected = [
            whole.frames(n)[:, slice(None) if k == "all" else slice(8 * k, 8 * k + 8)] for n in data.train.names
        ]
        for i in (0, 5):
            assert frames[i].dtype == torch.float32
            assert frames[i].is_contiguous()
            np.testing.assert_array_equal(frames[i], expected[i])
        batch = data.train.batch([3, 1, 2]).frames
        assert batch.dtype == torch.float32
        np.testing.assert_array_equal(batch, np.concatenate([expected[i] for i in (3, 1, 2)]))
        np.testing.assert_array_equal(frames.on("cpu").joined([2, 3]), np.concatenate(expected[2:4]))


@pytest.mark.parametrize("layer", [0, 3])
def test_a_trial_has_the_numbers_that_it_has_with_an_entry_of_its_own(plan_of, where, tmp_path, store, stored, layer):
    scores = []
    for layers in (LAYERS, (layer,)):
        plan = plan_of(layers, stored)
        (trial,) = [t for t in plan.trials if t.front_end["layers"] == layer]
        job = job_in(plan, where, tmp_path / str(len(scores)), store).untracked()
        outcome = one.run(job, trial)
        assert isinstance(outcome, Undelivered)
        scores.append(
            {
                k: v
                for k, v in outcome.results.items()
                if not any(word in k for word in ("seconds", "memory", "system/"))
            }
        )
    assert scores[0] == scores[1]
    assert any(key.startswith("ua/") for key in scores[0])


def test_exported_features_are_those_of_each_front_end(plan_of, tmp_path, store, stored):
    files = {}
    for name, rows, about in request.exported(plan_of(LAYERS, stored), store):
        hdf5.write_hdf5(tmp_path / f"{name}.h5", rows, about)
        files[about["layers"]] = tmp_path / f"{name}.h5"
    assert set(files) == {"0", "3", "all"}
    read = {}
    for layers, path in files.items():
        with h5py.File(path) as h5:
            assert h5["X"].dtype == np.float32
            read[layers] = h5["X"][:]
    for layer in ("0", "3"):
        at = slice(8 * int(layer), 8 * int(layer) + 8)
        np.testing.assert_array_equal(read[layer], read["all"][:, at])


def test_damage_that_is_met_in_the_middle_of_training_is_repaired(plan_of, where, tmp_path, monkeypatch):
    monkeypatch.setattr(entry, "_AT_ONCE_BYTES", 0)
    monkeypatch.setattr(shards, "_BATCHED_ITEMS", 1)
    plan, store = plan_of((3,)), Store(tmp_path / "store")
    request.prepare(plan, store, {}, quiet)
    (trial,), (source,) = plan.trials, plan.sources.values()
    job = job_in(plan, where, tmp_path, store).untracked()
    # A shard of which all are tested goes bad: nothing reads it before the training is through.
    features = store.open(source.entries[0].key)
    tested = features.rows([u.uid for u in source.split.test])
    number = next(b for b in range(len(features.blocks)) if {*np.flatnonzero(features.block == b)} <= {*tested})
    path = sorted(features.folder.glob("*.npy"))[number]
    harmed = bytearray(path.read_bytes())
    harmed[-1] ^= 1
    path.write_bytes(harmed)
    epochs: list[int] = []
    outcome = one.run(job, trial, lambda epoch, row: epochs.append(epoch))
    assert isinstance(outcome, StoreDamaged)
    assert path.name in outcome.error
    assert epochs == [1, 2]
    request.prepare(plan, store, {}, quiet)
    assert isinstance(one.run(job, trial), Undelivered)

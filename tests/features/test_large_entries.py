"""Entries of gigabytes: opened at once, verified where they are first read, repaired by the next build."""

import ctypes
import fcntl
import shutil
from pathlib import Path

import fsspec
import numpy as np
import pytest
import soundfile
import torch

from ser import files
from ser.data import audio
from ser.data.manifest import Utterance
from ser.features import entry, shards
from ser.features.recipe import Recipe
from ser.features.store import Store
from ser.files import Damaged, checksum
from ser.study import part
from ser.training.batches import Frames, Items


@pytest.fixture(autouse=True)
def _large(monkeypatch):
    monkeypatch.setattr(entry, "_AT_ONCE_BYTES", 0)
    monkeypatch.setattr(shards, "_ITEMS", 3)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory) -> Recipe:
    """Ten noises: four shards."""
    folder, items = tmp_path_factory.mktemp("audio"), []
    for i in range(10):
        soundfile.write(folder / f"{i}.wav", np.random.default_rng(i).normal(0, 0.1, 800 + 200 * i), 8000)
        sha = audio.inspect(folder / f"{i}.wav").sha
        items.append((Utterance(f"c/{i}", "c", str(folder / f"{i}.wav"), "c/s", "happy", "happy", sha=sha), 0))
    return Recipe("c", part("log_stft"), None, tuple(items))


@pytest.fixture
def verified(monkeypatch):
    """Names of the shards whose bytes were read to verify them, in order."""
    names: list[str] = []

    def counted(path):
        names.append(Path(path).stem)
        return checksum(path)

    monkeypatch.setattr("ser.files.checksum", counted)
    return names


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)


def test_each_shard_is_verified_once_and_only_when_it_is_read(tmp_path, recipe, verified):
    Store(tmp_path).build(recipe)
    verified.clear()
    features = Store(tmp_path).open(recipe.key)
    frames, is_usable = Frames.of_entries([features], ["c/7", "c/8", "c/0"])
    assert is_usable.all()
    assert frames.nbytes == sum(frames.length) * 257 * 4
    assert verified == ["shard-0000006"]  # its size was asked for
    both = Frames.concatenated([frames, frames.selected([0])])
    both.joined([0, 1, 3])
    assert verified == ["shard-0000006"]
    both.joined([2])
    assert both[2].shape == (1 + (800 - 512) // 128, 257)
    assert verified == ["shard-0000006", "shard-0000000"]


def test_what_is_read_is_what_was_written(tmp_path, recipe, monkeypatch):
    late = Store(tmp_path).build(recipe)
    monkeypatch.setattr(entry, "_AT_ONCE_BYTES", 1 << 30)
    at_once = Store(tmp_path).open(recipe.key)
    for name in at_once.names():
        np.testing.assert_array_equal(late.frames(name), at_once.frames(name))
    assert late.nbytes == at_once.nbytes


def test_damage_is_met_when_its_shard_is_read_and_the_next_build_makes_that_alone_anew(tmp_path, recipe, monkeypatch):
    whole = {n: f.tobytes() for f, n in ((Store(tmp_path).build(recipe).frames(n), n) for n in ("c/0", "c/4"))}
    folder = tmp_path / recipe.key
    flip(folder / "shard-0000003.npy")
    features = Store(tmp_path).build(recipe)  # nobody has met it yet
    assert features.frames("c/0").tobytes() == whole["c/0"]
    for _ in range(2):
        with pytest.raises(Damaged, match=r"shard-0000003"):
            features.frames("c/4")
    with pytest.raises(Damaged, match=r"shard-0000003\.json: not there"):  # every other process sees it at once
        Store(tmp_path).open(recipe.key)
    computed = []
    genuine = shards.compute_shard
    monkeypatch.setattr(shards, "compute_shard", lambda r, s, *more: computed.append(s) or genuine(r, s, *more))
    repaired = Store(tmp_path).build(recipe)
    assert computed == [range(3, 6)]
    assert {name: repaired.frames(name).tobytes() for name in whole} == whole


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:-1])])
@pytest.mark.parametrize("kind", ["npy", "json"])
def test_what_sizes_tell_is_met_when_it_is_opened_or_read(tmp_path, recipe, damage, kind):
    folder = Store(tmp_path).build(recipe).folder
    damage(folder / f"shard-0000003.{kind}")
    with pytest.raises(Damaged, match="shard-0000003"):
        Store(tmp_path).open(recipe.key).frames("c/4")
    assert len(Store(tmp_path).build(recipe).frames("c/4"))


def test_a_table_of_another_entry_is_met_too(tmp_path, recipe):
    other = Recipe("c", part("log_stft", floor=1e-3), None, recipe.items)
    here, there = (Store(tmp_path).build(r).folder for r in (recipe, other))
    for kind in ("npy", "json"):
        shutil.copy(there / f"shard-0000003.{kind}", here)
    with pytest.raises(Damaged, match="shard-0000003"):
        Store(tmp_path).open(recipe.key).frames("c/4")


def test_nobody_marks_what_is_being_made_anew(tmp_path, recipe):
    features = Store(tmp_path).build(recipe)
    path = features.folder / "shard-0000003.npy"
    good = path.read_bytes()
    flip(path)
    with entry.lock_path(features.folder).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(Damaged):
            features.frames("c/4")
        assert path.with_suffix(".json").exists()
    path.write_bytes(good)  # the builder is through: what was met is no more
    entry._mark(path, features.blocks._shards[1])
    assert path.with_suffix(".json").exists()
    assert len(features.frames("c/4"))


def test_a_store_that_cannot_be_written_tells_the_damage_all_the_same(tmp_path, recipe, monkeypatch):
    features = Store(tmp_path).build(recipe)
    flip(features.folder / "shard-0000003.npy")

    def refused(*args, **options):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "open", refused)
    monkeypatch.setattr("ser.files.checksum", lambda path: (0, 0))
    with pytest.raises(Damaged, match="shard-0000003"):
        features.frames("c/4")
    assert (features.folder / "shard-0000003.json").exists()


def test_a_node_whose_copy_is_damaged_fetches_it_again(tmp_path, recipe):
    url = "memory://large"
    try:
        right = Store(url, tmp_path / "a").build(recipe).frames("c/4").tobytes()
        node = Store(url, tmp_path / "b")
        folder = node.open(recipe.key).folder
        flip(folder / "shard-0000003.npy")
        with pytest.raises(Damaged):
            node.open(recipe.key).frames("c/4")
        assert node.open(recipe.key).frames("c/4").tobytes() == right
    finally:
        fsspec.filesystem("memory").rm("/large", recursive=True)


def test_a_damaged_remote_copy_is_met_before_it_is_taken(tmp_path, recipe):
    Store(f"local://{tmp_path}/far", tmp_path / "a").build(recipe)
    flip(tmp_path / "far" / recipe.key / "shard-0000003.npy")
    with pytest.raises(Damaged):
        Store(f"local://{tmp_path}/far", tmp_path / "b").open(recipe.key)
    assert not list((tmp_path / "b").glob(f"{recipe.key}/*"))


def anonymous_bytes() -> int:
    """Memory of this process that no file holds, without what was freed."""
    ctypes.CDLL(None).malloc_trim(0)
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith("RssAnon")))


@pytest.mark.parametrize("columns", [None, slice(100, 900)])
def test_reading_all_of_an_entry_takes_no_memory_of_its_size(tmp_path, columns):
    folder, parts = tmp_path / "e", []
    folder.mkdir()
    halves = np.random.default_rng(0).normal(size=(10, 150, 1000)).astype(np.float16)
    for s in range(30):
        names = tuple((f"c/{s}-{i}", 150) for i in range(10))
        shards.write_shard(shards.Shard(f"shard-{s:07d}", 1000, "float16", tuple(halves), names, ()), folder)
        parts.append(files.read(folder / f"shard-{s:07d}.json"))
    files.write(folder / "entry.json", {"width": 1000, "dtype": "float16", "refused": [], "shards": parts})
    features = entry.Features(folder)
    frames, _ = Frames.of_entries([features], features.names(), columns)
    before = anonymous_bytes()
    for at in range(0, 300, 10):
        joined = frames.joined(range(at, at + 10))
        assert joined.dtype == torch.float32
        np.testing.assert_array_equal(joined.reshape(10, 150, -1), halves[..., columns or slice(None)])
    del joined
    assert features.nbytes == 90e6
    assert anonymous_bytes() - before < 9e6


def test_moments_of_wide_items_are_those_of_all_at_once(monkeypatch):
    monkeypatch.setattr("ser.training.batches._MOST_NUMBERS", 9000 * 50)
    rng = np.random.default_rng(0)
    features = [torch.from_numpy(rng.normal(3, 2, (n, 9000)).astype(np.float32)) for n in (40, 3, 70, 1)]
    items = Items("c", tuple("abcd"), features, torch.zeros(4, dtype=torch.int64))
    exact = torch.cat(features).double()
    np.testing.assert_allclose(items.moments, torch.stack([exact.mean(0), exact.square().mean(0)]), rtol=1e-12)

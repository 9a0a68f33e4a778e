"""Shards: how entries are cut, the same bytes wherever they are computed, batches, float16 and its bounds."""

import itertools
import multiprocessing
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import layered
import numpy as np
import pytest
import soundfile
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from ser import registry
from ser.data import audio
from ser.data.manifest import Utterance
from ser.errors import BadInput
from ser.features import shards
from ser.features.recipe import Recipe, front_end_dtype, front_end_stack
from ser.features.shards import compute_shard, write_shard
from ser.features.store import Store
from ser.study import part

HALF = part("layered", stored="float16")


@pytest.fixture(scope="module", autouse=True)
def _front_end(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SER_PLUGINS", layered.install(tmp_path_factory.mktemp("plugins")))
        yield


@pytest.fixture(scope="module")
def utterances(tmp_path_factory) -> tuple[Utterance, ...]:
    """Forty noises of 0.1 to 0.49 s; the sixth is too short for a frame."""
    folder, out = tmp_path_factory.mktemp("audio"), []
    for i in range(40):
        samples = 50 if i == 5 else 800 + 80 * (i * 7 % 40)
        path = folder / f"{i}.wav"
        soundfile.write(path, np.random.default_rng(i).normal(0, 0.2, samples), 8000, subtype="FLOAT")
        sha = audio.inspect(path).sha
        out.append(Utterance(f"c/{i}", "c", str(path), "c/s", "happy", "happy", sha=sha, seconds=samples / 8000))
    return tuple(out)


def recipe_of(utterances, front_end) -> Recipe:
    return Recipe("c", front_end, None, tuple((u, 0) for u in utterances))


def lasting(seconds, front_end) -> Recipe:
    """A recipe of utterances of that many seconds, which nobody computes."""
    blank = Utterance("c/0", "c", "absent.wav", "c/s", "happy", "happy", sha="0")
    return recipe_of([replace(blank, uid=f"c/{i}", seconds=s) for i, s in enumerate(seconds)], front_end)


# how entries are cut


def test_shards_are_neighbours_within_their_limits_and_hold_everything_once():
    rng = np.random.default_rng(0)
    recipe = lasting(rng.lognormal(3, 1, 900).tolist(), part("log_stft"))
    cut = shards.shards(recipe)
    assert [i for shard in cut for i in shard] == list(range(900))
    sizes = [sum(recipe.frames[i] for i in shard) * 257 * 4 for shard in cut]
    assert all(size <= 64_000_000 or len(shard) == 1 for size, shard in zip(sizes, cut, strict=True))
    assert all(len(shard) <= 128 for shard in cut)
    # No two neighbours would fit into one.
    assert all(a + b > 64_000_000 for a, b in pairwise(sizes))


def test_short_utterances_are_cut_by_number_as_entries_ever_were():
    cut = shards.shards(lasting([1.0] * 600, part("log_stft")))
    assert cut == [range(a, min(a + 128, 600)) for a in range(0, 600, 128)]
    assert shards.shards(lasting([], part("log_stft"))) == []


def test_a_small_corpus_is_work_for_several_processors():
    assert [len(shard) for shard in shards.shards(lasting([1.0] * 146, part("log_stft")))] == [37, 37, 37, 35]
    assert [len(shard) for shard in shards.shards(lasting([1.0] * 20, part("log_stft")))] == [16, 4]


def test_an_utterance_larger_than_a_shard_stands_alone():
    assert shards.shards(lasting([1.0, 2000.0, 1.0, 1.0], part("log_stft"))) == [range(1), range(1, 2), range(2, 4)]


def test_batches_are_the_same_whatever_the_width_is():
    seconds = np.random.default_rng(1).lognormal(0.3, 1, 500).tolist()
    cuts = {tuple(shards.shards(lasting(seconds, e))) for e in (part("layered", layers=2), part("layered"), HALF)}
    (cut,) = cuts
    assert max(map(len, cut)) == 32
    assert all(sum(seconds[i] for i in shard) <= 64 or len(shard) == 1 for shard in cut)


# the same bytes wherever they are computed


def _compute(recipe: Recipe, shard: range, plugins: str) -> shards.Shard:
    import os

    os.environ["SER_PLUGINS"] = plugins
    return compute_shard(recipe, shard)


def test_another_process_computes_the_same_bytes(tmp_path, utterances, monkeypatch):
    recipe = recipe_of(utterances, HALF)
    here = Store(tmp_path / "here", jobs=2).build(recipe)
    plugins = layered.install(tmp_path)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        called = []

        def elsewhere(recipe, missing, recordings, target, count):
            for shard in reversed(missing):
                write_shard(pool.submit(_compute, recipe, shard, plugins).result(), target)
                count(len(shard))
                called.append(shard)

        there = Store(tmp_path / "there").build(recipe, compute=elsewhere)
        assert len(called) == 2
        Store(tmp_path / "there").build(recipe, compute=elsewhere)
        assert len(called) == 2  # nothing is missing any more
    assert {p.name: p.read_bytes() for p in here.folder.iterdir()} == {
        p.name: p.read_bytes() for p in there.folder.iterdir()
    }


def test_progress_counts_utterances_one_by_one_and_ends_with_all(tmp_path, utterances):
    calls = []
    Store(tmp_path, jobs=2).build(recipe_of(utterances, part("log_stft")), progress=lambda *call: calls.append(call))
    assert calls == [(n, 40) for n in range(41)] + [(40, 40)]
    calls.clear()
    Store(tmp_path, jobs=2).build(recipe_of(utterances, HALF), progress=lambda *call: calls.append(call))
    assert calls == sorted(calls)
    assert len(calls) > 14  # three at a time
    assert calls[-1] == (40, 40)


# batches


def test_a_build_that_ends_early_computes_no_utterance_more(tmp_path, utterances, monkeypatch):
    """As after Ctrl-C or with a full disk: other shards end where they are, and leave no file."""
    monkeypatch.setattr(shards, "_BATCHED_ITEMS", 20)
    made = recipe_of(utterances, part("layered"))
    first, second = shards.shards(made)
    are_two, calls, finished = threading.Barrier(2), itertools.count(1), []

    def count(number):
        call = next(calls)
        if call <= 2:
            are_two.wait(10)  # both shards are at work
        if call == 1:
            raise OSError("no room")
        time.sleep(0.5)
        finished.append(call)

    with pytest.raises(OSError, match="no room"):
        shards.in_threads(2)(made, [first, second], None, tmp_path, count)
    assert finished == [2]
    assert not list(tmp_path.iterdir())


def test_a_shard_is_computed_in_the_batches_that_its_front_end_names(tmp_path, utterances):
    usable = [u for u in utterances if u.uid != "c/5"]
    batches = registry.find("frontends", "layered").BATCHES
    batches.clear()
    Store(tmp_path, jobs=1).build(recipe_of(usable, part("layered")))
    samples = [round(8000 * u.seconds) for u in usable]
    by_shard = [sorted(samples[:32]), sorted(samples[32:])]
    assert batches == [lengths[at : at + 3] for lengths in by_shard for at in range(0, len(lengths), 3)]


def test_what_cannot_be_used_takes_nobody_along(tmp_path, utterances):
    lost = replace(utterances[7], start_s=50.0, end_s=51.0)
    items = [*utterances[:7], lost, *utterances[8:]]
    features = Store(tmp_path).build(recipe_of(items, part("layered", layers=1)))
    assert {r.what: r.reason for r in features.refused} == {
        "c/5": "shorter than a frame",
        "c/7": next(r.reason for r in features.refused if r.what == "c/7"),
    }
    assert features.names() == [f"c/{i}" for i in range(40) if i not in (5, 7)]
    for u in (u for u in items if u.uid in features):
        wave, _ = soundfile.read(u.path, dtype="float32")
        sums = wave[: len(wave) // 80 * 80].reshape(-1, 8, 10).sum(2)
        np.testing.assert_allclose(features.frames(u.uid), 2 * sums + 1, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize(
    ("message", "told"), [("DefaultCPUAllocator: can't allocate memory", BadInput), ("shapes differ", RuntimeError)]
)
def test_a_batch_beyond_the_memory_is_told_where_torch_has_but_words_for_it(utterances, monkeypatch, message, told):
    def fail(waves, settings):
        raise RuntimeError(message)

    monkeypatch.setattr(registry.find("frontends", "layered"), "extract_batch", fail)
    with pytest.raises(told, match="does not fit into memory" if told is BadInput else message):
        compute_shard(recipe_of(utterances[:3], HALF), range(3))


# float16


@pytest.mark.parametrize("jobs", [1, 3])
def test_float16_are_the_nearest_to_what_the_front_end_gives(tmp_path, utterances, jobs):
    whole = Store(tmp_path).build(recipe_of(utterances, part("layered", gain=3e-4)))
    half = Store(tmp_path, jobs=jobs).build(recipe_of(utterances, part("layered", gain=3e-4, stored="float16")))
    assert {block.dtype for block in half.blocks} == {np.dtype(np.float16)}
    assert half.nbytes * 2 == whole.nbytes
    assert half.names() == whole.names()
    assert np.load(half.folder / "shard-0000000.npy").dtype.str == "<f2"
    below = 0
    for name in whole.names():
        exact, rounded = whole.frames(name).astype(np.float64), half.frames(name)
        assert rounded.dtype == np.float32
        error = np.abs(rounded - exact)
        assert (error <= np.maximum(2.0**-11 * np.abs(exact), 2.0**-25)).all()
        below += int((np.abs(exact) < 2.0**-14).sum())
        np.testing.assert_array_equal(rounded, np.float16(exact.astype(np.float32)))
    assert below > 100  # where the second bound counts


def test_float16_below_the_normal_ones_survive_where_denormals_are_flushed(tmp_path, utterances):
    half = Store(tmp_path).build(recipe_of(utterances[:3], part("layered", layers=0, gain=1e-6, stored="float16")))
    torch.set_flush_denormal(True)
    read = torch.from_numpy(half.blocks[0]).float().numpy()
    torch.set_flush_denormal(False)
    np.testing.assert_array_equal(read, half.blocks[0].astype(np.float32))
    assert ((read != 0) & (np.abs(read) < 6e-5)).sum() > 50


def test_what_float16_cannot_hold_is_an_error_and_no_utterance_less(tmp_path, utterances):
    """A layer that overflows would take the utterance from all trials whose layers lie in one entry with it."""
    with pytest.raises(BadInput, match=r"65504 at most in float16; --set front_end\.stored=float32"):
        Store(tmp_path).build(recipe_of(utterances[:4], part("layered", gain=1e6, stored="float16")))
    assert len(Store(tmp_path).build(recipe_of(utterances[:4], part("layered", gain=1e6)))) == 4


def test_the_numbers_of_an_entry_are_part_of_its_key():
    front_ends = [part("layered"), part("layered", stored="float32"), HALF]
    one, same, other = (lasting([1.0], e).key for e in front_ends)
    assert one == same != other


def test_what_a_front_end_does_not_state_is_one_layer_of_float32():
    assert (front_end_stack(part("log_stft")), front_end_dtype(part("log_stft"))) == (1, "float32")
    assert (front_end_stack(part("layered")), front_end_dtype(HALF)) == (5, "float16")
    with pytest.raises(BadInput, match="float32, float16"):
        front_end_dtype(part("layered", stored="int8"))


def test_sizes_are_foretold_by_durations(tmp_path, utterances):
    recipe = recipe_of([u for u in utterances if u.uid != "c/5"], HALF)
    built = Store(tmp_path).build(recipe)
    assert recipe.bytes == built.nbytes == sum(built.length) * 40 * 2


def test_a_shard_is_written_as_numpy_reads_it(tmp_path, utterances):
    shard = compute_shard(recipe_of(utterances, HALF), range(3, 9))
    write_shard(shard, tmp_path)
    read = np.load(tmp_path / f"{shard.stem}.npy")
    np.testing.assert_array_equal(read, np.concatenate(shard.arrays))
    assert [name for name, _ in shard.frames] == [f"c/{i}" for i in (3, 4, 6, 7, 8)]
    assert sum(n for _, n in shard.frames) == len(read)
    assert Path(tmp_path / f"{shard.stem}.json").is_file()


def blas_threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_products_take_one_thread_while_features_are_computed_and_as_many_as_before_afterwards(
    tmp_path, utterances, monkeypatch
):
    seen, compute = [], shards.compute_shard
    monkeypatch.setattr(shards, "compute_shard", lambda *each: seen.append(blas_threads()) or compute(*each))
    with threadpool_limits(2, user_api="blas"):
        if blas_threads() != {2}:
            pytest.skip("NumPy's BLAS has no threads here")
        shards.in_threads(2)(recipe_of(utterances, HALF), [range(2), range(2, 4)], None, tmp_path, lambda number: None)
        assert seen == [{1}, {1}]
        assert blas_threads() == {2}

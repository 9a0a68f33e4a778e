"""What a plan's features cost: bytes foretold and refused before anything is computed, times, and the table."""

import re
import shutil
import time
from dataclasses import replace
from types import SimpleNamespace

import layered
import pytest

from ser import registry
from ser.cli import entries as printed
from ser.cli.main import main
from ser.data.audio import UnusableAudio
from ser.errors import BadInput
from ser.features import recipe as recipes
from ser.features import shards
from ser.features.store import Store
from ser.planning import request
from ser.planning.entries import Cost, check_room, costs, entries_of, seconds_each, size
from ser.study import part


@pytest.fixture
def disk(monkeypatch):
    """Says how many bytes of the disk are free, whatever folder is asked about; returns the folders."""
    asked = []

    def set_free(number):
        monkeypatch.setattr(shutil, "disk_usage", lambda path: asked.append(path) or SimpleNamespace(free=number))
        return asked

    return set_free


@pytest.fixture
def wide(plan, tmp_path, monkeypatch):
    """The clean entry of RAVDESS by a front-end that can be made smaller."""
    monkeypatch.setenv("SER_PLUGINS", layered.install(tmp_path / "plugins"))
    return replace(plan.sources["ravdess"].recipes[0], front_end=part("layered"))


def test_entries_that_folds_share_come_once(plan):
    assert [r.key for r in entries_of(plan)] == [r.key for s in plan.sources.values() for r in s.entries]
    assert len({r.key for r in entries_of(plan)}) == len(entries_of(plan)) == 2


def test_what_is_there_is_not_missing(plan, tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "_ITEMS", 8)
    store, (recipe, _) = Store(tmp_path, jobs=1), entries_of(plan)
    assert store.missing_bytes(recipe) == recipe.bytes

    def ends(done, of):
        if done >= 16:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.build(recipe, progress=ends)
    first = sum(recipe.frames[:8]) * recipe.frame_bytes
    assert store.missing_bytes(recipe) == pytest.approx(recipe.bytes - first, abs=200)
    features = store.build(recipe)
    assert store.missing_bytes(recipe) == 0
    assert features.nbytes == recipe.bytes  # foretold to the byte, as nothing was refused


def test_what_does_not_fit_is_refused_before_anything_is_computed(plan, tmp_path, disk, monkeypatch):
    monkeypatch.setattr(shards, "features_of", None)
    needed = sum(recipe.bytes for recipe in entries_of(plan))
    asked = disk(needed + 90_000_000)
    store = Store(tmp_path / "store")
    with pytest.raises(BadInput) as refused:
        request.prepare(plan, store, {}, None)
    assert set(asked) == {tmp_path / "store"}
    text = str(refused.value)
    assert f"{size(needed)} of features" in text
    assert "choose another --store" in text
    assert not list((tmp_path / "store").iterdir())
    disk(needed + 101_000_000)
    check_room(entries_of(plan), store)


def test_five_hundredths_stay_free(plan, tmp_path, disk, monkeypatch):
    recipe = entries_of(plan)[0]
    monkeypatch.setattr(type(recipe), "bytes", 10_000_000_000)
    disk(10_400_000_000)
    with pytest.raises(BadInput, match=r"has 10\.4 GB free: 10 GB of features.*allowed: 9\.9 GB or less"):
        check_room([recipe], Store(tmp_path))
    disk(10_600_000_000)
    check_room([recipe], Store(tmp_path))


def test_what_is_there_needs_no_room(plan, features, disk):
    disk(200_000_000)
    check_room(entries_of(plan), Store(features))


def test_the_remedy_names_the_settings_that_the_front_end_has(wide, plan, tmp_path, disk):
    disk(0)
    with pytest.raises(BadInput, match=r"--store; smaller: --set front_end\.stored=float16, fewer front_end\.layers"):
        check_room([wide], Store(tmp_path / "s"))
    with pytest.raises(BadInput) as refused:
        check_room([replace(wide, front_end=part("layered", stored="float16"))], Store(tmp_path / "s"))
    assert "float16" not in str(refused.value)
    with pytest.raises(BadInput) as refused:
        check_room(entries_of(plan), Store(tmp_path / "s"))
    assert "smaller" not in str(refused.value)


def test_of_a_remote_store_the_disk_of_its_cache_counts(plan, tmp_path, disk):
    asked = disk(0)
    with pytest.raises(BadInput, match=rf"cache of the store {tmp_path}/cache.*another --work"):
        check_room(entries_of(plan), Store("memory://features", tmp_path / "cache"))
    assert set(asked) == {tmp_path / "cache"}


def test_a_system_that_does_not_say_what_is_free_stops_nobody(plan, tmp_path, monkeypatch):
    def refused(path):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(shutil, "disk_usage", refused)
    check_room(entries_of(plan), Store(tmp_path))


def test_only_what_is_missing_is_timed_and_by_a_wave_of_mean_length(wide, plan, features, monkeypatch):
    timed, front_end = [], registry.find("frontends", "layered")
    genuine = front_end.extract

    def slow(wave, settings):
        timed.append(len(wave))
        time.sleep(0.05)
        return genuine(wave, settings)

    monkeypatch.setattr(front_end, "extract", slow)
    mean_s = sum(u.seconds for u, _ in wide.items) / len(wide.items)
    (built, _), (missing,) = costs(entries_of(plan), Store(features), {}), costs([wide], Store(features), {})
    assert (built.missing_bytes, built.seconds) == (0, 0.0)
    assert set(timed) == {round(mean_s * 8000)}
    assert 0.05 <= missing.seconds / len(wide.items) < 1
    longer = replace(wide, items=tuple((replace(u, seconds=40.0), copy) for u, copy in wide.items))
    assert seconds_each(longer, None) >= 4 * 0.05
    assert timed[-1] == 80_000


def test_a_front_end_that_makes_nothing_of_noise_is_told_as_unknown(wide, monkeypatch, tmp_path, capsys):
    def refusing(wave, settings):
        raise UnusableAudio("no voice")

    monkeypatch.setattr(registry.find("frontends", "layered"), "extract", refusing)
    (cost,) = costs([wide], Store(tmp_path / "s"), {})
    assert cost.seconds is None
    printed.features([cost], Store(tmp_path / "s"))
    assert "without those that could not be timed" in capsys.readouterr().out


def test_augmentation_is_timed_too(plan, paper, monkeypatch):
    volume = next(p for p in paper.features.augmentation if p.name == "volume")
    applied = []
    module = registry.find("augment", "volume")
    genuine = module.apply
    monkeypatch.setattr(module, "apply", lambda *args: applied.append(args[-1]) or genuine(*args))
    assert seconds_each(replace(entries_of(plan)[0], augmentation=volume), None) > 0
    assert len(applied) == 3


def test_threads_are_as_before_a_sample_was_timed(monkeypatch):
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    with recipes.alone():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)


def test_front_ends_of_one_name_differ_by_their_settings(wide):
    others = [replace(wide, front_end=part("layered", layers=k, stored="float16")) for k in (0, 3)]
    mfcc = replace(wide, front_end=part("mfcc"))
    assert printed.labels([*others, mfcc]) == ["layered layers=0", "layered layers=3", "mfcc"]


def test_settings_of_several_values_are_printed_as_they_are_typed():
    assert [printed._text(value) for value in (("mean", "std"), (), "all", 3)] == ["mean,std", "none", "all", "3"]


def test_a_part_that_is_there_is_told(wide, tmp_path, capsys):
    printed.features([Cost(wide, wide.bytes // 4, 7.0)], Store(tmp_path / "s", jobs=2))
    assert re.search(r" 75 % +0:00:04", capsys.readouterr().out)


def test_prepare_tells_what_it_would_do_and_does_nothing(tmp_path, data, tiny, capsys, monkeypatch):
    command = ["prepare", "interaffection", "--data", str(data), "--corpora", "ravdess", "--work", str(tmp_path), *tiny]
    assert main([*command, "--plan"]) == 0
    output = capsys.readouterr().out
    assert re.search(r"ravdess +log_stft +\d+ +\d+ x 257 +float32 .* no +0:0", output)
    assert re.search(r"[\d.]+ .B free at", output)
    assert not list((tmp_path / "store").glob("*/entry.json"))
    assert main(command) == 0
    capsys.readouterr()
    assert main([*command, "--plan"]) == 0
    assert " 0 kB not there yet" in capsys.readouterr().out
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=0))
    other = [*command, "--store", str(tmp_path / "other")]
    for option in ([], ["--plan"]):
        assert main([*other, *option]) == 2
        assert "0 kB free" in capsys.readouterr().err

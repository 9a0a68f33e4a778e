"""The store: right values, computed once, whatever is killed, damaged, asked for at once or far away."""

import errno
import hashlib
import json
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import fsspec
import numpy as np
import pytest
import soundfile

from ser import registry
from ser.data import audio
from ser.data.manifest import Utterance
from ser.errors import BadInput
from ser.features import shards
from ser.features.entry import Names
from ser.features.recipe import Recipe
from ser.features.store import Store
from ser.files import Damaged
from ser.frontends import log_stft
from ser.study import part

LOG_STFT = log_stft.Settings()  # the paper's
SHARD = 4  # items per shard in these tests


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch):
    monkeypatch.setattr(shards, "_ITEMS", SHARD)


def recorded(folder: Path, number: int) -> list[Utterance]:
    """Short noises on disk, as a scan would list them."""
    folder.mkdir(parents=True, exist_ok=True)
    out = []
    for i in range(number):
        path = folder / f"{i}.wav"
        wave = np.random.default_rng(i).normal(0, 0.1, 800 + 200 * i)
        soundfile.write(path, wave, 8000, subtype="PCM_16")
        facts = audio.inspect(path)
        out.append(
            Utterance(f"c/{i}", "c", str(path), "c/s", "happy", "happy", sha=facts.sha, bytes=facts.bytes, seconds=1.0)
        )
    return out


@pytest.fixture
def recipe(tmp_path, paper):
    utterances = recorded(tmp_path / "audio", 10)
    return Recipe("c", paper.features.front_end, None, tuple((u, 0) for u in utterances))


@pytest.fixture
def computed(monkeypatch):
    """Names of the items that were computed, in order."""
    seen: list[str] = []
    genuine = shards.features_of

    def counted(recipe, utterance, copy, folder):
        seen.append(utterance.uid)
        return genuine(recipe, utterance, copy, folder)

    monkeypatch.setattr(shards, "features_of", counted)
    return seen


def content(features):
    return {name: features.frames(name).tobytes() for name in features.names()}


def test_gives_what_the_front_end_gives(tmp_path, recipe):
    features = Store(tmp_path / "s").build(recipe)
    assert features.names() == [f"c/{i}" for i in range(10)]
    for u, _ in recipe.items:
        wave, _ = soundfile.read(u.path, dtype="float32")
        np.testing.assert_array_equal(features.frames(u.uid), log_stft.extract(wave, LOG_STFT))
    assert (features.width, len(features), "c/3" in features, "c/99" in features) == (257, 10, True, False)


def test_gives_the_stretch_of_a_longer_file_resampled(tmp_path, paper, utterance):
    wave = np.random.default_rng(0).normal(0, 0.1, 32000).astype(np.float32)
    soundfile.write(tmp_path / "call.wav", wave, 16000, subtype="FLOAT")
    sha = audio.inspect(tmp_path / "call.wav").sha
    cut = utterance("s", 0, path=str(tmp_path / "call.wav"), start_s=0.5, end_s=1.5, sha=sha)
    features = Store(tmp_path / "s").build(Recipe("corpus", paper.features.front_end, None, ((cut, 0),)))
    expected = log_stft.extract(audio.resample(wave[8000:24000], 16000, 8000), LOG_STFT)
    np.testing.assert_array_equal(features.frames(cut.uid), expected)


def test_copies_differ_from_each_other_and_do_not_depend_on_their_neighbours(tmp_path, recipe, paper):
    volume = next(p for p in paper.features.augmentation if p.name == "volume")
    utterances = [u for u, _ in recipe.items]
    many = replace(recipe, augmentation=volume, items=tuple((u, c) for c in (1, 2) for u in utterances))
    few = replace(many, items=((utterances[3], 2),))
    in_company, alone = Store(tmp_path / "s").build(many), Store(tmp_path / "s").build(few)
    assert in_company.frames("c/3#2").tobytes() == alone.frames("c/3#2").tobytes()
    assert in_company.frames("c/3#1").tobytes() != alone.frames("c/3#2").tobytes()


def test_a_second_build_computes_nothing(tmp_path, recipe, computed):
    first = content(Store(tmp_path / "s").build(recipe))
    assert len(computed) == 10
    assert content(Store(tmp_path / "s").build(recipe)) == first
    assert len(computed) == 10


def test_progress_ends_with_everything(tmp_path, recipe):
    calls = []
    Store(tmp_path / "s").build(recipe, progress=lambda done, of: calls.append((done, of)))
    assert calls == sorted(calls)
    assert calls[-1] == (10, 10)


def test_number_of_threads_is_no_difference(tmp_path, recipe):
    one, many = (Store(tmp_path / str(jobs), jobs=jobs).build(recipe) for jobs in (1, 4))
    assert content(one) == content(many)


def test_an_interrupted_build_ends_without_what_was_not_begun(tmp_path, recipe, computed, monkeypatch):
    ending, counted = threading.Event(), shards.features_of

    class Pool(shards.ThreadPoolExecutor):
        def shutdown(self, **how):
            super().shutdown(**{**how, "wait": False})
            ending.set()
            super().shutdown()

    def waits(recipe, utterance, copy, folder):
        assert utterance.uid != "c/4" or ending.wait(60)
        return counted(recipe, utterance, copy, folder)

    def interrupted(done, of):
        if done >= SHARD:
            raise KeyboardInterrupt

    monkeypatch.setattr(shards, "ThreadPoolExecutor", Pool)
    monkeypatch.setattr(shards, "features_of", waits)
    with pytest.raises(KeyboardInterrupt):
        Store(tmp_path / "s", jobs=1).build(recipe, progress=interrupted)
    # The second shard may have been begun, and ended after its first utterance; the third was not.
    assert computed in ([f"c/{i}" for i in range(4)], [f"c/{i}" for i in range(5)])
    assert len(Store(tmp_path / "s").build(recipe)) == 10


BUILD = """
import pickle
import sys
import time
from pathlib import Path
from ser.features import shards, store
shards._ITEMS = 4
genuine = shards.features_of
def slow(recipe, utterance, copy, folder):
    with open(sys.argv[3], "a") as log:
        log.write(utterance.uid + "\\n")
    if utterance.uid == sys.argv[4]:
        print("there", flush=True)
        time.sleep(60)
    return genuine(recipe, utterance, copy, folder)
shards.features_of = slow
store.Store(sys.argv[2], jobs=1).build(pickle.loads(Path(sys.argv[1]).read_bytes()))
"""


def test_a_build_killed_half_way_goes_on_where_it_was(tmp_path, recipe, computed):
    (tmp_path / "recipe").write_bytes(pickle.dumps(recipe))
    arguments = [str(tmp_path / name) for name in ("recipe", "s", "log")]
    process = subprocess.Popen([sys.executable, "-c", BUILD, *arguments, "c/9"], stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout.readline() == "there\n"
        process.send_signal(signal.SIGKILL)
    assert not list((tmp_path / "s").rglob("entry.json"))
    finished = Store(tmp_path / "s").build(recipe)
    assert (tmp_path / "log").read_text().split() == [f"c/{i}" for i in range(10)]
    assert computed == ["c/8", "c/9"]  # the shard that was being made; the two before are kept
    whole = Store(tmp_path / "undisturbed").build(recipe)
    assert content(finished) == content(whole)
    assert {p.name: p.read_bytes() for p in finished.folder.iterdir()} == {
        p.name: p.read_bytes() for p in whole.folder.iterdir()
    }


def _build_and_log(folder: str, recipe: Recipe, log: str, together) -> None:
    genuine = shards.features_of
    shards._ITEMS = SHARD

    def logged(*args):
        with open(log, "a") as file:
            file.write(args[1].uid + "\n")
        time.sleep(0.05)  # so long that the other process would come in between
        return genuine(*args)

    shards.features_of = logged
    together.wait(60)
    Store(folder, jobs=1).build(recipe)


def test_processes_that_ask_at_once_build_once(tmp_path, recipe):
    context = multiprocessing.get_context("spawn")
    arguments = (str(tmp_path / "s"), recipe, str(tmp_path / "log"), context.Barrier(2))
    processes = [context.Process(target=_build_and_log, args=arguments) for _ in range(2)]
    for p in processes:
        p.start()
    for p in processes:
        p.join()
    assert [p.exitcode for p in processes] == [0, 0]
    assert sorted((tmp_path / "log").read_text().split()) == [f"c/{i}" for i in range(10)]


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def flip(path):
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)


def miscount(path):
    """Give one frame of the first item to the second: sizes and checksum of the shard stay right."""
    meta = json.loads(path.read_text())
    frames = meta.get("frames") or meta["shards"][0]["frames"]
    frames[0][1] += 1
    frames[1][1] -= 1
    path.write_text(json.dumps(meta))


DAMAGE = [
    ("shard-0000004.npy", cut),
    ("shard-0000004.npy", flip),
    ("shard-0000004.npy", Path.unlink),
    ("shard-0000004.json", cut),
    ("shard-0000004.json", miscount),
    ("shard-0000004.json", Path.unlink),
    ("entry.json", cut),
    ("entry.json", miscount),
    ("entry.json", Path.unlink),
]


@pytest.mark.parametrize(("name", "damage"), DAMAGE, ids=lambda x: getattr(x, "__name__", x))
def test_damage_is_repaired_by_the_next_build(tmp_path, recipe, computed, name, damage):
    features = Store(tmp_path / "s").build(recipe)
    whole, path = content(features), features.folder / name
    del features
    computed.clear()
    damage(path)
    assert content(Store(tmp_path / "s").build(recipe)) == whole
    assert set(computed) <= {f"c/{i}" for i in range(4, 8)}


@pytest.mark.parametrize(("name", "damage"), DAMAGE[:-1], ids=lambda x: getattr(x, "__name__", x))
def test_what_is_damaged_is_not_opened(tmp_path, recipe, name, damage):
    folder = Store(tmp_path / "s").build(recipe).folder
    damage(folder / name)
    with pytest.raises(Damaged, match=name):
        Store(tmp_path / "s").open(recipe.key)


def test_an_entry_that_was_never_built_is_not_found(tmp_path, recipe):
    with pytest.raises(FileNotFoundError):
        Store(tmp_path / "s").open(recipe.key)


def changed_bytes(recipe):
    (first, copy), *rest = recipe.items
    return replace(recipe, items=((replace(first, sha="other"), copy), *rest))


def moved(recipe):
    return replace(recipe, items=tuple((replace(u, path="/elsewhere" + u.path), c) for u, c in recipe.items))


def test_the_key_follows_audio_and_settings_but_not_places(recipe, paper):
    others = [
        changed_bytes(recipe),
        replace(recipe, items=recipe.items[1:]),
        replace(recipe, front_end=recipe.front_end.changed(floor=1e-5)),
        replace(recipe, augmentation=paper.features.augmentation[0]),
        replace(recipe, augmentation=paper.features.augmentation[0].changed(seed=99)),
        replace(recipe, corpus="d"),
    ]
    assert len({r.key for r in [recipe, *others]}) == 1 + len(others)
    assert moved(recipe).key == recipe.key


VERSIONED = [("ser.frontends.log_stft", "frontends"), ("ser.augment.noise", "augment"), ("ser.data.audio", None)]


@pytest.mark.parametrize(("module", "kind"), VERSIONED)
def test_the_key_follows_the_version_of_what_computes(recipe, paper, monkeypatch, module, kind):
    before = replace(recipe, augmentation=paper.features.augmentation[0])
    if kind:
        name = module.rpartition(".")[2]
        raised = registry.version(kind, name) + 1
        genuine = registry.version
        monkeypatch.setattr(registry, "version", lambda k, n: raised if (k, n) == (kind, name) else genuine(k, n))
    else:
        monkeypatch.setattr(audio, "VERSION", audio.VERSION + 1)
    after = replace(before, corpus="c")  # a new object: keys are kept
    assert after.key != Recipe(before.corpus, before.front_end, None, before.items).key
    monkeypatch.undo()
    assert after.key != before.key


def test_the_key_holds_documented_settings_whether_they_are_stated_or_not(recipe):
    stated = registry.find("frontends", recipe.front_end.name).Settings()
    unsaid, said = (replace(recipe, front_end=part("log_stft", **values)) for values in ({}, vars(stated)))
    assert unsaid.key == said.key


def test_what_cannot_be_used_is_listed_and_the_rest_is_kept(tmp_path, recipe):
    noise = b"RIFF, but no sound"
    Path(recipe.items[5][0].path).write_bytes(noise)
    items = list(recipe.items)
    items[2] = (replace(items[2][0], start_s=50.0, end_s=51.0), 0)
    items[5] = (replace(items[5][0], sha=hashlib.sha256(noise).hexdigest()[:32]), 0)
    features = Store(tmp_path / "s").build(replace(recipe, items=tuple(items)))
    assert [r.what for r in features.refused] == ["c/2", "c/5"]
    assert all(r.reason for r in features.refused)
    assert features.names() == [f"c/{i}" for i in (0, 1, 3, 4, 6, 7, 8, 9)]


def test_features_that_are_no_numbers_are_refused(tmp_path, recipe, monkeypatch):
    monkeypatch.setattr(log_stft, "extract", lambda wave, settings: np.full((3, 257), np.nan, np.float32))
    features = Store(tmp_path / "s").build(recipe)
    assert len(features) == 0
    assert {r.reason for r in features.refused} == {"features are not finite"}


def test_a_folder_that_is_a_file_is_bad_input(tmp_path):
    (tmp_path / "s").write_text("not a folder")
    with pytest.raises(BadInput, match="a folder that can be written"):
        Store(tmp_path / "s")


def test_a_folder_that_cannot_be_written_is_bad_input(recipe):
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o555)
        root = os.geteuid() == 0
        if root:  # whom permissions do not bind
            os.seteuid(65534)
        try:
            with pytest.raises(BadInput, match="a folder that can be written"):
                Store(folder).build(recipe)
        finally:
            if root:
                os.seteuid(0)
            os.chmod(folder, 0o755)


def test_views_share_the_memory_of_the_map_which_holds_no_file_open(tmp_path, recipe):
    Store(tmp_path / "s").build(recipe)
    held = len(os.listdir("/proc/self/fd"))
    features = Store(tmp_path / "s").open(recipe.key)
    views = [features.frames(f"c/{i}") for i in (0, 0, 1)]
    assert np.shares_memory(views[0], views[1])
    assert views[2].__array_interface__["data"][0] == views[0].__array_interface__["data"][0] + views[0].nbytes
    mapped = [line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if recipe.key in line]
    assert [Path(m).name for m in sorted(mapped)] == [f"shard-{at:07d}.npy" for at in (0, 4, 8)]
    assert len(os.listdir("/proc/self/fd")) == held


def test_a_map_that_the_system_refuses_is_an_error_of_the_system(tmp_path, recipe, monkeypatch):
    Store(tmp_path / "s").build(recipe)

    def refused(*args, **more):
        raise RuntimeError("unable to mmap 4096 bytes from file <x>: Cannot allocate memory (12)")

    monkeypatch.setattr("torch.from_file", refused)
    with pytest.raises(OSError, match="Cannot allocate memory"):
        Store(tmp_path / "s").open(recipe.key)


def test_rows_are_where_the_items_stand(tmp_path, recipe):
    (Path(recipe.items[2][0].path)).write_bytes(b"")  # refused: the rows after it move up
    items = tuple(
        (replace(u, sha=hashlib.sha256(b"").hexdigest()[:32] if u.uid == "c/2" else u.sha), 0) for u, _ in recipe.items
    )
    features = Store(tmp_path / "s").build(replace(recipe, items=items))
    assert features.rows(["c/9", "c/2", "c/0", "nobody", "c/3"]).tolist() == [8, -1, 0, -1, 2]
    for row, name in enumerate(features.names()):
        start, end = features.start[row], features.start[row] + features.length[row]
        np.testing.assert_array_equal(features.blocks[features.block[row]][start:end], features.frames(name))
    assert features.block.tolist() == [0, 0, 0, 1, 1, 1, 1, 2, 2]


def test_names_are_equal_by_content_and_pickled_as_arrays():
    words = ["c/a", "c/ü#1", "", "c/a"]
    names = Names(words)
    assert (len(names), list(names)) == (4, words)
    assert names == pickle.loads(pickle.dumps(names)) == Names(iter(words))
    assert hash(names) == hash(Names(words))
    assert names != Names(["c/a", "c/ü#", "1", "c/a"])  # the same letters
    assert names != words
    assert (len(Names([])), list(Names([]))) == (0, [])
    assert len(pickle.dumps(Names(f"made/{i:05d}" for i in range(10_000)))) < 10_000 * (10 + 8) + 1000


def test_a_long_recording_is_decoded_once_for_stretches_that_follow_each_other(tmp_path, paper, utterance, monkeypatch):
    reads = []
    genuine = audio.read
    monkeypatch.setattr(audio, "read", lambda path, most: reads.append(Path(path).name) or genuine(path, most))
    cuts, waves = [], {}
    for name in ("a.wav", "b.wav"):
        waves[name] = np.random.default_rng(len(waves)).normal(0, 0.1, 32000).astype(np.float32)
        soundfile.write(tmp_path / name, waves[name], 16000, subtype="FLOAT")
        told = {"path": str(tmp_path / name), "sha": audio.inspect(tmp_path / name).sha, "rate_hz": 16000}
        cuts += [utterance(name, i, start_s=i / 4, end_s=i / 4 + 0.5, **told) for i in range(3)]
    reads.clear()
    features = Store(tmp_path / "s", jobs=1).build(
        Recipe("corpus", paper.features.front_end, None, tuple((u, 0) for u in cuts))
    )
    assert reads == ["a.wav", "b.wav"]
    for u in cuts:
        stretch = waves[Path(u.path).name][round(u.start_s * 16000) : round(u.end_s * 16000)]
        expected = log_stft.extract(audio.resample(stretch, 16000, 8000), LOG_STFT)
        np.testing.assert_array_equal(features.frames(u.uid), expected)


@pytest.fixture
def far():
    """A remote store in memory."""
    url = "memory://features"
    yield url
    fsspec.filesystem("memory").rm("/features", recursive=True)


def test_one_node_builds_and_another_fetches_without_audio(tmp_path, recipe, far, computed):
    built = content(Store(far, tmp_path / "node a").build(recipe))
    for u, _ in recipe.items:
        Path(u.path).unlink()
    computed.clear()
    assert content(Store(far, tmp_path / "node b").open(recipe.key)) == built
    assert content(Store(far, tmp_path / "node c").build(recipe)) == built
    assert computed == []


def test_a_remote_entry_without_its_mark_is_not_taken(tmp_path, recipe, far):
    Store(far, tmp_path / "node a").build(recipe)
    fsspec.filesystem("memory").rm(f"/features/{recipe.key}/entry.json")
    with pytest.raises(FileNotFoundError):
        Store(far, tmp_path / "node b").open(recipe.key)


def test_a_remote_store_needs_a_local_cache():
    with pytest.raises(BadInput, match="a remote store together with a local cache"):
        Store("memory://features")


CLAIM = """
import sys
import time
from ser.features.store import Store
with Store(sys.argv[1]).claim("a trial") as mine:
    print(mine, flush=True)
    time.sleep(60)
"""


def test_a_claim_keeps_others_out_until_its_process_dies(tmp_path):
    here = Store(tmp_path / "s")
    with subprocess.Popen([sys.executable, "-c", CLAIM, here.local], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "True\n"
        with here.claim("a trial") as mine, here.claim("another") as other:
            assert (mine, other) == (False, True)
        process.kill()
    with here.claim("a trial") as mine, Store(tmp_path / "s").claim("a trial") as again:
        assert (mine, again) == (True, False)
    with here.claim("a trial") as mine:
        assert mine


@pytest.mark.parametrize("what", ["Path.open", "fcntl.flock"])
def test_where_nobody_can_be_kept_out_a_claim_is_granted(tmp_path, monkeypatch, what):
    def refused(*args, **options):
        raise OSError({"Path.open": errno.EROFS, "fcntl.flock": errno.ENOLCK}[what], "refused by the file system")

    here = Store(tmp_path / "s")
    monkeypatch.setattr(f"ser.features.store.{what}", refused)
    with here.claim("a trial") as mine:
        assert mine


def test_every_thread_of_a_build_computes_alone(recipe, tmp_path, monkeypatch):
    """Else the last bits of features would hang on how many processors a machine has."""
    alone, computing = set(), set()
    genuine = log_stft.extract
    monkeypatch.setattr("torch.set_num_threads", lambda number: alone.add((threading.get_ident(), number)))

    def extract(samples, settings):
        computing.add((threading.get_ident(), 1))
        return genuine(samples, settings)

    monkeypatch.setattr(log_stft, "extract", extract)
    Store(tmp_path / "store", jobs=3).build(recipe)
    assert computing
    assert computing <= alone

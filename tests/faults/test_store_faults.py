"""The store under fault: damaged at any byte, killed, on full and read-only disks, without its recordings, far away.

Nothing is lost, nothing is computed twice that was whole, and no fault becomes a number.
"""

import errno
import json
import os
import pickle
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import fsspec
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from store_builder import SHARD, Attack, digest, frames

from ser.data import audio
from ser.data.manifest import Utterance
from ser.errors import BadInput
from ser.features import shards, store
from ser.features.recipe import Recipe
from ser.features.store import Store
from ser.files import Damaged

TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module", autouse=True)
def _small_shards():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "_ITEMS", SHARD)
        patch.setattr(shards, "_PAUSES_S", (0.0, 0.0, 0.0))
        yield


@pytest.fixture(scope="module")
def recordings(tmp_path_factory) -> list[Utterance]:
    """Eleven short noises, as a scan lists them."""
    folder, out = tmp_path_factory.mktemp("audio"), []
    for i in range(11):
        path = folder / f"{i}.wav"
        soundfile.write(path, np.random.default_rng(i).normal(0, 0.1, 700 + 100 * i), 8000)
        facts = audio.inspect(path)
        out.append(Utterance(f"c/{i}", "c", str(path), "c/s", "happy", "happy", sha=facts.sha, bytes=facts.bytes))
    return out


@pytest.fixture(scope="module")
def recipe(recordings, paper) -> Recipe:
    """Three shards."""
    return Recipe("c", paper.features.front_end, None, tuple((u, 0) for u in recordings))


@pytest.fixture(scope="module")
def right(recipe, tmp_path_factory):
    """The entry as an undisturbed build leaves it."""
    return Store(tmp_path_factory.mktemp("undisturbed"), jobs=2).build(recipe)


@pytest.fixture
def at(tmp_path, right) -> Store:
    """A store that holds the whole entry."""
    shutil.copytree(right.folder, tmp_path / "s" / right.folder.name)
    return Store(tmp_path / "s", jobs=2)


@pytest.fixture
def computed(monkeypatch):
    """Names of the items that were computed."""
    seen: list[str] = []
    genuine = shards.features_of

    def counted(recipe, utterance, copy, folder):
        seen.append(utterance.uid)
        return genuine(recipe, utterance, copy, folder)

    monkeypatch.setattr(shards, "features_of", counted)
    return seen


def no_temporaries(where: Store, key: str) -> bool:
    return not list((where.local / key).glob(".*")) and not list((where.local / ".arriving").glob("*"))


NASTY = [b"[" * 100_000, b"NaN", b"9" * 5000, b"1e999", b'"bytes": 1, ', b"{}", b"\0" * 64, b"\xff\xfe", b"}", b" "]
DAMAGE = st.tuples(  # where, how much goes, what comes
    st.integers(0, 1 << 20),
    st.sampled_from([0, 1, 2, 100, 1 << 30]),
    st.one_of(st.binary(max_size=8), st.sampled_from(NASTY)),
)


def harm(path: Path, where: int, gone: int, new: bytes) -> bool:
    """Whether that made another file of it."""
    text = path.read_bytes()
    where %= len(text) + 1
    path.write_bytes(text[:where] + new + text[where + gone :])
    return path.read_bytes() != text


@pytest.fixture(scope="module")
def victim(right, tmp_path_factory):
    """A store that is damaged and mended in turn."""
    place = tmp_path_factory.mktemp("victim")
    shutil.copytree(right.folder, place / right.folder.name)
    return Store(place, jobs=1)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(number=st.integers(0, 6), damage=DAMAGE)
def test_any_damage_is_noticed_by_open_and_mended_by_build(victim, recipe, right, number, damage):
    whole = digest(right.folder)
    path = sorted((victim.local / recipe.key).iterdir())[number]
    if harm(path, *damage):
        with pytest.raises(Damaged, match=path.stem):
            victim.open(recipe.key)
    assert frames(victim.build(recipe)) == frames(right)
    assert digest(path.parent) == whole


@pytest.mark.parametrize("name", ["entry.json", "shard-0000004.json", "shard-0000008.npy"])
def test_no_single_bit_is_let_through(at, recipe, name):
    """All bits of a table, and of a shard's header and first numbers."""
    path = at.local / recipe.key / name
    text = bytearray(path.read_bytes())
    for place in range(min(len(text), 700)):
        text[place] ^= 1 << place % 8
        path.write_bytes(text)
        with pytest.raises(Damaged, match=name):
            at.open(recipe.key)
        text[place] ^= 1 << place % 8


def test_files_of_another_entry_are_not_taken_for_its_own(at, recipe, right, paper):
    """As a restored backup may mix them: each is whole in itself."""
    other = replace(recipe, front_end=paper.features.front_end.changed(floor=1e-4))
    foreign = at.build(other).folder
    own = at.local / recipe.key
    stems = sorted({p.stem for p in own.iterdir()})
    for stem in stems:
        for path in foreign.glob(f"{stem}.*"):
            shutil.copy(path, own)
        with pytest.raises(Damaged):
            at.open(recipe.key)
        assert frames(at.build(recipe)) == frames(right)
    shutil.copy(own / "shard-0000000.json", own / "shard-0000004.json")
    shutil.copy(own / "shard-0000000.npy", own / "shard-0000004.npy")
    with pytest.raises(Damaged):
        at.open(recipe.key)
    assert frames(at.build(recipe)) == frames(right)
    shutil.rmtree(own)
    shutil.copytree(foreign, own)
    with pytest.raises(Damaged):
        at.open(recipe.key)
    assert digest(at.build(recipe).folder) == digest(right.folder)


def test_shards_of_another_length_left_by_an_older_version_are_made_anew(tmp_path, recipe, right, monkeypatch):
    here = Store(tmp_path / "s")
    monkeypatch.setattr(shards, "_ITEMS", SHARD // 2)
    older = here.build(recipe).folder
    assert frames(here.open(recipe.key)) == frames(right)
    monkeypatch.setattr(shards, "_ITEMS", SHARD)
    assert frames(here.build(recipe)) == frames(right)  # a whole entry is whole, however it is cut
    (older / "entry.json").unlink()
    assert digest(here.build(recipe).folder) == digest(right.folder)


@pytest.mark.parametrize("moment", [0, 4_000_000_000])
def test_nothing_depends_on_the_clock(at, recipe, right, computed, monkeypatch, moment):
    monkeypatch.setattr("time.time", lambda: 4e9 - moment)
    for unfinished in (False, True):
        for path in (at.local / recipe.key).iterdir():
            os.utime(path, (moment, moment))
        if unfinished:
            (at.local / recipe.key / "entry.json").unlink()
        assert frames(at.build(recipe)) == frames(at.open(recipe.key)) == frames(right)
    assert digest(right.folder) == digest(at.local / recipe.key)
    assert computed == []


# recordings that cannot be read any more


def fails_first(monkeypatch, uid: str, times: int, error: BaseException) -> None:
    genuine, left = shards.features_of, [error] * times

    def failing(recipe, utterance, copy, folder):
        if utterance.uid == uid and left:
            raise left.pop()
        return genuine(recipe, utterance, copy, folder)

    monkeypatch.setattr(shards, "features_of", failing)


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EMFILE])
def test_a_drive_that_is_away_for_a_moment_is_no_refusal(tmp_path, recipe, right, monkeypatch, number):
    fails_first(monkeypatch, "c/5", 3, OSError(number, os.strerror(number)))
    assert digest(Store(tmp_path / "s").build(recipe).folder) == digest(right.folder)


def test_a_drive_that_stays_away_stops_the_build_and_the_same_call_goes_on(tmp_path, recipe, right, monkeypatch):
    fails_first(monkeypatch, "c/5", 4, OSError(errno.EIO, "Input/output error"))
    with pytest.raises(BadInput, match=r"5\.wav: Input/output error; .* scans anew"):
        Store(tmp_path / "s").build(recipe)
    assert no_temporaries(Store(tmp_path / "s"), recipe.key)
    assert digest(Store(tmp_path / "s").build(recipe).folder) == digest(right.folder)


def test_what_vanished_or_changed_since_the_scan_is_told_and_never_kept(tmp_path, recipe, right):
    path = Path(recipe.items[5][0].path)
    kept = path.read_bytes()
    try:
        path.unlink()
        with pytest.raises(BadInput, match=r"5\.wav: No such file"):
            Store(tmp_path / "s").build(recipe)
        path.write_bytes(Path(recipe.items[6][0].path).read_bytes())
        with pytest.raises(BadInput, match=r"5\.wav: .* as scanned"):
            Store(tmp_path / "s").build(recipe)
    finally:
        path.write_bytes(kept)
    assert digest(Store(tmp_path / "s").build(recipe).folder) == digest(right.folder)


def test_an_utterance_that_does_not_fit_into_memory_is_named(tmp_path, recipe, right, monkeypatch):
    fails_first(monkeypatch, "c/5", 1, MemoryError())
    with pytest.raises(BadInput, match=r"5\.wav: c/5 does not fit into memory; .*--jobs"):
        Store(tmp_path / "s").build(recipe)
    assert digest(Store(tmp_path / "s").build(recipe).folder) == digest(right.folder)


# disks: full, read-only


def failing_at(monkeypatch, what: str, turn: int, error: OSError) -> None:
    """The ``turn``-th call of a function of the store's fails."""
    genuine, left = getattr(os, what), [turn]

    def call(*args):
        left[0] -= 1
        if left[0] == -1:
            raise error
        return genuine(*args)

    monkeypatch.setattr(store.os, what, call)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("what", ["fsync", "replace"])
def test_a_disk_that_fills_up_at_any_file_is_told_and_the_same_call_goes_on(
    tmp_path, recipe, right, computed, monkeypatch, what, number
):
    for turn in range(7):  # three shards, each with a table, and the entry's
        here = Store(tmp_path / str(turn), jobs=1)
        computed.clear()
        with monkeypatch.context() as patch:
            failing_at(patch, what, turn, OSError(number, os.strerror(number)))
            with pytest.raises(BadInput, match=f"{os.strerror(number)}; .*free space, and the same command goes on"):
                here.build(recipe)
        assert no_temporaries(here, recipe.key)
        with pytest.raises(FileNotFoundError):
            here.open(recipe.key)
        assert digest(here.build(recipe).folder) == digest(right.folder)
        assert len(computed) - len(set(computed)) <= 2 * SHARD  # of the shard that failed, and of one begun since


ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{TESTS / 'support'}:{TESTS.parent}", "OPENBLAS_NUM_THREADS": "1"}

START = """
import json, pickle, subprocess, sys
from itertools import count
from pathlib import Path
from store_builder import SHARD, digest, frames
from ser.features import shards, store
from ser.errors import BadInput
from ser.files import Damaged
from ser.features.store import Store
shards._ITEMS = SHARD
place, told = Path(sys.argv[1]), {}
recipe, other = pickle.loads(Path(sys.argv[2]).read_bytes())
def mount(*options):
    subprocess.run(["mount", *options, place], check=True)
def error_of(call):
    try:
        call()
    except (BadInput, Damaged) as error:
        return f"{type(error).__name__}: {error}"
"""

GROWING = """
genuine, told["shards"], told["full"], told["left"] = shards.write_shard, [], [], []
def counted(shard, folder):
    genuine(shard, folder)
    told["shards"].append(shard.stem)
shards.write_shard = counted
mount("-t", "tmpfs", "-o", "size=4k", "none")
for pages in count(1):
    mount("-o", f"remount,size={4 * pages}k")
    error = error_of(lambda: Store(place, jobs=1).build(recipe))
    if error is None:
        break
    told["full"].append(error)
    told["left"] += [p.name for p in (place / recipe.key).glob(".*")]
told["digest"] = digest(place / recipe.key)
print(json.dumps(told))
"""


def test_a_file_system_that_grows_page_by_page(tmp_path, recipe, right, mounts, in_a_namespace):
    (tmp_path / "disk").mkdir()
    (tmp_path / "recipes").write_bytes(pickle.dumps((recipe, None)))
    told = in_a_namespace(START + GROWING, tmp_path / "disk", tmp_path / "recipes")
    assert len(told["full"]) > 10
    assert all("BadInput" in e and "No space left" in e and "free space" in e for e in told["full"])
    assert told["left"] == []
    assert told["shards"] == [f"shard-{at:07d}" for at in (0, 4, 8)]  # each was finished once
    assert told["digest"] == digest(right.folder)


READ_ONLY = """
mount("--bind", place)
mount("-o", "remount,bind,ro")
here = Store(place / "whole")
told["digest"] = digest(here.build(recipe).folder)
told["same"] = frames(here.open(recipe.key)) == frames(here.build(recipe))
told["other"] = error_of(lambda: here.build(other))
with here.claim("a trial") as mine:
    told["mine"] = mine
told["absent"] = error_of(lambda: Store(place / "absent"))
told["build"] = error_of(lambda: Store(place / "damaged").build(recipe))
told["open"] = error_of(lambda: Store(place / "damaged").open(recipe.key))
print(json.dumps(told))
"""


def test_a_read_only_disk_serves_what_is_whole_and_tells_what_is_not(tmp_path, recipe, right, mounts, in_a_namespace):
    for name in ("whole", "damaged"):
        shutil.copytree(right.folder, tmp_path / "disk" / name / recipe.key)
    harm(tmp_path / "disk" / "damaged" / recipe.key / "shard-0000004.npy", 500, 1, b"")
    other = replace(recipe, items=recipe.items[1:])
    (tmp_path / "recipes").write_bytes(pickle.dumps((recipe, other)))
    told = in_a_namespace(START + READ_ONLY, tmp_path / "disk", tmp_path / "recipes")
    assert (told["digest"], told["same"], told["mine"]) == (digest(right.folder), True, True)
    assert told["open"].startswith("Damaged: ")
    for what in ("other", "absent", "build"):
        assert told[what].startswith("BadInput: ")
        assert "Read-only file system; allowed: a folder that can be written" in told[what]


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.EPERM])
def test_a_whole_entry_is_used_without_writing(at, recipe, right, monkeypatch, number):
    def refused(*args, **kwargs):
        raise OSError(number, os.strerror(number))

    genuine = Path.open
    read = ("r", "rb")
    monkeypatch.setattr(
        Path, "open", lambda self, mode="r", **how: (genuine if mode in read else refused)(self, mode, **how)
    )
    for name in ("Path.mkdir", "Path.unlink", "os.replace", "shutil.rmtree", "fcntl.flock"):
        monkeypatch.setattr(f"ser.features.store.{name}", refused)
    assert frames(at.build(recipe)) == frames(at.open(recipe.key)) == frames(right)
    with at.claim("a trial") as mine:
        assert mine
    with pytest.raises(BadInput, match=os.strerror(number)):
        at.build(replace(recipe, items=recipe.items[1:]))


# far away


@pytest.fixture
def far():
    """A remote store in memory."""
    yield "memory://features"
    fsspec.filesystem("memory").rm("/features", recursive=True)


MEMORY = type(fsspec.filesystem("memory"))


@pytest.mark.parametrize("mender", ["a", "c"])
@pytest.mark.parametrize("how", [(300, 1, b"#"), (9, 1 << 30, b""), (0, 1 << 30, b"")], ids=["changed", "cut", "empty"])
@pytest.mark.parametrize("name", ["entry.json", "shard-0000004.json", "shard-0000004.npy"])
def test_damage_far_away_is_told_and_mended_by_a_build_anywhere(tmp_path, recipe, right, far, name, how, mender):
    """Node a has the entry in its cache, b and c have not."""
    Store(far, tmp_path / "a").build(recipe)
    path, system = f"/features/{recipe.key}/{name}", fsspec.filesystem("memory")
    (tmp_path / "copy").write_bytes(system.cat_file(path))
    assert harm(tmp_path / "copy", *how)
    system.pipe_file(path, (tmp_path / "copy").read_bytes())
    with pytest.raises(Damaged, match=name):
        Store(far, tmp_path / "b").open(recipe.key)
    assert not (tmp_path / "b" / recipe.key).exists()
    assert digest(Store(far, tmp_path / mender).build(recipe).folder) == digest(right.folder)
    assert frames(Store(far, tmp_path / "b").open(recipe.key)) == frames(right)
    assert digest(tmp_path / "b" / recipe.key) == digest(right.folder)
    assert no_temporaries(Store(far, tmp_path / "b"), recipe.key)


def test_a_file_lost_far_away_is_told_and_mended(tmp_path, recipe, right, far):
    for name in sorted(p.name for p in right.folder.iterdir()):
        Store(far, tmp_path / "a").build(recipe)
        fsspec.filesystem("memory").rm_file(f"/features/{recipe.key}/{name}")
        with pytest.raises(FileNotFoundError if name == "entry.json" else Damaged):
            Store(far, tmp_path / name).open(recipe.key)
        Store(far, tmp_path / "a").build(recipe)
        assert frames(Store(far, tmp_path / name).open(recipe.key)) == frames(right)


def test_a_damaged_copy_is_fetched_again(tmp_path, recipe, right, far, computed):
    Store(far, tmp_path / "a").build(recipe)
    computed.clear()
    for name in sorted(p.name for p in right.folder.iterdir()):
        for call in ("open", "build"):
            node = Store(far, tmp_path / "b")
            node.open(recipe.key)
            assert harm(node.local / recipe.key / name, 77, 1, b"#")
            assert frames(getattr(node, call)(recipe.key if call == "open" else recipe)) == frames(right)
            assert digest(node.local / recipe.key) == digest(right.folder)
    assert computed == []


@contextmanager
def cut_off(monkeypatch, call: str, turn: int, error: BaseException):
    """The ``turn``-th file sent or got arrives by half, then the connection or the process ends."""
    genuine, left = getattr(MEMORY, call), [turn]

    def halved(self, first, second, *args, **kwargs):
        genuine(self, first, second, *args, **kwargs)
        left[0] -= 1
        if left[0] == -1:
            if call == "put_file":
                self.pipe_file(second, self.cat_file(second)[: self.size(second) // 2])
            else:
                Path(second).write_bytes(Path(second).read_bytes()[: self.size(first) // 2])
            raise error

    with monkeypatch.context() as patch:
        patch.setattr(MEMORY, call, halved)
        yield


CUTS = [KeyboardInterrupt(), ConnectionError("gone")]


@pytest.mark.parametrize("error", CUTS, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("turn", range(7))
def test_an_upload_cut_off_at_any_file_is_completed_by_the_next_build(
    tmp_path, recipe, right, far, computed, monkeypatch, turn, error
):
    node, fresh = Store(far, tmp_path / "a"), Store(far, tmp_path / "b")
    told = KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else BadInput
    with cut_off(monkeypatch, "put_file", turn, error), pytest.raises(told):
        node.build(recipe)
    with pytest.raises(Damaged if turn == 6 else FileNotFoundError):  # the sixth is the mark: by half, and seen to be
        fresh.open(recipe.key)
    assert frames(node.build(recipe)) == frames(right)
    assert frames(fresh.open(recipe.key)) == frames(right)
    assert len(computed) == len(recipe.items)


@pytest.mark.parametrize("error", CUTS, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("turn", range(7))
def test_a_fetch_cut_off_at_any_file_leaves_nothing(tmp_path, recipe, right, far, monkeypatch, turn, error):
    Store(far, tmp_path / "a").build(recipe)
    node = Store(far, tmp_path / "b")
    with cut_off(monkeypatch, "get_file", turn, error), pytest.raises(type(error)):
        node.open(recipe.key)
    assert not (node.local / recipe.key).exists()
    assert no_temporaries(node, recipe.key)
    assert frames(node.open(recipe.key)) == frames(right)


def test_a_full_disk_below_the_cache_is_told(tmp_path, recipe, right, far, monkeypatch):
    Store(far, tmp_path / "a").build(recipe)
    node = Store(far, tmp_path / "b")
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with cut_off(monkeypatch, "get_file", 3, full), pytest.raises(BadInput, match="free space"):
        node.open(recipe.key)
    assert no_temporaries(node, recipe.key)
    assert frames(node.open(recipe.key)) == frames(right)


# killed


def siege(tmp_path, recipe, right, **attack) -> list[dict]:
    (tmp_path / "it").write_bytes(pickle.dumps(recipe))
    (tmp_path / "it.right").write_bytes(pickle.dumps(frames(right)))
    orders = Attack(str(tmp_path / "it"), digest(right.folder), str(tmp_path / "sieges"), **attack)
    command = [sys.executable, str(TESTS / "support" / "store_builder.py"), json.dumps(asdict(orders))]
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    rounds = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rounds) == orders.rounds
    assert sum(r["kills"] for r in rounds) > orders.rounds
    for r in rounds:
        assert r["as_expected"], r
        assert (r["left"], r["wrong"], r["failed"]) == ([], 0, 0), done.stderr
        assert r["opened"] > 0
    return rounds


@pytest.mark.parametrize("rounds", [4, pytest.param(100, marks=pytest.mark.slow)])
def test_builders_killed_at_random_leave_what_an_undisturbed_one_leaves(tmp_path, recipe, right, rounds):
    for r in siege(tmp_path, recipe, right, seed=1, rounds=rounds, builders=8):
        assert (r["damaged"], r["twice"]) == (0, 0), r


@pytest.mark.parametrize("rounds", [2, pytest.param(50, marks=pytest.mark.slow)])
def test_nodes_killed_at_random_leave_one_remote_entry(tmp_path, recipe, right, rounds):
    for r in siege(tmp_path, recipe, right, seed=2, rounds=rounds, builders=4, far=True):
        assert r["twice"] == 0, r

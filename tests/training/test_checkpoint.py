"""Checkpoints: whatever happens while one is written or afterwards, a whole generation is left, or none is told."""

import errno
import hashlib
import os
import pickle
import resource
from contextlib import contextmanager
from io import BytesIO

import numpy as np
import pytest
import torch

from ser.errors import BadInput
from ser.training import checkpoint


def state(epoch):
    """Of the kinds that a training keeps."""
    make = torch.Generator().manual_seed(epoch)
    return {
        "network": {"weight": torch.randn(3, 4, generator=make), "bias": torch.full((2,), float(epoch))},
        "progress": {"epoch": epoch, "best_loss": 0.1 + epoch, "history": [{"epoch": float(epoch)}]},
    }


def epoch_of(loaded):
    return None if loaded is None else loaded["progress"]["epoch"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "checkpoint.pt"


@pytest.fixture
def two(path):
    """The generations 1 and 2, and their bytes."""
    checkpoint.save(path, state(1))
    checkpoint.save(path, state(2))
    previous = path.with_name("checkpoint.previous.pt")
    assert sorted(path.parent.iterdir()) == [previous, path]
    return {path: path.read_bytes(), previous: previous.read_bytes()}


def restored(files):
    for path, content in files.items():
        path.write_bytes(content)


def test_what_is_loaded_is_what_was_saved_last(path):
    assert checkpoint.load(path) is None
    for epoch in (1, 2, 3):
        checkpoint.save(path, state(epoch))
        loaded, expected = checkpoint.load(path), state(epoch)
        assert loaded["progress"] == expected["progress"]
        assert all(torch.equal(loaded["network"][k], v) for k, v in expected["network"].items())


def test_cut_at_any_length_it_is_passed_over_for_the_one_before(path, two):
    for length in range(0, len(two[path]), 7):
        restored(two)
        path.write_bytes(two[path][:length])
        assert epoch_of(checkpoint.load(path)) == 1


def test_any_flipped_bit_is_noticed(path, two):
    bits = np.random.default_rng(0).integers(8, size=len(two[path]))
    for at in range(0, len(two[path]), 5):
        restored(two)
        content = bytearray(two[path])
        content[at] ^= 1 << bits[at]
        path.write_bytes(content)
        assert epoch_of(checkpoint.load(path)) == 1


class Planted:
    """What a malicious checkpoint would run."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def pickled(marker):
    return pickle.dumps({"network": Planted(marker)}, protocol=2)


def saved_by_torch(content):
    buffer = BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def sealed(payload):
    return hashlib.sha256(payload).digest() + payload


FOREIGN = {
    "empty": lambda marker: b"",
    "garbage": lambda marker: np.random.default_rng(1).bytes(5000),
    "of torch, without a checksum": lambda marker: saved_by_torch(state(3)),
    "a list": lambda marker: sealed(saved_by_torch([1, 2])),
    "garbage with a checksum": lambda marker: sealed(b"garbage"),
    "nothing with a checksum": lambda marker: sealed(b""),
    "code": pickled,
    "code with a checksum": lambda marker: sealed(pickled(marker)),
    "code in torch's format": lambda marker: sealed(saved_by_torch({"network": Planted(marker)})),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_foreign_file_is_passed_over_and_nothing_in_it_is_run(path, two, tmp_path, kind):
    marker = tmp_path / "broken in"
    foreign = FOREIGN[kind](marker)
    path.write_bytes(foreign)
    assert epoch_of(checkpoint.load(path)) == 1
    restored(dict.fromkeys(two, foreign))
    assert checkpoint.load(path) is None
    assert not marker.exists()
    checkpoint.save(path, state(4))
    assert epoch_of(checkpoint.load(path)) == 4


def test_a_broken_file_never_takes_the_place_of_the_whole_one_before(path, two):
    for broken in (b"", two[path][:-1]):
        path.write_bytes(broken)
        assert epoch_of(checkpoint.load(path)) == 1
        checkpoint.save(path, state(3))
        path.write_bytes(broken)


def test_something_in_its_place_that_is_no_file_is_passed_over(path, two):
    path.unlink()
    path.mkdir()
    assert epoch_of(checkpoint.load(path)) == 1


class Killed(BaseException):
    """Like a kill, nothing tidies up behind it."""


def dying(monkeypatch, call):
    """Dies before the ``call``-th thing done to the disk; returns what was done."""
    done = []

    def watched(name):
        genuine = getattr(os, name)

        def watching(*given):
            if len(done) == call:
                raise Killed
            done.append(name)
            return genuine(*given)

        monkeypatch.setattr(os, name, watching)

    for name in ("fsync", "replace", "open"):
        watched(name)
    return done


@pytest.mark.parametrize("generations", [1, 2, 3])
def test_killed_at_any_moment_of_writing_one_whole_generation_is_left(path, monkeypatch, generations):
    left = []
    for call in range(6):
        for old in path.parent.iterdir():
            old.unlink()
        for epoch in range(1, generations + 1):
            checkpoint.save(path, state(epoch))
        with monkeypatch.context() as patched:
            done = dying(patched, call)
            try:
                checkpoint.save(path, state(generations + 1))
            except Killed:
                left.append(epoch_of(checkpoint.load(path)))
        checkpoint.save(path, state(9))
        assert {p.name for p in path.parent.iterdir()} == {path.name, "checkpoint.previous.pt"}
        assert epoch_of(checkpoint.load(path)) == 9
    assert done == ["fsync", "replace", "replace", "open", "fsync"]
    assert left == [generations] * 3 + [generations + 1] * 2


@contextmanager
def files_of_at_most(size):
    """A real limit of the system: writing beyond it fails as on a full disk, after part of the bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def assert_told_and_nothing_lost(path, write, said):
    before = {p.name for p in path.parent.iterdir()}
    with pytest.raises(BadInput, match="go") as error:
        write()
    assert said in error.value.value
    assert (error.value.place, error.value.allowed) == (str(path), "a disk with room that can be written")
    assert "the same command goes on" in error.value.remedy
    assert {p.name for p in path.parent.iterdir()} <= before
    assert epoch_of(checkpoint.load(path)) == 2


@pytest.mark.parametrize("size", [0, 1, 32, 1000])
def test_a_disk_that_is_full_is_told_and_the_generations_stay(path, two, size):
    def write():
        with files_of_at_most(size):
            checkpoint.save(path, state(3))

    assert_told_and_nothing_lost(path, write, "File too large")
    checkpoint.save(path, state(3))
    assert epoch_of(checkpoint.load(path)) == 3


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO, errno.EDQUOT])
@pytest.mark.parametrize("name", ["fsync", "replace"])
def test_a_disk_that_cannot_be_written_is_told_and_the_generations_stay(path, two, monkeypatch, name, number):
    def fail(*_):
        raise OSError(number, os.strerror(number))

    def write():
        with monkeypatch.context() as patched:
            patched.setattr(os, name, fail)
            checkpoint.save(path, state(3))

    assert_told_and_nothing_lost(path, write, os.strerror(number))


def test_a_folder_that_is_gone_is_told(tmp_path):
    with pytest.raises(BadInput, match="No such file"):
        checkpoint.save(tmp_path / "gone" / "checkpoint.pt", state(1))

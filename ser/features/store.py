"""The shared feature store: each set of features is computed once, written atomically, verified, and memory-mapped.

An entry is one corpus x front-end x augmentation. It is a folder named by the hash of all that can change its numbers:
the recordings' own hashes and stretches, every setting, and VERSIONs of the code. Inside lie shards, each a plain
``.npy`` of frames [frames, width] with a ``.json`` beside it (lengths, checksum, refusals); ``entry.json``, written
last, makes the entry complete. A build that was killed leaves whole shards, and the next call goes on from there.
The JSON files carry a checksum of themselves: a wrong length would give an utterance its neighbour's frames. Every byte
is verified before it is mapped. Nothing is decided by time, and a whole entry is used without writing anything.
"""

import errno
import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from io import BytesIO
from pathlib import Path
from typing import IO, Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

from ser import files
from ser.data import audio
from ser.errors import BadInput
from ser.features.entry import Features, verified
from ser.features.recipe import Recipe, features_of, plain
from ser.features.remote import RemoteFolder, is_url
from ser.files import Damaged
from ser.host import machine

Progress = Callable[[int, int], None]
_SHARD_ITEMS = 128  # small enough to lose little when killed, large enough to be read in long strokes
_PAUSES_S = (0.1, 0.5, 2.0)  # before a recording that could not be read is tried again
_DAMAGED = "damaged"  # an empty file in a remote entry: a file too many, for which the next build sends it all again
_FILES_AT_ONCE = 8
_FULL = (errno.ENOSPC, errno.EDQUOT)
_NOT_OURS = (errno.EROFS, errno.EACCES, errno.EPERM)


class Store:
    """Where entries live: a local folder, or any fsspec URL with ``cache`` as this node's copy of it.

    ``jobs`` threads compute one entry's shards; decoding, resampling and transforms release the interpreter lock.
    """

    def __init__(self, location: str | Path, cache: Path | None = None, jobs: int | None = None) -> None:
        remote = is_url(location)
        if remote and cache is None:
            raise BadInput(str(location), "--store", "a remote store together with a local cache", "pass a work folder")
        self.local = Path(str(cache if remote else location).removeprefix("file://")).absolute()
        self.jobs = jobs or machine.cores()
        self._remote = RemoteFolder(str(location)) if remote else None
        try:
            self.local.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _cannot_write(self.local, error) from None

    def open(self, key: str) -> Features:
        """A complete entry. Raises Damaged if a byte of it is not as written, FileNotFoundError if it is absent."""
        folder = self.local / key
        features = self._intact(folder)
        if features is None and self._remote:
            with _locked(folder):
                if self._intact(folder) is None:  # nobody has fetched it while we waited
                    self._fetch(key)
        return Features(folder, self.jobs) if features is None else features

    @contextmanager
    def claim(self, name: str) -> Iterator[bool]:
        """Yields whether no living process but this works on ``name``; held until the block ends or the process dies.

        True as well where nobody can be kept out: on a read-only store, and where files cannot be locked.
        """
        with self._claim_file(name) as file:
            yield file is None or _lock_at_once(file)

    def _claim_file(self, name: str) -> AbstractContextManager[IO[str] | None]:
        folder = self.local / ".claims"
        try:
            folder.mkdir(exist_ok=True)
            return (folder / name).open("w", encoding="utf-8")
        except OSError as error:
            if error.errno in _NOT_OURS:
                return nullcontext()
            raise _cannot_write(folder, error) from None

    def build(self, recipe: Recipe, folder: Path | None = None, progress: Progress | None = None) -> Features:
        """The entry of ``recipe``, computed where it is not there yet; ``folder`` holds a user's noise or responses.

        Checks every shard against its checksum and recomputes those that fail. Several processes asking for one entry
        build it once: the others wait. Utterances whose audio fails are in ``Features.refused``. Raises BadInput where
        a recording cannot be read any more or is not as it was scanned, and where there is no room or leave to write;
        what is finished by then is kept.
        """
        target = self.local / recipe.key
        features = self._intact(target)  # asked without the lock first: a finished store may be read-only
        with self._remote_errors():
            if features is None or not self._is_uploaded(target):
                with _locked(target):
                    if self._intact(target) is None and not self._fetched(recipe.key):
                        self._make(recipe, target, folder, progress)
                    self._upload(target)
                features = Features(target, self.jobs)
        if progress:
            progress(len(recipe.items), len(recipe.items))
        return features

    def _intact(self, folder: Path) -> Features | None:
        try:
            return Features(folder, self.jobs)
        except (OSError, Damaged):
            return None

    def _make(self, recipe: Recipe, target: Path, folder: Path | None, progress: Progress | None) -> None:
        expected = {f"{_stem(shard)}.{kind}" for shard in _shards(recipe) for kind in ("npy", "json")}
        try:
            target.mkdir(parents=True, exist_ok=True)
            for path in list(target.iterdir()):  # the entry's mark, and what killed builds and other versions left
                if path.name not in expected:
                    path.unlink()
        except OSError as error:
            raise _cannot_write(target, error) from None
        self._compute(recipe, [s for s in _shards(recipe) if not _is_whole(target, s)], target, folder, progress)
        parts = [files.read(target / f"{_stem(shard)}.json") for shard in _shards(recipe)]
        meta = {
            "corpus": recipe.corpus,
            "front_end": plain("frontends", recipe.front_end),
            "augmentation": plain("augment", recipe.augmentation) if recipe.augmentation else None,
            "width": recipe.width,
            "libraries": audio.library_versions(),
            "refused": [r for p in parts for r in p["refused"]],
            "shards": parts,
        }
        _write_json(target / "entry.json", meta)

    def _compute(
        self, recipe: Recipe, missing: Sequence[range], target: Path, folder: Path | None, progress: Progress | None
    ) -> None:
        done = len(recipe.items) - sum(map(len, missing))
        pool = ThreadPoolExecutor(self.jobs)
        try:
            for count in pool.map(lambda shard: _write_shard(recipe, shard, target, folder), missing):
                done += count
                if progress:
                    progress(done, len(recipe.items))
        finally:  # an interrupt or a full disk ends the build now, not when all shards have had their turn
            pool.shutdown(cancel_futures=True)

    def _is_uploaded(self, target: Path) -> bool:
        if not self._remote:
            return True
        return self._remote.sizes(target.name) == {p.name: p.stat().st_size for p in target.iterdir()}

    def _upload(self, target: Path) -> None:
        """The entry's mark goes first and comes last, so that nobody takes what is being changed."""
        if not (remote := self._remote) or self._is_uploaded(target):
            return
        key, mark = target.name, "entry.json"
        names = {p.name for p in target.iterdir()} - {mark}
        for name in sorted(remote.sizes(key).keys() - names):
            remote.remove(f"{key}/{name}")
        self._at_once(lambda name: remote.put(target / name, f"{key}/{name}"), names)
        remote.put(target / mark, f"{key}/{mark}")

    def _at_once(self, move: Callable[[str], None], names: Iterable[str]) -> None:
        """An object store answers late, but many at a time."""
        with ThreadPoolExecutor(max(self.jobs, _FILES_AT_ONCE)) as pool:
            list(pool.map(move, sorted(names)))

    @contextmanager
    def _remote_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if not self._remote:
                raise
            allowed, remedy = "a remote store that answers", "repair it, and the same command goes on"
            raise BadInput(str(error), self._remote.url, allowed, remedy) from None

    def _fetched(self, key: str) -> bool:
        try:
            return self._fetch(key)
        except Damaged:
            return False

    def _fetch(self, key: str) -> bool:
        """Copy a remote entry into this node's cache, where it is seen when verified. False where there is none."""
        if not (remote := self._remote) or "entry.json" not in (names := remote.sizes(key)):
            return False
        arriving = self.local / ".arriving" / key  # only the lock's holder writes there
        try:
            shutil.rmtree(arriving, ignore_errors=True)
            arriving.mkdir(parents=True)
            self._at_once(lambda name: remote.get(f"{key}/{name}", arriving / name), names.keys() - {_DAMAGED})
            Features(arriving, self.jobs)
            shutil.rmtree(self.local / key, ignore_errors=True)
            os.replace(arriving, self.local / key)
        except Damaged:
            with suppress(Exception):
                remote.write(f"{key}/{_DAMAGED}", b"")
            raise
        except OSError as error:
            if error.errno in (*_FULL, *_NOT_OURS):
                raise _cannot_write(arriving, error) from None
            raise
        finally:
            shutil.rmtree(arriving, ignore_errors=True)
        return True


def _shards(recipe: Recipe) -> list[range]:
    """Which items stand in which shard."""
    return [range(at, min(at + _SHARD_ITEMS, len(recipe.items))) for at in range(0, len(recipe.items), _SHARD_ITEMS)]


def _stem(shard: range) -> str:
    return f"shard-{shard.start:07d}"


def _is_whole(target: Path, shard: range) -> bool:
    try:
        meta = verified(target / f"{_stem(shard)}.npy")
    except Damaged:
        return False
    return len(meta["frames"]) + len(meta["refused"]) == len(shard)  # shards of another version may be shorter


def _write_shard(recipe: Recipe, shard: range, target: Path, folder: Path | None) -> int:
    arrays, frames, refused = [], [], []
    for i in shard:
        try:
            arrays.append(_computed(recipe, i, folder))
            frames.append((recipe.names[i], len(arrays[-1])))
        except audio.UnusableAudio as error:
            refused.append({"what": recipe.names[i], "reason": str(error)})
    shape = (sum(map(len, arrays)), recipe.width)
    header = BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": shape})
    path = target / f"{_stem(shard)}.npy"
    size, crc = 0, 0
    with _replacing(path) as file:  # not by np.save, which does not tell a full disk from other errors
        pieces: list[Any] = [header.getvalue(), *arrays]
        for piece in pieces:
            size += file.write(piece)
            crc = crc32(piece, crc)
    meta = {"file": path.name, "bytes": size, "crc32": crc, "frames": frames, "refused": refused}
    _write_json(path.with_suffix(".json"), meta)
    return len(shard)


def _computed(recipe: Recipe, item: int, folder: Path | None) -> npt.NDArray[np.float32]:
    """Features of one item, tried again where a recording cannot be read: a shared drive may be away for a moment."""
    utterance, copy = recipe.items[item]
    try:
        for pause_s in _PAUSES_S:
            with suppress(OSError):
                return features_of(recipe, utterance, copy, folder)
            time.sleep(pause_s)
        return features_of(recipe, utterance, copy, folder)
    except OSError as error:  # not refused for good: the scan has read it
        file, reason = str(error.filename or utterance.path), error.strerror or str(error)
        raise BadInput(reason, file, "a file as it was scanned", "run the command again: it scans anew") from None
    except MemoryError:
        remedy = "pass fewer --jobs, or take the file out of the corpus"
        value = f"{recipe.names[item]} does not fit into memory"
        raise BadInput(value, utterance.path, "an utterance that fits", remedy) from None


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    try:
        with files.replacing(path) as file:
            yield file
    except OSError as error:
        raise _cannot_write(path, error) from None


def _write_json(path: Path, meta: Mapping[str, Any]) -> None:
    with _replacing(path) as file:
        file.write(files.dump(meta, path))


def _cannot_write(path: Path, error: OSError) -> BadInput:
    reason = error.strerror or str(error)
    if error.errno in _FULL:
        return BadInput(reason, str(path), "room for the features", "free space, and the same command goes on")
    return BadInput(reason, str(path), "a folder that can be written", "choose another --store, or repair this one")


@contextmanager
def _locked(target: Path) -> Iterator[None]:
    """One builder of an entry at a time; the lock dies with its process, so a killed builder blocks nobody."""
    try:
        lock = (target.parent / f".{target.name}.lock").open("w", encoding="utf-8")
        fcntl.flock(lock, fcntl.LOCK_EX)
    except OSError as error:
        raise _cannot_write(target.parent, error) from None
    with lock:
        yield


def _lock_at_once(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:  # others than "somebody has it" say that this file system knows no locks
        return error.errno not in (errno.EWOULDBLOCK, errno.EACCES)
    return True

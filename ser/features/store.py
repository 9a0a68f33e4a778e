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
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from math import inf
from pathlib import Path
from typing import IO

from ser import files
from ser.data import audio
from ser.errors import BadInput
from ser.features.disk import FULL, NOT_OURS, cannot_write, write_json
from ser.features.entry import Features, lock_path, verified
from ser.features.recipe import Recipe, plain
from ser.features.remote import RemoteFolder, is_url
from ser.features.shards import Compute, in_threads, shards, stem
from ser.files import Damaged
from ser.host import machine

Progress = Callable[[int, int], None]
_DAMAGED = "damaged"  # an empty file in a remote entry: a file too many, for which the next build sends it all again
_FILES_AT_ONCE = 8


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
            raise cannot_write(self.local, error) from None

    def open(self, key: str) -> Features:
        """A complete entry. Raises Damaged if a byte of it is not as written, FileNotFoundError if it is absent.

        Of an entry of gigabytes, Damaged may come later, when a shard is first read: the next build makes that anew.
        """
        folder = self.local / key
        try:
            return Features(folder, self.jobs)
        except (OSError, Damaged):
            if not self._remote:
                raise
        with _locked(folder):
            if self._intact(folder) is None:  # nobody has fetched it while we waited
                self._fetch(key)
        return Features(folder, self.jobs)

    @property
    def is_remote(self) -> bool:
        """Whether ``local`` is this node's copy of a store elsewhere."""
        return self._remote is not None

    def missing_bytes(self, recipe: Recipe) -> int:
        """Returns what an entry will take here beyond what is there, by the durations; 0 where it is complete."""
        sizes = {}
        with suppress(OSError), os.scandir(self.local / recipe.key) as paths:
            sizes = {path.name: path.stat().st_size for path in paths}
        whole = sum(size for name, size in sizes.items() if name.endswith(".npy"))
        return 0 if "entry.json" in sizes else max(recipe.bytes - whole, 1)

    def free_bytes(self) -> float:
        """Returns the room that the disk has for entries, infinity where the system does not say."""
        try:
            return float(shutil.disk_usage(self.local).free)
        except OSError:
            return inf

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
            if error.errno in NOT_OURS:
                return nullcontext()
            raise cannot_write(folder, error) from None

    def build(
        self,
        recipe: Recipe,
        recordings: Path | None = None,
        progress: Progress | None = None,
        compute: Compute | None = None,
    ) -> Features:
        """The entry of ``recipe``, computed where it is not there yet; ``recordings``: a user's noise or responses.

        ``compute`` says where missing shards are computed, if not by threads of this process.
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
                        self._make(recipe, target, recordings, progress, compute or in_threads(self.jobs))
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

    def _make(
        self,
        recipe: Recipe,
        target: Path,
        recordings: Path | None,
        progress: Progress | None,
        compute: Compute,
    ) -> None:
        every = shards(recipe)
        expected = {f"{stem(shard)}.{kind}" for shard in every for kind in ("npy", "json")}
        try:
            target.mkdir(parents=True, exist_ok=True)
            for path in list(target.iterdir()):  # the entry's mark, and what killed builds and other versions left
                if path.name not in expected:
                    path.unlink()
        except OSError as error:
            raise cannot_write(target, error) from None
        with ThreadPoolExecutor(self.jobs) as pool:
            whole = list(pool.map(lambda shard: _is_whole(target, shard), every))
        missing = [shard for shard, is_complete in zip(every, whole, strict=True) if not is_complete]
        done = _Progress(progress, len(recipe.items) - sum(map(len, missing)), len(recipe.items))
        done.add(0)
        compute(recipe, missing, recordings, target, done.add)
        parts = [files.read(target / f"{stem(shard)}.json") for shard in every]
        meta = {
            "corpus": recipe.corpus,
            "front_end": plain("frontends", recipe.front_end),
            "augmentation": plain("augment", recipe.augmentation) if recipe.augmentation else None,
            "width": recipe.width,
            "dtype": recipe.dtype,
            "libraries": audio.library_versions(),
            "refused": [r for p in parts for r in p["refused"]],
            "shards": parts,
        }
        write_json(target / "entry.json", meta)

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
            Features(arriving, self.jobs, whole=True)
            shutil.rmtree(self.local / key, ignore_errors=True)
            os.replace(arriving, self.local / key)
        except Damaged:
            with suppress(Exception):
                remote.write(f"{key}/{_DAMAGED}", b"")
            raise
        except OSError as error:
            if error.errno in (*FULL, *NOT_OURS):
                raise cannot_write(arriving, error) from None
            raise
        finally:
            shutil.rmtree(arriving, ignore_errors=True)
        return True


def _is_whole(target: Path, shard: range) -> bool:
    try:
        meta = verified(target / f"{stem(shard)}.npy")
    except Damaged:
        return False
    return len(meta["frames"]) + len(meta["refused"]) == len(shard)  # shards of another version may be shorter


class _Progress:
    """Counts utterances for a person, whichever thread has computed them."""

    def __init__(self, progress: Progress | None, done: int, total: int) -> None:
        self._progress, self._done, self._total, self._lock = progress, done, total, threading.Lock()

    def add(self, number: int) -> None:
        """So many more are done."""
        with self._lock:
            self._done += number
            if self._progress:
                self._progress(self._done, self._total)


@contextmanager
def _locked(target: Path) -> Iterator[None]:
    """One builder of an entry at a time; the lock dies with its process, so a killed builder blocks nobody."""
    try:
        lock = lock_path(target).open("w", encoding="utf-8")
        fcntl.flock(lock, fcntl.LOCK_EX)
    except OSError as error:
        raise cannot_write(target.parent, error) from None
    with lock:
        yield


def _lock_at_once(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:  # others than "somebody has it" say that this file system knows no locks
        return error.errno not in (errno.EWOULDBLOCK, errno.EACCES)
    return True

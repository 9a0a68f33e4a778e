"""The shared feature store: each set of features is computed once, written atomically, verified, and memory-mapped.

An entry is one corpus x front-end x augmentation. It is a folder named by the hash of all that can change its numbers:
the recordings' own hashes and stretches, every setting, and the code that computes. Inside lie shards, each a plain
``.npy`` of frames [frames, width] with a ``.json`` beside it (lengths, checksum, refusals); ``entry.json``, written
last, makes the entry complete. A build that was killed leaves whole shards, and the next call goes on from there.
The JSON files carry a checksum of themselves: a wrong length would give an utterance its neighbour's frames. Every byte
is verified before it is mapped. Nothing is decided by time, and a whole entry is used without writing anything.
"""

import ast
import errno
import fcntl
import hashlib
import inspect
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import cache, cached_property
from io import BytesIO
from pathlib import Path
from typing import IO, Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

from ser import files, registry
from ser.data import audio, recordings, sound_header
from ser.data.manifest import Refusal, Utterance
from ser.errors import BadInput
from ser.features.remote import Far, is_far
from ser.files import Damaged
from ser.host import machine
from ser.study import Part, identity

Progress = Callable[[int, int], None]
_SHARD_ITEMS = 128  # small enough to lose little when killed, large enough to be read in long strokes
_PAUSES_S = (0.1, 0.5, 2.0)  # before a recording that could not be read is tried again
_DAMAGED = "damaged"  # an empty file in a remote entry: a file too many, for which the next build sends it all again
_FILES_AT_ONCE = 8
_FULL = (errno.ENOSPC, errno.EDQUOT)
_NOT_OURS = (errno.EROFS, errno.EACCES, errno.EPERM)


@dataclass(frozen=True)
class Recipe:
    """What an entry is made of. ``items`` are (utterance, copy number); copy 0 without augmentation."""

    corpus: str
    front_end: Part
    augmentation: Part | None
    items: tuple[tuple[Utterance, int], ...]

    @cached_property
    def key(self) -> str:
        """Folder name: readable, and unique by 12 hex digits over content, settings and code."""
        front_end = registry.find("frontends", self.front_end.name)
        code = [code_version(module) for module in (audio, sound_header, front_end, *getattr(front_end, "USES", ()))]
        if self.augmentation:
            code += [code_version(registry.find("augment", self.augmentation.name)), code_version(recordings)]
        content: list[Any] = [(u.uid, copy, u.sha, u.bytes, u.start_s, u.end_s) for u, copy in self.items]
        if getattr(front_end, "READS_TEXT", False):
            content.append([u.text for u, _ in self.items])
        statement = [self.corpus, _plain(self.front_end), _plain(self.augmentation), code, content]
        kind = self.augmentation.name if self.augmentation else "clean"
        return f"{self.corpus}-{self.front_end.name}-{kind}-{identity(statement)}"

    @cached_property
    def names(self) -> tuple[str, ...]:
        """One name per item: the uid, with ``#<copy>`` for copies."""
        return tuple(f"{u.uid}#{copy}" if self.augmentation else u.uid for u, copy in self.items)

    def shards(self) -> list[range]:
        """Which items stand in which shard."""
        return [range(at, min(at + _SHARD_ITEMS, len(self.items))) for at in range(0, len(self.items), _SHARD_ITEMS)]


def _plain(p: Part | None) -> Any:
    return None if p is None else [p.name, p.values()]


@cache
def code_version(module: Any) -> str:
    """Hash of a module's code without comments, blank lines and docstrings, which change no number.

    One for all versions of Python: of the syntax tree itself, since the text that ``ast`` makes of one has other quotes
    in each version, and one that adds a field to a node leaves it empty where older ones can read the code.
    """
    tree = ast.parse(inspect.getsource(module))
    for node in ast.walk(tree):
        match getattr(node, "body", None):
            case [ast.Expr(value=ast.Constant()), *_] as body:
                body[0] = ast.Pass()
    return hashlib.sha256(ascii(_bare(tree)).encode()).hexdigest()[:12]


def _bare(node: Any) -> Any:
    """A syntax tree as tuples, without what is empty: fields, and texts between the braces of a formatted one."""
    if isinstance(node, ast.AST):
        fields = dict(ast.iter_fields(node))
        if isinstance(node, ast.JoinedStr):  # the first releases of 3.12 put such texts there
            fields["values"] = [v for v in node.values if not (isinstance(v, ast.Constant) and v.value == "")]
        full = ((name, _bare(value)) for name, value in fields.items() if value is not None and value != [])
        return type(node).__name__, *sorted(full)
    return tuple(map(_bare, node)) if isinstance(node, list) else (type(node).__name__, node)


class Names:
    """Many names in order, as two arrays: no object for each, and processes that share arrays share them."""

    def __init__(self, names: Iterable[str]) -> None:
        each = [name.encode() for name in names]
        self._text = np.frombuffer(b"".join(each), np.uint8)
        self._ends = np.cumsum([len(name) for name in each], dtype=np.int64)

    def __len__(self) -> int:
        return len(self._ends)

    def __iter__(self) -> Iterator[str]:
        text, start = self._text.tobytes(), 0
        for end in self._ends.tolist():
            yield text[start:end].decode()
            start = end

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Names):
            return NotImplemented
        return np.array_equal(self._ends, other._ends) and np.array_equal(self._text, other._text)

    def __hash__(self) -> int:
        return crc32(self._text.tobytes())


class Features:
    """A complete entry, verified and memory-mapped: pages are shared by all processes of a node that read it.

    ``blocks`` are the shards, float32 [frames, width] each; item i is ``length[i]`` frames of ``blocks[block[i]]`` from
    ``start[i]`` on: int64 [items]. Raises FileNotFoundError where there is no entry, Damaged where a byte of it is not
    what was written.
    """

    def __init__(self, folder: Path, jobs: int = 1) -> None:
        meta = files.read(folder / "entry.json")
        self.folder = folder
        self.width: int = meta["width"]
        self.refused = tuple(Refusal(**r) for r in meta["refused"])
        shards = meta["shards"]
        with ThreadPoolExecutor(jobs) as pool:  # reading and checksums release the interpreter lock
            self.blocks: list[npt.NDArray[np.float32]] = list(
                pool.map(lambda shard: _map(folder, shard, self.width), shards)
            )
        self._names = Names(name for shard in shards for name, _ in shard["frames"])
        self.length = np.array([frames for shard in shards for _, frames in shard["frames"]], np.int64)
        self.block = np.repeat(np.arange(len(shards)), [len(shard["frames"]) for shard in shards])
        before = np.cumsum([0, *map(len, self.blocks)])  # frames in the shards before each
        self.start = np.cumsum(self.length) - self.length - before[self.block]

    def __contains__(self, name: str) -> bool:
        return name in self._row

    def __len__(self) -> int:
        return len(self._names)

    def names(self) -> list[str]:
        """All item names, in the order of the recipe."""
        return list(self._names)

    def rows(self, names: Iterable[str]) -> npt.NDArray[np.int64]:
        """Numbers of the items with these names, -1 where there is none: int64 [names]."""
        row = dict(zip(self._names, range(len(self)), strict=True))  # not kept: it is larger than all the rest
        return np.array([row.get(name, -1) for name in names], np.int64)

    @cached_property
    def _row(self) -> dict[str, int]:
        return dict(zip(self._names, range(len(self)), strict=True))

    def frames(self, name: str) -> npt.NDArray[np.float32]:
        """float32 [frames, width], a view of the map: nothing is copied."""
        row = self._row[name]
        start, end = self.start[row], self.start[row] + self.length[row]
        view: npt.NDArray[np.float32] = self.blocks[self.block[row]][start:end]
        return view

    @property
    def nbytes(self) -> int:
        """Size of the mapped features in bytes."""
        return sum(block.nbytes for block in self.blocks)


def _map(folder: Path, shard: Mapping[str, Any], width: int) -> npt.NDArray[np.float32]:
    """A shard's frames, float32 [frames, width]."""
    from torch import float32, from_file  # here, for commands that read no features come without it

    path = folder / shard["file"]
    if _verified(path) != shard:
        raise Damaged(f"{path}: not the shard that entry.json tells of")
    frames = sum(length for _, length in shard["frames"])
    # Not np.load, whose maps keep their files open: an entry has thousands, a process may have 1024. Mapped privately
    # but writable in name, as torch asks; nobody writes, so pages stay shared.
    try:
        numbers = from_file(str(path), shared=False, size=shard["bytes"] // 4, dtype=float32)
    except RuntimeError as error:  # torch's word for what the system refused
        raise OSError(str(error)) from None
    mapped: npt.NDArray[np.float32] = numbers[len(numbers) - frames * width :].view(frames, width).numpy()
    return mapped


def _verified(path: Path) -> dict[str, Any]:
    """What is written of a shard beside it. Raises Damaged where either is not what was written."""
    try:
        meta = files.read(path.with_suffix(".json"))
        found = _checksum(path)
    except OSError as error:
        raise Damaged(f"{error.filename or path}: {error.strerror}") from None
    if found != (meta["bytes"], meta["crc32"]):
        raise Damaged(f"{path}: not as it was written")
    return meta


class Store:
    """Where entries live: a local folder, or any fsspec URL with ``cache`` as this node's copy of it.

    ``jobs`` threads compute one entry's shards; decoding, resampling and transforms release the interpreter lock.
    """

    def __init__(self, location: str | Path, cache: Path | None = None, jobs: int | None = None) -> None:
        remote = is_far(location)
        if remote and cache is None:
            raise BadInput(str(location), "--store", "a remote store together with a local cache", "pass a work folder")
        self.local = Path(str(cache if remote else location).removeprefix("file://")).absolute()
        self.jobs = jobs or machine.cores()
        self._remote = Far(str(location)) if remote else None
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
        """Whether no living process but this one works on ``name``; held until the block ends or the process dies.

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
        kept = {f"{_stem(shard)}.{kind}" for shard in recipe.shards() for kind in ("npy", "json")}
        try:
            target.mkdir(parents=True, exist_ok=True)
            for path in list(target.iterdir()):  # the entry's mark, and what killed builds and other versions left
                if path.name not in kept:
                    path.unlink()
        except OSError as error:
            raise _cannot_write(target, error) from None
        self._compute(recipe, [s for s in recipe.shards() if not _is_whole(target, s)], target, folder, progress)
        parts = [files.read(target / f"{_stem(shard)}.json") for shard in recipe.shards()]
        meta = {
            "corpus": recipe.corpus,
            "front_end": _plain(recipe.front_end),
            "augmentation": _plain(recipe.augmentation),
            "width": _width(recipe),
            "libraries": audio.library_versions(),
            "refused": [r for p in parts for r in p["refused"]],
            "shards": parts,
        }
        _write_sealed(target / "entry.json", meta)

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
            allowed, remedy = "a remote store that answers", "mend it, and the same command goes on"
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


def _stem(shard: range) -> str:
    return f"shard-{shard.start:07d}"


def _is_whole(target: Path, shard: range) -> bool:
    try:
        meta = _verified(target / f"{_stem(shard)}.npy")
    except Damaged:
        return False
    return len(meta["frames"]) + len(meta["refused"]) == len(shard)  # shards of another version may be shorter


def _checksum(path: Path) -> tuple[int, int]:
    size, crc = 0, 0
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            size, crc = size + len(block), crc32(block, crc)
    return size, crc


def _width(recipe: Recipe) -> int:
    return int(registry.find("frontends", recipe.front_end.name).width(recipe.front_end.values()))


def _write_shard(recipe: Recipe, shard: range, target: Path, folder: Path | None) -> int:
    made, frames, refused = [], [], []
    for i in shard:
        try:
            made.append(_computed(recipe, i, folder))
            frames.append((recipe.names[i], len(made[-1])))
        except audio.UnusableAudio as error:
            refused.append({"what": recipe.names[i], "reason": str(error)})
    shape = (sum(map(len, made)), _width(recipe))
    header = BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": shape})
    path = target / f"{_stem(shard)}.npy"
    size, crc = 0, 0
    with _written(path) as file:  # not by np.save, which does not tell a full disk from other errors
        pieces: list[Any] = [header.getvalue(), *made]
        for piece in pieces:
            size += file.write(piece)
            crc = crc32(piece, crc)
    meta = {"file": path.name, "bytes": size, "crc32": crc, "frames": frames, "refused": refused}
    _write_sealed(path.with_suffix(".json"), meta)
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


def one_thread() -> None:
    """Let torch, where it is loaded, compute in the calling thread alone.

    How sums are parted among threads decides their last bits, and machines differ in how many there are. A build keeps
    all cores busy with threads of its own, of which each has to say so for itself.
    """
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)


def features_of(recipe: Recipe, utterance: Utterance, copy: int, folder: Path | None) -> npt.NDArray[np.float32]:
    """Decode, resample, augment, extract: float32 [frames, width].

    Raises UnusableAudio, OSError, or BadInput where the file is not as it was scanned.
    """
    front_end = registry.find("frontends", recipe.front_end.name)
    one_thread()
    rate_hz = int(recipe.front_end["rate_hz"])
    wave = _wave(utterance, rate_hz)
    if recipe.augmentation:
        kind = recipe.augmentation
        # The draw depends on the utterance and copy alone: the same bytes in any order, on any worker.
        seed = [int(kind["seed"]), copy, crc32(utterance.uid.encode())]
        rng = np.random.default_rng(seed)
        wave = registry.find("augment", kind.name).apply(wave, rate_hz, rng, kind.values(), folder)
    said = (utterance.text,) if getattr(front_end, "READS_TEXT", False) else ()
    features: npt.NDArray[np.float32] = front_end.extract(wave, recipe.front_end.values(), *said)
    assert features.dtype == np.float32, features.dtype
    assert features.shape == (len(features), _width(recipe)), features.shape
    if not np.isfinite(features).all():
        raise audio.UnusableAudio("features are not finite")
    return np.ascontiguousarray(features)


_last = threading.local()  # the recording that a thread has just decoded, and its path and hash


def _wave(u: Utterance, rate_hz: int) -> audio.Wave:
    """As ``audio.load``, but a recording of many stretches that follow each other is decoded once, not for each."""
    if not u.rate_hz or (u.start_s is None and u.end_s is None):
        return audio.load(u.path, rate_hz, u.start_s, u.end_s, u.sha)
    if getattr(_last, "file", None) != (u.path, u.sha):
        _last.file = None
        _last.wave = audio.load(u.path, u.rate_hz, sha=u.sha)
        _last.file = u.path, u.sha
    # A private name of audio: to make it public would change that code, and with it the keys of all entries.
    return audio.resample(audio._cut(_last.wave, u.rate_hz, u.start_s, u.end_s), u.rate_hz, rate_hz)


@contextmanager
def _written(path: Path) -> Iterator[IO[bytes]]:
    try:
        with files.replacing(path) as file:
            yield file
    except OSError as error:
        raise _cannot_write(path, error) from None


def _write_sealed(path: Path, meta: Mapping[str, Any]) -> None:
    with _written(path) as file:
        file.write(files.dump(meta, path))


def _cannot_write(path: Path, error: OSError) -> BadInput:
    reason = error.strerror or str(error)
    if error.errno in _FULL:
        return BadInput(reason, str(path), "room for the features", "free space, and the same command goes on")
    return BadInput(reason, str(path), "a folder that can be written", "choose another --store, or mend this one")


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

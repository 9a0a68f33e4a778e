"""The shared feature store: each set of features is computed once, written atomically, verified, and memory-mapped.

An entry is one corpus x front-end x augmentation. It is a folder named by the hash of all that can change its numbers:
the recordings' own hashes and stretches, every setting, and the code that computes. Inside lie shards, each a plain
``.npy`` of frames [frames, width] with a ``.json`` beside it (lengths, checksum, refusals); ``entry.json``, written
last, makes the entry complete. A build that was killed leaves whole shards, and the next call goes on from there.
The JSON files carry a checksum of themselves: a wrong length would give an utterance its neighbour's frames.
"""

import ast
import errno
import fcntl
import hashlib
import inspect
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import IO, Any, TypeVar
from zlib import crc32

import fsspec
import numpy as np
import numpy.typing as npt

from ser import audio, recordings, registry
from ser.errors import BadInput
from ser.manifest import Refusal, Utterance
from ser.study import Part, canonical, identity

Progress = Callable[[int, int], None]
_SHARD_ITEMS = 128  # small enough to lose little when killed, large enough to be read in long strokes
T = TypeVar("T")


class Damaged(Exception):
    """A file of an entry is not what was written; names the file."""


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
        code = [code_version(audio), code_version(registry.find("frontends", self.front_end.name))]
        if self.augmentation:
            code += [code_version(registry.find("augment", self.augmentation.name)), code_version(recordings)]
        content = [(u.uid, copy, u.sha, u.bytes, u.start_s, u.end_s) for u, copy in self.items]
        statement = [self.corpus, _plain(self.front_end), _plain(self.augmentation), code, content]
        kind = self.augmentation.name if self.augmentation else "clean"
        return f"{self.corpus}-{self.front_end.name}-{kind}-{identity(statement)}"

    @property
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
    """Hash of a module's code without comments, blank lines and docstrings, which change no number."""
    tree = ast.parse(inspect.getsource(module))
    for node in ast.walk(tree):
        match getattr(node, "body", None):
            case [ast.Expr(value=ast.Constant()), *_] as body:
                body[0] = ast.Pass()
    return hashlib.sha256(ast.unparse(tree).encode()).hexdigest()[:12]


class Features:
    """A complete entry, memory-mapped: pages are shared by all processes of a node that read it."""

    def __init__(self, folder: Path) -> None:
        meta = _read_sealed(folder / "entry.json")
        self.folder = folder
        self.width: int = meta["width"]
        self.refused = tuple(Refusal(**r) for r in meta["refused"])
        self._at: dict[str, tuple[int, int, int]] = {}
        self._shards: list[npt.NDArray[np.float32]] = []
        for number, shard in enumerate(meta["shards"]):
            self._shards.append(_map(folder / shard["file"], shard["bytes"]))
            start = 0
            for name, frames in shard["frames"]:
                self._at[name] = (number, start, frames)
                start += frames

    def __contains__(self, name: str) -> bool:
        return name in self._at

    def __len__(self) -> int:
        return len(self._at)

    def names(self) -> list[str]:
        """All item names, in the order of the recipe."""
        return list(self._at)

    def frames(self, name: str) -> npt.NDArray[np.float32]:
        """float32 [frames, width], a view of the map: nothing is copied."""
        shard, start, frames = self._at[name]
        return self._shards[shard][start : start + frames]

    @property
    def nbytes(self) -> int:
        """Size of the mapped features in bytes."""
        return sum(shard.nbytes for shard in self._shards)


def _map(path: Path, size: int) -> npt.NDArray[np.float32]:
    try:
        found = path.stat().st_size
    except FileNotFoundError:
        found = -1
    if found != size:
        raise Damaged(f"{path}: {found} bytes where {size} were written")
    # "c" maps the file privately but writable in name, as torch asks; nobody writes, so pages stay shared.
    frames: npt.NDArray[np.float32] = np.load(path, mmap_mode="c")
    return frames


class Store:
    """Where entries live: a local folder, or any fsspec URL with ``cache`` as this node's copy of it.

    ``jobs`` threads compute one entry's shards; decoding, resampling and transforms release the interpreter lock.
    """

    def __init__(self, location: str | Path, cache: Path | None = None, jobs: int | None = None) -> None:
        remote = "://" in str(location) and not str(location).startswith("file://")
        if remote and cache is None:
            raise BadInput(str(location), "--store", "a remote store together with a local cache", "pass a work folder")
        self.local = Path(str(cache if remote else location).removeprefix("file://")).absolute()
        self.jobs = jobs or os.cpu_count() or 1
        try:
            self._remote: tuple[Any, str] | None = fsspec.core.url_to_fs(str(location)) if remote else None
        except (ImportError, ValueError) as error:
            allowed = "a folder, or a URL whose protocol fsspec can open"
            raise BadInput(str(location), "--store", allowed, f"install its package ({error})") from None
        try:
            self.local.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _cannot_write(self.local, error) from None

    def open(self, key: str) -> Features:
        """A complete entry. Raises Damaged if its table or a shard's size is not what was written, FileNotFoundError if
        it is absent.
        """
        folder = self.local / key
        if not (folder / "entry.json").exists():
            with _locked(folder):
                self._fetch(key)
        return Features(folder)

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
            return (folder / name).open("w")
        except OSError as error:
            if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
                return nullcontext()
            raise _cannot_write(folder, error) from None

    def build(self, recipe: Recipe, folder: Path | None = None, progress: Progress | None = None) -> Features:
        """The entry of ``recipe``, computed where it is not there yet; ``folder`` holds a user's noise or responses.

        Checks every shard against its checksum and recomputes those that fail. Several processes asking for one entry
        build it once: the others wait. Utterances whose audio fails are in ``Features.refused``.
        """
        target = self.local / recipe.key
        with _locked(target):
            if not (target / "entry.json").exists():
                self._fetch(recipe.key)
            shards = recipe.shards()
            missing = [s for s in shards if not _intact(target, s)]
            if missing or not _complete(target, shards):
                (target / "entry.json").unlink(missing_ok=True)
                self._compute(recipe, missing, target, folder, progress)
                self._finish(recipe, target)
        if progress:
            progress(len(recipe.items), len(recipe.items))
        return Features(target)

    def _compute(
        self, recipe: Recipe, missing: Sequence[range], target: Path, folder: Path | None, progress: Progress | None
    ) -> None:
        target.mkdir(parents=True, exist_ok=True)
        done = len(recipe.items) - sum(map(len, missing))
        pool = ThreadPoolExecutor(self.jobs)
        try:
            for count in pool.map(lambda shard: _write_shard(recipe, shard, target, folder), missing):
                done += count
                if progress:
                    progress(done, len(recipe.items))
        finally:  # an interrupt or a full disk ends the build now, not when all shards have had their turn
            pool.shutdown(cancel_futures=True)

    def _finish(self, recipe: Recipe, target: Path) -> None:
        for left_by_a_killed_build in target.glob(".*"):
            left_by_a_killed_build.unlink()
        parts = [_read_sealed(target / f"{_stem(shard)}.json") for shard in recipe.shards()]
        settings = recipe.front_end.values()
        meta = {
            "corpus": recipe.corpus,
            "front_end": _plain(recipe.front_end),
            "augmentation": _plain(recipe.augmentation),
            "width": registry.find("frontends", recipe.front_end.name).width(settings),
            "libraries": audio.library_versions(),
            "refused": [r for p in parts for r in p["refused"]],
            "shards": parts,
        }
        _write_sealed(target / "entry.json", meta)
        if self._remote:
            system, root = self._remote
            for path in sorted(target.iterdir(), key=lambda p: p.name == "entry.json"):  # the entry's mark goes last
                system.put_file(str(path), f"{root}/{recipe.key}/{path.name}")

    def _fetch(self, key: str) -> None:
        """Copy a complete remote entry into this node's cache."""
        if not self._remote:
            return
        system, root = self._remote
        if not system.exists(f"{root}/{key}/entry.json"):
            return
        arriving = self.local / f".{key}.{os.getpid()}"
        system.get(f"{root}/{key}/", f"{arriving}/", recursive=True)
        shutil.rmtree(self.local / key, ignore_errors=True)
        os.replace(arriving, self.local / key)


def _stem(shard: range) -> str:
    return f"shard-{shard.start:07d}"


def _intact(target: Path, shard: range) -> bool:
    try:
        meta = _read_sealed(target / f"{_stem(shard)}.json")
        return bool(_checksum(target / meta["file"]) == (meta["bytes"], meta["crc32"]))
    except (OSError, Damaged):
        return False


def _complete(target: Path, shards: Sequence[range]) -> bool:
    """Whether the entry's table is there, whole, and of these very shards."""
    try:
        parts = [_read_sealed(target / f"{_stem(shard)}.json") for shard in shards]
        return bool(_read_sealed(target / "entry.json")["shards"] == parts)
    except (OSError, Damaged):
        return False


def _checksum(path: Path) -> tuple[int, int]:
    size, crc = 0, 0
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            size, crc = size + len(block), crc32(block, crc)
    return size, crc


def _write_shard(recipe: Recipe, shard: range, target: Path, folder: Path | None) -> int:
    made, frames, refused = [], [], []
    for i in shard:
        utterance, copy = recipe.items[i]
        try:
            made.append(features_of(recipe, utterance, copy, folder))
            frames.append((recipe.names[i], len(made[-1])))
        except (audio.UnusableAudio, OSError) as error:
            refused.append({"what": recipe.names[i], "reason": str(error)})
    width = registry.find("frontends", recipe.front_end.name).width(recipe.front_end.values())
    path = target / f"{_stem(shard)}.npy"
    temporary = target / f".{path.name}.{os.getpid()}"
    with temporary.open("wb") as file:
        np.save(file, np.concatenate(made) if made else np.empty((0, width), np.float32))
        file.flush()
        os.fsync(file.fileno())
    size, crc = _checksum(temporary)
    os.replace(temporary, path)
    meta = {"file": path.name, "bytes": size, "crc32": crc, "frames": frames, "refused": refused}
    _write_sealed(path.with_suffix(".json"), meta)
    return len(shard)


def features_of(recipe: Recipe, utterance: Utterance, copy: int, folder: Path | None) -> npt.NDArray[np.float32]:
    """Decode, resample, augment, extract: float32 [frames, width]. Raises UnusableAudio or OSError."""
    front_end = registry.find("frontends", recipe.front_end.name)
    rate_hz = int(recipe.front_end["rate_hz"])
    wave = audio.load(utterance.path, rate_hz, utterance.start_s, utterance.end_s)
    if recipe.augmentation:
        kind = recipe.augmentation
        # The draw depends on the utterance and copy alone: the same bytes in any order, on any worker.
        seed = [int(kind["seed"]), copy, crc32(utterance.uid.encode())]
        rng = np.random.default_rng(seed)
        wave = registry.find("augment", kind.name).apply(wave, rate_hz, rng, kind.values(), folder)
    features: npt.NDArray[np.float32] = front_end.extract(wave, recipe.front_end.values())
    if not np.isfinite(features).all():
        raise audio.UnusableAudio("features are not finite")
    return features


def _write_sealed(path: Path, meta: Mapping[str, Any]) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("w") as file:
        file.write(json.dumps({**meta, "seal": crc32(canonical(meta).encode())}))
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def _read_sealed(path: Path) -> dict[str, Any]:
    """Raises Damaged where the text is not what ``_write_sealed`` wrote."""
    try:
        meta: dict[str, Any] = json.loads(path.read_bytes())
        if meta.pop("seal") == crc32(canonical(meta).encode()):
            return meta
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    raise Damaged(f"{path}: not as it was written")


def _cannot_write(folder: Path, error: OSError) -> BadInput:
    return BadInput(str(folder), "store", "a folder that can be written", f"choose another ({error.strerror})")


@contextmanager
def _locked(target: Path) -> Iterator[None]:
    """One builder of an entry at a time; the lock dies with its process, so a killed builder blocks nobody."""
    try:
        lock = (target.parent / f".{target.name}.lock").open("w")
    except OSError as error:
        raise _cannot_write(target.parent, error) from None
    with lock as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _lock_at_once(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:  # others than "somebody has it" say that this file system knows no locks
        return error.errno not in (errno.EWOULDBLOCK, errno.EACCES)
    return True

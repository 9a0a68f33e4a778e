"""Entries of the feature store as they lie on disk: verified byte by byte, then memory-mapped."""

import fcntl
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any, overload
from zlib import crc32

import numpy as np
import numpy.typing as npt

from ser import files
from ser.data.manifest import Refusal
from ser.features.recipe import Array
from ser.files import Damaged

# Entries up to this size are verified when they are opened: a second of one core. A larger one would keep every process
# waiting that opens it, and may be larger than the memory: each of its shards is verified before it is first read.
_AT_ONCE_BYTES = 1 << 30


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

    ``blocks`` are the shards, [frames, width] each of float32 or float16 (``dtype``). Item i is ``length[i]`` frames of
    ``blocks[block[i]]`` from ``start[i]`` on: int64 [items]. Raises FileNotFoundError where there is no entry, Damaged
    where a byte of it is not what was written: at once, or, of an entry of gigabytes, when its shard is first asked
    for. ``whole`` has every byte verified at once in any case.
    """

    def __init__(self, folder: Path, jobs: int = 1, whole: bool = False) -> None:
        meta = files.read(folder / "entry.json")
        self.folder = folder
        self.width: int = meta["width"]
        self.dtype: str = meta.get("dtype", "float32")
        self.refused = tuple(Refusal(**r) for r in meta["refused"])
        shards = meta["shards"]
        self.blocks = Blocks(folder, shards, self.width, self.dtype)
        self.blocks.check_sizes()
        if whole or sum(shard["bytes"] for shard in shards) <= _AT_ONCE_BYTES:
            with ThreadPoolExecutor(jobs) as pool:  # reading and checksums release the interpreter lock
                list(pool.map(self.blocks.verify, range(len(shards))))
        self._names = Names(name for shard in shards for name, _ in shard["frames"])
        self.length = np.array([frames for shard in shards for _, frames in shard["frames"]], np.int64)
        self.block = np.repeat(np.arange(len(shards)), [len(shard["frames"]) for shard in shards])
        before = np.cumsum([0, *self.blocks.frames])  # frames in the shards before each
        self.start = np.cumsum(self.length) - self.length - before[self.block]

    def __contains__(self, name: str) -> bool:
        return name in self._row

    def __len__(self) -> int:
        return len(self._names)

    def names(self) -> list[str]:
        """Returns all item names, in the order of the recipe."""
        return list(self._names)

    def rows(self, names: Iterable[str]) -> npt.NDArray[np.int64]:
        """Returns numbers of the items with these names, -1 where there is none: int64 [names]."""
        row = dict(zip(self._names, range(len(self)), strict=True))  # not kept: it is larger than all the rest
        return np.array([row.get(name, -1) for name in names], np.int64)

    @cached_property
    def _row(self) -> dict[str, int]:
        return dict(zip(self._names, range(len(self)), strict=True))

    def frames(self, name: str) -> npt.NDArray[np.float32]:
        """float32 [frames, width]: a view of the map, of which nothing is copied, or what its float16 say."""
        row = self._row[name]
        start, end = self.start[row], self.start[row] + self.length[row]
        block: npt.NDArray[Any] = self.blocks[int(self.block[row])]
        return block[start:end].astype(np.float32, copy=False)

    @property
    def nbytes(self) -> int:
        """Size of the features in bytes."""
        return sum(self.blocks.frames) * self.width * np.dtype(self.dtype).itemsize


class Blocks(Sequence[Array]):
    """The shards of an entry, [frames, width] each; each is verified and mapped when it is first asked for."""

    def __init__(self, folder: Path, shards: Sequence[Mapping[str, Any]], width: int, dtype: str) -> None:
        self._folder, self._shards, self._width, self._dtype = folder, shards, width, dtype
        self._maps: list[Array | None] = [None] * len(shards)
        self.frames: list[int] = [sum(length for _, length in shard["frames"]) for shard in shards]  # of each shard

    def __len__(self) -> int:
        return len(self._maps)

    @overload
    def __getitem__(self, i: int) -> Array: ...
    @overload
    def __getitem__(self, i: slice) -> list[Array]: ...
    def __getitem__(self, i: int | slice) -> Array | list[Array]:
        """Raises Damaged where the shard is not what was written, and marks it, so that a build makes it anew."""
        if isinstance(i, slice):
            return [self[j] for j in range(len(self))[i]]
        if (mapped := self._maps[i]) is None:
            try:
                mapped = self.verify(i)
            except Damaged:
                _mark(self._folder / self._shards[i]["file"], self._shards[i])
                raise
        return mapped

    def verify(self, i: int) -> Array:
        """Reads and maps a shard. Raises Damaged where it is not what was written."""
        shard = self._shards[i]
        path = self._folder / shard["file"]
        _verify(path, shard)
        mapped = self._maps[i] = _map(path, shard["bytes"], self.frames[i], self._width, self._dtype)
        return mapped

    def check_sizes(self) -> None:
        """Raises Damaged where a file is missing or of another size: what can be known without reading any."""
        with os.scandir(self._folder) as entries:
            sizes = {entry.name: entry.stat().st_size for entry in entries}
        for shard in self._shards:
            path = self._folder / shard["file"]
            if path.with_suffix(".json").name not in sizes:
                raise Damaged(f"{path.with_suffix('.json')}: not there")
            if sizes.get(path.name) != shard["bytes"]:
                raise Damaged(f"{path}: not as it was written")


def _verify(path: Path, shard: Mapping[str, Any]) -> None:
    if verified(path) != shard:
        raise Damaged(f"{path}: not the shard that entry.json tells of")


def _mark(path: Path, shard: Mapping[str, Any]) -> None:
    """Removes the table of a damaged shard, by whose absence every later look at the entry sees the damage.

    Not while somebody builds the entry, who may just have made the shard anew; and not on a store that is read-only.
    """
    with suppress(OSError), lock_path(path.parent).open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            _verify(path, shard)
        except Damaged:
            path.with_suffix(".json").unlink(missing_ok=True)


def lock_path(folder: Path) -> Path:
    """Returns the file by which an entry's builders keep each other out."""
    return folder.parent / f".{folder.name}.lock"


def _map(path: Path, size: int, frames: int, width: int, dtype: str) -> Array:
    import torch  # here, for commands that read no features come without it

    # Not np.load, whose maps keep their files open: an entry has thousands, a process may have 1024. Mapped privately
    # but writable in name, as torch asks; nobody writes, so pages stay shared.
    kind: torch.dtype = getattr(torch, dtype)
    try:
        numbers = torch.from_file(str(path), shared=False, size=size // kind.itemsize, dtype=kind)
    except RuntimeError as error:  # torch's word for what the system refused
        raise OSError(str(error)) from None
    mapped: Array = numbers[len(numbers) - frames * width :].view(frames, width).numpy()
    return mapped


def verified(path: Path) -> dict[str, Any]:
    """Returns what is written of a shard beside it. Raises Damaged where either is not what was written."""
    try:
        meta = files.read(path.with_suffix(".json"))
        size_and_crc = files.checksum(path)
    except OSError as error:
        raise Damaged(f"{error.filename or path}: {error.strerror}") from None
    if size_and_crc != (meta["bytes"], meta["crc32"]):
        raise Damaged(f"{path}: not as it was written")
    return meta

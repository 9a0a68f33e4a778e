"""Entries of the feature store as they lie on disk: verified byte by byte, then memory-mapped."""

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

from ser import files
from ser.data.manifest import Refusal
from ser.files import Damaged


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
    """Returns a shard's frames, float32 [frames, width]."""
    from torch import float32, from_file  # here, for commands that read no features come without it

    path = folder / shard["file"]
    if verified(path) != shard:
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

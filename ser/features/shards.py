"""Shards, the units in which an entry is computed: by threads here, or by processes elsewhere, to the same bytes.

A shard is a plain function of the recipe and of its range of items: it needs no store, and nothing of other shards.
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol, TypeVar
from zlib import crc32

import numpy as np

from ser.data import audio
from ser.errors import BadInput, is_out_of_memory
from ser.features.disk import replacing, write_json
from ser.features.recipe import (
    Array,
    Recipe,
    batches_of,
    features_of,
    features_of_batch,
    is_batched,
    one_blas_thread,
    wave_of,
)
from ser.host import environment

T = TypeVar("T")
Count = Callable[[int], None]  # called with how many utterances more are done

_ITEMS = 128  # small enough to lose little when killed, large enough to be read in long strokes
_PARTS, _FEW_ITEMS = 4, 16  # a small corpus is so many shards that several processors share it, none of fewer items
_BYTES = 64_000_000  # the same for wide features
# Where utterances are computed in batches, which their shard decides on, its extent hangs on the speech alone: what
# differs in width alone is then computed in the same batches, to the same bits.
_BATCHED_ITEMS, _BATCHED_S = 32, 64.0
_PAUSES_S = (0.1, 0.5, 2.0)  # before a recording that could not be read is tried again


@dataclass(frozen=True)
class Shard:
    """The features of a range of items, ready to be written: ``arrays`` [frames, width] of those that have any."""

    stem: str  # name of its files
    width: int
    dtype: str
    arrays: tuple[Array, ...]
    frames: tuple[tuple[str, int], ...]  # name of each item and its number of frames
    refused: tuple[dict[str, str], ...]


class Compute(Protocol):
    """What computes the missing shards of an entry, wherever."""

    def __call__(
        self, recipe: Recipe, missing: Sequence[range], recordings: Path | None, target: Path, count: Count
    ) -> None:
        """Writes each of the shards into ``target``, and calls ``count`` as utterances are done, from any thread.

        Raises BadInput where a recording cannot be read any more, or a shard cannot be written.
        """


def shards(recipe: Recipe) -> list[range]:
    """Returns which items stand in which shard: neighbours, as many as its limits of items and size allow, or one."""
    if is_batched(recipe.front_end):
        items, most, sizes = _BATCHED_ITEMS, _BATCHED_S, [u.seconds for u, _ in recipe.items]
    else:
        items = min(_ITEMS, max(_FEW_ITEMS, -(-len(recipe.items) // _PARTS)))
        most, sizes = float(_BYTES), [float(n * recipe.frame_bytes) for n in recipe.frames]
    starts: list[int] = []
    total = 0.0
    for i, size in enumerate(sizes):
        if not starts or i - starts[-1] == items or total + size > most:
            starts.append(i)
            total = 0.0
        total += size
    return [range(a, z) for a, z in pairwise([*starts, len(sizes)])]


def stem(shard: range) -> str:
    """Returns the name of a shard's files, without ``.npy`` and ``.json``."""
    return f"shard-{shard.start:07d}"


class _Over(Exception):
    """The build has ended while this shard was computed."""


def in_threads(jobs: int) -> Compute:
    """Returns what computes shards in ``jobs`` threads of this process.

    Decoding, resampling, transforms and networks release the interpreter lock.
    """

    def compute(recipe: Recipe, missing: Sequence[range], recordings: Path | None, target: Path, count: Count) -> None:
        is_over = threading.Event()
        environment.keep_memory()  # a wave's features are as large as the last one's

        def count_or_end(number: int) -> None:
            if is_over.is_set():
                raise _Over
            count(number)

        def build(shard: range) -> None:
            write_shard(compute_shard(recipe, shard, recordings, count_or_end), target)

        pool = ThreadPoolExecutor(jobs)
        with one_blas_thread():
            try:
                tasks = [pool.submit(build, shard) for shard in missing]
                for task in as_completed(tasks):
                    task.result()
            finally:  # an interrupt or a full disk ends the build now, not when shards have had their turn
                is_over.set()
                pool.shutdown(cancel_futures=True)

    return compute


def compute_shard(recipe: Recipe, shard: range, recordings: Path | None = None, count: Count | None = None) -> Shard:
    """Returns the features of the items of ``shard``; ``recordings`` is the folder that an augmentation reads.

    Utterances without usable audio are among the refused, and take no others along. The same bytes in any process on
    CPUs of one kind. Raises BadInput where a recording cannot be read any more, or is not as it was scanned.
    """
    report = count or (lambda number: None)
    how = _in_batches if is_batched(recipe.front_end) else _one_by_one
    outcomes = how(recipe, shard, recordings, report)
    arrays, frames, refused = [], [], []
    for i, outcome in zip(shard, outcomes, strict=True):
        if isinstance(outcome, audio.UnusableAudio):
            refused.append({"what": recipe.names[i], "reason": str(outcome)})
        else:
            arrays.append(outcome)
            frames.append((recipe.names[i], len(outcome)))
    return Shard(stem(shard), recipe.width, recipe.dtype, tuple(arrays), tuple(frames), tuple(refused))


def _one_by_one(
    recipe: Recipe, shard: range, recordings: Path | None, count: Count
) -> list[Array | audio.UnusableAudio]:
    outcomes: list[Array | audio.UnusableAudio] = []
    for i in shard:
        outcomes.append(_read(recipe, i, lambda u, copy: features_of(recipe, u, copy, recordings)))
        count(1)
    return outcomes


def _in_batches(
    recipe: Recipe, shard: range, recordings: Path | None, count: Count
) -> list[Array | audio.UnusableAudio]:
    waves = [_read(recipe, i, lambda u, copy: wave_of(recipe, u, copy, recordings)) for i in shard]
    usable = [(place, wave) for place, wave in enumerate(waves) if not isinstance(wave, audio.UnusableAudio)]
    outcomes: list[Any] = list(waves)
    count(len(waves) - len(usable))
    for batch in batches_of(recipe, [len(wave) for _, wave in usable]):
        members = [usable[i] for i in batch]
        try:
            results = features_of_batch(recipe, [wave for _, wave in members])
        except (MemoryError, RuntimeError) as error:
            if is_out_of_memory(error):
                raise _too_large(recipe, shard[members[0][0]]) from None
            raise
        for (place, _), outcome in zip(members, results, strict=True):
            outcomes[place] = outcome
        count(len(members))
    return outcomes


def _read(recipe: Recipe, item: int, read: Callable[..., T]) -> T | audio.UnusableAudio:
    """What ``read`` makes of an item, tried again where it cannot be read: a shared drive may be away for a moment."""
    utterance, copy = recipe.items[item]
    try:
        for pause_s in _PAUSES_S:
            with suppress(OSError):
                return read(utterance, copy)
            time.sleep(pause_s)
        return read(utterance, copy)
    except audio.UnusableAudio as error:
        return error
    except OSError as error:  # not refused for good: the scan has read it
        file, reason = str(error.filename or utterance.path), error.strerror or str(error)
        raise BadInput(reason, file, "a file as it was scanned", "run the command again: it scans anew") from None
    except MemoryError:
        raise _too_large(recipe, item) from None


def _too_large(recipe: Recipe, item: int) -> BadInput:
    value, remedy = (
        f"{recipe.names[item]} does not fit into memory",
        "pass fewer --jobs, or take the file out of the corpus",
    )
    return BadInput(value, recipe.items[item][0].path, "an utterance that fits", remedy)


def write_shard(shard: Shard, folder: Path) -> None:
    """Writes a shard's ``.npy`` and then, with its lengths and checksum, its ``.json``. Raises BadInput."""
    shape = (sum(map(len, shard.arrays)), shard.width)
    header = BytesIO()
    descr = np.dtype(shard.dtype).newbyteorder("<").str
    np.lib.format.write_array_header_1_0(header, {"descr": descr, "fortran_order": False, "shape": shape})
    path = folder / f"{shard.stem}.npy"
    size, crc = 0, 0
    with replacing(path) as file:  # not by np.save, which does not tell a full disk from other errors
        pieces: list[Any] = [header.getvalue(), *shard.arrays]
        for piece in pieces:
            size += file.write(piece)
            crc = crc32(piece, crc)
    meta = {"file": path.name, "bytes": size, "crc32": crc, "frames": shard.frames, "refused": shard.refused}
    write_json(path.with_suffix(".json"), meta)

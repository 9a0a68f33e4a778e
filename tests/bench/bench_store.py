"""How fast the store is read, and what N readers cost in memory. Run it with python.

Reading shuffled mini-batches from the memory map is compared with copying the same bytes inside memory. Opening, which
verifies every byte, once per process, is compared with gathering the entry once. Memory is the
proportional set size of processes that each hold the whole entry: shared pages count once among them.
"""

import argparse
import multiprocessing
import os
import tempfile
import time
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import soundfile

from experiments.interaffection import study
from ser.data import audio
from ser.data.manifest import Utterance
from ser.features.entry import Features
from ser.features.recipe import Recipe
from ser.features.store import Store

RATE_HZ, READERS = 8000, 4


@dataclass(frozen=True)
class Made:
    """A store entry of random speech-like lengths."""

    store: Path
    key: str


def make(folder: Path, utterances: int) -> Made:
    """Lognormal lengths with mean 4.5 s, as IEMOCAP has them."""
    rng = np.random.default_rng(0)
    items = []
    for i in range(utterances):
        path = folder / f"{i}.wav"
        soundfile.write(path, 0.1 * rng.standard_normal(int(RATE_HZ * rng.lognormal(1.3, 0.6))), RATE_HZ)
        sha = audio.inspect(path).sha
        items.append((Utterance(f"made/{i}", "made", str(path), "made/1", "neutral", "neutral", sha=sha), 0))
    recipe = Recipe("made", study.features.front_end, None, tuple(items))
    store = Store(folder / "store")
    store.build(recipe)
    return Made(folder / "store", recipe.key)


def open_and_read(made: Made, batches: list[list[str]], threads: int) -> tuple[float, float]:
    """Seconds to open the entry, and then to gather all batches for the first time; its files are in memory."""
    start = time.perf_counter()
    features = Store(made.store, jobs=threads).open(made.key)
    opened = time.perf_counter()
    for batch in batches:
        np.concatenate([features.frames(name) for name in batch])
    return opened - start, time.perf_counter() - opened


def crc_speed() -> float:
    """Bytes per second of one thread."""
    block = np.ones(1 << 26, np.uint8)
    start = time.perf_counter()
    zlib.crc32(block)
    return block.nbytes / (time.perf_counter() - start)


def read(made: Made, batches: list[list[str]]) -> float:
    """Seconds to gather all batches from the map."""
    features = Store(made.store).open(made.key)
    for batch in batches:  # touch the pages: the question is the format, not the disk
        np.concatenate([features.frames(name) for name in batch])
    start = time.perf_counter()
    for batch in batches:
        np.concatenate([features.frames(name) for name in batch])
    return time.perf_counter() - start


def copy(features: Features, batches: list[list[str]]) -> float:
    """Seconds to copy arrays of the same sizes, each in one stroke."""
    blocks = [np.ones((sum(len(features.frames(n)) for n in batch), features.width), np.float32) for batch in batches]
    start = time.perf_counter()
    for block in blocks:
        block.copy()
    return time.perf_counter() - start


def hold(made: Made, ready: "multiprocessing.synchronize.Barrier", memory: "multiprocessing.Queue[int]") -> None:
    """Read everything, wait until all have, report this process's share of memory."""
    features = Store(made.store).open(made.key)
    total = sum(float(features.frames(name).sum()) for name in features.names())
    ready.wait()
    memory.put(psutil.Process().memory_full_info().pss)
    ready.wait()
    assert np.isfinite(total)


def main() -> None:
    """Print both ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--utterances", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5, help="the best of them is printed")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        made = make(Path(folder), args.utterances)
        features = Store(made.store).open(made.key)
        names = list(np.random.default_rng(1).permutation(features.names()))
        batches = [names[at : at + 16] for at in range(0, len(names), 16)]
        ratio = min(read(made, batches) / copy(features, batches) for _ in range(args.rounds))
        print(f"{features.nbytes / 1e6:.0f} MB in shuffled batches of 16: {ratio:.2f} x the time of a copy (target 2)")
        print(f"checksums: {max(crc_speed() for _ in range(args.rounds)) / 1e9:.1f} GB/s a thread")
        for threads in (1, os.cpu_count() or 1):
            opening, reading = (
                min(t) for t in zip(*(open_and_read(made, batches, threads) for _ in range(args.rounds)), strict=True)
            )
            ratio = opening / reading
            print(f"opening with {threads} threads: {opening:.2f} s, {ratio:.2f} x the time of gathering all once")
        context = multiprocessing.get_context("spawn")
        totals = {}
        for readers in (1, READERS):
            ready, memory = context.Barrier(readers), context.Queue()
            processes = [context.Process(target=hold, args=(made, ready, memory)) for _ in range(readers)]
            for process in processes:
                process.start()
            totals[readers] = sum(memory.get() for _ in processes)
            for process in processes:
                process.join()
        extra = (totals[READERS] - totals[1]) / (READERS - 1)
        print(
            f"memory of 1 reader {totals[1] / 1e6:.0f} MB, of {READERS} readers {totals[READERS] / 1e6:.0f} MB: "
            f"{extra / 1e6:.0f} MB for each further one, {extra / features.nbytes:.2f} x the features"
        )


if __name__ == "__main__":
    main()

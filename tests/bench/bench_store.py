"""How fast the store is read, and what N readers cost in memory. Run it with python.

Reading shuffled mini-batches from the memory map is compared with copying the same bytes inside memory. Opening, which
verifies every byte, once per process, is compared with gathering the entry once. Memory is the
proportional set size of processes that each hold the whole entry: shared pages count once among them.

With ``--wide-gb`` the same for an entry of float16 as encoders make them, all hidden states of a base model (13 x 768),
against reading all of it by ``np.load``: seconds to open it, and for one pass in batches; memory that no file holds.
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
import torch
from ser.experiments.interaffection import study

from ser import files
from ser.data import audio
from ser.data.manifest import Utterance
from ser.features.entry import Features
from ser.features.recipe import Recipe
from ser.features.shards import Shard, write_shard
from ser.features.store import Store
from ser.training.batches import Frames

RATE_HZ, READERS, WIDTH = 8000, 4, 13 * 768


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


def make_wide(folder: Path, gigabytes: float) -> None:
    """An entry of 3-s utterances, 128 numbers at a time the same: only sizes count here."""
    folder.mkdir()
    halves = np.tile(np.random.default_rng(0).normal(size=(150, 128)).astype(np.float16), (1, WIDTH // 128))
    shards = []
    for s in range(round(gigabytes * 1e9 / (20 * halves.nbytes))):
        frames = tuple((f"made/{s}-{i}", len(halves)) for i in range(20))
        write_shard(Shard(f"shard-{s:07d}", WIDTH, "float16", (halves,) * 20, frames, ()), folder)
        shards.append(files.read(folder / f"shard-{s:07d}.json"))
    files.write(folder / "entry.json", {"width": WIDTH, "dtype": "float16", "refused": [], "shards": shards})


def anonymous_bytes() -> int:
    """Memory of this process that no file holds."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith("RssAnon")))


def pass_over(folder: Path, eager: bool, results: "multiprocessing.Queue[tuple[float, float, int]]") -> None:
    """Seconds to open the entry, seconds for one pass in batches of 16, and how far memory grew."""
    torch.set_num_threads(1)
    before, start = anonymous_bytes(), time.perf_counter()
    if eager:
        features = None
        blocks = [torch.from_numpy(np.load(path)) for path in sorted(folder.glob("*.npy"))]
        items = [item for block in blocks for item in block.split(150)]
    else:
        features = Features(folder)
        frames, _ = Frames.of_entries([features], features.names())
    opened, most, total = time.perf_counter() - start, 0, 0.0
    count = len(items) if eager else len(frames)
    start = time.perf_counter()
    for at in range(0, count, 16):
        indices = range(at, min(at + 16, count))
        batch = torch.cat([items[i] for i in indices]).float() if eager else frames.joined(indices)
        total += float(batch[0, 0])
        most = max(most, anonymous_bytes())
    results.put((opened, time.perf_counter() - start, most - before))


def compare_wide(gigabytes: float) -> None:
    """Print the ratios for a wide entry, and remove it."""
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as place:
        make_wide(folder := Path(place) / "wide", gigabytes)
        seen = {}
        for eager in (False, True):
            results = context.Queue()
            process = context.Process(target=pass_over, args=(folder, eager, results))
            process.start()
            seen[eager] = results.get()
            process.join()
    (open_s, pass_s, grown), (load_s, load_pass_s, load_grown) = seen[False], seen[True]
    print(f"{gigabytes:.1f} GB of float16, {WIDTH} wide, against np.load of all of it:")
    print(f"opened in {open_s:.2f} s, {open_s / load_s:.4f} x")
    both = (open_s + pass_s) / (load_s + load_pass_s)
    print(f"opened, and read once in batches of 16, every byte verified: {both:.2f} x")
    print(f"memory that no file holds: {grown / 1e6:.0f} MB, {grown / load_grown:.3f} x")


def main() -> None:
    """Print all ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--utterances", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5, help="the best of them is printed")
    parser.add_argument("--wide-gb", type=float, default=2.0, help="of an entry as encoders make them; 0: none")
    args = parser.parse_args()
    if args.wide_gb:
        compare_wide(args.wide_gb)
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

"""What the settings of the process give: memory that the C library keeps, numbers too small for a normal float flushed.

The paper's networks are trained for a few updates on lengths like IEMOCAP's, in a process for each setting, in a thread
as Ray's workers train. Prints processor milliseconds and page faults per update; the baseline is the first way, that is
neither setting. Rounds are taken in turns, and medians are printed. A BLSTM that reads padding backwards, which ours
does not, is beside them, since there tiny numbers arise. Run it with python.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ser.host.environment import OF_WORKERS

KEPT = {name: value for name, value in OF_WORKERS.items() if name.startswith("MALLOC_")}
# By name: variables of the process, whether it flushes, whether it asks for kept memory itself.
WAYS: dict[str, tuple[dict[str, str], bool, bool]] = {
    "neither": ({}, False, False),
    "flushed": ({}, True, False),
    "kept": (KEPT, False, False),
    "both": (KEPT, True, False),
    "both in one arena": ({**KEPT, "MALLOC_ARENA_MAX": "1"}, True, False),
    "both by calls": ({}, True, True),
}
NETWORKS = ("lstm", "blstm", "tdnn", "padded blstm")


def _step(name: str) -> Callable[[int], None]:
    import torch
    from ser.experiments.interaffection import study
    from torch import nn
    from torch.nn.utils.rnn import pad_sequence

    from ser.training.batches import Items, Stream
    from ser.training.network import Network

    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    lengths = np.clip(62.5 * rng.lognormal(1.32, 0.6, size=400), 37, 2125).astype(np.int64)
    items = Items("made", tuple(map(str, lengths)), [torch.randn(n, 257) for n in lengths], torch.arange(400) % 4)
    stream = Stream(lengths, 16, 16 if name != "padded blstm" else 1, [0])
    block = next(b for b in study.blocks if b.name == name.removeprefix("padded "))
    network = Network(257, block, "mean_var", 4, "float32")
    both_ways = nn.LSTM(512, 128, batch_first=True, bidirectional=True)
    optimiser = torch.optim.Adam([*network.parameters(), *both_ways.parameters()], lr=3e-4)

    def step(i: int) -> None:
        batch = items.batch(stream.indices(i))
        optimiser.zero_grad()
        if name == "padded blstm":
            padded = pad_sequence([items.features[j] for j in batch.indices], batch_first=True)
            prepared = network.block.prepare(padded)
            hidden = both_ways(prepared)[0]
            inside = torch.arange(hidden.shape[1]) < batch.lengths[:, None]
            logits = network.heads["all"](torch.cat([(hidden * inside[:, :, None]).mean(1)] * 2, 1))
        else:
            logits = network(batch.frames, batch.lengths, "")
        nn.functional.cross_entropy(logits, batch.labels).backward()
        optimiser.step()

    return step


def child(network: str, way: str, updates: int) -> dict[str, float]:
    """Processor milliseconds and page faults per update, in this process."""
    import torch

    from ser.host import environment

    _, flushes, asks = WAYS[way]
    if asks:
        environment.keep_memory()
    measured: dict[str, float] = {}

    def train() -> None:
        torch.set_num_threads(1)
        torch.set_flush_denormal(flushes)
        step = _step(network)
        for i in range(2):  # the heap grows, and kernels are chosen
            step(i)
        faults, start = resource.getrusage(resource.RUSAGE_SELF).ru_minflt, time.process_time()
        for i in range(2, 2 + updates):
            step(i)
        measured["ms"] = 1000 * (time.process_time() - start) / updates
        measured["faults"] = (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults) / updates

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    measured["mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return measured


def main() -> None:
    """Print a table for each network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--updates", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--ways", default=",".join(WAYS), help="of: " + ", ".join(WAYS))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(child(*args.child, args.updates)))
        return
    everything: dict[str, Any] = {}
    for network in args.networks.split(","):
        rows: dict[str, list[dict[str, float]]] = {way: [] for way in args.ways.split(",")}
        for _ in range(args.rounds):
            for way in rows:
                command = [sys.executable, __file__, "--updates", str(args.updates), "--child", network, way]
                plain = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")}
                done = subprocess.run(command, env=plain | WAYS[way][0], capture_output=True, text=True, check=True)
                rows[way].append(json.loads(done.stdout.splitlines()[-1]))
        everything[network] = rows
        base = statistics.median(r["ms"] for r in next(iter(rows.values())))
        for way, each in rows.items():
            ms, faults, mb = (statistics.median(r[k] for r in each) for k in ("ms", "faults", "mb"))
            print(
                f"{network:12} {way:22} {ms:7.0f} ms, {faults:8.0f} faults, {mb:5.0f} MB: {base / ms:.2f} x", flush=True
            )
    if args.json:
        args.json.write_text(json.dumps(everything, indent=1))


if __name__ == "__main__":
    main()

"""One GPU used fully: the paper's networks one at a time and stacked, against a naive loop. At most eight minutes.

    python tests/bench/bench_gpu.py --json gpu.json        # on a machine with a GPU
    python tests/bench/bench_gpu.py --cpu                  # a self-check with tiny sizes; its numbers mean nothing

It needs this repository and torch, and neither Ray nor MLflow. Features are made: lengths as IEMOCAP's, corpora of
the sizes of the paper's. "naive" is what one writes first: float32, random mini-batches from a loader, padded to the
longest, packed sequences for LSTMs, the loss read at every step. "alone" is ``ser.training.train``. "stacked" is as
many trials in one process, over the paper's combinations of corpora, with CUDA graphs and without. The same steps are
run twice, and the second time counts. ``hours`` are those of all 168 trials at 60 epochs of 100 steps, evaluation
included, in groups of fourteen one after another.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

from ser.study import Part, Trial, subsets, trial_of
from ser.study.load import load_study
from ser.training import stacked_frames, stacked_graphs, start
from ser.training import train as loop
from ser.training.batches import Frames, Items
from ser.training.stacked_networks import Networks
from ser.training.start import CorpusData

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # as workers have it
study = load_study("interaffection")
WIDTH, CLASSES, BATCH = 257, 4, 16
UTTERANCES = {"iemocap": 2900, "tess": 800, "ravdess": 470, "customer": 700}  # to train on; a third more to validate
EPOCHS, STEPS, GROUPS = 60, 100, 4  # of the paper's grid; groups of fourteen trials with each block
TARGETS = {"alone over naive": 5.0, "stacked over alone": 10.0, "hours of the grid": 0.5}


@dataclass(frozen=True)
class Sizes:
    """What is measured: steps of one measurement, members of groups, and the share of everything's real size."""

    steps: int
    members: tuple[int, ...]
    scale: float
    device: str


def main() -> None:
    """Measures block after block, prints each line as it is known, and writes all at the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cpu", action="store_true", help="a self-check with tiny sizes")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--blocks", default="lstm,blstm,tdnn")
    parser.add_argument("--members", default="1,4,14,28,56")
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--precision", default="float32", help="float32 or tf32")
    parser.add_argument("--seconds", type=float, default=420, help="after which nothing more is begun")
    args = parser.parse_args()
    if not (args.cpu or torch.cuda.is_available()):
        print("torch sees no GPU here, so nothing is measured; --cpu checks that the script runs")
        return
    members = tuple(int(n) for n in args.members.split(","))
    sizes = Sizes(2, (1, 2), 0.002, "cpu") if args.cpu else Sizes(args.steps, members, 1.0, "cuda:0")
    device = "CPU, tiny" if args.cpu else torch.cuda.get_device_name(0)
    found = {"device": device, "torch": torch.__version__, "precision": args.precision, "blocks": {}}
    until = time.perf_counter() + args.seconds
    if args.cpu:
        torch.set_num_threads(1)
    else:
        torch.use_deterministic_algorithms(True)  # as in a grid
    data = {name: corpus(name, k, sizes) for k, name in enumerate(UTTERANCES)}
    for block in args.blocks.split(","):
        found["blocks"][block] = measured(block, args.precision, data, sizes, until)
    found["hours of the grid"] = hours(found["blocks"].values())
    found["targets"] = TARGETS
    print(f"hours of the grid of 168 trials: {found['hours of the grid']}")
    if args.json:
        args.json.write_text(json.dumps(found, indent=1))


def corpus(name: str, seed: int, sizes: Sizes) -> CorpusData:
    """Made features on the device; the class raises some bins."""
    draw = np.random.default_rng(seed)

    def items(count: int, kind: str) -> Items:
        seconds = draw.lognormal(1.35, 0.5, count).clip(0.6, 30) * (sizes.scale**0.5)
        length = np.maximum(2, seconds * 62.5).astype(np.int64)
        labels = torch.arange(count) % CLASSES
        block = torch.randn(int(length.sum()), WIDTH, generator=torch.Generator().manual_seed(seed))
        begin = np.cumsum(length) - length
        frames = Frames((block,), np.zeros_like(begin), begin, length)
        names = tuple(f"{name}/{kind}{i}" for i in range(count))
        return Items(name, names, frames.on(sizes.device), labels.to(sizes.device))

    count = max(20, int(UTTERANCES[name] * sizes.scale))
    return CorpusData(items(count, "train"), items(count // 3, "val"), items(8, "test"))


def trial(block: str, precision: str, mix: tuple[str, ...], seed: int, sizes: Sizes) -> Trial:
    """One of the paper's, with as many steps in an epoch as are measured; small networks for the self-check."""
    point = {"corpora": mix, "block": block, "pooling": "mean_var", "task": "multi"}
    made = trial_of(study, point, {c.name: c for c in study.corpora}, seed=seed)
    training = replace(made.training, steps_per_epoch=sizes.steps, stacked=True, precision=precision)
    small = {k: 8 for k in ("units", "prep_units") if k in made.block.values()} if sizes.scale < 1 else {}
    return replace(made, block=made.block.changed(**small), training=training)


def measured(
    block: str, precision: str, data: dict[str, CorpusData], sizes: Sizes, until: float
) -> dict[str, dict[str, float]]:
    """Seconds of a step, trials an hour and ratios, by what was measured."""
    mixes = [mix for mix in subsets(tuple(UTTERANCES)) if mix != ("tess",)]
    rows: dict[str, dict[str, float]] = {}

    def note(title: str, step_s: float, evaluation_s: float, count: int) -> None:
        hourly = 3600 * count / (EPOCHS * (STEPS * step_s + evaluation_s))
        first = rows.get("alone", rows.get("naive", {})).get("trials an hour", hourly)
        rows[title] = {
            "step_s": step_s,
            "evaluation_s": evaluation_s,
            "trials an hour": hourly,
            "ratio": hourly / first,
        }
        print(f"{block} {title}: step {1000 * step_s:.1f} ms, evaluation {evaluation_s:.2f} s, "
              f"{hourly:.1f} trials an hour, {hourly / first:.1f} x", flush=True)  # fmt: skip

    sample = trial(block, precision, ("iemocap", "ravdess"), 0, sizes)
    step_s, evaluation_s = naive(sample, data, sizes)
    note("naive", step_s, evaluation_s, 1)
    note("alone", *alone(sample, data, sizes), 1)
    for graphs in (False, True) if sizes.device != "cpu" else (False,):
        for count in sizes.members:
            if time.perf_counter() > until:
                print("no time left for more")
                return rows
            trials = [
                trial(block, precision, mixes[i % len(mixes)], i // len(mixes), sizes)
                for i in range(len(mixes) - 1, len(mixes) - 1 + count)
            ]
            title = f"stacked {count}{' in graphs' if graphs else ''}"
            try:
                note(title, *stacked(trials, data, sizes, graphs), count)
            except torch.OutOfMemoryError:
                print(f"{block} {title}: out of memory", flush=True)
                torch.cuda.empty_cache()
                break
    return rows


def timed(step: Callable[[], object], device: str) -> float:
    """Seconds of the second of two calls."""
    seconds = 0.0
    for _ in range(2):
        wait(device)
        started = time.perf_counter()
        step()
        wait(device)
        seconds = time.perf_counter() - started
    return seconds


def wait(device: str) -> None:
    """Until all that was asked of the device is done."""
    if device != "cpu":
        torch.cuda.synchronize()


def alone(one: Trial, data: dict[str, CorpusData], sizes: Sizes) -> tuple[float, float]:
    """Seconds of a step and of an evaluation of ``ser.training.train``."""
    run = start.begin(one, {c.name: data[c.name] for c in one.corpora}, sizes.device, 1)
    step = timed(lambda: loop._train_epoch(run, 1), sizes.device) / sizes.steps
    return step, timed(lambda: loop._validate(run, 1), sizes.device)


def stacked(trials: Sequence[Trial], data: dict[str, CorpusData], sizes: Sizes, graphs: bool) -> tuple[float, float]:
    """Seconds of a step and of an evaluation of all of ``trials`` together."""
    stacked_graphs.IS_ON = graphs
    runs = [start.begin(t, {c.name: data[c.name] for c in t.corpora}, sizes.device, 1) for t in trials]
    states = [SimpleNamespace(training=r, member=SimpleNamespace(trial=r.trial), error="") for r in runs]
    networks, epochs = Networks(runs), [1] * len(runs)
    step = timed(lambda: stacked_frames._train_epoch(networks, states, epochs), sizes.device) / sizes.steps
    return step, timed(lambda: stacked_frames._validate(networks, states, epochs), sizes.device)


def naive(one: Trial, data: dict[str, CorpusData], sizes: Sizes) -> tuple[float, float]:
    """Seconds of a step and of an evaluation of the loop that one writes first, its features in the main memory."""
    start.set_precision("float32", sizes.device)
    network = Naive(one.block).to(sizes.device)
    optimiser = torch.optim.Adam(network.parameters(), lr=3e-4, weight_decay=1e-5)
    sides = [s for c in one.corpora for s in (data[c.name].train, data[c.name].val)]
    host = [([x.cpu() for x in items.features], items.labels.cpu()) for items in sides]
    draw = np.random.default_rng(0)
    batches = [
        (k % len(one.corpora), draw.integers(0, len(host[2 * (k % len(one.corpora))][0]), BATCH))
        for k in range(sizes.steps)
    ]

    def passed(features: list[Tensor], labels: Tensor, at: Sequence[int]) -> Tensor:
        some = [features[i] for i in at]
        padded = pad_sequence(some, batch_first=True).to(sizes.device)
        logits = network(padded, torch.tensor([len(x) for x in some]))
        return cross_entropy(logits, labels[torch.as_tensor(at)].to(sizes.device))

    def epoch() -> None:
        network.train()
        for which, at in batches:
            optimiser.zero_grad()
            loss = passed(*host[2 * which], at)
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 10.0)
            optimiser.step()
            loss.item()

    @torch.no_grad()
    def evaluation() -> None:
        network.eval()
        for features, labels in host[1::2]:
            for at in range(0, len(features), BATCH):
                passed(features, labels, range(at, min(at + BATCH, len(features)))).item()

    return timed(epoch, sizes.device) / sizes.steps, timed(evaluation, sizes.device)


class Naive(nn.Module):
    """The paper's layers on padded batches, masked where it matters."""

    def __init__(self, block: Part) -> None:
        super().__init__()
        s = block.values()
        self.recurrent = "prep_units" in s
        if self.recurrent:
            self.prepare = nn.Sequential(nn.Linear(WIDTH, s["prep_units"]), nn.ReLU())
            self.block = nn.LSTM(s["prep_units"], s["units"], batch_first=True, bidirectional=block.name == "blstm")
            width = s["units"] * (2 if block.name == "blstm" else 1)
        else:
            sizes = [WIDTH] + [s["units"]] * s["layers"]
            layers = [layer for a, b in pairwise(sizes) for layer in (nn.Conv1d(a, b, 3, padding=1), nn.ReLU())]
            self.block, width = nn.Sequential(*layers), s["units"]
        self.dropout = nn.Dropout(s["dropout"])
        self.u, self.head = nn.Parameter(torch.randn(width) * 0.01), nn.Linear(2 * width, CLASSES)

    def forward(self, padded: Tensor, lengths: Tensor) -> Tensor:
        """[batch, longest, 257] and lengths [batch] on the CPU -> logits [batch, 4]."""
        if self.recurrent:
            packed = pack_padded_sequence(self.prepare(padded), lengths, batch_first=True, enforce_sorted=False)
            hidden = pad_packed_sequence(self.block(packed)[0], batch_first=True)[0]
        else:
            hidden = self.block(padded.transpose(1, 2)).transpose(1, 2)
        hidden = self.dropout(hidden)
        mask = torch.arange(hidden.shape[1], device=padded.device) >= lengths.to(padded.device)[:, None]
        alpha = (hidden @ self.u).masked_fill(mask, -torch.inf).softmax(1)[:, :, None]
        mean = (alpha * hidden).sum(1)
        return self.head(torch.cat([mean, (alpha * hidden.square()).sum(1) - mean.square()], 1))


def hours(blocks: Sequence[dict[str, dict[str, float]]]) -> float | None:
    """Hours of the grid by the best way to train groups of fourteen; None where a block was not measured so."""
    total = 0.0
    for rows in blocks:
        ways = [row for title, row in rows.items() if title.startswith("stacked 14")]
        if not ways:
            return None
        total += GROUPS * EPOCHS * min(STEPS * row["step_s"] + row["evaluation_s"] for row in ways)
    return total / 3600


if __name__ == "__main__":
    main()

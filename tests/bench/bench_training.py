"""How near the paper's networks come to what one core can multiply, and how much faster than the obvious way they are.

The obvious way: random batches, padded to the longest; packed sequences for recurrent layers, convolved padding.
Ours: length-bucketed batches, no padding at the networks' interface, denormals flushed. Freed memory is kept for both,
as in every process of ours that trains (``bench_host.py`` shows what that gives). Lengths are even (3.7 s each,
RAVDESS-like) or lognormal (IEMOCAP-like). Useful are the matrix products of real frames: divided by the time of a
training step (gradients and Adam) or of an evaluation, and by the rate of one large float32 product, measured before
each, they give the ratio to the peak. Winograd's convolution needs fewer products: there it may be above 1. Times are
of the processor; medians, with quartiles in brackets.
"""

import argparse
import json
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from ser.experiments.interaffection import study
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

from ser.host.environment import keep_memory
from ser.study import Part
from ser.training.batches import Items, Stream
from ser.training.network import Network


class Obvious(nn.Module):
    """The same layers on padded batches; masked where it matters."""

    def __init__(self, block: Part) -> None:
        super().__init__()
        s = block.values()
        self.recurrent = "prep_units" in s
        if self.recurrent:
            self.prepare = nn.Sequential(nn.Linear(257, s["prep_units"]), nn.ReLU())
            self.block = nn.LSTM(s["prep_units"], s["units"], batch_first=True, bidirectional=block.name == "blstm")
            width = s["units"] * (2 if block.name == "blstm" else 1)
        else:
            sizes = [257] + [s["units"]] * s["layers"]
            layers = [layer for a, b in pairwise(sizes) for layer in (nn.Conv1d(a, b, 3, padding=1), nn.ReLU())]
            self.block, width = nn.Sequential(*layers), s["units"]
        self.u, self.head = nn.Parameter(torch.randn(width) * 0.01), nn.Linear(2 * width, 4)

    def forward(self, padded: Tensor, lengths: Tensor) -> Tensor:
        """[batch, longest, 257] -> logits [batch, 4]."""
        if self.recurrent:
            packed = pack_padded_sequence(self.prepare(padded), lengths, batch_first=True, enforce_sorted=False)
            hidden = pad_packed_sequence(self.block(packed)[0], batch_first=True)[0]
        else:
            hidden = self.block(padded.transpose(1, 2)).transpose(1, 2)
        mask = torch.arange(hidden.shape[1]) >= lengths[:, None]
        alpha = (hidden @ self.u).masked_fill(mask, -torch.inf).softmax(1)[:, :, None]
        mean = (alpha * hidden).sum(1)
        return self.head(torch.cat([mean, (alpha * hidden.square()).sum(1) - mean.square()], 1))


def lengths_of(kind: str, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Frames of 600 utterances, 62.5 a second."""
    drawn = rng.integers(225, 238, size=600) if kind == "even" else 62.5 * rng.lognormal(1.3, 0.6, size=600)
    return np.clip(drawn, 37, 2000).astype(np.int64)


def work(block: nn.Module) -> tuple[int, int]:
    """Floating-point operations of a frame's matrix products: of a training step, and of an evaluation."""
    sizes = [p.numel() for p in block.parameters() if p.ndim > 1]
    return 6 * sum(sizes) - 2 * sizes[0], 2 * sum(sizes)  # no gradient of the frames


class Case:
    """A network, and the batches that it sees."""

    def __init__(self, network: nn.Module, items: Items, stream: Stream, padded: bool) -> None:
        self.network, self.items, self.stream, self.padded = network, items, stream, padded
        self.optimiser = torch.optim.Adam(network.parameters(), lr=3e-4, fused=not padded)

    def answers(self, i: int) -> tuple[Tensor, Tensor, int]:
        """Logits, labels and frames of batch i."""
        chosen = self.stream.indices(i)
        batch = self.items.batch(chosen)
        if not self.padded:
            return self.network(batch.frames, batch.lengths, ""), batch.labels, len(batch.frames)
        padded = pad_sequence([self.items.features[j] for j in chosen], batch_first=True)
        return self.network(padded, batch.lengths), batch.labels, len(batch.frames)

    def step(self, i: int) -> int:
        """A training step; returns the frames."""
        self.network.train()
        self.optimiser.zero_grad()
        logits, labels, frames = self.answers(i)
        nn.functional.cross_entropy(logits, labels).backward()
        self.optimiser.step()
        return frames

    @torch.no_grad()
    def evaluation(self, i: int) -> int:
        """Logits alone; returns the frames."""
        self.network.eval()
        return self.answers(i)[2]


def peak(dtype: torch.dtype) -> Callable[[int], int]:
    """A product as of a layer of TDNN; returns its operations."""
    a, b = torch.randn(3700, 512).to(dtype), torch.randn(512, 512).to(dtype)

    def multiply(i: int) -> int:
        torch.mm(a, b)
        return 2 * a.numel() * len(b)

    return multiply


def rate(function: Callable[[int], int], i: int) -> float:
    """What the function returns, by 1e9 processor seconds."""
    start = time.process_time()
    return function(i) / (time.process_time() - start) / 1e9


def measured(block: Part, kind: str, turns: int) -> dict[str, list[float]]:
    """Useful GFLOP/s in turns, by what was run, and its ratios to the peak; the first turn warms up."""
    rng = np.random.default_rng(0)
    lengths = lengths_of(kind, rng)
    items = Items("made", tuple(map(str, lengths)), [torch.randn(n, 257) for n in lengths], torch.arange(600) % 4)
    bucketed, mixed = Stream(lengths, 16, 16, [0]), Stream(lengths, 16, 1, [0])
    networks = {p: Network(257, block, "mean_var", 4, p) for p in ("float32", "bfloat16")}
    cases = {"obvious": Case(Obvious(block), items, mixed, True)}
    cases |= {precision: Case(network, items, bucketed, False) for precision, network in networks.items()}
    operations = work(networks["float32"].block)
    exact, reduced = peak(torch.float32), peak(torch.bfloat16)
    rates: dict[str, list[float]] = {}

    def add(name: str, value: float) -> None:
        rates.setdefault(name, []).append(value)

    for i in range(turns + 1):
        add("peak bfloat16", rate(reduced, i))
        for name, case in cases.items():
            torch.set_flush_denormal(name != "obvious")
            for what, function, each in zip(
                ("step", "evaluation"), (case.step, case.evaluation), operations, strict=True
            ):
                before = rate(exact, i)
                useful = each * rate(function, i)
                add("peak float32", before)
                add(f"{name} {what}", useful)
                add(f"{name} {what} / peak", useful / ((before + rate(exact, i)) / 2))
    return {name: values[len(values) // (turns + 1) :] for name, values in rates.items()}


def main() -> None:
    """Print GFLOP/s and ratios for each temporal block and kind of lengths."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--updates", type=int, default=8, help="of each network")
    parser.add_argument("--blocks", default=",".join(block.name for block in study.blocks))
    parser.add_argument("--lengths", default="even,lognormal")
    parser.add_argument("--json", type=Path, help="write all numbers to this file")
    arguments = parser.parse_args()
    keep_memory()
    torch.set_num_threads(1)
    results = {}
    for block in (block for block in study.blocks if block.name in arguments.blocks.split(",")):
        for kind in arguments.lengths.split(","):
            rates = results[f"{block.name} {kind}"] = measured(block, kind, arguments.updates)
            peaks = [np.median(rates[f"peak {precision}"]) for precision in ("float32", "bfloat16")]
            print(f"{block.name}, {kind} lengths; peak {peaks[0]:.0f} GFLOP/s in float32, {peaks[1]:.0f} in bfloat16")
            for name in (name for name in rates if f"{name} / peak" in rates):
                low, ratio, high = np.percentile(rates[f"{name} / peak"], [25, 50, 75])
                gain = np.median(rates[name]) / np.median(rates[f"obvious {name.split()[1]}"])
                print(
                    f"  {name:20} {np.median(rates[name]):5.0f} GFLOP/s, {ratio:.2f} [{low:.2f} {high:.2f}] of the "
                    f"float32 peak, {gain:.1f} x the obvious way",
                    flush=True,
                )
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()

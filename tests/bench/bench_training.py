"""How fast the paper's networks train here, against the obvious way to write them. Run it with python.

The obvious way: random batches, padded to the longest; packed sequences for recurrent layers, convolved padding.
Ours: length-bucketed batches, no padding at the networks' interface, denormals flushed. Lengths are IEMOCAP-like.
Both see the same utterances in the same number of updates; the ratio is of processor time per update. Then bfloat16
against float32, over the same few batches: far below 1 on a CPU that has no instructions for it.
"""

import argparse
import time
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

from experiments.interaffection import study
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


def ours(block: Part, precision: str, items: Items, stream: Stream) -> Callable[[int], None]:
    """An update of our network by its number."""
    network = Network(257, block, "mean_var", 4, precision)
    optimiser = torch.optim.Adam(network.parameters(), lr=3e-4)

    def step(i: int) -> None:
        batch = items.batch(stream.indices(i))
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(batch.frames, batch.lengths, ""), batch.labels).backward()
        optimiser.step()

    return step


def seconds_per_update(updates: int, step: Callable[[int], None]) -> float:
    """Processor seconds; the first update warms up."""
    step(0)
    start = time.process_time()
    for i in range(1, updates + 1):
        step(i)
    return (time.process_time() - start) / updates


def main() -> None:
    """Print milliseconds per update and the ratios for each temporal block."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--updates", type=int, default=8)
    updates = parser.parse_args().updates
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    lengths = np.clip(62.5 * rng.lognormal(1.3, 0.6, size=600), 37, 2000).astype(np.int64)
    items = Items("made", tuple(map(str, lengths)), [torch.randn(n, 257) for n in lengths], torch.arange(600) % 4)
    bucketed, mixed = Stream(lengths, 16, 16, [0]), Stream(lengths, 16, 1, [0])
    for block in study.blocks:
        plain = Obvious(block)
        optimiser = torch.optim.Adam(plain.parameters(), lr=3e-4)

        def obvious(i: int, plain: Obvious = plain, optimiser: torch.optim.Adam = optimiser) -> None:
            chosen = mixed.indices(i)
            padded = pad_sequence([items.features[j] for j in chosen], batch_first=True)
            optimiser.zero_grad()
            loss = nn.functional.cross_entropy(
                plain(padded, torch.tensor(lengths[list(chosen)])), items.labels[list(chosen)]
            )
            loss.backward()
            optimiser.step()

        torch.set_flush_denormal(False)
        slow = seconds_per_update(updates, obvious)
        torch.set_flush_denormal(True)
        fast = seconds_per_update(updates, ours(block, "float32", items, bucketed))
        print(
            f"{block.name:6} obvious {1000 * slow:6.0f} ms, ours {1000 * fast:6.0f} ms per update: {slow / fast:.1f} x"
        )
        few = [seconds_per_update(2, ours(block, precision, items, bucketed)) for precision in ("float32", "bfloat16")]
        print(f"{'':6} bfloat16 {few[0] / few[1]:.2f} x as fast as float32", flush=True)


if __name__ == "__main__":
    main()

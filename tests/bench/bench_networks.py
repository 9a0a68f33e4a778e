"""How fast the networks of Pho et al. and Sahoo et al. train here, against the obvious way to write them.

The obvious way: layers one after another as the table has them, float32, channels first, in a process as a shell starts
it. Ours: channels last, pooling before ReLU, Winograd's convolution on a CPU, and memory kept as
``ser.host.environment`` tells workers to; then the same in bfloat16, which is far below 1 on a CPU that has no
instructions for it. A step is forward, backward and Adam on one batch; the ratio is of processor time, or of time on a
GPU. Then both learn the same made task from the same start, seed by seed: what they reach on validation data should
differ less than seeds do.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from copy import deepcopy
from statistics import mean, stdev

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, max_pool2d, relu

from ser.host.environment import OF_WORKERS
from ser.models import cnn2d, vggish

Step = Callable[[], object]
WAYS = ("obvious", "float32", "bfloat16")
CNN2D = {"filters": (200, 200, 150, 100), "kernel": 3, "dense": (512, 256, 512), "dropout": 0.5, "frames": 278}
VGGISH = {"segment": 96, "filters": (64, 128, 256, 256, 512, 512), "fc": (4096, 4096), "embedding": 128, "units": 200}
PAPERS = {"cnn2d": (200, 278, CNN2D), "vggish": (64, 96, VGGISH)}
SMALL = {  # of the made task: all sizes at which Winograd's way is taken
    "cnn2d": (40, 44, CNN2D | {"filters": (32, 48, 32), "dense": (128, 64), "frames": 44}),
    "vggish": (32, 32, VGGISH | {"segment": 32, "filters": (32, 32, 48, 48, 64, 64), "fc": (96, 96), "units": 32}),
}
CLASSES = 4


def obvious(block: nn.Module, images: Tensor) -> Tensor:
    """The forward pass as one reads it in the paper: [batch, 1, height, width] -> [batch, outputs]."""
    x = images
    if isinstance(block, cnn2d.CNN2D):
        for convolution, norm in zip(block.convolutions, block.norms, strict=True):
            x = norm(max_pool2d(relu(convolution(x)), 2))
        return block.dense(x.flatten(1))
    for i, convolution in enumerate(block.vggish.convolutions):
        x = relu(convolution(x))
        x = max_pool2d(x, 2) if i in (0, 1, 3, 5) else x
    x = x.permute(0, 2, 3, 1).flatten(1)
    for layer in (*block.vggish.dense, block.last):
        x = relu(layer(x))
    return x


def forward(way: str, block: nn.Module, utterances: Tensor) -> Tensor:
    """Float [batch, frames, width] -> [batch, outputs]."""
    if way == "obvious":
        images = utterances.transpose(1, 2) if isinstance(block, cnn2d.CNN2D) else utterances
        return obvious(block, images.unsqueeze(1).contiguous())
    lengths = torch.full(utterances.shape[:1], utterances.shape[1], device=utterances.device)
    with torch.autocast(utterances.device.type, torch.bfloat16, enabled=way == "bfloat16"):
        return block(utterances.flatten(0, 1), lengths).float()


def built(name: str, sizes: dict[str, tuple], device: str) -> tuple[nn.Module, nn.Linear, int, int]:
    """Block, head, frames of an utterance and their width."""
    width, frames, settings = sizes[name]
    block = {
        "cnn2d": lambda: cnn2d.build(width, settings | {"init": "glorot"}),
        "vggish": lambda: vggish.build(width, settings | {"weights": "random"}),
    }[name]()
    return block.to(device), nn.Linear(block.outputs, CLASSES).to(device), frames, width


def step_of(way: str, name: str, batch: int, device: str) -> Step:
    """An update on made data at the paper's size."""
    torch.manual_seed(0)
    block, head, frames, width = built(name, PAPERS, device)
    utterances = torch.randn(batch, frames, width, device=device)
    labels = torch.randint(2, (batch, CLASSES), device=device).float()
    optimiser = torch.optim.Adam([*block.parameters(), *head.parameters()], lr=1e-4)

    def step() -> None:
        optimiser.zero_grad()
        binary_cross_entropy_with_logits(head(forward(way, block, utterances)), labels).backward()
        optimiser.step()

    return step


def seconds_per_step(step: Step, steps: int, device: str) -> float:
    """Processor seconds, or seconds on a GPU; the first steps warm up."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    step()
    if device != "cpu":
        step()
        torch.cuda.synchronize()
    start = clock()
    for _ in range(steps):
        step()
    if device != "cpu":
        torch.cuda.synchronize()
    return (clock() - start) / steps


def task(frames: int, width: int, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Noise, in which each class that is present has a spot somewhere along its own band; k-hot labels."""
    make = torch.Generator().manual_seed(seed)
    labels = torch.randint(2, (count, CLASSES), generator=make).float()
    utterances = torch.randn(count, frames, width, generator=make)
    for item in range(count):
        for label in range(CLASSES):
            at = int(torch.randint(frames - 12, (1,), generator=make))
            band = (2 * label + 1) * width // (2 * CLASSES)
            utterances[item, at : at + 12, band - 1 : band + 2] += 3 * labels[item, label]
    return utterances, labels


def learned(name: str, seed: int, ways: tuple[str, ...], steps: int, device: str) -> dict[str, float]:
    """Validation loss by way, after the same steps from the same start."""
    torch.manual_seed(seed)
    block, head, frames, width = built(name, SMALL, device)
    train, val = ([t.to(device) for t in task(frames, width, n, 2 * seed + i)] for i, n in enumerate((2048, 256)))
    found = {}
    for way in ways:
        pair = nn.ModuleList(deepcopy([block, head]))
        optimiser = torch.optim.Adam(pair.parameters(), lr=1e-3)
        torch.manual_seed(seed)  # batches and dropout
        for _ in range(steps):
            some = torch.randint(2048, (32,)).to(device)
            optimiser.zero_grad()
            logits = pair[1](forward(way, pair[0], train[0][some]))
            binary_cross_entropy_with_logits(logits, train[1][some]).backward()
            optimiser.step()
        pair.eval()
        with torch.no_grad():
            found[way] = binary_cross_entropy_with_logits(pair[1](forward(way, pair[0], val[0])), val[1]).item()
    return found


def print_losses(seeds: int, steps: int, device: str, ways: tuple[str, ...]) -> None:
    """Mean and spread over seeds of each way's validation loss, and how far each is from the obvious way's."""
    for name in SMALL:
        found = [learned(name, seed, ways, steps, device) for seed in range(seeds)]
        for way in ways:
            losses = [f[way] for f in found]
            apart = mean(f[way] - f["obvious"] for f in found)
            print(
                f"{name:7} {way:9} validation loss {mean(losses):.4f}, standard deviation over {seeds} seeds "
                f"{stdev(losses):.4f}, {apart:+.4f} from the obvious way's",
                flush=True,
            )


def print_speed(arguments: argparse.Namespace, device: str, ways: tuple[str, ...]) -> None:
    """Milliseconds per step and the ratios; each in a process of its own, for memory is kept or not from its start."""
    for name in PAPERS:
        taken = {}
        for way, kept in [("obvious", False), *((way, True) for way in ways)]:
            shell = {k: v for k, v in os.environ.items() if k not in OF_WORKERS}
            command = [sys.executable, __file__, "--only", name, way]
            command += ["--batch", str(arguments.batch), "--steps", str(arguments.steps)]
            said = subprocess.run(
                command, env=shell | (OF_WORKERS if kept else {}), check=True, capture_output=True, text=True
            ).stdout
            taken[way, kept] = float(said)
            ratios = [taken["obvious", k] / taken[way, kept] for k in (False, True) if ("obvious", k) in taken]
            told = (
                f"{name:7} {way:9} {'memory kept' if kept else 'as a shell starts it':21}{1000 * float(said):7.0f} ms"
            )
            print(told + " per step: " + ", ".join(f"{r:.2f} x" for r in ratios), flush=True)


def main() -> None:
    """Print speed at the papers' sizes, then validation losses of small ones."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=32, help="the papers' is 32")
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--updates", type=int, default=300, help="of the made task")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--without-bfloat16", action="store_true", help="where it takes minutes")
    parser.add_argument("--only", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_num_threads(1)
    if arguments.only:
        name, way = arguments.only
        print(seconds_per_step(step_of(way, name, arguments.batch, device), arguments.steps, device))
        return
    ways = tuple(w for w in WAYS if w != "bfloat16" or not arguments.without_bfloat16)
    print_speed(arguments, device, ways)
    print_losses(arguments.seeds, arguments.updates, device, ways)


if __name__ == "__main__":
    main()

"""What a balancing GAN costs: seconds of an epoch of its two stages over 400 images of 128 x 128. Run it with python.

Against the least that it could cost, one pass there and back through the same autoencoder in batches of the same size,
without optimiser, dropout, or anything made: a stage is about 1 and 2 of these.
"""

import argparse
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import mse_loss

from ser.balance import _bagan, gan
from ser.training.batches import Frames, Items

SIZES = {"demo": (8, 16, 32, 64), "small": (16, 32, 64, 128), "paper": (32, 64, 128, 256)}
SIDE = 128


def images(count: int) -> Items:
    """Noise of four classes, one of them a quarter larger."""
    at = np.arange(count)
    block = torch.randn(count * SIDE, SIDE)
    features = Frames((block,), np.zeros(count, int), at * SIDE, np.full(count, SIDE))
    return Items("noise", tuple(map(str, at)), features, torch.from_numpy(at % 17 % 4))


def seconds(work: Callable[[], object], device: str) -> float:
    """Of processor time, or of time on a GPU."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    start = clock()
    work()
    if device != "cpu":
        torch.cuda.synchronize()
    return clock() - start


def least(train: Items, settings: Mapping[str, Any], device: str) -> None:
    """Every image once through an autoencoder and back."""
    settings = {**settings, "dropout": 0.0}
    features = settings.filters[-1] * (SIDE >> len(settings.filters)) ** 2
    decoder = _bagan.expanding(SIDE, SIDE, settings)
    both = nn.Sequential(_bagan.contracting(settings), nn.Linear(features, settings.latent), decoder).to(device)
    for at in range(0, len(train.names), settings.batch_size):
        end = min(at + settings.batch_size, len(train.names))
        images = train.batch(range(at, end)).frames.to(device).reshape(-1, 1, SIDE, SIDE)
        mse_loss(both(images), images).backward()


def epochs(train: Items, settings: Mapping[str, Any], autoencoder: int, adversaries: int, device: str) -> float:
    """Seconds of so many epochs, and of making the images."""
    own = replace(settings, autoencoder_epochs=autoencoder, epochs=adversaries)
    return seconds(lambda: gan.balanced(train, None, 4, own, (1,), device), device)


def main() -> None:
    """Print a line per size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--images", type=int, default=400)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    train = images(args.images)
    for name, filters in SIZES.items():
        settings = replace(gan.example(), latent=100, filters=filters, batch_size=32)
        epochs(train, settings, 0, 0, args.device)  # once for what torch sets up
        rest, coding, playing = (epochs(train, settings, *n, args.device) for n in ((0, 0), (1, 0), (0, 1)))
        floor = seconds(partial(least, train, settings, args.device), args.device)
        parts = (("an epoch of the autoencoder", coding - rest), ("of the adversaries", playing - rest))
        said = ", ".join(f"{what} {took:.1f} s ({took / floor:.1f} times the least)" for what, took in parts)
        print(f"{name} {filters}: {said}, all else {rest:.1f} s")


if __name__ == "__main__":
    main()

"""Made spectrograms for the smaller classes: Chatziagapi et al. 2019, after the balancing GAN of Mariani et al. 2018.

An autoencoder learns to give all training items [frames, width] back, whatever their class. Its decoder becomes the
generator, its encoder's convolutions the discriminator's, and the codes of each class a normal distribution to draw
from; then the two are trained against each other.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from ser.balance import _bagan, _counts
from ser.balance._bagan import Settings
from ser.balance._gaussians import Gaussians
from ser.balance._images import Images
from ser.errors import BadInput
from ser.training.batches import Frames, Items

VERSION = 1
COPIES = False


def balanced(
    train: Items, copies: Items | None, classes: int, settings: Settings, seed: Sequence[int], device: str
) -> Items:
    """Returns ``train`` and made items, see ``ser.balance``.

    No made value is below the least or above the greatest of its bin in training.
    Raises BadInput for items of several lengths, for an odd kernel, and where a network diverges.
    """
    missing = _counts.missing(train.labels, classes)
    if not missing.any():
        return train
    if settings.kernel % 2:
        remedy = "choose one, so that a convolution halves an image exactly"
        raise BadInput(str(settings.kernel), "balance.gan.kernel", "an even number", remedy)
    images = Images(train, len(settings.filters), settings.batch_size, device)
    labels = torch.from_numpy(np.repeat(np.arange(classes), missing)).to(device)
    with _seeded(seed, device):
        generator, gaussians = _train(images, classes, settings, seed)
        with torch.no_grad():
            batches = labels.split(settings.batch_size)
            features = torch.cat([images.features(generator(gaussians.draw(batch))) for batch in batches])
    return train.followed_by(_items(train, features.contiguous(), labels))


@contextmanager
def _seeded(seed: Sequence[int], device: str) -> Iterator[None]:
    """Seeds torch's own generators, which dropout draws from, and restores them afterwards."""
    number = int(np.random.SeedSequence([*seed, 0]).generate_state(1, np.uint64)[0] >> np.uint64(1))
    on_gpu = torch.device(device).type == "cuda"
    with torch.random.fork_rng(devices=[torch.device(device)] if on_gpu else []):
        torch.default_generator.manual_seed(number)
        if on_gpu:
            torch.cuda.manual_seed(number)
        yield


def _train(images: Images, classes: int, settings: Settings, seed: Sequence[int]) -> tuple[nn.Module, Gaussians]:
    """Returns a trained generator, and the distributions of its codes."""
    device = images.labels.device
    trunk, generator = _bagan.contracting(settings), _bagan.expanding(images.height, images.width, settings)
    for weight in (*trunk.to(device).parameters(), *generator.to(device).parameters()):
        if weight.ndim == 4:  # and images are then kept with channels last, which is a fifth faster
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)
    height, width = (n >> len(settings.filters) for n in (images.height, images.width))
    outputs = settings.filters[-1] * height * width
    encoder = nn.Sequential(trunk, nn.Linear(outputs, settings.latent).to(device))
    _bagan.train_autoencoder(encoder, generator, partial(images.epoch, seed=[*seed, 1]), settings)
    encoder.eval()
    with torch.no_grad():
        codes = torch.cat([encoder(x) for x in images.in_order()]).double()
    gaussians = Gaussians(codes, images.labels, classes, settings.prior_items)
    discriminator = nn.Sequential(trunk, nn.Linear(outputs, classes + 1).to(device)).train()
    _bagan.train_adversaries(discriminator, generator, gaussians, partial(images.epoch, seed=[*seed, 2]), settings)
    return generator, gaussians


def _items(train: Items, features: Tensor, labels: Tensor) -> Items:
    """Returns features [items, frames, width] as items, named by their bytes: another fold's have other names."""
    count, frames, width = features.shape
    digest = hashlib.sha256(features.cpu().numpy().tobytes()).hexdigest()[:12]
    block = features.to(train.features[0].device).reshape(count * frames, width)
    whole = Frames((block,), np.array([0]), np.array([0]), np.array([len(block)]))
    names = tuple(f"made-{digest}-{k}" for k in range(count))
    return Items(train.corpus, names, whole.cut(frames), labels.to(train.labels.device))


def example() -> Settings:
    """Returns settings for images of a few hundred pixels."""
    return Settings(
        latent=12,
        filters=(8, 16),
        autoencoder_epochs=10,
        autoencoder_learning_rate=3e-3,
        epochs=5,
        learning_rate=1e-4,
        batch_size=16,
        prior_items=5.0,
    )

"""A balancing GAN: Mariani et al. 2018, "BAGAN", section 3, with transposed convolutions in the generator.

Images are float [batch, 1, height, width] from -1 to 1, both sizes multiples of 2 to the number of filters.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

from ser.balance._gaussians import Gaussians
from ser.errors import BadInput
from ser.study.settings import setting

Batches = Callable[[int], Iterable[tuple[Tensor, Tensor]]]  # number of an epoch -> its images and their labels
_LEAK = 0.2


@dataclass(frozen=True)
class Settings:
    """Settings of the networks and their training; ours, after Mariani et al. 2018."""

    latent: int = setting("width of a code", 100, low=1)
    filters: tuple[int, ...] = setting("filters of each convolution, which halves the image", (32, 64, 128, 256), low=1)
    kernel: int = setting("side of each kernel, even, so that an image is halved exactly", 4, unit="pixels", low=2)
    dropout: float = setting("share that dropout takes of each convolution", 0.3, low=0, below=1)
    autoencoder_epochs: int = setting("epochs of the autoencoder", 100, low=1)
    autoencoder_learning_rate: float = setting("its learning rate", 1e-3, above=0)
    epochs: int = setting("epochs of the adversaries", 100, low=1)
    learning_rate: float = setting("their learning rate", 2e-4, above=0)
    beta1: float = setting("decay of Adam's first moment", 0.5, low=0, below=1)
    batch_size: int = setting("images of a mini-batch", 32, low=1)
    prior_items: float = setting("weight of the classes' common covariance in each class's, in items", 20.0, low=0)


def contracting(settings: Settings) -> nn.Sequential:
    """Returns what encoder and discriminator share: images -> [batch, filters[-1] · height · width / 4^layers]."""
    layers: list[nn.Module] = []
    for a, b in pairwise((1, *settings.filters)):
        convolution = nn.Conv2d(a, b, settings.kernel, 2, settings.kernel // 2 - 1)
        layers += [convolution, nn.LeakyReLU(_LEAK), nn.Dropout(settings.dropout)]
    return nn.Sequential(*layers, nn.Flatten())


def expanding(height: int, width: int, settings: Settings) -> nn.Sequential:
    """Returns decoder or generator: codes [batch, latent] -> images."""
    filters = settings.filters
    shape = (filters[-1], height >> len(filters), width >> len(filters))
    layers: list[nn.Module] = [nn.Linear(settings.latent, shape[0] * shape[1] * shape[2]), nn.Unflatten(1, shape)]
    for a, b in pairwise((*reversed(filters), 1)):
        layers += [nn.ReLU(), nn.ConvTranspose2d(a, b, settings.kernel, 2, settings.kernel // 2 - 1)]
    return nn.Sequential(*layers, nn.Tanh())


def train_autoencoder(encoder: nn.Module, decoder: nn.Module, batches: Batches, settings: Settings) -> None:
    """Trains both to give images back, by the mean squared difference. Raises BadInput where they diverge."""
    adam = _adam([*encoder.parameters(), *decoder.parameters()], settings.autoencoder_learning_rate, settings)
    for epoch in range(settings.autoencoder_epochs):
        losses = []
        for images, _ in batches(epoch):
            loss = mse_loss(decoder(encoder(images)), images)
            adam.zero_grad()
            loss.backward()
            adam.step()
            losses.append(loss.detach())
        _finite(losses, f"autoencoder's epoch {epoch + 1}", "autoencoder_learning_rate")


def train_adversaries(
    discriminator: nn.Module, generator: nn.Module, gaussians: Gaussians, batches: Batches, settings: Settings
) -> None:
    """Trains the discriminator to tell classes, the last of which is "made", and the generator to deceive it.

    Each mini-batch of the discriminator has as many made images as there are of a class on average.
    Raises BadInput where either diverges.
    """
    discriminating = _adam(discriminator.parameters(), settings.learning_rate, settings)
    generating = _adam(generator.parameters(), settings.learning_rate, settings)

    def draw(count: int) -> tuple[Tensor, Tensor]:
        labels = gaussians.kinds[torch.randint(len(gaussians.kinds), (count,), device=gaussians.kinds.device)]
        return generator(gaussians.draw(labels)), labels

    for epoch in range(settings.epochs):
        losses = []
        for images, labels in batches(epoch):
            share = -(-len(images) // len(gaussians.kinds))
            with torch.no_grad():
                fakes, _ = draw(share)
            scores = discriminator(torch.cat([images, fakes]))
            loss = cross_entropy(scores, torch.cat([labels, labels.new_full((share,), scores.shape[1] - 1)]))
            discriminating.zero_grad()
            loss.backward()
            discriminating.step()
            fakes, targets = draw(len(images) + share)
            deceit = cross_entropy(discriminator(fakes), targets)
            generating.zero_grad()
            deceit.backward(inputs=list(generator.parameters()))
            generating.step()
            losses.append((loss + deceit).detach())
        _finite(losses, f"adversaries' epoch {epoch + 1}", "learning_rate")


def _adam(weights: Iterable[nn.Parameter], rate: float, settings: Settings) -> torch.optim.Adam:
    return torch.optim.Adam(weights, rate, (settings.beta1, 0.999))


def _finite(losses: list[Tensor], place: str, rate: str) -> None:
    mean = torch.stack(losses).mean().item()
    if not abs(mean) < float("inf"):
        raise BadInput(f"loss {mean}", f"balance gan, {place}", "a finite loss", f"lower balance.gan.{rate}")

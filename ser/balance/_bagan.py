"""A balancing GAN: Mariani et al. 2018, "BAGAN", section 3, with transposed convolutions in the generator.

Images are float [batch, 1, height, width] from -1 to 1, both sizes multiples of 2 to the number of filters.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

from ser.balance._gaussians import Gaussians
from ser.errors import BadInput

Batches = Callable[[int], Iterable[tuple[Tensor, Tensor]]]  # number of an epoch -> its images and their labels
_LEAK = 0.2


def contracting(settings: Mapping[str, Any]) -> nn.Sequential:
    """Images -> [batch, filters[-1] · height · width / 4^layers]: what encoder and discriminator have in common."""
    layers: list[nn.Module] = []
    for a, b in pairwise((1, *settings["filters"])):
        convolution = nn.Conv2d(a, b, settings["kernel"], 2, settings["kernel"] // 2 - 1)
        layers += [convolution, nn.LeakyReLU(_LEAK), nn.Dropout(settings["dropout"])]
    return nn.Sequential(*layers, nn.Flatten())


def expanding(height: int, width: int, settings: Mapping[str, Any]) -> nn.Sequential:
    """Codes [batch, latent] -> images: decoder and generator."""
    filters: Sequence[int] = settings["filters"]
    shape = (filters[-1], height >> len(filters), width >> len(filters))
    layers: list[nn.Module] = [nn.Linear(settings["latent"], shape[0] * shape[1] * shape[2]), nn.Unflatten(1, shape)]
    for a, b in pairwise((*reversed(filters), 1)):
        layers += [nn.ReLU(), nn.ConvTranspose2d(a, b, settings["kernel"], 2, settings["kernel"] // 2 - 1)]
    return nn.Sequential(*layers, nn.Tanh())


def train_autoencoder(encoder: nn.Module, decoder: nn.Module, batches: Batches, settings: Mapping[str, Any]) -> None:
    """Make images into codes and back, by the mean squared difference. Raises BadInput where it diverges."""
    adam = _adam([*encoder.parameters(), *decoder.parameters()], settings, "autoencoder_learning_rate")
    for epoch in range(settings["autoencoder_epochs"]):
        losses = []
        for images, _ in batches(epoch):
            loss = mse_loss(decoder(encoder(images)), images)
            adam.zero_grad()
            loss.backward()
            adam.step()
            losses.append(loss.detach())
        _finite(losses, f"autoencoder's epoch {epoch + 1}", "autoencoder_learning_rate")


def train_adversaries(
    discriminator: nn.Module, generator: nn.Module, gaussians: Gaussians, batches: Batches, settings: Mapping[str, Any]
) -> None:
    """The discriminator tells classes, the last of which is "made"; the generator is to be taken for the class drawn.

    Of every mini-batch that the discriminator sees, as many images are made as there are of a class on average.
    Raises BadInput where either diverges.
    """
    of_discriminator = _adam(discriminator.parameters(), settings, "learning_rate")
    of_generator = _adam(generator.parameters(), settings, "learning_rate")

    def draw(count: int) -> tuple[Tensor, Tensor]:
        labels = gaussians.kinds[torch.randint(len(gaussians.kinds), (count,), device=gaussians.kinds.device)]
        return generator(gaussians.draw(labels)), labels

    for epoch in range(settings["epochs"]):
        losses = []
        for images, labels in batches(epoch):
            share = -(-len(images) // len(gaussians.kinds))
            with torch.no_grad():
                made, _ = draw(share)
            scores = discriminator(torch.cat([images, made]))
            loss = cross_entropy(scores, torch.cat([labels, labels.new_full((share,), scores.shape[1] - 1)]))
            of_discriminator.zero_grad()
            loss.backward()
            of_discriminator.step()
            made, wanted = draw(len(images) + share)
            deceit = cross_entropy(discriminator(made), wanted)
            of_generator.zero_grad()
            deceit.backward(inputs=list(generator.parameters()))
            of_generator.step()
            losses.append((loss + deceit).detach())
        _finite(losses, f"adversaries' epoch {epoch + 1}", "learning_rate")


def _adam(weights: Iterable[nn.Parameter], settings: Mapping[str, Any], rate: str) -> torch.optim.Adam:
    return torch.optim.Adam(weights, settings[rate], (settings["beta1"], 0.999))


def _finite(losses: list[Tensor], place: str, rate: str) -> None:
    mean = torch.stack(losses).mean().item()
    if not abs(mean) < float("inf"):
        raise BadInput(f"loss {mean}", f"balance gan, {place}", "a finite loss", f"lower balance.gan.{rate}")

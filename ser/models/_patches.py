"""Filters for small patches of spectrograms, learned without labels: Coates & Ng 2012, spherical k-means.

A patch [frames, bands] is brought to mean 0 and standard deviation 1 (its variance plus ``contrast``), and patches are
whitened (ZCA: C = V Λ V', then V (Λ + ``whitening``)^-½ V'); centroids of length one are its filters. An image's answer
to them is a convolution, into which all of this is folded.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, normalize, one_hot, pad

from ser.errors import BadInput
from ser.models._estimators import Tensors


@dataclass(frozen=True)
class Filters(Tensors):
    """``weights`` [filters, 1, frames, bands] for patches less their mean, and ``shift`` [filters, 1, 1]."""

    weights: Tensor
    shift: Tensor
    contrast: float

    def answers(self, image: Tensor) -> Tensor:
        """Image [frames, bands] -> centroids' products with its patches [filters, places in time, places in band].

        An image of fewer frames than a patch is continued by its last frame.
        """
        kernel = (self.weights.shape[2], self.weights.shape[3])
        x = lengthened(image, kernel[0])[None, None]
        mean = avg_pool2d(x, kernel, 1)
        variance = (avg_pool2d(x.square(), kernel, 1) - mean.square()).clamp(min=0)
        products = conv2d(x, self.weights)  # weights sum to zero, and so take off the patch's mean
        return (products / (variance + self.contrast).sqrt() - self.shift)[0]


def lengthened(image: Tensor, frames: int) -> Tensor:
    """[n, bands] -> [max(n, frames), bands], by repeating the last frame."""
    missing = max(0, frames - len(image))
    return pad(image.T[None], (0, missing), mode="replicate")[0].T if missing else image


def draw(images: Sequence[Tensor], kernel: tuple[int, int], count: int, seed: int) -> Tensor:
    """Draws ``count`` patches [count, frames · bands] from all images, each place as likely, with repetition.

    Raises BadInput where a patch is wider than the images.
    """
    frames, bands = kernel
    if bands > images[0].shape[1] or min(kernel) < 1:
        allowed = f"1 or more frames × 1 to {images[0].shape[1]} bands"
        raise BadInput(f"{frames} × {bands}", "semi_cnn.kernel", allowed, "take a smaller patch, or more bands")
    images = [lengthened(image, frames) for image in images]
    across = images[0].shape[1] - bands + 1
    sizes = np.array([(len(image) - frames + 1) * across for image in images])
    ends = np.cumsum(sizes)
    begins = ends - sizes
    places = np.sort(np.random.default_rng(seed).integers(ends[-1], size=count))
    patches = []
    by_image = np.split(places, np.searchsorted(places, ends[:-1]))
    for image, begin, inside in zip(images, begins, by_image, strict=True):
        rows, columns = (torch.from_numpy(i).to(image.device) for i in np.divmod(inside - begin, across))
        patches.append(image.unfold(0, frames, 1).unfold(1, bands, 1)[rows, columns].flatten(1))
    return torch.cat(patches)


def learn(
    patches: Tensor, kernel: tuple[int, int], filters: int, rounds: int, contrast: float, whitening: float, seed: int
) -> Filters:
    """Returns filters learned from patches [count, frames · bands] in ``rounds`` of spherical k-means."""
    patches = patches.double()
    patches = patches - patches.mean(1, keepdim=True)
    patches = patches / (patches.square().mean(1, keepdim=True) + contrast).sqrt()
    mean = patches.mean(0)
    patches = patches - mean
    lengths, axes = torch.linalg.eigh(patches.T @ patches / len(patches))
    white = (axes / (lengths.clamp(min=0) + whitening).sqrt()) @ axes.T
    centroids = _centroids(patches @ white, filters, rounds, seed)
    folded = centroids @ white
    weights = folded - folded.mean(1, keepdim=True)
    return Filters(weights.float().view(filters, 1, *kernel), (folded @ mean).float()[:, None, None], contrast)


def _centroids(patches: Tensor, count: int, rounds: int, seed: int) -> Tensor:
    """Returns directions [count, size], each of the patches that agree with it best, by size and sign of the product.

    Each round adds to the direction before (Coates & Ng's damping), so that one which is nearest to no patch stays.
    """
    noise = torch.randn(count, patches.shape[1], generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    centroids = normalize(noise.to(patches.device))
    for _ in range(rounds):
        products = patches @ centroids.T
        nearest = one_hot(products.abs().argmax(1), count)
        centroids = normalize((products * nearest).T @ patches + centroids)
    return centroids

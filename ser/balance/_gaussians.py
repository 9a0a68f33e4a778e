"""Normal distributions of codes, one for each class, for a balancing GAN (Mariani et al. 2018, section 3.2)."""

import torch
from torch import Tensor


class Gaussians:
    """``kinds``: the classes that have items, int64, sorted."""

    def __init__(self, codes: Tensor, labels: Tensor, classes: int, prior: float) -> None:
        """Estimates them from float64 ``codes`` [items, latent] of items with ``labels`` [items], on one device.

        The covariance within all classes is mixed into that of each as if it came from ``prior`` items more: few items
        span little of the space, and a single one, which has no covariance, takes the common one.
        """
        self.kinds = labels.unique()
        latent = codes.shape[1]
        self._mean, self._root = codes.new_zeros(classes, latent), codes.new_zeros(classes, latent, latent)
        scatter = torch.zeros_like(self._root)
        for c in self.kinds.tolist():
            members = codes[labels == c]
            self._mean[c] = members.mean(0)
            scatter[c] = (members - self._mean[c]).T @ (members - self._mean[c])
        common = scatter.sum(0) / (len(codes) - len(self.kinds))
        for c, n in zip(self.kinds.tolist(), torch.bincount(labels)[self.kinds].tolist(), strict=True):
            self._root[c] = _root((scatter[c] + prior * common) / (n - 1 + prior) if n > 1 else common)

    def draw(self, labels: Tensor) -> Tensor:
        """Draws one code for each label, float32 [items, latent]."""
        noise = torch.randn(len(labels), self._mean.shape[1], device=labels.device)
        return self._mean[labels].float() + torch.einsum("nij,nj->ni", self._root[labels].float(), noise)


def _root(covariance: Tensor) -> Tensor:
    """Returns the symmetric square root, in which the signs of the eigenvectors cancel."""
    values, vectors = torch.linalg.eigh(covariance)
    root: Tensor = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
    return root

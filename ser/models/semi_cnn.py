"""The semi-supervised CNN of Huang, Dong, Mao & Zhan 2014 (Pinto et al., row 7): spectrogram frames in, classes out.

One convolutional layer is learned without labels, by k-means of whitened patches (Coates & Ng 2012) where the paper has
a contractive autoencoder; its answers are rectified and pooled to a fixed grid, whatever the number of frames. A second
layer learns with labels what of this is salient (``_salient``), and a linear support vector machine takes that. Frames
[frames, width] of each utterance -> scores [utterances, classes].
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, adaptive_max_pool2d

from ser.models import _patches, _salient, svm
from ser.models._estimators import Estimator, Labels, Vectors, classes_of
from ser.models._scaling import Bands, Scaling, Utterances
from ser.study.settings import setting

VERSION = 1
GIVES = "classes"
TAKES = "frames"
_POOLING: dict[str, Callable[[Tensor, tuple[int, int]], Tensor]] = {
    "max": adaptive_max_pool2d,
    "mean": adaptive_avg_pool2d,
}


@dataclass(frozen=True)
class Settings:
    """Settings of filters, salient layer and machine; ours."""

    scaling: str = setting("scaling of every band on the training subset", "standard", choices=("none", "standard"))
    kernel: tuple[int, int] = setting("size of a filter: frames, bands", (9, 9), low=1)
    filters: int = setting("filters that are learned", 60, low=1)
    patches: int = setting("patches that filters are learned from", 20000, low=1)
    rounds: int = setting("rounds of spherical k-means", 30, low=1)
    contrast: float = setting("what is added to a patch's variance", 0.1, above=0)
    whitening: float = setting("what is added to the patches' eigenvalues", 0.1, above=0)
    threshold: float = setting("what is taken from answers before they are rectified", 0.25)
    pooling: str = setting("how answers are pooled to the grid", "mean", choices=("max", "mean"))
    grid: tuple[int, int] = setting("places of the grid: in time, in bands", (1, 4), low=1)
    salient: int = setting("salient units", 100, low=1)
    rest: int = setting("other units of the layer", 50, low=0)
    discrimination: float = setting("weight of the classes' scatter in the loss", 1.0)
    orthogonality: float = setting("weight of the overlap between salient and other units in the loss", 1.0)
    epochs: int = setting("epochs of the salient layer", 200, low=1)
    learning_rate: float = setting("learning rate of Adam", 1e-3, above=0)
    c: float = setting("C of the linear machine", 1.0, above=0)


class SemiCNN(Estimator):
    """``losses_`` has the loss of the salient layer at each epoch: whether it still falls, a person can see."""

    def __init__(self, settings: Settings, seed: int, device: str) -> None:
        self.settings, self.seed, self.device = settings, seed, device

    def fit(self, x: Utterances, y: Labels) -> "SemiCNN":
        """Learns from utterances x, [frames_i, width] each, and y [utterances]. Raises BadInput."""
        settings, self.classes_ = self.settings, classes_of(y)
        self.bands_ = Bands(settings.scaling).fit(x)
        images = self.bands_.scaled(x, self.device)
        kernel = settings.kernel
        patches = _patches.draw(images, kernel, settings.patches, self.seed)
        how = (settings.rounds, settings.contrast, settings.whitening, self.seed)
        self.filters_ = _patches.learn(patches, kernel, settings.filters, *how)
        pooled = self._pooled(images)
        self.scaling_ = Scaling("standard").fit(pooled)
        candidates = self._tensor(self.scaling_.transform(pooled))
        loss = (settings.discrimination, settings.orthogonality, settings.epochs, settings.learning_rate)
        units, labels = (settings.salient, settings.rest), torch.from_numpy(y).to(self.device)
        self.layer_, self.losses_ = _salient.learn(candidates, labels, units, *loss, self.seed)
        self.machine_ = svm.linear(settings.c, self.seed).fit(self._salient(candidates), y)
        return self

    def __getstate__(self) -> dict[str, object]:
        return {**vars(self), "device": "cpu"}  # where its tensors come back

    def decision_function(self, x: Utterances) -> Vectors:
        """Utterances, [frames_i, width] each -> [utterances, classes]."""
        pooled = self.scaling_.transform(self._pooled(self.bands_.scaled(x, self.device)))
        scores: Vectors = self.machine_.decision_function(self._salient(self._tensor(pooled)))
        return scores

    def _pooled(self, images: list[Tensor]) -> Vectors:
        """Returns candidates for features [utterances, filters · grid]: rectified answers, pooled by utterance."""
        pool, (rows, columns) = _POOLING[self.settings.pooling], self.settings.grid
        with torch.no_grad():
            answers = ((self.filters_.answers(image) - self.settings.threshold).relu() for image in images)
            pooled = torch.stack([pool(answer, (rows, columns)).flatten() for answer in answers])
        return pooled.double().cpu().numpy()

    def _salient(self, candidates: Tensor) -> Vectors:
        with torch.no_grad():
            return self.layer_.answers(candidates).double().cpu().numpy()

    def _tensor(self, x: Vectors) -> Tensor:
        return torch.from_numpy(x.astype(np.float32)).to(self.device)


def build(settings: Settings, seed: int, device: str) -> SemiCNN:
    """Returns the model, which learns on ``device``."""
    return SemiCNN(settings, seed, device)


def example() -> tuple[int, Settings, int]:
    """Returns width, small settings, and frames per utterance."""
    small = Settings(
        kernel=(3, 4),
        filters=6,
        patches=400,
        rounds=5,
        threshold=0.0,
        grid=(2, 3),
        salient=6,
        rest=4,
        epochs=60,
        learning_rate=1e-2,
    )
    return 8, small, 9

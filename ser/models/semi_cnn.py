"""The semi-supervised CNN of Huang, Dong, Mao & Zhan 2014 (paper 004, row 7): spectrogram frames in, classes out.

One convolutional layer is learned without labels, by k-means of whitened patches (Coates & Ng 2012) where the paper has
a contractive autoencoder; its answers are rectified and pooled to a fixed grid, whatever the number of frames. A second
layer learns with labels what of this is salient (``_salient``), and a linear support vector machine takes that. Frames
[frames, width] of each utterance -> scores [utterances, classes].
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, adaptive_max_pool2d

from ser.errors import BadInput
from ser.models import _patches, _salient, svm
from ser.models._estimators import Estimator, Labels, Vectors, classes_of
from ser.models._scaling import Bands, Scaling, Utterances

GIVES = "classes"
TAKES = "frames"
_POOLING: dict[str, Callable[[Tensor, tuple[int, int]], Tensor]] = {
    "max": adaptive_max_pool2d,
    "mean": adaptive_avg_pool2d,
}


class SemiCNN(Estimator):
    """``losses_`` has the loss of the salient layer at each epoch: whether it still falls, a person can see."""

    def __init__(self, settings: Mapping[str, Any], seed: int, device: str) -> None:
        self.settings, self.seed, self.device = settings, seed, device

    def fit(self, x: Utterances, y: Labels) -> "SemiCNN":
        """Learn from utterances x, [frames_i, width] each, and y [utterances]. Raises BadInput."""
        chosen, self.classes_ = self.settings, classes_of(y)
        self.bands_ = Bands(chosen["scaling"]).fit(x)
        images = self.bands_.scaled(x, self.device)
        kernel = (chosen["kernel"][0], chosen["kernel"][1])
        patches = _patches.draw(images, kernel, chosen["patches"], self.seed)
        how = (chosen["rounds"], chosen["contrast"], chosen["whitening"], self.seed)
        self.filters_ = _patches.learn(patches, kernel, chosen["filters"], *how)
        pooled = self._pooled(images)
        self.scaling_ = Scaling("standard").fit(pooled)
        candidates = self._tensor(self.scaling_.transform(pooled))
        loss = (chosen["discrimination"], chosen["orthogonality"], chosen["epochs"], chosen["learning_rate"])
        units, labels = (chosen["salient"], chosen["rest"]), torch.from_numpy(y).to(self.device)
        self.layer_, self.losses_ = _salient.learn(candidates, labels, units, *loss, self.seed)
        self.machine_ = svm.linear(chosen["c"], self.seed).fit(self._salient(candidates), y)
        return self

    def decision_function(self, x: Utterances) -> Vectors:
        """Utterances, [frames_i, width] each -> [utterances, classes]."""
        pooled = self.scaling_.transform(self._pooled(self.bands_.scaled(x, self.device)))
        scores: Vectors = self.machine_.decision_function(self._salient(self._tensor(pooled)))
        return scores

    def _pooled(self, images: list[Tensor]) -> Vectors:
        """Candidates for features [utterances, filters · grid]: rectified answers, pooled one utterance at a time."""
        pool, (rows, columns) = _POOLING[self.settings["pooling"]], self.settings["grid"]
        with torch.no_grad():
            answers = ((self.filters_.answers(image) - self.settings["threshold"]).relu() for image in images)
            pooled = torch.stack([pool(some, (rows, columns)).flatten() for some in answers])
        return pooled.double().cpu().numpy()

    def _salient(self, candidates: Tensor) -> Vectors:
        with torch.no_grad():
            return self.layer_.answers(candidates).double().cpu().numpy()

    def _tensor(self, x: Vectors) -> Tensor:
        return torch.from_numpy(x.astype(np.float32)).to(self.device)


def build(settings: Mapping[str, Any], seed: int, device: str) -> SemiCNN:
    """Settings: scaling of bands ("standard" or "none"); kernel (frames, bands), filters, patches (how many to learn
    from), rounds, contrast, whitening; threshold (taken from answers before they are rectified), pooling ("mean" or
    "max") to a grid (in time, in bands); salient and rest (units), discrimination, orthogonality, epochs,
    learning_rate; c of the machine. Raises BadInput.
    """
    if settings["pooling"] not in _POOLING:
        raise BadInput(repr(settings["pooling"]), "semi_cnn.pooling", ", ".join(_POOLING), "choose one of them")
    counts = {name: settings[name] for name in ("patches", "salient", "epochs")}
    if min(*counts.values(), *settings["grid"]) < 1 or settings["rest"] < 0:
        value = ", ".join(f"{name} {settings[name]}" for name in (*counts, "grid", "rest"))
        raise BadInput(value, "semi_cnn", "1 or more of each, of the rest 0 or more", "change these")
    return SemiCNN(settings, seed, device)


def example() -> tuple[int, dict[str, Any], int]:
    """Width, small settings, and frames per utterance."""
    filters = {"scaling": "standard", "kernel": (3, 4), "filters": 6, "patches": 400, "rounds": 5}
    filters |= {"contrast": 0.1, "whitening": 0.1, "threshold": 0.0, "pooling": "mean", "grid": (2, 3)}
    layer = {"salient": 6, "rest": 4, "discrimination": 1.0, "orthogonality": 1.0, "epochs": 60, "learning_rate": 1e-2}
    return 8, filters | layer | {"c": 1.0}, 9

"""Features, or bands, brought to mean 0 and standard deviation 1 over the training side ("standard"), or not ("none").

Scaled, what is constant in training becomes 0, also where it varies later: it says nothing, and in its own unit it
might outweigh all others.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ser.errors import BadInput
from ser.models._estimators import Estimator, Vectors
from ser.models._plain import Plain

Utterances = Sequence[npt.NDArray[np.float32]]  # [frames, width] each

# What varies by less, beside its largest value, varies by the rounding of sums over frames only.
_ROUNDING = 1e-12
_REMEDY = "look at its audio and the front-end"


class Scaling(Estimator):
    """Scaling of vectors [utterances, width], feature by feature."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def fit(self, x: Vectors, y: object = None) -> "Scaling":
        """Learns from x [utterances, width]. Raises BadInput where a number is not finite, or where nothing varies."""
        _check_vectors(x)
        varies = np.ptp(x, axis=0) > _ROUNDING * np.abs(x).max(0)
        if not varies.any():
            raise BadInput(f"{x.shape[1]} constant features", "vectors of a training side", "some that vary", _REMEDY)
        self.mean_, self.factor_ = x.mean(0), _factors(x.std(0), varies)
        return self

    def transform(self, x: Vectors) -> Vectors:
        """[utterances, width] -> the same, scaled. Raises BadInput where a number is not finite."""
        _check_vectors(x)
        scaled: Vectors = (x - self.mean_) * self.factor_ if self.kind == "standard" else x
        return scaled

    def plain(self) -> Plain:
        """Returns the step as arrays."""
        if self.kind != "standard":
            return Plain("same", "x as it is")
        return Plain("standard", "(x - mean) * factor", {"mean": self.mean_, "factor": self.factor_})


class Bands(Estimator):
    """Scaling of frames: every band over all frames of all utterances."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def fit(self, x: Utterances) -> "Bands":
        """Learns from utterances [frames, width]. Raises BadInput as ``scaled`` does."""
        self.width_ = x[0].shape[1]
        self._check(x)
        count = sum(len(u) for u in x)
        self.mean_ = sum(u.sum(0, dtype=np.float64) for u in x) / count
        spread = np.sqrt(sum(((u - self.mean_) ** 2).sum(0) for u in x) / count)
        varies = np.ptp([edge for u in x for edge in (u.min(0), u.max(0))], axis=0) > 0
        self.factor_ = _factors(spread, varies)
        return self

    def scaled(self, x: Utterances, device: str) -> list[Tensor]:
        """Returns the same utterances, float32 [frames, width] on ``device``.

        Raises BadInput for one without frames, of another width, or with a number that is not finite.
        """
        self._check(x)
        if self.kind == "none":
            return [torch.tensor(u, dtype=torch.float32, device=device) for u in x]
        return [torch.tensor((u - self.mean_) * self.factor_, dtype=torch.float32, device=device) for u in x]

    def _check(self, x: Utterances) -> None:
        for number, frames in enumerate(x):
            right = len(frames) > 0 and frames.shape[1] == self.width_
            if not right or not np.isfinite(frames).all():
                what = f"{len(frames)} × {frames.shape[1]}" + (" with what is no finite number" if right else "")
                allowed = f"finite, one frame or more × {self.width_}"
                raise BadInput(what, f"frames of utterance {number}", allowed, _REMEDY)


def _factors(spread: Vectors, varies: npt.NDArray[np.bool_]) -> Vectors:
    """Returns 1 / ``spread``, and 0 for what does not vary."""
    return np.divide(1, spread, out=np.zeros_like(spread), where=varies)


def _check_vectors(x: Vectors) -> None:
    if not np.isfinite(x).all():
        utterance, feature = np.argwhere(~np.isfinite(x))[0]
        value = f"{x[utterance, feature]} as feature {feature} of utterance {utterance}"
        raise BadInput(value, "vectors for a classifier", "finite numbers", _REMEDY)

"""Utterances as lists of frames, for models that are fitted to them: checked, and every band scaled."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ser.errors import BadInput

Utterances = Sequence[npt.NDArray[np.float32]]


class Bands:
    """Every band to mean 0 and standard deviation 1 over all frames of the training side, or as it is (kind "none").

    A band that is constant in training becomes 0 everywhere: it says nothing, and might say too much later.
    """

    def __init__(self, kind: str) -> None:
        if kind not in ("standard", "none"):
            raise BadInput(repr(kind), "scaling", "none, standard", "choose one of them")
        self.kind = kind

    def fit(self, x: Utterances) -> "Bands":
        """Learn from utterances [frames, width]. Raises BadInput as ``scaled`` does."""
        self.width = x[0].shape[1]
        self._check(x)
        count = sum(len(u) for u in x)
        self.mean = sum(u.sum(0, dtype=np.float64) for u in x) / count
        spread = np.sqrt(sum(((u - self.mean) ** 2).sum(0) for u in x) / count)
        varies = np.ptp([edge for u in x for edge in (u.min(0), u.max(0))], axis=0) > 0
        self.factor = np.divide(1, spread, out=np.zeros_like(spread), where=varies)
        return self

    def scaled(self, x: Utterances, device: str) -> list[Tensor]:
        """The same utterances, float32 [frames, width] on ``device``.

        Raises BadInput for one without frames, of another width, or with a number that is not finite.
        """
        self._check(x)
        if self.kind == "none":
            return [torch.tensor(u, dtype=torch.float32, device=device) for u in x]
        return [torch.tensor((u - self.mean) * self.factor, dtype=torch.float32, device=device) for u in x]

    def _check(self, x: Utterances) -> None:
        for number, frames in enumerate(x):
            right = len(frames) > 0 and frames.shape[1] == self.width
            if not right or not np.isfinite(frames).all():
                what = f"{len(frames)} × {frames.shape[1]}" + (" with what is no finite number" if right else "")
                allowed = f"finite, one frame or more × {self.width}"
                raise BadInput(what, f"frames of utterance {number}", allowed, "look at its audio and the front-end")

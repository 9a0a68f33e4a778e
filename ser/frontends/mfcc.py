"""Mel-frequency cepstral coefficients of recordings scaled to their peak: paper 001, section III: 80 for each file.

The paper names no parameters; these are librosa's defaults, and the values are librosa's to 1e-3.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.fft import dct

from ser.errors import BadInput
from ser.frontends import _mel

USES = (_mel,)
_LEAST_POWER = 1e-10  # librosa's


def example() -> dict[str, Any]:
    """The paper's settings; rate, window, hop, mels and top_db: librosa's defaults."""
    return {
        "rate_hz": 22050,
        "window": 2048,
        "hop": 512,
        "mels": 128,
        "coefficients": 80,
        "top_db": 80.0,
        "peak": True,
        "mean": True,
    }


def width(settings: Mapping[str, Any]) -> int:
    """Coefficients, the zeroth among them. Raises BadInput where they are more than the mel bins they come of."""
    coefficients, mels = int(settings["coefficients"]), int(settings["mels"])
    if coefficients > mels:
        raise BadInput(str(coefficients), "front_end.coefficients", f"1 to {mels} (mels)", "take more mels, or fewer")
    return coefficients


def frames(samples: int, settings: Mapping[str, Any]) -> int:
    """Frames of a wave of so many samples."""
    return 1 if settings["mean"] else 1 + samples // int(settings["hop"])


def extract(wave: npt.NDArray[np.float32], settings: Mapping[str, Any]) -> npt.NDArray[np.float32]:
    """float32 [frames, coefficients], frames = 1 + samples // hop; with ``mean``, [1, coefficients] over all frames.

    ``peak`` divides by the greatest magnitude (silence stays as it is). Frames are centred, with zeros beyond the
    ends; power in Slaney's mel; dB, no lower than ``top_db`` under the greatest; orthonormal DCT of the second type.
    """
    window, hop = int(settings["window"]), int(settings["hop"])
    padded = np.pad(wave, window // 2)
    if settings["peak"] and (greatest := np.abs(padded).max()) > 0:
        padded /= greatest
    power = _mel.powers(torch.from_numpy(padded), window, hop, window)
    mel = power @ _filters(int(settings["rate_hz"]), window, int(settings["mels"]))
    levels = mel.clamp_(min=_LEAST_POWER).log10_().mul_(10)
    levels.clamp_(min=float(levels.max()) - float(settings["top_db"]))
    if settings["mean"]:  # before the transform, which is linear: the same, for fewer products
        levels = levels.mean(0, keepdim=True)
    return np.ascontiguousarray((levels @ _cosines(int(settings["mels"]), width(settings))).numpy())


@cache
def _filters(rate_hz: int, window: int, mels: int) -> torch.Tensor:
    return torch.from_numpy(_mel.slaney_filters(rate_hz, window, mels).astype(np.float32))


@cache
def _cosines(mels: int, coefficients: int) -> torch.Tensor:
    """[mels, coefficients]"""
    return torch.from_numpy(dct(np.eye(mels), norm="ortho")[:, :coefficients].astype(np.float32))

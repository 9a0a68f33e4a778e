"""Mel-frequency cepstral coefficients of recordings scaled to their peak: Khan et al., section III: 80 for each file.

The paper names no parameters; these are librosa's defaults, and the values are librosa's to 1e-3.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import torch
from scipy.fft import dct

from ser.errors import BadInput
from ser.frontends import _mel
from ser.study.settings import setting

VERSION = 1
_LEAST_POWER = 1e-10  # librosa's


@dataclass(frozen=True)
class Settings:
    """The settings of Khan et al.; rate, window, hop, mels and top_db are librosa's defaults."""

    rate_hz: int = setting("sampling rate of the waveform", 22050, unit="Hz", low=1)
    window: int = setting("length of a window", 2048, unit="samples", low=1)
    hop: int = setting("from one window to the next", 512, unit="samples", low=1)
    mels: int = setting("mel bands", 128, low=1)
    coefficients: int = setting("cepstral coefficients, the zeroth among them; at most mels", 80, low=1)
    top_db: float = setting("levels lie no further below the greatest", 80.0, unit="dB", above=0)
    peak: bool = setting("divide the waveform by its greatest magnitude", True)
    mean: bool = setting("one vector of an utterance: the mean over its frames", True)


def width(settings: Settings) -> int:
    """Coefficients, the zeroth among them. Raises BadInput where they are more than the mel bins they come of."""
    coefficients, mels = settings.coefficients, settings.mels
    if coefficients > mels:
        raise BadInput(str(coefficients), "front_end.coefficients", f"1 to {mels} (mels)", "take more mels, or fewer")
    return coefficients


def frames(samples: int, settings: Settings) -> int:
    """Returns the number of frames of a wave of so many samples."""
    return 1 if settings.mean else 1 + samples // settings.hop


def extract(wave: npt.NDArray[np.float32], settings: Settings) -> npt.NDArray[np.float32]:
    """float32 [frames, coefficients], frames = 1 + samples // hop; with ``mean``, [1, coefficients] over all frames.

    ``peak`` divides by the greatest magnitude (silence stays as it is). Frames are centred, with zeros beyond the
    ends; power in Slaney's mel; dB, no lower than ``top_db`` under the greatest; orthonormal DCT of the second type.
    """
    window, hop = settings.window, settings.hop
    padded = np.pad(wave, window // 2)
    if settings.peak and (greatest := np.abs(padded).max()) > 0:
        padded /= greatest
    bank = _mel.slaney_bank(settings.rate_hz, window, settings.mels)
    mel = _mel.weighed(torch.from_numpy(padded), window, hop, window, bank)
    levels = mel.clamp_(min=_LEAST_POWER).log10_().mul_(10)
    levels.clamp_(min=float(levels.max()) - settings.top_db)
    if settings.mean:  # before the transform, which is linear: the same, for fewer products
        levels = levels.mean(0, keepdim=True)
    return np.ascontiguousarray((levels @ _cosines(settings.mels, width(settings))).numpy())


@cache
def _cosines(mels: int, coefficients: int) -> torch.Tensor:
    """[mels, coefficients]"""
    return torch.from_numpy(dct(np.eye(mels), norm="ortho")[:, :coefficients].astype(np.float32))

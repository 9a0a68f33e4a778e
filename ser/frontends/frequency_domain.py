"""Spectral centroid, bandwidth and roll-off of frames, in Hz: Pinto et al., section 4 B. The values are librosa's.

[frames, 3], in that order; frames = 1 + (samples - window) // hop, a wave shorter than one window padded with zeros.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from ser.frontends import _mel, _short_time
from ser.study.settings import setting

VERSION = 1


@dataclass(frozen=True)
class Settings:
    """25 ms every 10 ms and librosa's roll-off; Pinto et al. name none."""

    rate_hz: int = setting("sampling rate of the waveform", 16000, unit="Hz", low=1)
    window: int = setting("length of a window", 400, unit="samples", low=1)
    hop: int = setting("from one window to the next", 160, unit="samples", low=1)
    fft: int = setting("length of the transform, no shorter than the window", 512, unit="samples", low=2)
    rolloff: float = setting("share of the magnitudes at or below the roll-off frequency", 0.85, above=0, below=1)


def width(settings: Settings) -> int:
    """Three descriptors."""
    return 3


def frames(samples: int, settings: Settings) -> int:
    """Returns the number of frames of a wave of so many samples."""
    return _short_time.count(samples, settings.window, settings.hop)


def extract(wave: npt.NDArray[np.float32], settings: Settings) -> npt.NDArray[np.float32]:
    """float32 [frames, 3] in Hz, of magnitudes under a periodic Hann window. A silent frame is 0 throughout.

    - centroid: the mean frequency, weighted by magnitude
    - bandwidth: the standard deviation of frequency under the same weights
    - roll-off: the lowest bin's frequency that has at least a share ``rolloff`` of the magnitudes at or below it

    Raises BadInput for a window longer than ``fft``.
    """
    share = settings.rolloff
    window, hop, fft = settings.window, settings.hop, settings.fft
    samples = torch.from_numpy(_short_time.padded(wave.astype(np.float64), window))
    magnitudes = _mel.powers(samples, window, hop, fft).sqrt_()
    bin_hz = settings.rate_hz / fft
    hz = torch.arange(magnitudes.shape[1], dtype=torch.float64) * bin_hz
    upto = magnitudes.cumsum(1)
    total = upto[:, -1:]
    weights = magnitudes / torch.where(total > 0, total, 1.0)
    centroid = weights @ hz
    bandwidth = (weights * (hz - centroid[:, None]).square_()).sum(1).sqrt_()
    rolloff = (upto < share * total).sum(1) * bin_hz
    return torch.stack((centroid, bandwidth, rolloff), 1).float().numpy()

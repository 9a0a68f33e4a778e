"""Root mean square, zero-crossing rate, temporal centroid and variance of frames: Pinto et al., section 4 A.

[frames, 4], in that order; frames = 1 + (samples - window) // hop, a wave shorter than one window padded with zeros.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ser.frontends import _short_time
from ser.study.settings import setting

VERSION = 1


@dataclass(frozen=True)
class Settings:
    """25 ms every 10 ms, as Pinto et al. name none, and librosa's ``zero``."""

    rate_hz: int = setting("sampling rate of the waveform", 16000, unit="Hz", low=1)
    window: int = setting("length of a window", 400, unit="samples", low=1)
    hop: int = setting("from one window to the next", 160, unit="samples", low=1)
    zero: float = setting("samples no louder than this count as positive", 1e-10, low=0)


def width(settings: Settings) -> int:
    """Four descriptors."""
    return 4


def frames(samples: int, settings: Settings) -> int:
    """Returns the number of frames of a wave of so many samples."""
    return _short_time.count(samples, settings.window, settings.hop)


def extract(wave: npt.NDArray[np.float32], settings: Settings) -> npt.NDArray[np.float32]:
    """float32 [frames, 4] of a wave with values in [-1, 1].

    - root of the mean square, in the wave's units
    - changes of sign per sample, 0 to 1; zero, and what is no louder than ``zero``, is positive
    - centroid of the energy, as a share of the frame; each sample stands for its middle, so a steady tone has 0.5
    - variance, which is the mean square but for a constant offset

    A silent frame is 0 throughout, a centroid that no other frame has.
    """
    zero, window = settings.zero, settings.window
    windows = _short_time.cut(wave.astype(np.float64), window, settings.hop)
    energies = np.square(windows)
    sums = energies.sum(1)
    moments = energies @ ((np.arange(window) + 0.5) / window)
    centroids = np.divide(moments, sums, out=np.zeros_like(sums), where=sums > 0)
    columns = (np.sqrt(sums / window), _short_time.sign_changes(windows, zero) / window, centroids, windows.var(1))
    return np.stack(columns, axis=1).astype(np.float32)

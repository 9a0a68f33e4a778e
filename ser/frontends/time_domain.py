"""Root mean square, zero-crossing rate, temporal centroid and variance of frames: paper 004, section 4 A.

[frames, 4], in that order; frames = 1 + (samples - window) // hop, a wave shorter than one window padded with zeros.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ser.errors import BadInput
from ser.frontends import _short_time

USES = (_short_time,)


def example() -> dict[str, Any]:
    """25 ms every 10 ms, as the paper names none, and librosa's ``zero``."""
    return {"rate_hz": 16000, "window": 400, "hop": 160, "zero": 1e-10}


def width(settings: Mapping[str, Any]) -> int:
    """Four descriptors."""
    return 4


def frames(samples: int, settings: Mapping[str, Any]) -> int:
    """Frames of a wave of so many samples."""
    return _short_time.count(samples, int(settings["window"]), int(settings["hop"]))


def extract(wave: npt.NDArray[np.float32], settings: Mapping[str, Any]) -> npt.NDArray[np.float32]:
    """float32 [frames, 4] of a wave with values in [-1, 1]. Raises BadInput for a negative ``zero``.

    - root of the mean square, in the wave's units
    - changes of sign per sample, 0 to 1; zero, and what is no louder than ``zero``, is positive
    - centroid of the energy, as a share of the frame; each sample stands for its middle, so a steady tone has 0.5
    - variance, which is the mean square but for a constant offset

    A silent frame is 0 throughout, a centroid that no other frame has.
    """
    zero, window = float(settings["zero"]), int(settings["window"])
    if zero < 0:
        raise BadInput(f"{zero:g}", "front_end.zero", "0 or more", "take 1e-10, as librosa does")
    windows = _short_time.cut(wave.astype(np.float64), window, int(settings["hop"]))
    energies = np.square(windows)
    sums = energies.sum(1)
    moments = energies @ ((np.arange(window) + 0.5) / window)
    centroids = np.divide(moments, sums, out=np.zeros_like(sums), where=sums > 0)
    columns = (np.sqrt(sums / window), _short_time.sign_changes(windows, zero) / window, centroids, windows.var(1))
    return np.stack(columns, axis=1).astype(np.float32)

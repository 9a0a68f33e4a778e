"""Spectral centroid, bandwidth and roll-off of frames, in Hz: paper 004, section 4 B. The values are librosa's.

[frames, 3], in that order; frames = 1 + (samples - window) // hop, a wave shorter than one window padded with zeros.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ser.errors import BadInput
from ser.frontends import _mel, _short_time

USES = (_mel, _short_time)


def example() -> dict[str, Any]:
    """25 ms every 10 ms and librosa's roll-off; the paper names none."""
    return {"rate_hz": 16000, "window": 400, "hop": 160, "fft": 512, "rolloff": 0.85}


def width(settings: Mapping[str, Any]) -> int:
    """Three descriptors."""
    return 3


def frames(samples: int, settings: Mapping[str, Any]) -> int:
    """Frames of a wave of so many samples."""
    return _short_time.count(samples, int(settings["window"]), int(settings["hop"]))


def extract(wave: npt.NDArray[np.float32], settings: Mapping[str, Any]) -> npt.NDArray[np.float32]:
    """float32 [frames, 3] in Hz, of magnitudes under a periodic Hann window. A silent frame is 0 throughout.

    - centroid: the mean frequency, weighted by magnitude
    - bandwidth: the standard deviation of frequency under the same weights
    - roll-off: the lowest bin's frequency that has at least a share ``rolloff`` of the magnitudes at or below it

    Raises BadInput for a share that is not between 0 and 1, or a window longer than ``fft``.
    """
    share = float(settings["rolloff"])
    if not 0 < share < 1:
        raise BadInput(f"{share:g}", "front_end.rolloff", "between 0 and 1", "take 0.85, as librosa does")
    window, hop, fft = (int(settings[name]) for name in ("window", "hop", "fft"))
    samples = torch.from_numpy(_short_time.padded(wave.astype(np.float64), window))
    magnitudes = _mel.powers(samples, window, hop, fft).sqrt_()
    bin_hz = int(settings["rate_hz"]) / fft
    hz = torch.arange(magnitudes.shape[1], dtype=torch.float64) * bin_hz
    upto = magnitudes.cumsum(1)
    total = upto[:, -1:]
    weights = magnitudes / torch.where(total > 0, total, 1.0)
    centroid = weights @ hz
    bandwidth = (weights * (hz - centroid[:, None]).square_()).sum(1).sqrt_()
    rolloff = (upto < share * total).sum(1) * bin_hz
    return torch.stack((centroid, bandwidth, rolloff), 1).float().numpy()

"""Low-level descriptors of Schuller, Steidl, Batliner, "The INTERSPEECH 2009 Emotion Challenge", 2009, section 3.

16 descriptors and their deltas: [frames, 32]. Twelve functionals of each are the challenge's 384 features.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ser.frontends import _htk_cepstra, _mel, _pitch, _short_time

USES = (_htk_cepstra, _mel, _pitch, _short_time)
_CEPSTRA = 12


def example() -> dict[str, Any]:
    """25 ms each 10 ms, 26 mels, averages over 3 frames and deltas over 5: those of openSMILE's IS09_emotion.

    The limits of F0 are Praat's; openSMILE has 52 to 500 Hz, and another detector. ``floor`` is HTK's, 1 on a scale of
    16 bits.
    """
    return {
        "rate_hz": 16000,
        "window": 400,
        "hop": 160,
        "mels": 26,
        "floor": 1 / 32768,
        "low_hz": 75.0,
        "high_hz": 500.0,
        "voicing": 0.45,
        "smoothing": 3,
        "reach": 2,
    }


def width(settings: Mapping[str, Any]) -> int:
    """16 descriptors, then the delta of each."""
    return 2 * (4 + _CEPSTRA)


def frames(samples: int, settings: Mapping[str, Any]) -> int:
    """Frames of a wave of so many samples."""
    return _short_time.count(samples, int(settings["window"]), int(settings["hop"]))


def extract(wave: npt.NDArray[np.float32], settings: Mapping[str, Any]) -> npt.NDArray[np.float32]:
    """float32 [frames, 32]; frames = 1 + (samples - window) // hop, a shorter wave is padded with zeros to one window.

    - zero-crossing rate, as a share of the pairs of samples
    - root mean square
    - F0 in Hz, 0 where unvoiced
    - harmonics-to-noise ratio in dB, -30 to 50
    - cepstral coefficients 1 to 12
    - the slope of each of these over ``reach`` frames to either side

    Before slopes are taken, each is averaged over ``smoothing`` frames (1: none), zeros of F0 too, as openSMILE has it.
    Raises BadInput for a smoothing that is even, a reach below 1, a floor that is not above 0, and for limits of F0
    that leave no octave between them.
    """
    rows = _short_time.cut(wave, int(settings["window"]), int(settings["hop"]))
    track = _pitch.of_frames(wave, settings)
    four = (_short_time.crossings(rows), np.sqrt(_short_time.power(rows)), track.hz, track.noise_ratio_db())
    shape = int(settings["rate_hz"]), int(settings["mels"]), _CEPSTRA
    cepstra = _htk_cepstra.cepstra(rows, *shape, _short_time.floor_of(settings))
    descriptors = np.concatenate([np.stack(four, axis=1).astype(np.float32), cepstra[:, 1:]], axis=1)
    smoothed = _short_time.smoothed(descriptors, int(settings["smoothing"]))
    return _short_time.with_deltas(smoothed, int(settings["reach"]), 1)

"""Prosody of short frames: F0, intensity, zero-crossing rate and harmonics-to-noise ratio: [frames, 4].

The contours that Pinto et al., section 4, and most work that they survey take statistics of. F0 and the ratio are
those of Boersma, Proc. IFA 17, 1993 (``_pitch``).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ser.frontends import _pitch, _short_time
from ser.frontends._pitch import PitchSettings
from ser.study.settings import setting

VERSION = 1


@dataclass(frozen=True)
class Settings(PitchSettings):
    """Boersma's window of 40 ms (three periods of the lowest voice) each 10 ms; limits and threshold are Praat's."""

    window: int = setting("length of a window", 640, unit="samples", low=1)
    floor: float = setting("added to mean squares before the logarithm", 1e-10, above=0)


def width(settings: Settings) -> int:
    """F0, intensity, zero-crossing rate, harmonics-to-noise ratio."""
    return 4


def frames(samples: int, settings: Settings) -> int:
    """Returns the number of frames of a wave of so many samples."""
    return _short_time.count(samples, settings.window, settings.hop)


def extract(wave: npt.NDArray[np.float32], settings: Settings) -> npt.NDArray[np.float32]:
    """float32 [frames, 4]; frames = 1 + (samples - window) // hop, a shorter wave is padded with zeros to one window.

    - F0 in Hz from ``low_hz`` to ``high_hz``, 0 where unvoiced
    - intensity in dB of full scale, 10 log10(mean x^2 + floor)
    - share of neighbouring samples of unlike sign, 0 to 1
    - harmonics-to-noise ratio in dB, from -30 to 50

    F0 and the ratio are of three periods of ``low_hz`` around the frame's middle, whatever ``window`` is. Silence has
    0, the floor, 0 and -30. Raises BadInput for limits of F0 that leave no octave between them, and for a floor that is
    not above 0.
    """
    rows = _short_time.cut(wave, settings.window, settings.hop)
    track = _pitch.of_frames(wave, settings)
    columns = (
        track.hz,
        _short_time.decibels(_short_time.power(rows), _short_time.checked_floor(settings.floor)),
        _short_time.crossings(rows),
        track.noise_ratio_db(),
    )
    return np.stack(columns, axis=1).astype(np.float32)

"""Low-level descriptors of Schuller, Steidl, Batliner, "The INTERSPEECH 2009 Emotion Challenge", 2009, section 3.

16 descriptors and their deltas: [frames, 32]. Twelve functionals of each are the challenge's 384 features.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ser.frontends import _htk_cepstra, _pitch, _short_time
from ser.frontends._pitch import PitchSettings
from ser.study.settings import setting

VERSION = 1
_CEPSTRA = 12


@dataclass(frozen=True)
class Settings(PitchSettings):
    """25 ms each 10 ms, 26 mels, averages over 3 frames and deltas over 5: those of openSMILE's IS09_emotion.

    The limits of F0 are Praat's; openSMILE has 52 to 500 Hz, and another detector.
    """

    window: int = setting("length of a window", 400, unit="samples", low=1)
    mels: int = setting("mel bands, more than the 12 coefficients", 26, low=1)
    floor: float = setting(
        "least magnitude that a logarithm is taken of; HTK's 1 on a scale of 16 bits", 1 / 32768, above=0
    )
    smoothing: int = setting("frames of a moving average, an odd number; 1: none", 3, unit="frames", low=1)
    reach: int = setting("frames to either side that slopes are taken over; HTK's 2", 2, unit="frames", low=1)


def width(settings: Settings) -> int:
    """16 descriptors, then the delta of each."""
    return 2 * (4 + _CEPSTRA)


def frames(samples: int, settings: Settings) -> int:
    """Returns the number of frames of a wave of so many samples."""
    return _short_time.count(samples, settings.window, settings.hop)


def extract(wave: npt.NDArray[np.float32], settings: Settings) -> npt.NDArray[np.float32]:
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
    rows = _short_time.cut(wave, settings.window, settings.hop)
    track = _pitch.of_frames(wave, settings)
    four = (_short_time.crossings(rows), np.sqrt(_short_time.power(rows)), track.hz, track.noise_ratio_db())
    shape = settings.rate_hz, settings.mels, _CEPSTRA
    cepstra = _htk_cepstra.cepstra(rows, *shape, _short_time.checked_floor(settings.floor))
    descriptors = np.concatenate([np.stack(four, axis=1).astype(np.float32), cepstra[:, 1:]], axis=1)
    smoothed = _short_time.smoothed(descriptors, settings.smoothing)
    return _short_time.with_deltas(smoothed, settings.reach, 1)

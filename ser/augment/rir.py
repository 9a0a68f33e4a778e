"""Reverberation: convolution with a room impulse response, recorded or made (see ``ser.augment._rooms``)."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.signal import fftconvolve

from ser.augment._rooms import room
from ser.data import recordings
from ser.data.audio import Wave
from ser.study.settings import setting

VERSION = 2
_ROOMS = 64  # always the same: to make one for every utterance would cost more than all the rest


@dataclass(frozen=True)
class Settings:
    """da Silva et al. name the kind, values are ours."""

    source: str = setting('"generated", or the fingerprint of a user\'s folder of recordings', "generated")
    seed: int = setting("seed of the draws, beside the utterance and the copy", 3, low=0)


def apply(wave: Wave, rate_hz: int, rng: np.random.Generator, settings: Settings, folder: Path | None) -> Wave:
    """``wave`` as in a room: the direct sound stays where it was, the echoes follow, the level (RMS) is kept."""
    if folder is None:
        response, direct, _ = room(rate_hz, int(rng.integers(_ROOMS)))
    else:
        response = recordings.pick(folder, rate_hz, rng)
        direct = int(np.argmax(np.abs(response)))
    reverberant: Wave = fftconvolve(wave, response)[direct : direct + len(wave)]
    power = np.mean(np.square(reverberant, dtype=np.float64))
    if power == 0.0:
        return wave
    # The sign of the direct sound too, so that a response of one impulse changes nothing.
    gain = np.sign(response[direct]) * np.sqrt(np.mean(np.square(wave, dtype=np.float64)) / power)
    return reverberant * np.float32(gain)

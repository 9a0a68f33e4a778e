"""Reverberation: convolution with a room impulse response, recorded or made by the image method."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from scipy.signal import fftconvolve

from ser.data import recordings
from ser.data.audio import Wave
from ser.study.settings import setting

VERSION = 1
_ROOMS = 64


@dataclass(frozen=True)
class Settings:
    """da Silva et al. name the kind, values are ours."""

    source: str = setting('"generated", or the fingerprint of a user\'s folder of recordings', "generated")
    seed: int = setting("seed of the draws, beside the utterance and the copy", 3, low=0)


def apply(wave: Wave, rate_hz: int, rng: np.random.Generator, settings: Settings, folder: Path | None) -> Wave:
    """``wave`` as in a room: the direct sound stays where it was, the echoes follow, the level (RMS) is kept."""
    response = _rooms(rate_hz)[rng.integers(_ROOMS)] if folder is None else recordings.pick(folder, rate_hz, rng)
    direct = int(np.argmax(np.abs(response)))
    reverberant: Wave = fftconvolve(wave, response)[direct : direct + len(wave)]
    power = np.mean(np.square(reverberant, dtype=np.float64))
    if power == 0.0:
        return wave
    # The sign of the direct sound too, so that a response of one impulse changes nothing.
    gain = np.sign(response[direct]) * np.sqrt(np.mean(np.square(wave, dtype=np.float64)) / power)
    return reverberant * np.float32(gain)


@cache
def _rooms(rate_hz: int) -> tuple[Wave, ...]:
    """Impulse responses of small rooms, RT60 0.2-0.7 s, by the image method (Allen and Berkley 1979).

    Always the same rooms, because making one per utterance would cost more than all the rest.
    """
    import pyroomacoustics as pra  # a second to import, and only this function needs it

    rng = np.random.default_rng(0)
    responses = []
    for _ in range(_ROOMS):
        size_m = rng.uniform((2.5, 2.5, 2.3), (7.0, 6.0, 3.5))
        absorption, order = pra.inverse_sabine(rng.uniform(0.2, 0.7), size_m)
        room = pra.ShoeBox(size_m, fs=rate_hz, materials=pra.Material(absorption), max_order=min(order, 12))
        room.add_source(rng.uniform(0.5, size_m - 0.5))
        room.add_microphone(rng.uniform(0.5, size_m - 0.5))
        room.compute_rir()
        responses.append(room.rir[0][0].astype(np.float32))
    return tuple(responses)

"""Impulse responses of small rooms with the reverberation asked for: images of the source first, then decaying noise.

The image method (Allen and Berkley 1979) with all the reflections that half a second of echoes needs takes seconds a
room. So it gives the early reflections, and from where its images are no longer all there, Gaussian noise follows, the
envelope of which falls by 60 dB in the time asked for (Moorer 1979; Lehmann and Johansson 2010 do so). Nor does a room
of a given absorption decay as Sabine's formula says, as its reflections are not diffuse: the early part is weighted by
an exponential so that the measured time is the one asked for.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ser.data.audio import Wave

_SOUND_M_PER_S = 343.0
_ORDER = 20  # reflections of an image at most: 5 ms a room; 100 would take a second
_ROUNDS = 6  # of weighing the early part: the last changes less than a percent
Samples = NDArray[np.float64]


class Response(NamedTuple):
    """An impulse response, the sample of its direct sound, and the reverberation time (RT60) that was asked for."""

    samples: Wave
    direct: int
    rt60_s: float


@cache
def room(rate_hz: int, number: int) -> Response:
    """Returns the response of room ``number``, 0, 1, 2 …: 2.5-7 × 2.5-6 × 2.3-3.5 m, RT60 0.2-0.7 s."""
    import pyroomacoustics as pra  # a second to import, and only this function needs it

    rng = np.random.default_rng([0, number])
    size_m, rt60_s = rng.uniform((2.5, 2.5, 2.3), (7.0, 6.0, 3.5)), float(rng.uniform(0.2, 0.7))
    absorption, order = pra.inverse_sabine(rt60_s, size_m)
    box = pra.ShoeBox(size_m, fs=rate_hz, materials=pra.Material(absorption), max_order=min(order, _ORDER))
    source, microphone = rng.uniform(0.5, size_m - 0.5), rng.uniform(0.5, size_m - 0.5)
    box.add_source(source)
    box.add_microphone(microphone)
    box.compute_rir()
    distance_m = float(np.linalg.norm(source - microphone))
    direct = round(distance_m / _SOUND_M_PER_S * rate_hz) + pra.constants.get("frac_delay_length") // 2
    noise = rng.standard_normal(direct + round(1.1 * rt60_s * rate_hz))
    complete = direct + round(min(order, _ORDER) * size_m.min() / _SOUND_M_PER_S * rate_hz)  # all images until here
    samples = _decaying(np.asarray(box.rir[0][0], np.float64), noise, direct, complete, rt60_s, rate_hz)
    return Response(samples.astype(np.float32), direct, rt60_s)


def _decaying(early: Samples, noise: Samples, direct: int, complete: int, rt60_s: float, rate_hz: int) -> Samples:
    """Returns the early part up to ``complete``, weighted, with noise behind it, as long as ``noise``."""
    whole = np.zeros(len(noise))
    whole[: len(early)] = early[: len(whole)]
    time_s = np.maximum(np.arange(len(whole)) - direct, 0) / rate_hz
    first = direct + (complete - direct) * 2 // 3
    fade = np.clip((np.arange(len(whole)) - first) / max(1, complete - first), 0.0, 1.0)
    tail = noise * np.exp(-_rate(rt60_s) * time_s)
    both = slice(first, min(complete, len(whole)))
    growth = 0.0
    samples = whole
    for _ in range(_ROUNDS):
        weighted = whole * np.exp(growth * time_s)
        level = np.sqrt(np.square(weighted[both]).sum() / max(np.square(tail[both]).sum(), 1e-300))
        samples = np.sqrt(1 - fade) * weighted + np.sqrt(fade) * level * tail
        measured = [_rate(reverberation_s(samples[direct:], rate_hz, fall_db)) for fall_db in (20.0, 30.0)]
        growth += sum(measured) / 2 - _rate(rt60_s)
    return samples


def _rate(rt60_s: float) -> float:
    """Returns by what exponent a second an amplitude falls that loses 60 dB in ``rt60_s``."""
    return float(3 * np.log(10) / rt60_s)


def reverberation_s(samples: NDArray[np.floating], rate_hz: int, fall_db: float = 20.0) -> float:
    """Returns the time for 60 dB of a response that begins with its direct sound, extrapolated from ``fall_db`` of it.

    A line is fitted to the level of the energy that is still to come (Schroeder 1965), from -5 dB on: T20 (ISO 3382-1),
    or T30 with ``fall_db`` 30.
    """
    energy = np.cumsum(np.square(samples[::-1], dtype=np.float64))[::-1]
    level_db = 10 * np.log10(np.maximum(energy / energy[0], 1e-30))
    at = np.flatnonzero((level_db <= -5) & (level_db >= -5 - fall_db))
    slope = np.polyfit(at / rate_hz, level_db[at], 1)[0]
    return float(-60 / slope)

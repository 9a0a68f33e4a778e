"""Discrete wavelet transform, described sub-band by sub-band in each frame: Pinto et al., section 4 F.

The utterance is transformed once, beyond its ends silent, and frames are cut from its sub-bands: transforms of single
frames find strong low bands where a frame's ends cut a wave. [frames, 3 · (levels + 1)];
frames = 1 + (samples - window) // hop, a wave shorter than one window padded with zeros.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import pywt

from ser.errors import BadInput
from ser.frontends import _short_time
from ser.study.settings import setting

VERSION = 1


@dataclass(frozen=True)
class Settings:
    """Four vanishing moments and five levels: at 16 kHz down to 250 Hz. Pinto et al. name none."""

    rate_hz: int = setting("sampling rate of the waveform", 16000, unit="Hz", low=1)
    window: int = setting("length of a window, a multiple of 2^levels", 512, unit="samples", low=1)
    hop: int = setting("from one window to the next, a multiple of 2^levels", 256, unit="samples", low=1)
    wavelet: str = setting("a discrete wavelet's name in PyWavelets", "db4")
    levels: int = setting("levels of the transform", 5, low=1)
    floor: float = setting("added to mean squares before the logarithm", 1e-10, above=0)


def width(settings: Settings) -> int:
    """Three descriptors of each sub-band, of which there is one more than levels."""
    return 3 * (settings.levels + 1)


def frames(samples: int, settings: Settings) -> int:
    """Returns the number of frames of a wave of so many samples."""
    return _short_time.count(samples, settings.window, settings.hop)


def extract(wave: npt.NDArray[np.float32], settings: Settings) -> npt.NDArray[np.float32]:
    """float32 [frames, 3 · (levels + 1)]: log(mean square + floor) of all sub-bands, then mean magnitudes, then stds.

    Sub-bands go from the lowest, the last approximation, over the details from the last level to the first, which is
    the upper half of the spectrum. The log is natural; a silent frame has log(floor), 0 and 0.

    Raises BadInput for a wavelet or number of levels that PyWavelets does not have for such a window, for windows and
    hops that are no multiples of the slowest sub-band's step, and for a floor that is not above 0.
    """
    levels = settings.levels
    padded = _short_time.padded(wave.astype(np.float64), settings.window)
    bands = pywt.wavedec(padded, _wavelet(settings), "zero", levels)
    count = frames(len(wave), settings)
    steps = (levels, *range(levels, 0, -1))
    cut = [_cut(bands[i], steps[i], i > 0, count, settings) for i in range(len(bands))]
    squares = np.stack([np.square(band).mean(1) for band in cut], 1)
    magnitudes = np.stack([np.abs(band).mean(1) for band in cut], 1)
    deviations = np.stack([band.std(1) for band in cut], 1)
    logarithms = np.log(squares + _short_time.checked_floor(settings.floor))
    return np.concatenate((logarithms, magnitudes, deviations), axis=1).astype(np.float32)


def _cut(
    band: npt.NDArray[np.float64], level: int, detail: bool, count: int, settings: Settings
) -> npt.NDArray[np.float64]:
    """Returns the coefficients of a sub-band that lie in a frame: [frames, window / 2^level]."""
    early = _early(settings.wavelet, level, detail)
    every = np.lib.stride_tricks.sliding_window_view(band[early:], settings.window >> level)
    return np.ascontiguousarray(every[:: settings.hop >> level][:count])


@cache
def _early(name: str, level: int, detail: bool) -> int:
    """Returns how many coefficients of a sub-band lie before the wave begins, as each filter reaches back.

    Coefficient k is made of the samples 2k + 1 - m, m from 0; it lies at their mean, weighted by the filter's squares.
    That of Daubechies' filters is far from the middle.
    """
    wavelet = pywt.Wavelet(name)
    low, high = (
        float(np.average(np.arange(len(taps)) - 1, weights=np.square(taps)))
        for taps in (wavelet.dec_lo, wavelet.dec_hi)
    )
    last = high if detail else low
    half = 1 << (level - 1)
    return max(0, round((low * (half - 1) + last * half) / (2 * half)))


def _wavelet(settings: Settings) -> pywt.Wavelet:
    """Returns the wavelet, where it and the other settings fit each other. Raises BadInput where they do not."""
    name, levels = settings.wavelet, settings.levels
    if name not in pywt.wavelist(kind="discrete"):
        raise BadInput(repr(name), "front_end.wavelet", "those of pywt.wavelist(kind='discrete')", "such as db4")
    wavelet, window, hop = pywt.Wavelet(name), settings.window, settings.hop
    most = pywt.dwt_max_level(window, wavelet.dec_len)
    if not 1 <= levels <= most:
        allowed = f"1 to {most} for windows of {window} and {name}"
        raise BadInput(str(levels), "front_end.levels", allowed, "take fewer levels, or a longer window")
    if window % 2**levels or hop % 2**levels:
        allowed = f"multiples of {2**levels}, which {levels} levels halve to whole numbers"
        raise BadInput(f"{window} and {hop}", "front_end.window, front_end.hop", allowed, "take 512 and 256")
    return wavelet

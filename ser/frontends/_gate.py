"""Spectral gating as noisereduce had it up to version 2 (``noisereducev1``; version 3 no longer carries it).

Per frequency, the level that noise seldom reaches is the mean and 1.5 standard deviations of the noise's dB values.
What lies below is muted, with soft edges in time and frequency. Constants are the defaults of that version, which
Pho et al. used, and its transform pads by reflection, as librosa's did then.
"""

from collections.abc import Iterator
from functools import cache

import numpy as np
import numpy.typing as npt
import torch

from ser.frontends import _mel

_FFT, _HOP = 2048, 512
_HOPS = _FFT // _HOP
_BLOCK = 32  # frames at a time
_DEVIATIONS = 1.5
_FREQUENCY_GRADIENT, _TIME_GRADIENT = 2, 4  # bins and frames over which the mask fades
_FULL = (_FREQUENCY_GRADIENT + 1) ** 2 * (_TIME_GRADIENT + 1) ** 2  # sum of the smoothing weights, as integers
_RANGE_DB = 80.0  # levels further below the loudest count as that far below
# Where neither signal nor noise comes above that range, both levels are equal, and equal is not below; without this
# margin rounding would decide whether the bins above 8 kHz of a recording made at 16 kHz are muted.
_TIE_DB = 1e-9


def reduce_noise(wave: npt.NDArray[np.float64], noise: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """``wave`` without what is not louder than ``noise``: float64 [samples], as long as ``wave``.

    float64 throughout: in float32 the transform's own rounding is as loud as what the log of Pho et al. still shows.
    """
    levels = _decibels(torch.cat([_mel.squares(spectra) for spectra in _spectra(_frames(noise))]))
    threshold_db = levels.mean(0) + _DEVIATIONS * levels.std(0, correction=0) - _TIE_DB
    frames = _frames(np.pad(wave, (0, _HOP)))
    muted = _muted(frames, (10 ** (threshold_db / 10)).numpy())
    return _inverse(frames, _FULL - _smoothed(muted), len(wave))


def _frames(samples: npt.NDArray[np.float64]) -> torch.Tensor:
    """[frames, window], centred on multiples of the hop."""
    return torch.from_numpy(np.pad(samples, _FFT // 2, mode="reflect")).unfold(0, _FFT, _HOP)


def _spectra(frames: torch.Tensor) -> Iterator[torch.Tensor]:
    """[n, bins] of a few frames at a time: all at once would leave the processor's cache, and cost much more."""
    for part in frames.split(_BLOCK):
        yield torch.fft.rfft(part * _mel.hann(_FFT, torch.float64))


def _muted(frames: torch.Tensor, thresholds: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Where the signal is below the bin's threshold: [frames, bins].

    Levels are compared as powers: a logarithm of each would cost as much as the transform.
    """
    muted = np.empty((len(frames), len(thresholds)), np.bool_)
    greatest, row = 0.0, 0
    for spectra in _spectra(frames):
        power = _mel.squares(spectra).numpy()
        np.less(power, thresholds, out=muted[row : row + len(power)])
        greatest, row = max(greatest, float(power.max())), row + len(power)
    # Levels that lie further below the loudest count as that far below, and may so come above the threshold.
    muted &= greatest * 10 ** (-_RANGE_DB / 10) < thresholds
    return muted


def _decibels(power: torch.Tensor) -> torch.Tensor:
    levels = 10 * power.clamp(min=1e-40).log10()
    return torch.maximum(levels, levels.max() - _RANGE_DB)


def _smoothed(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """``mask`` weighted by a pyramid around each cell, in units of 1 / _FULL; nothing is muted beyond the edges.

    A triangle is a box on a box. Whole numbers, for a cell among muted ones must come out at exactly ``_FULL``.
    """
    counts = np.pad(mask.view(np.uint8), ((_TIME_GRADIENT,) * 2, (_FREQUENCY_GRADIENT,) * 2))
    for _ in range(2):
        counts = _boxed(counts, _TIME_GRADIENT)
        counts = _boxed(counts.T, _FREQUENCY_GRADIENT).T
    return counts


def _boxed(counts: npt.NDArray[np.uint8], gradient: int) -> npt.NDArray[np.uint8]:
    """Sums of ``gradient`` + 1 rows that follow each other."""
    rows = len(counts) - gradient
    total = counts[:rows] + counts[1 : rows + 1]
    for i in range(2, gradient + 1):
        total += counts[i : i + rows]
    return total


def _inverse(frames: torch.Tensor, gains: npt.NDArray[np.uint8], samples: int) -> npt.NDArray[np.float64]:
    """Least-squares inverse of ``_spectra`` (Griffin and Lim): windowed again, added up, over the windows' squares.

    ``gains`` [frames, bins] are in units of 1 / _FULL. Spectra are made again: to keep them would cost more.
    """
    row, total = 0, frames.new_zeros(len(frames) + _HOPS - 1, _HOP)
    for spectra in _spectra(frames):
        shares = torch.from_numpy(gains[row : row + len(spectra)] * (1 / _FULL))
        parts = torch.fft.irfft(spectra.mul_(shares), n=_FFT).mul_(_mel.hann(_FFT, torch.float64))
        _add(parts, total[row : row + len(parts) + _HOPS - 1])
        row += len(parts)
    whole = total.div_(_squares(len(frames))).flatten()
    return np.asarray(whole[_FFT // 2 : _FFT // 2 + samples].numpy())


def _add(frames: torch.Tensor, total: torch.Tensor) -> None:
    """Adds each frame [window] to the hops [frames + _HOPS - 1, hop] that it covers."""
    pieces = frames.unflatten(1, (_HOPS, _HOP))  # a window is a whole number of hops
    for i in range(_HOPS):
        total[i : i + len(frames)] += pieces[:, i]


@cache
def _squares(frames: int) -> torch.Tensor:
    """What the windows' squares add up to, hop by hop: [frames + _HOPS - 1, hop]."""
    window = _mel.hann(_FFT, torch.float64)
    total = window.new_zeros(frames + _HOPS - 1, _HOP)
    _add(window.square().expand(frames, _FFT), total)
    return total.clamp_(min=1e-12)  # the first sample of all is under no window

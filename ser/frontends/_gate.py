"""Spectral gating as noisereduce had it up to version 2 (``noisereducev1``; version 3 no longer carries it).

Per frequency, the level that noise seldom reaches is the mean and 1.5 standard deviations of the noise's dB values.
What lies below is muted, with soft edges in time and frequency. Constants are the defaults of that version, which
Pho et al. used, and its transform pads by reflection, as librosa's did then.
"""

from functools import cache

import numpy as np
import numpy.typing as npt
import torch

from ser.frontends import _mel

_FFT, _HOP = 2048, 512
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
    spectrum = _spectra(np.pad(wave, (0, _HOP)))
    power = _mel.squares(spectrum)
    levels = _decibels(_mel.squares(_spectra(noise)))
    threshold_db = levels.mean(0) + _DEVIATIONS * levels.std(0, correction=0) - _TIE_DB
    # The signal's levels are compared as powers: a logarithm of each would cost as much as the transform.
    floor = power.max() * 10 ** (-_RANGE_DB / 10)
    muted = power.clamp_(min=floor) < 10 ** (threshold_db / 10)
    gains = torch.from_numpy((_FULL - _smoothed(muted.numpy())) * (1 / _FULL))
    return _inverse(spectrum.mul_(gains), len(wave))


def _spectra(samples: npt.NDArray[np.float64]) -> torch.Tensor:
    """[frames, bins], frames centred on multiples of the hop."""
    padded = torch.from_numpy(np.pad(samples, _FFT // 2, mode="reflect"))
    spectra: torch.Tensor = torch.fft.rfft(padded.unfold(0, _FFT, _HOP) * _mel.hann(_FFT, torch.float64))
    return spectra


def _decibels(power: torch.Tensor) -> torch.Tensor:
    levels = 10 * power.clamp(min=1e-40).log10()
    return torch.maximum(levels, levels.max() - _RANGE_DB)


def _smoothed(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """``mask`` weighted by a pyramid around each cell, in units of 1 / _FULL; nothing is muted beyond the edges.

    A triangle is a box on a box. Whole numbers, for a cell among muted ones must come out at exactly ``_FULL``.
    """
    counts = np.pad(mask.astype(np.uint8), ((_TIME_GRADIENT,) * 2, (_FREQUENCY_GRADIENT,) * 2))
    for _ in range(2):
        counts = _boxed(_boxed(counts, _TIME_GRADIENT).T, _FREQUENCY_GRADIENT).T
    return counts


def _boxed(counts: npt.NDArray[np.uint8], gradient: int) -> npt.NDArray[np.uint8]:
    """Sums of ``gradient`` + 1 rows that follow each other."""
    rows = len(counts) - gradient
    total = counts[:rows].copy()
    for i in range(1, gradient + 1):
        total += counts[i : i + rows]
    return total


def _inverse(spectrum: torch.Tensor, samples: int) -> npt.NDArray[np.float64]:
    """Least-squares inverse of ``_spectra`` (Griffin and Lim): windowed again, added up, over the windows' squares."""
    frames = torch.fft.irfft(spectrum, n=_FFT) * _mel.hann(_FFT, torch.float64)
    whole = _added(frames) / _squares(len(frames))
    return np.asarray(whole[_FFT // 2 : _FFT // 2 + samples].numpy())


def _added(frames: torch.Tensor) -> torch.Tensor:
    pieces = frames.unflatten(1, (-1, _HOP))  # a window is a whole number of hops
    total = frames.new_zeros(len(frames) + pieces.shape[1] - 1, _HOP)
    for i in range(pieces.shape[1]):
        total[i : i + len(frames)] += pieces[:, i]
    return total.flatten()


@cache
def _squares(frames: int) -> torch.Tensor:
    window = _mel.hann(_FFT, torch.float64)
    return _added(window.square().expand(frames, _FFT)).clamp(min=1e-12)  # the first sample of all is under no window

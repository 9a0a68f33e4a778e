"""Vocal tract length perturbation: the same words from a longer or shorter vocal tract.

Jaitly and Hinton (2013), "Vocal tract length perturbation improves speech recognition"; here on the waveform, so that
it combines with the other augmentations and serves every front-end.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view
from scipy.fft import irfft, rfft
from scipy.signal.windows import hann

from ser.data.audio import Wave
from ser.study.settings import setting

VERSION = 1
Spectrum = npt.NDArray[np.complex64]

_WINDOW, _HOP = 512, 128
_HANN = hann(_WINDOW, sym=False).astype(np.float32)
_TO_MIDDLE = np.where(np.arange(_WINDOW // 2 + 1) % 2, np.float32(-1), np.float32(1))


@dataclass(frozen=True)
class Settings:
    """da Silva et al. name the kind, values are ours but for the boundary."""

    alpha: tuple[float, float] = setting(
        "range of the factor that frequencies are scaled by", (0.9, 1.1), above=0, ordered=True
    )
    high: float = setting("boundary frequency, as a share of half the rate", 0.6, above=0, below=1)
    seed: int = setting("seed of the draws, beside the utterance and the copy", 2, low=0)


def apply(wave: Wave, rate_hz: int, rng: np.random.Generator, settings: Settings, folder: Path | None) -> Wave:
    """``wave`` with its frequencies scaled by a factor uniform in ``settings.alpha``, piecewise linearly.

    ``settings.high`` is the boundary frequency as a fraction of Nyquist: scaling holds below it, and above it the
    axis is bent so that Nyquist stays in place.
    """
    alpha = float(rng.uniform(*settings.alpha))
    return _synthesis(_move(_analysis(wave), alpha, settings.high))[: len(wave)]


# scipy's ShortTimeFFT works frame by frame, six times slower than these.
def _analysis(wave: Wave) -> Spectrum:
    """STFT [frames, bins]; phases refer to the middle of the frame, so that neighbours in a peak agree."""
    frames = sliding_window_view(np.pad(wave, _WINDOW), _WINDOW)[::_HOP] * _HANN
    spectrum: Spectrum = rfft(frames) * _TO_MIDDLE
    return spectrum


def _synthesis(spectrum: Spectrum) -> Wave:
    """Overlap-add, the inverse of ``_analysis``; up to a hop longer than its input."""
    overlap = _WINDOW // _HOP
    frames = (irfft(spectrum * _TO_MIDDLE) * _HANN).reshape(len(spectrum), overlap, _HOP)
    hops = np.zeros((len(spectrum) + overlap - 1, _HOP), np.float32)
    for i in range(overlap):
        hops[i : i + len(frames)] += frames[:, i]
    return hops.ravel()[_WINDOW:] / np.float32(1.5)  # four squared Hann windows add up to this


def warp(frequency: npt.NDArray[np.float64], alpha: float, high: float) -> npt.NDArray[np.float64]:
    """Where a frequency goes; frequencies and ``high`` as fractions of Nyquist. Jaitly and Hinton, section 3."""
    knee = high * min(alpha, 1.0)
    return np.interp(frequency, (0.0, knee / alpha, 1.0), (0.0, knee, 1.0))


def _unwarp(frequency: npt.NDArray[np.float64], alpha: float, high: float) -> npt.NDArray[np.float64]:
    """Returns where the energy at a frequency comes from: the inverse of ``warp``."""
    knee = high * min(alpha, 1.0)
    return np.interp(frequency, (0.0, knee, 1.0), (0.0, knee / alpha, 1.0))


def _move(spectrum: Spectrum, alpha: float, high: float) -> Spectrum:
    """STFT [frames, bins] with its magnitudes moved along the warp and its phases turned to fit."""
    nyquist = spectrum.shape[1] - 1
    source = nyquist * _unwarp(np.arange(nyquist + 1) / nyquist, alpha, high)
    lower = np.minimum(source.astype(int), nyquist - 1)
    share = (source - lower).astype(np.float32)
    magnitude = np.abs(spectrum)
    direction: Spectrum = spectrum / np.maximum(magnitude, 1e-12) * np.exp(1j * _turn(spectrum, magnitude, alpha, high))
    moved: Wave = (1 - share) * magnitude[:, lower] + share * magnitude[:, lower + 1]
    return moved * direction[:, np.rint(source).astype(int)]


def _turn(spectrum: Spectrum, magnitude: Wave, alpha: float, high: float) -> Wave:
    """Phase [frames, bins] to add so that overlapping frames still agree once the frequencies have moved.

    A tone moved by ten bins turns 2.5 cycles more from frame to frame; without that, frames would cancel. Bins around a
    spectral peak turn as the peak does, which keeps the partial's shape (Laroche and Dolson 1999, "New phase-vocoder
    techniques for pitch-shifting"). For alpha 1 nothing turns.
    """
    bins = np.arange(spectrum.shape[1])
    per_bin = 2 * np.pi * _HOP / _WINDOW  # phase that a tone one bin higher gains per hop
    advance = np.angle(spectrum[1:] * spectrum[:-1].conj())
    advance = advance + 2 * np.pi * np.rint((per_bin * bins - advance) / (2 * np.pi))
    span = per_bin * bins[-1]
    frequency = np.clip(advance / span, 0.0, 1.0)
    extra = (warp(frequency, alpha, high) - frequency) * span

    peak = np.zeros(spectrum.shape, dtype=bool)
    peak[:, 1:-1] = (magnitude[:, 1:-1] >= magnitude[:, :-2]) & (magnitude[:, 1:-1] > magnitude[:, 2:])
    peak[:, 0] = True
    below = np.maximum.accumulate(np.where(peak, bins, 0), axis=1)
    above = np.minimum.accumulate(np.where(peak, bins, 2 * len(bins))[:, ::-1], axis=1)[:, ::-1]
    nearest = np.where(bins - below <= above - bins, below, above)

    turn = np.zeros(spectrum.shape)
    for frame in range(1, len(turn)):
        turn[frame] = (turn[frame - 1] + extra[frame - 1])[nearest[frame]]
    return np.remainder(turn, 2 * np.pi).astype(np.float32)

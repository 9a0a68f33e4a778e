"""Fundamental frequency and harmonicity of short frames: Boersma, "Accurate short-term analysis of the fundamental
frequency and the harmonics-to-noise ratio of a sampled sound", Proc. IFA 17, 1993, with its path through the frames.

Of each frame the autocorrelation, divided by that of its Hann window, has a peak near 1 at the period of a voice.
"""

from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.fft import irfft, next_fast_len, rfft

from ser.errors import BadInput
from ser.frontends import _short_time
from ser.study.settings import setting

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float32]
Places = npt.NDArray[np.intp]

_PERIODS = 3  # of the lowest frequency, in a window: section 5 of the paper
_CANDIDATES = 6  # peaks of a frame among which the path may choose
_FINER = 2  # steps of the lag in one sample: a peak falls between samples
_BLOCK = 256  # frames at a time: what the processor's cache holds
_OCTAVE_COST, _OCTAVE_JUMP, _VOICING_CHANGE, _SILENCE = 0.01, 0.35, 0.14, 0.03  # the paper's, as Praat has them
_LEAST, _MOST = 1e-3, 1 - 1e-5  # harmonicities that have a ratio: -30 dB and 50 dB


@dataclass(frozen=True)
class PitchSettings:
    """Settings of front-ends that track F0 in short frames; the limits are Praat's."""

    rate_hz: int = setting("sampling rate of the waveform", 16000, unit="Hz", low=1)
    window: int = setting("length of a frame", 640, unit="samples", low=1)
    hop: int = setting("from one frame to the next", 160, unit="samples", low=1)
    low_hz: float = setting("lowest F0", 75.0, unit="Hz", above=0)
    high_hz: float = setting("highest F0, an octave or more above", 500.0, unit="Hz", above=0)
    voicing: float = setting(
        "height of an autocorrelation's peak that a voiced frame has; Praat's 0.45", 0.45, low=0, high=1
    )


class Track(NamedTuple):
    """Of each frame: F0 in Hz, 0 where unvoiced; and the height from 0 to 1 of the peak that was chosen.

    Where a frame is unvoiced it is the height of its highest peak, and 0 where it has none, as in silence.
    """

    hz: Vector
    harmonicity: Vector

    def noise_ratio_db(self) -> Vector:
        """Harmonics-to-noise ratio 10 log10(r / (1 - r)), from -30 dB, as of silence, to 50 dB."""
        r = np.clip(self.harmonicity, _LEAST, _MOST)
        return np.asarray(10 * np.log10(r / (1 - r)))


class _Peaks(NamedTuple):
    """The highest peaks of each frame, [frames, candidates]; a place that is not taken has height and strength 0."""

    hz: Vector
    height: Vector
    strength: Vector  # height, and a little more for each octave above the lowest frequency


def of_frames(wave: Matrix, settings: PitchSettings) -> Track:
    """The track around the middle of each frame of ``_short_time``, by the settings that front-ends have for it.

    ``rate_hz``, ``window``, ``hop``, ``low_hz``, ``high_hz`` and ``voicing``. Raises BadInput as ``track`` does.
    """
    rate_hz, window, hop = settings.rate_hz, settings.window, settings.hop
    low_hz, high_hz, voicing = settings.low_hz, settings.high_hz, settings.voicing
    return track(wave, rate_hz, _short_time.centres(len(wave), window, hop), low_hz, high_hz, voicing)


def track(wave: Matrix, rate_hz: int, centres: Places, low_hz: float, high_hz: float, voicing: float) -> Track:
    """F0 and harmonicity around each of the evenly spaced sample numbers ``centres``; zeros are beyond the ends.

    A frame tends to be unvoiced where no peak from ``low_hz`` to ``high_hz`` is higher than ``voicing`` (0 to 1, Praat
    has 0.45), or where it is nearly silent beside the loudest; its neighbours are asked too. A voice lower than
    ``low_hz`` may be tracked an octave too high. Raises BadInput for limits that leave no octave between them, and for
    a height that no peak has.
    """
    _check(rate_hz, low_hz, high_hz, voicing)
    window = round(_PERIODS * rate_hz / low_hz)
    hop = int(centres[1] - centres[0]) if len(centres) > 1 else 1
    before, after = window // 2 - int(centres[0]), int(centres[-1]) - window // 2 + window - len(wave)
    padded = np.pad(wave[max(0, -before) :], (max(0, before), max(0, after)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop][: len(centres)]
    blocks = [_peaks(windows[at : at + _BLOCK], rate_hz, low_hz, high_hz) for at in range(0, len(centres), _BLOCK)]
    peaks = _Peaks(*(np.concatenate([block[0][i] for block in blocks]) for i in range(3)))
    loudness = np.concatenate([block[1] for block in blocks])
    path = _path(peaks, _unvoiced(loudness, voicing))
    rows, voiced = np.arange(len(centres)), path < _CANDIDATES
    best = np.where(voiced, path, peaks.height.argmax(axis=1))
    return Track(np.where(voiced, peaks.hz[rows, best], 0), peaks.height[rows, best])


def _check(rate_hz: int, low_hz: float, high_hz: float, voicing: float) -> None:
    """Raises BadInput; of the limits without the settings' names, which differ among front-ends."""
    if not 0 < 2 * low_hz <= high_hz <= rate_hz / 4:
        allowed = f"an octave or more, from above 0 to {rate_hz / 4:g} Hz, a quarter of the rate"
        raise BadInput(f"{low_hz:g} to {high_hz:g} Hz", "limits of F0 of the front-end", allowed, "change the study")
    if not 0 <= voicing <= 1:
        raise BadInput(f"{voicing:g}", "front_end.voicing", "0 to 1", "take 0.45, as Praat does")


def _peaks(windows: Matrix, rate_hz: int, low_hz: float, high_hz: float) -> tuple[_Peaks, Vector]:
    """Returns the peaks of each frame, and its greatest magnitude."""
    import torch  # takes seconds, and a plan asks for frames alone

    window = windows.shape[1]
    centred = _centred(windows)
    longest, shortest = int(np.ceil(_FINER * rate_hz / low_hz)) + 1, int(_FINER * rate_hz / high_hz) - 1
    taper, taper_r = _taper(window, longest + 1)
    r = _autocorrelation(centred * taper, longest + 1)
    energy = r[:, :1].copy()
    r /= np.where(
        energy > np.finfo(np.float32).tiny, energy * taper_r, np.float32(np.inf)
    )  # below, products lose digits
    inner = r[:, shortest:longest]
    is_peak = (inner > r[:, shortest - 1 : longest - 1]) & (inner >= r[:, shortest + 1 : longest + 1])
    cost = (_OCTAVE_COST * np.log2(np.arange(shortest, longest) * low_hz / (_FINER * rate_hz))).astype(np.float32)
    ranked = np.where(is_peak & (inner > 0), inner - cost, 0)
    places = torch.topk(torch.from_numpy(ranked), _CANDIDATES, dim=1).indices.numpy()  # NumPy takes ten times as long
    rows = np.arange(len(r))[:, None]
    before, at, after = (r[rows, places + shortest + i].astype(np.float64) for i in (-1, 0, 1))
    is_taken = ranked[rows, places] > 0
    bend = np.where(is_taken, before - 2 * at + after, -1)
    shift = np.where(is_taken, 0.5 * (before - after) / bend, 0)  # of the summit of a parabola through the three
    hz = np.clip(_FINER * rate_hz / (places + shortest + shift), low_hz, high_hz)
    height = np.where(is_taken, at - 0.25 * (before - after) * shift, 0)
    height = np.where(height > 1, 1 / np.maximum(height, 1), height)  # the paper's, for short periods
    strength = np.where(is_taken, height + _OCTAVE_COST * np.log2(hz / low_hz), 0)
    return _Peaks(hz, height, strength), np.abs(centred).max(axis=1).astype(np.float64)


def _centred(windows: Matrix) -> Matrix:
    """Less the mean of each; an offset alone is silence, of which rounding would make a perfect voice."""
    centred = windows - windows.mean(axis=1, keepdims=True)
    sounding = np.ptp(windows, axis=1) > 1e-6 * np.abs(windows).max(axis=1)
    return np.where(sounding[:, None], centred, np.float32(0))


def _autocorrelation(frames: Matrix, lags: int) -> Matrix:
    """[frames, lags], lags in steps of 1 / _FINER samples: the spectrum of twice the rate is nought above the rate."""
    length = next_fast_len(frames.shape[1] + -(-lags // _FINER), real=True)
    length += length % 2
    spectrum = rfft(frames, n=length, axis=1)
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    return np.ascontiguousarray(irfft(power, n=_FINER * length, axis=1)[:, :lags])


@cache
def _taper(window: int, lags: int) -> tuple[Matrix, Matrix]:
    """Hann window, and its autocorrelation, which is 1 at lag 0."""
    taper = (0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(window) + 0.5) / window)).astype(np.float32)
    r = _autocorrelation(taper[None], lags)[0]
    return taper, r / r[0]


def _unvoiced(loudness: Vector, voicing: float) -> Vector:
    """Strength of a frame's being unvoiced: equation 23 of the paper."""
    relative = loudness / (loudness.max() or 1)
    return voicing + np.maximum(0, 2 - relative * (1 + voicing) / _SILENCE)


def _path(peaks: _Peaks, unvoiced: Vector) -> Places:
    """The candidate of each frame on the strongest path; that after the last is to be unvoiced (the paper's eq. 27)."""
    strength = np.concatenate([np.where(peaks.height > 0, peaks.strength, -1), unvoiced[:, None]], axis=1)
    octaves = np.concatenate([np.log2(peaks.hz), np.zeros((len(unvoiced), 1))], axis=1)
    cost = _OCTAVE_JUMP * np.abs(octaves[:-1, :, None] - octaves[1:, None, :])  # [frame, from, to]
    cost[:, -1, :] = cost[:, :, -1] = _VOICING_CHANGE
    cost[:, -1, -1] = 0
    came, best = np.zeros(strength.shape, np.intp), strength[0]
    for frame in range(1, len(strength)):
        ways = best[:, None] - cost[frame - 1]
        came[frame] = ways.argmax(axis=0)
        best = ways.max(axis=0) + strength[frame]
    path = np.empty(len(strength), np.intp)
    path[-1] = best.argmax()
    for frame in range(len(strength) - 1, 0, -1):
        path[frame - 1] = came[frame, path[frame]]
    return path

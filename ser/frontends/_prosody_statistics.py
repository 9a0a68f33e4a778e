"""Prosody of a whole utterance in numbers: Wu, Falk, Chan, Speech Communication 53, 2011, section 3.4 and Table 2.

Statistics of F0, of intensity and of their changes, jitter and shimmer, sign changes, Teager energy, speaking rate.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ser.data import functionals
from ser.errors import BadInput
from ser.frontends import _pitch, _short_time
from ser.study.settings import setting

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float32]

_CONTOURS, _OTHERS = 4, 10


@dataclass(frozen=True)
class ProsodySettings:
    """Settings of front-ends that add statistics of prosody; the limits of F0 are Praat's."""

    rate_hz: int = setting("sampling rate of the waveform", 16000, unit="Hz", low=1)
    frame: int = setting("length of a frame of prosody", 640, unit="samples", low=3)
    step: int = setting("from one frame of prosody to the next", 160, unit="samples", low=1)
    low_f0_hz: float = setting("lowest F0", 75.0, unit="Hz", above=0)
    high_f0_hz: float = setting("highest F0, an octave or more above", 500.0, unit="Hz", above=0)
    voicing: float = setting(
        "height of an autocorrelation's peak that a voiced frame has; Praat's 0.45", 0.45, low=0, high=1
    )
    active_db: float = setting("frames no further below the loudest are active", 40.0, unit="dB", low=0)
    floor: float = setting("added to mean squares before the logarithm", 1e-10, above=0)
    contour_statistics: tuple[str, ...] = setting(
        "functionals of each contour of prosody",
        (
            *("mean", "std", "skewness", "kurtosis", "max", "min", "median", "q25", "q75", "range", "slope"),
            "regression_error",
        ),
    )


class _Contours(NamedTuple):
    """Of each frame."""

    hz: Vector  # 0 where unvoiced
    intensity: Vector  # dB
    crossings: Vector
    teager: Vector  # dB
    active: npt.NDArray[np.bool_]


def size(settings: ProsodySettings) -> int:
    """Returns the length of what ``statistics`` gives. Raises BadInput for a functional that is none."""
    return functionals.size(_CONTOURS, settings.contour_statistics) + _OTHERS


def statistics(wave: Matrix, settings: ProsodySettings) -> Vector:
    """float64 [size]: ``contour_statistics`` of four contours, and ten more.

    The contours are F0 in Hz, its changes, intensity in dB, and its changes. The ten are

    - jitter and shimmer: mean change of F0, and of amplitude, between neighbouring voiced frames, over its mean
    - mean and deviation of the share of sign changes
    - mean and deviation of Teager's energy in dB
    - voiced runs per second, mean and deviation of their length in seconds, and the share of active frames voiced

    F0 is of voiced frames, all else of active ones, which are within ``active_db`` of the loudest; a change is between
    two such neighbours. Where there are none, as in silence, statistics are those of a single 0. Settings: ``rate_hz``,
    ``frame`` and ``step`` in samples, ``low_f0_hz``, ``high_f0_hz``, ``voicing``, ``active_db``, ``floor`` (of mean
    squares), ``contour_statistics``. Raises BadInput for a frame too short for Teager's energy, which takes three
    samples, and for limits of F0 that leave no octave between them.
    """
    contours = _contours(wave, settings)
    voiced = contours.hz > 0
    rows = [
        contours.hz[voiced],
        _changes(contours.hz, voiced),
        contours.intensity[contours.active],
        _changes(contours.intensity, contours.active),
    ]
    names = settings.contour_statistics
    of_each = [functionals.of_contour(row, names) for row in rows]
    amplitude = 10 ** (contours.intensity / 20)
    more = [
        functionals.of_contour(row[contours.active], ("mean", "std")) for row in (contours.crossings, contours.teager)
    ]
    jitter_and_shimmer = [_unsteadiness(row, voiced) for row in (contours.hz, amplitude)]
    step_s = settings.step / settings.rate_hz
    return np.concatenate([*of_each, jitter_and_shimmer, *more, _rate(voiced, contours.active, step_s)])


def _contours(wave: Matrix, settings: ProsodySettings) -> _Contours:
    rate_hz, window, hop = settings.rate_hz, settings.frame, settings.step
    floor = _short_time.checked_floor(settings.floor)
    if window < 3:
        raise BadInput(str(window), "front_end.frame", "3 or more samples", "take some 40 ms")
    rows = _short_time.cut(wave, window, hop)
    limits = settings.low_f0_hz, settings.high_f0_hz
    places = _short_time.centres(len(wave), window, hop)
    track = _pitch.track(wave, rate_hz, places, *limits, settings.voicing)
    intensity = _short_time.decibels(_short_time.power(rows), floor)
    teager = (np.square(rows[:, 1:-1]) - rows[:, :-2] * rows[:, 2:]).mean(axis=1)
    return _Contours(
        track.hz,
        intensity.astype(np.float64),
        _short_time.crossings(rows).astype(np.float64),
        _short_time.decibels(np.maximum(teager, 0), floor).astype(np.float64),
        intensity >= intensity.max() - settings.active_db,
    )


def _changes(contour: Vector, which: npt.NDArray[np.bool_]) -> Vector:
    """From frame to frame, where both are of those asked for."""
    return np.diff(contour)[which[1:] & which[:-1]]


def _unsteadiness(contour: Vector, which: npt.NDArray[np.bool_]) -> float:
    """Mean change between neighbours as a share of the mean; 0 where there are no neighbours."""
    changes = _changes(contour, which)
    return float(np.abs(changes).mean() / contour[which].mean()) if len(changes) else 0.0


def _rate(voiced: npt.NDArray[np.bool_], active: npt.NDArray[np.bool_], step_s: float) -> Vector:
    """Voiced runs per second, mean and deviation of their seconds, and the share of active frames that are voiced."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], voiced, [False]])))
    lengths_s = (edges[1::2] - edges[::2]) * step_s if len(edges) else np.zeros(1)
    runs = len(edges) / 2 / (len(voiced) * step_s)
    share = (voiced & active).sum() / active.sum()
    return np.array([runs, lengths_s.mean(), lengths_s.std(), share])

"""Modulation spectral features and prosody, one vector per utterance: Wu, Falk, Chan, "Automatic speech emotion
recognition using modulation spectral features", Speech Communication 53, 2011, sections 2 and 3.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ser.data import functionals
from ser.errors import BadInput
from ser.frontends import _auditory, _prosody_statistics, _short_time
from ser.frontends._prosody_statistics import ProsodySettings
from ser.study.settings import setting

VERSION = 1
Vector = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Settings(ProsodySettings):
    """The settings of Wu et al.: 8 kHz, 19 bands, 5 channels an octave apart, frames of 256 ms each 64 ms, unit energy.

    Acoustic bands are divided after the 4th, 10th and 15th, at about 300, 1000 and 2000 Hz; flatness and centroid are
    of the 1st, 3rd and 5th channel, for neighbours are alike. The detector of active speech, the pitch tracker and
    the floors are ours.
    """

    rate_hz: int = setting("sampling rate of the waveform", 8000, unit="Hz", low=1)
    bands: int = setting("acoustic bands", 19, low=1)
    low_hz: float = setting("centre of the lowest band", 125.0, unit="Hz", above=0)
    high_hz: float = setting("centre of the highest band, below half the rate", 3500.0, unit="Hz", above=0)
    envelope_hz: int = setting("rate of the envelopes, a divisor of rate_hz", 500, unit="Hz", low=1)
    modulation_hz: tuple[float, ...] = setting(
        "centres of the modulation channels, below half of envelope_hz",
        (4.0, 8.0, 16.0, 32.0, 64.0),
        unit="Hz",
        above=0,
    )
    quality: float = setting("a channel's centre over its width", 2.0, above=0)
    window_s: float = setting("length of a long frame", 0.256, unit="s", above=0)
    hop_s: float = setting("from one long frame to the next", 0.064, unit="s", above=0)
    divisions: tuple[int, ...] = setting(
        "last bands of the groups of bands but the last, ascending", (4, 10, 15), low=1
    )
    measured: tuple[int, ...] = setting(
        "channels of which flatness and centroid are taken, ascending from 1", (1, 3, 5), low=1
    )
    unit: bool = setting("energies as shares of the frame's sum", True)
    log: bool = setting("energies as log10", False)
    energy_statistics: tuple[str, ...] = setting("functionals of each energy", ("mean",))
    measure_statistics: tuple[str, ...] = setting("functionals of each spectral measure", ("mean", "std"))
    floor: float = setting("added to energies and mean squares before a logarithm", 1e-12, above=0)
    prosody: bool = setting("statistics of prosody too", True)
    frame: int = setting("length of a frame of prosody", 320, unit="samples", low=3)
    step: int = setting("from one frame of prosody to the next", 80, unit="samples", low=1)


def width(settings: Settings) -> int:
    """Statistics of energies, of spectral measures, and, with ``prosody``, of prosody. Raises BadInput for settings."""
    channels, divisions = len(settings.modulation_hz), len(settings.divisions) + 1
    energies = functionals.size(settings.bands * channels, settings.energy_statistics)
    measures = channels + 2 * len(settings.measured) + 3 * divisions
    prosody = _prosody_statistics.size(settings) if settings.prosody else 0
    return energies + functionals.size(measures, settings.measure_statistics) + prosody


def frames(samples: int, settings: Settings) -> int:
    """One: a vector for the utterance."""
    return 1


def extract(wave: npt.NDArray[np.float32], settings: Settings) -> npt.NDArray[np.float32]:
    """float32 [1, width], over the active frames, which are long ones within ``active_db`` of the loudest:

    - ``energy_statistics`` of the energy of each band in each channel: with ``unit``, as shares of the frame's sum;
      with ``log``, as log10
    - ``measure_statistics`` of ``measures``, always of such shares
    - with ``prosody``, the statistics of ``_prosody_statistics``, for which settings from ``frame`` on are read

    To each energy ``floor`` is added first, so that silence is spread evenly. Raises BadInput for settings that do not
    fit each other.
    """
    energies = _active_energies(wave, settings)
    unit = energies / energies.sum(axis=(1, 2), keepdims=True)
    values = unit if settings.unit else energies
    values = (np.log10(values) if settings.log else values).reshape(len(energies), -1)
    six = measures(unit, settings.divisions, settings.measured)
    parts = [
        functionals.functionals(values.astype(np.float32), settings.energy_statistics),
        functionals.functionals(six.astype(np.float32), settings.measure_statistics),
    ]
    if settings.prosody:
        parts.append(_prosody_statistics.statistics(wave, settings))
    return np.concatenate(parts)[None].astype(np.float32)


def _active_energies(wave: npt.NDArray[np.float32], settings: Settings) -> Vector:
    """[frames, bands, channels], above 0, of the frames that are loud enough."""
    envelope_hz, limits = settings.envelope_hz, (settings.low_hz, settings.high_hz)
    envelopes = _auditory.envelopes(wave, settings.rate_hz, envelope_hz, settings.bands, *limits)
    window, hop = (round(seconds * envelope_hz) for seconds in (settings.window_s, settings.hop_s))
    if min(window, hop) < 1:
        value, allowed = f"{window} and {hop} samples of envelopes", f"1 or more, at {envelope_hz} Hz"
        raise BadInput(value, "front_end.window_s, front_end.hop_s", allowed, "take 0.256 and 0.064, as the paper does")
    channels, quality = tuple(float(hz) for hz in settings.modulation_hz), settings.quality
    energies, powers = _auditory.energies(envelopes, envelope_hz, channels, quality, window, hop)
    least = powers.max() * 10 ** (-settings.active_db / 10)
    return np.asarray(energies[powers >= least] + _short_time.checked_floor(settings.floor))


def measures(energies: Vector, divisions: Sequence[int], measured: Sequence[int]) -> Vector:
    """Returns the six spectral measures of positive energies [frames, bands, channels] that sum to 1 in each frame.

    [frames, channels + 2 measured + 3 (divisions + 1)]. Bands and channels are counted from 1.

    1. of each channel, the mean over the bands
    2. of each channel in ``measured``, flatness: the geometric mean of its bands over their mean
    3. of the same channels, the centroid in band numbers
    4. of bands added up, from one of ``divisions`` (the last band of a group) to the next: centroid in channel numbers
    5. of the same groups, the slope of the line through the channels
    6. of the same groups, the root of that line's mean squared error

    Raises BadInput for bands or channels that there are not.
    """
    bands, channels = energies.shape[1:]
    _check(divisions, bands - 1, "divisions")
    _check(measured, channels, "measured")
    means = energies.mean(axis=1)
    of_channels = energies[:, :, np.array(measured, np.intp) - 1]
    flatness = np.exp(np.log(of_channels).mean(axis=1)) / of_channels.mean(axis=1)
    centroids = _centroid(np.moveaxis(of_channels, 1, 2))
    divided = np.add.reduceat(energies, [0, *divisions], axis=1)
    numbers = np.arange(channels) - (channels - 1) / 2
    slopes = divided @ numbers / max(numbers @ numbers, 0.5)
    errors = divided - divided.mean(axis=2, keepdims=True) - slopes[:, :, None] * numbers
    parts = [means, flatness, centroids, _centroid(divided), slopes, np.sqrt(np.square(errors).mean(axis=2))]
    return np.concatenate(parts, axis=1)


def _check(numbers: Sequence[int], most: int, name: str) -> None:
    ascending = all(a < b for a, b in zip((0, *numbers), (*numbers, most + 1), strict=True))
    if not ascending:
        raise BadInput(str(tuple(numbers)), f"front_end.{name}", f"ascending, from 1 to {most}", "change the study")


def _centroid(energies: Vector) -> Vector:
    """Mean place, counted from 1, along the last axis."""
    return np.asarray(energies @ np.arange(1, energies.shape[-1] + 1) / energies.sum(axis=-1))

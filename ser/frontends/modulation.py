"""Modulation spectral features and prosody, one vector per utterance: Wu, Falk, Chan, "Automatic speech emotion
recognition using modulation spectral features", Speech Communication 53, 2011, sections 2 and 3 (paper 004, Table 1).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ser import functionals
from ser.errors import BadInput
from ser.frontends import _auditory, _pitch, _prosody_statistics, _short_time

USES = (functionals, _auditory, _pitch, _prosody_statistics, _short_time)

Vector = npt.NDArray[np.float64]


def example() -> dict[str, Any]:
    """The paper's: 8 kHz, 19 bands, 5 channels an octave apart, long frames of 256 ms each 64 ms, unit energy.

    Acoustic bands are divided after the 4th, 10th and 15th, at about 300, 1000 and 2000 Hz; flatness and centroid are
    of the 1st, 3rd and 5th channel, for neighbours are alike. The detector of active speech, the pitch tracker and
    the floors are ours.
    """
    return {
        "rate_hz": 8000,
        "bands": 19,
        "low_hz": 125.0,
        "high_hz": 3500.0,
        "envelope_hz": 500,
        "modulation_hz": (4.0, 8.0, 16.0, 32.0, 64.0),
        "quality": 2.0,
        "window_s": 0.256,
        "hop_s": 0.064,
        "divisions": (4, 10, 15),
        "measured": (1, 3, 5),
        "unit": True,
        "log": False,
        "energy_statistics": ("mean",),
        "measure_statistics": ("mean", "std"),
        "active_db": 40.0,
        "floor": 1e-12,
        "prosody": True,
        "frame": 320,
        "step": 80,
        "low_f0_hz": 75.0,
        "high_f0_hz": 500.0,
        "voicing": 0.45,
        "contour_statistics": (
            *("mean", "std", "skewness", "kurtosis", "max", "min", "median", "q25", "q75", "range", "slope"),
            "regression_error",
        ),
    }


def width(settings: Mapping[str, Any]) -> int:
    """Statistics of energies, of spectral measures, and, with ``prosody``, of prosody. Raises BadInput for settings."""
    channels, divisions = len(settings["modulation_hz"]), len(settings["divisions"]) + 1
    energies = functionals.size(int(settings["bands"]) * channels, settings["energy_statistics"])
    measures = channels + 2 * len(settings["measured"]) + 3 * divisions
    prosody = _prosody_statistics.size(settings) if settings["prosody"] else 0
    return energies + functionals.size(measures, settings["measure_statistics"]) + prosody


def frames(samples: int, settings: Mapping[str, Any]) -> int:
    """One: a vector for the utterance."""
    return 1


def extract(wave: npt.NDArray[np.float32], settings: Mapping[str, Any]) -> npt.NDArray[np.float32]:
    """float32 [1, width]: over the active frames, ``energy_statistics`` of the energies of each band in each channel.

    Then ``measure_statistics`` of ``measures``, then prosody. Active are frames of 256 ms within ``active_db`` of the
    loudest. With ``unit``, the energies of a frame sum to 1, as they do for the measures in any case; with ``log``,
    they are log10. To each energy ``floor`` is added first, so that silence is spread evenly. Raises BadInput for
    settings that do not fit each other.
    """
    envelope_hz, floor = int(settings["envelope_hz"]), _short_time.floor_of(settings)
    limits = float(settings["low_hz"]), float(settings["high_hz"])
    envelopes = _auditory.envelopes(wave, int(settings["rate_hz"]), envelope_hz, int(settings["bands"]), *limits)
    window, hop = (round(float(settings[name]) * envelope_hz) for name in ("window_s", "hop_s"))
    channels, quality = tuple(float(hz) for hz in settings["modulation_hz"]), float(settings["quality"])
    energies, powers = _auditory.energies(envelopes, envelope_hz, channels, quality, window, hop)
    energies = energies[powers >= powers.max() * 10 ** (-float(settings["active_db"]) / 10)] + floor
    unit = energies / energies.sum(axis=(1, 2), keepdims=True)
    shown = unit if settings["unit"] else energies
    shown = (np.log10(shown) if settings["log"] else shown).reshape(len(energies), -1)
    parts = [
        functionals.functionals(shown.astype(np.float32), settings["energy_statistics"]),
        functionals.functionals(
            measures(unit, settings["divisions"], settings["measured"]).astype(np.float32),
            settings["measure_statistics"],
        ),
    ]
    if settings["prosody"]:
        parts.append(_prosody_statistics.statistics(wave, settings))
    return np.concatenate(parts)[None].astype(np.float32)


def measures(energies: Vector, divisions: Sequence[int], measured: Sequence[int]) -> Vector:
    """The six spectral measures of positive energies [frames, bands, channels] that sum to 1 in each frame.

    [frames, channels + 2 measured + 3 (divisions + 1)]: 1 mean over the bands, of each channel; of the channels
    ``measured``, counted from 1: 2 flatness, the bands' geometric mean over their mean, and 3 centroid in band numbers
    from 1. With bands added up from one of ``divisions`` (the last band of each but the last) to the next: 4 centroid
    in channel numbers from 1, 5 slope of the line through the channels, and 6 the root of its mean squared error.
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
        raise BadInput(str(tuple(numbers)), f"front_end.{name}", f"ascending, from 1 to {most}", "mend the study")


def _centroid(energies: Vector) -> Vector:
    """Mean place, counted from 1, along the last axis."""
    return np.asarray(energies @ np.arange(1, energies.shape[-1] + 1) / energies.sum(axis=-1))

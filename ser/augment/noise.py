"""Additive background noise, from a user's recordings or generated, at a drawn signal-to-noise ratio."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.fft import irfft, next_fast_len, rfftfreq

from ser.data import recordings
from ser.data.audio import Wave
from ser.study.settings import setting

VERSION = 1


@dataclass(frozen=True)
class Settings:
    """da Silva et al. name the kind, values are ours."""

    snr_db: tuple[float, float] = setting("range of signal-to-noise ratios", (5.0, 20.0), unit="dB", ordered=True)
    source: str = setting('"generated", or the fingerprint of a user\'s folder of recordings', "generated")
    seed: int = setting("seed of the draws, beside the utterance and the copy", 1, low=0)


def apply(wave: Wave, rate_hz: int, rng: np.random.Generator, settings: Settings, folder: Path | None) -> Wave:
    """``wave`` plus noise at an SNR uniform in ``settings.snr_db``; powers are means over the whole utterance."""
    snr_db = rng.uniform(*settings.snr_db)
    noise = _generated(len(wave), rate_hz, rng) if folder is None else _stretch(len(wave), rate_hz, rng, folder)
    speech_power, noise_power = (float(np.mean(np.square(x, dtype=np.float64))) for x in (wave, noise))
    if noise_power == 0.0:  # a digital pause in the recording
        return wave
    gain = np.sqrt(speech_power / noise_power / 10 ** (snr_db / 10))
    return wave + np.float32(gain) * noise


def _stretch(samples: int, rate_hz: int, rng: np.random.Generator, folder: Path) -> Wave:
    """Returns a random stretch of a random recording, which is looped where it is too short."""
    recording = recordings.pick(folder, rate_hz, rng)
    first = int(rng.integers(max(len(recording) - samples, 0) + 1))
    return np.resize(recording[first : first + samples], samples)


def _generated(samples: int, rate_hz: int, rng: np.random.Generator) -> Wave:
    """Background as rooms and streets have it: power falling as 1/f^slope (0 white ... 2 brown), swelling slowly."""
    length = next_fast_len(samples, real=True)
    frequency_hz = np.maximum(rfftfreq(length, 1 / rate_hz), 20.0)  # flat below hearing, instead of a pole at 0
    shape = (frequency_hz / 1000) ** (-rng.uniform(0.0, 2.0) / 2)
    spectrum = shape * (rng.standard_normal(len(shape)) + 1j * rng.standard_normal(len(shape)))
    noise: npt.NDArray[np.float64] = irfft(spectrum, length)[:samples]
    swell = np.sin(2 * np.pi * (rng.uniform(0.2, 3.0) * np.arange(samples) / rate_hz + rng.uniform()))
    return (noise * (1 + rng.uniform(0.0, 0.7) * swell)).astype(np.float32)

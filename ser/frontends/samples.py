"""Samples themselves, as many as an utterance has, for networks that learn from waveforms of any length.

A row is ``row`` samples that follow each other; a network joins the rows again. Only whole rows are kept, so that the
joined samples are the utterance's own: less than ``row`` samples at the end are dropped, with the documented settings
less than 20 ms. ``waveform`` gives all utterances one length instead.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ser.study.settings import setting

VERSION = 1
GIVES = "samples"  # as networks take them that join rows again


@dataclass(frozen=True)
class Settings:
    """16 kHz, as public encoders of speech take it; a row is 20 ms, the step of most of them."""

    rate_hz: int = setting("sampling rate of the waveform", 16000, unit="Hz", low=1)
    row: int = setting("samples of a row", 320, unit="samples", low=1)
    longest_s: float = setting("length that longer waves are cropped to; 0: none is cropped", 0.0, unit="s", low=0)
    stored: str = setting(
        "numbers in the store: float32, or float16, which rounds by up to 1 part in 2048",
        "float32",
        choices=("float32", "float16"),
    )


def width(settings: Settings) -> int:
    """Returns the samples in a row."""
    return settings.row


def frames(samples: int, settings: Settings) -> int:
    """Returns the number of whole rows, one at least."""
    if settings.longest_s:
        samples = min(samples, round(settings.longest_s * settings.rate_hz))
    return max(1, samples // settings.row)


def extract(wave: npt.NDArray[np.float32], settings: Settings) -> npt.NDArray[np.float32]:
    """float32 [rows, row]: the first samples, as they are; zeros fill up what is shorter than one row."""
    count = frames(len(wave), settings) * settings.row
    samples = np.zeros(count, np.float32)
    samples[: len(wave)] = wave[:count]
    return samples.reshape(-1, settings.row)

"""Samples themselves, for networks that learn from them: of a fixed length, as rows for want of frames.

As in Zhao, Mao & Chen 2019 (8 s at 16 kHz, as they are) and Trigeorgis et al. 2016 (6 s, mean 0 and variance 1). A
row is ``row`` samples that follow each other; a network flattens the rows again.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ser.errors import BadInput
from ser.study.settings import setting

VERSION = 1
_FLAT = 1e-6  # a deviation so small beside the mean is rounding


@dataclass(frozen=True)
class Settings:
    """The 128,000 samples of Zhao et al.; a row is 40 ms. Zeros stand before, for networks whose last state answers."""

    rate_hz: int = setting("sampling rate of the waveform", 16000, unit="Hz", low=1)
    seconds: float = setting("length that waves are cropped or padded to, in whole rows", 8.0, unit="s", above=0)
    row: int = setting("samples of a row", 640, unit="samples", low=1)
    scale: str = setting(
        "what becomes 1: nothing, the greatest magnitude, the variance", "none", choices=("none", "peak", "standard")
    )
    zeros: str = setting("on which side a shorter wave is padded", "before", choices=("before", "behind"))


def width(settings: Settings) -> int:
    """Returns the samples in a row."""
    return settings.row


def frames(samples: int, settings: Settings) -> int:
    """Returns the number of rows of any wave. Raises BadInput where ``seconds`` are not whole rows."""
    length, row = _length(settings), settings.row
    if row < 1 or length < row or length % row:
        raise BadInput(str(row), "front_end.row", f"divisors of {length}, the samples", "change it, or seconds")
    return length // row


def extract(wave: npt.NDArray[np.float32], settings: Settings) -> npt.NDArray[np.float32]:
    """float32 [seconds · rate_hz / row, row]: the first ``seconds``; zeros fill up a shorter wave.

    They stand "before" or "behind" it, as ``zeros`` says.
    ``scale``, of what is kept and without the zeros: "none"; "peak", the greatest magnitude becomes 1; "standard",
    mean 0 and variance 1. Silence stays zero. Raises BadInput for rows that do not fit.
    """
    rows, row = frames(len(wave), settings), settings.row
    samples = _scaled(wave[: rows * row].astype(np.float64), settings.scale)
    missing = rows * row - len(samples)
    before = missing if settings.zeros == "before" else 0
    return np.pad(samples.astype(np.float32), (before, missing - before)).reshape(rows, row)


def _length(settings: Settings) -> int:
    return round(settings.seconds * settings.rate_hz)


def _scaled(samples: npt.NDArray[np.float64], scale: str) -> npt.NDArray[np.float64]:
    if scale == "none":
        return samples
    greatest = np.abs(samples).max()
    if scale == "peak":
        return samples / (greatest or 1)
    centred = samples - samples.mean()
    deviation = centred.std()
    return np.asarray(centred / deviation if deviation > _FLAT * greatest else np.zeros_like(centred))

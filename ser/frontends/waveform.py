"""Samples themselves, for networks that learn from them: of a fixed length, as rows for want of frames.

As in Zhao, Mao & Chen 2019 (8 s at 16 kHz, as they are) and Trigeorgis et al. 2016 (6 s, mean 0 and variance 1). A
row is ``row`` samples that follow each other; a network flattens the rows again.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ser.errors import BadInput

_SCALES = ("none", "peak", "standard")
_ZEROS = ("before", "behind")
_FLAT = 1e-6  # a deviation so small beside the mean is rounding


def example() -> dict[str, Any]:
    """Zhao et al.'s 128,000 samples; a row is 40 ms. Zeros stand before, for a network whose last state answers."""
    return {"rate_hz": 16000, "seconds": 8.0, "row": 640, "scale": "none", "zeros": "before"}


def width(settings: Mapping[str, Any]) -> int:
    """Samples in a row."""
    return int(settings["row"])


def frames(samples: int, settings: Mapping[str, Any]) -> int:
    """Rows of any wave. Raises BadInput where ``seconds`` are not whole rows."""
    length, row = _length(settings), int(settings["row"])
    if row < 1 or length < row or length % row:
        raise BadInput(str(row), "front_end.row", f"divisors of {length}, the samples", "change it, or seconds")
    return length // row


def extract(wave: npt.NDArray[np.float32], settings: Mapping[str, Any]) -> npt.NDArray[np.float32]:
    """float32 [seconds · rate_hz / row, row]: the first ``seconds``; zeros fill up a shorter wave.

    They stand "before" or "behind" it, as ``zeros`` says.
    ``scale``, of what is kept and without the zeros: "none"; "peak", the greatest magnitude becomes 1; "standard",
    mean 0 and variance 1. Silence stays zero. Raises BadInput for other words, and for rows that do not fit.
    """
    if settings["zeros"] not in _ZEROS:
        raise BadInput(repr(settings["zeros"]), "front_end.zeros", ", ".join(_ZEROS), "choose one of these")
    rows, row = frames(len(wave), settings), int(settings["row"])
    kept = _scaled(wave[: rows * row].astype(np.float64), settings["scale"])
    missing = rows * row - len(kept)
    before = missing if settings["zeros"] == "before" else 0
    return np.pad(kept.astype(np.float32), (before, missing - before)).reshape(rows, row)


def _length(settings: Mapping[str, Any]) -> int:
    return round(float(settings["seconds"]) * int(settings["rate_hz"]))


def _scaled(samples: npt.NDArray[np.float64], scale: str) -> npt.NDArray[np.float64]:
    if scale not in _SCALES:
        raise BadInput(repr(scale), "front_end.scale", ", ".join(_SCALES), "choose one of these")
    if scale == "none":
        return samples
    greatest = np.abs(samples).max()
    if scale == "peak":
        return samples / (greatest or 1)
    centred = samples - samples.mean()
    deviation = centred.std()
    return np.asarray(centred / deviation if deviation > _FLAT * greatest else np.zeros_like(centred))

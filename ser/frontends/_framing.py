"""Whole windows of a waveform, not centred; a wave shorter than one is padded with zeros to it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt


def count(samples: int, settings: Mapping[str, Any]) -> int:
    """Windows in a wave of so many samples: 1 + (samples - window) // hop, at least 1."""
    return 1 + max(0, samples - int(settings["window"])) // int(settings["hop"])


def padded(wave: npt.NDArray[np.float32], settings: Mapping[str, Any]) -> npt.NDArray[np.float64]:
    """The wave in double precision, at least one window long: float64 [samples]."""
    return np.pad(wave.astype(np.float64), (0, max(0, int(settings["window"]) - len(wave))))


def cut(wave: npt.NDArray[np.float32], settings: Mapping[str, Any]) -> npt.NDArray[np.float64]:
    """All its windows, one every ``hop`` samples: float64 [windows, window]."""
    every = np.lib.stride_tricks.sliding_window_view(padded(wave, settings), int(settings["window"]))
    return np.ascontiguousarray(every[:: int(settings["hop"])])

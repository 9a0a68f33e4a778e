"""Band-pass: the narrow band of a telephone line."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.signal import butter, sosfiltfilt

from ser.data.audio import Wave
from ser.errors import BadInput
from ser.study.settings import setting

VERSION = 1
_ORDER = 4  # of one pass: -6 dB at the edges and 48 dB per octave beyond them after both passes


@dataclass(frozen=True)
class Settings:
    """The band of a telephone line; da Silva et al. name the kind, values are ours."""

    low_hz: float = setting("lower edge", 300.0, unit="Hz", above=0)
    high_hz: float = setting("upper edge, at most just below half the rate", 3400.0, unit="Hz", above=0)
    seed: int = setting("seed of the draws, beside the utterance and the copy", 5, low=0)


def apply(wave: Wave, rate_hz: int, rng: np.random.Generator, settings: Settings, folder: Path | None) -> Wave:
    """``wave`` between ``low_hz`` and ``high_hz`` (at most just below Nyquist), filtered both ways: no phase shift."""
    sections = _filter(settings.low_hz, settings.high_hz, rate_hz)
    padding = min(3 * (2 * len(sections) + 1), len(wave) - 1)
    filtered: Wave = sosfiltfilt(sections, wave, padlen=padding).astype(np.float32)
    return filtered


@cache
def _filter(low_hz: float, high_hz: float, rate_hz: int) -> npt.NDArray[np.float64]:
    top_hz = min(high_hz, 0.99 * rate_hz / 2)
    if not 0 < low_hz < top_hz:
        raise BadInput(
            f"{low_hz}-{high_hz} Hz", "bandpass", f"0 < low < high, low below {rate_hz / 2:g} Hz", "change them"
        )
    sections: npt.NDArray[np.float64] = butter(_ORDER, (low_hz, top_hz), "bandpass", fs=rate_hz, output="sos")
    return sections

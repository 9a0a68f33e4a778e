"""Volume: one gain for the whole utterance, so that a network cannot lean on the recording level."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ser.data.audio import Wave
from ser.study.settings import setting

VERSION = 1


@dataclass(frozen=True)
class Settings:
    """da Silva et al. name the kind, values are ours."""

    gain_db: tuple[float, float] = setting("range of gains", (-6.0, 6.0), unit="dB", ordered=True)
    seed: int = setting("seed of the draws, beside the utterance and the copy", 6, low=0)


def apply(wave: Wave, rate_hz: int, rng: np.random.Generator, settings: Settings, folder: Path | None) -> Wave:
    """``wave`` times a gain uniform in ``settings.gain_db``; samples may pass 1, they are floats."""
    return wave * np.float32(10 ** (rng.uniform(*settings.gain_db) / 20))

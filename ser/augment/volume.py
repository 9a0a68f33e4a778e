"""Volume: one gain for the whole utterance, so that a network cannot lean on the recording level."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ser.data.audio import Wave


def apply(wave: Wave, rate_hz: int, rng: np.random.Generator, settings: Mapping[str, Any], folder: Path | None) -> Wave:
    """``wave`` times a gain uniform in ``settings["gain_db"]``; samples may pass 1, they are floats."""
    return wave * np.float32(10 ** (rng.uniform(*settings["gain_db"]) / 20))

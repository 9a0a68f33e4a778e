"""MP3 coding and decoding in memory, sample-aligned with the input: what a compressed recording has lost."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from ser.data.audio import Wave, resample
from ser.study.settings import setting

VERSION = 1
_RATES_HZ = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
# LAME tells players of its delay in a first frame that holds no sound. Where the bit rate is so low that the frame
# cannot hold this, the delay stays in: 576 samples of the encoder and 529 of every decoder.
_DELAY = 576 + 529


@dataclass(frozen=True)
class Settings:
    """da Silva et al. name the kind, values are ours."""

    quality: tuple[float, float] = setting(
        "range of compression: 0 has most bits, 1 fewest", (0.5, 0.99), low=0, high=1, ordered=True
    )
    seed: int = setting("seed of the draws, beside the utterance and the copy", 4, low=0)


def apply(wave: Wave, rate_hz: int, rng: np.random.Generator, settings: Settings, folder: Path | None) -> Wave:
    """``wave`` through LAME at a compression level uniform in ``settings.quality`` (0: most bits, 1: fewest).

    A rate that MP3 does not have is coded at the next higher one.
    """
    level = float(rng.uniform(*settings.quality))
    coded_hz = next((r for r in _RATES_HZ if r >= rate_hz), _RATES_HZ[-1])
    gain = np.float32(max(1.0, np.abs(wave).max(initial=0.0)))  # the encoder clips at 1
    decoded = _round_trip(resample(wave / gain, rate_hz, coded_hz), coded_hz, level)
    back = resample(decoded, coded_hz, rate_hz)[: len(wave)] * gain
    return np.pad(back, (0, len(wave) - len(back)))


def _round_trip(wave: Wave, rate_hz: int, level: float) -> Wave:
    file = io.BytesIO()
    soundfile.write(
        file, wave, rate_hz, format="MP3", subtype="MPEG_LAYER_III", compression_level=level, bitrate_mode="CONSTANT"
    )
    file.seek(0)
    decoded, _ = soundfile.read(file, dtype="float32")
    delay = 0 if len(decoded) == len(wave) else _DELAY
    return np.asarray(decoded[delay : delay + len(wave)])

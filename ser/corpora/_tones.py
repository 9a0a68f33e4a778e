"""Made speech for miniatures: the speaker sets the pitch, the emotion the formant and the tremble."""

from pathlib import Path
from zlib import crc32

import numpy as np
import soundfile

from ser.study.labels import EMOTIONS

_KINDS = 13  # of formants: more would lie beyond the band


def write(
    path: Path, rate_hz: int, label: str, speaker: str, seed: int, seconds: float | None = None, channels: int = 1
) -> None:
    """Write a harmonic tone of 0.3 to 0.6 s (or ``seconds``) as 16-bit audio; equal arguments give equal bytes."""
    key = (seed, crc32(f"{speaker}/{path.stem}".encode()))
    rng = np.random.default_rng(key)
    seconds = rng.uniform(0.3, 0.6) if seconds is None else seconds
    time = np.arange(round(seconds * rate_hz)) / rate_hz
    pitch_hz = 90 + crc32(speaker.encode()) % 150 + rng.normal(0, 3)
    kind = EMOTIONS.index(label) % _KINDS
    formant_hz = 300 + 230 * kind
    wave = np.zeros_like(time)
    for harmonic in range(1, int(3800 / pitch_hz)):
        hz = harmonic * pitch_hz
        weight = np.exp(-(((hz - formant_hz) / 250) ** 2))
        if weight > 1e-3:
            wave += weight * np.sin(2 * np.pi * (hz * time + rng.uniform()))
    wave *= 1 + 0.5 * np.sin(2 * np.pi * (3 + kind) * time)
    wave = 0.5 * wave / np.abs(wave).max() + rng.normal(0, 0.003, len(time))
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.repeat(wave[:, None], channels, axis=1), rate_hz, subtype="PCM_16")


def cut_off(path: Path) -> None:
    """Drop the last third of a file, as an interrupted download does."""
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])

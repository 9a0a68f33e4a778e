"""A front-end of a plugin folder, as those of encoders are: layers side by side, batches, float16, one entry for many.

Hidden state k of a frame of 80 samples is its eight sums of ten samples, raised to loudness by k + 1.
"""

from pathlib import Path

SOURCE = '''
"""Layers of sums."""

from dataclasses import dataclass

import numpy as np

from ser.data.audio import UnusableAudio
from ser.study import part
from ser.study.settings import setting

VERSION = 1
LAYERS = 5
BATCHES = []  # samples of the waves of each batch, in the order in which they were computed


@dataclass(frozen=True)
class Settings:
    """Of a test."""

    rate_hz: int = setting("sampling rate", 8000, unit="Hz", low=1)
    layers: int | str = setting("one of them, or all", "all")
    stored: str = setting("numbers of entries", "float32")
    gain: float = setting("factor", 1.0)


def stack(settings):
    return LAYERS if settings.layers == "all" else 1


def width(settings):
    return 8 * stack(settings)


def frames(samples, settings):
    return samples // 80


def extract(wave, settings):
    (features,) = extract_batch([wave], settings)
    return features


def extract_batch(waves, settings):
    BATCHES.append([len(wave) for wave in waves])
    if any(len(wave) < 80 for wave in waves):
        raise UnusableAudio("shorter than a frame")
    layers = range(LAYERS) if settings.layers == "all" else [settings.layers]
    # A batch moves the last bits, as those of a matrix product do.
    scale = np.float32(1 + 1e-6 * len(waves)) * np.float32(settings.gain)
    sums = [wave[: len(wave) // 80 * 80].reshape(-1, 8, 10).sum(2) * scale for wave in waves]
    return [np.concatenate([(k + 1) * s + k for k in layers], axis=1).astype(np.float32) for s in sums]


def batches(samples, settings):
    """Neighbours in length, three at a time."""
    order = sorted(range(len(samples)), key=lambda i: (samples[i], i))
    return [order[at : at + 3] for at in range(0, len(order), 3)]


def container(parts):
    alike = {tuple((k, v) for k, v in p.settings if k != "layers") for p in parts}
    return parts[0].changed(layers="all") if len(alike) == 1 < len(parts) else None


def columns(stated, container):
    k = stated["layers"]
    return slice(0, 8 * LAYERS) if k == "all" else slice(8 * k, 8 * k + 8)
'''


def install(folder: Path) -> str:
    """Writes the front-end ``layered`` into a plugin folder; returns what ``SER_PLUGINS`` has to be."""
    path = folder / "frontends" / "layered.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(SOURCE, encoding="utf-8")
    return str(folder)

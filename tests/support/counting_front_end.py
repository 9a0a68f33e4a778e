"""A front-end as a plugin that leaves a line per utterance it computes, slowly enough to be killed meanwhile."""

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import soundfile

from ser.data import audio
from ser.data.manifest import Utterance
from ser.features.recipe import Recipe
from ser.study import part

SOURCE = '''"""Sums of stretches of 400 samples; a line per utterance goes to a log."""

import os
import time
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from ser.study.settings import setting

VERSION = 1


@dataclass(frozen=True)
class Settings:
    rate_hz: int = setting("sampling rate", 8000, unit="Hz", low=1)
    log: str = setting("a file", "")
    pause_s: float = setting("for each utterance", 0.0, unit="s", low=0)


def width(settings):
    return 2


def frames(samples, settings):
    return samples // 400


def extract(wave, settings):
    with open(settings.log, "a") as log:
        log.write(f"{sha256(wave.tobytes()).hexdigest()} {os.getpid()}\\n")
    time.sleep(settings.pause_s)
    if len(wave) == 1234:
        raise ZeroDivisionError("of the plugin")
    rows = wave[: len(wave) // 400 * 400].reshape(-1, 400)
    return np.stack([rows.sum(1), np.square(rows).sum(1)], 1).astype(np.float32)
'''


def write(plugins: Path) -> None:
    """Writes the plugin into a folder of plugins."""
    (plugins / "frontends").mkdir(parents=True)
    (plugins / "frontends" / "counting.py").write_text(SOURCE)


def recorded(folder: Path, number: int, first: int = 800) -> list[Utterance]:
    """Short noises on disk, as a scan would list them."""
    folder.mkdir(parents=True, exist_ok=True)
    out = []
    for i in range(number):
        path = folder / f"{i}.wav"
        soundfile.write(path, np.random.default_rng(i).normal(0, 0.1, first + 200 * i), 8000, subtype="PCM_16")
        facts = audio.inspect(path)
        extent = {"sha": facts.sha, "bytes": facts.bytes, "seconds": facts.seconds}
        out.append(Utterance(f"c/{i}", "c", str(path), "c/s", "happy", "happy", **extent))
    return out


def recipe_of(utterances: list[Utterance], log: Path, pause_s: float = 0.0) -> Recipe:
    """An entry of the front-end ``counting``."""
    return Recipe("c", part("counting", log=str(log), pause_s=pause_s), None, tuple((u, 0) for u in utterances))


def times(log: Path) -> Counter[str]:
    """How often each utterance was computed."""
    return Counter(line.split()[0] for line in log.read_text().splitlines()) if log.exists() else Counter()


def pids(log: Path) -> list[int]:
    """Processes that computed, in order."""
    return [int(line.split()[1]) for line in log.read_text().splitlines()] if log.exists() else []


def bytes_of(folder: Path) -> dict[str, str]:
    """Names of all files of an entry, and hashes of their bytes."""
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}

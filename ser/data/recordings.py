"""A user's folder of noises or impulse responses, for the augmentations that can use real recordings."""

import hashlib
from functools import cache, lru_cache
from pathlib import Path

import numpy as np

from ser.data.audio import EXTENSIONS, UnusableAudio, Wave, is_audio, load
from ser.errors import BadInput


@cache
def files(folder: Path) -> tuple[Path, ...]:
    """Audio files below ``folder``, sorted by relative name. Raises BadInput where there is none."""
    paths = sorted(p for p in folder.rglob("*") if p.is_file() and is_audio(p))
    if not paths:
        raise BadInput(
            "no audio file",
            str(folder),
            f"files ending in {', '.join(EXTENSIONS)}",
            "point to a folder of recordings, or name none to have them generated",
        )
    return tuple(sorted(paths, key=lambda p: p.relative_to(folder).as_posix()))


def pick(folder: Path, rate_hz: int, rng: np.random.Generator) -> Wave:
    """Returns one recording of ``folder``, drawn by ``rng``, whole: read-only float32 [samples] at ``rate_hz``."""
    paths = files(folder)
    return _recording(paths[rng.integers(len(paths))], rate_hz)


@lru_cache(maxsize=64)
def _recording(path: Path, rate_hz: int) -> Wave:
    try:
        wave = load(path, rate_hz)
    except UnusableAudio as error:
        raise BadInput(
            str(error), str(path), "readable audio", "repair the file or take it out of the folder"
        ) from None
    wave.flags.writeable = False
    return wave


def fingerprint(folder: Path) -> str:
    """``files:<12 hex>`` over the names and bytes of the recordings: what the identity of a trial carries.

    The folder's own place is left out, so that the same recordings elsewhere are the same recordings.
    """
    digest = hashlib.sha256()
    for path in files(folder):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return f"files:{digest.hexdigest()[:12]}"

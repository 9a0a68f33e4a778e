"""What a store entry is made of, and how the features of one of its items are computed."""

import sys
import threading
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

from ser import registry
from ser.data import audio
from ser.data.manifest import Utterance
from ser.study import Part, identity, settings_of


def front_end_width(front_end: Part) -> int:
    """Returns the length of the vectors that a front-end makes. Raises BadInput for settings that do not fit."""
    return int(registry.find("frontends", front_end.name).width(settings_of("frontends", front_end)))


def front_end_stack(front_end: Part) -> int:
    """Returns how many layers of equal width lie one after another in each vector of a front-end; most have one."""
    stack = getattr(registry.find("frontends", front_end.name), "stack", None)
    return int(stack(settings_of("frontends", front_end))) if stack else 1


def front_end_frames(front_end: Part, seconds: float) -> int:
    """Returns how many vectors a front-end makes of an utterance of that length, words left out."""
    settings = settings_of("frontends", front_end)
    return int(registry.find("frontends", front_end.name).frames(round(seconds * settings.rate_hz), settings))


@dataclass(frozen=True)
class Recipe:
    """What an entry is made of. ``items`` are (utterance, copy number); copy 0 without augmentation."""

    corpus: str
    front_end: Part
    augmentation: Part | None
    items: tuple[tuple[Utterance, int], ...]

    @cached_property
    def key(self) -> str:
        """Folder name: readable, and unique by 12 hex digits over content, settings and the versions of the code."""
        content: list[Any] = [(u.uid, copy, u.sha, u.bytes, u.start_s, u.end_s) for u, copy in self.items]
        if _reads_text(self.front_end):
            content.append([u.text for u, _ in self.items])
        statement = [
            self.corpus,
            plain("frontends", self.front_end),
            plain("augment", self.augmentation) if self.augmentation else None,
            audio.VERSION,
            content,
        ]
        kind = self.augmentation.name if self.augmentation else "clean"
        return f"{self.corpus}-{self.front_end.name}-{kind}-{identity(statement)}"

    @cached_property
    def names(self) -> tuple[str, ...]:
        """One name per item: the uid, with ``#<copy>`` for copies."""
        return tuple(f"{u.uid}#{copy}" if self.augmentation else u.uid for u, copy in self.items)

    @property
    def width(self) -> int:
        """Length of the front-end's vectors."""
        return front_end_width(self.front_end)


def plain(kind: str, stated: Part) -> list[Any]:
    """Returns name, version and the full set of settings of a component, for keys and for a person to read."""
    values = vars(settings_of(kind, stated))
    return [stated.name, registry.version(kind, stated.name), dict(sorted(values.items()))]


def _reads_text(front_end: Part) -> bool:
    return bool(getattr(registry.find("frontends", front_end.name), "READS_TEXT", False))


def one_thread() -> None:
    """Let torch, where it is loaded, compute in the calling thread alone.

    How sums are parted among threads decides their last bits, and machines differ in how many there are. A build keeps
    all cores busy with threads of its own, of which each has to say so for itself.
    """
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)


def features_of(recipe: Recipe, utterance: Utterance, copy: int, folder: Path | None) -> npt.NDArray[np.float32]:
    """Decode, resample, augment, extract: float32 [frames, width].

    Raises UnusableAudio, OSError, or BadInput where the file is not as it was scanned.
    """
    front_end, settings = recipe.front_end.name, settings_of("frontends", recipe.front_end)
    one_thread()
    wave = _wave(utterance, settings.rate_hz)
    if recipe.augmentation:
        kind, changes = recipe.augmentation.name, settings_of("augment", recipe.augmentation)
        # The draw depends on the utterance and copy alone: the same bytes in any order, on any worker.
        rng = np.random.default_rng([changes.seed, copy, crc32(utterance.uid.encode())])
        wave = registry.find("augment", kind).apply(wave, settings.rate_hz, rng, changes, folder)
    text = (utterance.text,) if _reads_text(recipe.front_end) else ()
    features: npt.NDArray[np.float32] = registry.find("frontends", front_end).extract(wave, settings, *text)
    assert features.dtype == np.float32, features.dtype
    assert features.shape == (len(features), recipe.width), features.shape
    if not np.isfinite(features).all():
        raise audio.UnusableAudio("features are not finite")
    return np.ascontiguousarray(features)


_last = threading.local()  # the recording that a thread has just decoded, and its path and hash


def _wave(u: Utterance, rate_hz: int) -> audio.Wave:
    """As ``audio.load``, but a recording of many stretches that follow each other is decoded once, not for each."""
    if not u.rate_hz or (u.start_s is None and u.end_s is None):
        return audio.load(u.path, rate_hz, u.start_s, u.end_s, u.sha)
    if getattr(_last, "file", None) != (u.path, u.sha):
        _last.file = None
        _last.wave = audio.load(u.path, u.rate_hz, sha=u.sha)
        _last.file = u.path, u.sha
    return audio.resample(audio.cut(_last.wave, u.rate_hz, u.start_s, u.end_s), u.rate_hz, rate_hz)

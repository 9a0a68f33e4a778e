"""What a store entry is made of, and how the features of its items are computed."""

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from ser import registry
from ser.data import audio
from ser.data.manifest import Utterance
from ser.errors import BadInput
from ser.study import Part, identity, settings_of, stated_settings

Array = npt.NDArray[np.floating[Any]]  # float32 or float16
DTYPES = ("float32", "float16")  # of numbers as entries hold them; whatever reads them computes in float32


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


def front_end_dtype(front_end: Part) -> str:
    """Returns the numbers of entries, "float32" or "float16": the setting ``stored``, where a front-end has it.

    Raises BadInput for others.
    """
    dtype = str(getattr(settings_of("frontends", front_end), "stored", "float32"))
    if dtype not in DTYPES:
        raise BadInput(repr(dtype), f"front_end {front_end.name}.stored", ", ".join(DTYPES), "choose one of them")
    return dtype


def columns_of(front_end: Part, container: Part) -> slice | None:
    """Returns which columns of a container's vectors are a front-end's; None where all are."""
    if container == front_end:
        return None
    columns: slice | None = registry.find("frontends", front_end.name).columns(front_end, container)
    assert columns is not None, (front_end, container)
    return None if columns == slice(0, front_end_width(container)) else columns


def is_batched(front_end: Part) -> bool:
    """Returns whether a front-end computes several utterances at once."""
    return hasattr(registry.find("frontends", front_end.name), "extract_batch")


def segment_frames(front_end: Part) -> int:
    """Returns the frames of each item where a front-end cuts an utterance into several; 0 where it is one item."""
    return int(getattr(settings_of("frontends", front_end), "patch", 0))


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
        if reads_text(self.front_end):
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

    @property
    def dtype(self) -> str:
        """The numbers that an entry holds, "float32" or "float16"."""
        return front_end_dtype(self.front_end)

    @cached_property
    def frames(self) -> tuple[int, ...]:
        """How many vectors each item will have, by its duration alone."""
        settings = settings_of("frontends", self.front_end)
        frames = registry.find("frontends", self.front_end.name).frames
        return tuple(int(frames(round(u.seconds * settings.rate_hz), settings)) for u, _ in self.items)

    @property
    def frame_bytes(self) -> int:
        """Size of a vector as an entry holds it."""
        return self.width * np.dtype(self.dtype).itemsize

    @property
    def bytes(self) -> int:
        """Size of the entry's features, by the durations alone."""
        return sum(self.frames) * self.frame_bytes


def plain(kind: str, stated: Part) -> list[Any]:
    """Returns name, version and the full set of settings of a component, for keys and for a person to read."""
    values = vars(stated_settings(kind, stated))
    return [stated.name, registry.version(kind, stated.name), dict(sorted(values.items()))]


def reads_text(front_end: Part) -> bool:
    """Returns whether a front-end takes the words of an utterance, too."""
    return bool(getattr(registry.find("frontends", front_end.name), "READS_TEXT", False))


def one_thread() -> None:
    """Let torch, where it is loaded, compute in the calling thread alone.

    How sums are parted among threads decides their last bits, and machines differ in how many there are. A build keeps
    all cores busy with threads of its own, of which each has to say so for itself.
    """
    if torch := _torch():
        torch.set_num_threads(1)


def one_blas_thread() -> AbstractContextManager[object]:
    """In this context NumPy's and SciPy's products take one thread, whichever thread of this process computes them.

    How many there are would decide the last bits of their sums, too. And BLAS's threads spin while they wait for the
    next product: features of an utterance that are hundreds of small ones take two to three times as long.
    """
    limits: AbstractContextManager[object] = threadpool_limits(1, user_api="blas")
    return limits


def _torch() -> ModuleType | None:
    """Returns torch where it is loaded, whole: where another thread is just importing it, this waits for that."""
    return import_module("torch") if "torch" in sys.modules else None


@contextmanager
def alone() -> Iterator[None]:
    """As ``one_thread``, for a while, NumPy's products included."""
    torch = _torch()
    threads = torch.get_num_threads() if torch else 1
    one_thread()
    try:
        with one_blas_thread():
            yield
    finally:
        if torch:
            torch.set_num_threads(threads)


def wave_of(recipe: Recipe, utterance: Utterance, copy: int, folder: Path | None) -> audio.Wave:
    """Decode, resample, augment: float32 [samples] at the front-end's rate.

    Raises UnusableAudio, OSError, or BadInput where the file is not as it was scanned.
    """
    rate_hz = settings_of("frontends", recipe.front_end).rate_hz
    one_thread()
    wave = _wave(utterance, rate_hz)
    if recipe.augmentation:
        kind, changes = recipe.augmentation.name, settings_of("augment", recipe.augmentation)
        # The draw depends on the utterance and copy alone: the same bytes in any order, on any worker.
        rng = np.random.default_rng([changes.seed, copy, crc32(utterance.uid.encode())])
        wave = registry.find("augment", kind).apply(wave, rate_hz, rng, changes, folder)
    return wave


def features_of(recipe: Recipe, utterance: Utterance, copy: int, folder: Path | None) -> Array:
    """Decode, resample, augment, extract: [frames, width], float32 or what the entry holds.

    Raises UnusableAudio, OSError, or BadInput where the file is not as it was scanned.
    """
    return features_of_wave(recipe.front_end, wave_of(recipe, utterance, copy, folder), utterance.text)


def features_of_wave(front_end: Part, wave: audio.Wave, text: str) -> Array:
    """Returns the features [frames, width] of a waveform at the front-end's rate, and of its words where it reads such.

    They are float32, or what an entry holds. Raises UnusableAudio, and BadInput for numbers that float16 cannot hold.
    """
    words, settings = (text,) if reads_text(front_end) else (), settings_of("frontends", front_end)
    return _stored(front_end, registry.find("frontends", front_end.name).extract(wave, settings, *words))


def batches_of(recipe: Recipe, samples: Sequence[int]) -> list[list[int]]:
    """Returns which waves of so many samples a front-end computes at once, each in one batch."""
    front_end, settings = registry.find("frontends", recipe.front_end.name), settings_of("frontends", recipe.front_end)
    batches: list[list[int]] = front_end.batches(samples, settings)
    assert sorted(i for batch in batches for i in batch) == list(range(len(samples))), batches
    return batches


def features_of_batch(recipe: Recipe, waves: Sequence[audio.Wave]) -> list[Array | audio.UnusableAudio]:
    """Returns the features of waves that are computed at once, each [frames, width], or why a wave has none."""
    front_end, settings = registry.find("frontends", recipe.front_end.name), settings_of("frontends", recipe.front_end)
    try:
        arrays = front_end.extract_batch(waves, settings)
    except audio.UnusableAudio as error:  # of one of them: alone, the others are what they are
        return [features_of_batch(recipe, [wave])[0] for wave in waves] if len(waves) > 1 else [error]
    outcomes: list[Array | audio.UnusableAudio] = []
    for array in arrays:
        try:
            outcomes.append(_stored(recipe.front_end, array))
        except audio.UnusableAudio as error:
            outcomes.append(error)
    assert len(outcomes) == len(waves), (len(outcomes), len(waves))
    return outcomes


def _stored(front_end: Part, features: npt.NDArray[np.float32]) -> Array:
    """Returns features as the entry holds them. Raises UnusableAudio for NaN, BadInput for what is beyond float16."""
    assert features.dtype == np.float32, features.dtype
    assert features.shape == (len(features), front_end_width(front_end)), features.shape
    if not np.isfinite(features).all():
        raise audio.UnusableAudio("features are not finite")
    if front_end_dtype(front_end) == "float32":
        return np.ascontiguousarray(features)
    with np.errstate(over="ignore", under="ignore"):  # the first is an error below, the second is rounding
        halves = np.ascontiguousarray(features, np.float16)
    if not np.isfinite(halves).all():
        # No fault of the utterance. Were it refused, it would lack one front-end's trials where its entry holds others.
        value, remedy = f"features up to {float(np.abs(features).max()):.3g}", "--set front_end.stored=float32"
        raise BadInput(value, f"front_end {front_end.name}.stored", "65504 at most in float16", remedy)
    return halves


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

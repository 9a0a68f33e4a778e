"""Linear spectrograms in decibels as images of one size, or as pieces of one length: paper 004, rows 1, 5, 12 and 14.

Silence cut out, cropped or padded, spectra, levels, squeezed to an image, scaled; each step but the spectra may be off.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.sparse import csr_array

from ser.errors import BadInput
from ser.frontends import _mel, _short_time

USES = (_mel, _short_time)
_WORDS = {"crop": ("start", "centre"), "scale": ("image", "none"), "rest": ("pad", "drop")}
_LEAST_POWER = 1e-10  # -100 dB, below all that 16 bits can say


def example() -> dict[str, Any]:
    """Badshah et al. 2017: 16 kHz, images of 256 × 256; what they do not say is ours."""
    return {
        "rate_hz": 16000,
        "silence_db": 0.0,  # 0: nothing is cut out
        "silence_ms": 20.0,
        "seconds": 0.0,  # 0: as long as the recording is
        "crop": "start",
        "window": 512,
        "hop": 128,
        "fft": 512,
        "low_hz": 20.0,  # of 257 bins all but that of 0 Hz
        "high_hz": 8000.0,
        "top_db": 80.0,
        "bins": 256,  # 0: as many as there are between the limits
        "rows": 256,  # 0: as many as there are frames
        "scale": "image",
        "patch": 0,  # 0: one item of each utterance
        "step": 0,
        "rest": "pad",
    }


def width(settings: Mapping[str, Any]) -> int:
    """Bins of the image. Raises BadInput for limits between which there is none."""
    band = _band(settings)
    return int(settings["bins"]) or band.stop - band.start


def frames(samples: int, settings: Mapping[str, Any]) -> int:
    """Frames of a wave of so many samples; with ``patch``, a multiple of it. Raises BadInput as ``extract`` does."""
    _check(settings)
    natural = 1 + (_length(samples, settings) - int(settings["window"])) // int(settings["hop"])
    if patch := int(settings["patch"]):
        return patch * (1 + (natural - patch) // int(settings["step"]))
    return int(settings["rows"]) or natural


def extract(wave: npt.NDArray[np.float32], settings: Mapping[str, Any]) -> npt.NDArray[np.float32]:
    """float32 [frames, width]: 10 log10 of power, in dB, no lower than ``top_db`` under the greatest or -100.

    Periodic Hann window, no centring; a wave shorter than a window is padded to it. What settings do, in this order:

    - ``silence_db``: pieces of ``silence_ms`` whose mean power is by more than that under the loudest piece's are cut
      out
    - ``seconds``: the rest is cropped at the end (``crop`` "start") or at both ("centre"), or padded there with zeros
    - ``scale`` "image": levels go from 0, at ``top_db`` under the greatest, to 1, at it; silence is 0 all over
    - ``patch``: pieces of so many frames follow each other every ``step`` frames; the last is padded with zeros or,
      where it is not the only one, dropped (``rest``)
    - ``rows`` and ``bins``: the image is averaged by area to that size, or stretched

    Raises BadInput for what does not go together.
    """
    _check(settings)
    samples = torch.from_numpy(_fitted(_loud(wave, settings), settings))
    power = _mel.powers(samples, int(settings["window"]), int(settings["hop"]), int(settings["fft"]))
    levels = power[:, _band(settings)].clamp_(min=_LEAST_POWER).log10_().mul_(10)
    greatest, top_db = float(levels.max()), float(settings["top_db"])
    levels.clamp_(min=greatest - top_db)
    if settings["scale"] == "image":
        silent = greatest <= 10 * np.log10(_LEAST_POWER)
        levels = torch.zeros_like(levels) if silent else levels.sub_(greatest - top_db).div_(top_db)
    if patch := int(settings["patch"]):
        levels = levels.unfold(0, patch, int(settings["step"])).transpose(1, 2).reshape(-1, levels.shape[1])
    image = _averaged(levels.numpy(), int(settings["rows"]))
    return np.ascontiguousarray(_averaged(image.T, int(settings["bins"])).T, np.float32)


def _check(settings: Mapping[str, Any]) -> None:
    """Raises BadInput for settings that mean nothing, by themselves or together."""
    for name, words in _WORDS.items():
        if settings[name] not in words:
            raise BadInput(repr(settings[name]), f"front_end.{name}", ", ".join(words), "choose one of these")
    for name in ("silence_db", "seconds", "bins", "rows", "patch", "step"):
        if settings[name] < 0:
            raise BadInput(str(settings[name]), f"front_end.{name}", "0 or more", "take 0 to do without")
    for name in ("silence_ms", "hop", "top_db"):
        if settings[name] <= 0:
            raise BadInput(str(settings[name]), f"front_end.{name}", "more than 0", "mend the study")
    told = ", ".join(f"{name} {settings[name]:g}" for name in ("patch", "step", "seconds", "rows", "silence_db"))
    place = "front_end.patch, step, seconds, rows, silence_db"
    if settings["patch"] and (not settings["step"] or any(settings[n] for n in ("seconds", "rows", "silence_db"))):
        allowed = "with patch a step, and no seconds, rows or silence_db, as pieces are of the recording as it is"
        raise BadInput(told, place, allowed, "take patch 0 for one image of each utterance")
    if settings["silence_db"] and not (settings["seconds"] or settings["rows"]):
        allowed = "silence_db with seconds or rows, as the number of frames is to be known beforehand"
        raise BadInput(told, place, allowed, "state either, or take silence_db 0")


def _band(settings: Mapping[str, Any]) -> slice:
    """The bins from ``low_hz`` to ``high_hz``, both included."""
    rate_hz, fft = int(settings["rate_hz"]), int(settings["fft"])
    low_hz, high_hz = float(settings["low_hz"]), float(settings["high_hz"])
    first, last = int(np.ceil(low_hz * fft / rate_hz)), int(np.floor(high_hz * fft / rate_hz))
    if not 0 <= first <= last <= fft // 2:
        allowed = f"a bin of {rate_hz / fft:g} Hz between them, from 0 to {rate_hz / 2:g}"
        raise BadInput(f"{low_hz:g} and {high_hz:g}", "front_end.low_hz, front_end.high_hz", allowed, "mend the study")
    return slice(first, last + 1)


def _loud(wave: npt.NDArray[np.float32], settings: Mapping[str, Any]) -> npt.NDArray[np.float32]:
    """The wave without its quiet pieces. The loudest stays in any case; of a wave of zeros every piece is loudest."""
    below_db, size = float(settings["silence_db"]), round(float(settings["silence_ms"]) * settings["rate_hz"] / 1000)
    if not below_db:
        return wave
    starts = np.arange(0, len(wave), max(1, size))
    lengths = np.diff(starts, append=len(wave))
    power = np.add.reduceat(np.square(wave, dtype=np.float64), starts) / lengths
    return np.asarray(wave[np.repeat(power >= power.max() * 10 ** (-below_db / 10), lengths)])


def _length(samples: int, settings: Mapping[str, Any]) -> int:
    """Samples that a wave of so many is cropped or padded to."""
    window, hop, patch = int(settings["window"]), int(settings["hop"]), int(settings["patch"])
    if patch:
        beyond, step = _short_time.count(samples, window, hop) - patch, int(settings["step"])
        more = max(0, beyond // step if settings["rest"] == "drop" else -(-beyond // step))
        return window + (patch + more * step - 1) * hop
    return max(window, round(float(settings["seconds"]) * int(settings["rate_hz"])) or samples)


def _fitted(wave: npt.NDArray[np.float32], settings: Mapping[str, Any]) -> npt.NDArray[np.float32]:
    """The wave cropped or padded to ``_length``."""
    missing = _length(len(wave), settings) - len(wave)
    before = 0 if settings["crop"] == "start" or settings["patch"] else abs(missing) // 2
    if missing < 0:
        return wave[before : before + len(wave) + missing]
    return np.pad(wave, (before, missing - before))


def _averaged(levels: npt.NDArray[np.float32], rows: int) -> npt.NDArray[np.float32]:
    """[n, m] -> [rows, m], each the mean over its n / rows of the n; as it is where rows is 0 or n."""
    return levels if rows in (0, len(levels)) else np.asarray(_shares(len(levels), rows) @ levels)


@lru_cache(maxsize=256)
def _shares(given: int, wanted: int) -> csr_array:
    """[wanted, given], rows of sum 1: the overlap of ``given`` and of ``wanted`` stretches of one line."""
    edges = np.unique(np.concatenate([np.arange(given + 1) * wanted, np.arange(wanted + 1) * given]))
    begin, shares = edges[:-1], np.diff(edges) / given
    return csr_array((shares.astype(np.float32), (begin // given, begin // wanted)), shape=(wanted, given))

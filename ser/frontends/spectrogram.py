"""Linear spectrograms in decibels as images of one size or pieces of one length: Pinto et al., rows 1, 5, 12 and 14.

Silence cut out, cropped or padded, spectra, levels, squeezed to an image, scaled; each step but the spectra may be off.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from scipy.sparse import csr_array

from ser.errors import BadInput
from ser.frontends import _mel, _short_time
from ser.study.settings import setting

VERSION = 1
_OF_IMAGES = ("seconds", "rows", "silence_db")  # settings that make one image of an utterance
_LEAST_POWER = 1e-10  # -100 dB, below all that 16 bits can say


@dataclass(frozen=True)
class Settings:
    """The settings of Badshah et al. 2017: 16 kHz, images of 256 × 256; what they do not say is ours."""

    rate_hz: int = setting("sampling rate of the waveform", 16000, unit="Hz", low=1)
    silence_db: float = setting(
        "quieter pieces than that below the loudest are cut out; 0: none", 0.0, unit="dB", low=0
    )
    silence_ms: float = setting("length of such a piece", 20.0, unit="ms", above=0)
    seconds: float = setting("length that waves are cropped or padded to; 0: as long as they are", 0.0, unit="s", low=0)
    crop: str = setting("which part of a longer wave stays", "start", choices=("start", "centre"))
    window: int = setting("length of a window", 512, unit="samples", low=1)
    hop: int = setting("from one window to the next", 128, unit="samples", low=1)
    fft: int = setting("length of the transform, no shorter than the window", 512, unit="samples", low=2)
    low_hz: float = setting("lowest bin; with 20 Hz all of 257 but that of 0 Hz", 20.0, unit="Hz", low=0)
    high_hz: float = setting("highest bin, at most half the rate", 8000.0, unit="Hz", low=0)
    top_db: float = setting("levels lie no further below the greatest", 80.0, unit="dB", above=0)
    bins: int = setting("bins of the image; 0: as many as lie between the limits", 256, low=0)
    rows: int = setting("rows of the image; 0: as many as there are frames", 256, low=0)
    scale: str = setting("levels from 0 to 1, or in dB", "image", choices=("image", "none"))
    patch: int = setting("frames of a piece; 0: one item of each utterance", 0, unit="frames", low=0)
    step: int = setting("from one piece to the next", 0, unit="frames", low=0)
    rest: str = setting("what becomes of a last piece that is shorter", "pad", choices=("pad", "drop"))


def width(settings: Settings) -> int:
    """Returns the bins of the image. Raises BadInput for limits between which there is none."""
    band = _band(settings)
    return settings.bins or band.stop - band.start


def frames(samples: int, settings: Settings) -> int:
    """Frames of a wave of so many samples; with ``patch``, a multiple of it. Raises BadInput as ``extract`` does."""
    _check(settings)
    natural = 1 + (_length(samples, settings) - settings.window) // settings.hop
    if patch := settings.patch:
        return patch * (1 + (natural - patch) // settings.step)
    return settings.rows or natural


def extract(wave: npt.NDArray[np.float32], settings: Settings) -> npt.NDArray[np.float32]:
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
    power = _mel.powers(samples, settings.window, settings.hop, settings.fft)
    levels = power[:, _band(settings)].clamp_(min=_LEAST_POWER).log10_().mul_(10)
    greatest, top_db = float(levels.max()), settings.top_db
    levels.clamp_(min=greatest - top_db)
    if settings.scale == "image":
        silent = greatest <= 10 * np.log10(_LEAST_POWER)
        levels = torch.zeros_like(levels) if silent else levels.sub_(greatest - top_db).div_(top_db)
    if patch := settings.patch:
        levels = levels.unfold(0, patch, settings.step).transpose(1, 2).reshape(-1, levels.shape[1])
    image = _averaged(levels.numpy(), settings.rows)
    return np.ascontiguousarray(_averaged(image.T, settings.bins).T, np.float32)


def _check(settings: Settings) -> None:
    """Raises BadInput for settings that mean nothing together."""
    value = ", ".join(f"{name} {getattr(settings, name):g}" for name in ("patch", "step", *_OF_IMAGES))
    place = "front_end.patch, step, seconds, rows, silence_db"
    if settings.patch and (not settings.step or any(getattr(settings, name) for name in _OF_IMAGES)):
        allowed = "with patch a step, and no seconds, rows or silence_db, as pieces are of the recording as it is"
        raise BadInput(value, place, allowed, "take patch 0 for one image of each utterance")
    if settings.silence_db and not (settings.seconds or settings.rows):
        allowed = "silence_db with seconds or rows, as the number of frames is to be known beforehand"
        raise BadInput(value, place, allowed, "state either, or take silence_db 0")


def _band(settings: Settings) -> slice:
    """Returns the bins from ``low_hz`` to ``high_hz``, both included."""
    rate_hz, fft = settings.rate_hz, settings.fft
    low_hz, high_hz = settings.low_hz, settings.high_hz
    first, last = int(np.ceil(low_hz * fft / rate_hz)), int(np.floor(high_hz * fft / rate_hz))
    if not 0 <= first <= last <= fft // 2:
        allowed = f"a bin of {rate_hz / fft:g} Hz between them, from 0 to {rate_hz / 2:g}"
        raise BadInput(
            f"{low_hz:g} and {high_hz:g}", "front_end.low_hz, front_end.high_hz", allowed, "change the study"
        )
    return slice(first, last + 1)


def _loud(wave: npt.NDArray[np.float32], settings: Settings) -> npt.NDArray[np.float32]:
    """The wave without its quiet pieces. The loudest stays in any case; of a wave of zeros every piece is loudest."""
    below_db, size = settings.silence_db, round(settings.silence_ms * settings.rate_hz / 1000)
    if not below_db:
        return wave
    starts = np.arange(0, len(wave), max(1, size))
    lengths = np.diff(starts, append=len(wave))
    power = np.add.reduceat(np.square(wave, dtype=np.float64), starts) / lengths
    return np.asarray(wave[np.repeat(power >= power.max() * 10 ** (-below_db / 10), lengths)])


def _length(samples: int, settings: Settings) -> int:
    """Returns the number of samples that a wave of so many is cropped or padded to."""
    window, hop, patch = settings.window, settings.hop, settings.patch
    if patch:
        beyond, step = _short_time.count(samples, window, hop) - patch, settings.step
        more = max(0, beyond // step if settings.rest == "drop" else -(-beyond // step))
        return window + (patch + more * step - 1) * hop
    return max(window, round(settings.seconds * settings.rate_hz) or samples)


def _fitted(wave: npt.NDArray[np.float32], settings: Settings) -> npt.NDArray[np.float32]:
    """Returns the wave cropped or padded to ``_length``."""
    missing = _length(len(wave), settings) - len(wave)
    before = 0 if settings.crop == "start" or settings.patch else abs(missing) // 2
    if missing < 0:
        return wave[before : before + len(wave) + missing]
    return np.pad(wave, (before, missing - before))


def _averaged(levels: npt.NDArray[np.float32], rows: int) -> npt.NDArray[np.float32]:
    """[n, m] -> [rows, m], each the mean over its n / rows of the n; as it is where rows is 0 or n."""
    return levels if rows in (0, len(levels)) else np.asarray(_shares(len(levels), rows) @ levels)


@lru_cache(maxsize=256)
def _shares(before: int, after: int) -> csr_array:
    """[wanted, given], rows of sum 1: the overlap of ``before`` and of ``after`` stretches of one line."""
    edges = np.unique(np.concatenate([np.arange(before + 1) * after, np.arange(after + 1) * before]))
    begin, shares = edges[:-1], np.diff(edges) / before
    return csr_array((shares.astype(np.float32), (begin // before, begin // after)), shape=(after, before))

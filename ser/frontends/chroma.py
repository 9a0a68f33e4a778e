"""Chroma: how much of each frame lies in each of the twelve pitch classes, C to B: Pinto et al., section 4 D.

[frames, 12]. The filters are Ellis's (Chroma feature analysis and synthesis, 2007), and so are librosa's, to which the
values are equal for A at 440 Hz; frames = 1 + (samples - window) // hop, a wave shorter than one padded with zeros.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import torch

from ser.frontends import _mel, _short_time
from ser.study.settings import setting

VERSION = 1
_CLASSES, _A0_HZ, _C_FROM_A = 12, 27.5, 3


@dataclass(frozen=True)
class Settings:
    """librosa's settings; Pinto et al. name none. Bins 8 Hz apart tell semitones apart from C3 on."""

    rate_hz: int = setting("sampling rate of the waveform", 16000, unit="Hz", low=1)
    window: int = setting("length of a window", 2048, unit="samples", low=1)
    hop: int = setting("from one window to the next", 512, unit="samples", low=1)
    octave: float = setting("octaves above 27.5 Hz around which bins count most", 5.0)
    octaves: float = setting("standard deviation of that Gaussian", 2.0, unit="octaves", above=0)
    norm: str = setting("what a frame is divided by", "max", choices=("max", "sum", "none"))


def width(settings: Settings) -> int:
    """Pitch classes."""
    return _CLASSES


def frames(samples: int, settings: Settings) -> int:
    """Returns the number of frames of a wave of so many samples."""
    return _short_time.count(samples, settings.window, settings.hop)


def extract(wave: npt.NDArray[np.float32], settings: Settings) -> npt.NDArray[np.float32]:
    """float32 [frames, 12] of power spectra under a periodic Hann window; a silent frame is 0 throughout.

    A bin counts the more, the nearer it is to ``octave`` octaves above 27.5 Hz: by a Gaussian with a standard deviation
    of ``octaves``. ``norm``: each frame is divided by its greatest value ("max") or its sum ("sum"), or left as it is
    ("none").
    """
    window = settings.window
    samples = torch.from_numpy(_short_time.padded(wave, window))
    bank = _bank(settings.rate_hz, window, settings.octave, settings.octaves)
    classes = _mel.weighed(samples, window, settings.hop, window, bank)
    if settings.norm != "none":
        size = classes.amax(1, keepdim=True) if settings.norm == "max" else classes.sum(1, keepdim=True)
        classes /= torch.where(size < torch.finfo(torch.float32).tiny, 1.0, size)
    return classes.numpy()


@cache
def _bank(rate_hz: int, fft: int, octave: float, octaves: float) -> _mel.Bank:
    return _mel.Bank(_filters(rate_hz, fft, octave, octaves))


def _filters(rate_hz: int, fft: int, octave: float, octaves: float) -> torch.Tensor:
    """[fft // 2 + 1, 12]: each bin's share in each class, of length 1 for each bin, times how much the bin counts.

    A bin lies on the classes as its frequency in semitones does, with a Gaussian as wide as the bin, and at least a
    semitone, is. The bin of 0 Hz is placed one and a half octaves under the next: it has no pitch.
    """
    hz = np.arange(1, fft // 2 + 2) * rate_hz / fft
    semitones = _CLASSES * np.log2(hz / _A0_HZ)
    semitones = np.concatenate([semitones[:1] - 1.5 * _CLASSES, semitones])
    widths = np.maximum(np.diff(semitones), 1.0)[:, None]
    bins = semitones[:-1]
    half = _CLASSES // 2
    apart = np.mod(bins[:, None] - np.arange(_CLASSES) + half, _CLASSES) - half
    weights = np.exp(-0.5 * np.square(2 * apart / widths))
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    weights *= np.exp(-0.5 * np.square((bins / _CLASSES - octave) / octaves))[:, None]
    return torch.from_numpy(np.roll(weights, -_C_FROM_A, axis=1).astype(np.float32))

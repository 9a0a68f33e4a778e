"""Log-mel patches as VGGish wants them, of segments of about a second: Sahoo et al., sections 3.1, 3.2 and Table 1.

Three ways to cut an utterance, for the paper's text and the code that made its numbers do not agree:

* ``nonoverlap``: seconds that follow each other, the last filled up with zeros; of each, its first ``patch`` frames.
  27,935 segments of IEMOCAP's four classes, as in Table 1.
* ``overlap_repo``: every half second a piece of one second (the last two shorter), all pieces joined to one signal, at
  least half a second of zeros behind it, and patches that follow each other in the spectrogram of that signal. They
  are 0.96 s long, so they drift against the pieces and straddle them. 51,180 segments, as in Table 1.
* ``overlap_textbook``: a window of one second every half second until one reaches the end, the last filled up with
  zeros: what the text says. 47,504 segments.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from ser.errors import BadInput
from ser.frontends import _mel
from ser.study.settings import setting

VERSION = 1


@dataclass(frozen=True)
class Settings:
    """The constants of VGGish, which Sahoo et al. use."""

    rate_hz: int = setting("sampling rate of the waveform", 16000, unit="Hz", low=1)
    window: int = setting("length of a window", 400, unit="samples", low=1)
    hop: int = setting("from one window to the next", 160, unit="samples", low=1)
    fft: int = setting("length of the transform, no shorter than the window", 512, unit="samples", low=2)
    mels: int = setting("mel bands", 64, low=1)
    low_hz: float = setting("lower limit of the bands", 125.0, unit="Hz", low=0)
    high_hz: float = setting("upper limit of the bands, at most half the rate", 7500.0, unit="Hz", above=0)
    floor: float = setting("added to mel magnitudes before the logarithm", 0.01, above=0)
    patch: int = setting("frames of a segment", 96, unit="frames", low=1)
    segmentation: str = setting(
        "how an utterance is cut", "nonoverlap", choices=("nonoverlap", "overlap_repo", "overlap_textbook")
    )


def width(settings: Settings) -> int:
    """Mel bins."""
    return settings.mels


def segments(samples: int, settings: Settings) -> int:
    """Returns how many segments a wave of so many samples gives."""
    second = settings.rate_hz
    half = second // 2
    match settings.segmentation:
        case "nonoverlap":
            return max(1, -(-samples // second))
        case "overlap_textbook":
            return max(1, -(-samples // half) - 1)
        case _:  # overlap_repo
            joined = sum(min(second, samples - start) for start in range(0, samples, half))
            frames = 1 + (joined + _silence(joined, second) - settings.window) // settings.hop
            return frames // settings.patch


def frames(samples: int, settings: Settings) -> int:
    """Returns the number of frames of a wave of so many samples, of all its segments together."""
    return segments(samples, settings) * settings.patch


def extract(wave: npt.NDArray[np.float32], settings: Settings) -> npt.NDArray[np.float32]:
    """log(mel + floor), natural, float32 [segments · patch, mels]: segment after segment, each of ``patch`` frames.

    Magnitudes, no centring, periodic Hann; triangles of peak 1 in HTK's mel. The spectra of an utterance are computed
    once, and segments cut from them: a half second is a whole number of hops. Raises BadInput where it is not, or where
    a patch does not fit into a second.
    """
    window, hop, patch = settings.window, settings.hop, settings.patch
    second = settings.rate_hz
    count = segments(len(wave), settings)
    if settings.segmentation == "overlap_repo":
        samples, step = _joined(wave, second), patch
    else:
        stride = second if settings.segmentation == "nonoverlap" else second // 2
        if stride % hop or patch > 1 + (second - window) // hop:
            allowed = f"divisors of {stride} with {patch} frames in a second"
            raise BadInput(str(hop), "front_end.hop", allowed, "take VGGish's 16000 Hz, window 400, hop 160, patch 96")
        samples, step = np.pad(wave, (0, (count - 1) * stride + second - len(wave))), stride // hop
    limits = settings.low_hz, settings.high_hz
    bank = _mel.htk_bank(settings.rate_hz, settings.fft, settings.mels, *limits, torch.float32)
    mel = _mel.weighed(torch.from_numpy(samples), window, hop, settings.fft, bank, magnitudes=True)
    logarithm = mel.add_(settings.floor).log_()
    patches = logarithm.unfold(0, patch, step)[:count]  # [segments, mels, patch]
    return np.ascontiguousarray(patches.transpose(1, 2).reshape(count * patch, -1).numpy())


def _joined(wave: npt.NDArray[np.float32], second: int) -> npt.NDArray[np.float32]:
    pieces = [wave[start : start + second] for start in range(0, len(wave), second // 2)]
    joined = sum(map(len, pieces))
    return np.concatenate([*pieces, np.zeros(_silence(joined, second), np.float32)])


def _silence(joined: int, second: int) -> int:
    return second - joined % (second // 2)

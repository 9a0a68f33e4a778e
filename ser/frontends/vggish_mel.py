"""Log-mel patches as VGGish wants them, of segments of about a second: paper 002, sections 3.1, 3.2 and Table 1.

Three ways to cut an utterance, for the paper's text and the code that made its numbers do not agree:

* ``nonoverlap``: seconds that follow each other, the last filled up with zeros; of each, its first ``patch`` frames.
  27,935 segments of IEMOCAP's four classes, as in Table 1.
* ``overlap_repo``: every half second a piece of one second (the last two shorter), all pieces joined to one signal, at
  least half a second of zeros behind it, and patches that follow each other in the spectrogram of that signal. They
  are 0.96 s long, so they drift against the pieces and straddle them. 51,180 segments, as in Table 1.
* ``overlap_textbook``: a window of one second every half second until one reaches the end, the last filled up with
  zeros: what the text says. 47,504 segments.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ser.errors import BadInput
from ser.frontends import _mel

USES = (_mel,)
_WAYS = ("nonoverlap", "overlap_repo", "overlap_textbook")


def example() -> dict[str, Any]:
    """The constants of VGGish, which are the paper's."""
    return {
        "rate_hz": 16000,
        "window": 400,
        "hop": 160,
        "fft": 512,
        "mels": 64,
        "low_hz": 125.0,
        "high_hz": 7500.0,
        "floor": 0.01,
        "patch": 96,
        "segmentation": "nonoverlap",
    }


def width(settings: Mapping[str, Any]) -> int:
    """Mel bins."""
    return int(settings["mels"])


def segments(samples: int, settings: Mapping[str, Any]) -> int:
    """How many segments a wave of so many samples gives. Raises BadInput for a ``segmentation`` that is not known."""
    second = int(settings["rate_hz"])
    half = second // 2
    match settings["segmentation"]:
        case "nonoverlap":
            return max(1, -(-samples // second))
        case "overlap_textbook":
            return max(1, -(-samples // half) - 1)
        case "overlap_repo":
            joined = sum(min(second, samples - start) for start in range(0, samples, half))
            frames = 1 + (joined + _silence(joined, second) - int(settings["window"])) // int(settings["hop"])
            return frames // int(settings["patch"])
        case other:
            raise BadInput(repr(other), "front_end.segmentation", ", ".join(_WAYS), "choose one of these")


def frames(samples: int, settings: Mapping[str, Any]) -> int:
    """Frames of a wave of so many samples, of all its segments together."""
    return segments(samples, settings) * int(settings["patch"])


def extract(wave: npt.NDArray[np.float32], settings: Mapping[str, Any]) -> npt.NDArray[np.float32]:
    """log(mel + floor), natural, float32 [segments · patch, mels]: segment after segment, each of ``patch`` frames.

    Magnitudes, no centring, periodic Hann; triangles of peak 1 in HTK's mel. The spectra of an utterance are computed
    once, and segments cut from them: a half second is a whole number of hops. Raises BadInput where it is not, or where
    a patch does not fit into a second.
    """
    window, hop, patch = int(settings["window"]), int(settings["hop"]), int(settings["patch"])
    second = int(settings["rate_hz"])
    count = segments(len(wave), settings)
    if settings["segmentation"] == "overlap_repo":
        samples, step = _joined(wave, second), patch
    else:
        stride = second if settings["segmentation"] == "nonoverlap" else second // 2
        if stride % hop or patch > 1 + (second - window) // hop:
            allowed = f"divisors of {stride} with {patch} frames in a second"
            raise BadInput(str(hop), "front_end.hop", allowed, "take VGGish's 16000 Hz, window 400, hop 160, patch 96")
        samples, step = np.pad(wave, (0, (count - 1) * stride + second - len(wave))), stride // hop
    power = _mel.powers(torch.from_numpy(samples), window, hop, int(settings["fft"]))
    logarithm = (power.sqrt_() @ _filters(settings)).add_(float(settings["floor"])).log_()
    patches = logarithm.unfold(0, patch, step)[:count]  # [segments, mels, patch]
    return np.ascontiguousarray(patches.transpose(1, 2).reshape(count * patch, -1).numpy())


def _joined(wave: npt.NDArray[np.float32], second: int) -> npt.NDArray[np.float32]:
    pieces = [wave[start : start + second] for start in range(0, len(wave), second // 2)]
    joined = sum(map(len, pieces))
    return np.concatenate([*pieces, np.zeros(_silence(joined, second), np.float32)])


def _silence(joined: int, second: int) -> int:
    return second - joined % (second // 2)


def _filters(settings: Mapping[str, Any]) -> torch.Tensor:
    rate_hz, fft, mels = int(settings["rate_hz"]), int(settings["fft"]), int(settings["mels"])
    return _single(rate_hz, fft, mels, float(settings["low_hz"]), float(settings["high_hz"]))


@cache
def _single(rate_hz: int, fft: int, mels: int, low_hz: float, high_hz: float) -> torch.Tensor:
    return torch.from_numpy(_mel.htk_filters(rate_hz, fft, mels, low_hz, high_hz).astype(np.float32))

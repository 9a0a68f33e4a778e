"""Tempo and beat histogram of an utterance: paper 004, section 4 E, which names both and describes neither.

Made as Tzanetakis and Cook do (Musical genre classification of audio signals, 2002, section III C): an envelope is cut
into pieces of about 3 s; the highest peaks of each piece's enhanced autocorrelation add their heights to a histogram of
tempi; measures are taken of that (complexity is ours). The envelope is not theirs but onset strength as librosa has it.
One row for an utterance, [1, 7 + bins].
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.fft import next_fast_len

from ser.errors import BadInput
from ser.frontends import _mel, _short_time

USES = (_mel, _short_time)
Vector = npt.NDArray[np.float64]
_LEAST_POWER = 1e-10  # librosa's
_MEASURES = 7


def example() -> dict[str, Any]:
    """Tempi, pieces, number of peaks and enhancement as in 2002; rate and bands for speech; bins: ours."""
    return {
        "rate_hz": 16000,
        "window": 512,
        "hop": 160,
        "mels": 40,
        "top_db": 80.0,
        "least_db": 0.1,  # speech has 1 and more
        "piece_s": 3.0,
        "step_s": 1.5,
        "enhanced": True,
        "peaks": 3,
        "low_bpm": 40.0,
        "high_bpm": 200.0,
        "bins": 16,
    }


def width(settings: Mapping[str, Any]) -> int:
    """Seven measures and the histogram. Raises BadInput for a histogram that cannot be."""
    low, high, piece_s = (float(settings[name]) for name in ("low_bpm", "high_bpm", "piece_s"))
    if not 0 < low < high:
        place = "front_end.low_bpm, front_end.high_bpm"
        raise BadInput(f"{low:g} and {high:g}", place, "0 < low_bpm < high_bpm", "take 40 and 200, as the source does")
    if not piece_s > 60 / low:
        allowed = f"more than {60 / low:g}, from beat to beat at low_bpm"
        raise BadInput(f"{piece_s:g}", "front_end.piece_s", allowed, "take 3, as the source does")
    for name, least in (("bins", 2), ("peaks", 1)):
        if settings[name] < least:
            raise BadInput(str(settings[name]), f"front_end.{name}", f"{least} or more", "take some")
    return _MEASURES + int(settings["bins"])


def frames(samples: int, settings: Mapping[str, Any]) -> int:
    """One row for an utterance."""
    return 1


def extract(wave: npt.NDArray[np.float32], settings: Mapping[str, Any]) -> npt.NDArray[np.float32]:
    """float32 [1, 7 + bins]: seven measures of the histogram of tempi, and the histogram itself.

    - tempi of its highest and of its second bin, in beats per minute: a bin's tempo is the mean of its peaks
    - shares of these two bins in its sum
    - height of the second over that of the highest
    - its sum
    - complexity: its entropy, 0 for one tempo and 1 for all alike
    - its bins, equally wide, slowest first

    What peaks add up to is divided by the number of pieces; a peak's height is at most 1, whatever the loudness. All is
    0 where nothing repeats: silence, steady sound, no time for two beats. The second tempo, its share and its height
    are 0 where there is one tempo alone. Raises BadInput as ``width`` does.
    """
    row = np.zeros(width(settings))
    lags = _autocorrelation(_onsets(wave, settings), settings)
    tempi, heights = _peaks(lags, int(settings["rate_hz"]) / int(settings["hop"]), settings)
    if len(heights):
        low, high, bins = float(settings["low_bpm"]), float(settings["high_bpm"]), int(settings["bins"])
        into = np.minimum(((tempi - low) / (high - low) * bins).astype(np.int64), bins - 1)
        sums = np.bincount(into, heights, bins)
        means = np.bincount(into, heights * tempi, bins) / np.where(sums > 0, sums, 1)
        histogram = sums / len(lags)
        row[:] = *_measures(histogram, means), *histogram
    return row[None].astype(np.float32)


def _onsets(wave: npt.NDArray[np.float32], settings: Mapping[str, Any]) -> Vector:
    """Mean rise of the mel bands from frame to frame in dB, [frames - 1]: librosa's onset strength."""
    window, hop, mels = int(settings["window"]), int(settings["hop"]), int(settings["mels"])
    samples = torch.from_numpy(_short_time.padded(wave, window))
    power = _mel.powers(samples, window, hop, window)
    mel = power @ _filters(int(settings["rate_hz"]), window, mels)
    levels = mel.clamp_(min=_LEAST_POWER).log10_().mul_(10)
    levels.clamp_(min=float(levels.max()) - float(settings["top_db"]))
    return levels.diff(dim=0).clamp_(min=0).mean(1).double().numpy()


def _autocorrelation(onsets: Vector, settings: Mapping[str, Any]) -> Vector:
    """[pieces, lags]: clipped at 0; before it is enhanced, 1 at lag 0.

    Pieces follow each other by ``step_s`` at most, spread so that the last ends with the utterance. ``enhanced`` takes
    away the same stretched to twice its length, and so what repeats at the double of a period. Rows are zero for pieces
    whose envelope has a standard deviation of no more than ``least_db``: of steady sounds it is rounding, or comes of
    windows that cut periods.
    """
    rows_per_s = int(settings["rate_hz"]) / int(settings["hop"])
    piece, step = (max(1, round(float(settings[name]) * rows_per_s)) for name in ("piece_s", "step_s"))
    if not len(onsets):
        return np.zeros((1, 0))
    length = min(piece, len(onsets))
    count = 1 + -(-(len(onsets) - length) // step)
    starts = np.linspace(0, len(onsets) - length, count).astype(np.int64)
    pieces = np.lib.stride_tricks.sliding_window_view(onsets, length)[starts]
    pieces = pieces - pieces.mean(1, keepdims=True)
    fft = next_fast_len(2 * length, real=True)
    lags = np.fft.irfft(np.square(np.abs(np.fft.rfft(pieces, fft))), fft)[:, :length]
    changing = lags[:, :1] > length * float(settings["least_db"]) ** 2
    lags = np.maximum(np.where(changing, lags / np.where(changing, lags[:, :1], 1), 0), 0)
    if settings["enhanced"]:
        at = np.arange(length)
        lags = np.maximum(lags - (lags[:, at // 2] + lags[:, (at + 1) // 2]) / 2, 0)
    return lags


def _peaks(lags: Vector, rows_per_s: float, settings: Mapping[str, Any]) -> tuple[Vector, Vector]:
    """Tempi and heights of the ``peaks`` highest peaks of each piece, by parabolas through three points."""
    left, middle, right = lags[:, :-2], lags[:, 1:-1], lags[:, 2:]
    piece, at = np.nonzero((middle > left) & (middle >= right))
    a, b, c = left[piece, at], middle[piece, at], right[piece, at]
    shift = (a - c) / (2 * (a - 2 * b + c))
    tempi, heights = 60 * rows_per_s / (at + 1 + shift), b - (a - c) * shift / 4
    inside = (tempi >= float(settings["low_bpm"])) & (tempi <= float(settings["high_bpm"]))
    piece, tempi, heights = piece[inside], tempi[inside], heights[inside]
    order = np.lexsort((-heights, piece))
    rank = np.arange(len(order)) - np.searchsorted(piece[order], piece[order])
    kept = order[rank < int(settings["peaks"])]
    return tempi[kept], heights[kept]


def _measures(histogram: Vector, tempi: Vector) -> list[float]:
    """The seven, of a histogram that is not empty and of its bins' tempi."""
    first, second = np.argsort(-histogram, kind="stable")[:2]
    total = histogram.sum()
    shares = histogram / total
    sounding = shares[shares > 0]
    entropy = (sounding * np.log(1 / sounding)).sum() / np.log(len(shares))
    ratio = histogram[second] / histogram[first]
    return [tempi[first], tempi[second], shares[first], shares[second], ratio, total, entropy]


@cache
def _filters(rate_hz: int, window: int, mels: int) -> torch.Tensor:
    return torch.from_numpy(_mel.slaney_filters(rate_hz, window, mels).astype(np.float32))

"""Tempo and beat histogram of an utterance: Pinto et al., section 4 E, which names both and describes neither.

Made as Tzanetakis and Cook do (Musical genre classification of audio signals, 2002, section III C): an envelope is cut
into pieces of about 3 s; the highest peaks of each piece's enhanced autocorrelation add their heights to a histogram of
tempi; measures are taken of that (complexity is ours). The envelope is not theirs but onset strength as librosa has it.
One row for an utterance, [1, 7 + bins].
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.fft import next_fast_len

from ser.errors import BadInput
from ser.frontends import _mel, _short_time
from ser.study.settings import setting

VERSION = 1
Vector = npt.NDArray[np.float64]
_LEAST_POWER = 1e-10  # librosa's
_MEASURES = 7


@dataclass(frozen=True)
class Settings:
    """Tempi, pieces, peaks and enhancement as in 2002; rate and bands are for speech; bins are ours."""

    rate_hz: int = setting("sampling rate of the waveform", 16000, unit="Hz", low=1)
    window: int = setting("length of a window", 512, unit="samples", low=1)
    hop: int = setting("from one window to the next", 160, unit="samples", low=1)
    mels: int = setting("mel bands", 40, low=1)
    top_db: float = setting("levels lie no further below the greatest", 80.0, unit="dB", above=0)
    least_db: float = setting(
        "standard deviation of an envelope that is no rounding; speech has 1 and more", 0.1, unit="dB", low=0
    )
    piece_s: float = setting("length of a piece, longer than a beat at low_bpm", 3.0, unit="s", above=0)
    step_s: float = setting("from one piece to the next, at most", 1.5, unit="s", above=0)
    enhanced: bool = setting("take away what repeats at the double of a period", True)
    peaks: int = setting("highest peaks of a piece that count", 3, low=1)
    low_bpm: float = setting("slowest tempo", 40.0, unit="beats per minute", above=0)
    high_bpm: float = setting("fastest tempo", 200.0, unit="beats per minute", above=0)
    bins: int = setting("bins of the histogram", 16, low=2)


def width(settings: Settings) -> int:
    """Seven measures and the histogram. Raises BadInput for a histogram that cannot be."""
    low, high, piece_s = settings.low_bpm, settings.high_bpm, settings.piece_s
    if not low < high:
        place = "front_end.low_bpm, front_end.high_bpm"
        raise BadInput(f"{low:g} and {high:g}", place, "low_bpm < high_bpm", "take 40 and 200, as the source does")
    if not piece_s > 60 / low:
        allowed = f"more than {60 / low:g}, from beat to beat at low_bpm"
        raise BadInput(f"{piece_s:g}", "front_end.piece_s", allowed, "take 3, as the source does")
    return _MEASURES + settings.bins


def frames(samples: int, settings: Settings) -> int:
    """Returns one row for an utterance."""
    return 1


def extract(wave: npt.NDArray[np.float32], settings: Settings) -> npt.NDArray[np.float32]:
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
    tempi, heights = _peaks(lags, settings.rate_hz / settings.hop, settings)
    if len(heights):
        low, high, bins = settings.low_bpm, settings.high_bpm, settings.bins
        into = np.minimum(((tempi - low) / (high - low) * bins).astype(np.int64), bins - 1)
        sums = np.bincount(into, heights, bins)
        means = np.bincount(into, heights * tempi, bins) / np.where(sums > 0, sums, 1)
        histogram = sums / len(lags)
        row[:] = *_measures(histogram, means), *histogram
    return row[None].astype(np.float32)


def _onsets(wave: npt.NDArray[np.float32], settings: Settings) -> Vector:
    """Mean rise of the mel bands from frame to frame in dB, [frames - 1]: librosa's onset strength."""
    window, hop, mels = settings.window, settings.hop, settings.mels
    samples = torch.from_numpy(_short_time.padded(wave, window))
    mel = _mel.weighed(samples, window, hop, window, _mel.slaney_bank(settings.rate_hz, window, mels))
    levels = mel.clamp_(min=_LEAST_POWER).log10_().mul_(10)
    levels.clamp_(min=float(levels.max()) - settings.top_db)
    return levels.diff(dim=0).clamp_(min=0).mean(1).double().numpy()


def _autocorrelation(onsets: Vector, settings: Settings) -> Vector:
    """[pieces, lags]: clipped at 0; before it is enhanced, 1 at lag 0.

    Pieces follow each other by ``step_s`` at most, spread so that the last ends with the utterance. ``enhanced`` takes
    away the same stretched to twice its length, and so what repeats at the double of a period. Rows are zero for pieces
    whose envelope has a standard deviation of no more than ``least_db``: of steady sounds it is rounding, or comes of
    windows that cut periods.
    """
    rows_per_s = settings.rate_hz / settings.hop
    piece, step = (max(1, round(seconds * rows_per_s)) for seconds in (settings.piece_s, settings.step_s))
    if not len(onsets):
        return np.zeros((1, 0))
    length = min(piece, len(onsets))
    count = 1 + -(-(len(onsets) - length) // step)
    starts = np.linspace(0, len(onsets) - length, count).astype(np.int64)
    pieces = np.lib.stride_tricks.sliding_window_view(onsets, length)[starts]
    pieces = pieces - pieces.mean(1, keepdims=True)
    fft = next_fast_len(2 * length, real=True)
    lags = np.fft.irfft(np.square(np.abs(np.fft.rfft(pieces, fft))), fft)[:, :length]
    changing = lags[:, :1] > length * settings.least_db**2
    lags = np.maximum(np.where(changing, lags / np.where(changing, lags[:, :1], 1), 0), 0)
    if settings.enhanced:
        at = np.arange(length)
        lags = np.maximum(lags - (lags[:, at // 2] + lags[:, (at + 1) // 2]) / 2, 0)
    return lags


def _peaks(lags: Vector, rows_per_s: float, settings: Settings) -> tuple[Vector, Vector]:
    """Tempi and heights of the ``peaks`` highest peaks of each piece, by parabolas through three points."""
    before, middle, after = lags[:, :-2], lags[:, 1:-1], lags[:, 2:]
    piece, at = np.nonzero((middle > before) & (middle >= after))
    a, b, c = before[piece, at], middle[piece, at], after[piece, at]
    shift = (a - c) / (2 * (a - 2 * b + c))
    tempi, heights = 60 * rows_per_s / (at + 1 + shift), b - (a - c) * shift / 4
    inside = (tempi >= settings.low_bpm) & (tempi <= settings.high_bpm)
    piece, tempi, heights = piece[inside], tempi[inside], heights[inside]
    order = np.lexsort((-heights, piece))
    rank = np.arange(len(order)) - np.searchsorted(piece[order], piece[order])
    highest = order[rank < settings.peaks]
    return tempi[highest], heights[highest]


def _measures(histogram: Vector, tempi: Vector) -> list[float]:
    """Returns the seven, of a histogram that is not empty and of its bins' tempi."""
    first, second = np.argsort(-histogram, kind="stable")[:2]
    total = histogram.sum()
    shares = histogram / total
    sounding = shares[shares > 0]
    entropy = (sounding * np.log(1 / sounding)).sum() / np.log(len(shares))
    ratio = histogram[second] / histogram[first]
    return [tempi[first], tempi[second], shares[first], shares[second], ratio, total, entropy]

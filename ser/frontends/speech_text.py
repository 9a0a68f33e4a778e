"""Speech and its transcription for the dual encoder of Yoon, Byun & Jung 2018 (paper 004, Table 1), in one array.

39 cepstral values every 10 ms, 35 of prosody, and the words; how they share an array is told in ``_speech_text_rows``.
A word is a number: that of its bucket, for a front-end does not know which words the training utterances have. Some
words share one, about 1 in 9 of 3,747 (IEMOCAP's) over 32,768 buckets.
"""

import re
from collections.abc import Mapping
from typing import Any
from unicodedata import normalize
from zlib import crc32

import numpy as np
import numpy.typing as npt

from ser.data import functionals
from ser.errors import BadInput
from ser.frontends import _htk_cepstra, _mel, _opensmile_prosody, _pitch, _short_time, _speech_text_rows

USES = (functionals, _htk_cepstra, _mel, _opensmile_prosody, _pitch, _short_time, _speech_text_rows)
READS_TEXT = True
_WORD = re.compile(r"[\w']+|[^\w\s]")


def example() -> dict[str, Any]:
    """The paper's settings, openSMILE's where it names none; buckets are ours.

    F0 is found by another detector than openSMILE's, and cepstra are of magnitudes, as HTK's, where its are of powers.
    """
    return {
        "rate_hz": 16000,
        "window": 400,
        "hop": 160,
        "mels": 26,
        "coefficients": 12,
        "floor": 1 / 32768,  # HTK's: 1 on a scale of 16 bits
        "reach": 2,
        "most_frames": 750,
        "low_hz": 52.0,
        "high_hz": 620.0,
        "voicing": 0.45,  # a peak of the autocorrelation that a voiced frame has: Praat's
        "buckets": 32768,
        "most_words": 128,
    }


def width(settings: Mapping[str, Any]) -> int:
    """A mark, and cepstra with both differences, or prosody where that is more."""
    return 1 + max(3 * (int(settings["coefficients"]) + 1), _speech_text_rows.PROSODY_VALUES)


def frames(samples: int, settings: Mapping[str, Any]) -> int:
    """Rows of a wave of so many samples, without words: cepstral frames and one of prosody."""
    whole = _short_time.count(samples, int(settings["window"]), int(settings["hop"]))
    return min(whole, int(settings["most_frames"])) + 1


def extract(wave: npt.NDArray[np.float32], settings: Mapping[str, Any], text: str = "") -> npt.NDArray[np.float32]:
    """float32 [frames + words, width]: the first ``most_frames`` frames, prosody of the whole wave, words of ``text``.

    A frame is ``coefficients`` and the logarithm of its energy (no less than ``floor`` squared), then the slopes of all
    over ``reach`` frames to either side, then the slopes of these. Of the words the first ``most_words`` are kept.
    Raises BadInput for settings that contradict each other, and for more buckets than float32 can number.
    """
    buckets, most_frames, most_words = (int(settings[name]) for name in ("buckets", "most_frames", "most_words"))
    if not 1 <= buckets <= _speech_text_rows.MOST_WORDS:
        allowed = f"1 to {_speech_text_rows.MOST_WORDS}: whole numbers in float32"
        raise BadInput(str(buckets), "front_end.buckets", allowed, "take fewer")
    if most_frames < 1 or most_words < 0:
        value, place = f"{most_frames} and {most_words}", "front_end.most_frames, front_end.most_words"
        raise BadInput(value, place, "1 or more and 0 or more", "take 750 and 128, as the paper does")
    rows = _short_time.cut(wave, int(settings["window"]), int(settings["hop"]))
    pitch = _pitch.of_frames(wave, settings)
    loudness = _opensmile_prosody.loudness(rows, int(settings["rate_hz"]), int(settings["mels"]))
    cepstra = _cepstra(rows, settings)[:most_frames]
    prosody = _opensmile_prosody.prosody(pitch, loudness)
    return _speech_text_rows.joined(cepstra, prosody, words(text, buckets)[:most_words])


def _cepstra(rows: npt.NDArray[np.float32], settings: Mapping[str, Any]) -> npt.NDArray[np.float32]:
    """Windows -> coefficients from the first on and log energy, their slopes, and the slopes of these."""
    floor = _short_time.floor_of(settings)
    shape = int(settings["rate_hz"]), int(settings["mels"]), int(settings["coefficients"])
    energy = np.maximum(_short_time.power(rows).astype(np.float64) * rows.shape[1], floor**2)
    logarithm = np.log(energy).astype(np.float32)
    plain = np.concatenate([_htk_cepstra.cepstra(rows, *shape, floor)[:, 1:], logarithm[:, None]], axis=1)
    return _short_time.with_deltas(plain, int(settings["reach"]), 2)


def words(text: str, buckets: int) -> list[int]:
    """Numbers from 0 to ``buckets`` - 1 of the words of ``text`` in small letters; a sign of punctuation is a word.

    >>> words("Don't, DON'T!", 32768)
    [8367, 878, 8367, 32723]
    """
    return [crc32(word.encode()) % buckets for word in _WORD.findall(normalize("NFKC", text).lower().replace("’", "'"))]

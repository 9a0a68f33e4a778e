"""Speech and its transcription for the dual encoder of Yoon, Byun & Jung 2018 (Pinto et al., Table 1), in one array.

39 cepstral values every 10 ms, 35 of prosody, and the words; how they share an array says ``_speech_text_rows``.
A word is a number: that of its bucket, for a front-end does not know which words the training utterances have. Some
words share one, about 1 in 9 of 3,747 (IEMOCAP's) over 32,768 buckets.
"""

import re
from dataclasses import dataclass
from unicodedata import normalize
from zlib import crc32

import numpy as np
import numpy.typing as npt

from ser.frontends import _htk_cepstra, _opensmile_prosody, _pitch, _short_time, _speech_text_rows
from ser.frontends._pitch import PitchSettings
from ser.study.settings import setting

VERSION = 1
READS_TEXT = True
_WORD = re.compile(r"[\w']+|[^\w\s]")


@dataclass(frozen=True)
class Settings(PitchSettings):
    """The settings of Yoon et al., openSMILE's where they name none; buckets are ours.

    F0 is found by another detector than openSMILE's, and cepstra are of magnitudes, as HTK's, where its are of powers.
    """

    window: int = setting("length of a window", 400, unit="samples", low=1)
    mels: int = setting("mel bands", 26, low=1)
    coefficients: int = setting("cepstral coefficients beside the zeroth; fewer than mels", 12, low=1)
    floor: float = setting(
        "least magnitude that a logarithm is taken of; HTK's 1 on a scale of 16 bits", 1 / 32768, above=0
    )
    reach: int = setting("frames to either side that slopes are taken over; HTK's 2", 2, unit="frames", low=1)
    most_frames: int = setting("frames of an utterance that count", 750, unit="frames", low=1)
    low_hz: float = setting("lowest F0", 52.0, unit="Hz", above=0)
    high_hz: float = setting("highest F0, an octave or more above", 620.0, unit="Hz", above=0)
    buckets: int = setting("numbers of words, whole in float32", 32768, low=1, high=1 << 24)
    most_words: int = setting("words of an utterance that count", 128, unit="words", low=0)


def width(settings: Settings) -> int:
    """Returns the length of a row: a mark, and cepstra with both differences, or prosody where that is more."""
    return 1 + max(3 * (settings.coefficients + 1), _speech_text_rows.PROSODY_VALUES)


def frames(samples: int, settings: Settings) -> int:
    """Returns the number of rows of a wave of so many samples, without words: cepstral frames and one of prosody."""
    whole = _short_time.count(samples, settings.window, settings.hop)
    return min(whole, settings.most_frames) + 1


def extract(wave: npt.NDArray[np.float32], settings: Settings, text: str = "") -> npt.NDArray[np.float32]:
    """float32 [frames + words, width]: the first ``most_frames`` frames, prosody of the whole wave, words of ``text``.

    A frame is ``coefficients`` and the logarithm of its energy (no less than ``floor`` squared), then the slopes of all
    over ``reach`` frames to either side, then the slopes of these. Of the words the first ``most_words`` are kept.
    Raises BadInput for settings that contradict each other.
    """
    buckets, most_frames, most_words = settings.buckets, settings.most_frames, settings.most_words
    rows = _short_time.cut(wave, settings.window, settings.hop)
    pitch = _pitch.of_frames(wave, settings)
    loudness = _opensmile_prosody.loudness(rows, settings.rate_hz, settings.mels)
    cepstra = _cepstra(rows, settings)[:most_frames]
    prosody = _opensmile_prosody.prosody(pitch, loudness)
    return _speech_text_rows.joined(cepstra, prosody, words(text, buckets)[:most_words])


def _cepstra(rows: npt.NDArray[np.float32], settings: Settings) -> npt.NDArray[np.float32]:
    """Windows -> coefficients from the first on and log energy, their slopes, and the slopes of these."""
    floor = _short_time.checked_floor(settings.floor)
    shape = settings.rate_hz, settings.mels, settings.coefficients
    energy = np.maximum(_short_time.power(rows).astype(np.float64) * rows.shape[1], floor**2)
    logarithm = np.log(energy).astype(np.float32)
    plain = np.concatenate([_htk_cepstra.cepstra(rows, *shape, floor)[:, 1:], logarithm[:, None]], axis=1)
    return _short_time.with_deltas(plain, settings.reach, 2)


def words(text: str, buckets: int) -> list[int]:
    """Numbers from 0 to ``buckets`` - 1 of the words of ``text`` in small letters; a sign of punctuation is a word.

    >>> words("Don't, DON'T!", 32768)
    [8367, 878, 8367, 32723]
    """
    return [crc32(word.encode()) % buckets for word in _WORD.findall(normalize("NFKC", text).lower().replace("’", "'"))]

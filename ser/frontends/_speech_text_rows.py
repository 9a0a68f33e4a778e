"""Speech and its words in the rows of one array: where ``speech_text`` puts what, and where ``mdre`` looks for it.

Rows one after another: cepstral frames, one row of prosody, words. The first column is the ``Kind`` of a row; behind
it come the values, and zeros up to the width. Of a word the only value is its number.
"""

from collections.abc import Sequence
from enum import IntEnum

import numpy as np
import numpy.typing as npt
from torch import Tensor
from torch.nn.functional import pad

from ser.errors import BadInput


class Kind(IntEnum):
    """The mark in the first column."""

    FRAME = 0
    PROSODY = 1
    WORD = 2


PROSODY_VALUES = 35
MOST_WORDS = 1 << 24  # numbers below it are whole in float32


def joined(
    frames: npt.NDArray[np.float32], prosody: npt.NDArray[np.float32], words: Sequence[int]
) -> npt.NDArray[np.float32]:
    """Cepstra [n, m], prosody [35] and numbers of words -> float32 [n + 1 + words, 1 + max(m, 35)]."""
    rows = np.zeros((len(frames) + 1 + len(words), 1 + max(frames.shape[1], PROSODY_VALUES)), np.float32)
    rows[: len(frames), 0] = Kind.FRAME
    rows[: len(frames), 1 : 1 + frames.shape[1]] = frames
    rows[len(frames), 0] = Kind.PROSODY
    rows[len(frames), 1 : 1 + PROSODY_VALUES] = prosody
    rows[len(frames) + 1 :, 0] = Kind.WORD
    rows[len(frames) + 1 :, 1] = words
    return rows


def parted(rows: Tensor, lengths: Tensor, kind: Kind) -> tuple[Tensor, Tensor]:
    """Rows of utterances one after another [sum(lengths), width] -> the values of those of a kind, and how many each.

    [sum(counts), width - 1], int64 [batch] on the CPU, as ``lengths``: which rows are of a kind, the rows alone say, so
    that a GPU is waited for. A mark counts as the nearest kind. Raises BadInput for a width without
    place for prosody.
    """
    if rows.shape[1] < 1 + PROSODY_VALUES:
        allowed = f"at least {1 + PROSODY_VALUES}: a mark and {PROSODY_VALUES} values of prosody"
        raise BadInput(str(rows.shape[1]), "width of the rows of speech and text", allowed, "use speech_text")
    matching = rows[:, 0].round().clamp(min(Kind), max(Kind)) == kind
    before, ends = pad(matching.cpu().cumsum(0), (1, 0)), lengths.cumsum(0)
    return rows[matching, 1:], before[ends] - before[ends - lengths]

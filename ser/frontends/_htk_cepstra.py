"""Mel-frequency cepstral coefficients of magnitudes: The HTK Book 3.4, section 5.6, as openSMILE's IS09_emotion has it.

They differ from librosa's, which ``mfcc`` has, in the mel scale, the triangles, the window and the scaling.
"""

from functools import cache

import numpy as np
import numpy.typing as npt
from scipy.fft import rfft

from ser.errors import BadInput
from ser.frontends import _mel

Matrix = npt.NDArray[np.float32]

_EMPHASIS, _LIFTER = 0.97, 22  # HTK's


def cepstra(frames: Matrix, rate_hz: int, mels: int, coefficients: int, floor: float) -> Matrix:
    """float32 [frames, 1 + coefficients], the zeroth among them, of frames [frames, window] of a wave.

    Each frame alone: emphasis x[n] - 0.97 x[n - 1], the first of 0.03 x[0]; Hamming window; magnitudes, zero-padded to
    the next power of two; triangles in mel from 0 Hz to half the rate; logarithm of no less than ``floor``; cosines
    sqrt(2 / mels) cos(pi k (j + 1/2) / mels); lifter 1 + 11 sin(pi k / 22). Raises BadInput for more coefficients than
    the mels give.
    """
    if not 0 < coefficients < mels:
        place, remedy = "front_end.coefficients", "take more mels, or fewer coefficients"
        raise BadInput(str(coefficients), place, f"1 to {mels - 1} (mels - 1)", remedy)
    emphasised = frames.copy()
    emphasised[:, 1:] -= np.float32(_EMPHASIS) * frames[:, :-1]
    emphasised[:, 0] *= np.float32(1 - _EMPHASIS)
    emphasised *= np.hamming(frames.shape[1]).astype(np.float32)
    fft = 1 << (frames.shape[1] - 1).bit_length()
    mel = np.abs(rfft(emphasised, n=fft, axis=1)) @ _filters(rate_hz, fft, mels)
    return np.asarray(np.log(np.maximum(mel, np.float32(floor))) @ _cosines(mels, coefficients))


@cache
def _filters(rate_hz: int, fft: int, mels: int) -> Matrix:
    return _mel.htk_filters(rate_hz, fft, mels, 0, rate_hz / 2).astype(np.float32)


@cache
def _cosines(mels: int, coefficients: int) -> Matrix:
    """[mels, 1 + coefficients], lifted."""
    k = np.arange(1 + coefficients)
    cosines = np.cos(np.pi * k * (np.arange(mels)[:, None] + 0.5) / mels)
    return np.asarray(np.sqrt(2 / mels) * cosines * (1 + _LIFTER / 2 * np.sin(np.pi * k / _LIFTER)), np.float32)

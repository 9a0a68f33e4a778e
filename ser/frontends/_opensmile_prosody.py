"""The prosody of MDRE (Yoon et al. 2018), that of openSMILE's prosodyShsViterbiLoudness: 35 numbers of an utterance.

Seven functionals of each of five contours: F0 in Hz, F0 in semitones above 27.5 Hz, voicing, and harmonics-to-noise
ratio in dB, all over the voiced frames; and loudness over all. F0 is found by autocorrelation (``_pitch``), where
openSMILE sums subharmonics.
"""

from functools import cache

import numpy as np
import numpy.typing as npt
from scipy.fft import rfft

from ser.data import functionals
from ser.frontends import _mel
from ser.frontends._pitch import Track

Matrix = npt.NDArray[np.float32]

_STATISTICS = ("mean", "std", "slope", "centroid", "q10", "q90", "decile_range")
_LOWEST_HZ = 27.5  # A0, from where semitones are counted
_LOUD = 0.33  # power that loudness is of a band's power


def prosody(pitch: Track, loudness: Matrix) -> Matrix:
    """Of a pitch track and a loudness [frames]: float32 [35], contour by contour.

    Where no frame is voiced, all of the four that are of voiced frames is 0.
    """
    voiced = pitch.hz > 0
    hz = pitch.hz[voiced]
    tones = 12 * np.log2(hz / _LOWEST_HZ)
    contours = (hz, tones, pitch.harmonicity[voiced], pitch.noise_ratio_db()[voiced], loudness)
    return np.concatenate([functionals.of_contour(x, _STATISTICS) for x in contours]).astype(np.float32)


def loudness(frames: Matrix, rate_hz: int, mels: int) -> Matrix:
    """Of windows [frames, window] the power in triangles in mel, as an ear weighs and compresses it, summed: [frames].

    Hermansky, "Perceptual linear predictive analysis of speech", 1990, eqs. 4 and 5, with 0.33 as openSMILE has it.
    """
    fft = 1 << (frames.shape[1] - 1).bit_length()
    spectra = rfft(frames * np.hamming(frames.shape[1]).astype(np.float32), n=fft, axis=1)
    bands = (np.square(spectra.real) + np.square(spectra.imag)) @ _weights(rate_hz, fft, mels)
    return np.asarray((bands ** np.float32(_LOUD)).sum(axis=1))


@cache
def _weights(rate_hz: int, fft: int, mels: int) -> Matrix:
    """[fft // 2 + 1, mels]: the triangles, each times the ear's sensitivity at its peak."""
    peaks = np.linspace(0, _mel.htk_mel(rate_hz / 2), mels + 2)[1:-1]
    squared = np.square(2 * np.pi * 700 * (10 ** (peaks / 2595) - 1))
    equal = (squared + 56.8e6) * np.square(squared) / (np.square(squared + 6.3e6) * (squared + 0.38e9))
    return np.asarray(_mel.htk_filters(rate_hz, fft, mels, 0, rate_hz / 2) * equal, np.float32)

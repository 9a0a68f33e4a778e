"""Fourier parameters, one vector per utterance: Wang, An, Li, Zhang, Li, "Speech Emotion Recognition Using Fourier
Parameters", IEEE Transactions on Affective Computing 6, 2015, section 2, and its FP + MFCC (paper 004, Table 1).

Statistics of the amplitudes of the first harmonics of short frames, and of their first and second differences.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.fft import rfft

from ser.data import functionals
from ser.errors import BadInput
from ser.frontends import _htk_cepstra, _mel, _pitch, _short_time

USES = (functionals, _htk_cepstra, _mel, _pitch, _short_time)

Matrix = npt.NDArray[np.float32]

_SPACINGS = ("bins", "pitch")


def example() -> dict[str, Any]:
    """The paper's 120 harmonics, five statistics, and 13 cepstra beside them; window and hop are ours.

    120 of the 128 frequencies that a window of 256 samples has make nearly all of its spectrum.
    """
    return {
        "rate_hz": 16000,
        "window": 256,
        "hop": 128,
        "harmonics": 120,
        "spacing": "bins",
        "reach": 2,
        "mfcc": True,
        "mels": 26,
        "coefficients": 12,
        "floor": 1 / 32768,
        "statistics": ("mean", "max", "min", "median", "std"),
    }


def width(settings: Mapping[str, Any]) -> int:
    """Statistics of harmonics and of cepstra (the zeroth among them), each with first and second differences."""
    cepstra = 1 + int(settings["coefficients"]) if settings["mfcc"] else 0
    return functionals.size(3 * (int(settings["harmonics"]) + cepstra), settings["statistics"])


def frames(samples: int, settings: Mapping[str, Any]) -> int:
    """One: a vector for the utterance."""
    return 1


def extract(wave: npt.NDArray[np.float32], settings: Mapping[str, Any]) -> npt.NDArray[np.float32]:
    """float32 [1, width]: the first of ``statistics`` of all columns, then the second; a short wave is padded.

    Columns are the amplitudes H_1 ... of ``harmonics``, their deltas over ``reach`` frames, and the deltas of those;
    with ``mfcc`` then the cepstra from the zeroth on, and theirs. A sine has the amplitude that it has in the wave.

    ``spacing`` is what lies from one harmonic to the next. "bins": a bin of the frame's discrete Fourier transform, as
    in the paper. "pitch": F0, which takes the settings ``low_hz``, ``high_hz`` and ``voicing``; amplitudes are 0 where
    a frame is unvoiced, and from half the rate on. Raises BadInput for another spacing, for harmonics that a frame has
    not, a reach below 1, and a floor that is not above 0.
    """
    rows = _short_time.cut(wave, int(settings["window"]), int(settings["hop"]))
    harmonics, spacing = int(settings["harmonics"]), settings["spacing"]
    if spacing not in _SPACINGS:
        raise BadInput(repr(spacing), "front_end.spacing", " or ".join(_SPACINGS), "choose one of them")
    if harmonics < 1:
        raise BadInput(str(harmonics), "front_end.harmonics", "1 or more", "take 120, as the paper does")
    if spacing == "bins":
        amplitudes = _of_bins(rows, harmonics)
    else:
        amplitudes = _of_pitch(rows, _pitch.of_frames(wave, settings).hz, int(settings["rate_hz"]), harmonics)
    groups = [amplitudes]
    if settings["mfcc"]:
        shape = int(settings["mels"]), int(settings["coefficients"])
        floor = _short_time.floor_of(settings)
        groups.append(_htk_cepstra.cepstra(rows, int(settings["rate_hz"]), *shape, floor))
    reach = int(settings["reach"])
    columns = np.concatenate([_short_time.with_deltas(group, reach, 2) for group in groups], axis=1)
    return functionals.functionals(columns, settings["statistics"])[None].astype(np.float32)


def _spectra(rows: Matrix, fft: int) -> Matrix:
    """Magnitudes [frames, fft // 2 + 1] under a Hamming window; of a sine at a bin, its amplitude."""
    weight = np.hamming(rows.shape[1])
    return np.asarray(np.abs(rfft(rows * (weight * 2 / weight.sum()).astype(np.float32), n=fft, axis=1)))


def _of_bins(rows: Matrix, harmonics: int) -> Matrix:
    """[frames, harmonics]: the transform's magnitudes from bin 1 on."""
    most = (rows.shape[1] - 1) // 2
    if harmonics > most:
        place, allowed = "front_end.harmonics", f"1 to {most}, less than half the window"
        raise BadInput(str(harmonics), place, allowed, "take a longer window, or fewer")
    return _spectra(rows, rows.shape[1])[:, 1 : harmonics + 1]


def _of_pitch(rows: Matrix, hz: npt.NDArray[np.float64], rate_hz: int, harmonics: int) -> Matrix:
    """[frames, harmonics]: magnitudes at multiples of F0, 0 from half the rate on, and where F0 is 0."""
    fft = 4 << (rows.shape[1] - 1).bit_length()  # so fine that a peak between two bins loses little
    spectra = _spectra(rows, fft)
    places = np.rint(hz[:, None] * np.arange(1, harmonics + 1) * (fft / rate_hz)).astype(np.intp)
    there = (places > 0) & (places < fft // 2)
    return np.where(there, np.take_along_axis(spectra, np.where(there, places, 0), axis=1), np.float32(0))

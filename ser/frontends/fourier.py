"""Fourier parameters, one vector per utterance: Wang, An, Li, Zhang, Li, "Speech Emotion Recognition Using Fourier
Parameters", IEEE Transactions on Affective Computing 6, 2015, section 2, and its FP + MFCC (Pinto et al., Table 1).

Statistics of the amplitudes of the first harmonics of short frames, and of their first and second differences.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.fft import rfft

from ser.data import functionals
from ser.errors import BadInput
from ser.frontends import _htk_cepstra, _pitch, _short_time
from ser.frontends._pitch import PitchSettings
from ser.study.settings import setting

VERSION = 1
Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Settings(PitchSettings):
    """The 120 harmonics of Wang et al., five statistics, and 13 cepstra beside them; window and hop are ours.

    120 of the 128 frequencies that a window of 256 samples has make nearly all of its spectrum.
    """

    window: int = setting("length of a window", 256, unit="samples", low=1)
    hop: int = setting("from one window to the next", 128, unit="samples", low=1)
    harmonics: int = setting("amplitudes of a frame", 120, low=1)
    spacing: str = setting(
        "from one harmonic to the next: a bin of the transform, or F0", "bins", choices=("bins", "pitch")
    )
    reach: int = setting("frames to either side that slopes are taken over; HTK's 2", 2, unit="frames", low=1)
    mfcc: bool = setting("cepstra too", True)
    mels: int = setting("mel bands", 26, low=1)
    coefficients: int = setting("cepstral coefficients beside the zeroth; fewer than mels", 12, low=1)
    floor: float = setting(
        "least magnitude that a logarithm is taken of; HTK's 1 on a scale of 16 bits", 1 / 32768, above=0
    )
    statistics: tuple[str, ...] = setting("functionals over the frames", ("mean", "max", "min", "median", "std"))


def width(settings: Settings) -> int:
    """Statistics of harmonics and of cepstra (the zeroth among them), each with first and second differences."""
    cepstra = 1 + settings.coefficients if settings.mfcc else 0
    return functionals.size(3 * (settings.harmonics + cepstra), settings.statistics)


def frames(samples: int, settings: Settings) -> int:
    """One: a vector for the utterance."""
    return 1


def extract(wave: npt.NDArray[np.float32], settings: Settings) -> npt.NDArray[np.float32]:
    """float32 [1, width]: the first of ``statistics`` of all columns, then the second; a short wave is padded.

    Columns are the amplitudes H_1 ... of ``harmonics``, their deltas over ``reach`` frames, and the deltas of those;
    with ``mfcc`` then the cepstra from the zeroth on, and theirs. A sine has the amplitude that it has in the wave.

    ``spacing`` is what lies from one harmonic to the next. "bins": a bin of the frame's discrete Fourier transform, as
    in the paper. "pitch": F0, as ``low_hz``, ``high_hz`` and ``voicing`` have it; amplitudes are 0 where a frame is
    unvoiced, and from half the rate on. Raises BadInput for more harmonics than a frame has.
    """
    rows = _short_time.cut(wave, settings.window, settings.hop)
    harmonics, spacing = settings.harmonics, settings.spacing
    if spacing == "bins":
        amplitudes = _of_bins(rows, harmonics)
    else:
        amplitudes = _of_pitch(rows, _pitch.of_frames(wave, settings).hz, settings.rate_hz, harmonics)
    groups = [amplitudes]
    if settings.mfcc:
        shape = settings.mels, settings.coefficients
        floor = _short_time.checked_floor(settings.floor)
        groups.append(_htk_cepstra.cepstra(rows, settings.rate_hz, *shape, floor))
    reach = settings.reach
    columns = np.concatenate([_short_time.with_deltas(group, reach, 2) for group in groups], axis=1)
    return functionals.functionals(columns, settings.statistics)[None].astype(np.float32)


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
    inside = (places > 0) & (places < fft // 2)
    return np.where(inside, np.take_along_axis(spectra, np.where(inside, places, 0), axis=1), np.float32(0))

"""Scaled log-mel spectrograms of a fixed length: Pho et al. 2020, section 2.1 and Fig. 2, in the order its code has.

Trim, crop or pad with zeros on the right to ``seconds``, reduce noise, magnitude spectra, mel, log, scale to [-1, 1].
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import torch

from ser.frontends import _gate, _mel
from ser.study.settings import setting

VERSION = 1


@dataclass(frozen=True)
class Settings:
    """The settings of Pho et al. for corpora recorded without noise."""

    rate_hz: int = setting("sampling rate of the waveform", 48000, unit="Hz", low=1)
    seconds: float = setting("length that waves are cropped or padded to", 4.5, unit="s", above=0)
    trim_s: float = setting("cut off at both ends; 1.0 for RAVDESS, in the authors' code alone", 0.0, unit="s", low=0)
    # "spectral_gating" for IEMOCAP and CREMA-D; "noisereduce" is that package's newer algorithm.
    denoise: str = setting("noise reduction", "none", choices=("none", "spectral_gating", "noisereduce"))
    noise_s: float = setting("beginning of the wave that is taken for noise", 0.5, unit="s", above=0)
    denoise_after_padding: bool = setting("reduce noise after the wave is padded, as the authors' code does", True)
    window: int = setting("length of a window", 3072, unit="samples", low=1)
    hop: int = setting("from one window to the next", 768, unit="samples", low=1)
    fft: int = setting("length of the transform, no shorter than the window", 4096, unit="samples", low=2)
    mels: int = setting("mel bands", 200, low=1)
    low_hz: float = setting("lower limit of the bands", 20.0, unit="Hz", low=0)
    high_hz: float = setting("upper limit of the bands, at most half the rate", 12000.0, unit="Hz", above=0)
    floor: float = setting("added to mel magnitudes before the logarithm", 1e-6, above=0)
    scale: str = setting(
        "what is scaled to [-1, 1]: each frame (the authors' code), the whole (their eq. 3), nothing",
        "frame",
        choices=("frame", "tensor", "none"),
    )


def width(settings: Settings) -> int:
    """Mel bins."""
    return settings.mels


def frames(samples: int, settings: Settings) -> int:
    """Returns the number of frames of any wave."""
    length = round(settings.seconds * settings.rate_hz)
    return 1 + (length - settings.window) // settings.hop


def extract(wave: npt.NDArray[np.float32], settings: Settings) -> npt.NDArray[np.float32]:
    """float32 [frames, mels], frames = 1 + (seconds · rate_hz - window) // hop: 278 of 200 with the paper's settings.

    The log is natural, of magnitudes weighted by triangles of peak 1 in HTK's mel, plus ``floor``. "frame" scales each
    frame by its own least and greatest value, "tensor" the whole; a constant frame, as in the padding, is -1.
    """
    samples = torch.from_numpy(_of_length(wave, settings))
    limits = settings.low_hz, settings.high_hz
    bank = _mel.htk_bank(settings.rate_hz, settings.fft, settings.mels, *limits, torch.float64)
    mel = _mel.weighed(samples, settings.window, settings.hop, settings.fft, bank, magnitudes=True).numpy()
    # log(mel + floor) but for a constant, which scaling cancels: near-silent frames keep their digits.
    logarithm = np.log1p(mel / settings.floor)
    return np.ascontiguousarray(_scaled(logarithm, settings), np.float32)


def _of_length(wave: npt.NDArray[np.float32], settings: Settings) -> npt.NDArray[np.float64]:
    """Trimmed, cropped, denoised and padded: float64 [seconds · rate_hz].

    A wave that is no longer than what is to be trimmed stays whole: nothing would be left of it.
    """
    rate_hz = settings.rate_hz
    trim, length = round(settings.trim_s * rate_hz), round(settings.seconds * rate_hz)
    trimmed = wave[trim : len(wave) - trim] if len(wave) > 2 * trim else wave
    padded = np.zeros(length)
    cropped = padded[: len(trimmed)]  # a view
    cropped[:] = trimmed[:length]
    if settings.denoise == "none":
        return padded
    reduce = _gate.reduce_noise if settings.denoise == "spectral_gating" else partial(_by_package, rate_hz)
    noise = round(settings.noise_s * rate_hz)
    if settings.denoise_after_padding:
        return reduce(padded, padded[:noise])
    cropped[:] = reduce(cropped, cropped[:noise])
    return padded


def _by_package(rate_hz: int, wave: npt.NDArray[np.float64], noise: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Applies the stationary algorithm of noisereduce 3 with its defaults; silence stays as it is."""
    import noisereduce  # half a second of import, for those who ask

    if not noise.any():
        return wave
    return np.asarray(noisereduce.reduce_noise(y=wave, sr=rate_hz, y_noise=noise, stationary=True), np.float64)


def _scaled(logarithm: npt.NDArray[np.float64], settings: Settings) -> npt.NDArray[np.float64]:
    if settings.scale == "none":
        return np.asarray(logarithm + np.log(settings.floor))
    axis = 1 if settings.scale == "frame" else None
    least, greatest = logarithm.min(axis, keepdims=True), logarithm.max(axis, keepdims=True)
    span = np.where(greatest > least, greatest - least, 1.0)
    return np.asarray(2 * (logarithm - least) / span - 1)

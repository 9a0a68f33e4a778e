"""Scaled log-mel spectrograms of a fixed length: paper 000, section 2.1 and Fig. 2, in the order its code has.

Trim, crop or pad with zeros on the right to ``seconds``, reduce noise, magnitude spectra, mel, log, scale to [-1, 1].
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ser.errors import BadInput
from ser.frontends import _gate, _mel

USES = (_gate, _mel)
_DENOISE, _SCALE = ("none", "spectral_gating", "noisereduce"), ("frame", "tensor", "none")


def example() -> dict[str, Any]:
    """The paper's settings, for corpora recorded without noise."""
    return {
        "rate_hz": 48000,
        "seconds": 4.5,
        "trim_s": 0.0,  # 1.0 for RAVDESS, in the authors' code alone
        "denoise": "none",  # spectral_gating for IEMOCAP and CREMA-D; noisereduce is that package's newer algorithm
        "noise_s": 0.5,
        "denoise_after_padding": True,
        "window": 3072,
        "hop": 768,
        "fft": 4096,
        "mels": 200,
        "low_hz": 20.0,
        "high_hz": 12000.0,
        "floor": 1e-6,
        "scale": "frame",  # the authors' code; "tensor" is the paper's eq. 3
    }


def width(settings: Mapping[str, Any]) -> int:
    """Mel bins."""
    return int(settings["mels"])


def frames(samples: int, settings: Mapping[str, Any]) -> int:
    """Frames of any wave."""
    length = round(float(settings["seconds"]) * int(settings["rate_hz"]))
    return 1 + (length - int(settings["window"])) // int(settings["hop"])


def extract(wave: npt.NDArray[np.float32], settings: Mapping[str, Any]) -> npt.NDArray[np.float32]:
    """float32 [frames, mels], frames = 1 + (seconds · rate_hz - window) // hop: 278 of 200 with the paper's settings.

    The log is natural, of magnitudes weighted by triangles of peak 1 in HTK's mel, plus ``floor``. "frame" scales each
    frame by its own least and greatest value, "tensor" the whole; a constant frame, as in the padding, is -1.
    Raises BadInput for a ``denoise`` or ``scale`` that is not known.
    """
    samples = torch.from_numpy(_of_length(wave, settings))
    power = _mel.powers(samples, int(settings["window"]), int(settings["hop"]), int(settings["fft"]))
    bank = _mel.sparse_htk_filters(
        int(settings["rate_hz"]),
        int(settings["fft"]),
        int(settings["mels"]),
        float(settings["low_hz"]),
        float(settings["high_hz"]),
    )
    mel = (bank @ power.sqrt_().numpy().T).T
    # log(mel + floor) but for a constant, which scaling cancels: near-silent frames keep their digits.
    logarithm = np.log1p(mel / float(settings["floor"]))
    return np.ascontiguousarray(_scaled(logarithm, settings), np.float32)


def _of_length(wave: npt.NDArray[np.float32], settings: Mapping[str, Any]) -> npt.NDArray[np.float64]:
    """Trimmed, cropped, denoised and padded: float64 [seconds · rate_hz].

    A wave that is no longer than what is to be trimmed stays whole: nothing would be left of it.
    """
    rate_hz = int(settings["rate_hz"])
    trim, length = round(float(settings["trim_s"]) * rate_hz), round(float(settings["seconds"]) * rate_hz)
    trimmed = wave[trim : len(wave) - trim] if len(wave) > 2 * trim else wave
    cropped = trimmed[:length].astype(np.float64)
    padding = (0, length - len(cropped))
    if settings["denoise"] == "none":
        return np.pad(cropped, padding)
    if settings["denoise"] not in _DENOISE:
        raise _unknown("denoise", settings, _DENOISE)
    reduce = _gate.reduce_noise if settings["denoise"] == "spectral_gating" else partial(_by_package, rate_hz)
    noise = round(float(settings["noise_s"]) * rate_hz)
    if settings["denoise_after_padding"]:
        padded = np.pad(cropped, padding)
        return reduce(padded, padded[:noise])
    return np.pad(reduce(cropped, cropped[:noise]), padding)


def _by_package(rate_hz: int, wave: npt.NDArray[np.float64], noise: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The stationary algorithm of noisereduce 3 with its defaults; where nothing is heard, nothing is reduced."""
    import noisereduce  # half a second of import, for those who ask

    if not noise.any():
        return wave
    return np.asarray(noisereduce.reduce_noise(y=wave, sr=rate_hz, y_noise=noise, stationary=True), np.float64)


def _scaled(logarithm: npt.NDArray[np.float64], settings: Mapping[str, Any]) -> npt.NDArray[np.float64]:
    if settings["scale"] == "none":
        return np.asarray(logarithm + np.log(float(settings["floor"])))
    if settings["scale"] not in _SCALE:
        raise _unknown("scale", settings, _SCALE)
    axis = 1 if settings["scale"] == "frame" else None
    least, greatest = logarithm.min(axis, keepdims=True), logarithm.max(axis, keepdims=True)
    span = np.where(greatest > least, greatest - least, 1.0)
    return np.asarray(2 * (logarithm - least) / span - 1)


def _unknown(name: str, settings: Mapping[str, Any], allowed: tuple[str, ...]) -> BadInput:
    return BadInput(repr(settings[name]), f"front_end.{name}", ", ".join(allowed), "choose one of these")

"""Log-magnitude short-time spectra: paper 003, section 4.2 and Fig. 1 (8 kHz, window 512, hop 128: 257 bins)."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch


def example() -> dict[str, Any]:
    """The paper's settings; the floor is ours."""
    return {"rate_hz": 8000, "window": 512, "hop": 128, "floor": 1e-6}


def width(settings: Mapping[str, Any]) -> int:
    """Bins per frame: window / 2 + 1."""
    return int(settings["window"]) // 2 + 1


def frames(samples: int, settings: Mapping[str, Any]) -> int:
    """Frames of a wave of so many samples."""
    return 1 + max(0, samples - int(settings["window"])) // int(settings["hop"])


def extract(wave: npt.NDArray[np.float32], settings: Mapping[str, Any]) -> npt.NDArray[np.float32]:
    """log(|STFT| + floor), natural, float32 [frames, width].

    Periodic Hann window, no centring: frames = 1 + (samples - window) // hop; a wave shorter than one window is
    padded with zeros to it. The floor keeps float32 within 5e-3 of float64 in near-silent bins.
    """
    window, hop = int(settings["window"]), int(settings["hop"])
    samples = torch.from_numpy(wave if len(wave) >= window else np.pad(wave, (0, window - len(wave))))
    spectrum = torch.stft(samples, window, hop, window=_hann(window), center=False, return_complex=True)
    return np.ascontiguousarray(spectrum.abs().add_(float(settings["floor"])).log_().numpy().T)


@cache
def _hann(window: int) -> torch.Tensor:
    return torch.hann_window(window)

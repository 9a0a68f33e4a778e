"""Log-magnitude short-time spectra: da Silva et al., section 4.2 and Fig. 1 (8 kHz, window 512, hop 128: 257 bins)."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ser.study.settings import setting

VERSION = 1


@dataclass(frozen=True)
class Settings:
    """The settings of da Silva et al., section 4.2; the floor is ours."""

    rate_hz: int = setting("sampling rate of the waveform", 8000, unit="Hz", low=1)
    window: int = setting("length of a window", 512, unit="samples", low=1)
    hop: int = setting("from one window to the next", 128, unit="samples", low=1)
    floor: float = setting("added to magnitudes before the logarithm", 1e-6, above=0)


def width(settings: Settings) -> int:
    """Returns the bins per frame: window / 2 + 1."""
    return settings.window // 2 + 1


def frames(samples: int, settings: Settings) -> int:
    """Returns the number of frames of a wave of so many samples."""
    return 1 + max(0, samples - settings.window) // settings.hop


def extract(wave: npt.NDArray[np.float32], settings: Settings) -> npt.NDArray[np.float32]:
    """log(|STFT| + floor), natural, float32 [frames, width].

    Periodic Hann window, no centring: frames = 1 + (samples - window) // hop; a wave shorter than one window is
    padded with zeros to it. The floor keeps float32 within 5e-3 of float64 in near-silent bins.
    """
    import torch  # takes seconds, and a plan asks for frames alone

    from ser.frontends import _mel

    window, hop, floor = settings.window, settings.hop, settings.floor
    samples = torch.from_numpy(wave if len(wave) >= window else np.pad(wave, (0, window - len(wave))))
    blocks = _mel.spectral_blocks(samples, window, hop, window, width(settings))
    return _mel.joined([block.sqrt_().add_(floor).log_() for block in blocks]).numpy()

"""Settings of front-ends under which tests run them, beside those that they document."""

import atexit
import shutil
import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from ser.data import encoders
from ser.demo import encoder
from ser.registry import find
from ser.study import part, settings_of

OVERRIDES = (  # each reads settings that the papers' own do not reach
    ("log_mel", {"denoise": "spectral_gating"}),
    ("log_mel", {"denoise": "spectral_gating", "denoise_after_padding": False}),
    ("log_mel", {"scale": "tensor", "trim_s": 0.01}),
    ("log_mel", {"scale": "none"}),
    ("mfcc", {"mean": False, "peak": False}),
    ("vggish_mel", {"segmentation": "overlap_repo"}),
    ("vggish_mel", {"segmentation": "overlap_textbook"}),
    ("fourier", {"spacing": "pitch", "low_hz": 75.0, "high_hz": 500.0, "voicing": 0.45, "window": 640}),
    ("is09", {"smoothing": 1}),
    ("opensmile", {"features": "emobase", "level": "lld_de"}),
    ("opensmile", {"features": "ComParE_2016", "level": "lld"}),
    ("modulation", {"log": True, "unit": False}),
    ("spectrogram", {"patch": 50, "step": 25, "rows": 0}),
    ("spectrogram", {"silence_db": 30.0}),
    ("spectrogram", {"seconds": 0.5, "crop": "centre", "rows": 0, "scale": "none"}),
    ("pretrained", {"layers": "all"}),
    ("pretrained", {"layers": "mean", "statistics": ("mean", "std")}),
)


def settings_with(name: str, overrides: dict[str, Any] | None = None) -> Any:
    """The documented settings of a front-end with some changed; an encoder that none is stated of is a random one."""
    settings = replace(find("frontends", name).Settings(), **(overrides or {}))
    if getattr(settings, "encoder", "") == encoders.EACH:
        settings = replace(settings, encoder=random_encoder("whisper"))
    return settings


@cache
def random_encoder(architecture: str, **form: Any) -> str:
    """Identity of a small random encoder, whose folder this process remembers and removes at its end."""
    folder = Path(tempfile.mkdtemp(prefix="encoder-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    identity = str(encoders.examine(encoder.make(folder, architecture, **form)))
    encoders.remember({identity: folder})
    return identity


def checked(settings: Any) -> Any:
    """Settings of a front-end, held to their rules as a study's are. Raises BadInput."""
    return settings_of("frontends", part(type(settings).__module__.rpartition(".")[2], **vars(settings)))

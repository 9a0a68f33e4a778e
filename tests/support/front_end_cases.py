"""Settings of front-ends under which tests run them, beside those that they document."""

from typing import Any

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
)


def checked(settings: Any) -> Any:
    """Settings of a front-end, held to their rules as a study's are. Raises BadInput."""
    return settings_of("frontends", part(type(settings).__module__.rpartition(".")[2], **vars(settings)))

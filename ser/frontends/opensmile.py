"""Feature sets of openSMILE (Eyben, Wöllmer, Schuller 2010), computed by audEERING's package of that name.

The GeMAPS sets are of Eyben et al. 2016, ComParE 2016 of Schuller et al. 2016. openSMILE comes under audEERING's own
research licence: free for research and education, commercial use only by agreement with audEERING; it asks to be cited.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from ser.data.audio import UnusableAudio
from ser.errors import BadInput
from ser.study.settings import setting

VERSION = 1
_LEVELS = {
    "functionals": "Functionals",
    "lld": "LowLevelDescriptors",
    "lld_de": "LowLevelDescriptors_Deltas",
}
# The length of a vector on each level.
_WIDTHS = {
    "eGeMAPSv02": {"functionals": 88, "lld": 25},
    "GeMAPSv01b": {"functionals": 62, "lld": 18},
    "ComParE_2016": {"functionals": 6373, "lld": 65, "lld_de": 65},
    "emobase": {"functionals": 988, "lld": 26, "lld_de": 26},
}
_HOP_S = 0.01
_LARGEST = 1 - 2**-15  # sample of 16 bits


@dataclass(frozen=True)
class Settings:
    """Which features; all else is the package's configuration of the set."""

    rate_hz: int = setting("sampling rate", 16000, unit="Hz", choices=(8000, 16000, 32000, 44100, 48000))
    features: str = setting(
        "the feature set", "eGeMAPSv02", choices=("eGeMAPSv02", "GeMAPSv01b", "ComParE_2016", "emobase")
    )
    level: str = setting(
        "statistics of an utterance, descriptors each 10 ms, or the deltas of these",
        "functionals",
        choices=("functionals", "lld", "lld_de"),
    )


def width(settings: Settings) -> int:
    """Returns the number of features. Raises BadInput for the deltas of a GeMAPS set, which has none."""
    widths = _WIDTHS[settings.features]
    if settings.level not in widths:
        raise BadInput(repr(settings.level), f"front_end.level of {settings.features}", ", ".join(widths),
                       "choose one of them")  # fmt: skip
    return widths[settings.level]


def frames(samples: int, settings: Settings) -> int:
    """Returns the number of vectors of a wave of so many samples: 1 of functionals, else one each 10 ms.

    A set needs its longest window, 60 ms (emobase: 40 ms), and gives nothing of a shorter wave: 0. From there on there
    are 2 descriptors more than whole hops of 10 ms follow, of deltas 4. So the package counts: at each of 16,075
    lengths of up to 12 s, at all rates allowed here, the numbers were the same.
    """
    longest_s = 0.04 if settings.features == "emobase" else 0.06
    later = samples - round(longest_s * settings.rate_hz)
    if later < 0:
        return 0
    if settings.level == "functionals":
        return 1
    return later // round(_HOP_S * settings.rate_hz) + (4 if settings.level == "lld_de" else 2)


def extract(wave: npt.NDArray[np.float32], settings: Settings) -> npt.NDArray[np.float32]:
    """float32 [frames, width], the numbers of ``opensmile.Smile.process_signal``, of the wave rounded to 16 bits.

    Samples beyond the range of 16 bits are clipped, which the package would let wrap around. What is undefined, as of
    an utterance without voice, is 0: openSMILE's own convention. Raises UnusableAudio for a wave that is shorter than
    the set's longest window, BadInput where the package is missing.
    """
    rows = frames(len(wave), settings)
    if not rows:
        raise UnusableAudio(f"{len(wave) / settings.rate_hz * 1000:.0f} ms are too short for {settings.features}")
    clipped = np.clip(wave, -1, _LARGEST)[None]
    smile = _smile(settings.features, settings.level)
    features = np.ascontiguousarray(smile(clipped, settings.rate_hz)[0].T, np.float32)
    assert features.shape == (rows, width(settings)), features.shape
    return features


@cache
def _smile(features: str, level: str) -> Callable[[npt.NDArray[np.float32], int], npt.NDArray[np.float32]]:
    """Returns the package's extractor, which starts a machine of its own for each wave: threads may share it."""
    try:
        import opensmile
    except ModuleNotFoundError:
        raise BadInput("no package opensmile", "front-end opensmile", "the package, under audEERING's research licence",
                       "pip install 'ser[opensmile]'") from None  # fmt: skip
    smile: Callable[[npt.NDArray[np.float32], int], npt.NDArray[np.float32]]
    smile = opensmile.Smile(opensmile.FeatureSet[features], opensmile.FeatureLevel[_LEVELS[level]])
    return smile

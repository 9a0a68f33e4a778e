"""Continuous wavelet transform with Morlet's wavelet, scale by scale, and prosody: Shegokar 2016 in Pinto et al.

The formula is Torrence and Compo's (A practical guide to wavelet analysis, 1998, eq. 4 and Table 1). Wide wavelets are
narrow bands, of which fewer coefficients tell all: the values are those of every coefficient to 1 % in waves of a
quarter of a second or more. One row for an utterance, [1, 3 · scales], with prosody more.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch

from ser.errors import BadInput
from ser.frontends import _mel, _prosody_statistics, _short_time
from ser.frontends._prosody_statistics import ProsodySettings
from ser.study.settings import setting

VERSION = 1
_REACH = 5.0  # standard deviations of a Gaussian beyond which it is no more than 4e-6
_LEAST_CENTRE = 5.0


@dataclass(frozen=True)
class Settings(ProsodySettings):
    """Within the 30 to 60 scales that Pinto et al. report of Shegokar, and with prosody.

    The limits, which hold pitch and formants, are ours; which prosody the original has is not reported, and this is
    that of Wu et al. in ``modulation``, in frames of 40 ms each 10 ms.
    """

    scales: int = setting("wavelets, evenly spaced in the logarithm of frequency", 40, low=1)
    low_hz: float = setting("frequency of the widest wavelet", 50.0, unit="Hz", above=0)
    high_hz: float = setting("frequency of the narrowest wavelet, at most half the rate", 6000.0, unit="Hz", above=0)
    centre: float = setting(
        "radians per unit of time of the mother wavelet: 6 is two periods from -1 to 1 deviation", 6.0, low=5
    )
    prosody: bool = setting("statistics of prosody too", True)


def width(settings: Settings) -> int:
    """Three descriptors of each scale, and with ``prosody`` its statistics. Raises BadInput for unknown ones."""
    return 3 * settings.scales + (_prosody_statistics.size(settings) if settings.prosody else 0)


def frames(samples: int, settings: Settings) -> int:
    """Returns one row for an utterance."""
    return 1


def extract(wave: npt.NDArray[np.float32], settings: Settings) -> npt.NDArray[np.float32]:
    """float32 [1, width]: log(energy + floor) of all scales, means of the magnitudes, their stds; then prosody.

    Scales from the lowest frequency to the highest, evenly in the logarithm; a scale's frequency is its wavelet's
    centre. Beyond its ends the wave is silent. Energy is the sum of squared magnitudes over time in s, so a longer
    utterance has more; the log is natural, and of silence that of the floor, with 0 for mean and std.

    With ``prosody`` the statistics of ``_prosody_statistics`` follow, and settings from ``frame`` on are read. Raises
    BadInput for frequencies beyond half the rate, or a centre at which the wavelet's mean is not zero.
    """
    parts = [_of_scales(wave, settings).numpy()]
    if settings.prosody:
        parts.append(_prosody_statistics.statistics(wave, settings).astype(np.float32))
    return np.concatenate(parts)[None]


def _of_scales(wave: npt.NDArray[np.float32], settings: Settings) -> torch.Tensor:
    """[3 · scales]"""
    low_hz, high_hz, rate_hz = settings.low_hz, settings.high_hz, settings.rate_hz
    if not 0 < low_hz < high_hz <= rate_hz / 2:
        allowed = f"0 < low_hz < high_hz <= {rate_hz / 2:g}, half the rate"
        raise BadInput(
            f"{low_hz:g} and {high_hz:g}", "front_end.low_hz, front_end.high_hz", allowed, "change the study"
        )
    centre = settings.centre
    if centre < _LEAST_CENTRE:
        raise BadInput(f"{centre:g}", "front_end.centre", f"{_LEAST_CENTRE:g} or more", "take 6, as is usual")
    radians = 2 * np.pi * np.geomspace(low_hz, high_hz, settings.scales) / rate_hz
    scales = tuple((centre / radians).tolist())
    length = _fast_length(len(wave) + round(_REACH * scales[0]), _step(scales[0]))
    spectrum = torch.zeros(length, dtype=torch.complex64)
    spectrum[: length // 2 + 1] = torch.fft.rfft(torch.from_numpy(wave), n=length)
    parts = [_described(spectrum, group, len(wave)) for group in _bank(length, scales, centre)]
    squares, means, deviations = torch.cat(parts, dim=1)
    energies = squares.double() * (len(wave) / rate_hz)
    logarithms = energies.add_(_short_time.checked_floor(settings.floor)).log_().float()
    return torch.cat((logarithms, means, deviations))


@dataclass(frozen=True)
class _Group:
    """Neighbouring scales that are known from every ``step``-th coefficient alone."""

    step: int
    first: torch.Tensor  # int64 [scales]: where in the spectrum a scale's bins begin
    weights: torch.Tensor  # float32 [scales, length / step]: what they are multiplied with


def _step(scale: float) -> int:
    """Returns the greatest power of 2 at which a wavelet's bins, within ``_REACH``, are no more than coefficients."""
    return 1 << max(0, int(np.log2(np.pi * scale / _REACH)))


def _fast_length(least: int, multiple: int) -> int:
    """Returns the least of 4, 5, 6, 7 times a power of 2 that is long enough: few lengths, and fast to transform."""
    power = max(multiple, 1 << max(0, (least - 1).bit_length() - 3))
    return next(length for length in (power * i for i in range(4, 9)) if length >= least)


@lru_cache(maxsize=16)
def _bank(length: int, scales: tuple[float, ...], centre: float) -> tuple[_Group, ...]:
    """Wavelets in the frequency domain, each only where it is not zero."""
    groups = []
    for step in sorted({_step(scale) for scale in scales}, reverse=True):
        members = np.array([scale for scale in scales if _step(scale) == step])[:, None]
        count = length // step
        middles = np.rint(centre / members * length / (2 * np.pi)).astype(np.int64)
        first = np.clip(middles - count // 2, 0, length - count)
        radians = (first + np.arange(count)) * (2 * np.pi / length)
        heights = np.sqrt(2 * np.pi * members) * np.pi**-0.25 / step
        weights = heights * np.exp(-0.5 * np.square(members * radians - centre))
        weights[(radians <= 0) | (weights < 1e-20)] = 0  # an analytic wavelet; and no slow, denormal numbers
        groups.append(_Group(step, torch.from_numpy(first[:, 0]), torch.from_numpy(weights.astype(np.float32))))
    return tuple(groups)


def _described(spectrum: torch.Tensor, group: _Group, samples: int) -> torch.Tensor:
    """Mean square, mean and standard deviation of the magnitudes, [3, scales], over the wave's own time.

    A band's bins, moved down to 0 Hz, have every ``step``-th coefficient for their transform, but for a phase. Each
    stands for the samples nearest to it, of which the first and the last have fewer.
    """
    bands = spectrum.unfold(0, group.weights.shape[1], 1)[group.first] * group.weights
    count = 1 + (samples - 1 + group.step // 2) // group.step
    squares = _mel.squares(torch.fft.ifft(bands)[:, :count])
    borders = torch.arange(count + 1) * group.step - group.step / 2
    borders[0], borders[-1] = -0.5, samples - 0.5
    shares = borders.diff() / samples
    magnitudes = squares.sqrt()
    means = magnitudes @ shares
    deviations = (magnitudes.sub_(means[:, None]).square_() @ shares).sqrt_()
    return torch.stack((squares @ shares, means, deviations))

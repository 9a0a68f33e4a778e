"""Mel scales and filterbanks: the triangles that log_mel, vggish_mel and mfcc weigh a spectrum with.

Two families, which differ by far more than rounding: triangles in mel with peak 1 (HTK's scale, as TensorFlow and
VGGish have them) and triangles in Hz with area 1 (Slaney's scale, as librosa has them).
"""

from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np
import numpy.typing as npt
import torch

from ser.errors import BadInput

Vector = npt.NDArray[np.float64]

_SLANEY_BREAK_HZ, _SLANEY_BREAK_MEL, _SLANEY_STEP = 1000.0, 15.0, np.log(6.4) / 27  # linear below, logarithmic above

_BLOCK_BYTES = 1 << 20  # of windowed frames at a time: with spectra and powers they fit a core's cache
_BANDS = 16  # of a bank at a time


def htk_mel(hz: npt.ArrayLike) -> Vector:
    """2595 log10(1 + f / 700): Pho et al. 2020, eq. 2. 1000 Hz is 999.99 mel."""
    return np.asarray(2595 * np.log10(1 + np.asarray(hz, np.float64) / 700))


def slaney_mel(hz: npt.ArrayLike) -> Vector:
    """Slaney's Auditory Toolbox: 3 mel per 200 Hz below 1000 Hz (15 mel), then 27 mel for each factor of 6.4."""
    f = np.asarray(hz, np.float64)
    above = np.log(np.maximum(f, _SLANEY_BREAK_HZ) / _SLANEY_BREAK_HZ) / _SLANEY_STEP
    return np.where(f < _SLANEY_BREAK_HZ, f * _SLANEY_BREAK_MEL / _SLANEY_BREAK_HZ, _SLANEY_BREAK_MEL + above)


def slaney_hz(mel: npt.ArrayLike) -> Vector:
    """Returns the inverse of ``slaney_mel``."""
    m = np.asarray(mel, np.float64)
    above = _SLANEY_BREAK_HZ * np.exp(np.maximum(m - _SLANEY_BREAK_MEL, 0) * _SLANEY_STEP)
    return np.where(m < _SLANEY_BREAK_MEL, m * _SLANEY_BREAK_HZ / _SLANEY_BREAK_MEL, above)


def triangles(at: Vector, edges: Vector) -> Vector:
    """Peak 1 at each inner edge, falling to 0 at its neighbours: [len(at), len(edges) - 2]."""
    low, peak, high = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (at[:, None] - low) / (peak - low), (high - at[:, None]) / (high - peak)
    return np.maximum(0, np.minimum(rising, falling))


class Bank:
    """Weights [bins, bands] of which most are zero, as filters that lie side by side have them.

    ``of`` multiplies a few neighbouring bands at a time with the bins that they reach, a tenth of the whole product.
    """

    def __init__(self, weights: torch.Tensor) -> None:
        self.bands = weights.shape[1]
        self._pieces: list[tuple[slice, slice, torch.Tensor]] = []
        for first in range(0, self.bands, _BANDS):
            bands = slice(first, first + _BANDS)
            reached = weights[:, bands].any(1).nonzero()
            if len(reached):
                bins = slice(int(reached[0]), int(reached[-1]) + 1)
                self._pieces.append((bins, bands, weights[bins, bands].contiguous()))
        self.bins = max((bins.stop for bins, _, _ in self._pieces), default=0)  # none beyond has any weight

    def of(self, rows: torch.Tensor) -> torch.Tensor:
        """Returns rows [n, bins] weighed: [n, bands]."""
        total = rows.new_zeros(len(rows), self.bands)
        for bins, bands, weights in self._pieces:
            torch.mm(rows[:, bins], weights, out=total[:, bands])
        return total


@cache
def htk_filters(rate_hz: int, fft: int, mels: int, low_hz: float, high_hz: float) -> Vector:
    """Weights [fft // 2 + 1, mels]: triangles in HTK's mel, peak 1, nothing from 0 Hz (Pho et al. and Sahoo et al.).

    Raises BadInput for limits between which there is no band.
    """
    if not 0 <= low_hz < high_hz <= rate_hz / 2:
        allowed = f"0 <= low_hz < high_hz <= {rate_hz / 2:g}, half the rate"
        raise BadInput(
            f"{low_hz:g} and {high_hz:g}", "front_end.low_hz, front_end.high_hz", allowed, "change the study"
        )
    bins = np.linspace(0, rate_hz / 2, fft // 2 + 1)
    weights = triangles(htk_mel(bins), np.linspace(htk_mel(low_hz), htk_mel(high_hz), mels + 2))
    weights[0] = 0
    return weights


@cache
def htk_bank(rate_hz: int, fft: int, mels: int, low_hz: float, high_hz: float, dtype: torch.dtype) -> Bank:
    """The same, ready to weigh spectra with."""
    return Bank(torch.from_numpy(htk_filters(rate_hz, fft, mels, low_hz, high_hz)).to(dtype))


@cache
def slaney_filters(rate_hz: int, fft: int, mels: int) -> Vector:
    """Weights [fft // 2 + 1, mels] from 0 Hz to half the rate: triangles in Hz, each of area 1 (librosa's default)."""
    edges = slaney_hz(np.linspace(0, slaney_mel(rate_hz / 2), mels + 2))
    weights = triangles(np.linspace(0, rate_hz / 2, fft // 2 + 1), edges)
    return np.asarray(weights * 2 / (edges[2:] - edges[:-2]))


@cache
def slaney_bank(rate_hz: int, fft: int, mels: int) -> Bank:
    """The same in float32, ready to weigh spectra with."""
    return Bank(torch.from_numpy(slaney_filters(rate_hz, fft, mels)).float())


@cache
def hann(window: int, dtype: torch.dtype) -> torch.Tensor:
    """Periodic Hann window."""
    return torch.hann_window(window, dtype=dtype)


def weighed(
    samples: torch.Tensor, window: int, hop: int, fft: int, bank: Bank, magnitudes: bool = False
) -> torch.Tensor:
    """Squared magnitudes, or magnitudes, of the spectra of whole windows, weighed by a bank: [frames, bands].

    Raises BadInput as ``powers`` does.
    """
    blocks = spectral_blocks(samples, window, hop, fft, bank.bins)
    return joined([bank.of(block.sqrt_() if magnitudes else block) for block in blocks])


def powers(samples: torch.Tensor, window: int, hop: int, fft: int) -> torch.Tensor:
    """Squared magnitudes of the spectra of whole windows, no centring: [frames, fft // 2 + 1].

    frames = 1 + (samples - window) // hop. Not ``torch.stft``, which cuts windows of ``fft`` samples, and so gives
    fewer where fft is larger than window. Raises BadInput for windows that are longer than the samples, or than the
    transform, which would cut them short unsaid.
    """
    return joined(list(spectral_blocks(samples, window, hop, fft, fft // 2 + 1)))


def spectral_blocks(samples: torch.Tensor, window: int, hop: int, fft: int, bins: int) -> Iterator[torch.Tensor]:
    """The first ``bins`` columns of ``powers``, a few frames at a time, in order: [n, bins] each.

    What follows is then computed while they are in the processor's cache: of a wave's whole spectrum that would be many
    times slower than the transform. Raises BadInput as ``powers`` does.
    """
    if window > min(fft, len(samples)):
        allowed = f"1 to {min(fft, len(samples))}: no more than the transform and the samples are long"
        raise BadInput(str(window), "front_end.window", allowed, "take a shorter window, or a longer transform")
    frames = samples.unfold(0, window, hop)
    most = max(1, _BLOCK_BYTES // (fft * samples.element_size()))
    taper = hann(window, samples.dtype)
    buffer = samples.new_zeros(min(most, len(frames)), fft) if fft > window else None
    for part in frames.split(most):
        if buffer is None:
            windows = part * taper
        else:
            windows = buffer[: len(part)]
            torch.mul(part, taper, out=windows[:, :window])
        yield squares(torch.fft.rfft(windows)[:, :bins])


def joined(blocks: Sequence[torch.Tensor]) -> torch.Tensor:
    """Returns all rows of some blocks, a single block itself."""
    return blocks[0] if len(blocks) == 1 else torch.cat(tuple(blocks))


def squares(spectra: torch.Tensor) -> torch.Tensor:
    """Squared magnitudes of complex numbers."""
    numbers = spectra.numpy()  # NumPy has vector instructions for parts of complex numbers, torch has none
    power = np.square(numbers.real)
    power += np.square(numbers.imag)
    return torch.from_numpy(power)

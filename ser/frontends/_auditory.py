"""Energies of an auditory filterbank's envelopes by modulation frequency: Wu, Falk, Chan, "Automatic speech emotion
recognition using modulation spectral features", Speech Communication 53, 2011, section 2.

Gammatone filters (a cochlea) -> Hilbert envelopes -> modulation filters -> energies of long frames.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy.fft import ifft, irfft, next_fast_len, rfft
from scipy.signal import iirpeak, lfilter

from ser.errors import BadInput

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float32]

_RINGING_S = 0.1  # a gammatone of 100 Hz has fallen below 1e-8 by then
_WIDTH = 1.019  # of a gammatone filter of fourth order, in bandwidths of an ear's filter


def centres(bands: int, low_hz: float, high_hz: float) -> Vector:
    """Centre frequencies, evenly spaced on the scale of equivalent rectangular bandwidths, both limits among them."""
    scale = np.linspace(np.log1p(0.00437 * low_hz), np.log1p(0.00437 * high_hz), bands)
    return np.asarray(np.expm1(scale) / 0.00437)


def bandwidths(hz: Vector) -> Vector:
    """Equivalent rectangular bandwidth of an ear's filter around each frequency: Glasberg and Moore, 1990."""
    return np.asarray(24.7 * (1 + 0.00437 * hz))


def envelopes(wave: Matrix, rate_hz: int, envelope_hz: int, bands: int, low_hz: float, high_hz: float) -> Matrix:
    """Hilbert envelope of each band: float32 [bands, ceil(samples envelope_hz / rate_hz)].

    A gammatone of fourth order and its Hilbert transform are one filter with nothing below 0 Hz; it is applied to the
    wave's spectrum, so half the rate is enough for its output. Envelopes then lose what is above half of
    ``envelope_hz``. A tone at a band's centre has its own amplitude there. Raises BadInput for rates and limits that
    do not fit.
    """
    if rate_hz % envelope_hz:
        allowed = f"divisors of {rate_hz}, the rate"
        raise BadInput(str(envelope_hz), "front_end.envelope_hz", allowed, "change the study")
    if not 0 < low_hz < high_hz < rate_hz / 2:
        allowed = f"0 < low_hz < high_hz < {rate_hz / 2:g}, half the rate"
        raise BadInput(
            f"{low_hz:g} and {high_hz:g}", "front_end.low_hz, front_end.high_hz", allowed, "change the study"
        )
    step = rate_hz // envelope_hz
    count = -(-len(wave) // step)
    length = 2 * next_fast_len(-(-(count + round(_RINGING_S * envelope_hz)) // 2))
    size = length * step
    spectrum = rfft(wave, n=size)[: size // 2]
    hz = np.arange(size // 2) * (rate_hz / size)
    rows = np.empty((bands, count), np.float32)
    for band, (middle, width) in enumerate(_filters(bands, low_hz, high_hz)):
        analytic = ifft(spectrum * _gammatone(hz, middle, width))
        whole = rfft(np.abs(analytic))
        rows[band] = irfft(whole[: length // 2 + 1], n=length)[:count] * np.float32(2 * length / size)
    return rows


def _gammatone(hz: Vector, middle: float, width: float) -> npt.NDArray[np.complex64]:
    """Gain of t^3 exp(-2 pi width t) exp(2 pi i middle t), which is 1 at the middle."""
    return np.asarray((1 / (1 + 1j * ((hz - middle) / width).astype(np.float32))) ** 4, np.complex64)


@cache
def _filters(bands: int, low_hz: float, high_hz: float) -> list[tuple[float, float]]:
    """Middle and width of each gammatone."""
    middles = centres(bands, low_hz, high_hz)
    return list(zip(middles.tolist(), (_WIDTH * bandwidths(middles)).tolist(), strict=True))


def energies(
    envelopes: Matrix, envelope_hz: int, modulation_hz: Sequence[float], quality: float, window: int, hop: int
) -> tuple[Vector, Vector]:
    """Energies of modulation channels in long frames, [frames, bands, channels], and the frames' power [frames].

    Each envelope passes filters of second order around each of ``modulation_hz``, ``quality`` times as high as broad,
    causal and from rest. A frame is ``window`` envelope samples under a Hamming window, one every ``hop``; envelopes
    shorter than one are padded with zeros. Energies are means of squares, weighed by the window.
    """
    padded = np.pad(envelopes, ((0, 0), (0, max(0, window - envelopes.shape[1]))))
    weight = np.square(np.hamming(window))
    weight /= weight.sum()
    outputs = [lfilter(*_modulation(envelope_hz, hz, quality), padded, axis=1) for hz in modulation_hz]
    squares = np.square(np.stack(outputs, axis=1))  # [bands, channels, samples]
    frames = np.lib.stride_tricks.sliding_window_view(squares, window, axis=2)[:, :, ::hop]
    power = np.square(padded).sum(axis=0, dtype=np.float64)
    powers = np.lib.stride_tricks.sliding_window_view(power, window)[::hop] @ weight
    return np.ascontiguousarray(np.moveaxis(frames @ weight, 2, 0)), np.asarray(powers)


@cache
def _modulation(envelope_hz: int, hz: float, quality: float) -> tuple[Vector, Vector]:
    """Numerator and denominator; the gain is 1 at ``hz``, and 0 for a steady envelope. Raises BadInput."""
    if not 0 < hz < envelope_hz / 2:
        allowed = f"between 0 and {envelope_hz / 2:g}, half of envelope_hz"
        raise BadInput(f"{hz:g}", "front_end.modulation_hz", allowed, "raise envelope_hz, or leave the channel out")
    numerator, denominator = iirpeak(hz, quality, envelope_hz)
    return numerator, denominator

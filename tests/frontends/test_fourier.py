"""Fourier parameters: amplitudes of made sines and voices, and the whole vector in plain formulae."""

from dataclasses import replace

import librosa
import numpy as np
import pytest
from front_end_cases import checked

from ser.errors import BadInput
from ser.frontends import _htk_cepstra, fourier

STATED = fourier.Settings()
ALONE = replace(STATED, mfcc=False, statistics=("mean",))
OF_PITCH = replace(ALONE, spacing="pitch", window=800, hop=160, harmonics=50, low_hz=75.0, high_hz=400.0, voicing=0.45)


def noise(samples=12000, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


def sines(hz, amplitudes, length_s=0.5):
    t = np.arange(round(16000 * length_s)) / 16000
    parts = [a * np.cos(2 * np.pi * f * t + k * k) for k, (f, a) in enumerate(zip(hz, amplitudes, strict=True))]
    return np.sum(parts, axis=0).astype(np.float32)


def test_a_sine_at_a_bin_has_its_amplitude_there():
    found = fourier.extract(sines([62.5 * 10, 62.5 * 100], [0.3, 0.02]), ALONE)[0, :120]
    assert found[9] == pytest.approx(0.3, rel=1e-3)
    assert found[99] == pytest.approx(0.02, rel=1e-2)
    assert found[[*range(7), *range(12, 97), *range(102, 120)]].max() < 1e-3


def test_the_whole_vector_is_five_statistics_of_three_orders_of_both_kinds():
    wave = noise()
    frames = librosa.util.frame(wave.astype(np.float64), frame_length=256, hop_length=128).T
    amplitudes = np.abs(np.fft.rfft(frames * np.hamming(256)))[:, 1:121] * 2 / np.hamming(256).sum()
    cepstra = _htk_cepstra.cepstra(frames.astype(np.float32), 16000, 26, 12, 1 / 32768).astype(np.float64)
    columns = []
    for group in (amplitudes, cepstra):
        first = librosa.feature.delta(group, width=5, axis=0, mode="nearest")
        columns += [group, first, librosa.feature.delta(first, width=5, axis=0, mode="nearest")]
    whole = np.concatenate(columns, axis=1)
    expected = [f(whole, axis=0) for f in (np.mean, np.max, np.min, np.median, np.std)]
    found = fourier.extract(wave, STATED)
    assert found.shape == (1, fourier.width(STATED)) == (1, 5 * 3 * (120 + 13))
    np.testing.assert_allclose(found[0], np.concatenate(expected), rtol=2e-3, atol=2e-5)


def test_without_cepstra_the_columns_of_the_harmonics_stay():
    both, alone = (fourier.extract(noise(), replace(STATED, mfcc=flag)) for flag in (True, False))
    assert alone.shape == (1, 1800)
    np.testing.assert_array_equal(both.reshape(5, 399)[:, :360], alone.reshape(5, 360))


@pytest.mark.parametrize("hz", [110, 193, 240])
def test_harmonics_of_a_voice_have_the_amplitudes_that_made_it(hz):
    amplitudes = 0.2 * np.random.default_rng(1).uniform(0.2, 1, 20) / np.arange(1, 21)
    found = fourier.extract(sines(hz * np.arange(1, 21), amplitudes), OF_PITCH)[0, :50]
    np.testing.assert_allclose(found[:20], amplitudes, rtol=0.05)
    assert found[20:].max() < 0.02 * amplitudes.max()


def test_no_harmonic_is_above_half_the_rate_or_in_an_unvoiced_frame():
    voice = sines(300 * np.arange(1, 20), np.full(19, 0.02)) + 0.05 * noise(8000)
    found = fourier.extract(voice, OF_PITCH)[0, :50]
    assert (found[:26] > 0).all()
    assert not found[26:].any()
    assert not fourier.extract(np.zeros(8000, np.float32), OF_PITCH).any()
    assert fourier.extract(noise(), replace(OF_PITCH, voicing=0.9, statistics=("max",)))[0, :50].max() == 0


def test_deltas_reach_as_far_as_stated():
    wave = noise()
    near, far = (fourier.extract(wave, replace(ALONE, reach=reach, statistics=("std",)))[0] for reach in (1, 4))
    np.testing.assert_array_equal(near[:120], far[:120])
    assert (far[120:] < 0.5 * near[120:]).all()


def test_refuses_more_harmonics_than_the_window_has_and_other_spacings():
    assert fourier.extract(noise(), replace(ALONE, harmonics=127)).shape == (1, 3 * 127)
    with pytest.raises(BadInput, match=r"front_end.harmonics: 128; allowed: 1 to 127"):
        fourier.extract(noise(), replace(ALONE, harmonics=128))
    with pytest.raises(BadInput, match=r"front_end.harmonics: 0; allowed: 1 or more"):
        fourier.extract(noise(), checked(replace(OF_PITCH, harmonics=0)))
    with pytest.raises(BadInput, match=r"front_end.spacing: octaves; allowed: bins, pitch"):
        fourier.extract(noise(), checked(replace(ALONE, spacing="octaves")))
    with pytest.raises(BadInput, match="functionals: 'mode'"):
        fourier.width(replace(STATED, statistics=("mode",)))

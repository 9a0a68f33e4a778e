"""Cepstral coefficients of Khan et al. against librosa's."""

from dataclasses import replace

import librosa
import numpy as np
import pytest

from ser.errors import BadInput
from ser.frontends import mfcc

PAPER = mfcc.Settings()


def voice(samples, seed=0):
    t = np.arange(samples) / 22050
    rng = np.random.default_rng(seed)
    harmonics = sum(np.sin(2 * np.pi * 140 * k * t) / k for k in range(1, 20))
    return (0.1 * harmonics * (0.6 + 0.4 * np.sin(9 * t)) + 0.003 * rng.standard_normal(samples)).astype(np.float32)


def reference(wave, **options):
    settings = {"n_mfcc": 80, "n_fft": 2048, "hop_length": 512, "n_mels": 128} | options
    return librosa.feature.mfcc(y=wave.astype(np.float64), sr=22050, **settings).T


@pytest.mark.parametrize("samples", [2048, 22050, 60001])
def test_every_frame_is_librosas(samples):
    wave = voice(samples)
    found = mfcc.extract(wave, replace(PAPER, mean=False, peak=False))
    assert found.shape == (1 + samples // 512, 80)
    np.testing.assert_allclose(found, reference(wave), rtol=0, atol=1e-3)


def test_the_paper_has_the_mean_of_a_recording_scaled_to_its_peak():
    wave = voice(30000)
    found = mfcc.extract(wave, PAPER)
    assert found.shape == (1, 80)
    np.testing.assert_allclose(found[0], reference(wave / np.abs(wave).max()).mean(0), rtol=0, atol=1e-3)
    np.testing.assert_allclose(found, mfcc.extract(0.01 * wave, PAPER), rtol=0, atol=1e-3)


def test_levels_are_cut_off_below_the_loudest_as_librosa_cuts_them():
    wave = voice(30000)
    wave[15000:] *= 1e-5
    for top_db in (40.0, 80.0):
        spectrum = librosa.feature.melspectrogram(y=wave.astype(np.float64), sr=22050, n_fft=2048, hop_length=512)
        expected = librosa.feature.mfcc(S=librosa.power_to_db(spectrum, top_db=top_db), n_mfcc=80).T
        found = mfcc.extract(wave, replace(PAPER, mean=False, peak=False, top_db=top_db))
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    "options", [{"mels": 40, "coefficients": 13}, {"window": 512, "hop": 128, "mels": 64, "coefficients": 64}]
)
def test_follows_its_settings(options):
    wave = voice(20000)
    names = {"mels": "n_mels", "coefficients": "n_mfcc", "window": "n_fft", "hop": "hop_length"}
    expected = reference(wave, **{names[name]: value for name, value in options.items()})
    found = mfcc.extract(wave, replace(PAPER, **options, mean=False, peak=False))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3)


def test_silence_stays_silence():
    found = mfcc.extract(np.zeros(5000, np.float32), PAPER)
    np.testing.assert_allclose(found[0, 0], -100 * np.sqrt(128), rtol=1e-5)  # -100 dB in all 128 bins
    np.testing.assert_allclose(found[0, 1:], 0, atol=1e-3)


def test_refuses_more_coefficients_than_mels():
    with pytest.raises(BadInput, match=r"front_end.coefficients: 41; allowed: 1 to 40"):
        mfcc.width(replace(PAPER, mels=40, coefficients=41))

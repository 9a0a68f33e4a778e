"""The challenge's descriptors against openSMILE's numbers, HTK's formula and librosa."""

from dataclasses import replace

import librosa
import numpy as np
import pytest

from experiments._survey_systems import CHALLENGE
from ser.data.functionals import functionals
from ser.errors import BadInput
from ser.frontends import _htk_cepstra, is09, prosody

STATED = is09.Settings()
PLAIN = replace(STATED, smoothing=1)


def gliding():
    """A voice that rises from 120 to 200 Hz within a second, and a chirp."""
    t = np.arange(16000) / 16000
    voice = sum(np.sin(2 * np.pi * (120 * t + 40 * t * t) * k + k * k) / k for k in range(1, 31))
    return (0.05 * voice * (1 + 0.5 * np.sin(17 * t)) + 0.02 * np.sin(1e5 * t * t)).astype(np.float32)


def noise(samples=8000, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


def test_cepstra_and_crossings_are_those_that_opensmile_prints():
    crossings = 0.2808  # of frame 70, by IS09_emotion of the package opensmile 2.6
    cepstra = [-10.8781, -1.6259, -7.5054, -1.3957, -10.1316, -1.0884, -12.5409, -1.8404, -12.1498, -3.2796]
    found = is09.extract(gliding(), STATED)[70]
    assert found[0] == pytest.approx(crossings, abs=3e-3)
    np.testing.assert_allclose(found[4:14], cepstra, atol=0.01)
    np.testing.assert_allclose(found[14:16], [-8.9581, -6.9815], atol=0.01)


def test_cepstra_follow_htks_formula():
    frames = librosa.util.frame(noise(), frame_length=400, hop_length=160).T.astype(np.float64)
    sharp = np.concatenate([0.03 * frames[:, :1], frames[:, 1:] - 0.97 * frames[:, :-1]], axis=1)
    magnitudes = np.abs(np.fft.rfft(sharp * np.hamming(400), 512))
    edges = np.linspace(0, librosa.hz_to_mel(8000, htk=True), 22)
    bins = librosa.hz_to_mel(np.arange(257) * 16000 / 512, htk=True)
    bank = np.stack([np.interp(bins, edges[i : i + 3], [0, 1, 0], left=0, right=0) for i in range(20)])
    logarithm = np.log(magnitudes @ bank.T)
    for k in (0, 1, 5, 13):
        cosine = np.sqrt(2 / 20) * np.cos(np.pi * k / 20 * (np.arange(1, 21) - 0.5))
        expected = (1 + 22 / 2 * np.sin(np.pi * k / 22)) * logarithm @ cosine
        found = _htk_cepstra.cepstra(frames.astype(np.float32), 16000, 20, 13, 1e-9)
        np.testing.assert_allclose(found[:, k], expected, atol=2e-3)
    assert found.shape == (len(frames), 14)


def test_the_first_four_are_crossings_loudness_pitch_and_noise_ratio():
    wave = gliding()
    found, reference = is09.extract(wave, PLAIN), prosody.extract(wave, replace(prosody.Settings(), window=400))
    np.testing.assert_allclose(found[:, 0], reference[:, 2])
    np.testing.assert_allclose(20 * np.log10(found[:, 1]), reference[:, 1], atol=1e-3)
    np.testing.assert_array_equal(found[:, 2:4], reference[:, [0, 3]])
    times = (200 + 160 * np.arange(len(found))) / 16000
    np.testing.assert_allclose(found[3:-3, 2], (120 + 80 * times)[3:-3], rtol=0.01)


def test_deltas_are_librosas_lines_through_five_frames():
    found = is09.extract(gliding(), STATED)
    expected = librosa.feature.delta(found[:, :16].astype(np.float64), width=5, axis=0, mode="nearest")
    np.testing.assert_allclose(found[:, 16:], expected, rtol=1e-3, atol=1e-4)
    other = is09.extract(gliding(), replace(STATED, reach=4))
    expected = librosa.feature.delta(found[:, :16].astype(np.float64), width=9, axis=0, mode="nearest")
    np.testing.assert_allclose(other[:, 16:], expected, rtol=1e-3, atol=1e-4)


def test_smoothing_averages_each_frame_with_its_neighbours():
    plain, smooth = (is09.extract(gliding(), s)[:, :16] for s in (PLAIN, STATED))
    np.testing.assert_allclose(smooth[1:-1], (plain[:-2] + plain[1:-1] + plain[2:]) / 3, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(smooth[0], (2 * plain[0] + plain[1]) / 3, rtol=1e-4, atol=1e-4)


def test_the_challenges_functionals_make_384_finite_numbers_of_it_even_of_silence():
    for wave in (gliding(), np.zeros(5000, np.float32), noise(7)):
        row = functionals(is09.extract(wave, STATED), CHALLENGE)
        assert row.shape == (384,)
        assert np.isfinite(row).all()


def test_silence_has_no_shape():
    found = is09.extract(np.zeros(5000, np.float32), STATED)
    np.testing.assert_allclose(found[:, [0, 1, 2, *range(4, 32)]], 0, atol=1e-4)
    np.testing.assert_allclose(found[:, 3], -30, atol=0.01)


def test_refuses_what_it_cannot_do():
    for span in (0, 2):
        with pytest.raises(BadInput, match=f"front_end.smoothing: {span}; allowed: an odd number"):
            is09.extract(noise(), replace(STATED, smoothing=span))
    with pytest.raises(BadInput, match=r"front_end.coefficients: 12; allowed: 1 to 11"):
        is09.extract(noise(), replace(STATED, mels=12))


def test_one_frame_alone_has_no_deltas():
    assert not is09.extract(noise(300), STATED)[:, 16:].any()

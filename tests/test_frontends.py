"""Front-ends: what every file of ``ser/frontends`` promises, and log_stft against librosa."""

import librosa
import numpy as np
import pytest

from ser.registry import find, names

STATED = {"log_stft": {"rate_hz": 8000, "window": 512, "hop": 128, "floor": 1e-6}}


def speech(samples, seed=0):
    rng = np.random.default_rng(seed)
    swell = 0.5 + 0.5 * np.sin(2 * np.pi * np.arange(samples) / 2500)
    return (0.1 * swell * rng.standard_normal(samples)).astype(np.float32)


def extracted(name, wave):
    return find("frontends", name).extract(wave, STATED[name])


def test_every_front_end_has_settings_to_be_tested_with(paper):
    assert set(STATED) == set(names("frontends"))
    assert paper.front_end.values() == STATED[paper.front_end.name]


@pytest.mark.parametrize("samples", [1, 100, 511, 512, 639, 640, 8000, 12345])
@pytest.mark.parametrize("name", names("frontends"))
def test_gives_finite_float32_rows_of_the_stated_width(name, samples):
    wave = speech(samples)
    before = wave.copy()
    features = extracted(name, wave)
    assert features.ndim == 2
    assert len(features) >= 1
    assert features.shape[1] == find("frontends", name).width(STATED[name])
    assert features.dtype == np.float32
    assert features.flags["C_CONTIGUOUS"]
    assert np.isfinite(features).all()
    np.testing.assert_array_equal(wave, before)


@pytest.mark.parametrize("name", names("frontends"))
def test_gives_the_same_bytes_again_and_finite_values_for_silence(name):
    assert extracted(name, speech(4000)).tobytes() == extracted(name, speech(4000)).tobytes()
    assert np.isfinite(extracted(name, np.zeros(4000, np.float32))).all()


@pytest.mark.parametrize(("samples", "frames"), [(1, 1), (512, 1), (639, 1), (640, 2), (8000, 59), (12345, 93)])
def test_log_stft_has_one_frame_per_whole_window_and_257_bins(samples, frames):
    assert extracted("log_stft", speech(samples)).shape == (frames, 257)


@pytest.mark.parametrize("amplitude", [1.0, 1e-4])
def test_log_stft_is_librosas(amplitude):
    wave = amplitude * speech(8000)
    spectrum = librosa.stft(
        wave.astype(np.float64), n_fft=512, hop_length=128, win_length=512, window="hann", center=False
    )
    np.testing.assert_allclose(extracted("log_stft", wave), np.log(np.abs(spectrum) + 1e-6).T, rtol=0, atol=5e-3)


def test_log_stft_of_a_tone_peaks_in_its_bin():
    tone = np.sin(2 * np.pi * 1000 * np.arange(8000) / 8000).astype(np.float32)
    assert set(extracted("log_stft", tone).argmax(axis=1)) == {1000 * 512 // 8000}

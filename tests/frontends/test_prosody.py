"""F0 and harmonicity of made voices, noise and silence; intensity and sign changes by hand."""

from dataclasses import replace
from itertools import pairwise

import librosa
import numpy as np
import pytest
from front_end_cases import checked
from scipy.signal import lfilter

from ser.errors import BadInput
from ser.frontends import _pitch, prosody

RATE_HZ = 16000
STATED = prosody.Settings()


def voice(hz, length_s=0.5, rate_hz=RATE_HZ, tilt=1.0):
    """All harmonics below 0.45 of the rate, falling by ``tilt``, with phases that follow no rule of their own."""
    phase = 2 * np.pi * np.cumsum(np.broadcast_to(hz, round(length_s * rate_hz))) / rate_hz
    number = np.arange(1, int(0.45 * rate_hz / np.max(hz)) + 1)[:, None]
    wave = (np.cos(number * phase + number**2) / number**tilt).sum(0)
    return (0.5 * wave / np.abs(wave).max()).astype(np.float32)


def noise(length_s=2.0, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal(round(length_s * RATE_HZ))).astype(np.float32)


def track(wave, rate_hz=RATE_HZ, low_hz=75.0, high_hz=500.0, voicing=0.45):
    window = round(3 * rate_hz / low_hz)
    centres = np.arange(window // 2, len(wave) - window // 2, rate_hz // 100)
    return _pitch.track(wave, rate_hz, centres, low_hz, high_hz, voicing)


@pytest.mark.parametrize("rate_hz", [8000, 16000, 22050])
@pytest.mark.parametrize("tilt", [0.5, 1, 2])
@pytest.mark.parametrize("hz", [78, 100, 123.4, 180, 247, 333, 440, 492])
def test_a_steady_voice_has_its_own_frequency_and_no_octave_of_it(hz, tilt, rate_hz):
    found = track(voice(hz, rate_hz=rate_hz, tilt=tilt), rate_hz)
    np.testing.assert_allclose(found.hz, hz, rtol=1e-3)
    assert found.harmonicity.min() > 0.98


@pytest.mark.parametrize("hz", [90, 200, 400])
def test_a_voice_is_heard_without_its_fundamental_and_when_only_that_is_left(hz):
    t = np.arange(RATE_HZ // 2) / RATE_HZ
    for harmonics in ([2, 3, 4, 5], [1]):
        wave = sum(0.1 * np.sin(2 * np.pi * k * hz * t) for k in harmonics).astype(np.float32)
        np.testing.assert_allclose(track(wave).hz, hz, rtol=1e-3)


def test_through_formants_that_drown_the_fundamental_the_voice_keeps_its_octave():
    pulses = voice(110, 1.0, tilt=0.0)
    for formant_hz, breadth_hz in ((660, 60), (1720, 80), (2410, 120)):
        radius = np.exp(-np.pi * breadth_hz / RATE_HZ)
        pulses = lfilter([1], [1, -2 * radius * np.cos(2 * np.pi * formant_hz / RATE_HZ), radius**2], pulses)
    found = track((0.2 * pulses / np.abs(pulses).max()).astype(np.float32))
    np.testing.assert_allclose(found.hz, 110, rtol=2e-3)


def test_a_sweep_is_followed_as_librosas_yin_follows_it():
    hz = np.linspace(110, 420, 2 * RATE_HZ)
    wave = voice(hz, 2.0)
    centres = np.arange(2048, len(wave) - 2048, 160)
    found = _pitch.track(wave, RATE_HZ, centres, 75, 500, 0.45).hz
    np.testing.assert_allclose(found, hz[centres], rtol=0.01)
    yin = librosa.yin(wave, fmin=75, fmax=500, sr=RATE_HZ, frame_length=1024, hop_length=160)
    np.testing.assert_allclose(found, yin[centres // 160], rtol=0.03)


def test_the_ratio_of_harmonics_to_noise_is_that_which_was_mixed():
    for ratio_db in (0, 10, 20):
        wave = voice(150, 2.0)
        level = np.sqrt(np.mean(wave**2) / 10 ** (ratio_db / 10)) / 0.1
        found = track(wave + np.float32(level) * noise())
        assert np.median(found.noise_ratio_db()) == pytest.approx(ratio_db, abs=1.5)
        assert np.abs(np.log2(found.hz[found.hz > 0] / 150)).max() < 0.05
        assert (found.hz > 0).mean() > (0.9 if ratio_db else 0.5)


def test_noise_and_silence_are_unvoiced():
    hissing = track(noise())
    assert (hissing.hz > 0).mean() < 0.02
    assert np.median(hissing.noise_ratio_db()) < 0
    for offset in (0, 0.3):
        silent = track(np.full(8000, offset, np.float32))
        assert not silent.hz.any()
        assert not silent.harmonicity.any()
        np.testing.assert_allclose(silent.noise_ratio_db(), -30, atol=0.01)


@pytest.mark.parametrize("samples", [1, 2, 2000])
def test_what_is_too_quiet_for_float32_to_square_is_silence(samples):
    found = prosody.extract(np.float32(1e-20) * noise()[:samples], STATED)
    np.testing.assert_allclose(found[:, [0, 3]], np.broadcast_to([0, -30], (len(found), 2)), atol=0.01)


def test_pauses_in_a_voice_are_unvoiced_though_it_still_sounds_far_below():
    wave = voice(200, 1.5)
    wave[RATE_HZ // 2 : RATE_HZ] *= 1e-3
    found = prosody.extract(wave, STATED)[:, 0]
    times = (320 + 160 * np.arange(len(found))) / RATE_HZ
    assert not found[(times > 0.53) & (times < 0.97)].any()
    np.testing.assert_allclose(found[(times < 0.47) | (times > 1.03)], 200, rtol=1e-3)


def test_frames_that_fit_another_octave_better_follow_their_neighbours():
    t = np.arange(RATE_HZ) / RATE_HZ
    parts = np.stack([np.cos(2 * np.pi * 100 * k * t) / k for k in range(1, 40)])
    parts[::2, RATE_HZ // 2 : RATE_HZ // 2 + 800] = 0  # for 50 ms the even harmonics alone, which are 200 Hz
    wave = (0.1 * parts.sum(0)).astype(np.float32)
    np.testing.assert_allclose(track(wave).hz, 100, rtol=0.03)
    alone = wave[RATE_HZ // 2 : RATE_HZ // 2 + 800]
    np.testing.assert_allclose(track(alone).hz, 200, rtol=1e-3)


def test_voicing_asks_for_higher_peaks():
    wave = voice(150, 1.0) + 2 * noise(1.0)
    assert (track(wave, voicing=0.2).hz > 0).mean() > (track(wave, voicing=0.75).hz > 0).mean() + 0.3


def test_frames_may_be_centred_anywhere_and_in_any_number():
    wave = voice(150, 1.0)
    edge = _pitch.track(wave, RATE_HZ, np.array([0]), 75, 500, 0.45)
    assert edge.hz.shape == edge.harmonicity.shape == (1,)
    many = _pitch.track(wave, RATE_HZ, np.arange(0, len(wave), 20), 75, 500, 0.45)  # more than are made at a time
    np.testing.assert_allclose(many.hz[30:-30], 150, rtol=1e-3)
    few = _pitch.track(wave, RATE_HZ, np.arange(0, len(wave), 320), 75, 500, 0.45)
    np.testing.assert_allclose(many.harmonicity[::16], few.harmonicity, rtol=1e-5)


@pytest.mark.parametrize(("low_hz", "high_hz"), [(300, 500), (0, 500), (75, 4001)])
def test_refuses_limits_without_an_octave_of_lags(low_hz, high_hz):
    with pytest.raises(BadInput, match=f"limits of F0 .*: {low_hz} to {high_hz} Hz; allowed: an octave .* 4000 Hz"):
        prosody.extract(noise(0.1), replace(STATED, low_hz=low_hz, high_hz=high_hz))


@pytest.mark.parametrize("voicing", [-0.1, 1.1, float("nan")])
def test_refuses_a_height_that_no_peak_has(voicing):
    with pytest.raises(BadInput, match=rf"voicing: {voicing}; allowed: (0 or more, at most 1|.*a finite number)"):
        prosody.extract(noise(0.1), checked(replace(STATED, voicing=voicing)))


def test_intensity_and_sign_changes_are_those_of_each_frame():
    wave = noise(0.3) + np.float32(0.02)
    found = prosody.extract(wave, replace(STATED, window=400, hop=100))
    frames = librosa.util.frame(wave.astype(np.float64), frame_length=400, hop_length=100).T
    np.testing.assert_allclose(found[:, 1], 10 * np.log10(np.mean(frames**2, axis=1)), atol=1e-3)
    changes = [sum(a * b < 0 for a, b in pairwise(f)) for f in frames]
    np.testing.assert_allclose(found[:, 2], np.array(changes) / 399, rtol=1e-6)


def test_the_columns_are_pitch_intensity_crossings_and_noise_ratio_at_the_same_times():
    wave = np.concatenate([np.zeros(RATE_HZ // 2, np.float32), voice(200, 0.5)])
    found = prosody.extract(wave, STATED)
    assert found.shape == (1 + (RATE_HZ - 640) // 160, 4)
    silence, sounding = found[:44], found[52:]
    np.testing.assert_allclose(silence, np.broadcast_to([0, -100, 0, -30], silence.shape), atol=0.01)
    np.testing.assert_allclose(sounding[:, 0], 200, rtol=1e-3)
    assert sounding[:, 3].min() > 20


def test_a_wave_shorter_than_a_window_is_padded_to_one():
    wave = noise(0.01)
    np.testing.assert_array_equal(prosody.extract(wave, STATED), prosody.extract(np.pad(wave, (0, 480)), STATED))

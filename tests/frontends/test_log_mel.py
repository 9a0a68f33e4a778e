"""Log-mel spectrograms of Pho et al. 2020 in plain formulae, and their noise reduction against noisereduce."""

from dataclasses import replace

import librosa
import noisereduce
import numpy as np
import pytest
from front_end_cases import checked
from noisereduce.spectralgate.base import _smoothing_filter
from scipy.signal import chirp, fftconvolve
from sklearn.preprocessing import minmax_scale

from ser.errors import BadInput
from ser.frontends import _gate, log_mel

RATE_HZ = 48000
PAPER = log_mel.Settings()
GATED = replace(PAPER, denoise="spectral_gating")


def seconds(n):
    return np.arange(round(n * RATE_HZ)) / RATE_HZ


def tone_in_noise(length_s=4.5, hz=700, onset_s=0.6, seed=0):
    """A tone that sets in after half a second of noise alone."""
    t = seconds(length_s)
    tone = np.where(t > onset_s, 0.3 * np.sin(2 * np.pi * hz * t), 0)
    return (tone + 0.01 * np.random.default_rng(seed).standard_normal(len(t))).astype(np.float32)


def bank():
    """200 triangles between 20 Hz and 12 kHz, drawn in mel."""
    edges = np.linspace(librosa.hz_to_mel(20, htk=True), librosa.hz_to_mel(12000, htk=True), 202)
    bins = librosa.hz_to_mel(np.arange(2049) * RATE_HZ / 4096, htk=True)
    weights = np.stack([np.interp(bins, edges[i : i + 3], [0, 1, 0], left=0, right=0) for i in range(200)])
    weights[:, 0] = 0
    return weights


def plain(wave, scale="frame"):
    """Of 216,000 samples, as the paper's code has it: [mels, frames], scaled, then turned to our [frames, mels]."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(3072) / 3072)
    frames = [wave[at : at + 3072].astype(np.float64) * window for at in range(0, len(wave) - 3072 + 1, 768)]
    logarithm = np.log(bank() @ np.abs(np.fft.rfft(frames, 4096)).T + 1e-6)
    if scale == "frame":
        return minmax_scale(logarithm, (-1, 1)).T
    return (
        minmax_scale(logarithm.reshape(-1, 1), (-1, 1)).reshape(logarithm.shape).T if scale == "tensor" else logarithm.T
    )


def gated(wave, noise):
    """noisereduce 1 and 2 (``noisereducev1``), step by step, with its smoothing as version 3 still has it."""
    stft = {"n_fft": 2048, "hop_length": 512, "pad_mode": "reflect"}  # librosa's default until 0.8
    spectrum, silence = librosa.stft(np.pad(wave, (0, 512)), **stft), librosa.stft(noise, **stft)
    signal_db, noise_db = (
        librosa.amplitude_to_db(np.abs(s), ref=1.0, amin=1e-20, top_db=80) for s in (spectrum, silence)
    )
    threshold = noise_db.mean(1) + 1.5 * noise_db.std(1)
    mask = fftconvolve(signal_db < threshold[:, None], _smoothing_filter(2, 4), mode="same")
    return librosa.istft(spectrum * (1 - mask), hop_length=512, n_fft=2048, length=len(wave))


@pytest.mark.parametrize("scale", ["frame", "tensor", "none"])
@pytest.mark.parametrize("length_s", [1.3, 4.5, 6.0])
def test_is_the_plain_formula_on_four_and_a_half_seconds(scale, length_s):
    wave = tone_in_noise(length_s)
    cut = np.pad(wave[:216000], (0, max(0, 216000 - len(wave))))
    found = log_mel.extract(wave, replace(PAPER, scale=scale))
    assert found.shape == (278, 200)
    np.testing.assert_allclose(found, plain(cut, scale), rtol=0, atol=3e-6)


def test_scaling_reaches_from_minus_one_to_one_in_each_frame_or_in_all():
    wave = tone_in_noise(2.0)
    frame, tensor = (log_mel.extract(wave, replace(PAPER, scale=scale)) for scale in ("frame", "tensor"))
    sounding = slice(0, 2 * RATE_HZ // 768 - 4)
    np.testing.assert_array_equal(frame[sounding].max(1), 1)
    np.testing.assert_array_equal(frame[sounding].min(1), -1)
    assert (frame[126:] == -1).all()  # the padding: constant frames
    assert (tensor[126:] == -1).all()
    assert tensor.max() == 1
    assert (tensor[sounding].max(1) < 1).sum() > 50


def test_a_frame_far_below_the_floor_keeps_its_shape():
    wave = tone_in_noise(4.5)
    loud, quiet = (log_mel.extract(g * wave, PAPER) for g in (1e-12, 1e-13))
    np.testing.assert_allclose(loud, quiet, rtol=0, atol=1e-4)
    assert loud.std() > 0.1


def test_the_frames_and_bins_follow_the_settings():
    found = log_mel.extract(tone_in_noise(2.0), replace(PAPER, seconds=1.0, mels=64, low_hz=300.0, high_hz=8000.0))
    assert found.shape == (1 + (48000 - 3072) // 768, 64)
    assert log_mel.width(replace(PAPER, mels=64)) == 64
    peak = found[-10:].argmax(1)
    edges = librosa.mel_frequencies(66, fmin=300, fmax=8000, htk=True)
    assert set(peak) == {int(np.abs(edges - 700).argmin()) - 1}


def test_trims_head_and_tail_before_it_pads_and_keeps_whole_what_is_no_longer_than_both():
    wave = tone_in_noise(3.0)
    trimmed = log_mel.extract(wave, replace(PAPER, trim_s=1.0))
    np.testing.assert_array_equal(trimmed, log_mel.extract(wave[48000:96000], PAPER))
    short = wave[:96000]
    np.testing.assert_array_equal(log_mel.extract(short, replace(PAPER, trim_s=1.0)), log_mel.extract(short, PAPER))


@pytest.mark.parametrize("length_s", [2.9, 4.5])
def test_gating_is_noisereduces_first_algorithm(length_s):
    wave = np.pad(tone_in_noise(length_s).astype(np.float64), (0, round((4.5 - length_s) * RATE_HZ)))
    found = _gate.reduce_noise(wave, wave[:24000])
    reference = gated(wave, wave[:24000])
    assert len(found) == len(wave)
    np.testing.assert_allclose(found, reference, rtol=0, atol=1e-9)


def test_gating_gives_the_numbers_that_noisereducev1_gave():
    """Printed by noisereduce 2.0.1's noisereducev1 with librosa 0.8.1, which compute in float32 here and there."""
    t = seconds(4.5)
    wave = 0.3 * chirp(t, 200, 4.5, 9000) * (t > 0.7) + 0.01 * np.sin(1e6 * t * t)
    given = wave.astype(np.float32).astype(np.float64)
    printed = [-2.217e-5, 6.826e-6, -0.0743829, 0.1837412, -0.2876534, -0.1868220, -0.0282664, -0.2161138, 0.2794410]
    found = _gate.reduce_noise(given, given[:24000])[10000:180000:20000]
    np.testing.assert_allclose(found, printed, rtol=0, atol=2e-5)


def test_gating_agrees_with_noisereduce_3_where_the_two_mean_the_same():
    """Version 3 differs in what it takes for silence, and at the ends; its smoothing is told in Hz and ms."""
    wave = tone_in_noise().astype(np.float64)
    found = _gate.reduce_noise(wave, wave[:24000])
    smoothing = {"freq_mask_smooth_hz": 2.1 * 48000 / 1024, "time_mask_smooth_ms": 4.1 * 512 / 48}
    options = {"n_fft": 2048, "hop_length": 512, "n_std_thresh_stationary": 1.5, **smoothing}
    reference = noisereduce.reduce_noise(wave, RATE_HZ, stationary=True, y_noise=wave[:24000], **options)
    inner = slice(4096, -4096)
    error = np.square(found - reference)[inner].sum() / np.square(reference)[inner].sum()
    assert error < 1e-3
    assert error < 0.5 * np.square(wave - reference)[inner].sum() / np.square(reference)[inner].sum()


def test_gating_mutes_the_noise_and_leaves_the_tone():
    wave = tone_in_noise().astype(np.float64)
    found = _gate.reduce_noise(wave, wave[:24000])
    assert np.square(found[4000:20000]).mean() < 0.01 * np.square(wave[4000:20000]).mean()
    tone = np.exp(-2j * np.pi * 700 * seconds(2.0))
    assert abs(found[96000:192000] @ tone) == pytest.approx(abs(wave[96000:192000] @ tone), rel=0.01)


def test_bands_out_of_range_in_noise_and_signal_are_not_muted_by_rounding():
    """A recording that was made at 16 kHz and is loudest within its first half second."""
    rng = np.random.default_rng(0)
    spectrum = np.fft.rfft(rng.standard_normal(216000) * np.exp(-np.square((seconds(4.5) - 0.25) / 0.08)))
    spectrum[round(8000 * 4.5) :] *= 1e-5
    wave = 0.1 * np.fft.irfft(spectrum)
    inner, far_above = np.kaiser(24000, 40), round(16000 * 0.5)  # where nothing leaks to from below 8 kHz
    before, after = (np.fft.rfft(w[:24000] * inner)[far_above:] for w in (wave, _gate.reduce_noise(wave, wave[:24000])))
    np.testing.assert_allclose(np.square(np.abs(after)).sum(), np.square(np.abs(before)).sum(), rtol=1e-2)


def test_noise_is_reduced_after_padding_or_before_as_told():
    wave = tone_in_noise(0.4, onset_s=0.1)  # shorter than the noise is stated to be
    padded = np.pad(wave, (0, 216000 - len(wave))).astype(np.float64)
    alone = gated(wave.astype(np.float64), wave.astype(np.float64))
    after, before = plain(gated(padded, padded[:24000])), plain(np.pad(alone, (0, 216000 - len(wave))))
    sounding = slice(0, 20)
    for flag, expected in ((True, after), (False, before)):
        found = log_mel.extract(wave, replace(GATED, denoise_after_padding=flag))
        np.testing.assert_allclose(found[sounding], expected[sounding], rtol=0, atol=1e-4)
    assert np.abs(after - before)[sounding].max() > 0.1


def test_noise_lasts_as_long_as_stated():
    wave = tone_in_noise(4.5, onset_s=0.3)
    expected = plain(gated(wave.astype(np.float64), wave[:9600].astype(np.float64)))
    found = log_mel.extract(wave, replace(GATED, noise_s=0.2))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", ["denoise", "scale"])
def test_refuses_words_it_does_not_know(name):
    with pytest.raises(BadInput, match=f"front_end.{name}: some; allowed: .*none"):
        log_mel.extract(tone_in_noise(0.1), checked(replace(PAPER, **{name: "some"})))

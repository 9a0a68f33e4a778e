"""Mel scales and filterbanks against their printed values and librosa's."""

import librosa
import numpy as np
import pytest
import torch

from ser.errors import BadInput
from ser.frontends import _mel


@pytest.mark.parametrize(("hz", "mel"), [(0, 0.0), (700, 781.17), (1000, 999.99), (8000, 2840.02)])
def test_htk_mel(hz, mel):
    assert _mel.htk_mel(hz) == pytest.approx(mel, abs=0.005)
    assert _mel.htk_mel(hz) == pytest.approx(librosa.hz_to_mel(hz, htk=True), abs=1e-9)


@pytest.mark.parametrize(("hz", "mel"), [(0, 0.0), (200, 3.0), (1000, 15.0), (6400, 42.0)])
def test_slaney_mel(hz, mel):
    assert _mel.slaney_mel(hz) == pytest.approx(mel, abs=1e-12)
    assert _mel.slaney_hz(mel) == pytest.approx(hz, abs=1e-9)
    assert _mel.slaney_mel(hz) == pytest.approx(librosa.hz_to_mel(hz), abs=1e-9)


@pytest.mark.parametrize(("rate_hz", "fft", "mels"), [(22050, 2048, 128), (16000, 512, 40)])
def test_slaney_filters_are_librosas(rate_hz, fft, mels):
    reference = librosa.filters.mel(sr=rate_hz, n_fft=fft, n_mels=mels, dtype=np.float64)
    np.testing.assert_allclose(_mel.slaney_filters(rate_hz, fft, mels), reference.T, rtol=1e-9, atol=1e-15)


BANKS = [(48000, 4096, 200, 20.0, 12000.0), (16000, 512, 64, 125.0, 7500.0)]


@pytest.mark.parametrize("bank", BANKS)
def test_htk_filters_are_straight_in_mel_from_0_to_1_to_0_and_overlap_by_half(bank):
    rate_hz, fft, mels, low_hz, high_hz = bank
    weights = _mel.htk_filters(*bank)
    assert weights.shape == (fft // 2 + 1, mels)
    edges = np.linspace(librosa.hz_to_mel(low_hz, htk=True), librosa.hz_to_mel(high_hz, htk=True), mels + 2)
    bins = librosa.hz_to_mel(np.arange(1, fft // 2 + 1) * rate_hz / fft, htk=True)
    for i in range(mels):
        expected = np.interp(bins, edges[i : i + 3], [0, 1, 0], left=0, right=0)
        np.testing.assert_allclose(weights[1:, i], expected, rtol=0, atol=1e-9)
    inner = (bins > edges[1]) & (bins < edges[-2])
    np.testing.assert_allclose(weights[1:][inner].sum(1), 1, atol=1e-9)
    assert not weights[0].any()


@pytest.mark.parametrize("bank", BANKS)
@pytest.mark.parametrize("bands", [16, 7])
def test_a_bank_weighs_as_the_whole_matrix_does(bank, bands, monkeypatch):
    monkeypatch.setattr(_mel, "_BANDS", bands)
    weights = torch.from_numpy(_mel.htk_filters(*bank))
    rows = torch.from_numpy(np.random.default_rng(0).random((5, len(weights))))
    found = _mel.Bank(weights)
    torch.testing.assert_close(found.of(rows[:, : found.bins]), rows @ weights, rtol=1e-12, atol=0)


def test_a_bank_may_have_bands_without_a_bin():
    weights = torch.zeros(9, 40)
    weights[3, 20] = 2
    rows = torch.ones(3, 9)
    torch.testing.assert_close(_mel.Bank(weights).of(rows), rows @ weights)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_spectra_are_the_same_a_few_frames_at_a_time(dtype, monkeypatch):
    wave = torch.from_numpy(np.random.default_rng(0).standard_normal(9000)).to(dtype)
    whole = _mel.powers(wave, 300, 77, 512)
    monkeypatch.setattr(_mel, "_BLOCK_BYTES", 7 * 512 * wave.element_size())
    tolerance = {torch.float32: 1e-5, torch.float64: 1e-12}[dtype]
    blocks = _mel.powers(wave, 300, 77, 512)
    torch.testing.assert_close(blocks, whole, rtol=tolerance, atol=tolerance)
    assert [len(part) for part in _mel.spectral_blocks(wave, 300, 77, 512, 99)] == [7] * 16 + [
        1 + (9000 - 300) // 77 - 112
    ]


def test_powers_are_of_each_whole_window_even_where_the_transform_is_longer():
    wave = np.random.default_rng(0).standard_normal(1000)
    powers = _mel.powers(torch.from_numpy(wave), 300, 77, 512).numpy()
    assert powers.shape == (1 + (1000 - 300) // 77, 257)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(300) / 300)
    for i, row in enumerate(powers):
        expected = np.abs(np.fft.rfft(wave[i * 77 : i * 77 + 300] * window, 512)) ** 2
        np.testing.assert_allclose(row, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("samples", "window", "fft"), [(400, 401, 512), (1000, 513, 512)])
def test_a_window_that_the_transform_would_cut_short_is_refused(samples, window, fft):
    with pytest.raises(BadInput, match=rf"front_end.window: {window}; allowed: 1 to {window - 1}"):
        _mel.powers(torch.zeros(samples), window, 100, fft)


@pytest.mark.parametrize("limits", [(500.0, 500.0), (-1.0, 500.0), (100.0, 8001.0)])
def test_limits_without_a_band_between_them_are_refused(limits):
    with pytest.raises(BadInput, match=r"front_end.low_hz.*half the rate"):
        _mel.htk_filters(16000, 512, 40, *limits)

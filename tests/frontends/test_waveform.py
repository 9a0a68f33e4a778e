"""Samples as rows: what is kept, what is filled up, and how they are scaled."""

from dataclasses import replace

import numpy as np
import pytest
from front_end_cases import checked

from ser.errors import BadInput
from ser.frontends import waveform

PAPER = waveform.Settings()
SHORT = waveform.Settings(rate_hz=100, seconds=0.6, row=20, scale="none", zeros="behind")


def noise(samples, seed=0):
    return np.random.default_rng(seed).normal(0.02, 0.1, samples).astype(np.float32)


def test_zhaos_eight_seconds_are_128000_samples_in_rows_of_40_ms():
    wave = noise(140_000)
    found = waveform.extract(wave, PAPER)
    assert found.shape == (200, 640)
    np.testing.assert_array_equal(found.ravel(), wave[:128_000])


def test_a_row_may_be_a_single_sample():
    np.testing.assert_array_equal(waveform.extract(noise(60), replace(SHORT, row=1)), noise(60)[:, None])


def test_a_shorter_wave_has_zeros_behind_it():
    wave = noise(45)
    found = waveform.extract(wave, SHORT).ravel()
    np.testing.assert_array_equal(found, np.pad(wave, (0, 15)))


def test_or_before_it_so_that_the_last_that_a_network_hears_is_the_wave():
    wave = noise(45)
    found = waveform.extract(wave, replace(SHORT, zeros="before")).ravel()
    np.testing.assert_array_equal(found, np.pad(wave, (15, 0)))
    with pytest.raises(BadInput, match="before, behind"):
        waveform.extract(wave, checked(replace(SHORT, zeros="around")))


@pytest.mark.parametrize("samples", [45, 60, 90])
def test_standard_is_mean_0_and_variance_1_of_what_is_kept_and_the_zeros_stay_zero(samples):
    found = waveform.extract(noise(samples), replace(SHORT, scale="standard")).ravel()
    kept = found[: min(samples, 60)].astype(np.float64)
    assert kept.mean() == pytest.approx(0, abs=1e-6)
    assert kept.std() == pytest.approx(1, abs=1e-6)
    assert not found[samples:].any()
    np.testing.assert_allclose(
        kept, (noise(samples)[:60] - noise(samples)[:60].mean()) / noise(samples)[:60].std(), atol=1e-5
    )


def test_peak_divides_by_the_greatest_magnitude_of_what_is_kept():
    wave = noise(90)
    wave[80] = 5  # not kept
    found = waveform.extract(wave, replace(SHORT, scale="peak")).ravel()
    np.testing.assert_allclose(found, wave[:60] / np.abs(wave[:60]).max(), rtol=1e-6)


@pytest.mark.parametrize("scale", ["peak", "standard"])
@pytest.mark.parametrize("level", [0.0, 1e-40])
def test_silence_stays_zero_or_finite(scale, level):
    found = waveform.extract(np.full(60, level, np.float32), replace(SHORT, scale=scale))
    assert np.isfinite(found).all()
    assert np.abs(found).max() == (1 if scale == "peak" and level else 0)


@pytest.mark.parametrize("level", [0.1, 0.3, -0.7])
def test_a_constant_has_no_deviation_and_its_rounding_is_not_blown_up(level):
    assert not waveform.extract(np.full(50, level, np.float32), replace(SHORT, scale="standard")).any()


@pytest.mark.parametrize("row", [0, 7, 120])
def test_seconds_that_are_not_whole_rows_are_refused(row):
    with pytest.raises(BadInput, match=f"front_end.row: {row}; allowed: divisors of 60"):
        waveform.extract(noise(60), replace(SHORT, row=row))
    with pytest.raises(BadInput, match="divisors of 60"):
        waveform.frames(60, replace(SHORT, row=row))


def test_an_unknown_scale_is_refused():
    with pytest.raises(BadInput, match="allowed: none, peak, standard"):
        waveform.extract(noise(60), checked(replace(SHORT, scale="loud")))

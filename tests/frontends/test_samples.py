"""Samples of whole utterances in rows: what is kept, and what is not."""

from dataclasses import replace

import numpy as np
import pytest
from front_end_cases import checked

from ser.errors import BadInput
from ser.frontends import samples

TENTH = samples.Settings(rate_hz=100, row=10)


def noise(count, seed=0):
    return np.random.default_rng(seed).normal(0.02, 0.1, count).astype(np.float32)


@pytest.mark.parametrize("count", [10, 30, 37, 39, 40])
def test_joined_rows_are_the_utterance_without_what_is_less_than_a_row(count):
    wave = noise(count)
    rows = samples.extract(wave, TENTH)
    assert rows.shape == (count // 10, 10)
    np.testing.assert_array_equal(rows.ravel(), wave[: count - count % 10])


def test_with_the_documented_settings_less_than_20_ms_are_dropped():
    wave = noise(16_319)
    rows = samples.extract(wave, samples.Settings())
    assert rows.shape == (50, 320)
    np.testing.assert_array_equal(rows.ravel(), wave[:16_000])


def test_only_what_is_shorter_than_a_row_is_filled_up():
    wave = noise(7)
    np.testing.assert_array_equal(samples.extract(wave, TENTH), np.pad(wave, (0, 3))[None])


@pytest.mark.parametrize(("longest_s", "rows"), [(0.0, 9), (0.25, 2), (0.3, 3), (5.0, 9), (0.01, 1)])
def test_longer_waves_are_cropped(longest_s, rows):
    wave, settings = noise(90), replace(TENTH, longest_s=longest_s)
    cropped = samples.extract(wave, settings)
    assert samples.frames(90, settings) == rows
    np.testing.assert_array_equal(cropped.ravel(), wave[: 10 * rows])


@pytest.mark.parametrize(("name", "value"), [("row", 0), ("longest_s", -1.0), ("stored", "int16")])
def test_settings_that_cannot_be_are_refused(name, value):
    with pytest.raises(BadInput, match=name):
        checked(replace(TENTH, **{name: value}))

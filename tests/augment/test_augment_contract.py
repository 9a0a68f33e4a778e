"""What every augmentation on disk promises, with the settings of the study that uses it."""

import numpy as np
import pytest

from experiments.interaffection import study
from ser.registry import find, names
from ser.study import settings_of

SETTINGS = {p.name: settings_of("augment", p) for p in study.features.augmentation}
RATES_HZ = (8000, 16000, 24414)


def speech(samples: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    swell = 0.6 + 0.4 * np.sin(2 * np.pi * np.arange(samples) / 2500)
    return (0.1 * swell * rng.standard_normal(samples)).astype(np.float32)


def augmented(name: str, wave: np.ndarray, rate_hz: int = 8000, seed: int = 0) -> np.ndarray:
    return find("augment", name).apply(wave, rate_hz, np.random.default_rng(seed), SETTINGS[name], None)


def test_the_study_uses_every_augmentation_with_its_documented_settings():
    assert {name: find("augment", name).Settings() for name in names("augment")} == SETTINGS


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("samples", [1, 64, 300, 12345])
@pytest.mark.parametrize("name", names("augment"))
def test_keeps_length_type_and_input(name, samples, rate_hz):
    wave = speech(samples)
    before = wave.copy()
    out = augmented(name, wave, rate_hz)
    assert out.shape == wave.shape
    assert out.dtype == np.float32
    assert np.isfinite(out).all()
    np.testing.assert_array_equal(wave, before)


@pytest.mark.parametrize("name", names("augment"))
def test_same_seed_same_bytes(name):
    wave = speech(9000)
    assert augmented(name, wave).tobytes() == augmented(name, wave).tobytes()


@pytest.mark.parametrize("name", sorted(set(names("augment")) - {"bandpass"}))  # which draws nothing
def test_another_seed_another_result(name):
    wave = speech(9000)
    assert not np.array_equal(augmented(name, wave, seed=1), augmented(name, wave, seed=2))


@pytest.mark.parametrize("name", names("augment"))
def test_changes_speech_but_keeps_it_recognisable(name):
    wave = speech(9000)
    out = augmented(name, wave)
    assert not np.array_equal(out, wave)
    assert 0.1 < np.std(out) / np.std(wave) < 3


@pytest.mark.parametrize("name", names("augment"))
def test_silence_stays_finite(name):
    assert np.isfinite(augmented(name, np.zeros(2000, np.float32))).all()


@pytest.mark.parametrize("name", names("augment"))
def test_leaves_the_global_random_state_alone(name):
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    augmented(name, speech(2000), rate_hz=11025)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002

"""Front-ends: what every file of ``ser/frontends`` promises, and log_stft against librosa."""

import ast
import inspect
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from types import ModuleType

import librosa
import numpy as np
import pytest
from front_end_cases import OVERRIDES, settings_with

from ser.data.audio import UnusableAudio
from ser.features.recipe import one_thread
from ser.registry import find, names
from ser.study import part, settings_of

CASES = [(name, {}) for name in names("frontends")] + list(OVERRIDES)
each = pytest.mark.parametrize(("name", "overrides"), CASES, ids=lambda x: x if isinstance(x, str) else "-".join(x))


def speech(samples, seed=0):
    rng = np.random.default_rng(seed)
    swell = 0.5 + 0.5 * np.sin(2 * np.pi * np.arange(samples) / 2500)
    return (0.1 * swell * rng.standard_normal(samples)).astype(np.float32)


def extracted(name, wave, overrides=None):
    return find("frontends", name).extract(wave, settings_with(name, overrides))


def test_the_documented_settings_of_log_stft_are_the_papers(paper):
    assert paper.features.front_end.values() == vars(find("frontends", paper.features.front_end.name).Settings())


@pytest.mark.parametrize("samples", [1, 100, 511, 512, 640, 12345])
@each
def test_gives_finite_float32_rows_of_the_stated_width(name, overrides, samples):
    wave, module = speech(samples), find("frontends", name)
    settings = settings_with(name, overrides)
    if not module.frames(samples, settings):  # too short for it
        with pytest.raises(UnusableAudio, match="short"):
            module.extract(wave, settings)
        return
    before = wave.copy()
    features = module.extract(wave, settings)
    assert features.shape == (module.frames(samples, settings), module.width(settings))
    assert features.dtype == np.float32
    assert features.flags["C_CONTIGUOUS"]
    assert np.isfinite(features).all()
    np.testing.assert_array_equal(wave, before)


@each
def test_gives_finite_values_for_silence(name, overrides):
    assert np.isfinite(extracted(name, np.zeros(4000, np.float32), overrides)).all()


@each
def test_gives_the_same_bytes_again_and_from_several_threads(name, overrides):
    waves = [speech(4000, seed) for seed in range(4)]
    alone = [extracted(name, wave, overrides).tobytes() for wave in waves]
    with ThreadPoolExecutor(4, initializer=one_thread) as pool:  # as the store's are
        assert list(pool.map(lambda wave: extracted(name, wave, overrides).tobytes(), waves * 2)) == alone * 2


@pytest.mark.parametrize("name", names("frontends"))
def test_every_setting_changes_the_numbers_or_the_waveform(name):
    """A setting that nothing reads would be a promise that nobody keeps."""
    module = find("frontends", name)
    source = "".join(inspect.getsource(m) for m in {module, *helpers(module)})
    read = set(re.findall(r"settings\.(\w+)", source)) | {"rate_hz", "stored"}  # which maker of waveform and store read
    if name == "spectrogram":
        read |= set(module._OF_IMAGES)
    assert {f.name for f in fields(module.Settings)} - read == set()


@pytest.mark.parametrize("name", names("frontends"))
def test_the_documented_settings_keep_to_their_own_rules(name):
    assert settings_of("frontends", part(name)) == find("frontends", name).Settings()


def helpers(module):
    """All modules of front-ends that a module's code calls, itself left out."""
    found = set()
    for value in vars(module).values():
        if isinstance(value, ModuleType) and value.__name__.startswith(("ser.frontends._", "ser.data.functionals")):
            found |= {value} | helpers(value)
    return found


@pytest.mark.parametrize("name", names("frontends"))
def test_imports_no_library_that_takes_seconds_to_load(name):
    for module in {find("frontends", name), *helpers(find("frontends", name))}:
        whole = ast.parse(inspect.getsource(module)).body  # what one setting alone needs, its function imports
        imports = [node for node in whole if isinstance(node, ast.Import | ast.ImportFrom)]
        found = {n.name for node in imports for n in node.names}
        found |= {str(node.module).partition(".")[0] for node in imports if isinstance(node, ast.ImportFrom)}
        assert not found & {"librosa", "noisereduce", "matplotlib"}


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

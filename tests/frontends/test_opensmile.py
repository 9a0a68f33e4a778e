"""openSMILE's features: the package's own numbers, whatever the length, the thread and the file they come from."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile
from component_settings import stated

from ser.data.audio import UnusableAudio
from ser.errors import BadInput
from ser.frontends import opensmile as front_end

package = pytest.importorskip("opensmile")
SETS = [(features, level) for features, widths in front_end._WIDTHS.items() for level in widths]
each = pytest.mark.parametrize(("features", "level"), SETS)


def voice(samples, rate_hz=16000, seed=0):
    """A vowel that glides, with noise, in whole steps of 16 bits."""
    rng, time = np.random.default_rng(seed), np.arange(samples) / rate_hz
    phase = 2 * np.pi * ((130 + 10 * seed) * time + 30 * time**2)
    wave = 0.1 * sum(np.sin(n * phase + n) / n for n in range(1, 9)) + 0.01 * rng.standard_normal(samples)
    return (np.round(wave * 32768) / 32768).astype(np.float32)


def smile(features, level):
    levels = {"functionals": "Functionals", "lld": "LowLevelDescriptors", "lld_de": "LowLevelDescriptors_Deltas"}
    return package.Smile(package.FeatureSet[features], package.FeatureLevel[levels[level]])


@each
def test_the_numbers_are_the_packages_of_signals_and_of_files(features, level, tmp_path):
    wave, theirs = voice(20000), smile(features, level)
    found = front_end.extract(wave, stated(front_end, features=features, level=level))
    np.testing.assert_array_equal(found, theirs.process_signal(wave, 16000).to_numpy())
    soundfile.write(tmp_path / "a.wav", wave, 16000, "PCM_16")
    np.testing.assert_array_equal(found, theirs.process_file(tmp_path / "a.wav").to_numpy())
    assert found.shape[1] == len(theirs.feature_names)


@each
@pytest.mark.parametrize("rate_hz", [16000, 44100])
def test_foretells_how_many_vectors_the_package_gives(features, level, rate_hz):
    settings, theirs = stated(front_end, features=features, level=level, rate_hz=rate_hz), smile(features, level)
    hop = rate_hz // 100
    least = next(n for n in range(1, rate_hz) if front_end.frames(n, settings))
    wave = voice(rate_hz, rate_hz)
    with pytest.warns(UserWarning, match="too short"):
        assert np.isnan(theirs(wave[None, : least - 1], rate_hz)).all()
    around = [n + d for n in (least, least + hop, least + 7 * hop) for d in (-1, 0, 1) if n + d >= least]
    for samples in (*around, rate_hz // 3, rate_hz):
        assert theirs(wave[None, :samples], rate_hz).shape[2] == front_end.frames(samples, settings)


@pytest.mark.parametrize("rate_hz", [8000, 32000, 48000])
def test_other_rates_are_the_packages_too(rate_hz):
    wave = voice(rate_hz // 2, rate_hz)
    settings = stated(front_end, features="ComParE_2016", level="lld", rate_hz=rate_hz)
    expected = smile("ComParE_2016", "lld").process_signal(wave, rate_hz).to_numpy()
    np.testing.assert_array_equal(front_end.extract(wave, settings), expected)


@pytest.mark.parametrize("features", ["eGeMAPSv02", "ComParE_2016"])
def test_threads_that_share_an_extractor_get_the_numbers_of_one_alone(features):
    settings = stated(front_end, features=features)
    waves = [voice(9000 + 500 * seed, seed=seed) for seed in range(6)]
    alone = [front_end.extract(wave, settings).tobytes() for wave in waves]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda wave: front_end.extract(wave, settings).tobytes(), waves * 5)) == alone * 5


@each
def test_what_is_undefined_is_a_number_as_of_silence_and_noise(features, level):
    settings = stated(front_end, features=features, level=level)
    noise = (0.1 * np.random.default_rng(0).standard_normal(8000)).astype(np.float32)
    for wave in (np.zeros(8000, np.float32), noise):
        assert np.isfinite(front_end.extract(wave, settings)).all()


def test_a_wave_shorter_than_the_longest_window_is_refused():
    for features, samples in (("eGeMAPSv02", 960), ("ComParE_2016", 960), ("emobase", 640)):
        settings = stated(front_end, features=features)
        assert front_end.extract(voice(samples), settings).shape == (1, front_end.width(settings))
        assert front_end.frames(samples - 1, settings) == 0
        with pytest.raises(UnusableAudio, match=f"are too short for {features}"):
            front_end.extract(voice(samples - 1), settings)


def test_what_is_louder_than_16_bits_is_clipped_and_does_not_wrap_around():
    settings = stated(front_end, level="lld")
    wave = voice(8000)
    loud = wave * (1.2 / np.abs(wave).max())
    assert loud.max() > 1
    expected = front_end.extract(np.clip(loud, -1, 1 - 2**-15), settings)
    np.testing.assert_array_equal(front_end.extract(loud, settings), expected)


def test_gemaps_has_no_deltas():
    for features in ("eGeMAPSv02", "GeMAPSv01b"):
        with pytest.raises(BadInput, match="allowed: functionals, lld; choose"):
            front_end.width(stated(front_end, features=features, level="lld_de"))


def test_without_the_package_its_licence_and_the_remedy_are_said():
    code = (
        "import sys; sys.modules['opensmile'] = None\n"
        "import numpy as np\n"
        "from ser.frontends import opensmile as f\n"
        "f.extract(np.zeros(16000, np.float32), f.Settings())"
    )
    error = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False).stderr
    assert "no package opensmile; allowed: the package, under audEERING's research licence; pip install" in error


def test_its_licence_is_in_what_is_shown_of_it():
    assert "commercial use only by agreement" in " ".join(front_end.__doc__.split())

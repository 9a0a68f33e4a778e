"""Frames, their sign changes, slopes and averages; numbers that would leave a logarithm or a slope undefined."""

from dataclasses import replace

import librosa
import numpy as np
import pytest

from ser.errors import BadInput
from ser.frontends import _short_time
from ser.registry import find, names


def having(setting):
    modules = {name: find("frontends", name) for name in names("frontends")}
    return [n for n, m in modules.items() if hasattr(m.Settings(), setting) and hasattr(m, "_short_time")]


def noise(samples=4000):
    return (0.1 * np.random.default_rng(0).standard_normal(samples)).astype(np.float32)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_frames_are_whole_windows_of_a_copy_in_the_waves_own_precision(dtype):
    wave = noise(1000).astype(dtype)
    found = _short_time.cut(wave, 400, 160)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, librosa.util.frame(wave, frame_length=400, hop_length=160).T)
    assert not np.shares_memory(found, wave)


@pytest.mark.parametrize(("samples", "count"), [(0, 1), (1, 1), (400, 1), (559, 1), (560, 2), (1000, 4)])
def test_as_many_are_counted_as_are_cut_and_each_has_its_middle(samples, count):
    wave = np.arange(samples, dtype=np.float32)
    found = _short_time.cut(wave, 400, 160)
    assert len(found) == _short_time.count(samples, 400, 160) == count
    places = _short_time.centres(samples, 400, 160)
    np.testing.assert_array_equal(places, 200 + 160 * np.arange(count))
    if samples > 560:
        np.testing.assert_array_equal(found[:, 200], places)


def test_zero_is_positive_and_so_is_what_is_no_louder_than_told():
    frames = np.array([[1, -1, 0, -1, 1], [1e-6, -1e-6, 1e-6, -1e-6, 1e-6]], np.float32)
    assert _short_time.sign_changes(frames, 0).tolist() == [4, 4]
    assert _short_time.sign_changes(frames, 1e-5).tolist() == [4, 0]
    np.testing.assert_array_equal(_short_time.crossings(frames[:, :2]), [1, 1])
    assert not _short_time.crossings(frames[:, :1]).any()


def test_slopes_go_on_beyond_the_ends_and_can_be_taken_of_slopes():
    rows = np.array([[1.0], [4.0]], np.float32)
    np.testing.assert_allclose(_short_time.deltas(rows, 1), [[1.5], [1.5]])
    both = _short_time.with_deltas(np.square(np.arange(9, dtype=np.float32))[:, None], 1, 2)
    np.testing.assert_allclose(both[2:-2], [[n * n, 2 * n, 2] for n in range(2, 7)])


@pytest.mark.parametrize(("window", "hop"), [(0, 160), (400, 0), (400, -1)])
def test_windows_and_hops_of_no_samples_are_refused(window, hop):
    for ask in (lambda: _short_time.count(900, window, hop), lambda: _short_time.cut(noise(900), window, hop)):
        with pytest.raises(BadInput, match=f"windows of {window} samples, one every {hop}; allowed: 1 sample or more"):
            ask()


@pytest.mark.parametrize("floor", [0.0, -1e-10, 1e-50, float("inf"), float("nan")])
@pytest.mark.parametrize("name", having("floor"))
def test_a_floor_under_which_silence_has_no_logarithm_is_refused(name, floor):
    module = find("frontends", name)
    with pytest.raises(BadInput, match=f"front_end.floor: {floor:g}; allowed: more than 0"):
        module.extract(noise(), replace(module.Settings(), floor=floor))


@pytest.mark.parametrize("name", having("reach"))
def test_a_slope_through_no_neighbours_is_refused(name):
    module = find("frontends", name)
    with pytest.raises(BadInput, match=r"front_end.reach: 0; allowed: 1 or more"):
        module.extract(noise(), replace(module.Settings(), reach=0))

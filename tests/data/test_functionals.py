"""Functionals against scipy and numpy, and where frames are few or all alike."""

import doctest

import numpy as np
import pytest
from scipy import stats

import ser.data.functionals
from ser.data.functionals import NAMES, functionals, of_contour, size
from ser.errors import BadInput
from ser.study.functionals import FUNCTIONALS


def frames(count, width=5, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.gamma(2, size=(count, width)) * 10.0 ** np.arange(-2, width - 2)).astype(np.float32)


def of_each(x, name):
    return functionals(x, [name])


def test_the_names_that_settings_may_have_are_these():
    assert NAMES == FUNCTIONALS


def test_the_example_holds():
    assert doctest.testmod(ser.data.functionals).failed == 0


@pytest.mark.parametrize("count", [2, 3, 4, 50, 301])
def test_moments_and_quantiles_are_numpys_and_scipys(count):
    x = frames(count)
    y = x.astype(np.float64)
    expected = {
        "mean": y.mean(0),
        "std": y.std(0),
        "min": y.min(0),
        "max": y.max(0),
        "range": np.ptp(y, 0),
        "median": np.median(y, 0),
        "skewness": stats.skew(y, 0),
        "kurtosis": stats.kurtosis(y, 0),
        "q25": np.quantile(y, 0.25, 0),
        "q75": np.quantile(y, 0.75, 0),
        "q10": np.quantile(y, 0.1, 0),
        "q90": np.quantile(y, 0.9, 0),
        "decile_range": np.quantile(y, 0.9, 0) - np.quantile(y, 0.1, 0),
        "centroid": np.linspace(0, 1, count) @ y / y.sum(0),
        "min_position": y.argmin(0) / (count - 1),
        "max_position": y.argmax(0) / (count - 1),
    }
    for name, values in expected.items():
        np.testing.assert_allclose(of_each(x, name), values, rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("count", [2, 3, 90])
def test_the_line_is_that_of_least_squares(count):
    x = frames(count)
    t = np.linspace(0, 1, count)
    for column in range(x.shape[1]):
        y = x[:, column].astype(np.float64)
        line = stats.linregress(t, y)
        assert of_each(x, "slope")[column] == pytest.approx(line.slope, rel=1e-9)
        assert of_each(x, "offset")[column] == pytest.approx(line.intercept, rel=1e-9)
        error = np.mean((y - line.slope * t - line.intercept) ** 2)
        assert of_each(x, "regression_error")[column] == pytest.approx(error, rel=1e-9, abs=1e-12)


def test_the_line_does_not_depend_on_how_many_frames_draw_it():
    for count in (2, 7, 100):
        ramp = np.linspace(3, 8, count, dtype=np.float32)[:, None]
        found = functionals(ramp, ["slope", "offset", "regression_error"])
        np.testing.assert_allclose(found, [5, 3, 0], atol=1e-6)


def test_all_columns_of_one_functional_come_before_the_next():
    x = frames(20, width=3)
    both = functionals(x, ["std", "mean"])
    np.testing.assert_array_equal(both, np.concatenate([of_each(x, "std"), of_each(x, "mean")]))
    assert both.dtype == np.float64
    assert size(3, ["std", "mean"]) == both.size == 6
    assert functionals(x, []).shape == (0,)


@pytest.mark.parametrize("value", [0, 0.1, -3e4, 1e-40, 3e38])
@pytest.mark.parametrize("count", [1, 2, 3, 97])
def test_constants_have_a_value_a_place_and_nothing_else(count, value):
    x = np.full((count, 2), value, np.float32)
    found = functionals(x, NAMES).reshape(len(NAMES), 2)
    for name, row in zip(NAMES, found, strict=True):
        is_value = name in ("mean", "min", "max", "median", "q10", "q25", "q75", "q90", "offset")
        middle = 0.5 if name == "centroid" and count > 1 and value else 0
        np.testing.assert_allclose(row, x[0] if is_value else middle, rtol=1e-15, err_msg=name)


def test_columns_do_not_touch_each_other():
    x = frames(33)
    x[:, 2] = 4
    together = functionals(x, NAMES).reshape(len(NAMES), -1)
    for column in range(x.shape[1]):
        alone = functionals(x[:, column : column + 1], NAMES)
        np.testing.assert_allclose(together[:, column], alone, rtol=1e-12, atol=1e-300)


def test_a_scaled_and_shifted_column_keeps_its_shape():
    x = frames(60, width=1)
    shape = ["skewness", "kurtosis", "min_position", "max_position"]
    np.testing.assert_allclose(functionals(x * 1e30, shape), functionals(x, shape), rtol=1e-5)
    np.testing.assert_allclose(functionals(x * 1e-30, shape), functionals(x, shape), rtol=1e-5)


def test_the_centroid_is_weighed_by_magnitude():
    x = np.array([[1, -1], [3, 3], [2, -2], [6, 6]], np.float32)
    np.testing.assert_allclose(of_each(x, "centroid"), (1 + 4 / 3 + 6) / 12, rtol=1e-12)


def test_a_contour_is_one_column_and_without_frames_a_single_zero():
    contour = np.array([1.0, 3.0, 2.0, 6.0])
    np.testing.assert_array_equal(of_contour(contour, NAMES), functionals(contour.astype(np.float32)[:, None], NAMES))
    assert not of_contour(np.zeros(0), NAMES).any()


def test_extremes_are_placed_at_their_first_time():
    x = np.array([[2], [0], [0], [2], [1]], np.float32)
    np.testing.assert_array_equal(functionals(x, ["min_position", "max_position"]), [0.25, 0])


def test_frames_stay_as_they_are():
    x = frames(10)
    before = x.copy()
    functionals(x, NAMES)
    np.testing.assert_array_equal(x, before)


def test_refuses_what_it_does_not_know_and_an_utterance_without_frames():
    for call in (lambda: size(3, ["mean", "mode"]), lambda: functionals(frames(3), ["mean", "mode"])):
        with pytest.raises(BadInput, match=r"functionals: 'mode'; allowed: mean, std, .*slope"):
            call()
    with pytest.raises(BadInput, match="0 frames"):
        functionals(frames(3)[:0], ["mean"])

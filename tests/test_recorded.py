"""Recorded numbers: a change of a component's numbers is noticed unless its VERSION went up and they were recorded."""

import numpy as np
import pytest
import recorded

NUMBERS = np.random.default_rng(0).standard_normal((40, 30)).astype(np.float32)


@pytest.fixture(autouse=True)
def recording(tmp_path, monkeypatch):
    monkeypatch.setattr(recorded, "FOLDER", tmp_path)
    monkeypatch.setenv("RECORD", "1")
    recorded.check("kind", "component", 1, {"plain": NUMBERS})
    monkeypatch.delenv("RECORD")


def test_the_same_numbers_and_their_rounding_pass():
    recorded.check("kind", "component", 1, {"plain": NUMBERS * (1 + 1e-6)})


@pytest.mark.parametrize(
    "other",
    [NUMBERS * 1.001, NUMBERS + 0.001, NUMBERS[::-1], NUMBERS[:, ::-1], NUMBERS[:39], NUMBERS.astype(np.float64)],
    ids=["scaled", "offset", "rows", "columns", "fewer", "type"],
)
def test_other_numbers_ask_for_another_version(other, monkeypatch):
    for record in ("", "1"):  # what is recorded of a version stays
        monkeypatch.setenv("RECORD", record)
        with pytest.raises(AssertionError, match=r"numbers of 'plain' changed and VERSION \(1\) did not.*VERSION = 2"):
            recorded.check("kind", "component", 1, {"plain": other})


def test_not_a_number_is_no_number_that_was_recorded():
    with pytest.raises(AssertionError, match="changed"):
        recorded.check("kind", "component", 1, {"plain": np.where(NUMBERS > 3, np.nan, NUMBERS)})


def test_a_raised_version_asks_for_its_numbers_and_gets_them(monkeypatch):
    with pytest.raises(AssertionError, match=r"VERSION is 2, and recorded are numbers of VERSION 1.*RECORD=1"):
        recorded.check("kind", "component", 2, {"plain": 2 * NUMBERS})
    monkeypatch.setenv("RECORD", "1")
    recorded.check("kind", "component", 2, {"plain": 2 * NUMBERS})
    monkeypatch.delenv("RECORD")
    recorded.check("kind", "component", 2, {"plain": 2 * NUMBERS})
    with pytest.raises(AssertionError, match="case 'other' is not recorded"):
        recorded.check("kind", "component", 2, {"plain": 2 * NUMBERS, "other": NUMBERS})
    assert recorded.names("kind") == {"component"}

"""Texts in parts: none is longer than a column, and nothing is lost."""

import pytest

from ser.runs.long_text import MOST, MOST_IN_A_NAME, cut, join, name


@pytest.mark.parametrize("length", [0, 1, MOST, MOST + 1, 12 * MOST])
def test_long_texts_go_in_parts_and_come_back(length):
    given = {"grid": "".join(chr(97 + i % 26) for i in range(length)), "other": "text"}
    sent = cut(given)
    assert max(map(len, sent.values())) <= MOST
    assert len(sent) == 1 + max(1, -(-length // MOST))
    assert join(sent) == given


def test_what_was_sent_whole_by_earlier_versions_is_read_as_it_is():
    whole = {"grid": "x" * 20_000, "a/part2": "no part of anything"}
    assert join(whole) == whole


def test_long_titles_are_shortened_where_a_run_is_named():
    assert name("short") == "short"
    assert len(name("x" * 1000)) == MOST_IN_A_NAME

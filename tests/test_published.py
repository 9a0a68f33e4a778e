"""The paper's printed numbers, and the arithmetic that its tables do not survive."""

import doctest
from itertools import product

import pytest

from ser import published
from ser.published import CASES, TABLE_3_CASES, TABLE_3_COLUMNS, TABLE_4_COLUMNS, printed
from ser.tables import marginals

BLOCKS, POOLINGS = ("lstm", "blstm", "tdnn"), ("mean", "mean_var")


def paper_marginals(metric: str) -> list[int]:
    """The margins of the paper's Table 3, through the counting code, in cases and in the order of Table 4."""
    configurations = [
        (block, pooling, task) for task in ("unified", "multi") for block, pooling in product(BLOCKS, POOLINGS)
    ]
    sums = marginals(sum(TABLE_3_CASES[metric], ()), configurations)
    return [int(sums[name]) for name in (*BLOCKS, *POOLINGS, "unified", "multi")]


def test_doctests():
    assert doctest.testmod(published).failed == 0


@pytest.mark.parametrize(("metric", "sums"), [("wa", [6, 7, 11, 8, 16, 7, 17]), ("ua", [5, 4, 15, 8, 16, 7, 17])])
def test_margins_of_the_papers_table_3(metric, sums):
    assert paper_marginals(metric) == sums


@pytest.mark.parametrize(("metric", "cases"), [("wa", [7, 6, 11, 5, 19, 7, 17]), ("ua", [4, 5, 15, 4, 20, 7, 17])])
def test_its_table_4_says_something_else(metric, cases):
    shown = [printed("table4", metric, "share", column) for column in TABLE_4_COLUMNS]
    assert shown == [round(100 * k / CASES, 2) for k in cases]
    assert paper_marginals(metric) != cases


@pytest.mark.parametrize("metric", ["wa", "ua"])
def test_table_3_is_24ths(metric):
    for task, counts in zip(("unified", "multi"), TABLE_3_CASES[metric], strict=True):
        shown = [printed("table3", metric, task, column) for column in TABLE_3_COLUMNS]
        assert shown == [round(100 * k / CASES, 2) for k in counts]
    assert sum(map(sum, TABLE_3_CASES[metric])) == CASES


@pytest.mark.parametrize(("metric", "column"), list(product(("wa", "ua"), published.TABLE_5_COLUMNS)))
def test_all_row_of_table_5_is_the_mean_over_the_other_targets(metric, column):
    rows = [row for row in ("customer", "iemocap", "ravdess") if row != column]
    twelfths = [round(printed("table5", metric, row, column) * 12 / 100) for row in rows]
    assert printed("table5", metric, "All", column) == round(100 * sum(twelfths) / 12 / len(rows), 1)


@pytest.mark.parametrize(("metric", "target"), list(product(("wa", "ua"), ("iemocap", "ravdess", "customer"))))
def test_gain_is_best_minus_single(metric, target):
    best, single, gain = (printed("table2", metric, target, column) for column in ("Best", "Single", "Gain"))
    assert gain == pytest.approx(best - single)


def test_nothing_printed_is_none():
    assert printed("table5", "wa", "iemocap", "iemocap") is None
    assert printed("table5", "wa", "tess", "iemocap") is None
    assert printed("table9", "wa", "tess", "iemocap") is None

"""Effects of a setting by corpus, by hand."""

import numpy as np
import pytest

from ser.report.interactions import ByCorpus, OnCorpus, comparable, interaction_maps, interaction_table

NAN, ABSENT = np.nan, -np.inf


def on(corpus, *cases, spread=0.0):
    """Cases of a corpus; of two replicates one is higher in the last value by ``spread``, and one lower."""
    point = np.array(cases, float).reshape(len(cases), -1)
    shift = np.zeros_like(point)
    shift[:, -1] = spread
    return OnCorpus(corpus, point, np.stack([point - shift, point + shift]))


BLOCK = ByCorpus("block", ("LSTM", "TDNN"), (on("emodb", (0.5, 0.7), (0.4, 0.5)), on("savee", (0.6, 0.5), (0.3, NAN))))


def test_differences_are_means_over_the_cases_of_each_corpus():
    (row,) = interaction_table([BLOCK], "UA", 0).rows
    assert (row.metric, row.name) == ("block", "TDNN − LSTM")
    assert [cell.value for cell in row.cells] == pytest.approx([0.15, -0.1])
    assert (row.n, row.of) == (3, 4)


def test_intervals_are_paired():
    table = interaction_table(
        [ByCorpus("b", ("x", "y"), (on("emodb", (0.5, 0.7), spread=0.05), on("savee", (0.5, 0.5), spread=0.01)))],
        "UA",
        0,
    )
    first, second = table.rows[0].cells
    assert (first.low, first.high) == pytest.approx((0.15, 0.25), abs=0.01)
    assert (second.low, second.high) == pytest.approx((-0.01, 0.01), abs=0.002)


def test_a_pair_that_a_corpus_cannot_have_is_no_cell():
    axis = ByCorpus("b", ("x", "y", "z"), (on("emodb", (0.5, 0.7, 0.9)), on("savee", (0.5, 0.6, ABSENT))))
    rows = {row.name: row.cells for row in interaction_table([axis], "UA", 0).rows}
    assert rows["z − x"][1] is None
    assert rows["y − x"][1].value == pytest.approx(0.1)


def test_the_map_shows_how_far_values_are_above_the_mean_of_all():
    assert BLOCK.effects() == pytest.approx(np.array([[-0.075, 0.075], [0.05, -0.05]]))
    picture = interaction_maps([BLOCK], "UA")
    assert picture.name == "interactions"
    for words in ("+7.5", "−7.5", "+5.0", "−5.0", "emodb", "savee", "LSTM", "TDNN"):
        assert words in picture.svg, words


def test_where_no_case_has_all_values_nothing_is_drawn():
    axis = ByCorpus("b", ("x", "y"), (on("emodb", (0.5, NAN)), on("savee", (ABSENT, 0.5))))
    assert interaction_maps([axis], "UA") is None
    assert interaction_maps([], "UA") is None


def test_one_corpus_one_value_and_very_many_have_nothing_to_compare():
    many = ByCorpus("b", tuple("abcdefghi"), BLOCK.corpora)
    assert comparable(
        [BLOCK, ByCorpus("b", ("x", "y"), BLOCK.corpora[:1]), ByCorpus("b", ("x",), BLOCK.corpora), many]
    ) == [BLOCK]

"""The tables of comparisons say what is known, and no more."""

import doctest
import re
from dataclasses import replace

import numpy as np
import pytest

from ser.report import comparison_tables
from ser.report.comparison_tables import Compared, best_table, effects_table, pairs_table, pictures_of

OPTIONS = (("lstm", "mean"), ("lstm", "max"), ("blstm", "mean"), ("blstm", "max"))


def compared(effect=0.1, cases=8, clusters=12, options=OPTIONS, holes=()):
    """Accuracies to which the second block adds ``effect``; what noise there is differs by option and case."""
    random = np.random.default_rng(5)
    better = np.array([effect * (option[0] == options[-1][0]) for option in options])
    point = 0.6 + better + random.normal(0, 0.01, (cases, len(options)))
    draws = point + random.normal(0, 0.01, (300, cases, len(options)))
    for hole in holes:
        point[hole] = np.nan
    corpora = tuple("ab"[case % 2] for case in range(cases))
    points, replicates = {"wa": point, "ua": point}, {"wa": draws, "ua": draws}
    return Compared(("Block", "Pooling"), options, corpora, points, replicates, clusters)


def tables_of(compared):
    tables = [effects_table(compared), best_table(compared), pairs_table(compared)]
    return tuple(table for table in tables if table.rows)


def rows(table, metric="ua"):
    return {row.name: row for row in table.rows if row.metric == metric}


def test_doctests():
    assert doctest.testmod(comparison_tables).failed == 0


def test_tables_of_a_planted_effect():
    effects, best, pairs = tables_of(compared(holes=[(2, 3)]))
    block, pooling = rows(effects)["blstm − lstm"], rows(effects)["max − mean"]
    assert block.cells[0] == "Block"
    assert block.cells[1].value == pytest.approx(0.1, abs=0.01)
    assert block.cells[1].low > 0
    assert block.cells[2] == "15 of 15"
    assert (block.n, block.of) == (15, 16)
    assert pooling.cells[1].low < 0 < pooling.cells[1].high
    assert {name: row.cells[2] for name, row in rows(best).items() if name.startswith("lstm")} == {
        "lstm mean": "no",
        "lstm max": "no",
    }
    assert "yes" in {row.cells[2] for row in best.rows}
    assert {row.n for row in best.rows} == {7}
    differ = {name: row.cells[-1] for name, row in rows(pairs).items()}
    assert differ["blstm mean − lstm mean"] == "yes"
    assert sum(text == "yes" for text in differ.values()) == 4
    assert "by WA 4, by UA 4 of 6 pairs" in pairs.explanation
    assert "of 2 corpora" in best.explanation


def test_one_speaker_or_no_draws_leave_holes_and_decide_nothing():
    for clusters, draws in ((1, 300), (12, 0)):
        some = compared(clusters=clusters)
        some = replace(some, draws={name: values[:draws] for name, values in some.draws.items()})
        effects, best, pairs = tables_of(some)
        assert np.isnan([row.cells[1].low for row in effects.rows]).all()
        assert {row.cells[2] for row in best.rows} == {"–"}
        assert {(row.cells[1], row.cells[-1]) for row in pairs.rows} == {("–", "–")}


def test_few_speakers_do_not_say_what_may_be_the_best():
    best = best_table(compared(clusters=4))
    assert {row.cells[2] for row in best.rows} == {"–"}
    assert np.isnan([row.cells[1].low for row in best.rows]).all()


def test_nothing_to_compare_has_no_table_and_no_diagram():
    single = compared(options=OPTIONS[:1])
    assert tables_of(single) == pictures_of(single) == ()
    empty = compared(cases=0)
    assert tables_of(empty) == pictures_of(empty) == ()
    assert pictures_of(compared(cases=1)) == ()


def test_diagram_tells_the_tests():
    (picture,) = pictures_of(compared())
    assert "over 8 cases of 2 corpora" in picture.caption
    assert re.search(r"χ² = \d+\.\d\d, p (= 0\.\d{3}|< 0\.001)", picture.caption)
    assert "blstm mean" in picture.svg


def test_options_go_by_what_differs():
    some = compared(options=(("lstm", "mean"), ("blstm", "mean")))
    assert some.names == ("lstm", "blstm")
    assert list(rows(tables_of(some)[0])) == ["blstm − lstm"]

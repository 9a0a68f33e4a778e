"""What each axis does, which networks differ, and what is expected if nothing differed: planted, and by hand."""

import re
from dataclasses import replace

import numpy as np
import pytest

from ser.report.comparison_tables import pairs_table, pictures_of
from ser.report.interaffection import compared
from ser.report.interaffection.compared import best_sets, networks_compared, rank_table
from ser.report.interaffection.content import all_tables, arranged
from ser.report.interaffection.effects import axes_of, effects_table
from ser.report.interaffection.figures import shares
from ser.report.interaffection.shares import configuration_shares
from ser.report.interaffection.tables import configuration_table, marginal_table, presence_table
from ser.report.runs import Options
from tests.report.test_proportions import NETWORKS, arranged_on_grid, make_grid, result, small, values

TRUTH = np.tile([0, 1], 100)


def rows_of(table, metric="wa"):
    return {row.name: row for row in table.rows if row.metric == metric}


def drawn(accuracy, seed=0, grid=None):
    """Results of independent networks, each right with a probability of its own: by combination and network."""
    rng = np.random.default_rng(seed)
    grid = grid or make_grid()
    for p in grid.points:
        network = p["block"], p["pooling"], p["task"]
        made = result(tuple(p["corpora"]), network, 0, truth=TRUTH)
        right = rng.random(len(TRUTH)) < accuracy(tuple(p["corpora"]), network)
        predicted = np.where(right, TRUTH, 1 - TRUTH)
        share = float(np.mean(right))
        yield replace(made, test=replace(made.test, predicted=predicted), wa=share, ua=share)


def twins(results):
    """On one corpus multi is the training of unified."""
    first = {r.block: r for r in results if r.corpora == ("a",) and r.task == "unified"}
    for r in results:
        if r.corpora == ("a",) and r.task == "multi":
            one = first[r.block]
            yield replace(r, test=one.test, wa=one.wa, ua=one.ua, same_as=one.trial_id)
        else:
            yield r


def test_effects_by_hand():
    """Right of ten: alone LSTM 5 and TDNN 7; with t LSTM 6, 8 and TDNN 6, 8 (unified, multi)."""
    table = effects_table(arranged_on_grid(list(twins(small())), make_grid(), 50))
    rows = rows_of(table)
    assert table.columns == ("a", "Better in")  # all targets are one
    assert list(rows) == ["TDNN − LSTM", "multi − unified", "+ T"]
    # Alone one pair, since both set-ups are one training; with t two.
    assert rows["TDNN − LSTM"].cells[0].value == pytest.approx((0.2 + 0 + 0) / 3)
    assert (rows["TDNN − LSTM"].cells[1], rows["TDNN − LSTM"].n) == ("1 of 3", 3)
    assert rows["multi − unified"].cells[0].value == pytest.approx((0.2 + 0.2) / 2)
    assert (rows["multi − unified"].cells[1], rows["multi − unified"].n) == ("2 of 2", 2)
    assert rows["+ T"].cells[0].value == pytest.approx((0.1 + 0.3 - 0.1 + 0.1) / 4)


def test_a_case_that_lacks_a_result_is_no_case_of_an_effect():
    results = [r for r in small() if (r.corpora, r.key[2:5]) != (("a", "t"), NETWORKS[1])]
    rows = rows_of(effects_table(arranged_on_grid(results, make_grid(), 10)))
    assert (rows["multi − unified"].n, rows["multi − unified"].of) == (1, 2)
    assert (rows["+ T"].n, rows["+ T"].of) == (3, 4)


def test_an_effect_on_its_own_target_cannot_be():
    grid = make_grid(corpora=("a", "b"), train_only=())
    results = [
        result(tuple(p["corpora"]), (p["block"], "mean", p["task"]), 5 + (len(p["corpora"]) == 2), target=t)
        for p in grid.points
        for t in p["corpora"]
    ]
    rows = rows_of(effects_table(arranged_on_grid(results, grid, 20)))
    assert rows["+ A"].cells[0] is None
    assert [rows["+ A"].cells[i].value for i in (1, 2)] == pytest.approx([0.1, 0.1])
    assert [axis.corpus for axis in axes_of(grid)] == ["", "", "a", "b"]


def test_a_planted_effect_has_an_interval_without_0_and_none_holds_it():
    planted = list(drawn(lambda corpora, network: 0.6 + 0.2 * (network[0] == "tdnn")))
    effects = rows_of(effects_table(arranged_on_grid(planted, make_grid(), 400)))
    assert effects["TDNN − LSTM"].cells[0].low > 0.1
    assert effects["+ T"].cells[0].low < 0 < effects["+ T"].cells[0].high


def test_ranks_find_a_planted_network_and_say_how_many_cases():
    grid = make_grid(corpora=("a", "t", "u"), train_only=("t", "u"))
    planted = list(drawn(lambda corpora, network: 0.9 if network == NETWORKS[3] else 0.5, grid=grid))
    evidence = arranged_on_grid(planted, grid, 200)
    networks = networks_compared(evidence)
    row = rows_of(rank_table(networks))["ranks"]
    assert row.cells[0] == "TDNN multi (1.00)"
    assert (row.n, row.of) == (4, 4)
    pairs = rows_of(pairs_table(networks))
    assert len(pairs) == 6
    assert [row.cells[-1] for row in pairs.values()].count("yes") == 3  # the planted one against each other
    assert pairs["TDNN multi − LSTM unified"].cells[0].low > 0
    (picture,) = pictures_of(networks)
    assert "over 4 cases of one corpus" in picture.caption
    assert len(set(re.findall(r"(?:LSTM|TDNN) (?:unified|multi)", picture.svg))) == 4


def test_equal_networks_are_not_told_apart():
    evidence = arranged_on_grid(list(drawn(lambda *_: 0.6)), make_grid(), 400)
    assert {row.cells[-1] for row in pairs_table(networks_compared(evidence)).rows} == {"no"}
    best, every = best_sets(evidence)
    assert rows_of(best)["a"].cells[0] == str(len([r for r in every.rows if r.metric == "wa"]))


def test_the_set_of_the_best_is_the_planted_one():
    planted = list(drawn(lambda corpora, network: 0.95 if (len(corpora), network) == (2, NETWORKS[1]) else 0.5))
    best, every = best_sets(arranged_on_grid(list(twins(planted)), make_grid(), 400))
    row = rows_of(best)["a"]
    assert row.cells[:2] == ("1", "0")
    assert (row.n, row.of) == (6, 6)  # two trainings on a alone, four with t
    members = [line.cells[:4] for line in every.rows if line.metric == "wa" and line.cells[-1] == "yes"]
    assert members == [("A+T", "multi", "LSTM", "μ")]


def test_more_results_than_can_be_compared_are_a_hole(monkeypatch):
    monkeypatch.setattr(compared, "_MOST_COMPARED", 5)
    best, every = best_sets(arranged_on_grid(small(), make_grid(), 20))
    assert rows_of(best)["a"].cells[0] == "–"
    assert every.rows == ()


def test_shares_beyond_what_chance_gives_are_marked():
    corpora = ("a", "t", "u", "v")
    grid = make_grid(corpora=corpora, train_only=corpora[1:])
    planted = list(drawn(lambda corpora, network: 0.8 if network == NETWORKS[2] else 0.5, grid=grid))
    rows = rows_of(configuration_table(arranged_on_grid(planted, grid, 300)))
    assert rows["unified"].cells[1].value == 1
    assert rows["unified beyond that"].cells == ("", "above")
    assert sum(sum(values(rows[f"{task} if equal"])) for task in grid.task) == pytest.approx(1)
    equal = arranged_on_grid(list(drawn(lambda *_: 0.6, grid=grid)), grid, 300)
    tables = (configuration_table(equal), marginal_table(equal), presence_table(equal))
    assert not any("beyond that" in name for table in tables for name in rows_of(table))
    assert values(rows_of(tables[1])["share if equal"])[:2] == pytest.approx([0.5, 0.5], abs=0.15)
    assert values(rows_of(tables[2])["a if equal"]) == pytest.approx([0.5] * 3, abs=0.15)


def test_of_few_speakers_a_share_has_no_interval_and_nothing_is_beyond_chance():
    """Sixty utterances of three speakers, a network far ahead: two or three speakers decide what the draws say."""
    corpora = ("a", "t", "u", "v")
    grid = make_grid(corpora=corpora, train_only=corpora[1:])
    planted = list(drawn(lambda corpora, network: 0.8 if network == NETWORKS[2] else 0.5, grid=grid))
    planted = [replace(r, test=replace(r.test, speakers=tuple(f"s{int(u[-3:]) % 3}" for u in r.uids))) for r in planted]
    evidence = arranged_on_grid(planted, grid, 100, resample="speaker")
    for table in (configuration_table(evidence), marginal_table(evidence), presence_table(evidence)):
        cells = [cell for row in table.rows for cell in row.cells if cell]
        assert np.isnan([cell.low for cell in cells]).all()
        assert not any("beyond that" in row.name for row in table.rows)
        assert "Of fewer than five speakers" in table.explanation
    assert values(rows_of(configuration_table(evidence))["unified if equal"]) == pytest.approx([0.25] * 2)
    assert values(rows_of(presence_table(evidence))["a if equal"]) == pytest.approx([0.5] * 3)
    shown = arranged(planted, grid, Options(replicates=100))
    assert any("do not say which results may be the best" in note and note.endswith(": a.") for note in shown.notes)
    assert not {"best_results", "best_results_all"} & {table.key for table in shown.tables}


def test_one_case_is_not_compared_with_chance():
    table = configuration_table(arranged_on_grid(small()[:4], make_grid(corpora=("a",), train_only=()), 50))
    assert [row.name for row in table.rows] == ["share"] * 2
    assert "One case has one winner" in table.explanation
    caption = shares(table, arranged_on_grid(small()[:4], make_grid(corpora=("a",), train_only=()), 50)).caption
    assert "Lines" in caption
    assert "bands" not in caption  # there are none


def test_on_one_corpus_set_ups_are_one_option_and_nothing_is_said_of_mixes():
    grid = make_grid(corpora=("a",), train_only=())
    evidence = arranged_on_grid(list(twins(small()[:4])), grid, 50)
    tables = {table.key: table for table in all_tables(evidence, Options(replicates=50))}
    assert not tables.keys() & {"table5", "table5_validation", "ranks", "best_results", "best_results_all"}
    assert values(rows_of(tables["table3"])["share"]) == [0, 1]
    assert tables["table4"].columns[-1] == "μ"  # no set-ups
    assert not {"Single", "Gain"} & {*tables["table2"].columns, *tables["table2_validation"].columns}
    assert list(rows_of(tables["best_set"])) == ["TDNN", "LSTM"]
    assert list(rows_of(tables["pairs"])) == ["TDNN − LSTM"]
    assert list(rows_of(tables["validation_agreement"])) == ["network, of each combination"]
    mixed = {table.key for table in all_tables(arranged_on_grid(small(), make_grid(), 50), Options(replicates=50))}
    assert {"table5", "table5_validation", "ranks", "best_results", "best_results_all"} <= mixed


def test_figures_of_one_corpus_show_each_training_once():
    grid = make_grid(corpora=("a",), train_only=())
    results = list(twins(small()[:4]))
    pictures = {picture.name: picture for picture in arranged(results, grid, Options(replicates=20)).pictures}
    assert not {"mean_ua", "shares"} & pictures.keys()  # of one case
    assert "multi" not in pictures["ua_by_combination"].svg
    mixed = {picture.name: picture for picture in arranged(small(), make_grid(), Options(replicates=20)).pictures}
    assert {"mean_ua", "shares"} <= mixed.keys()
    assert "multi" in mixed["ua_by_combination"].svg


def test_shares_by_chance_of_small_grids_add_up():
    shares = configuration_shares(arranged_on_grid(small(), make_grid(), 100), "ua", "fractional")
    assert sum(shares.if_equal(i).value for i in range(4)) == pytest.approx(1)
    assert configuration_shares(arranged_on_grid(small(), make_grid(), 0), "ua", "fractional").null.shape == (0, 4)


def test_no_result_compares_nothing():
    evidence = arranged_on_grid([], make_grid(), 10)
    networks = networks_compared(evidence)
    assert rows_of(rank_table(networks))["ranks"].n == 0
    assert pictures_of(networks) == ()
    assert rows_of(best_sets(evidence)[0])["a"].cells[0] == "–"

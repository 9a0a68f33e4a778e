"""Counting winners: credit, marginals, holes and intervals, on grids small enough to check by hand."""

import doctest
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.interaffection import study
from ser.errors import BadInput
from ser.metrics.accuracy import confusion, ua, wa
from ser.report import bootstrap, statistics
from ser.report.content import HOLE, Cell
from ser.report.interaffection import shares as counting
from ser.report.interaffection.content import all_tables
from ser.report.interaffection.results import Grid, Result, sign
from ser.report.interaffection.scores import arranged_on_grid as arranged
from ser.report.interaffection.shares import VALIDATION, configuration_shares
from ser.report.interaffection.tables import (
    best_results,
    configuration_table,
    every_result,
    marginal_table,
    presence_table,
)
from ser.report.interaffection.validation import agreement, best_by_validation
from ser.report.predictions import LabelPredictions
from ser.report.runs import Expected, Options, UsedCorpus
from ser.report.statistics import credit

TRUTH = np.array([0, 1] * 5)
NETWORKS = [
    ("lstm", "mean", "unified"),
    ("lstm", "mean", "multi"),
    ("tdnn", "mean", "unified"),
    ("tdnn", "mean", "multi"),
]


def make_grid(corpora=("a", "t"), train_only=("t",), seeds=(0,), pruned=None, folds=(0,), **changes):
    points = [p | {"pooling": "mean"} for p in study.points(corpora, train_only) if p["pooling"] == "mean"]
    points = [p for p in points if p["block"] != "blstm"]
    points = [p for p in points if pruned is None or not pruned(p)]
    points = [{**p, "fold": fold} if fold else p for p in points for fold in folds]
    expected = Expected(
        study="small",
        title="A small study",
        report="interaffection",
        classes=("happy", "sad"),
        corpora=tuple(UsedCorpus(c, c.upper(), c not in train_only) for c in corpora),
        mode="",
        trials=tuple((title(p, seed), {**p, "seed": seed}) for seed in seeds for p in points),
        count=len(points) * len(seeds),
        seeds=seeds,
        demo=False,
    )
    return Grid(replace(expected, **changes))


def title(point, seed):
    mix, network = (
        "+".join(c.upper() for c in point["corpora"]),
        (point["block"], sign(point["pooling"]), point["task"]),
    )
    fold = point.get("fold", 0)
    return " · ".join([mix, *network, *([f"fold {fold}"] if fold else []), *([f"seed {seed}"] if seed else [])])


def result(
    corpora, network, right, target="a", seed=0, run="", truth=TRUTH, same_as="", fold=0, first=0, validation=None
):  # fmt: skip
    """A result with so many of the first utterances right; those of one speaker are ten. ``first``: its first one."""
    predicted = np.where(np.arange(len(truth)) < right, truth, 1 - truth)
    counts = confusion(truth, predicted, 2)
    trial = f"{'+'.join(corpora)}/{'/'.join(network)}/{fold}/{seed}"
    uids = tuple(f"{target}/{first + i:03d}" for i in range(len(truth)))
    speakers = tuple(f"{target}/{uid[-3:-1]}" for uid in uids)
    scores = (wa(counts), ua(counts))
    test = LabelPredictions(run or trial, uids, truth, predicted, 2, speakers)
    values = {} if validation is None else {"wa": validation, "ua": validation}
    return Result(trial, run or trial, corpora, *network, fold, seed, target, *scores, test, same_as, values)


def arranged_on_grid(results, grid, replicates=1000, **options):
    return arranged(results, grid, Options(replicates=replicates, **{"resample": "utterance", **options}))


def small(alone=(5, 5, 7, 7), both=(6, 8, 6, 8), seed=0):
    """Target a with corpus t in training only; utterances right of ten, by network."""
    return [
        result(corpora, network, right, seed=seed)
        for corpora, rights in ((("a",), alone), (("a", "t"), both))
        for network, right in zip(NETWORKS, rights, strict=True)
    ]


def lines(table):
    """Without those that say what is expected if nothing differed."""
    return [row for row in table.rows if not row.name.endswith(("if equal", "beyond that"))]


def values(row):
    return [cell.value for cell in row.cells if cell is not None]


def test_doctests():
    assert doctest.testmod(counting).failed == doctest.testmod(statistics).failed == 0


@given(st.lists(st.lists(st.integers(0, 3), min_size=4, max_size=4), min_size=1), st.sampled_from(statistics.TIES))
def test_a_case_hands_out_one_credit_to_the_best(scores, ties):
    given_out = credit(np.array(scores) / 3, ties)
    np.testing.assert_allclose(given_out.sum(axis=-1), 1)
    assert (given_out[np.array(scores) < np.max(scores, axis=1, keepdims=True)] == 0).all()
    assert ties == "fractional" or set(np.unique(given_out)) <= {0.0, 1.0}


def test_a_case_with_a_hole_gives_no_credit():
    assert np.isnan(credit([0.1, np.nan, 0.3])).all()


def test_unknown_tie_rule():
    with pytest.raises(BadInput, match="fractional, first"):
        credit([1.0], "coin")


@pytest.mark.parametrize(
    ("ties", "unified", "multi", "margins"),
    [
        ("fractional", [0, 0.25], [0.25, 0.5], [0.25, 0.75, 1, 0.25, 0.75]),
        ("first", [0, 0.5], [0.5, 0], [0.5, 0.5, 1, 0.5, 0.5]),
    ],
)
def test_tables_3_and_4_by_hand(ties, unified, multi, margins):
    evidence = arranged_on_grid(small(), make_grid(), 50)
    rows = lines(configuration_table(evidence, ties))
    assert [(r.metric, r.name, r.n, r.of) for r in rows[:2]] == [("wa", "unified", 2, 2), ("wa", "multi", 2, 2)]
    assert [values(rows[0]), values(rows[1])] == [unified, multi]
    table = marginal_table(evidence, ties)
    assert table.columns == ("LSTM", "TDNN", "μ", "unified", "multi")
    assert values(table.rows[0]) == margins


def test_table_5_by_hand():
    rows = lines(presence_table(arranged_on_grid(small(), make_grid(), 50)))
    assert [(r.name, r.n, r.of) for r in rows[:2]] == [("a", 4, 4), ("All", 4, 4)]
    assert rows[0].cells[0] is None
    assert values(rows[0]) == [0.75]  # only TDNN unified is better without t
    assert rows[1].cells[0] is None  # no other target that a could help
    assert values(rows[1]) == [0.75]


def test_table_2_by_hand():
    row = best_results(arranged_on_grid(small(), make_grid(), 50)).rows[0]
    assert row.cells[:4] == ("A+T", "multi", "LSTM", "μ")
    assert row.cells[5:7] == ("TDNN", "μ")
    assert [row.cells[i].value for i in (4, 7, 8)] == pytest.approx([0.8, 0.7, 0.1])
    assert row.cells[9:] == ("1", "10 (1)")  # TDNN multi is as good
    assert (row.n, row.of) == (8, 8)


def test_one_training_counted_twice_is_not_a_tie_but_shares_the_case():
    alone = [
        result(("a",), n, 9, same_as="" if n[2] == "unified" else f"a/{n[0]}/mean/unified/0/0") for n in NETWORKS[:2]
    ]
    others = [r for r in small() if r.corpora != ("a",) or r.block == "tdnn"]
    evidence = arranged_on_grid([*others, *alone], make_grid(), 50)
    row = best_results(evidence).rows[0]
    assert row.cells[:3] == ("A", "-", "LSTM")
    assert row.cells[9] == "0"
    gain = row.cells[8]
    assert gain.value == 0
    assert np.isnan(gain.low)  # of one training beside itself nothing is to be known
    assert [values(r)[0] for r in lines(configuration_table(evidence))[:2]] == [0.25, 0.5]


def test_an_incomplete_case_does_not_count_and_is_shown():
    evidence = arranged_on_grid(
        [r for r in small() if (r.corpora, r.key[2:5]) != (("a", "t"), NETWORKS[1])], make_grid(), 50
    )
    assert (evidence.done, evidence.expected) == (7, 8)
    assert [(h.title, h.untested) for h in evidence.holes] == [("A+T · lstm · μ · multi", ("a",))]
    rows = lines(configuration_table(evidence))
    assert (rows[0].n, rows[0].of) == (1, 2)
    assert values(rows[0]) == [0, 0.5]
    five = presence_table(evidence).rows[0]
    assert (five.n, five.of) == (3, 4)
    assert values(five) == pytest.approx([2 / 3])


def test_the_value_of_a_cell_is_the_mean_over_seeds():
    grid = make_grid(seeds=(0, 1))
    scores = arranged_on_grid(small() + small(alone=(7, 7, 7, 7), seed=1), grid, 20).scores[0]
    np.testing.assert_allclose(scores.point["wa"][0], [0.6, 0.6, 0.7, 0.7])
    assert [r.seed for r in scores.results[0, 0]] == [0, 1]


def test_a_cell_that_lacks_a_seed_is_a_hole():
    evidence = arranged_on_grid(small() + small(seed=1)[1:], make_grid(seeds=(0, 1)), 20)
    assert np.isnan(evidence.scores[0].point["wa"][0, 0])
    assert [h.title for h in evidence.holes] == ["A · lstm · μ · unified · seed 1"]


def test_spread_is_over_the_seeds():
    grid = make_grid(seeds=(0, 1, 2))
    results = [r for seed, right in ((0, 5), (1, 7), (2, 9)) for r in small(alone=(right,) * 4, seed=seed)]
    evidence = arranged_on_grid(results, grid, 20)
    assert evidence.scores[0].spread["wa"][0, 0] == pytest.approx(0.2)
    table = every_result(evidence)
    assert table.rows[0].cells[table.columns.index("WA SD")].value == pytest.approx(0.2)
    assert (table.rows[0].n, table.rows[0].of, table.counted) == (3, 3, "seeds")
    assert "SD" not in " ".join(every_result(arranged_on_grid(small(), make_grid(), 20)).columns)


# --- folds, and seeds that split in another way ---


def in_folds(rights, network=NETWORKS[0], corpora=("a",), seed=0, validation=None, **more):
    """One network in folds of ten utterances, each with its own: so many right, by fold."""
    values = validation or [None] * len(rights)
    return [
        result(corpora, network, right, seed=seed, fold=k, first=10 * k, validation=value, **more)
        for k, (right, value) in enumerate(zip(rights, values, strict=True), start=1)
    ]


def test_folds_are_pooled_and_a_value_is_the_mean_over_the_seeds():
    grid = make_grid(seeds=(0, 1), folds=(1, 2))
    assert (grid.folds, grid.repeats) == ((1, 2), "seeds × folds")
    # UA of a fold of nine or ten right is not that of the two pooled.
    unequal = np.array([0] * 8 + [1] * 2)
    results = [r for seed in (0, 1) for r in in_folds((9 - seed, 4), seed=seed)]
    results += in_folds((9, 10), NETWORKS[2], truth=unequal) + in_folds((8, 8), NETWORKS[2], seed=1, truth=unequal)
    scores = arranged_on_grid(results[:4], grid, 20).scores[0]
    assert scores.point["wa"][0, 0] == pytest.approx(((13 / 20) + (12 / 20)) / 2)
    assert scores.spread["wa"][0, 0] == pytest.approx(np.std([0.9, 0.4, 0.8, 0.4], ddof=1))
    assert (scores.sample.utterances, scores.sample.speakers, scores.sample.seeds) == (20, 2, 2)
    (ua,) = arranged_on_grid(results[4:], grid, 20).scores[0].point["ua"][0][2:3]
    assert ua == pytest.approx(((16 / 16 + 3 / 4) / 2 + (1 + 0) / 2) / 2)


def test_a_seed_that_lacks_a_fold_is_a_hole():
    grid = make_grid(seeds=(0, 1), folds=(1, 2))
    results = [*in_folds((9, 4)), in_folds((9, 4), seed=1)[0]]
    evidence = arranged_on_grid(results, grid, 20)
    assert np.isnan(evidence.scores[0].point["wa"][0, 0])
    assert "A · lstm · μ · unified · fold 2 · seed 1" in [hole.title for hole in evidence.holes]
    assert (every_result(evidence).rows[0].n, every_result(evidence).rows[0].of) == (3, 4)


def test_seeds_may_test_other_utterances_but_results_of_one_seed_may_not():
    grid = make_grid(seeds=(0, 1))
    moved = [result(("a",), network, 6, seed=1, first=50) for network in NETWORKS]
    odd = result(("a", "t"), NETWORKS[0], 9, seed=1, first=70)
    evidence = arranged_on_grid([*small(), *moved, odd], grid, 20)
    assert evidence.scores[0].sample.utterances == 20
    np.testing.assert_allclose(evidence.scores[0].point["wa"][0], [0.55, 0.55, 0.65, 0.65])
    assert np.isnan(evidence.scores[0].point["wa"][1, 0])
    assert [note.split()[0] for note in evidence.notes] == ["1"]


def test_folds_that_share_utterances_are_not_pooled():
    same = tuple(f"a/{i:03d}" for i in range(10))
    results = [replace(r, test=replace(r.test, uids=same)) for r in in_folds((9, 4))]
    evidence = arranged_on_grid(results, make_grid(folds=(1, 2)), 20)
    assert np.isnan(evidence.scores[0].point["wa"][0, 0])
    assert evidence.notes == (
        "1 results were tested on none or on other utterances or labels than most of their target, seed and fold, or "
        "on some that another fold of the seed tests; left out.",
    )


# --- chosen by validation ---


def chosen(validation, **more):
    """The small grid with validation accuracies, by combination and network."""
    values = iter(validation)
    return [replace(r, validation={"wa": v, "ua": v}) for r, v in zip(small(**more), values, strict=True)]


def test_table_2_by_validation_by_hand():
    # Best on test: 8 right, a+t with LSTM multi or TDNN multi. Validation prefers TDNN unified alone: 7 right.
    evidence = arranged_on_grid(chosen([0.5, 0.5, 0.9, 0.6, 0.8, 0.7, 0.1, 0.2]), make_grid(), 50)
    table = best_by_validation(evidence)
    row = dict(zip(table.columns, table.rows[0].cells, strict=True))
    assert [row[k] for k in ("Comb.", "Task", "Temp.", "Pooling", "Ties")] == ["A", "-", "TDNN", "μ", "0"]
    assert [row[k].value for k in ("Validation", "Test", "Single", "Gain")] == pytest.approx([0.9, 0.7, 0.7, 0.0])
    assert row["Optimism"].value == pytest.approx(0.1)
    assert (table.rows[0].n, table.rows[0].of) == (8, 8)
    assert "validation" in table.title.lower()
    assert "chosen on test" in best_results(evidence).title


def test_the_choice_does_not_look_at_the_test_utterances():
    validation = [0.5, 0.5, 0.6, 0.6, 0.8, 0.7, 0.9, 0.2]
    rights = {"alone": (1, 9, 3, 4), "both": (2, 3, 7, 10)}
    first, other = (arranged_on_grid(chosen(validation, **r), make_grid(), 5).scores[0] for r in ({}, rights))
    assert first.choices["wa", False].tied == other.choices["wa", False].tied == {(0, 0): ((1, 2),)}
    assert other.choices["wa", False].value == pytest.approx(0.7)


def test_without_a_validation_measure_there_is_no_winner():
    evidence = arranged_on_grid(small(), make_grid(), 20)
    row = best_by_validation(evidence).rows[0]
    assert row.n == 0
    assert all(c == HOLE or np.isnan(c.value) for c in row.cells[:-1])
    assert all(np.isnan(v) for v in values(configuration_table(evidence, by=VALIDATION).rows[0]))
    assert agreement(evidence).rows[0].n == 0


def test_in_folds_the_choice_is_nested():
    """In each fold its own validation chooses; a choice by the mean over the folds would take another network."""
    grid = make_grid(folds=(1, 2))
    results = in_folds((9, 2), NETWORKS[0], validation=(0.9, 0.1))
    results += in_folds((1, 8), NETWORKS[2], validation=(0.2, 0.9))
    results += in_folds((5, 5), NETWORKS[3], validation=(0.8, 0.8))
    evidence = arranged_on_grid(results, grid, 20)
    choice = evidence.scores[0].choices["wa", False]
    assert choice.tied == {(0, 1): ((0, 0),), (0, 2): ((0, 2),)}
    assert choice.value == pytest.approx((9 + 8) / 20)
    table = best_by_validation(evidence)
    row = dict(zip(table.columns, table.rows[0].cells, strict=True))
    assert row["Chosen in"] == "1 of 2"
    assert row["Validation"].value == pytest.approx(0.9)
    assert row["SD"].value == pytest.approx(np.std([0.9, 0.8], ddof=1))


def test_twins_tie_by_validation_and_are_one_training():
    alone = [
        replace(result(("a",), n, 7, same_as="" if n[2] == "unified" else f"a/{n[0]}/mean/unified/0/0", validation=0.9))
        for n in NETWORKS[:2]
    ]
    evidence = arranged_on_grid(alone, make_grid(), 20)
    assert len(evidence.scores[0].choices["wa", False].tied[0, 0]) == 2
    table = best_by_validation(evidence)
    assert table.rows[0].cells[table.columns.index("Ties")] == "0"


def test_tables_3_to_5_by_validation_by_hand():
    # By combination: alone LSTM unified and TDNN multi tie; with t TDNN unified.
    evidence = arranged_on_grid(chosen([0.9, 0.5, 0.6, 0.9, 0.5, 0.6, 0.9, 0.1]), make_grid(), 50)
    rows = lines(configuration_table(evidence, by=VALIDATION))
    assert [values(rows[0]), values(rows[1])] == [[0.25, 0.5], [0, 0.25]]
    assert all(np.isnan(cell.low) for cell in rows[0].cells)
    assert values(presence_table(evidence, by=VALIDATION).rows[0]) == [0.5]
    tables = [table(evidence, by=VALIDATION) for table in (configuration_table, marginal_table, presence_table)]
    assert all("by validation" in t.title and "validation utterances" in t.explanation for t in tables)
    # Alone TDNN multi is one of two best on test, and has half of the credit; with t TDNN unified (6) is none (8).
    by_network = agreement(evidence).rows[0]
    assert values(by_network) == pytest.approx([(0.5 + 0) / 2, 0.5, (0.1 + 0.2) / 2, 0.1])


@given(st.lists(st.integers(0, 4), min_size=8, max_size=8))
def test_optimism_is_never_negative(validation):
    evidence = arranged_on_grid(chosen([v / 4 for v in validation]), make_grid(), 0)
    scores = evidence.scores[0]
    assert scores.choices["wa", False].value <= scores.point["wa"].max() + 1e-12


def test_three_targets_and_the_mean_over_the_others():
    grid = make_grid(corpora=("a", "b", "c"), train_only=())
    # The combination decides: a is best with b, b is best alone, c is best with a and b.
    best = {"a": ("a", "b"), "b": ("b",), "c": ("a", "b", "c")}
    results = [
        result(tuple(p["corpora"]), (p["block"], "mean", p["task"]), 9 if p["corpora"] == best[t] else 5, target=t)
        for p, t in product(grid.points, "abc")
        if t in p["corpora"]
    ]
    rows = lines(presence_table(arranged_on_grid(results, grid, 20)))[:4]
    assert [[None if c is None else c.value for c in row.cells] for row in rows] == [
        [None, 1, 0],
        [0, None, 0],
        [1, 1, None],
        [0.5, 1, 0],
    ]
    assert configuration_table(arranged_on_grid(results, grid, 20)).rows[0].of == 12


@pytest.mark.parametrize(
    ("corpora", "cases"), [(("iemocap", "tess", "ravdess", "customer"), 24), (("iemocap", "tess", "ravdess"), 8)]
)
def test_cases_follow_from_the_corpora(corpora, cases):
    grid = make_grid(corpora=corpora, train_only=("tess",))
    shares = configuration_shares(arranged_on_grid([], grid, 0), "wa", "fractional")
    assert (shares.n, shares.of) == (0, cases)


def test_a_pruned_point_is_no_hole():
    pruned = ("a", "t"), NETWORKS[3]
    grid = make_grid(pruned=lambda p: (p["corpora"], (p["block"], p["pooling"], p["task"])) == pruned)
    evidence = arranged_on_grid(small(), grid, 20)
    rows = lines(configuration_table(evidence))
    assert not evidence.holes
    assert [values(r) for r in rows[:2]] == [[0, 0.25], [0.5, 0.25]]
    assert (rows[0].n, rows[0].of) == (2, 2)
    assert values(presence_table(evidence).rows[0]) == [0.5]


def test_what_is_left_out_is_said():
    results = small()
    extra = [
        result(("z",), NETWORKS[0], 9),  # outside the grid
        result(("a",), NETWORKS[0], 9, run="later"),  # a second run of a cell
        result(("a",), NETWORKS[0], 9, truth=1 - TRUTH),  # other labels
        replace(results[0], test=LabelPredictions("empty", (), TRUTH[:0], TRUTH[:0], 2)),
    ]
    evidence = arranged_on_grid([*results, *extra], make_grid(), 20)
    assert evidence.scores[0].results[0, 0][0] is results[0]
    assert [note.split()[0] for note in evidence.notes] == ["1", "1", "2"]
    assert "predictions count" in arranged_on_grid([replace(results[0], wa=0.9)], make_grid(), 5).notes[0]


@pytest.mark.parametrize("predicted", [TRUTH[:3], TRUTH + 1])
def test_labels_that_do_not_fit_are_refused(predicted):
    first = small()[0]
    with pytest.raises(BadInput, match=r"run a/lstm.* on a"):
        arranged_on_grid([replace(first, test=replace(first.test, predicted=predicted))], make_grid())


def test_no_result_is_a_grid_of_holes():
    evidence = arranged_on_grid([], make_grid(), 10)
    assert (evidence.done, evidence.expected) == (0, 8)
    for table in all_tables(evidence, Options()):
        assert all(np.isnan(cell.value) for row in table.rows for cell in row.cells if isinstance(cell, Cell))


# --- resampling ---


def test_shares_of_the_replicates_are_counted_anew():
    evidence = arranged_on_grid(small(), make_grid(), 200)
    drawn = configuration_shares(evidence, "ua", "fractional").replicates
    again = np.mean([credit(evidence.scores[0].replicates["ua"][:, k]) for k in range(2)], axis=0)
    np.testing.assert_allclose(drawn, again)
    np.testing.assert_allclose(drawn.sum(axis=1), 1)


def test_chunks_do_not_change_the_numbers(monkeypatch):
    whole = arranged_on_grid(small(), make_grid(), 33).scores[0].replicates["ua"]
    monkeypatch.setattr(bootstrap, "_CHUNK", 70)
    np.testing.assert_array_equal(arranged_on_grid(small(), make_grid(), 33).scores[0].replicates["ua"], whole)

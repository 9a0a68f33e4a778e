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
from ser.report import statistics
from ser.report.content import Cell
from ser.report.interaffection import tables
from ser.report.interaffection.results import Grid, Result, arranged_on_grid, sign
from ser.report.interaffection.tables import (
    all_tables,
    best_results,
    configuration_shares,
    configuration_table,
    marginal_table,
    presence_table,
)
from ser.report.runs import Expected, UsedCorpus
from ser.report.statistics import credit, resamples, weighted_accuracies

TRUTH = np.array([0, 1] * 5)
NETWORKS = [
    ("lstm", "mean", "unified"),
    ("lstm", "mean", "multi"),
    ("tdnn", "mean", "unified"),
    ("tdnn", "mean", "multi"),
]


def make_grid(corpora=("a", "t"), train_only=("t",), seeds=(0,), pruned=None, **changes):
    points = [p | {"pooling": "mean"} for p in study.points(corpora, train_only) if p["pooling"] == "mean"]
    points = [p for p in points if p["block"] != "blstm"]
    points = [p for p in points if pruned is None or not pruned(p)]
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
        papers_own=False,
    )
    return Grid(replace(expected, **changes))


def title(point, seed):
    mix, network = (
        "+".join(c.upper() for c in point["corpora"]),
        (point["block"], sign(point["pooling"]), point["task"]),
    )
    return " · ".join([mix, *network, *([f"seed {seed}"] if seed else [])])


def result(corpora, network, right, target="a", seed=0, run="", truth=TRUTH, same_as=""):
    """A result with so many of the first utterances right."""
    predicted = np.where(np.arange(len(truth)) < right, truth, 1 - truth)
    counts = confusion(truth, predicted, 2)
    trial = f"{'+'.join(corpora)}/{'/'.join(network)}/{seed}"
    uids = tuple(f"{target}/{i:03d}" for i in range(len(truth)))
    scores = (wa(counts), ua(counts))
    return Result(trial, run or trial, corpora, *network, seed, target, *scores, uids, truth, predicted, same_as)


def small(alone=(5, 5, 7, 7), both=(6, 8, 6, 8), seed=0):
    """Target a with corpus t in training only; utterances right of ten, by network."""
    return [
        result(corpora, network, right, seed=seed)
        for corpora, rights in ((("a",), alone), (("a", "t"), both))
        for network, right in zip(NETWORKS, rights, strict=True)
    ]


def values(row):
    return [cell.value for cell in row.cells if cell is not None]


def test_doctests():
    assert doctest.testmod(tables).failed == doctest.testmod(statistics).failed == 0


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
    rows = configuration_table(evidence, ties).rows
    assert [(r.metric, r.name, r.n, r.of) for r in rows[:2]] == [("wa", "unified", 2, 2), ("wa", "multi", 2, 2)]
    assert [values(rows[0]), values(rows[1])] == [unified, multi]
    table = marginal_table(evidence, ties)
    assert table.columns == ("LSTM", "TDNN", "μ", "unified", "multi")
    assert values(table.rows[0]) == margins


def test_table_5_by_hand():
    rows = presence_table(arranged_on_grid(small(), make_grid(), 50)).rows
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
    assert row.cells[9:] == ("1", "10")  # TDNN multi is as good
    assert (row.n, row.of) == (8, 8)


def test_one_training_counted_twice_is_not_a_tie_but_shares_the_case():
    alone = [
        result(("a",), n, 9, same_as="" if n[2] == "unified" else f"a/{n[0]}/mean/unified/0") for n in NETWORKS[:2]
    ]
    others = [r for r in small() if r.corpora != ("a",) or r.block == "tdnn"]
    evidence = arranged_on_grid([*others, *alone], make_grid(), 50)
    row = best_results(evidence).rows[0]
    assert row.cells[:3] == ("A", "-", "LSTM")
    assert row.cells[9] == "0"
    assert row.cells[8] == Cell(0, 0, 0)
    assert [values(r)[0] for r in configuration_table(evidence).rows[:2]] == [0.25, 0.5]


def test_an_incomplete_case_does_not_count_and_is_shown():
    evidence = arranged_on_grid(
        [r for r in small() if (r.corpora, r.key[2:5]) != (("a", "t"), NETWORKS[1])], make_grid(), 50
    )
    assert (evidence.done, evidence.expected) == (7, 8)
    assert [(h.title, h.untested) for h in evidence.holes] == [("A+T · lstm · μ · multi", ("a",))]
    rows = configuration_table(evidence).rows
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


def test_three_targets_and_the_mean_over_the_others():
    grid = make_grid(corpora=("a", "b", "c"), train_only=())
    # The combination decides: a is best with b, b is best alone, c is best with a and b.
    best = {"a": ("a", "b"), "b": ("b",), "c": ("a", "b", "c")}
    results = [
        result(tuple(p["corpora"]), (p["block"], "mean", p["task"]), 9 if p["corpora"] == best[t] else 5, target=t)
        for p, t in product(grid.points, "abc")
        if t in p["corpora"]
    ]
    rows = presence_table(arranged_on_grid(results, grid, 20)).rows[:4]
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
    assert configuration_shares(arranged_on_grid([], grid, 0), "wa", "fractional")[2:] == (0, cases)


def test_a_pruned_point_is_no_hole():
    pruned = ("a", "t"), NETWORKS[3]
    grid = make_grid(pruned=lambda p: (p["corpora"], (p["block"], p["pooling"], p["task"])) == pruned)
    evidence = arranged_on_grid(small(), grid, 20)
    rows = configuration_table(evidence).rows
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
        replace(results[0], uids=(), truth=TRUTH[:0], predicted=TRUTH[:0]),
    ]
    evidence = arranged_on_grid([*results, *extra], make_grid(), 20)
    assert evidence.scores[0].results[0, 0][0] is results[0]
    assert [note.split()[0] for note in evidence.notes] == ["1", "1", "2"]
    assert "predictions count" in arranged_on_grid([replace(results[0], wa=0.9)], make_grid(), 5).notes[0]


@pytest.mark.parametrize("change", [{"predicted": TRUTH[:3]}, {"predicted": TRUTH + 1}])
def test_labels_that_do_not_fit_are_refused(change):
    with pytest.raises(BadInput, match=r"run a/lstm.* on a"):
        arranged_on_grid([replace(small()[0], **change)], make_grid())


def test_no_result_is_a_grid_of_holes():
    evidence = arranged_on_grid([], make_grid(), 10)
    assert (evidence.done, evidence.expected) == (0, 8)
    for table in all_tables(evidence):
        assert all(np.isnan(cell.value) for row in table.rows for cell in row.cells if isinstance(cell, Cell))


# --- resampling ---


def plain_bootstrap(truth, predictions, draws, n_classes):
    """The same by loops: [metric, replicates, results]."""
    out = np.empty((2, len(draws), len(predictions)))
    for b, drawn in enumerate(draws):
        for r, predicted in enumerate(predictions):
            counts = confusion(truth[drawn], predicted[drawn], n_classes)
            out[:, b, r] = wa(counts), ua(counts)
    return out


def test_bootstrap_against_plain_loops():
    rng = np.random.default_rng(3)
    truth = rng.choice(4, size=30, p=[0.6, 0.3, 0.07, 0.03])  # some replicates lack a class
    predictions = rng.integers(4, size=(7, 30))
    draws = np.random.default_rng(5).integers(30, size=(40, 30))
    weights = resamples(30, 40, np.random.default_rng(5))
    np.testing.assert_array_equal(weights, [np.bincount(d, minlength=30) for d in draws])
    quick = weighted_accuracies(truth, truth[:, None] == predictions.T, weights)
    np.testing.assert_allclose(quick, plain_bootstrap(truth, predictions, draws, 4), atol=1e-12)


def test_shares_of_the_replicates_are_counted_anew():
    evidence = arranged_on_grid(small(), make_grid(), 200)
    _, drawn, _, _ = configuration_shares(evidence, "ua", "fractional")
    again = np.mean([credit(evidence.scores[0].replicates["ua"][:, k]) for k in range(2)], axis=0)
    np.testing.assert_allclose(drawn, again)
    np.testing.assert_allclose(drawn.sum(axis=1), 1)


def test_chunks_do_not_change_the_numbers(monkeypatch):
    whole = arranged_on_grid(small(), make_grid(), 33).scores[0].replicates["ua"]
    monkeypatch.setattr(statistics, "_CHUNK", 70)
    np.testing.assert_array_equal(arranged_on_grid(small(), make_grid(), 33).scores[0].replicates["ua"], whole)


def test_intervals_cover_the_true_accuracy():
    rng = np.random.default_rng(0)
    truth, covered = np.zeros(120, np.int64), 0
    for _ in range(200):
        correct = rng.random((120, 1)) < 0.7
        drawn = weighted_accuracies(truth, correct, resamples(120, 300, rng))[0, :, 0]
        low, high = np.percentile(drawn, (2.5, 97.5))
        covered += low <= 0.7 <= high
    assert 0.90 <= covered / 200 <= 0.985

"""Table 1, layers, weights and training time of the networks of da Silva et al., by what the runs logged."""

import json

import pytest

from ser.report.content import HOLE
from ser.report.interaffection.corpora import corpus_table
from ser.report.interaffection.figures import architecture
from ser.report.interaffection.networks import cost_ratios, cost_table, flows_of
from ser.report.runs import Finished, Options
from tests.report.test_proportions import make_grid

LAYERS = {
    "lstm": [("prepare.0 (Linear)", "512", 132_096), ("directions.0 (LSTM)", "128", 328_704)],
    "tdnn": [("layers.0 (Conv1d)", "512", 395_264), ("layers.1 (Conv1d)", "512", 786_944)],
}
BEHIND = [("attention pooling", "128", 128), ("head a", "2", 258), ("head t", "2", 258)]
SETTINGS = {
    "front_end": "log_stft", "front_end.rate_hz": "8000", "front_end.window": "512", "front_end.hop": "128",
    "normalise": "train", "block.dropout": "0.5",
}  # fmt: skip
PROOF = {
    "speakers": {"train": ["a/1", "a/2"], "val": ["a/3"], "test": []},
    "utterances": {"train": 20, "val": 7, "test": 0},
    "per_class": {"train": {"happy": 10, "sad": 10}, "val": {"happy": 7}, "test": {}},
}


def trained(grid, seconds):
    """A run of every training; ``seconds``: of one, by its key."""
    runs = {}
    for key in (key for key in grid.titles if len(key[0]) > 1 or key[3] == "unified"):  # else it is no training
        params = {**SETTINGS, "corpora": ",".join(key[0]), "block": key[1]}
        scores = {"parameters": 1000.0 * (2 if key[1] == "tdnn" else 1), "seconds/training": seconds(key), "epochs": 4}
        runs[key] = Finished("id", "/".join(map(str, key[1:4])), "", params, scores, "", "")
    return runs


def file(run_id, path):
    if path == "split/a.json":
        return json.dumps(PROOF)
    if path != "layers.json":
        return None
    lines = [*LAYERS[run_id.split("/")[0]], *BEHIND]
    return json.dumps([{"name": n, "output": o, "parameters": p, "averaged": 0} for n, o, p in lines])


def test_table_1_counts_all_subsets():
    grid = make_grid()
    table = corpus_table(trained(grid, lambda key: 1.0), grid, Options(file=file))
    assert [row.cells for row in table.rows] == [("3", "27", "2"), (HOLE, HOLE, HOLE)]


def test_costs_by_hand():
    grid = make_grid()
    runs = trained(grid, lambda key: 8.0 if key[1] == "tdnn" else 2.0 if len(key[0]) == 1 else 4.0)
    del runs[("a", "t"), "lstm", "mean", "multi", 0, 0]
    rows = {row.name: row for row in cost_table(runs, grid).rows}
    first = rows["LSTM μ unified"]
    assert first.cells[0] == "1,000"
    assert [first.cells[i].value for i in (1, 3)] == [3.0, 0.75]
    assert (first.n, first.of) == (2, 2)
    # On one corpus multi is the training of unified, and counts once.
    assert (rows["TDNN μ multi"].n, rows["TDNN μ multi"].of) == (1, 1)
    ratios = {row.name: row for row in cost_ratios(runs, grid).rows}
    block = ratios["TDNN / LSTM"]
    assert block.cells[0].value == pytest.approx(2)
    assert block.cells[1].value == pytest.approx(8**0.5)  # of 8 / 2 and 8 / 4
    assert block.cells[1].low == pytest.approx(0.0347, abs=1e-3)  # e^(1.0397 - 12.706 · 0.4901 / √2)
    assert (block.n, block.of) == (2, 3)
    assert (ratios["multi / unified"].n, ratios["multi / unified"].of) == (1, 2)


def test_figures_show_what_was_run():
    grid = make_grid()
    flows = flows_of(trained(grid, lambda key: 1.0), grid, Options(file=file))
    boxes = {flow.title: " | ".join(flow.boxes).replace("\n", " ") for flow in flows}
    assert boxes["Figure 1: front-end"] == (
        "waveform 8000 Hz | |STFT| window 512, hop 128 | logarithm | normalised: train | T × 257"
    )
    assert boxes["Figures 2 and 3: LSTM"] == (
        "T × 257 | Linear 512 132,096 weights | LSTM 128 328,704 weights | dropout 0.5 | T × 128"
    )
    assert "2 × Conv1d 512 1,182,208 weights" in boxes["Figure 4: TDNN"]
    assert boxes["Figure 5: μ multi"] == (
        "LSTM / TDNN | local attention 128 / 128 weights | E[X] 128 / 128 values | "
        "2 heads: A, T, 2 classes 516 / 516 weights | 461,444 / 1,182,852 weights in all"
    )
    assert len(flows) == 1 + 2 + 2
    drawing = architecture(flows)
    assert all(text in drawing.svg for text in ("461,444 / 1,182,852", "Figure 4: TDNN", "2 heads: A, T"))


def test_without_runs_nothing_is_drawn_and_costs_are_holes():
    grid = make_grid()
    assert flows_of({}, grid, Options()) == ()
    assert cost_table({}, grid).rows[0].cells[0] == HOLE
    assert (cost_ratios({}, grid).rows[0].n, cost_ratios({}, grid).rows[0].of) == (0, 3)

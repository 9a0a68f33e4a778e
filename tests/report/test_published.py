"""The papers' printed numbers, and the arithmetic that their tables do not survive."""

import doctest
from itertools import product

import numpy as np
import pytest

from ser.metrics.accuracy import confusion, recalls, ua, wa
from ser.metrics.multilabel import balanced_accuracy
from ser.report import printed as _cells
from ser.report.interaffection import published
from ser.report.interaffection.published import CASES, TABLE_3_CASES, TABLE_3_COLUMNS, TABLE_4_COLUMNS, printed
from ser.report.interaffection.tables import marginals
from ser.report.mfcc_networks import published as mfcc_networks
from ser.report.multilabel import published as multilabel
from ser.report.segments import published as segments
from ser.report.survey import published as survey
from ser.study.labels import EMOTIONS

PAPERS = (published, mfcc_networks, multilabel, segments, survey)
BLOCKS, POOLINGS = ("lstm", "blstm", "tdnn"), ("mean", "mean_var")


def paper_marginals(metric: str) -> list[int]:
    """The margins of the paper's Table 3, through the counting code, in cases and in the order of Table 4."""
    configurations = [
        (block, pooling, task) for task in ("unified", "multi") for block, pooling in product(BLOCKS, POOLINGS)
    ]
    sums = marginals(sum(TABLE_3_CASES[metric], ()), configurations)
    return [int(sums[name]) for name in (*BLOCKS, *POOLINGS, "unified", "multi")]


@pytest.mark.parametrize("module", [_cells, *PAPERS])
def test_doctests(module):
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize("paper", PAPERS)
def test_every_row_is_as_long_as_its_columns(paper):
    for key, (columns, rows) in paper._CELLS.items():
        assert len(set(columns)) == len(columns), key
        assert {len(cells) for cells in rows.values()} == {len(columns)}, key


@pytest.mark.parametrize("paper", PAPERS)
def test_notes_are_sentences(paper):
    assert all(note.endswith(".") and note[0].isupper() | note[0].isdigit() for note in paper.INCONSISTENCIES)
    assert paper.printed("table9", "wa", "tess", "iemocap") is None


# --- Interaffection of Multiple Datasets (da Silva et al.) ---


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


# --- Multi-label recognition (Pho et al. 2020) ---


def test_rates_of_figure_4_are_the_printed_accuracy():
    rates = [
        [multilabel.printed("figure4", "rate", emotion, rate) for rate in ("TNR", "TPR")]
        for emotion in multilabel.CLASSES
    ]
    mean = np.mean(rates)
    assert mean == pytest.approx(57.6429, abs=5e-5)
    assert round(mean, 2) == multilabel.printed("text", "test", "cnn2d", "Accuracy")
    counts = [[[tnr, 100 - tnr], [100 - tpr, tpr]] for tnr, tpr in rates]
    assert 100 * balanced_accuracy(counts) == pytest.approx(mean)


def test_equation_4_would_be_hardly_above_finding_nothing():
    clips = sum(sum(types) for _, types in multilabel.FIGURE_1.values())
    shares = np.sum([positives for positives, _ in multilabel.FIGURE_1.values()], axis=0) / clips
    found = [multilabel.printed("figure4", "rate", emotion, "TPR") / 100 for emotion in multilabel.CLASSES]
    assert np.mean(1 - shares * (1 - np.array(found))) == pytest.approx(0.853, abs=5e-4)
    assert np.mean(1 - shares) == pytest.approx(0.838, abs=5e-4)


def test_counts_of_figure_1_add_up():
    positives = np.sum([counts for counts, _ in multilabel.FIGURE_1.values()], axis=0)
    types = np.sum([counts for _, counts in multilabel.FIGURE_1.values()], axis=0)
    assert positives.tolist() == [5954, 6177, 1934, 1851, 4732, 3006, 876]
    assert types.tolist() == [19884, 727, 1064]
    for counts, (single, double, triple) in multilabel.FIGURE_1.values():
        assert sum(counts) == single + 2 * double + 3 * triple
    subsets = [
        multilabel.printed("table3", "setting", side, "Value")
        for side in ("Training Set", "Validation Set", "Testing Set")
    ]
    assert sum(subsets) == types.sum() == 21675
    release = {"iemocap": 10039, "crema_d": 7442, "tess": 2800, "ravdess": 1440}
    for corpus, (_, types_here) in multilabel.FIGURE_1.items():
        assert sum(types_here) + multilabel.REMOVED.get(corpus, 0) == release[corpus]


def test_table_1_is_corpora_by_emotions():
    has = {
        corpus: {e for e in multilabel.TABLE_1_COLUMNS if multilabel.printed("table1", "emotions", corpus, e) == "x"}
        for corpus in ("iemocap", "crema_d", "tess", "ravdess", "msp_improv", "savee", "emodb", "emov_db")
    }
    assert {corpus: len(emotions) for corpus, emotions in has.items()} == {
        "iemocap": 9, "crema_d": 6, "tess": 7, "ravdess": 8, "msp_improv": 7, "savee": 7, "emodb": 7, "emov_db": 5,
    }  # fmt: skip
    assert set.intersection(*has.values()) == {"neutral", "angry", "disgust"}
    assert set(multilabel.TABLE_1_COLUMNS) <= set(EMOTIONS)


# --- Networks on MFCC (Khan et al.) ---


def test_table_5_is_not_the_printed_accuracy():
    counts = np.array(mfcc_networks.TABLE_5)
    assert (np.trace(counts), counts.sum()) == (293, 413)
    assert round(100 * wa(counts), 2) == 70.94
    assert mfcc_networks.printed("text", "accuracy", "cnn1d", "Test") == 74.57
    truth, predicted = np.indices(counts.shape).reshape(2, -1).repeat(counts.ravel(), axis=1)
    np.testing.assert_array_equal(confusion(truth, predicted, 8), counts)
    assert round(100 * recalls(counts)[mfcc_networks.CLASSES.index("disgust")], 2) == 83.78
    assert 0.70 < ua(counts) < 0.72


def test_table_6_is_of_another_run():
    off = []
    for emotion, (right, of) in zip(mfcc_networks.CLASSES, mfcc_networks.TABLE_6_FRACTIONS, strict=True):
        shown = mfcc_networks.printed("table6", "recall", "cnn1d", emotion)
        assert shown == pytest.approx(100 * right / of, abs=0.011)
        off += [emotion] if shown != round(100 * right / of + 1e-9, 2) else []
    assert off == ["angry"]  # 82.8125, printed 82.82
    right, of = np.sum(mfcc_networks.TABLE_6_FRACTIONS, axis=0)
    assert (right, of) == (307, 412)
    assert of == -(-33 * 1247 // 100)  # a third of the files, rounded up
    rows, hits = np.sum(mfcc_networks.TABLE_5, axis=1), np.diag(mfcc_networks.TABLE_5)
    fractions = np.array(mfcc_networks.TABLE_6_FRACTIONS)
    assert (rows - fractions[:, 1]).tolist() == [1, 0, 0, 0, 0, 0, 0, 0]
    assert np.flatnonzero(hits == fractions[:, 0]).tolist() == [mfcc_networks.CLASSES.index("angry")]


def test_no_count_of_412_is_the_printed_accuracy():
    assert 74.57 not in {round(100 * k / 412, 2) for k in range(413)}
    assert int(10_000 * 308 / 413) / 100 == 74.57


# --- Segments (Sahoo et al. 2019) ---


@pytest.mark.parametrize("segmentation", segments.SEGMENTATIONS)
def test_shares_of_table_1(segmentation):
    counts = segments.TABLE_1_COUNTS[segmentation]
    total, relevant = (segments.printed("table1", "count", row, segmentation) for row in ("total", "relevant"))
    assert sum(counts) == relevant
    assert segments.printed("table1", "share", "relevant", segmentation) == round(100 * relevant / total, 2)
    shown = [segments.printed("table1", "share", emotion, segmentation) for emotion in segments.CLASSES]
    assert shown == [round(100 * count / relevant, 2) for count in counts]


@pytest.mark.parametrize(("table", "rows"), [("table3", ("nonoverlap", "overlap")), ("table4", ("100", "200", "400"))])
def test_accuracies_of_clips_are_in_their_order(table, rows):
    for row in rows:
        mean = {metric: segments.printed(table, metric, row, "mean") for metric in segments.METRICS}
        assert mean["aca"] <= mean["sca"] <= mean["bca"]
        assert all(segments.printed(table, metric, row, "std") > 0 for metric in segments.METRICS)


def test_tables_3_4_and_5_of_the_segments_agree():
    for metric, column in product(segments.METRICS, ("mean", "std")):
        overlap = segments.printed("table3", metric, "overlap", column)
        assert overlap == segments.printed("table4", metric, "200", column)
    for row, name in (("overlap", "Proposed (Overlap)"), ("nonoverlap", "Proposed (Non-overlap)")):
        alca = segments.printed("table3", "alca", row, "mean")
        assert alca == segments.printed("table5", "accuracy", name, "mean")
    gain = segments.printed("table5", "accuracy", "Proposed (Overlap)", "mean") / segments.printed(
        "table5", "accuracy", "audio-BRE", "mean"
    )
    assert gain - 1 == pytest.approx(0.063, abs=5e-4)


def test_quoted_cells_of_figure_3_are_of_two_test_sets():
    for (segmentation, true, guess), (k, n) in segments.FIGURE_3_FRACTIONS.items():
        shown = segments.printed("figure3", segmentation, true, guess)
        assert shown == round(100 * k / n, len(str(shown).partition(".")[2]))
    clips = {(s, t): n for (s, t, _), (_, n) in segments.FIGURE_3_FRACTIONS.items()}
    assert clips["nonoverlap", "neutral"] != clips["overlap", "neutral"]

"""Metrics give the numbers that are recorded for their VERSION."""

import numpy as np
import recorded

from ser.metrics import accuracy, calibration, distribution, f1, multilabel, regression, segments

RNG = np.random.default_rng(0)
TRUTH, LOGITS = RNG.integers(4, size=60), RNG.normal(size=(60, 4)).astype(np.float32)
CLIPS = np.sort(np.concatenate([np.arange(15), RNG.integers(15, size=45)]))


def test_accuracies_are_the_recorded_ones():
    matrix = accuracy.confusion(TRUTH, LOGITS.argmax(1), 4)
    cases = {"confusion": matrix, "recalls": accuracy.recalls(matrix)}
    cases |= {"wa": accuracy.wa(matrix), "ua": accuracy.ua(matrix), "row_shares": accuracy.row_shares(matrix)}
    recorded.check("metrics", "accuracy", accuracy.VERSION, cases)


def test_f1s_are_the_recorded_ones():
    matrix = accuracy.confusion(TRUTH, LOGITS.argmax(1), 4)
    cases = {"f1": f1.f1(matrix), "macro": f1.macro_f1(matrix), "weighted": f1.weighted_f1(matrix)}
    recorded.check("metrics", "f1", f1.VERSION, cases)


def test_calibration_is_the_recorded_one():
    chances = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
    found = calibration.reliability(TRUTH, chances)
    cases = {name: getattr(calibration, name)(TRUTH, chances) for name in ("ece", "nll", "brier")}
    cases |= {"counts": found.counts, "accuracy": np.nan_to_num(found.accuracy, nan=-1)}
    recorded.check("metrics", "calibration", calibration.VERSION, cases)


def test_scores_of_several_labels_are_the_recorded_ones():
    truth = RNG.random((60, 4)) < 0.4
    scores = multilabel.scores(truth, 1 / (1 + np.exp(-LOGITS)))
    assert len(scores) > 8
    recorded.check("metrics", "multilabel", multilabel.VERSION, scores)


def test_accuracies_of_segments_are_the_recorded_ones():
    truth = RNG.integers(4, size=15)
    cases = segments.accuracies(CLIPS, truth, LOGITS) | {"clips": segments.clip_predictions(CLIPS, LOGITS)}
    recorded.check("metrics", "segments", segments.VERSION, cases)


def test_scores_of_ratings_are_the_recorded_ones():
    rng = np.random.default_rng(1)
    truth = rng.normal(size=40)
    cases = regression.scores(truth, truth + rng.normal(size=40))
    recorded.check("metrics", "regression", regression.VERSION, cases)


def test_divergences_are_the_recorded_ones():
    rng = np.random.default_rng(2)
    shares, chances = rng.dirichlet(np.ones(4), size=30), rng.dirichlet(np.ones(4), size=30)
    cases = distribution.scores(shares, chances) | {"entropy": distribution.entropy(shares)}
    cases |= {"majority": distribution.majority(np.round(3 * shares))}
    recorded.check("metrics", "distribution", distribution.VERSION, cases)


def test_every_metric_is_recorded_and_nothing_else():
    assert recorded.names("metrics") == {
        *("accuracy", "calibration", "distribution", "f1", "multilabel", "regression", "segments"),
    }

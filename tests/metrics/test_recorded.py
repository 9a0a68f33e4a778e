"""Metrics give the numbers that are recorded for their VERSION."""

import numpy as np
import recorded

from ser.metrics import accuracy, multilabel, segments

RNG = np.random.default_rng(0)
TRUTH, LOGITS = RNG.integers(4, size=60), RNG.normal(size=(60, 4)).astype(np.float32)
CLIPS = np.sort(np.concatenate([np.arange(15), RNG.integers(15, size=45)]))


def test_accuracies_are_the_recorded_ones():
    matrix = accuracy.confusion(TRUTH, LOGITS.argmax(1), 4)
    cases = {"confusion": matrix, "recalls": accuracy.recalls(matrix)}
    cases |= {"wa": accuracy.wa(matrix), "ua": accuracy.ua(matrix)}
    recorded.check("metrics", "accuracy", accuracy.VERSION, cases)


def test_scores_of_several_labels_are_the_recorded_ones():
    truth = RNG.random((60, 4)) < 0.4
    scores = multilabel.scores(truth, 1 / (1 + np.exp(-LOGITS)))
    assert len(scores) > 8
    recorded.check("metrics", "multilabel", multilabel.VERSION, scores)


def test_accuracies_of_segments_are_the_recorded_ones():
    truth = RNG.integers(4, size=15)
    cases = segments.accuracies(CLIPS, truth, LOGITS) | {"clips": segments.clip_predictions(CLIPS, LOGITS)}
    recorded.check("metrics", "segments", segments.VERSION, cases)


def test_every_metric_is_recorded_and_nothing_else():
    assert recorded.names("metrics") == {"accuracy", "multilabel", "segments"}

"""A run's model says of a recording of its test subset what its predictions say."""

import numpy as np
import pytest
from trained_runs import of_kind

from ser.prediction import Recording, load

KINDS = ("frames", "heads", "segments", "several", "stacked", "lda", "logistic", "knn", "gmtfs", "lda_speaker")


@pytest.fixture(scope="module", params=KINDS)
def run(request, data, tmp_path_factory):
    """A finished run of each kind."""
    return of_kind(request.param, data, tmp_path_factory.mktemp(request.param))


def recordings(run):
    uids = list(dict.fromkeys(run.table["uid"]))
    return [Recording(u, run.paths[u], speaker=run.speakers[u], sex=run.sexes[u]) for u in uids]


def test_predictions_are_those_of_the_test_subset(run):
    predictor = load(run.files, corpus=run.table["corpus"][0])
    answers = list(predictor.predict(recordings(run)))
    assert [a.error for a in answers] == [""] * len(answers)
    prefix = next(p for p in "pdl" if f"{p}_{run.trial.classes[0]}" in run.table)
    expected = run.columns(prefix).to_numpy(float)
    logits = np.concatenate([a.logits for a in answers])
    if prefix == "p":
        scores = np.array([list(a.scores.values()) for a in answers])
        np.testing.assert_allclose(scores, expected, atol=1e-5)
    else:
        np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-6 if prefix == "d" else 1e-4)
    if "predicted" in run.table and prefix != "l":
        assert [a.emotion for a in answers] == run.table["predicted"].tolist()

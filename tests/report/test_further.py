"""F1, calibration, gaps by sex and by speaker of the best results, from saved predictions alone: known answers."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from ser.metrics import accuracy, calibration
from ser.report.further_scores import Best, scores_of
from ser.report.predictions import LabelPredictions
from ser.report.runs import Options

CLASSES = ("angry", "happy", "sad")
RNG = np.random.default_rng(3)


def made(speakers=8, each=30, gap=0.0, seed=0, probabilities=True, known=True):
    """Predictions of speakers by turns female and male; a female's are right more often by ``gap``."""
    rng = np.random.default_rng(seed)
    n = speakers * each
    who = np.repeat(np.arange(speakers), each)
    truth = rng.integers(3, size=n)
    right = rng.random(n) < 0.6 + np.where(who % 2 == 0, gap / 2, -gap / 2)
    guess = np.where(right, truth, (truth + rng.integers(1, 3, size=n)) % 3)
    chances = np.full((n, 3), 0.2, np.float32)
    chances[np.arange(n), guess] = 0.6
    names = tuple(f"made/{k:02d}" for k in who.tolist()) if known else ()
    sexes = tuple("FM"[k % 2] for k in who.tolist()) if known else ()
    blank = ("",) * n if known else ()
    uids = tuple(f"u{i:04d}" for i in range(n))
    return LabelPredictions(
        "run", uids, truth, guess, 3, names, sexes, blank, blank, chances if probabilities else None
    )


def best(*tests, how="test UA", title="a · b"):
    return Best("made", how, title, tests, CLASSES)


def test_values_are_means_over_seeds_of_the_metrics():
    tests = made(seed=1), made(seed=2)
    found = scores_of(best(*tests), Options(replicates=0))
    for name, metric in {"wa": accuracy.wa, "ua": accuracy.ua}.items():
        assert found.cells[name].value == pytest.approx(np.mean([metric(t.counts) for t in tests]))
    for name in ("macro", "weighted"):
        values = [f1_score(t.truth, t.predicted, average=name) for t in tests]
        assert found.cells[f"{name}_f1"].value == pytest.approx(np.mean(values))
    for name in ("ece", "nll", "brier"):
        values = [getattr(calibration, name)(t.truth, t.probabilities) for t in tests]
        assert found.cells[name].value == pytest.approx(np.mean(values))
    assert found.cells["confidence"].value == pytest.approx(0.6)
    shares = [[cell.value for cell in line] for line in found.shares]
    np.testing.assert_allclose(shares, np.mean([accuracy.row_shares(t.counts) for t in tests], axis=0))
    assert found.counts.sum() == 480
    assert np.isnan(found.cells["ua"].low)

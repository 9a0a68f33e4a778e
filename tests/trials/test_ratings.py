"""Shares of raters' votes and ratings, from made corpora to the files of a run."""

import json
from functools import cache
from math import isfinite, isnan

import numpy as np
import pandas as pd
import pytest
import rated
import torch
from trained_runs import trained

from ser.errors import BadInput
from ser.metrics import distribution, regression
from ser.models import traits
from ser.prediction import load
from ser.prediction.export import export, metadata, tensors
from ser.runs.folder import RunFolder
from ser.study import Labels, statement, stored_trial
from ser.trials.inputs import load as load_inputs
from ser.trials.job import job_of

BOTH = Labels(dimensions=("valence", "arousal"))
SHARES = Labels(votes="shares")
ALONE = ()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("rated")


@pytest.fixture(scope="module")
def plan_of(data, place):
    return cache(lambda labels, classes=rated.CLASSES, **settings: rated.plan(
        rated.study(labels, classes, **settings), data, place
    ))  # fmt: skip


@pytest.fixture(scope="module")
def run_of(plan_of, place):
    def made(labels, classes=rated.CLASSES, task="multi", **settings):
        return rated.run_of(plan_of(labels, classes, **settings), place, task=task)

    return cache(made)


def metrics_of(run):
    """The metrics in the folder of an untracked run."""
    return RunFolder(run.files.parents[2], run.trial.id).results[1]


def test_ratings_beside_classes_are_in_the_table_of_predictions(run_of, plan_of):
    run, plan = run_of(BOTH), plan_of(BOTH)
    table = run.table.set_index("uid")
    assert list(table.columns[-4:]) == ["true_valence", "true_arousal", "predicted_valence", "predicted_arousal"]
    assert {"label", "predicted", "p_happy"} <= set(table.columns)
    tested = {u.uid: u for u in plan.sources["ravdess"].split.test}
    assert set(table.index) == set(tested)
    for uid, u in tested.items():
        for dimension in ("valence", "arousal"):
            value, cell = getattr(u, dimension), table.loc[uid, f"true_{dimension}"]
            assert (cell == "") if value is None else (float(cell) == pytest.approx((value - 3) / 2))
            assert isfinite(float(table.loc[uid, f"predicted_{dimension}"]))


def test_scores_of_ratings_are_those_of_the_table(run_of):
    run = run_of(BOTH)
    metrics = metrics_of(run)
    for dimension in ("valence", "arousal"):
        truth = pd.to_numeric(run.table[f"true_{dimension}"])
        for name, value in regression.scores(truth, run.table[f"predicted_{dimension}"].astype(float)).items():
            assert metrics[f"{name}/ravdess/{dimension}"] == pytest.approx(value, abs=1e-6)
    assert {"ccc/ravdess/valence", "rmse/ravdess/arousal", "wa/ravdess", "objective/ccc/tess/valence"} <= set(metrics)
    assert isfinite(metrics["objective/loss"])


def test_a_run_says_of_its_ratings_how_many_there_are_and_on_which_scale(run_of, plan_of):
    found = json.loads((run_of(BOTH).files / "ratings.json").read_text())
    used = plan_of(BOTH).sources["ravdess"].split.subsets()
    assert found["ravdess"]["scale"] == [1.0, 5.0]
    count = sum(u.valence is not None for utterances in used.values() for u in utterances)
    assert found["ravdess"]["valence"]["rated"] == count > 0
    assert any(note.startswith("ravdess: valence of ") for note in plan_of(BOTH).notes)


def test_ratings_alone_need_no_classes(run_of, plan_of):
    run, plan = run_of(BOTH, ALONE), plan_of(BOTH, ALONE)
    assert not any(name.startswith(("label", "predicted_h", "p_")) for name in run.table.columns)
    metrics = metrics_of(run)
    assert not any(name.startswith(("wa/", "ua/", "recall/")) for name in metrics)
    assert "ccc/ravdess/arousal" in metrics
    kept = [u for utterances in plan.sources["ravdess"].split.subsets().values() for u in utterances]
    assert all(u.arousal is not None or u.valence is not None for u in kept)
    assert "ravdess: 75 of 130 utterances have no rating, and are left out" in plan.notes


def test_shares_of_votes_are_learned_and_scored(run_of, plan_of):
    run = run_of(SHARES, training__loss="kl_divergence")
    metrics, table = metrics_of(run), run.table
    shares = table[[f"votes_{c}" for c in rated.CLASSES]].to_numpy(float)
    np.testing.assert_allclose(shares.sum(1), 1, rtol=1e-6)
    found = distribution.scores(shares, run.columns("p").to_numpy(float))
    assert {k: metrics[f"{k}/ravdess"] for k in ("kl", "js")} == pytest.approx(found, abs=1e-6)
    clear = table[table["label"] != ""]
    assert 0 < len(clear) < len(table)  # ties are holes
    assert metrics["wa/ravdess"] == pytest.approx((clear["label"] == clear["predicted"]).mean())
    most = np.array(rated.CLASSES)[shares[(table["label"] != "").to_numpy()].argmax(1)]
    assert clear["label"].tolist() == most.tolist()
    counts = json.loads((run.files / "labels.json").read_text())["ravdess"]
    assert counts["ties"] > 0
    assert counts["ties"] + sum(counts["majority"].values()) == counts["utterances"]
    assert "ravdess: 14 of 130 utterances have no vote for a class, and are left out" in plan_of(SHARES).notes


def test_the_same_corpora_serve_one_label_and_its_identities_stay(plan_of):
    one, both = plan_of(Labels()), plan_of(BOTH)
    assert "dimensions" not in statement(rated.trial_of(one))
    assert statement(rated.trial_of(both))["dimensions"] == ("valence", "arousal")
    assert rated.trial_of(one).id != rated.trial_of(both).id
    assert one.variant != both.variant


def test_statements_with_ratings_are_read_back(run_of):
    run = run_of(BOTH)
    assert stored_trial((run.files / "statement.json").read_text(), "x") == run.trial


@pytest.mark.parametrize("classes", [rated.CLASSES, ALONE])
def test_predictions_of_files_have_ratings(run_of, classes):
    run = run_of(BOTH, classes)
    rows = run.table.iloc[:2]
    predictor = load(run.files, "ravdess")
    for row, answer in zip(rows.itertuples(), predictor.predict([run.paths[u] for u in rows["uid"]]), strict=True):
        assert not answer.error
        assert answer.ratings["valence"] == pytest.approx(float(row.predicted_valence), abs=1e-4)
        assert answer.emotion == (row.predicted if classes else "")


@pytest.mark.parametrize("model", ["ridge", "svm"])
@pytest.mark.parametrize("classes", [rated.CLASSES, ALONE])
def test_fitted_models_have_regressors(data, place, model, classes):
    plan = rated.plan(rated.fitted_study(model, BOTH, classes), data, place, ("ravdess",))
    run = trained(plan, plan.trials[0], place)
    assert {"ccc/ravdess/arousal", "rmse/ravdess/valence"} <= set(metrics_of(run))
    assert ("predicted" in run.table) is bool(classes)
    first = run.table.iloc[0]
    (answer,) = load(run.files).predict([run.paths[first["uid"]]])
    assert answer.ratings["arousal"] == pytest.approx(float(first["predicted_arousal"]), abs=1e-4)


def test_a_model_without_a_regressor_and_shares_for_a_fitted_one_are_refused(data, place):
    assert traits("lda").regressor is None
    for model, labels, place_ in (("lda", BOTH, "ratings"), ("ridge", SHARES, "shares of votes")):
        with pytest.raises(BadInput, match=place_):
            rated.plan(rated.fitted_study(model, labels), data, place, ("ravdess",))


def test_corpora_without_ratings_only_have_classes_learned_or_are_refused(data, place):
    whole = rated.manifests(data, place, ("tess", "ravdess"))
    bare = {n: rated.unrated(m) if n == "tess" else m for n, m in whole.items()}
    plan = rated.resolve(rated.study(BOTH), bare)
    assert "tess: no ratings; only its classes are learned" in plan.notes
    trained(plan, rated.trial_of(plan), place)
    with pytest.raises(BadInput, match="no rating of valence, arousal"):
        rated.resolve(rated.study(BOTH, ALONE), bare)
    with pytest.raises(BadInput, match="no scale"):
        rated.resolve(rated.study(BOTH), rated.with_scale(whole, None))
    with pytest.raises(BadInput, match="5 of tess"):
        rated.resolve(rated.study(BOTH), rated.with_scale(whole, (1.0, 4.0)))


def test_a_job_gives_what_the_utterances_have(plan_of, place):
    plan = plan_of(BOTH)
    trial = rated.trial_of(plan)
    job = job_of(plan, rated.Location.of(place, None), place, str(place / "store"), "cpu", 1, "test", [])
    items = load_inputs(job, trial, next(c for c in trial.corpora if c.name == "ravdess")).train
    by_uid = {u.uid: u for u in plan.sources["ravdess"].split.train}
    for name, (valence, arousal) in zip(items.names, items.ratings.tolist(), strict=True):
        u = by_uid[name]
        for value, found in ((u.valence, valence), (u.arousal, arousal)):
            assert isnan(found) if value is None else found == pytest.approx((value - 3) / 2)
    assert torch.equal(items.selected((3, 1)).ratings, items.ratings[[3, 1]])


def test_models_with_ratings_are_exported(run_of, tmp_path):
    pytest.importorskip("safetensors")
    predictor = load(run_of(BOTH).files, "ravdess")
    lines = export(predictor, tmp_path / "model.safetensors")
    assert lines
    assert json.loads(metadata(predictor)["dimensions"]) == ["valence", "arousal"]
    head = tensors(predictor)["heads.ravdess.bias"]
    assert len(head) == len(rated.CLASSES) + 2


@pytest.mark.parametrize("classes", [rated.CLASSES, ALONE])
def test_onnx_has_ratings(run_of, tmp_path, classes):
    pytest.importorskip("onnxscript")
    lines = export(load(run_of(BOTH, classes).files, "ravdess"), tmp_path / "model.onnx")
    outputs = "logits_ravdess, probabilities_ravdess, ratings_ravdess" if classes else "outputs ratings_ravdess"
    assert any(outputs in line for line in lines)

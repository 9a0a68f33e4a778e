"""The model of every delivered run in MLflow: small, there once whatever happens, and with the run's own answers."""

import base64
import json
import warnings
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest

from ser.errors import Away
from ser.runs import logged_model
from ser.runs.mlflow_client import Client, _SqliteClient
from ser.runs.outcomes import Finished, Undelivered
from ser.runs.tracker import Tracker
from ser.trials import run as one

pytestmark = pytest.mark.filterwarnings("ignore:.*type hint:UserWarning")  # MLflow's, of its own classes


@pytest.fixture
def trial(trial_of):
    return trial_of("R", block="tdnn")


@pytest.fixture
def tracker(job):
    return Tracker(job.where, job.study)


def models(tracker):
    return list(tracker.client.search_logged_models([tracker.experiment]))


def linked(tracker, run):
    return [m.model_id for m in tracker.client.get_run(run.info.run_id).outputs.model_outputs]


def assert_one_model_each(tracker):
    """Every finished run has one model that is ready, and is linked to it."""
    by_run = {m.source_run_id: m for m in models(tracker)}
    assert len(models(tracker)) == len(by_run)
    for run in tracker.runs("attributes.status = 'FINISHED'"):
        model = by_run.pop(run.info.run_id)
        assert linked(tracker, run) == [model.model_id]
        assert str(model.status) == "READY"
    assert by_run == {}


def test_a_run_has_a_model_of_few_kilobytes_that_answers_as_the_run_does(job, trial, tracker, plan, monkeypatch):
    assert isinstance(one.run(job, trial), Finished)
    assert_one_model_each(tracker)
    runs = tracker.finished()
    assert len(runs) == 2  # the equal trial's, too
    monkeypatch.setenv("MLFLOW_TRACKING_URI", job.where.uri)
    mlflow.set_tracking_uri(job.where.uri)
    paths = [u.path for u in plan.sources["ravdess"].split.test][:2]
    for run in runs.values():
        model = next(m for m in models(tracker) if m.source_run_id == run.info.run_id)
        sizes = [p.stat().st_size for p in Path(model.artifact_location.removeprefix("file://")).rglob("*")]
        assert sum(sizes) < 8000
        served = mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/model")
        example = served.input_example
        assert list(example.columns) == ["path"]
        answers = served.predict(pd.DataFrame({"path": [*paths, "nowhere.wav"]}))
        table = pd.read_csv(tracker.artifact(run, "predictions.csv"))
        expected = table.set_index("uid").loc[[u.uid for u in plan.sources["ravdess"].split.test[:2]]]
        for name in trial.classes:
            np.testing.assert_allclose(answers[f"score_{name}"][:2].astype(float), expected[f"p_{name}"], atol=1e-5)
        assert answers["emotion"].tolist() == [*expected["predicted"], ""]
        assert answers[f"score_{trial.classes[0]}"][2] is None
        assert answers["error"].tolist() == ["", "", "No such file or directory"]
        bytes_of = base64.b64encode(Path(paths[1]).read_bytes()).decode()
        by_content = mlflow.pyfunc.load_model(f"models:/{model.model_id}").predict(
            pd.DataFrame({"audio": [bytes_of, "?"]})
        )
        assert by_content["emotion"][0] == answers["emotion"][1]
        assert "no base64" in by_content["error"][1]
        again = served.predict(pd.DataFrame({"path": paths}), params={"corpus": "ravdess"})
        assert again["emotion"].tolist() == answers["emotion"].tolist()[:2]


@pytest.mark.parametrize("call", ["create_logged_model", "log_outputs", "finalize_logged_model", "set_terminated"])
@pytest.mark.parametrize("is_done", [False, True], ids=["before", "after"])
def test_a_store_that_goes_away_in_the_middle_has_one_model_in_the_end(job, trial, tracker, monkeypatch, call, is_done):
    genuine, calls = Client.call, []

    def away_once(self, method, *arguments, **options):
        if getattr(method, "__name__", "") == call and not calls:
            calls.append(call)
            if is_done:
                genuine(self, method, *arguments, **options)
            raise Away("in the middle")
        return genuine(self, method, *arguments, **options)

    monkeypatch.setattr(Client, "call", away_once)
    assert isinstance(one.run(job, trial), Undelivered)
    assert calls == [call]
    assert isinstance(one.run(job, trial), Finished)
    assert_one_model_each(tracker)


@pytest.mark.parametrize(("status", "reason"), [(404, "Not Found"), (403, "Permission denied")])
def test_a_server_without_such_models_takes_the_run_all_the_same(job, trial, tracker, monkeypatch, status, reason):
    def absent(*_, **options):
        text = f"API request to endpoint /api/2.0/mlflow/logged-models failed with error code {status} != 200"
        raise mlflow.exceptions.MlflowException(f"{text}. Response body: '{reason}'")

    for name in ("create_logged_model", "search_logged_models"):
        monkeypatch.setattr(_SqliteClient, name, absent)
    assert isinstance(one.run(job, trial), Finished)
    monkeypatch.undo()
    assert models(tracker) == []
    assert len(tracker.finished()) == 2


def test_the_description_is_one_that_mlflow_itself_would_write(job, trial, tracker, tmp_path):
    """MLflow's own writer makes the same keys of the same code, but for packages to fetch."""
    one.run(job, trial)
    (model, *_) = models(tracker)
    ours = json.loads(Path(model.artifact_location.removeprefix("file://"), "MLmodel").read_text())
    code = tmp_path / "code.py"
    code.write_text(Path(logged_model.__file__).with_name("served_model.py.txt").read_text())
    signature = mlflow.models.ModelSignature.from_dict(ours["signature"])
    options = {"signature": signature, "pip_requirements": [], "model_config": {"run_id": "x", "files": []}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pandas to MLflow
        example = pd.DataFrame({"path": ["recording.wav"]})
        mlflow.pyfunc.save_model(tmp_path / "saved", python_model=str(code), input_example=example, **options)
    theirs = mlflow.models.Model.load(str(tmp_path / "saved")).to_dict()
    theirs_flavor, flavor = theirs["flavors"]["python_function"], ours["flavors"]["python_function"]
    assert flavor.items() <= {**theirs_flavor, "config": flavor["config"], "model_code_path": "served_model.py"}.items()
    assert theirs["signature"] == ours["signature"]
    assert {k for k in theirs if theirs[k] is not None} - set(ours) <= {
        "model_size_bytes",
        "env_vars",
        "type_hint_from_example",
    }

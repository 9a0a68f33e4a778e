"""Rows that are written past MLflow's client are those that it writes itself; what it refuses stays refused."""

import re
import shutil
import sqlite3
from contextlib import closing
from math import inf, nan

import pytest
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelOutput, Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from ser.runs.location import Location
from ser.runs.mlflow_client import Client, _SqliteClient
from ser.runs.schema import REVISION
from ser.runs.tracker import Tracker, trial_tag

EXPERIMENT = "2"  # after that of ``empty_ledger``
_ID = re.compile(r"[0-9a-f]{32}")
_MS = re.compile(r"\b1[0-9]{12}\b")


def content(database):
    """All rows of all tables; ids by the order in which they come, and times of a run of the test as one."""
    with closing(sqlite3.connect(database)) as connection:
        tables = [n for (n,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        lines = [line for t in sorted(tables) for line in sorted(map(repr, connection.execute(f"SELECT * FROM {t}")))]
    text, ids = "\n".join(lines), {}
    by_use = sorted(_ID.findall(text), key=lambda i: (text.count(i), i))
    for found in by_use:
        ids.setdefault(found, f"id-of-{text.count(found)}")
    masked = _MS.sub("ms", _ID.sub(lambda m: ids[m[0]], text))
    return sorted(masked.splitlines())


@pytest.fixture
def two(empty_ledger, tmp_path):
    """Equal databases with their clients: MLflow's own, and ours."""
    clients = {}
    for name in ("plain", "rows"):
        work = tmp_path / name / "work"
        work.mkdir(parents=True)
        shutil.copy(empty_ledger, work / "mlflow.db")
        where = Location.of(work, None)
        clients[name] = MlflowClient(where.uri) if name == "plain" else Client(where)
        made = clients[name].create_experiment("a study", artifact_location="file:///files/of/study")
        assert made == EXPERIMENT
    assert isinstance(clients["rows"]._client, _SqliteClient)
    return clients, {name: tmp_path / name / "work" / "mlflow.db" for name in clients}


def metrics(*rows):
    return [Metric(key, value, when, step) for key, value, when, step in rows]


def dataset(name, digest, context):
    data = Dataset(name, digest, "local", '{"uri": "/corpora"}', profile='{"utterances": 3}')
    return DatasetInput(data, [InputTag("mlflow.data.context", context)])


def write(client):
    run = client.create_run(
        EXPERIMENT, start_time=7, tags={"trial_id": "0123", "long": "x" * 4900}, run_name="I · lstm"
    )
    run_id = run.info.run_id
    assert run.info.artifact_uri == f"file:///files/of/study/{run_id}/artifacts"
    client.log_batch(run_id, params=[Param(f"p{i}", str(i)) for i in range(130)])
    client.log_batch(run_id, params=[Param("p7", "7"), Param("late", "")])
    epochs = metrics(("loss", 0.5, 10, 1), ("loss", 0.25, 20, 2), ("ua", nan, 20, 2), ("ua", inf, 10, 1))
    client.log_batch(run_id, metrics=epochs)
    client.log_batch(run_id, metrics=[*epochs, *metrics(("loss", 0.75, 15, 1), ("new", -inf, 1, 0))])  # some again
    client.log_batch(run_id, metrics=metrics(("tied", 1.0, 5, 1), ("tied", 2.0, 5, 1), ("ua", 0.0, 20, 2)))
    client.log_batch(run_id, metrics=metrics(("late", 1.0, 5, 1)), tags=[RunTag("long", "y"), RunTag("new", "z")])
    client.log_inputs(run_id, datasets=[dataset("tess", "1", "training"), dataset("tess", "2", "testing")])
    again = [dataset("tess", "2", "training"), dataset("tess", "3", "testing"), dataset("tess", "3", "training")]
    client.log_inputs(run_id, datasets=again)  # what is there stays as it is, and of two the first counts
    model = client.create_logged_model(EXPERIMENT, name="model", source_run_id=run_id, model_type="emotions")
    assert model.artifact_location == f"file:///files/of/study/models/{model.model_id}/artifacts"
    assert str(model.status) == "PENDING"
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, 0)])
    client.finalize_logged_model(model.model_id, "READY")
    client.set_terminated(run_id, "FINISHED")
    return run_id


def test_all_tables_hold_what_mlflow_writes(two):
    clients, databases = two
    for client in clients.values():
        write(client)
    plain, rows = (content(database) for database in databases.values())
    assert rows == plain
    assert len(rows) > 150  # it was written at all


def test_a_run_reads_back_as_mlflow_has_it(two):
    clients, _ = two
    read = {name: client.get_run(write(client)) for name, client in clients.items()}
    for part in ("params", "metrics", "tags"):
        ours, theirs = (repr(sorted(getattr(read[name].data, part).items())) for name in ("rows", "plain"))
        assert ours == theirs  # as text: one is NaN
    (model,) = clients["rows"].search_logged_models([EXPERIMENT])
    assert (str(model.status), read["rows"].outputs.model_outputs[0].model_id) == ("READY", model.model_id)


def test_runs_share_their_datasets_and_read_them_back(two):
    clients, databases = two
    for client in clients.values():
        run = [write(client) for _ in range(2)][-1]
        used = {(i.dataset.digest, i.tags[0].value) for i in client.get_run(run).inputs.dataset_inputs}
        assert used == {("1", "training"), ("2", "testing"), ("3", "testing")}
    for database in databases.values():
        with closing(sqlite3.connect(database)) as connection:
            assert connection.execute("SELECT count(*) FROM datasets").fetchone() == (3,)


def test_what_mlflow_refuses_is_refused_and_leaves_nothing(two):
    clients, databases = two
    client = clients["rows"]._client
    run = client.create_run(EXPERIMENT, run_name="one").info.run_id
    client.log_batch(run, params=[Param("p", "1")])
    before = content(databases["rows"])
    with pytest.raises(MlflowException, match="Changing param values"):
        client.log_batch(run, params=[Param("p", "2"), Param("q", "3")], metrics=metrics(("loss", 1.0, 1, 1)))
    with pytest.raises(MlflowException, match="Invalid value"):
        client.log_batch(run, metrics=metrics(("bad (name)", 1.0, 1, 1)))
    assert content(databases["rows"]) == before
    client.delete_run(run)
    calls = (
        lambda: client.set_terminated(run),
        lambda: client.log_batch(run, params=[Param("q", "1")]),
        lambda: client.log_batch(run, tags=[RunTag("q", "1")]),
        lambda: client.log_inputs(run, datasets=[dataset("tess", "1", "training")]),
    )
    for call in calls:
        with pytest.raises(MlflowException, match="must be in the 'active' state"):
            call()
    client.delete_experiment(EXPERIMENT)
    with pytest.raises(MlflowException, match="must be in the 'active' state"):
        client.create_run(EXPERIMENT, run_name="two")


def test_a_database_of_another_schema_is_left_to_mlflow(two, monkeypatch):
    _, databases = two
    monkeypatch.setattr("ser.runs.sqlite_rows.REVISION", REVISION[::-1])
    where = Location.of(databases["rows"].parent, None)
    client = Client(where)
    assert type(client._client) is MlflowClient
    assert client.tagged(EXPERIMENT, "trial_id", "x") is None
    write(client)


def older(where, trial, key):
    """An experiment of an earlier version: a key for each trial, with a finished run of ``trial``."""
    client = MlflowClient(where.uri)
    made = client.create_experiment("older", artifact_location=f"{where.artifacts}/older", tags={"ser.keyed": "yes"})
    run = client.create_run(made, tags={"trial_id": trial, key: "yes"}).info.run_id
    client.set_terminated(run)
    return client, made, run


def test_runs_with_a_key_for_each_trial_are_found_and_rewritten(where):
    trial = "0123456789ab"
    client, _, run = older(where, trial, f"mlflow.ser.trial.{trial}")
    tracker = Tracker(where, "older")
    assert tracker.finished(trial)[trial].info.run_id == run
    tags = client.get_run(run).data.tags
    assert {k: v for k, v in tags.items() if "ser.trial" in k} == trial_tag(trial) == {"mlflow.ser.trial.0": trial}
    late = "fedcba987654"  # by a process of the earlier version, since
    later_run = client.create_run(tracker.experiment, tags={"trial_id": late, f"mlflow.ser.trial.{late}": "yes"})
    client.set_terminated(later_run.info.run_id)
    assert tracker.finished(late)[late].info.run_id == later_run.info.run_id


def test_they_are_found_where_nothing_can_be_rewritten(where, monkeypatch):
    monkeypatch.setattr("ser.runs.sqlite_rows.REVISION", "another")
    trial = "0123456789ab"
    _, _, run = older(where, trial, f"mlflow.ser.trial.{trial}")
    assert Tracker(where, "older").finished(trial)[trial].info.run_id == run

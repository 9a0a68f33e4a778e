"""Runs in MLflow: one per trial, found again, marked truthfully, and no secret told."""

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric, ViewType

from ser.errors import Away, BadInput, Refused
from ser.runs import mlflow_client
from ser.runs.delivery import Delivery, sync
from ser.runs.folder import Head, RunFolder
from ser.runs.history import check_unchanged, mean_epochs
from ser.runs.location import Location
from ser.runs.mlflow_client import Client
from ser.runs.store_check import check_writable, ready_for_pages, try_out
from ser.runs.tracker import Tracker, trial_tag
from ser.study import SCHEMA, Corpus, part


@pytest.fixture
def tracker(where):
    return Tracker(where, "study")


@pytest.fixture
def trial(trial_of):
    return trial_of("T+R")


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "files"
    for name in ("confusion/ravdess.json", "split/ravdess.json", "predictions.csv", "best.pt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def row(epoch):
    return {"epoch": float(epoch), "timestamp_ms": 1_000_000.0 + epoch, "val/loss": 1 / epoch}


def head(trial, **tags):
    return Head(trial.study, trial.id, trial.title, trial.params(), tags)


def finish(tracker, trial, files, **tags):
    log = tracker.start(head(trial, **tags))
    log.epochs([row(epoch) for epoch in (1, 2, 3)])
    log.finish(2_000_000, {"ua/ravdess": 0.5, "epochs": 3.0}, files)
    return log.run_id


def test_a_finished_run_is_found_and_not_begun_again(tracker, trial, files):
    run_id = finish(tracker, trial, files)
    assert tracker.finished()[trial.id].info.run_id == run_id
    assert tracker.finished(trial.id).keys() == {trial.id}
    assert tracker.start(head(trial)) is None
    assert len(tracker.runs()) == 1


def test_a_run_holds_the_statement_the_curves_the_results_and_the_files(tracker, trial, files):
    finish(tracker, trial, files, data="real")
    (run,) = tracker.runs()
    assert run.data.params == trial.params()
    assert run.data.tags.items() >= {"trial_id": trial.id, "study": trial.study, "data": "real"}.items()
    assert run.info.run_name == trial.title
    history = tracker.client.get_metric_history(run.info.run_id, "val/loss")
    assert [(m.step, m.value, m.timestamp) for m in history] == [(n, 1 / n, 1_000_000 + n) for n in (1, 2, 3)]
    assert run.data.metrics["ua/ravdess"] == 0.5
    assert tracker.artifact(run, "split/ravdess.json").read_text() == "split/ravdess.json"


def test_an_open_run_is_found_again_and_a_replayed_history_adds_no_rows(tracker, trial):
    first = tracker.start(head(trial))
    for log in (first, tracker.start(head(trial))):
        assert log.run_id == first.run_id
        log.epochs([row(1), row(2)])
    assert len(tracker.client.get_metric_history(first.run_id, "val/loss")) == 2


def test_a_failed_run_says_why_and_is_reopened(tracker, trial, files):
    tracker.start(head(trial)).close("Diverged: loss nan")
    (run,) = tracker.runs()
    assert (run.info.status, run.data.tags["error"]) == ("FAILED", "Diverged: loss nan")
    finish(tracker, trial, files)
    (run,) = tracker.runs()
    assert (run.info.status, "error" in run.data.tags) == ("FINISHED", False)


def test_what_dead_workers_left_open_is_closed_and_a_finished_run_is_not(tracker, trial, trial_of, files):
    stopped = trial_of("R", "blstm")
    tracker.start(head(trial))
    tracker.start(head(stopped))
    finish(tracker, trial_of("R"), files)
    tracker.close_runs({trial.id: "worker died", stopped.id: "", trial_of("R").id: "worker died"})
    assert {r.info.run_name: (r.info.status, r.data.tags.get("error")) for r in tracker.runs()} == {
        trial.title: ("FAILED", "worker died"),
        stopped.title: ("KILLED", None),
        trial_of("R").title: ("FINISHED", None),
    }


def test_of_two_open_runs_the_older_goes_on_and_the_other_is_marked(tracker, trial):
    kept = tracker.start(head(trial)).run_id
    tags = {"trial_id": trial.id, **trial_tag(trial.id)}
    extra = tracker.client.create_run(tracker.experiment, tags=tags).info.run_id
    tracker.client.update_run(kept, status="RUNNING")
    assert tracker.start(head(trial)).run_id == kept
    marked = tracker.client.get_run(extra)
    assert (marked.info.status, marked.data.tags["superseded_by"]) == ("KILLED", kept)


def test_a_mirror_has_the_same_values_and_files_and_says_whose(tracker, trial, files):
    original = finish(tracker, trial, files, data="real")
    twin = replace(trial, task="multi")
    for _ in range(2):  # a second call changes nothing
        tracker.mirror(tracker.finished()[trial.id], head(twin))
    run = tracker.finished()[twin.id]
    assert run.data.tags.items() >= {"same_as": trial.id, "trial_id": twin.id, "data": "real"}.items()
    assert run.data.params["task"] == "multi"
    assert run.data.metrics == tracker.client.get_run(original).data.metrics
    assert len(tracker.client.get_metric_history(run.info.run_id, "val/loss")) == 3
    assert tracker.artifact(run, "predictions.csv").read_text() == "predictions.csv"
    assert tracker.artifact(run, "confusion/ravdess.json").exists()
    assert len(tracker.runs()) == 2


def test_a_mirror_made_from_the_run_folder_equals_one_read_back(tracker, trial, files, tmp_path):
    run_folder, head_ = RunFolder(tmp_path, trial.id), head(trial)
    run_folder.path.mkdir(parents=True)
    run_folder.begin(replace(head_, twins=(head(replace(trial, task="multi")),)))
    files.rename(run_folder.files)
    for epoch in (1, 2, 3):
        run_folder.add_epoch(epoch, row(epoch))
    run_folder.complete({"ua/ravdess": 0.5})
    tracker.deliver(run_folder, tracker.start(head_))
    original = tracker.finished(trial.id)[trial.id]
    tracker.mirror(original, head(replace(trial, task="third")))  # as by the driver, which has no run_folder
    told, read = (r for r in tracker.finished().values() if "same_as" in r.data.tags)
    assert told.data.metrics == read.data.metrics == original.data.metrics
    for run in (told, read):
        names = {f.path for f in tracker.client.list_artifacts(run.info.run_id)}
        assert names == {"confusion", "split", "predictions.csv"}
        history = tracker.client.get_metric_history(run.info.run_id, "val/loss")
        assert [(m.step, m.timestamp) for m in history] == [(n, 1_000_000 + n) for n in (1, 2, 3)]


@pytest.fixture
def requests(monkeypatch):
    """Names of the calls of MLflow's client, as they are made."""
    made, genuine = [], Client.call

    def noted(self, method, *args, **options):
        made.append(method.__name__)
        return genuine(self, method, *args, **options)

    monkeypatch.setattr(Client, "call", noted)
    return made


def test_a_trial_told_at_its_end_takes_eight_requests(where, trial, files, tmp_path, requests):
    tracker, run_folder = Tracker.of(where, trial.study), RunFolder(tmp_path, trial.id)
    requests.clear()
    delivery = Delivery(where, run_folder)
    run_folder.path.mkdir(parents=True)
    delivery.open(head(trial))
    run_folder.begin(head(trial))
    files.rename(run_folder.files)
    run_folder.add_epoch(1, row(1))
    run_folder.complete({"ua/ravdess": 0.5})
    assert delivery.deliver()
    assert Tracker.of(where, trial.study) is tracker
    assert requests == [
        *("tagged", "create_run", "log_batch", "tagged"),
        *("_files", "log_batch", "set_terminated", "tagged"),
    ]


def test_what_was_seen_finished_is_not_asked_for_again(tracker, trial, trial_of, files, requests):
    others = [trial_of("R", block) for block in ("lstm", "blstm", "tdnn")]
    for other in others:
        finish(tracker, other, files)
    asked = {trial.id, *(t.id for t in others)}
    requests.clear()
    assert tracker.finished_of(asked) == asked - {trial.id}
    assert requests == ["search_runs"]
    assert tracker.finished_of(asked) == asked - {trial.id}
    assert requests == ["search_runs", "tagged"]  # for the one that is not finished yet
    finish(tracker, trial, files)
    assert tracker.finished_of(asked) == asked
    requests.clear()
    assert tracker.finished_of(asked) == asked
    assert requests == []


def test_pages_hold_all_runs_in_the_order_in_which_they_began(tracker, monkeypatch):
    monkeypatch.setattr("ser.runs.tracker._PAGE", 2)
    assert tracker.newest() is None
    begun = [begin(tracker, n, trial_id=str(n)) for n in (30, 10, 20, 50, 40)]
    assert [r.info.run_id for r in tracker.pages()] == [begun[i] for i in (1, 2, 0, 4, 3)]
    begin(tracker, 60, candidate="of several folds, and no trial's")
    assert tracker.newest().info.run_id == begun[3]


def begin(tracker, at_ms, **tags):
    return tracker.client.create_run(tracker.experiment, start_time=at_ms, tags=tags).info.run_id


def test_a_tracker_is_kept_until_its_store_was_away(where):
    kept = Tracker.of(where, "study")
    assert Tracker.of(where, "study") is kept
    with pytest.raises(Refused):
        kept.client.get_run("0" * 32)
    assert Tracker.of(where, "study") is not kept


def test_runs_of_an_experiment_of_an_earlier_version_are_found_by_their_trial(where, trial, files):
    client = MlflowClient(where.uri)
    earlier = client.create_experiment("earlier", artifact_location=(files.parent / "artifacts").as_uri())
    run = client.create_run(earlier, tags={"trial_id": trial.id}).info.run_id
    tracker = Tracker(where, "earlier")
    assert finish(tracker, trial, files) == run
    assert tracker.finished(trial.id)[trial.id].info.run_id == run
    assert tracker.start(head(trial)) is None


def test_a_trial_of_many_corpora_has_more_settings_than_one_request_takes(tracker, trial):
    others = tuple(Corpus(f"own{i}", f"O{i}", part("manifest_csv"), trial.corpora[1].split) for i in range(12))
    many = replace(trial, corpora=trial.corpora + others)
    assert len(many.params()) > 100
    tracker.start(head(many))
    assert tracker.runs()[0].data.params == many.params()


def test_a_metric_history_longer_than_one_request_is_sent_whole(tracker, trial):
    log = tracker.start(head(trial))
    log.send(Metric("val/loss", 0.0, 1, n) for n in range(1500))
    assert len(tracker.client.get_metric_history(log.run_id, "val/loss")) == 1500


def test_mean_epochs_are_of_one_grids_finished_runs(tracker, trial_of, files):
    finish(tracker, trial_of("R"), files, variant="this")
    finish(tracker, trial_of("R", block="tdnn"), files, variant="other")
    assert mean_epochs(tracker, "this") == {"lstm": 3.0}


def finished_with(tracker, trial, files, plan):
    finish(tracker, trial, files, **{f"fingerprint/{n}": s.corpus.fingerprint for n, s in plan.sources.items()})


def changed(source, **fields):
    return replace(source, corpus=replace(source.corpus, **fields))


def test_the_same_corpora_go_on(tracker, trial, files, plan):
    finished_with(tracker, trial, files, plan)
    check_unchanged(tracker, plan.sources.values())


@pytest.mark.parametrize(
    ("schema", "is_older"), [({}, True), ({"schema": "1"}, True), ({"schema": str(SCHEMA)}, False)]
)
def test_runs_of_an_older_schema_are_known_by_the_first_run(tracker, trial, trial_of, files, schema, is_older):
    assert not tracker.has_older_schema()
    finish(tracker, trial, files, **schema)
    finish(tracker, trial_of("T+R", block="tdnn"), files, schema=str(SCHEMA))
    assert tracker.has_older_schema() == is_older


def test_a_corpus_that_changed_since_a_trial_finished_is_refused(tracker, trial, files, plan):
    finished_with(tracker, trial, files, plan)
    with pytest.raises(BadInput, match=r"corpus ravdess: fingerprint new, but .*--accept-changed-corpus"):
        check_unchanged(tracker, [changed(plan.sources["ravdess"], fingerprint="new")])


def test_a_changed_corpus_that_was_accepted_once_is_not_asked_about_again(tracker, trial, trial_of, files, plan):
    finished_with(tracker, trial, files, plan)
    finish(tracker, trial_of("T+R", block="tdnn"), files, **{"fingerprint/ravdess": "new"})
    check_unchanged(tracker, [changed(plan.sources["ravdess"], fingerprint="new")])


def test_a_corpus_read_with_other_settings_is_no_changed_corpus(tracker, trial, files, plan):
    finished_with(tracker, trial, files, plan)
    source = plan.sources["ravdess"]
    songs = source.corpus.loader.changed(channels=("speech", "song"))
    check_unchanged(tracker, [changed(source, fingerprint="new", loader=songs)])


def test_a_corpus_that_no_finished_trial_used_may_change(tracker, trial_of, files, plan):
    finish(tracker, trial_of("R"), files)
    check_unchanged(tracker, [changed(plan.sources["tess"], fingerprint="new")])


def test_two_trackers_find_one_experiment(where):
    assert Tracker(where, "study").experiment == Tracker(where, "study").experiment


def test_losing_the_race_to_make_the_experiment_takes_the_winners(where, monkeypatch):
    winner = Tracker(where, "study")
    genuine, answers = MlflowClient.get_experiment_by_name, [None]
    monkeypatch.setattr(
        MlflowClient, "get_experiment_by_name", lambda self, name: answers.pop() if answers else genuine(self, name)
    )
    assert Tracker(where, "study").experiment == winner.experiment


@pytest.fixture
def _impatient(monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


@pytest.mark.usefixtures("_impatient")
def test_a_dead_server_is_away_and_the_password_stays_untold():
    with pytest.raises(Away) as error:
        Tracker(Location("http://anna:s3cret@127.0.0.1:9", ""), "study")
    assert "s3cret" not in str(error.value)
    assert "127.0.0.1:9" in str(error.value)


@pytest.mark.parametrize("uri", ["localhost:5000", "ftp://x", "runs", ""])
def test_an_address_that_mlflow_does_not_know_is_refused(tmp_path, uri):
    with pytest.raises(BadInput, match="--tracking-uri"):
        Location.of(tmp_path, uri)


def test_without_an_address_everything_stays_in_the_work_folder(tmp_path):
    where = Location.of(tmp_path, None)
    assert where.uri == f"sqlite:///{tmp_path}/mlflow.db"
    assert where.artifacts == str(tmp_path / "artifacts")
    assert Location.of(tmp_path, "http://host:1").artifacts == ""


@pytest.mark.parametrize("uri", ["sqlite:///{}/file/mlflow.db", "postgresql+nothing://anna:s3cret@host/runs"])
def test_a_database_that_cannot_be_opened_is_bad_input(tmp_path, uri):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(BadInput, match="a tracking store that answers") as error:
        Tracker(Location(uri.format(tmp_path), ""), "study")
    assert "s3cret" not in str(error.value)


def test_two_that_open_a_new_database_at_once_both_can(tmp_path):
    uri, errors = f"sqlite:///{tmp_path / 'new.db'}", []

    def open_it():
        try:
            mlflow_client.open_client(uri).search_experiments()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert {p.name for p in tmp_path.iterdir()} == {"new.db", ".new.db.lock"}


def test_a_database_that_was_being_made_when_all_ended_is_not_there(tmp_path, monkeypatch):
    def killed(engine):
        with engine.begin() as connection:
            connection.exec_driver_sql("create table half (x int)")
        raise KeyboardInterrupt

    (tmp_path / f".new.db.new{os.getpid() + 1}").write_text("of a process that was killed")
    monkeypatch.setattr(mlflow_client, "_initialize_tables", killed)
    with pytest.raises(KeyboardInterrupt):
        mlflow_client.open_client(f"sqlite:///{tmp_path / 'new.db'}")
    assert [p.name for p in tmp_path.iterdir()] == [".new.db.lock"]


def test_metrics_are_sent_at_once_whatever_the_environment_says():
    read = "from mlflow.environment_variables import MLFLOW_ENABLE_ASYNC_LOGGING as a; print(a.get())"
    code = f"import ser.runs.mlflow_client; {read}"
    environment = {**os.environ, "MLFLOW_ENABLE_ASYNC_LOGGING": "true"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "False"


def copied(where, tmp_path):
    """The work folder of ``where``, copied as a person does; the old one stays where it is."""
    copy = tmp_path / "copy of it"
    copy.mkdir()
    shutil.copy(tmp_path / "mlflow.db", copy)
    shutil.copytree(tmp_path / "artifacts", copy / "artifacts")
    return Location.of(copy, None)


def bytes_of(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_copied_work_folder_reads_and_writes_its_own_files(tracker, trial, trial_of, where, files, tmp_path):
    run_id = finish(tracker, trial, files)
    there = copied(where, tmp_path)
    old = {**bytes_of(tmp_path / "artifacts"), **bytes_of(tmp_path / "copy of it")}
    (tmp_path / "copy of it/artifacts/study" / run_id / "artifacts/predictions.csv").write_text("of the copy")
    reading = Tracker(there, "study", to_read=True)
    assert list(reading.texts([reading.runs()[0].info.artifact_uri], "predictions.csv")) == ["of the copy"]
    assert (tmp_path / "copy of it/mlflow.db").read_bytes() == old[tmp_path / "copy of it/mlflow.db"]
    writing = Tracker(there, "study")
    finish(writing, trial_of("R"), files)
    unchanged = {path: content for path, content in old.items() if tmp_path / "artifacts" in path.parents}
    assert bytes_of(tmp_path / "artifacts") == unchanged
    for run in MlflowClient(there.uri).search_runs([writing.experiment]):  # as MLflow's own pages find them
        assert run.info.artifact_uri.startswith((tmp_path / "copy of it").as_uri())
        assert writing.artifact(run, "predictions.csv").is_relative_to(tmp_path / "copy of it")
    assert Tracker(where, "study").artifact(tracker.finished(trial.id)[trial.id], "predictions.csv").exists()


def test_pages_of_a_copied_work_folder_name_its_own_files(tracker, trial, where, files, tmp_path):
    finish(tracker, trial, files)
    there = copied(where, tmp_path)
    assert ready_for_pages(there) == ""
    (run,) = MlflowClient(there.uri).search_runs([tracker.experiment])
    assert run.info.artifact_uri.startswith(Path(there.artifacts).as_uri())


def test_an_experiment_of_the_persons_own_in_the_same_database_keeps_its_place(where, tmp_path):
    client, place = MlflowClient(where.uri), (tmp_path / "big disk/artifacts/study")
    place.mkdir(parents=True)
    client.create_experiment("study", artifact_location=place.as_uri())
    tracker = Tracker(where, "study")
    run = client.create_run(tracker.experiment)
    assert tracker.place(run.info.artifact_uri) == run.info.artifact_uri
    assert client.get_experiment(tracker.experiment).artifact_location == place.as_uri()


def test_a_missing_file_is_named_with_its_run(tracker, trial, files):
    run_id = finish(tracker, trial, files)
    folder = tracker.runs()[0].info.artifact_uri
    Path(folder.removeprefix("file://"), "predictions.csv").unlink()
    with pytest.raises(BadInput, match=f"run {run_id}: no predictions.csv in .*; bring them back, or delete the run"):
        list(tracker.texts([folder], "predictions.csv"))


def test_reading_makes_no_experiment_and_names_those_there_are(where):
    Tracker(where, "another")
    client = MlflowClient(where.uri)
    client.rename_experiment(client.get_experiment_by_name("another").experiment_id, "mine")
    before = Path(where.database).read_bytes()
    with pytest.raises(BadInput, match=r"no runs of study in .*it has: mine \(was another\)"):
        Tracker(where, "study", to_read=True)
    assert Path(where.database).read_bytes() == before


def test_reading_makes_no_database(tmp_path):
    for place in (tmp_path / "empty.db", tmp_path / "folder" / "mlflow.db"):
        with pytest.raises(BadInput, match="no runs in"):
            Tracker(Location(f"sqlite:///{place}", str(tmp_path / "artifacts")), "study", to_read=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("to_read", [True, False])
def test_a_database_of_an_older_mlflow_is_not_altered_without_a_word(where, to_read):
    with closing(sqlite3.connect(where.database)) as connection:
        connection.execute("DROP TABLE webhooks")
        connection.commit()
    before = where.database.read_bytes()
    with pytest.raises(Refused, match="mlflow db upgrade sqlite:///"):
        Tracker(where, "study", to_read=to_read)
    assert where.database.read_bytes() == before


@pytest.mark.parametrize("to_read", [True, False])
def test_a_deleted_experiment_is_told_with_what_brings_it_back(tracker, where, to_read):
    tracker.client.delete_experiment(tracker.experiment)
    with pytest.raises(Refused, match=rf"deleted.*experiments restore --experiment-id {tracker.experiment}`"):
        Tracker(where, "study", to_read=to_read)


def test_an_experiment_that_is_renamed_during_a_grid_stays_its_experiment(tracker, where, trial):
    tracker.client.rename_experiment(tracker.experiment, "mine")
    Tracker.cache.clear()
    assert Tracker.of(where, "study").experiment == tracker.experiment
    Tracker.experiment_ids.clear()  # as for the next command
    assert Tracker(where, "study").experiment != tracker.experiment


def test_an_experiment_that_was_erased_is_made_anew(tracker, where):
    with closing(sqlite3.connect(where.database)) as connection:
        connection.execute("DELETE FROM experiment_tags")
        connection.execute("DELETE FROM experiments WHERE name = 'study'")
        connection.commit()
    assert Tracker(where, "study").client.get_experiment_by_name("study").lifecycle_stage == "active"


@pytest.fixture
def run_folder(trial, files, tmp_path):
    made = RunFolder(tmp_path, trial.id)
    made.path.mkdir(parents=True)
    made.begin(head(trial))
    files.rename(made.files)
    made.add_epoch(1, row(1))
    made.complete({"ua/ravdess": 0.5})
    return made


def test_a_run_that_is_deleted_while_its_trial_is_trained_is_begun_again(trial, where, run_folder):
    tracker = Tracker(where, trial.study)
    delivery = Delivery(where, run_folder)
    delivery.open(head(trial))
    deleted = tracker.runs()[0].info.run_id
    tracker.client.delete_run(deleted)
    assert delivery.deliver()
    run = tracker.finished(trial.id)[trial.id]
    assert run.info.run_id != deleted
    assert len(tracker.client.get_metric_history(run.info.run_id, "val/loss")) == 1


def test_a_refusal_is_told_from_absence_and_keeps_the_trial(trial, where, run_folder, tmp_path):
    tracker = Tracker(where, trial.study)
    tracker.client.delete_experiment(tracker.experiment)
    delivery = Delivery(where, run_folder)
    assert not delivery.deliver()
    assert delivery.refused
    assert "experiments restore" in delivery.reason
    synced = sync(where, tmp_path)
    assert (synced.undelivered, synced.refused) == ([trial.id], True)
    tracker.client.restore_experiment(tracker.experiment)
    assert sync(where, tmp_path).delivered == [trial.id]


def test_a_run_that_states_other_values_is_superseded(tracker, trial):
    first = tracker.start(head(trial)).run_id
    changed = Head(trial.study, trial.id, trial.title, {**trial.params(), "seed": "9"}, {})
    log = tracker.start(changed)
    old, new = tracker.client.get_run(first), tracker.client.get_run(log.run_id)
    assert (old.info.status, old.data.tags["superseded_by"]) == ("KILLED", log.run_id)
    assert (new.info.status, new.data.params["seed"]) == ("RUNNING", "9")
    assert tracker.start(changed).run_id == log.run_id


def test_nothing_that_is_sent_is_longer_than_any_databases_columns(tracker, trial, where, files):
    long = {"grid": "g" * 30_000, "notes": "n" * 9_000}
    named = Head(trial.study, trial.id, "t" * 900, {**trial.params(), "corpora": "c" * 9_000}, long)
    log = tracker.start(named)
    log.finish(1, {"ua": 1.0}, files)
    raw = MlflowClient(where.uri).get_run(log.run_id)
    assert max(map(len, raw.data.tags.values())) <= 5000
    assert max(map(len, raw.data.params.values())) <= 6000
    assert len(raw.info.run_name) <= 250
    read = tracker.finished(trial.id)[trial.id].data
    assert read.params == named.params
    assert read.tags.items() >= {**long, "title": "t" * 900}.items()
    tracker.mirror(tracker.finished(trial.id)[trial.id], Head(trial.study, "twin", "twin", {}, {}))
    assert tracker.finished("twin")["twin"].data.tags.items() >= {**long, "title": "twin"}.items()


def test_files_longer_than_a_databases_column_are_refused_before_a_run_is_made(where):
    tracker = Tracker(where, "study")
    tracker.where = Location("postgresql://host/runs", where.artifacts)
    tracker.location = "file:///" + "w" * 200
    with pytest.raises(BadInput, match="a work folder with a shorter path"):
        tracker._settle_location()


def test_what_can_be_written_is_tried_and_leaves_nothing(tracker, where, tmp_path):
    client = MlflowClient(where.uri)
    before = [e.name for e in client.search_experiments(view_type=ViewType.ALL)]
    check_writable(tracker)
    try_out(where)
    assert tracker.runs() == []
    assert [e.name for e in client.search_experiments(view_type=ViewType.ALL)] == before
    assert [p for p in (tmp_path / "artifacts").rglob("*") if p.is_file()] == []


def test_files_that_cannot_be_written_are_found_before_anything_is_trained(tracker, tmp_path):
    (tmp_path / "artifacts").write_text("a file where the folder should be")
    with pytest.raises(BadInput, match="artifacts"):
        check_writable(tracker)


def test_the_doctor_makes_no_database(tmp_path):
    try_out(Location.of(tmp_path / "work", None))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "work").mkdir()
    (tmp_path / "work/mlflow.db").write_text("no database")
    with pytest.raises(BadInput, match=r"mlflow\.db"):
        try_out(Location.of(tmp_path / "work", None))


@pytest.mark.parametrize("name", ["plain", "IEMOCAP%20full", "what?", "50% ü #1"])
def test_a_copy_follows_its_files_whatever_its_folder_is_called(tracker, trial, where, files, tmp_path, name):
    finish(tracker, trial, files)
    shutil.copytree(tmp_path / "artifacts", tmp_path / name / "artifacts")
    shutil.copy(tmp_path / "mlflow.db", tmp_path / name)
    there = Location.of(tmp_path / name, None)
    assert there.own_database == tmp_path / name / "mlflow.db"
    assert ready_for_pages(there) == ""
    (run,) = MlflowClient(there.uri).search_runs([tracker.experiment])
    assert run.info.artifact_uri.startswith(Path(there.artifacts).as_uri())


@pytest.mark.parametrize("name", ["IEMOCAP%20full", "what?"])
def test_a_new_database_is_made_whole_whatever_its_folder_is_called(tmp_path, name):
    (tmp_path / name).mkdir()
    where = Location.of(tmp_path / name, None)
    with pytest.raises(BadInput, match="no runs"):
        Tracker(where, "study", to_read=True)
    Tracker(where, "study")
    assert {path.name for path in (tmp_path / name).iterdir()} == {"mlflow.db", ".mlflow.db.lock"}
    assert [path.name for path in tmp_path.iterdir()] == [name]

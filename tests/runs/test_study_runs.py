"""The runs of a study, read bit by bit: in the end what a single pass gives, and nothing is written."""

import json

from ser.runs import reader
from ser.runs.mlflow_client import Client, Metric, Param
from ser.runs.progress import progress_of
from ser.runs.reader import Data, Experiment, Info, Page, Run
from ser.runs.study_runs import StudyRuns, experiments
from ser.runs.tracker import Tracker
from ser.study import SCHEMA

MINUTE = 60_000
START = 1_000 * MINUTE
GRID = json.dumps({"corpora": [["ravdess", "R", True]], "seeds": 1, "count": 10})
TAGS = {"variant": "v1", "schema": str(SCHEMA), "grid": GRID}


def run(trial, status, start_min, end_min=None, **tags):
    """A run of a trial, with times in minutes after START."""
    end = None if end_min is None else START + end_min * MINUTE
    info = Info(f"run-{trial}", "name", status, START + start_min * MINUTE, end, "", "1", "active")
    values = {"ua/ravdess": 0.5, "ua/ravdess/other": 0.1, "val/loss": 2.0}
    tags = {"trial_id": trial, "title": f"title {trial}", **TAGS, **tags}
    return Run(info, Data({"corpora": "ravdess", "block": "lstm"}, tags, values))


class Store:
    """Answers the questions of ``StudyRuns`` as MLflow does, and counts the pages."""

    def __init__(self, runs):
        self.runs = list(runs)

    def search_runs(self, experiments, query, max_results, order_by, page_token=None):
        assert (experiments, order_by) == (["1"], ["attributes.start_time ASC"])
        runs = sorted(self.runs, key=lambda r: r.info.start_time)
        if query.startswith("attributes.end_time >= "):
            since = int(query.rpartition(" ")[2])
            runs = [r for r in runs if r.info.end_time is not None and r.info.end_time >= since]
        elif query:
            assert query == "attributes.status = 'RUNNING'"
            runs = [r for r in runs if r.info.status == "RUNNING"]
        at = int(page_token or 0)
        page = Page(runs[at : at + max_results])
        page.token = str(at + max_results) if at + max_results < len(runs) else None
        return page


def study_runs(*runs):
    return StudyRuns(Store(runs), Experiment("1", "renamed", "", "active", {"ser.study": "grid"}))


def test_only_little_of_each_run_is_kept_and_of_hidden_tags_the_same():
    hidden = {"grid": "", "mlflow.ser.grid": GRID, "work": "", "mlflow.ser.work": "earlier"}
    joined = {"title": "", "mlflow.ser.tags": json.dumps({"title": "title b", "work": "w"})} | hidden
    one = study_runs(
        run("a", "FINISHED", 0, 1), run("b", "RUNNING", 2, 3, **joined), run("c", "KILLED", 0, 1, superseded_by="x")
    )
    one.refresh(1)
    first, second = one.pages()
    assert (first.data.params, first.data.metrics) == (
        {"corpora": "ravdess"},
        {"ua/ravdess": 0.5, "ua/ravdess/other": 0.1},
    )
    assert (second.data.tags["grid"], second.info.end_time) == (GRID, None)
    (opened,) = one.open_runs()
    assert (opened.title, opened.work, opened.started_s) == ("title b", "w", (START + 2 * MINUTE) / 1000)
    assert (one.study, progress_of(one).expected, progress_of(one).running) == ("grid", 10, 1)


def test_a_run_whose_hidden_tags_are_damaged_is_named_as_mlflow_names_it():
    one = study_runs(run("a", "RUNNING", 0, title="", **{"mlflow.ser.tags": "{"}))
    one.refresh(1)
    assert [each.title for each in one.open_runs()] == [one._client.runs[0].info.run_name]


def test_later_only_what_ended_or_is_open_is_read():
    one = study_runs(*(run(f"t{i}", "FINISHED", i, i + 1) for i in range(600)), run("open", "RUNNING", 600))
    assert (one.refresh(2), one.is_whole, len(one)) == (2, False, 500)
    assert progress_of(one).finished == 500
    assert (one.refresh(2), one.is_whole, len(one)) == (1, True, 601)
    store = one._client
    store.runs[-1] = run("open", "FINISHED", 600, 602)
    store.runs.append(run("next", "RUNNING", 602))
    assert one.refresh(2) == 2
    assert (progress_of(one).finished, [r.title for r in one.open_runs()]) == (601, ["title next"])
    store.runs.pop()
    one.refresh(2)
    assert one.open_runs() == []
    del store.runs[0]
    one.refresh(2)
    assert progress_of(one).finished == 601  # that one which ended was deleted shows when all is read again
    one.forget()
    one.refresh(9)
    assert progress_of(one).finished == 600


def test_a_database_is_read_and_not_written(where):
    client = Client(where)
    experiment = client.create_experiment("grid", artifact_location=where.artifacts)
    new = client.create_run(experiment, tags={"trial_id": "a", **TAGS}, start_time=START)
    params = [Param("corpora", "ravdess"), Param("role", "trial")]
    client.log_batch(new.info.run_id, metrics=[Metric("ua/ravdess", 0.5, 0, 0)], params=params)
    client.set_terminated(new.info.run_id, "FINISHED", START + MINUTE)
    before = where.database.read_bytes()
    looking = reader.client(where, to_read=True)
    runs = StudyRuns(looking, next(e for e in experiments(looking) if e.name == "grid"))
    assert [runs.refresh(9), runs.refresh(9)] == [1, 2]
    assert progress_of(runs) == progress_of(Tracker(where, "grid", to_read=True))
    assert [(b.run_id, b.value) for b in progress_of(runs).best] == [(new.info.run_id, 0.5)]
    assert where.database.read_bytes() == before

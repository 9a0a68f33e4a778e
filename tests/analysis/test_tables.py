"""Results and predictions of a work folder as tables: in files beside a report, and as data frames."""

import csv
import doctest
import io
import json
import tracemalloc
from dataclasses import replace

import drawn_runs
import pandas as pd
import pyarrow.parquet
import pytest

import ser
from ser.analysis import loaded, tables
from ser.errors import BadInput
from ser.report import collect, tidy
from ser.report.runs import Options
from ser.report.tidy_files import files
from ser.runs import reader
from ser.runs.location import Location
from ser.runs.tracker import Tracker
from ser.study import REFERENCE


@pytest.fixture(scope="module")
def tracker(work, study):
    return Tracker(Location.of(work, None, to_read=True), study.name, to_read=True)


@pytest.fixture(scope="module")
def rows(tracker, study):
    return tidy.rows_of(tracker, study, None, Options(replicates=60))


@pytest.fixture(scope="module")
def table(rows):
    return pd.read_csv(io.BytesIO(files(rows)["results.csv"]), keep_default_na=False, na_values=[""])


def test_doctests(work):
    for module in (tables, loaded):
        assert doctest.testmod(module, extraglobs={"work": work}).failed == 0


def test_there_is_a_row_for_each_trial_and_tested_corpus(table, plan):
    assert len(table) == 24
    assert list(table.title) == [t.title for t in plan.trials]
    assert set(table.target) == {"ravdess"}
    assert set(table.combination) == {"R", "T+R"}
    assert set(table.corpora) == {"ravdess", "tess,ravdess"}
    assert (table.block.nunique(), table.pooling.nunique(), table.task.nunique()) == (3, 2, 2)
    assert table.same_as.notna().sum() == 6
    assert set(table.same_as.dropna()) <= set(table.trial_id)
    assert not table.unseen.any()


def test_failed_and_missing_trials_are_rows_without_numbers(table):
    by_status = table.set_index("status")
    assert by_status.index.value_counts().to_dict() == {"finished": 22, "failed": 1, "missing": 1}
    assert by_status.failure["failed"] == drawn_runs.ERROR
    assert by_status.failure.isna().sum() == 23
    for status in ("failed", "missing"):
        assert by_status.loc[status, ["n", "wa", "ua_low", "macro_f1", "epochs"]].isna().all()
        assert by_status.loc[status, ["title", "block", "pooling", "seed", "target"]].notna().all()
    assert pd.isna(by_status.run_id["missing"])


def test_numbers_and_intervals_are_those_of_the_report(table, tracker, study, tmp_path):
    collect.report(tracker, study, tmp_path, Options(replicates=60))
    lines = list(csv.DictReader(io.StringIO((tmp_path / "tables.csv").read_text())))
    for metric in ("WA", "UA"):
        shown = [row for row in lines if (row["table"], row["column"]) == ("results", metric)]
        cells = sorted(
            (float(r["value"]), float(r["low"] or "nan"), float(r["high"] or "nan")) for r in shown if r["value"]
        )
        names = [metric.lower() + end for end in ("", "_low", "_high")]
        done = table[table.status == "finished"]
        assert len(cells) == len(done) == 22
        assert sorted(map(tuple, (100 * done[names]).to_numpy().tolist())) == [
            pytest.approx(c, nan_ok=True) for c in cells
        ]
    beside = pd.read_csv(tmp_path / "results.csv", keep_default_na=False, na_values=[""])
    pd.testing.assert_frame_equal(beside, table)


def test_scores_are_those_that_the_runs_have_logged(table, tracker):
    for run in tracker.runs("attributes.status = 'FINISHED'"):
        row = table[table.run_id == run.info.run_id].iloc[0]
        metrics = run.data.metrics
        assert row[["wa", "ua", "macro_f1"]].tolist() == [metrics[f"{m}/ravdess"] for m in ("wa", "ua", "macro_f1")]
        assert row[["val_loss", "val_ua", "epochs", "seconds"]].tolist() == [0.5, 0.25, 4, 9.5]
        recall = next(name for name in metrics if name.startswith("recall/"))
        assert row["recall_" + recall.split("/")[2]] == metrics[recall]


def test_parquet_has_the_same_rows_and_types(rows):
    both = files(rows)
    stored = pyarrow.parquet.read_table(io.BytesIO(both["results.parquet"]))
    assert stored.column_names == list(rows.columns)
    for name, values in rows.columns.items():
        assert stored[name].to_pylist() == [None if value == "" else value for value in values], name
    types = {name: str(stored.schema.field(name).type) for name in ("n", "wa", "unseen", "title", "fold")}
    assert types == {"n": "int64", "wa": "double", "unseen": "bool", "title": "string", "fold": "double"}


def test_a_study_without_rows_has_files_all_the_same():
    both = files(tidy.Rows({"wa": [], "n": []}))
    assert both["results.csv"] == b"wa,n\n"
    assert pyarrow.parquet.read_table(io.BytesIO(both["results.parquet"])).num_rows == 0


def test_a_store_that_is_asked_through_mlflow_gives_the_same(work, rows, study, monkeypatch):
    """As a tracking server is: without reading its database."""
    monkeypatch.setattr(reader, "is_known", lambda where: False)
    tracker = Tracker(Location.of(work, None, to_read=True), study.name, to_read=True)
    assert not isinstance(tracker.client, reader.Reader)
    assert tidy.rows_of(tracker, study, None, Options(replicates=60)).columns == rows.columns


def test_an_axis_has_numbers_where_all_values_are_numbers():
    assert tidy._typed(["1", None, "2"]) == [1, None, 2]
    assert tidy._typed(["1e-3", "2"]) == [0.001, 2.0]
    assert tidy._typed(["True", None, "False"]) == [True, None, False]
    assert tidy._typed(["16,16", "8"]) == ["16,16", "8"]


def test_tables_of_predictions_are_not_held(tracker, study, monkeypatch):
    """Of 400 runs with 64 megabytes of predictions a few at once."""
    (run,) = tracker.runs("attributes.status = 'FINISHED'")[:1]
    text = tracker.text("predictions.csv", run.info.artifact_uri)
    header, *lines = text.splitlines()
    wide = "\n".join([f"{header},pad", *(f"{line},{'x' * 20_000}" for line in lines)])
    monkeypatch.setattr(tracker, "text", lambda path, folder: "".join([wide, "\n"]))  # new each time
    many = []
    for i in range(400):
        tags = {**run.data.tags, "trial_id": f"{i:012x}"}
        many.append(replace(run, info=replace(run.info, run_id=f"{i:032x}"), data=replace(run.data, tags=tags)))
    monkeypatch.setattr(tracker, "pages", lambda query="": iter(many))
    tracemalloc.start()
    result = tidy.rows_of(tracker, study, None, Options(replicates=2))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(result) >= 400
    assert peak < 32e6


def test_predictions_are_of_all_runs_or_of_some(work, table):
    every = ser.predictions("interaffection", work)
    sizes = every.groupby("run_id", observed=True).size()
    assert sizes.to_dict() == table.dropna(subset="n").set_index("run_id").n.to_dict()
    some = ser.predictions("interaffection", work, run_ids=table.run_id[:2])
    assert list(some.run_id.unique()) == list(table.run_id[:2])
    assert {"uid", "speaker", "sex", "session", "sentence", "label", "prediction", "p_angry"} <= set(some.columns)
    assert isinstance(some.speaker.dtype, pd.CategoricalDtype)
    with pytest.raises(BadInput, match=r"no-such.*22 finished runs"):
        ser.predictions("interaffection", work, run_ids=["no-such"])


def test_a_twin_is_itself_with_the_training_that_it_shares(work, table):
    twin = table[table.same_as.notna()].iloc[0]
    run = ser.load_run(twin.run_id, work)
    assert (run.trial_id, run.title, run.same_as) == (twin.trial_id, twin.title, twin.same_as)
    assert run.statement.id == twin.same_as
    assert run.metrics["ua/ravdess"] == twin.ua


def test_a_run_without_weights_says_what_lacks(work, table):
    with pytest.raises(BadInput, match=r"best\.pt"):
        ser.load_run(table.run_id[0], work).model()


def test_what_is_not_there_is_said(work, tmp_path):
    with pytest.raises(BadInput, match="no runs"):
        ser.results("interaffection", tmp_path)
    with pytest.raises(BadInput, match="finished run"):
        ser.load_run("0123456789abcdef", work)
    with pytest.raises(AttributeError, match="no_such"):
        ser.no_such  # noqa: B018
    assert {"results", "load_run"} <= set(dir(ser))


def test_the_place_is_that_of_commands(work, monkeypatch):
    monkeypatch.setenv("SER_WORK", str(work))
    assert len(ser.results("interaffection", replicates=0)) == 24
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{work}/mlflow.db")
    monkeypatch.setenv("SER_WORK", str(work / "elsewhere"))
    assert len(ser.results("interaffection", replicates=0)) == 24
    assert json.loads(ser.results("interaffection", replicates=0).n.to_json()) == dict.fromkeys(map(str, range(24)))


def test_references_are_no_rows(tracker, study, monkeypatch):
    runs = tracker.runs()
    marked = [replace(r, data=replace(r.data, params={**r.data.params, "role": REFERENCE})) for r in runs[:1]]
    monkeypatch.setattr(tracker, "pages", lambda query="": iter([*marked, *runs[1:]]))
    ids = tidy.rows_of(tracker, study, None, Options(replicates=0)).columns["run_id"]
    assert runs[0].info.run_id not in ids
    assert runs[1].info.run_id in ids

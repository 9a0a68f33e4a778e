"""What commands that only look read of a database is what MLflow's client reads; nothing heavy is imported for it."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import mlflow
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from mlflow import MlflowClient
from mlflow.entities import Metric, ViewType

from ser.errors import BadInput
from ser.runs import reader
from ser.runs.location import Location
from ser.runs.mlflow_client import Client
from ser.runs.schema import REVISION
from ser.runs.tracker import FINISHED, Tracker

VALUES = {"plain": 0.25, "nan": float("nan"), "endless": float("inf"), "ua/ravdess": 0.5}
HEAVY = ("torch", "mlflow", "ray", "sqlalchemy", "pandas", "sklearn", "scipy", "matplotlib", "fsspec")
QUERIES = [
    "",
    FINISHED,
    "attributes.status = 'RUNNING'",
    "attributes.end_time >= 40",
    f"{FINISHED} and attributes.end_time >= 41",
    "tags.trial_id LIKE '%'",
    "tags.trial_id LIKE 't1%'",
    f"{FINISHED} and tags.`mlflow.ser.trial.t2` = 'yes'",
    f"{FINISHED} and tags.title = 'T and R · mean'",
    f"{FINISHED} and attributes.run_name = 'run 1'",
    "tags.TITLE = 'T and R · mean'",
    "tags.title LIKE 't and%'",
    "params.block = 'lstm' and attributes.status != 'FAILED'",  # asked of MLflow
]


@pytest.fixture(scope="module")
def where(tmp_path_factory):
    """A database with runs of all kinds, and a deleted experiment."""
    place = Location.of(tmp_path_factory.mktemp("work"), None)
    client = Client(place)
    experiment = client.create_experiment("study", tags={"ser.study": "study"}, artifact_location=place.artifacts)
    client.delete_experiment(client.create_experiment("gone"))
    for number, (status, start) in enumerate([("FINISHED", 30), ("FINISHED", 10), ("FAILED", 20), ("FINISHED", 10)]):
        tags = {"trial_id": f"t{number}", f"mlflow.ser.trial.t{number}": "yes", "title": "T and R · mean", "odd": ""}
        run = client.create_run(experiment, start_time=start, tags=tags, run_name=f"run {number}")
        client.log_batch(
            run.info.run_id,
            metrics=[Metric(k, v, 5 + step, step) for step in range(3) for k, v in VALUES.items()],
            params=[mlflow.entities.Param("block", "lstm"), mlflow.entities.Param("ü", "é\n'")],
        )
        client.set_terminated(run.info.run_id, status, end_time=40)
    client.create_run(experiment, start_time=5, tags={"trial_id": "open"}, run_name="")
    client.delete_run(client.create_run(experiment, tags={"trial_id": "deleted"}).info.run_id)
    return place


@pytest.fixture
def only_reader(where, monkeypatch):
    """The reader, which may not ask MLflow."""
    monkeypatch.setattr(reader, "_whole_client", lambda *_, **__: pytest.fail("MLflow was asked"))
    return reader.client(where, to_read=True)


def plain(run):
    values = {k: repr(v) for k, v in run.data.metrics.items()}
    names = ("run_id", "run_name", "status", "start_time", "end_time", "artifact_uri", "experiment_id")
    return [getattr(run.info, name) for name in names], run.data.params, run.data.tags, values, run.info.lifecycle_stage


def experiment_id(where):
    return MlflowClient(where.uri).get_experiment_by_name("study").experiment_id


@pytest.mark.parametrize("order", [[], ["attributes.start_time ASC"], ["attributes.start_time DESC"]])
@pytest.mark.parametrize("query", QUERIES)
def test_runs_are_those_that_mlflow_gives_in_its_order(where, query, order):
    client, whole = reader.client(where, to_read=True), MlflowClient(where.uri)
    expected = whole.search_runs([experiment_id(where)], query, order_by=order)
    runs = client.search_runs([experiment_id(where)], query, order_by=order)
    assert list(map(plain, runs)) == list(map(plain, expected))


def test_pages_join_to_all_runs_once(where, only_reader):
    token, ids = None, []
    while True:
        page = only_reader.search_runs([experiment_id(where)], max_results=2, page_token=token)
        ids += [run.info.run_id for run in page]
        if not (token := page.token):
            break
    assert ids == [r.info.run_id for r in MlflowClient(where.uri).search_runs([experiment_id(where)])]
    assert len(ids) == 5


def test_experiments_single_runs_and_curves_are_mlflows(where, only_reader):
    whole = MlflowClient(where.uri)
    for name in ("study", "gone", "never"):
        one, other = only_reader.get_experiment_by_name(name), whole.get_experiment_by_name(name)
        values = [e and (e.experiment_id, e.name, e.tags, e.artifact_location, e.lifecycle_stage) for e in (one, other)]
        assert values[0] == values[1]
    assert [e.name for e in only_reader.search_experiments()] == [e.name for e in whole.search_experiments()]
    runs = whole.search_runs([experiment_id(where)], FINISHED, run_view_type=ViewType.ALL)
    for run in runs:
        assert plain(only_reader.get_run(run.info.run_id)) == plain(run)
        for key in VALUES:
            expected = whole.get_metric_history(run.info.run_id, key)
            read = only_reader.get_metric_history(run.info.run_id, key)
            assert [(m.key, repr(m.value), m.timestamp, m.step) for m in read] == [
                (m.key, repr(m.value), m.timestamp, m.step) for m in expected
            ]
            curve = [repr(m.value) for m in sorted(expected, key=lambda m: m.step)]
            several = only_reader.curves([run.info.run_id, "no such run"], key)
            assert {run: [*map(repr, values)] for run, values in several.items()} == (
                {run.info.run_id: curve} if curve else {}
            )


def test_the_tables_are_those_of_the_installed_version():
    config = Config()
    config.set_main_option("script_location", str(Path(mlflow.__file__).parent / "store/db_migrations"))
    assert ScriptDirectory.from_config(config).get_current_head() == REVISION


@pytest.mark.parametrize("change", ["UPDATE alembic_version SET version_num = 'other'", "DROP TABLE alembic_version"])
def test_another_version_is_left_to_mlflow(where, tmp_path, change):
    copy = tmp_path / "mlflow.db"
    copy.write_bytes(where.database.read_bytes())
    with closing(sqlite3.connect(copy)) as connection:
        connection.execute(change)
        connection.commit()
    assert not reader.is_known(Location.of(tmp_path, None))
    with pytest.raises(BadInput):
        Tracker(Location.of(tmp_path, None), "study", to_read=True).runs()


def test_reading_writes_nothing_even_where_nothing_may_be_written(where, only_reader):
    before = where.database.read_bytes()
    where.database.chmod(0o444)
    assert len(only_reader.search_runs([experiment_id(where)], FINISHED)) == 3
    assert where.database.read_bytes() == before
    assert sorted(p.name for p in where.database.parent.glob("*mlflow.db*")) == [".mlflow.db.lock", "mlflow.db"]


def test_files_of_a_run_are_read_and_none_beside_them(tmp_path):
    run = tmp_path / "artifacts"
    (run / "split").mkdir(parents=True)
    (run / "split/a.json").write_text("ä", encoding="utf-8")
    (tmp_path / "secret").write_text("no")
    (run / "link").symlink_to(tmp_path / "secret")
    for place in (str(run), run.as_uri()):
        assert reader.local_text(place, "split/a.json") == "ä"
        assert reader.local_names(place, "split") == {"split/a.json"}
        assert reader.local_names(place, None) == {"split", "link"}
        assert reader.local_names(place, "absent") == set()
        assert [reader.local_text(place, path) for path in ("link", "../secret", "absent")] == [None] * 3
    assert reader.local_names(str(tmp_path / "absent"), None) is None
    assert reader.local_text("s3://bucket/run", "a") is None


@pytest.mark.parametrize("command", ["status", "doctor"])
def test_commands_that_only_look_import_nothing_heavy(where, command):
    """Of a study without runs as of one with: `ser status` names it, and MLflow is not asked."""
    arguments = [command, *(["interaffection"] if command == "status" else [])]
    code = (
        "import sys; from ser.cli.main import main; main(sys.argv[1:]); "
        f"print('loaded', *(m for m in {HEAVY} if m in sys.modules))"
    )
    work = str(where.database.parent)
    done = subprocess.run([sys.executable, "-c", code, *arguments, "--work", work], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "loaded", done.stdout + done.stderr


@pytest.mark.parametrize(("command", "more"), [(["studies"], ["numpy"]), (["corpora", "--known"], [])])
def test_lists_of_what_there_is_import_no_tables_and_bars(command, more):
    assert loaded_by(f"main({command})", [*HEAVY, "rich", "ser.planning.plan", *more]) == []


def test_a_report_loads_of_scipy_its_functions_and_sparse_arrays_alone():
    parts = "import ser.report.collect, ser.report.interaffection.content, ser.report.comparisons as c, numpy as n; "
    heavy = {*HEAVY, "scipy.stats", "scipy.optimize", "matplotlib.pyplot"} - {"scipy", "matplotlib"}
    assert loaded_by(parts + "c.pairwise_over_cases(n.eye(4))", sorted(heavy)) == []


def loaded_by(code, modules):
    """Those of ``modules`` that a process has loaded when it has executed ``code``."""
    code = f"import sys; from ser.cli.main import main; {code}"
    code += f"; print(); print(*(m for m in {modules} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1].split()

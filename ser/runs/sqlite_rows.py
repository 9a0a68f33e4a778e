"""The rows of a run in MLflow's SQLite database, written as MLflow's client writes them, in fewer statements.

Its client loads the run again for every list of values, and takes some hundred statements for a trial; these are a
dozen. They know one schema, ``REVISION``, and write what they can be sure of: where MLflow would raise, or would do
something else, they write nothing and say so, and the caller leaves it to MLflow. Errors are those of SQLAlchemy.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple
from uuid import uuid4

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from ser.runs.schema import REVISION

_WAIT_MS = 20_000  # for other writers, as MLflow does
_NEWER = "(excluded.step, excluded.timestamp, excluded.value)"
_OLDER = "(latest_metrics.step, latest_metrics.timestamp, latest_metrics.value)"
_VALUES = "value = excluded.value, timestamp = excluded.timestamp, step = excluded.step, is_nan = excluded.is_nan"

MetricRow = tuple[str, float, int, int, bool]  # key, value (0 for NaN), time in ms, step, whether it is NaN


class DatasetRow(NamedTuple):
    """A dataset that a run uses, as MLflow's tables hold it."""

    name: str
    digest: str
    kind: str  # of the source
    source: str
    schema: str | None
    profile: str | None
    tags: Mapping[str, str]  # of its use in the run


class SqliteRows:
    """Rows of one database, by an ``engine`` of MLflow's own."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def is_known(self) -> bool:
        """Whether the database is SQLite and of the schema that is known here."""
        if self._engine.dialect.name != "sqlite":
            return False
        try:
            with self._engine.connect() as connection:
                rows = connection.exec_driver_sql("SELECT version_num FROM alembic_version").fetchall()
        except SQLAlchemyError:
            return False
        return [tuple(row) for row in rows] == [(REVISION,)]

    def tagged(self, experiment: str, key: str, text: str) -> list[tuple[str, str]]:
        """Returns (run, status) of the runs with this tag that are not deleted."""
        query = """SELECT runs.run_uuid, runs.status FROM tags JOIN runs ON runs.run_uuid = tags.run_uuid
            WHERE tags.key = ? AND tags.value = ? AND runs.experiment_id = ? AND runs.lifecycle_stage = 'active'"""
        with self._engine.connect() as connection:
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {_WAIT_MS}")
            rows = connection.exec_driver_sql(query, (key, text, int(experiment))).fetchall()
        return [(str(run), str(status)) for run, status in rows]

    def rekey_tags(self, experiment: str, prefix: str, letters: int) -> None:
        """Shortens the keys of tags ``<prefix><name>`` = yes to so many ``letters`` of the name, which is the value."""
        of_name = "key > ? AND key < ? AND length(key) > ? AND value = 'yes'"
        of_name += " AND run_uuid IN (SELECT run_uuid FROM runs WHERE experiment_id = ?)"
        length = len(prefix) + letters
        values = (prefix, f"{prefix}~", length, int(experiment))
        with self._engine.connect() as connection:
            if not connection.exec_driver_sql(f"SELECT 1 FROM tags WHERE {of_name} LIMIT 1", values).fetchone():
                return
        update = f"UPDATE tags SET value = substr(key, ?), key = substr(key, 1, ?) WHERE {of_name}"
        with self._writing() as connection:
            connection.exec_driver_sql(update, (len(prefix) + 1, length, *values))

    def add_run(
        self,
        experiment: str,
        run: str,
        name: str,
        user: str,
        start_ms: int,
        tags: Mapping[str, str],
        place: Callable[[str], str],
    ) -> str | None:
        """Begins a run; returns where its files go, ``place`` of where those of the experiment are.

        None: the experiment is not active.
        """
        columns = "run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time,"
        columns += " source_version, lifecycle_stage, artifact_uri, experiment_id"
        with self._writing() as connection:
            if (location := _location(connection, experiment)) is None:
                return None
            uri = place(location)
            values = (run, name, "UNKNOWN", "", "", user, "RUNNING", start_ms, "", "active", uri, int(experiment))
            _insert(connection, "runs", columns, [values])
            _insert(connection, "tags", "key, value, run_uuid", [(k, v, run) for k, v in tags.items()])
        return uri

    def log(
        self, run: str, params: Mapping[str, str], metrics: Sequence[MetricRow], tags: Mapping[str, str] | None = None
    ) -> bool:
        """Adds what the run does not have yet, and sets ``tags``.

        False: it is not active, or states another value of a parameter.
        """
        with self._writing() as connection:
            if not _is_active(connection, run):
                return False
            query = "SELECT key, value FROM params WHERE run_uuid = ?"
            existing = {str(k): v for k, v in connection.exec_driver_sql(query, (run,)).fetchall()} if params else {}
            if any(existing.get(key, text) != text for key, text in params.items()):
                return False
            new = [(key, text, run) for key, text in params.items() if key not in existing]
            _insert(connection, "params", "key, value, run_uuid", new)
            rows = [(*row, run) for row in dict.fromkeys(metrics)]
            columns = "key, value, timestamp, step, is_nan, run_uuid"
            _insert(connection, "metrics", columns, rows, "ON CONFLICT DO NOTHING")
            newest: dict[str, tuple[object, ...]] = {}
            for row in sorted(rows, key=lambda r: (r[3], r[2], r[1])):
                newest[row[0]] = row
            update = f"ON CONFLICT (key, run_uuid) DO UPDATE SET {_VALUES} WHERE {_NEWER} > {_OLDER}"
            _insert(connection, "latest_metrics", columns, list(newest.values()), update)
            texts = [(key, text, run) for key, text in (tags or {}).items()]
            update = "ON CONFLICT (key, run_uuid) DO UPDATE SET value = excluded.value"
            _insert(connection, "tags", "key, value, run_uuid", texts, update)
        return True

    def add_datasets(self, run: str, datasets: Sequence[DatasetRow]) -> bool:
        """Notes datasets as inputs of a run; what it has already adds nothing. False: the run is not active."""
        query = "SELECT experiment_id FROM runs WHERE run_uuid = ? AND lifecycle_stage = 'active'"
        columns = "dataset_uuid, experiment_id, name, digest, dataset_source_type, dataset_source, dataset_schema,"
        columns += " dataset_profile"
        edge = "input_uuid, source_type, source_id, destination_type, destination_id"
        with self._writing() as connection:
            if (row := connection.exec_driver_sql(query, (run,)).fetchone()) is None:
                return False
            rows = [(uuid4().hex, row[0], *dataset[:-1]) for dataset in datasets]
            _insert(connection, "datasets", columns, rows, "ON CONFLICT DO NOTHING")
            for dataset in {(d.name, d.digest): d for d in reversed(datasets)}.values():
                lookup = "SELECT dataset_uuid FROM datasets WHERE experiment_id = ? AND name = ? AND digest = ?"
                identity = connection.exec_driver_sql(lookup, (row[0], dataset.name, dataset.digest)).scalar_one()
                values = (uuid4().hex, "DATASET", identity, "RUN", run)
                places = ", ".join("?" * len(values))
                insert = f"INSERT INTO inputs ({edge}) VALUES ({places}) ON CONFLICT DO NOTHING"
                if connection.exec_driver_sql(insert, values).rowcount:
                    tags = [(values[0], key, text) for key, text in dataset.tags.items()]
                    _insert(connection, "input_tags", "input_uuid, name, value", tags)
        return True

    def end(self, run: str, status: str, end_ms: int) -> bool:
        """Marks a run as ended. False: it is not active."""
        with self._writing() as connection:
            update = "UPDATE runs SET status = ?, end_time = ? WHERE run_uuid = ? AND lifecycle_stage = 'active'"
            return connection.exec_driver_sql(update, (status, end_ms, run)).rowcount == 1

    def add_model(
        self, experiment: str, model: str, name: str, run: str, kind: str, now_ms: int, place: Callable[[str], str]
    ) -> str | None:
        """Begins the model of a run, as pending; returns where its files go. None: the experiment is not active."""
        columns = "model_id, experiment_id, name, artifact_location, creation_timestamp_ms, last_updated_timestamp_ms,"
        columns += " status, lifecycle_stage, model_type, source_run_id"
        with self._writing() as connection:
            if (location := _location(connection, experiment)) is None:
                return None
            uri = place(location)
            values = (model, int(experiment), name, uri, now_ms, now_ms, 1, "active", kind, run)
            _insert(connection, "logged_models", columns, [values])
        return uri

    def add_outputs(self, run: str, models: Mapping[str, tuple[str, int]]) -> bool:
        """Notes models as outputs of a run: row's id -> (model, step). False: the run is not active."""
        columns = "input_uuid, source_type, source_id, destination_type, destination_id, step"
        rows = [(row, "RUN_OUTPUT", run, "MODEL_OUTPUT", model, step) for row, (model, step) in models.items()]
        with self._writing() as connection:
            if not _is_active(connection, run):
                return False
            _insert(connection, "inputs", columns, rows)
        return True

    def end_model(self, model: str, now_ms: int) -> bool:
        """Marks a model as ready. False: there is none."""
        with self._writing() as connection:
            update = "UPDATE logged_models SET status = 2, last_updated_timestamp_ms = ? WHERE model_id = ?"
            return connection.exec_driver_sql(update, (now_ms, model)).rowcount == 1

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """One transaction, of the only writer from its beginning on."""
        with self._engine.begin() as connection:
            connection.exec_driver_sql("PRAGMA foreign_keys = ON")
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {_WAIT_MS}")
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection


def _location(connection: Connection, experiment: str) -> str | None:
    query = "SELECT artifact_location FROM experiments WHERE experiment_id = ? AND lifecycle_stage = 'active'"
    row = connection.exec_driver_sql(query, (int(experiment),)).fetchone()
    return None if row is None else str(row[0])


def _is_active(connection: Connection, run: str) -> bool:
    query = "SELECT 1 FROM runs WHERE run_uuid = ? AND lifecycle_stage = 'active'"
    return connection.exec_driver_sql(query, (run,)).fetchone() is not None


def _insert(
    connection: Connection, table: str, columns: str, rows: Sequence[tuple[object, ...]], otherwise: str = ""
) -> None:
    if rows:
        places = ", ".join("?" * len(rows[0]))
        connection.exec_driver_sql(f"INSERT INTO {table} ({columns}) VALUES ({places}) {otherwise}", list(rows))

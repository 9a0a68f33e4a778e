"""MLflow's client: the only file that imports MLflow. Its many errors become two: Away, and Refused.

A database file is made whole, or not at all; a database of another version of MLflow is never altered.
"""

import fcntl
import glob
import json
import logging
import os
import time
import warnings
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from math import isnan
from pathlib import Path
from sys import float_info
from typing import Any, Literal, TypeVar
from uuid import uuid4

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # with the password that an address may hold
# The default waits four minutes for a dead server and two for a slow answer; training should know within seconds.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "1")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "15")
# Sent in the background, what a server refuses is only logged, and the run is marked as finished without it.
os.environ["MLFLOW_ENABLE_ASYNC_LOGGING"] = "false"

import mlflow
from mlflow import MlflowClient
from mlflow.entities import (
    Dataset,
    DatasetInput,
    Experiment,
    FileInfo,
    InputTag,
    LoggedModel,
    LoggedModelInput,
    LoggedModelOutput,
    LoggedModelStatus,
    Metric,
    Param,
    Run,
    RunData,
    RunInfo,
    RunTag,
)
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.db.base_sql_model import Base
from mlflow.store.db.utils import _initialize_tables
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT
from mlflow.utils.rest_utils import http_request
from mlflow.utils.uri import append_to_uri_path
from mlflow.utils.validation import _validate_batch_log_data
from sqlalchemy import URL, Connection, create_engine, inspect
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from ser.errors import Away, BadInput, Refused
from ser.host import paths
from ser.host.paths import without_secrets
from ser.runs.folder import Dataset as DataOfRun
from ser.runs.location import Location
from ser.runs.refusal import is_passing, refusal
from ser.runs.sqlite_rows import DatasetRow, MetricRow, SqliteRows

__all__ = [
    "ArtifactRepository",
    "Client",
    "Experiment",
    "FileInfo",
    "LoggedModel",
    "LoggedModelOutput",
    "Metric",
    "Param",
    "Run",
    "RunTag",
    "artifact_files",
    "dataset_inputs",
    "is_listed_by_server",
    "mlflow_version",
    "pages",
]

logging.getLogger("alembic").setLevel(logging.WARNING)
logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)


_Value = TypeVar("_Value")


class Client:
    """MLflow's client, whose many errors become two: Away, and Refused where no waiting helps."""

    def __init__(self, where: Location, to_read: bool = False, on_error: Callable[[], object] = lambda: None) -> None:
        """``on_error`` is called at every error of the store, before it is raised."""
        self._where, self._on_error = where, on_error
        self.call(_check_database, where, to_read)
        self._client = self.call(open_client, where.uri)
        if not to_read and where.database is not None:
            self._client = self.call(_with_rows, self._client, where.uri)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return partial(self.call, getattr(self._client, name))

    def tagged(self, experiment: str, key: str, text: str) -> list[tuple[str, str]] | None:
        """Returns (run, status) of the runs of an experiment with this tag; None where only a search can tell."""
        if not isinstance(self._client, _SqliteClient):
            return None
        return self.call(self._client.tagged, experiment, key, text)

    def rekey_tags(self, experiment: str, prefix: str, letters: int) -> None:
        """As ``SqliteRows.rekey_tags``, where the database lets it."""
        if isinstance(self._client, _SqliteClient):
            self.call(self._client.rows.rekey_tags, experiment, prefix, letters)

    def call(self, method: Callable[..., _Value], *args: object, **options: object) -> _Value:
        """Returns the value of ``method``. Raises Away, and Refused."""
        try:
            return method(*args, **options)
        except BadInput:
            raise
        except (MlflowException, SQLAlchemyError, OSError, ImportError) as error:
            raise self._translated(error) from error

    def call_storage(self, method: Callable[..., _Value], *args: object) -> _Value:
        """As ``call``, for files, which may lie in a store whose library has errors of its own."""
        try:
            return self.call(method, *args)
        except (Away, BadInput):
            raise
        except Exception as error:
            raise self._translated(error) from error

    def _translated(self, error: Exception) -> Away | Refused:
        self._on_error()
        words = without_secrets(next(iter(str(error).splitlines()), ""))[:300] or type(error).__name__
        if is_passing(self._where.uri, error):
            return Away(f"{self._where.printable}: {words}")
        return refusal(self._where.printable, error, words)


class _SqliteClient(MlflowClient):
    """MLflow's client of an SQLite database that ``SqliteRows`` knows: these calls take some of its statements.

    They write what ``MlflowClient`` writes, and leave to it whatever is not plain.
    """

    def __init__(self, uri: str, rows: SqliteRows) -> None:
        super().__init__(tracking_uri=uri)
        self.rows = rows

    def tagged(self, experiment: str, key: str, text: str) -> list[tuple[str, str]]:
        return self.rows.tagged(experiment, key, text)

    def create_run(
        self,
        experiment_id: str,
        start_time: int | None = None,
        tags: dict[str, Any] | None = None,
        run_name: str | None = None,
    ) -> Run:
        tags, run, start_ms = dict(tags or {}), uuid4().hex, start_time or int(time.time() * 1000)
        user, uri = str(tags.get("mlflow.user", "unknown")), None
        if run_name and tags.setdefault("mlflow.runName", run_name) == run_name:
            place = partial(_below, run, "artifacts")
            uri = self.rows.add_run(experiment_id, run, run_name, user, start_ms, tags, place)
        if uri is None:
            return super().create_run(experiment_id, start_time, tags, run_name)
        info = RunInfo(run, experiment_id, user, "RUNNING", start_ms, None, "active", uri, run_name)
        return Run(info, RunData(tags=[RunTag(key, text) for key, text in tags.items()]))

    def log_batch(
        self,
        run_id: str,
        metrics: Sequence[Metric] = (),
        params: Sequence[Param] = (),
        tags: Sequence[RunTag] = (),
        synchronous: bool | None = None,
    ) -> None:
        names = [param.key for param in params]
        plain = not any(tag.key == "mlflow.runName" for tag in tags)  # which is a column of the run, too
        if plain and len(set(names)) == len(names) and not any(metric.model_id for metric in metrics):
            _, valid, texts = _validate_batch_log_data(metrics, params, tags)
            stated, noted = {p.key: p.value for p in valid}, {t.key: t.value for t in texts}
            if self.rows.log(run_id, stated, list(map(_row, metrics)), noted):
                return
        super().log_batch(run_id, metrics, params, tags, synchronous)

    def set_terminated(self, run_id: str, status: str | None = None, end_time: int | None = None) -> None:
        if not self.rows.end(run_id, status or "FINISHED", end_time or int(time.time() * 1000)):
            super().set_terminated(run_id, status, end_time)

    def create_logged_model(
        self,
        experiment_id: str,
        name: str | None = None,
        source_run_id: str | None = None,
        tags: dict[str, Any] | None = None,
        params: dict[str, Any] | None = None,
        model_type: str | None = None,
    ) -> LoggedModel:
        if name and source_run_id and model_type and not tags and not params:
            model, now_ms = f"m-{uuid4().hex}", int(time.time() * 1000)
            place = partial(_below, "models", model, "artifacts")
            uri = self.rows.add_model(experiment_id, model, name, source_run_id, model_type, now_ms, place)
            if uri is not None:
                status = LoggedModelStatus.PENDING
                return LoggedModel(experiment_id, model, name, uri, now_ms, now_ms, model_type, source_run_id, status)
        return super().create_logged_model(experiment_id, name, source_run_id, tags, params, model_type)

    def log_inputs(
        self,
        run_id: str,
        datasets: Sequence[DatasetInput] | None = None,
        models: Sequence[LoggedModelInput] | None = None,
    ) -> None:
        rows = [_dataset_row(each) for each in datasets or ()]
        if models or not self.rows.add_datasets(run_id, rows):
            super().log_inputs(run_id, datasets, models)

    def log_outputs(self, run_id: str, models: list[LoggedModelOutput]) -> None:
        if not self.rows.add_outputs(run_id, {uuid4().hex: (model.model_id, model.step) for model in models}):
            super().log_outputs(run_id, models)

    def finalize_logged_model(  # type: ignore[override]  # nobody reads what it returns
        self, model_id: str, status: Literal["READY", "FAILED"] | LoggedModelStatus
    ) -> LoggedModel | None:
        if status == "READY" and self.rows.end_model(model_id, int(time.time() * 1000)):
            return None
        return super().finalize_logged_model(model_id, status)


def _below(*names_and_location: str) -> str:
    *names, location = names_and_location
    return str(append_to_uri_path(location, *names))


def dataset_inputs(datasets: Iterable[DataOfRun]) -> list[DatasetInput]:
    """Returns datasets as inputs of a run, with what they are used for."""
    inputs = []
    for each in datasets:
        source = json.dumps({"uri": each.source})
        data = Dataset(each.name, each.digest, "local", source, profile=each.profile)
        inputs.append(DatasetInput(data, [InputTag(MLFLOW_DATASET_CONTEXT, each.context)]))
    return inputs


def _dataset_row(each: DatasetInput) -> DatasetRow:
    data = each.dataset
    tags = {tag.key: tag.value for tag in each.tags}
    return DatasetRow(data.name, data.digest, data.source_type, data.source, data.schema, data.profile, tags)


def _row(metric: Metric) -> MetricRow:
    """A metric as MLflow's tables hold it: no NaN, and nothing infinite."""
    value, is_nan = float(metric.value), isnan(metric.value)
    largest = float_info.max
    return metric.key, 0.0 if is_nan else max(-largest, min(value, largest)), metric.timestamp, metric.step, is_nan


def _with_rows(client: MlflowClient, uri: str) -> MlflowClient:
    """Returns a client that writes rows itself, where they are known."""
    store = client._tracking_client.store
    if type(store).__name__ != "SqlAlchemyStore":  # one of its own module, which only MLflow loads without warnings
        return client
    rows = SqliteRows(store.engine)
    return _SqliteClient(uri, rows) if rows.is_known else client


def artifact_files(uri: str, tracking_uri: str) -> ArtifactRepository:
    """Returns MLflow's access to the files below ``uri``, without asking the tracking store for it."""
    return get_artifact_repository(uri, tracking_uri=tracking_uri)


def mlflow_version() -> str:
    """Returns the version of MLflow that is installed."""
    return str(mlflow.__version__)


def is_listed_by_server(uri: str, run_id: str, name: str) -> bool:
    """Whether the server itself has the file ``name`` of a run: MLflow's client would look on this machine."""
    endpoint = "/api/2.0/mlflow/artifacts/list"
    answer = http_request(get_default_host_creds(uri), endpoint, "GET", params={"run_id": run_id})
    answer.raise_for_status()
    return name in {file["path"] for file in answer.json().get("files", ())}


def pages(where: Location) -> Callable[..., Awaitable[None]]:
    """Returns MLflow's pages on ``where`` as an ASGI application of this process, without its runner of jobs.

    Names of the machine are for the caller to check: MLflow itself knows localhost, and no other origin than that.
    """
    # MLflow reads these when it is imported and when it is first used; its own command sets the same ones.
    os.environ["_MLFLOW_SERVER_FILE_STORE"] = os.environ["_MLFLOW_SERVER_REGISTRY_STORE"] = where.uri
    os.environ["_MLFLOW_SERVER_ARTIFACT_ROOT"] = Path(where.artifacts).as_uri()
    os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
    os.environ["MLFLOW_SERVER_ALLOWED_HOSTS"] = "*"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of MLflow's libraries to MLflow
        from mlflow.server.fastapi_app import app
    application: Callable[..., Awaitable[None]] = app
    return application


def open_client(uri: str) -> MlflowClient:
    """Returns MLflow's client of a tracking store; one process at a time makes a database file, under another name.

    MLflow's migrations begin it. Cut off in the middle, or run by two at once, they leave tables behind with which no
    process can ever open it again.
    """
    file = paths.sqlite_file(uri)
    if file is not None and not _is_there(file):
        with _locked(file):
            if not _is_there(file):
                _make_whole(file)
    return MlflowClient(tracking_uri=uri)


def _is_there(file: Path) -> bool:
    return file.exists() and file.stat().st_size > 0


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Makes others wait who would open this database; not where there are no locks, or the folder can only be read."""
    with ExitStack() as stack:
        with suppress(OSError):
            lock = stack.enter_context(file.with_name(f".{file.name}.lock").open("a", encoding="utf-8"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make_whole(file: Path) -> None:
    """Makes a new database that is complete or not there."""
    for remnant in file.parent.glob(f".{glob.escape(file.name)}.new*"):  # of processes that were killed
        remnant.unlink(missing_ok=True)
    temporary = file.with_name(f".{file.name}.new{os.getpid()}")
    engine = create_engine(URL.create("sqlite", database=str(temporary)), poolclass=NullPool)
    try:
        _initialize_tables(engine)
        engine.dispose()
        os.replace(temporary, file)
    finally:
        temporary.unlink(missing_ok=True)


def _check_database(where: Location, to_read: bool) -> None:
    """Raises where MLflow would make a database that is only read, or alter one of another version without a word.

    Raises too, at once, where a database server cannot be reached: MLflow would try again for more than a minute.
    """
    if "://" not in where.uri or where.uri.startswith("http"):
        return
    file = where.database
    if file is not None and not _is_there(file):
        if to_read:
            raise BadInput(f"no runs in {where.printable}", "tracking store", "a database that `ser run` wrote",
                           "name it, or run first")  # fmt: skip
        return
    with create_engine(where.uri, poolclass=NullPool).connect() as connection:
        _check_tables(where, connection, to_read)


def _check_tables(where: Location, connection: Connection, to_read: bool) -> None:
    tables = set(inspect(connection).get_table_names())
    if to_read and "experiments" not in tables:
        raise BadInput(f"no runs in {where.printable}", "tracking store", "a database that `ser run` wrote",
                       "name it, or run first")  # fmt: skip
    if "alembic_version" in tables and not tables >= set(Base.metadata.tables):
        raise Refused(
            f"{where.printable} was made by an older version of MLflow",
            "MLflow",
            "a database of this version: others may still use it with theirs",
            f"back it up, then `mlflow db upgrade {where.printable}`",
        )

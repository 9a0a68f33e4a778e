"""Runs of an SQLite database for commands that only look: what MLflow's client answers, without importing MLflow.

MLflow's package takes seconds to import, its objects of a run a tenth of a megabyte. Here the tables that it documents
are read directly, never written, and only where they are those of the one version that is known here. Whatever else is
asked, and whatever goes wrong, is MLflow's own client's: answers and errors are the same either way.
"""

import os
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from sys import intern
from typing import TYPE_CHECKING, Any, cast

from ser.runs import moved
from ser.runs.location import Location
from ser.runs.schema import REVISION, TABLES

if TYPE_CHECKING:
    from ser.runs.mlflow_client import Client

_AT_ONCE = 500  # runs that one statement asks for
_WAIT_S = 20.0  # for whoever is writing, as long as MLflow does
_CLAUSE = re.compile(r"(attributes|tags)\.(?:`([^`]+)`|([\w.]+)) (=|LIKE) '([^']*)'(?: and (?=\S)|$)")
_SINCE = re.compile(r"attributes\.end_time >= (\d+)(?: and (?=\S)|$)")
_ATTRIBUTES = {"status": "status", "run_id": "run_uuid", "run_name": "name"}
_ORDERS = {
    None: "start_time DESC",
    "attributes.start_time ASC": "start_time IS NULL, start_time",
    "attributes.start_time DESC": "start_time IS NULL, start_time DESC",
}
_RUN = "SELECT run_uuid, name, status, start_time, end_time, artifact_uri, experiment_id, lifecycle_stage FROM runs"
_METRIC = "SELECT run_uuid, key, CASE WHEN is_nan THEN NULL ELSE value END FROM latest_metrics"


@dataclass(frozen=True)
class Info:
    """What a run is, as MLflow's ``RunInfo``; times in milliseconds."""

    run_id: str
    run_name: str
    status: str
    start_time: int
    end_time: int | None
    artifact_uri: str
    experiment_id: str
    lifecycle_stage: str


@dataclass(frozen=True)
class Data:
    """What a run holds, as MLflow's ``RunData``: of each metric its last value."""

    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """A run, as MLflow's ``Run``."""

    info: Info
    data: Data


@dataclass(frozen=True)
class Experiment:
    """An experiment, as MLflow's ``Experiment``."""

    experiment_id: str
    name: str
    artifact_location: str
    lifecycle_stage: str
    tags: dict[str, str]


@dataclass(frozen=True)
class Point:
    """One value of a metric, as MLflow's ``Metric``."""

    key: str
    value: float
    timestamp: int
    step: int


class Page(list[Run]):
    """Some runs, and the ``token`` with which to ask for the next ones; None after the last."""

    token: str | None = None


def client(where: Location, to_read: bool, on_error: Callable[[], object] = lambda: None) -> "Client":
    """Returns MLflow's client of a tracking store, or what answers in its place. Raises as that does.

    ``on_error`` is called at every error of the store, before it is raised.
    """
    if to_read and (file := where.database) is not None and is_known(where):
        return cast("Client", Reader(where, file, on_error))
    return _whole_client(where, to_read, on_error)


def _whole_client(where: Location, to_read: bool, on_error: Callable[[], object]) -> "Client":
    from ser.runs.mlflow_client import Client

    return Client(where, to_read, on_error)


def is_known(where: Location) -> bool:
    """Whether the store is a database file of the version whose tables are known here."""
    file = where.database
    if file is None:
        return False
    if os.environ.get("MLFLOW_ENABLE_WORKSPACES", "").lower() in ("true", "1"):  # they hide experiments of others
        return False
    try:
        tables = "SELECT count(*) FROM sqlite_master WHERE type = 'table'"
        ((version, number),) = _rows(file, f"SELECT version_num, ({tables}) FROM alembic_version")
        return bool(version == REVISION and number >= TABLES)
    except (sqlite3.Error, ValueError):
        return False


@contextmanager
def _opened(file: Path) -> Iterator[sqlite3.Connection]:
    # SQLite writes nothing so, not even what a crash has left to be rolled back: it refuses then.
    with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=_WAIT_S)) as connection:
        connection.execute("PRAGMA case_sensitive_like = true")  # as MLflow has it
        yield connection


def _rows(file: Path, statement: str, values: Sequence[object] = ()) -> list[Any]:
    with _opened(file) as connection:
        return connection.execute(statement, values).fetchall()


class Reader:
    """MLflow's client of a database file that is only read."""

    def __init__(self, where: Location, file: Path, on_error: Callable[[], object]) -> None:
        self._where, self._file, self._on_error = where, file, on_error

    @cached_property
    def _whole(self) -> "Client":
        return _whole_client(self._where, to_read=True, on_error=self._on_error)

    def __getattr__(self, name: str) -> object:
        return getattr(self._whole, name)

    def get_experiment_by_name(self, name: str) -> Experiment | None:
        """Returns the experiment, also if it was deleted; None without one."""
        try:
            matches = self._experiments("name = ?", [name])
        except sqlite3.Error:
            whole: Experiment | None = self._whole.get_experiment_by_name(name)
            return whole
        return matches[0] if matches else None

    def search_experiments(self, max_results: int = 1000) -> list[Experiment]:
        """Returns the experiments that are not deleted."""
        try:
            return self._experiments("lifecycle_stage = 'active'", [])[:max_results]
        except sqlite3.Error:
            whole: list[Experiment] = self._whole.search_experiments(max_results=max_results)
            return whole

    def _experiments(self, condition: str, values: Sequence[object]) -> list[Experiment]:
        columns = "experiment_id, name, artifact_location, lifecycle_stage"
        order = "ORDER BY creation_time DESC, experiment_id"
        rows = _rows(self._file, f"SELECT {columns} FROM experiments WHERE {condition} {order}", values)
        tags: dict[int, dict[str, str]] = {row[0]: {} for row in rows}
        for identity, key, value in _rows(self._file, "SELECT experiment_id, key, value FROM experiment_tags"):
            tags.get(identity, {})[key] = value
        return [Experiment(str(row[0]), row[1], row[2], row[3], tags[row[0]]) for row in rows]

    def get_run(self, run_id: str) -> Run:
        """Returns one run, also if it was deleted. Raises as MLflow's client does."""
        try:
            runs = self._runs(f"{_RUN} WHERE run_uuid = ?", [run_id])
        except sqlite3.Error:
            runs = []
        return runs[0] if runs else self._whole.get_run(run_id)

    def search_runs(
        self,
        experiment_ids: Sequence[str],
        filter_string: str = "",
        max_results: int = 1000,
        order_by: Sequence[str] = (),
        page_token: str | None = None,
    ) -> Page:
        """Returns a page of the runs that match and are not deleted, as MLflow's client does."""
        try:
            return self._page(experiment_ids, filter_string, max_results, order_by, int(page_token or 0))
        except (sqlite3.Error, KeyError, ValueError):
            if page_token:  # whose offset only this class knows: the pages before were read here
                raise
        order = list(order_by)
        whole: Page = self._whole.search_runs(
            list(experiment_ids), filter_string, max_results=max_results, order_by=order
        )
        return whole

    def _page(self, experiments: Sequence[str], query: str, size: int, order: Sequence[str], offset: int) -> Page:
        """Raises KeyError or ValueError for what is not known here."""
        (key,) = order or (None,)
        conditions, values = ["lifecycle_stage = 'active'"], [*map(int, experiments)]
        conditions.append(f"experiment_id IN ({_marks(experiments)})")
        clauses = list(_clauses(query))
        statement = " AND ".join((*conditions, *(condition for condition, _ in clauses)))
        bound = [*values, *(value for _, texts in clauses for value in texts), size + 1, offset]
        runs = self._runs(f"{_RUN} WHERE {statement} ORDER BY {_ORDERS[key]}, run_uuid LIMIT ? OFFSET ?", bound)
        page = Page(runs[:size])
        page.token = str(offset + size) if len(runs) > size else None
        return page

    def _runs(self, statement: str, values: Sequence[object]) -> list[Run]:
        with _opened(self._file) as connection:  # one for all: to open it takes longer than to read a run
            infos = [
                Info(run_id, name or "", status, start, end, uri, str(experiment), stage)
                for run_id, name, status, start, end, uri, experiment, stage in connection.execute(statement, values)
            ]
            runs = {info.run_id: Run(info, Data()) for info in infos}
            of_these = f"WHERE run_uuid IN ({_marks(infos)})"
            for table in ("params", "tags"):
                rows = connection.execute(f"SELECT run_uuid, key, value FROM {table} {of_these}", list(runs))
                for run_id, name, value in rows:
                    getattr(runs[run_id].data, table)[intern(name)] = value
            for run_id, name, number in connection.execute(f"{_METRIC} {of_these}", list(runs)):
                runs[run_id].data.metrics[intern(name)] = float("nan") if number is None else float(number)
        return list(runs.values())

    def tagged(self, experiment: str, key: str, text: str) -> None:
        """Returns None, as ``Client.tagged`` where only a search can tell: here that takes no longer."""

    def get_metric_history(self, run_id: str, key: str) -> list[Point]:
        """Returns all values of one metric of a run, by the time at which they were measured."""
        try:
            rows = _rows(
                self._file,
                "SELECT CASE WHEN is_nan THEN NULL ELSE value END, timestamp, step FROM metrics "
                # The sign keeps SQLite from an index by which it would go through all runs that have the metric.
                "WHERE run_uuid = ? AND +key = ? ORDER BY timestamp, step, value",
                [run_id, key],
            )
        except sqlite3.Error:
            rows = []
        if not rows:  # no such metric, or no such run
            whole: list[Point] = self._whole.get_metric_history(run_id, key)
            return whole
        return [Point(key, float("nan") if value is None else float(value), *rest) for value, *rest in rows]

    def curves(self, run_ids: Sequence[str], key: str) -> dict[str, list[float]]:
        """Returns all values of one metric by step, of those of the runs that have it; none where tables are not read.

        A statement for hundreds of runs takes a hundredth of the time of one for each.
        """
        values: dict[str, list[float]] = {}
        for start in range(0, len(run_ids), _AT_ONCE):
            part = run_ids[start : start + _AT_ONCE]
            statement = (
                "SELECT run_uuid, CASE WHEN is_nan THEN NULL ELSE value END FROM metrics "
                f"WHERE key = ? AND run_uuid IN ({_marks(part)}) ORDER BY run_uuid, step, timestamp, value"
            )
            try:
                rows = _rows(self._file, statement, [key, *part])
            except sqlite3.Error:
                return {}
            for run_id, value in rows:
                values.setdefault(run_id, []).append(float("nan") if value is None else float(value))
        return values


def _marks(values: Iterable[object]) -> str:
    return ", ".join("?" for _ in values)


def _clauses(query: str) -> Iterator[tuple[str, list[str]]]:
    """Yields SQL and its values for each part of one of MLflow's filters. Raises ValueError for one not known here."""
    place = 0
    while place < len(query):
        if since := _SINCE.match(query, place):
            yield "end_time >= CAST(? AS INTEGER)", [since[1]]
            place = since.end()
            continue
        match = _CLAUSE.match(query, place)
        if match is None:
            raise ValueError(query)
        kind, quoted, plain, sign, value = match.groups()
        if kind == "attributes":
            yield f"{_ATTRIBUTES[plain]} {sign} ?", [value]
        else:
            yield f"run_uuid IN (SELECT run_uuid FROM tags WHERE key = ? AND value {sign} ?)", [quoted or plain, value]
        place = match.end()


def local_text(place: str, path: str) -> str | None:
    """Returns the text of a file of a run whose files lie in a folder; None where MLflow had better be asked."""
    try:
        file = _below(place, path)
        return file.read_text(encoding="utf-8") if file else None
    except OSError:
        return None


def local_names(place: str, below: str | None) -> set[str] | None:
    """Returns the paths of files and folders in one folder of a run; None where MLflow had better be asked."""
    try:
        folder = _below(place, below or ".")
        if folder is None or not moved.folder(place).is_dir():
            return None
        return {f"{below}/{name}" if below else name for name in os.listdir(folder)} if folder.is_dir() else set()
    except OSError:
        return None


def _below(place: str, path: str) -> Path | None:
    """The file at ``path`` in a run's folder; None for one elsewhere, whatever leads there."""
    if not moved.is_local(place):
        return None
    folder = moved.folder(place)
    file = folder / path
    is_inside = ".." not in Path(path).parts and file.resolve().is_relative_to(folder.resolve())
    return file if is_inside else None

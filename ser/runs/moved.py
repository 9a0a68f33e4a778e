"""Where the files of runs lie once their work folder was moved, renamed or copied.

MLflow's database holds absolute places. Those in the database of a work folder are below that folder wherever it is
now: the old place may be gone, or be another copy's.
"""

import re
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

_OF_RUN = re.compile(r"(?:file:(?://)?)?/(?:.*/)?artifacts/([^/]+/(?:models/m-)?[0-9a-f]{32}/artifacts(?:/.*)?)")
_OF_EXPERIMENT = re.compile(r"(?:file:(?://)?)?/(?:.*/)?artifacts/([^/]+)")


def is_local(uri: str) -> bool:
    """Whether it names a folder of some machine."""
    return uri.startswith(("/", "file:"))


def folder(uri: str) -> Path:
    """Returns the folder that a local URI names."""
    return Path(unquote(urlsplit(uri).path)) if uri.startswith("file:") else Path(uri)


def current(uri: str, artifacts: str) -> str:
    """Returns the URI of a run's or an experiment's files below the folder ``artifacts``; others as they are."""
    match = _OF_RUN.fullmatch(uri) or _OF_EXPERIMENT.fullmatch(uri)
    return f"{Path(artifacts).as_uri()}/{match[1]}" if match else uri


def is_moved(location: str, artifacts: str, is_own: bool) -> bool:
    """Whether an experiment's files have come along from ``location`` to the folder ``artifacts``.

    ``is_own``: it was made for this folder, wherever that was. Else the old place has to be gone, the new one there.
    """
    to = current(location, artifacts)
    return is_local(location) and to != location and (is_own or (not folder(location).exists() and folder(to).exists()))


def rewrite(database: Path, artifacts: str, marks: Sequence[str]) -> int:
    """Makes the database of a moved work folder name the new places, for MLflow's own pages; returns of how many.

    All in one transaction, for the experiments that bear one of the tags ``marks`` or whose old place is gone. Raises
    sqlite3.Error where it cannot be written.
    """
    with closing(sqlite3.connect(database, timeout=20, isolation_level=None)) as connection:
        query = f"SELECT experiment_id FROM experiment_tags WHERE key IN ({', '.join('?' for _ in marks)})"
        marked = {row[0] for row in connection.execute(query, marks)}
        rows = connection.execute("SELECT experiment_id, artifact_location FROM experiments").fetchall()
        moved = {i: location for i, location in rows if location and is_moved(location, artifacts, i in marked)}
        if not moved:
            return 0
        connection.execute("BEGIN IMMEDIATE")
        for identity, location in moved.items():
            _rewrite_one(connection, identity, location, artifacts)
        connection.execute("COMMIT")
    return len(moved)


def _rewrite_one(connection: sqlite3.Connection, identity: int, location: str, artifacts: str) -> None:
    where: Mapping[str, object] = {"id": identity, "to": current(location, artifacts)}
    connection.execute("UPDATE experiments SET artifact_location = :to WHERE experiment_id = :id", where)
    runs = connection.execute("SELECT run_uuid, artifact_uri FROM runs WHERE experiment_id = :id", where).fetchall()
    changed = [(current(uri, artifacts), run) for run, uri in runs if uri]
    connection.executemany("UPDATE runs SET artifact_uri = ? WHERE run_uuid = ?", changed)
    models = connection.execute(
        "SELECT model_id, artifact_location FROM logged_models WHERE experiment_id = :id", where
    )
    changed = [(current(uri, artifacts), model) for model, uri in models.fetchall() if uri]
    connection.executemany("UPDATE logged_models SET artifact_location = ? WHERE model_id = ?", changed)

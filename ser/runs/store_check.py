"""Checks of a tracking store before anything is trained: it answers, takes runs and files, and gives them back."""

import os
import socket
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from zlib import crc32

from ser.errors import Away, BadInput, Refused
from ser.runs import moved, reader
from ser.runs.location import Location
from ser.runs.tracker import FINISHED, STUDY, Tracker, follow

if TYPE_CHECKING:  # a database file is tried without MLflow
    from ser.runs.mlflow_client import Client

_DOCTOR = "ser-doctor"  # the experiment in which the doctor tries a run
_MARK = "seen.txt"  # the file by which artifact stores are tried


def check_answers(where: Location) -> None:
    """Raises Away, or BadInput, where the tracking store does not answer."""
    reader.client(where, reader.is_known(where)).search_experiments(max_results=1)


def check_writable(tracker: Tracker) -> None:
    """Writes to the experiment, and a file among its artifacts, which is read and removed again.

    Raises Away, and BadInput where a trained trial could not be delivered.
    """
    tracker.client.set_experiment_tag(tracker.experiment, STUDY, tracker.study)
    if not (tracker.where.uri.startswith("http") and moved.is_local(tracker.location)):
        return _try_files(tracker.client, tracker.where, tracker.place(tracker.location))
    run = tracker.client.create_run(tracker.experiment, run_name="files tried")
    try:
        _try_files(tracker.client, tracker.where, run.info.artifact_uri, run.info.run_id)
    finally:
        tracker.client.delete_run(run.info.run_id)


def ready_for_pages(where: Location) -> str:
    """Checks that there is something for MLflow's pages to show, with its files; returns what they will lack, or "".

    Raises BadInput where there is no database, or one that MLflow would alter.
    """
    if where.uri.startswith("http"):
        return ""
    from ser.runs.mlflow_client import Client

    Client(where, to_read=True)
    try:
        follow(where)
    except OSError as error:
        return f"the work folder was moved, and its database cannot be changed ({error}): the pages show no artifacts"
    return ""


def try_out(where: Location) -> None:
    """Writes a run with an artifact, reads it back and removes it. Raises Away, and BadInput where that does not go.

    Of a server or a database server stays the experiment ``ser-doctor``, deleted, until `mlflow gc` erases it; in an
    SQLite file nothing does, as there it is only tried whether it can be written.
    """
    if where.database is not None:
        return _try_file(where, where.database)
    from ser.runs.mlflow_client import Client

    client = Client(where)
    for is_last in (False, False, True):
        try:
            return _try_run(client, where)
        except Refused as error:  # the doctor of another machine may be about to delete the experiment
            if is_last or "must be in the 'active' state" not in str(error):
                raise


def _try_file(where: Location, file: Path) -> None:
    for place in (file if file.exists() else file.parent, Path(where.artifacts or file.parent)):
        existing = next(p for p in (place, *place.absolute().parents) if p.exists())
        if not os.access(existing, os.W_OK | (os.X_OK if existing.is_dir() else 0)):
            raise BadInput(f"{existing} cannot be written", "tracking store", "a place of one's own", "fix its rights")
    if not file.exists():
        return  # the first run makes it
    client = reader.client(where, reader.is_known(where))
    client.search_experiments(max_results=1)
    try:
        _lock(file)
    except OSError as error:
        client.call(_raise, error)


def _raise(error: OSError) -> None:
    raise error


def _lock(file: Path) -> None:
    with closing(sqlite3.connect(file, timeout=20, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise OSError(str(error)) from error


def _try_run(client: "Client", where: Location) -> None:
    from ser.runs.mlflow_client import Metric, Param

    experiment = _doctors_experiment(client, where)
    run = client.create_run(experiment, tags={"work": "doctor"}, run_name=socket.gethostname())
    try:
        client.log_batch(run.info.run_id, metrics=[Metric("seen", 1.0, 0, 0)], params=[Param("text", "·" * 250)])
        _try_files(client, where, run.info.artifact_uri, run.info.run_id)
        read = client.get_run(run.info.run_id).data
        if (read.metrics, read.params) != ({"seen": 1.0}, {"text": "·" * 250}):
            remedy = "fix it (a database has to be in UTF-8)"
            raise Refused(f"{where.printable} gives back {read.params}", "MLflow", "a store that keeps values", remedy)
    finally:
        client.set_terminated(run.info.run_id, "FINISHED")
        for done in client.search_runs([experiment], FINISHED):  # earlier ones came back with their experiment
            client.delete_run(done.info.run_id)
        if not client.search_runs([experiment], max_results=1):
            client.delete_experiment(experiment)


def _doctors_experiment(client: "Client", where: Location) -> str:
    # Its place is that of who made it: of a server, or of one of several work folders.
    name = f"{_DOCTOR}-{crc32(where.artifacts.encode()):08x}" if where.artifacts else _DOCTOR
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        location = f"{Path(where.artifacts).as_uri()}/{name}" if where.artifacts else None
        try:
            return str(client.create_experiment(name, artifact_location=location))
        except (Away, Refused):
            experiment = client.get_experiment_by_name(name)
            if experiment is None:  # else another machine was faster
                raise
    if experiment.lifecycle_stage == "deleted":
        client.restore_experiment(experiment.experiment_id)
    return str(experiment.experiment_id)


def _try_files(client: "Client", where: Location, place: str, run_id: str = "") -> None:
    """Raises where files below ``place`` cannot be written or read, or do not arrive at the server of the run."""
    client.call_storage(_check_files, where, place)
    if not (where.uri.startswith("http") and moved.is_local(place)):
        return
    mark = moved.folder(place) / _MARK
    try:
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.write_text(run_id, encoding="utf-8")
        from ser.runs.mlflow_client import is_listed_by_server

        arrived = client.call_storage(is_listed_by_server, where.uri, run_id, _MARK)
    except OSError:
        arrived = False
    finally:
        with suppress(OSError):
            mark.unlink()
            mark.parent.rmdir()
            mark.parent.parent.rmdir()
    if not arrived:
        raise Refused(
            f"{where.printable} keeps artifacts in its own folder {place}, which this machine does not share",
            "MLflow",
            "a server that passes files on (mlflow server --artifacts-destination), or a folder that machines share",
            "start it so, and rename the experiment in its pages: a new one is made, as places of old ones stay",
        )


def _check_files(where: Location, place: str) -> None:
    """Writes, reads and removes a file. What cannot be removed stays: some stores do not let their users."""
    if where.uri.startswith("http") and moved.is_local(place):
        return  # to be asked of the server
    from ser.runs.mlflow_client import artifact_files

    files, token = artifact_files(place, where.uri), f"ser-check-{os.urandom(8).hex()}"
    with TemporaryDirectory() as folder:
        (Path(folder) / _MARK).write_text(token, encoding="utf-8")
        files.log_artifact(str(Path(folder) / _MARK), token)
        try:
            read = Path(files.download_artifacts(f"{token}/{_MARK}", folder)).read_text(encoding="utf-8")
        finally:
            with suppress(Exception):
                files.delete_artifacts(token)
    if read != token:
        raise OSError(f"a file below {place} is read otherwise than it was written")

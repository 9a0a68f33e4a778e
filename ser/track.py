"""Runs in MLflow: the only file that imports it. One experiment per study, one finished run per trial.

A run is found by its tag ``trial_id`` before one is made, and metrics carry the time at which they were measured;
MLflow ignores a metric it already holds, so sending a history twice adds nothing.
"""

import json
import logging
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
# The default waits four minutes for a dead server and then raises; training should know within seconds.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "2")

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from ser.errors import BadInput
from ser.plan import Source
from ser.study import Trial, flat

logging.getLogger("alembic").setLevel(logging.WARNING)
logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)

_KIND = {"mlflow.experimentKind": "custom_model_development"}  # else MLflow's pages open on views for language models
_FLUSH_S = 15.0  # a flush costs about as much whether it carries one epoch or fifty


@dataclass(frozen=True)
class Location:
    """Where runs go: a tracking URI, and a folder for artifacts where the URI is not a server's."""

    uri: str
    artifacts: str

    @classmethod
    def of(cls, work: Path, uri: str | None, to_read: bool = False) -> "Location":
        """``uri`` as given, or the SQLite file of the work folder, which must be there ``to_read``. Raises BadInput."""
        if uri is None and to_read and not (work / "mlflow.db").exists():
            raise BadInput(
                f"{work}, which has no runs", "--work", "a folder that `ser run` wrote", "name it, or run first"
            )
        if uri is None:
            return cls(f"sqlite:///{work.absolute() / 'mlflow.db'}", str(work.absolute() / "artifacts"))
        if not uri.startswith(("http://", "https://", "sqlite:///", "postgresql", "mysql", "mssql")):
            raise BadInput(
                repr(uri),
                "--tracking-uri",
                "http(s)://HOST:PORT, sqlite:///FILE, or a database URL of MLflow",
                "give one",
            )
        return cls(uri, "" if uri.startswith("http") else str(work.absolute() / "artifacts"))


class Tracker:
    """The experiment of one study."""

    def __init__(self, where: Location, study: str) -> None:
        self.where = where
        try:
            self.client = MlflowClient(tracking_uri=where.uri)
            found = self.client.get_experiment_by_name(study)
            self.experiment: str = found.experiment_id if found else self._create(study)
        except (MlflowException, SQLAlchemyError, ImportError, OSError) as error:
            raise BadInput(
                _without_secrets(where.uri), "--tracking-uri", "a tracking store that answers",
                f"start the server or mend the address ({_without_secrets(str(error).splitlines()[0])[:200]})",
            ) from None  # fmt: skip

    def _create(self, study: str) -> str:
        location = f"{Path(self.where.artifacts).as_uri()}/{study}" if self.where.artifacts else None
        try:
            return str(self.client.create_experiment(study, artifact_location=location, tags=_KIND))
        except MlflowException:  # another process was faster
            found = self.client.get_experiment_by_name(study)
            if found is None:
                raise
            return str(found.experiment_id)

    def runs(self, query: str = "") -> list[Run]:
        """All runs that match MLflow's ``query``, oldest first."""
        out: list[Run] = []
        token: str | None = None
        while True:
            page = self.client.search_runs(
                [self.experiment], query, max_results=1000, order_by=["attributes.start_time ASC"], page_token=token
            )
            out.extend(page)
            token = page.token
            if not token:
                return out

    def finished(self, trial_id: str | None = None) -> dict[str, Run]:
        """trial id -> its finished run (the earliest, should there be two), of all trials or of one."""
        query = "attributes.status = 'FINISHED'" + (f" and tags.trial_id = '{trial_id}'" if trial_id else "")
        out: dict[str, Run] = {}
        for run in self.runs(query):
            out.setdefault(run.data.tags.get("trial_id", ""), run)
        out.pop("", None)
        return out

    def start(self, trial: Trial, tags: Mapping[str, str]) -> "RunLog | None":
        """The open run of ``trial``, found or made; None if the trial is finished."""
        found = self.runs(f"tags.trial_id = '{trial.id}'")
        if any(run.info.status == "FINISHED" for run in found):
            return None
        for extra in found[1:]:
            self.client.set_tag(extra.info.run_id, "superseded_by", found[0].info.run_id)
            self.client.set_terminated(extra.info.run_id, "KILLED")
        if found:
            run_id = found[0].info.run_id
            self.client.update_run(run_id, status="RUNNING")
            with suppress(MlflowException):
                self.client.delete_tag(run_id, "error")
        else:
            tags = {"trial_id": trial.id, "study": trial.study, **tags}
            run_id = self.client.create_run(self.experiment, tags=tags, run_name=trial.title).info.run_id
        params = [Param(k, v) for k, v in trial.params().items()]
        for at in range(0, len(params), 100):  # as many as MLflow takes at once
            self.client.log_batch(run_id, params=params[at : at + 100])
        return RunLog(self.client, run_id)

    def close_left(self, left: Mapping[str, str]) -> None:
        """Close the runs that dead workers left open: trial id -> its error, or "" for an interrupt.

        The next call opens them again.
        """
        for run in self.runs("attributes.status = 'RUNNING'"):
            error = left.get(run.data.tags.get("trial_id", ""))
            if error:
                RunLog(self.client, run.info.run_id).fail(error)
            elif error is not None:
                self.client.set_terminated(run.info.run_id, "KILLED")

    def mirror(self, original: Run, trial: Trial) -> None:
        """Record ``trial`` as finished by the training of ``original``, an equal model: same values, marked as such."""
        tags = {k: v for k, v in original.data.tags.items() if not k.startswith("mlflow.") and k != "trial_id"}
        log = self.start(trial, tags | {"same_as": original.data.tags["trial_id"]})
        if log is None:
            return
        run_id = original.info.run_id
        log.send(m for key in original.data.metrics for m in self.client.get_metric_history(run_id, key))
        folder = Path(self.client.download_artifacts(run_id, ""))
        for name in ("confusion", "split"):
            self.client.log_artifacts(log.run_id, str(folder / name), name)
        self.client.log_artifact(log.run_id, str(folder / "predictions.csv"))
        self.client.set_terminated(log.run_id, "FINISHED")

    def mean_epochs(self, variant: str) -> dict[str, float]:
        """Temporal block -> mean number of epochs of the finished runs of one grid."""
        seen: dict[str, list[float]] = {}
        for run in self.finished().values():
            if run.data.tags.get("variant") == variant and "epochs" in run.data.metrics:
                seen.setdefault(run.data.params["temporal"], []).append(run.data.metrics["epochs"])
        return {block: sum(n) / len(n) for block, n in seen.items()}

    def check_unchanged(self, sources: Iterable[Source]) -> None:
        """Raises BadInput if trials finished on another state of a corpus, equally read, and none on this one."""
        runs = self.finished().values()
        for corpus in (s.corpus for s in sources):
            wanted = flat({f"corpus.{corpus.name}": {"loader": asdict(corpus.loader)}})
            then = {
                run.data.tags.get(f"fingerprint/{corpus.name}"): run.info.run_name
                for run in runs
                if wanted.items() <= run.data.params.items()
            }
            if then and corpus.fingerprint not in then:
                fingerprint, name = then.popitem()
                raise BadInput(
                    f"fingerprint {corpus.fingerprint}, but {fingerprint} when {name} finished",
                    f"corpus {corpus.name}",
                    "the corpus as it was, or a fresh start on the changed one",
                    "restore it, or pass --accept-changed-corpus (finished runs are kept)",
                )

    def curve(self, run_id: str, metric: str) -> list[float]:
        """All values of one metric, by epoch."""
        history = self.client.get_metric_history(run_id, metric)
        return [m.value for m in sorted(history, key=lambda m: m.step)]

    def artifact(self, run: Run, path: str) -> Path:
        """A local copy of one artifact."""
        return Path(self.client.download_artifacts(run.info.run_id, path))


class RunLog:
    """One open run. Epochs are buffered and sent together every quarter of a minute, and at the end."""

    def __init__(self, client: MlflowClient, run_id: str) -> None:
        self.client, self.run_id = client, run_id
        self._buffer: list[Metric] = []
        self._flushed = time.monotonic()

    def epoch(self, number: int, row: Mapping[str, float]) -> None:
        """Note the values of one epoch; ``row["timestamp_ms"]`` says when they were measured."""
        when = int(row["timestamp_ms"])
        self._buffer += [Metric(k, v, when, number) for k, v in row.items() if k not in ("epoch", "timestamp_ms")]
        if time.monotonic() - self._flushed > _FLUSH_S:
            self.flush()

    def flush(self) -> None:
        """Send what is buffered."""
        self.send(self._buffer)
        self._buffer = []
        self._flushed = time.monotonic()

    def send(self, metrics: Iterable[Metric], tags: Mapping[str, str] | None = None) -> None:
        """Send metrics, in batches of the size that MLflow takes."""
        queue = list(metrics)
        for at in range(0, max(len(queue), 1), 1000):
            self.client.log_batch(
                self.run_id, metrics=queue[at : at + 1000], tags=[RunTag(k, v) for k, v in (tags or {}).items()]
            )

    def finish(self, results: Mapping[str, float], folder: Path) -> None:
        """Send the rest, the results and all files of ``folder``; the mark FINISHED goes last."""
        self.client.log_artifacts(self.run_id, str(folder))
        now = int(time.time() * 1000)
        self._buffer += [Metric(k, v, now, 0) for k, v in results.items()]
        self.flush()
        self.client.set_terminated(self.run_id, "FINISHED")

    def fail(self, error: str) -> None:
        """Mark the run as failed; what was measured stays, and the trial will be tried again by the next call."""
        self.flush()
        self.client.set_tag(self.run_id, "error", error[:4900])
        self.client.set_terminated(self.run_id, "FAILED")


def grid_tags(corpora: Iterable[Any], seeds: int, variant: str) -> dict[str, str]:
    """What a report must know of the grid that a run belongs to."""
    described = [[c.name, c.letter, c.tested] for c in corpora]
    return {"variant": variant, "grid": json.dumps({"corpora": described, "seeds": seeds})}


def serve(where: Location, host: str, port: int) -> int:
    """MLflow's pages on ``where`` until interrupted; one worker and no job runner, a quarter of the usual memory."""
    if where.uri.startswith("http"):
        print(f"the tracking server has its own pages: {_without_secrets(where.uri)}")
        return 0
    print(f"MLflow on http://{host}:{port} (Ctrl-C ends it)", flush=True)
    command = [sys.executable, "-m", "mlflow", "server", "--host", host, "--port", str(port), "--workers", "1"]
    # By environment, not by argument: other users of the machine can read arguments, and a database URI has a password.
    places = {"MLFLOW_BACKEND_STORE_URI": where.uri, "MLFLOW_DEFAULT_ARTIFACT_ROOT": where.artifacts}
    return subprocess.call(command, env={**os.environ, **places, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"})


def _without_secrets(text: str) -> str:
    """The text with every ``scheme://user:password@host`` without its middle."""
    return re.sub(r"://\S*@", "://", text)

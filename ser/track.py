"""Runs in MLflow: the only file that imports it. One experiment per study, one finished run per trial.

A run is found by its tags before one is made, and metrics carry the time at which they were measured: telling MLflow
the same thing twice adds nothing. Runs belong to the work folder that made them, so that two people who train one trial
at the same time write two runs; when one finishes, the other is marked as superseded.
"""

import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # with the password that an address may hold
# The default waits four minutes for a dead server and two for a slow answer; training should know within seconds.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "1")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "15")

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from ser.errors import Away, BadInput
from ser.plan import Source
from ser.spool import Head, Spool
from ser.study import flat

logging.getLogger("alembic").setLevel(logging.WARNING)
logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)

_KIND = {"mlflow.experimentKind": "custom_model_development"}  # else MLflow's pages open on views for language models
_BATCH = 1000  # metrics that MLflow takes at once
_PASSING = ("INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED", "DEADLINE_EXCEEDED", "ABORTED")


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

    @property
    def shown(self) -> str:
        """The address as it may be printed and kept."""
        return without_secrets(self.uri)


class _Client:
    """MLflow's client, whose many errors are one: Away."""

    def __init__(self, where: Location) -> None:
        self._where = where
        self._client = self._asked(MlflowClient, tracking_uri=where.uri)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return partial(self._asked, getattr(self._client, name))

    def _asked(self, method: Callable[..., Any], *args: Any, **options: Any) -> Any:
        try:
            return method(*args, **options)
        except (MlflowException, SQLAlchemyError, OSError) as error:
            said = without_secrets(next(iter(str(error).splitlines()), "")) or type(error).__name__
            raise Away(f"{self._where.shown}: {said[:300]}") from error


class Tracker:
    """The experiment of one study."""

    def __init__(self, where: Location, study: str) -> None:
        """Raises BadInput where no waiting helps, and Away where the store does not answer for now."""
        self.where = where
        try:
            self.client = _Client(where)
            found = self.client.get_experiment_by_name(study)
            self.experiment: str = found.experiment_id if found else self._create(study)
        except (Away, ImportError) as error:
            if isinstance(error, Away) and _is_passing(where.uri, error.__cause__):
                raise
            said = without_secrets(str(error)).removeprefix(f"{where.shown}: ")
            raise BadInput(
                where.shown, "--tracking-uri", "a tracking store that answers",
                f"start the server or mend the address ({said[:200]})",
            ) from None  # fmt: skip

    def _create(self, study: str) -> str:
        location = f"{Path(self.where.artifacts).as_uri()}/{study}" if self.where.artifacts else None
        try:
            return str(self.client.create_experiment(study, artifact_location=location, tags=_KIND))
        except Away:  # another process was faster
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

    def finished(self, trial: str | None = None) -> dict[str, Run]:
        """trial id -> its finished run, of all trials or of one; of several the one that counts (see ``the_one``)."""
        query = "attributes.status = 'FINISHED'" + (f" and tags.trial_id = '{trial}'" if trial else "")
        by_trial: dict[str, list[Run]] = {}
        for run in self.runs(query):
            if "trial_id" in run.data.tags:
                by_trial.setdefault(run.data.tags["trial_id"], []).append(run)
        return {trial_id: the_one(runs) for trial_id, runs in by_trial.items()}

    def start(self, head: Head) -> "RunLog | None":
        """The open run of this work folder for a trial, found or made; None if the trial is finished."""
        found = self.runs(f"tags.trial_id = '{head.trial}'")
        if any(run.info.status == "FINISHED" for run in found):
            self.settle(head.trial)
            return None
        work = head.tags.get("work")
        own = [r for r in found if r.data.tags.get("work", work) == work and "superseded_by" not in r.data.tags]
        for extra in own[1:]:
            self._supersede(extra, own[0])
        if own:
            run_id = own[0].info.run_id
            self.client.update_run(run_id, status="RUNNING")
            if "error" in own[0].data.tags:
                self.client.delete_tag(run_id, "error")
        else:
            tags = {**head.tags, "trial_id": head.trial, "study": head.study}
            run_id = self.client.create_run(self.experiment, tags=tags, run_name=head.title).info.run_id
        params = [Param(k, v) for k, v in head.params.items()]
        for at in range(0, len(params), 100):  # as many as MLflow takes at once
            self.client.log_batch(run_id, params=params[at : at + 100])
        return RunLog(self, head.trial, run_id, self._steps(run_id) if own else set())

    def _steps(self, run_id: str) -> set[int]:
        return {m.step for m in self.client.get_metric_history(run_id, "val/loss")}

    def settle(self, trial: str) -> None:
        """Of all runs of a trial only one counts, once one is finished; the others are marked as superseded.

        Everyone who finishes a trial settles it, and all choose alike: whoever is last sees all runs.
        """
        runs = self.runs(f"tags.trial_id = '{trial}'")
        counted = the_one(r for r in runs if r.info.status == "FINISHED")
        for run in runs:
            marked = "superseded_by" in run.data.tags
            if run.info.run_id == counted.info.run_id and marked:
                self.client.delete_tag(run.info.run_id, "superseded_by")
            elif run.info.run_id != counted.info.run_id and not (marked and run.info.status == "KILLED"):
                self._supersede(run, counted)

    def _supersede(self, run: Run, by: Run) -> None:
        self.client.set_tag(run.info.run_id, "superseded_by", by.info.run_id)
        self.client.set_terminated(run.info.run_id, "KILLED")

    def close_left(self, left: Mapping[str, str]) -> None:
        """Close the runs that dead workers left open: trial id -> its error, or "" for an interrupt.

        The next call opens them again.
        """
        for run in self.runs("attributes.status = 'RUNNING'"):
            error = left.get(run.data.tags.get("trial_id", ""))
            if error is not None:
                RunLog(self, run.data.tags["trial_id"], run.info.run_id, set()).close(error)

    def deliver(self, spool: Spool, log: "RunLog | None" = None) -> None:
        """Tell MLflow all that ``spool`` holds, in order, the mark FINISHED last; what it knows already adds nothing.

        ``log`` is the trial's open run, if it is known. A trial without results stays open for its next attempt, as
        failed or interrupted.
        """
        head, trained = spool.head, spool.results
        if head is None:
            return
        if trained and self.finished(head.trial):
            self.settle(head.trial)  # someone else was faster, or the answer to the last call was lost
        elif log := log or self.start(head):
            log.epochs(spool.epochs)
            if trained:
                log.finish(trained[0], trained[1], spool.files)
            else:
                log.close(spool.error)
        for twin in head.twins if trained else ():
            self.mirror(self.finished(head.trial)[head.trial], twin)

    def mirror(self, original: Run, twin: Head) -> None:
        """Record ``twin`` as finished by the training of ``original``, an equal model: same values, marked as such."""
        tags = {k: v for k, v in original.data.tags.items() if not k.startswith("mlflow.") and k != "trial_id"}
        log = self.start(replace(twin, tags={**tags, **twin.tags, "same_as": original.data.tags["trial_id"]}))
        if log is None:
            return
        run_id = original.info.run_id
        log.send(m for key in original.data.metrics for m in self.client.get_metric_history(run_id, key))
        folder = Path(self.client.download_artifacts(run_id, ""))
        for name in ("confusion", "split"):
            self.client.log_artifacts(log.run_id, str(folder / name), name)
        self.client.log_artifact(log.run_id, str(folder / "predictions.csv"))
        log.close("", "FINISHED")

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
    """One open run; ``known`` are the epochs that it holds already."""

    def __init__(self, tracker: Tracker, trial: str, run_id: str, known: set[int]) -> None:
        self.tracker, self.trial, self.run_id, self.known = tracker, trial, run_id, known

    def epochs(self, rows: Iterable[Mapping[str, float]]) -> None:
        """Send the epochs that the run does not hold yet. ``row["timestamp_ms"]`` says when they were measured."""
        queue: list[Metric] = []
        for row in (r for r in rows if int(r["epoch"]) not in self.known):
            number, when = int(row["epoch"]), int(row["timestamp_ms"])
            values = [Metric(k, v, when, number) for k, v in row.items() if k not in ("epoch", "timestamp_ms")]
            if len(queue) + len(values) > _BATCH:  # an epoch goes whole, or a second try could not tell it is there
                self.send(queue)
                queue = []
            queue += values
            self.known.add(number)
        if queue:
            self.send(queue)

    def send(self, metrics: Iterable[Metric]) -> None:
        """Send metrics, in batches of the size that MLflow takes."""
        queue = list(metrics)
        for at in range(0, len(queue), _BATCH):
            self.tracker.client.log_batch(self.run_id, metrics=queue[at : at + _BATCH])

    def finish(self, when_ms: int, results: Mapping[str, float], folder: Path) -> None:
        """Send all files of ``folder`` and the results; the mark FINISHED goes last."""
        self.tracker.client.log_artifacts(self.run_id, str(folder))
        self.send(Metric(k, v, when_ms, 0) for k, v in results.items())
        self.close("", "FINISHED")

    def close(self, error: str, status: str = "KILLED") -> None:
        """Mark the run as failed with ``error``, else with ``status``."""
        if error:
            self.tracker.client.set_tag(self.run_id, "error", without_secrets(error)[:4900])
        self.tracker.client.set_terminated(self.run_id, "FAILED" if error else status)
        if status == "FINISHED":
            self.tracker.settle(self.trial)


def the_one(finished: Iterable[Run]) -> Run:
    """Which of several finished runs of one trial counts: the one begun first, and the same for whoever asks."""
    return min(finished, key=lambda run: (run.info.start_time, run.info.run_id))


def grid_tags(corpora: Iterable[Any], seeds: int, variant: str) -> dict[str, str]:
    """What a report must know of the grid that a run belongs to."""
    described = [[c.name, c.letter, c.tested] for c in corpora]
    return {"variant": variant, "grid": json.dumps({"corpora": described, "seeds": seeds})}


def serve(where: Location, host: str, port: int) -> int:
    """MLflow's pages on ``where`` until interrupted; one worker and no job runner, a quarter of the usual memory."""
    if where.uri.startswith("http"):
        print(f"the tracking server has its own pages: {where.shown}")
        return 0
    print(f"MLflow on http://{host}:{port} (Ctrl-C ends it)", flush=True)
    command = [sys.executable, "-m", "mlflow", "server", "--host", host, "--port", str(port), "--workers", "1"]
    # By environment, not by argument: other users of the machine can read arguments, and a database URI has a password.
    places = {"MLFLOW_BACKEND_STORE_URI": where.uri, "MLFLOW_DEFAULT_ARTIFACT_ROOT": where.artifacts}
    return subprocess.call(command, env={**os.environ, **places, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"})


def without_secrets(text: str) -> str:
    """The text with every ``scheme://user:password@host`` without its middle."""
    return re.sub(r"://\S*@", "://", text)


def _is_passing(uri: str, error: BaseException | None) -> bool:
    """Whether the store may answer later: a server that is down, not a wrong address, password or file."""
    said = str(error)
    if uri.startswith("sqlite"):
        return "locked" in said
    if uri.startswith("http"):
        return getattr(error, "error_code", "INTERNAL_ERROR") in _PASSING and "valid JSON" not in said
    return not re.search("authentication|does not exist|[Nn]o such|load plugin|driver", said)

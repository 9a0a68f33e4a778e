"""Runs in MLflow: the only file that imports it. One experiment per study, one finished run per trial.

A run is found by its tags before one is made, and metrics carry the time at which they were measured: telling MLflow
the same thing twice adds nothing. Runs belong to the work folder that made them, so that two people who train one trial
at the same time write two runs; when one finishes, the other is marked as superseded.
"""

import fcntl
import glob
import json
import logging
import os
import re
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import mean, stdev
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # with the password that an address may hold
# The default waits four minutes for a dead server and two for a slow answer; training should know within seconds.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "1")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "15")
# Sent in the background, what a server refuses is only logged, and the run is marked as finished without it.
os.environ["MLFLOW_ENABLE_ASYNC_LOGGING"] = "false"

from mlflow import MlflowClient
from mlflow.entities import Experiment, Metric, Param, Run
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.db.utils import _initialize_tables
from mlflow.utils.file_utils import local_file_uri_to_path
from sqlalchemy import URL, create_engine, make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from ser import paths
from ser.errors import Away, BadInput
from ser.paths import without_secrets as without_secrets
from ser.plan import Source
from ser.spool import Head, Spool
from ser.study import Corpus, flat

logging.getLogger("alembic").setLevel(logging.WARNING)
logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)

_KIND = {"mlflow.experimentKind": "custom_model_development"}  # else MLflow's pages open on views for language models
# MLflow's tables find a tag by its key at once, and by its value only among those of all runs; under this prefix its
# pages show no tag. Experiments of earlier versions are without, and say so by lacking the second.
_TRIAL, _KEYED = "mlflow.ser.trial.", "ser.keyed"
_BATCH = 1000  # metrics that MLflow takes at once
_PAGE = 250  # runs held at once: MLflow's own objects of a run take a tenth of a megabyte
_READERS = 8  # files fetched at once
_OF_BOTH = ("confusion", "split", "predictions.csv")  # files of a trial that are true of its twin, too
_FINISHED = "attributes.status = 'FINISHED'"
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
        option, artifacts = "--work" if uri is None else "--tracking-uri", work.absolute() / "artifacts"
        uri = paths.sqlite_uri(artifacts.with_name("mlflow.db")) if uri is None else paths.tracking(uri)
        if uri.startswith("http"):
            return cls(uri, "")
        _check_driver(uri)
        _check_read_back("--work", artifacts, local_file_uri_to_path(artifacts.as_uri()))
        if database := paths.sqlite_file(uri):
            _check_read_back(option, database, make_url(uri).database)
        if database and option != "--work":
            if to_read and not database.exists():
                raise BadInput(
                    f"{database}, which is not there", "--tracking-uri", "a database with runs", "name it, or run first"
                )
            if not to_read:
                database.parent.mkdir(parents=True, exist_ok=True)
        return cls(uri, str(artifacts))

    @property
    def shown(self) -> str:
        """The address as it may be printed and kept."""
        return self.uri if paths.sqlite_file(self.uri) else without_secrets(self.uri)


class _Client:
    """MLflow's client, whose many errors are one: Away."""

    def __init__(self, where: Location) -> None:
        self._where = where
        if "://" in where.uri and not where.uri.startswith(("http", "sqlite")):
            self.asked(_knock, where.uri)
        self._client = self.asked(_opened, where.uri)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return partial(self.asked, getattr(self._client, name))

    def asked(self, method: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """What ``method`` returns."""
        try:
            return method(*args, **options)
        except (MlflowException, SQLAlchemyError, OSError) as error:
            Tracker.kept.clear()  # the store may come back as another
            said = without_secrets(next(iter(str(error).splitlines()), "")) or type(error).__name__
            raise Away(f"{self._where.shown}: {said[:300]}") from error


class Tracker:
    """The experiment of one study."""

    kept: ClassVar[dict[tuple[Location, str], "Tracker"]] = {}

    @classmethod
    def of(cls, where: Location, study: str) -> "Tracker":
        """The one that this process keeps while the store answers. A new one costs requests. Raises as such."""
        if (where, study) not in cls.kept:
            cls.kept[where, study] = cls(where, study)
        return cls.kept[where, study]

    def __init__(self, where: Location, study: str) -> None:
        """Raises BadInput where no waiting helps, and Away where the store does not answer for now."""
        self.where = where
        try:
            self.client = _Client(where)
            found = self.client.get_experiment_by_name(study) or self._created(study)
            self.experiment = str(found.experiment_id)
            self._keyed = _KEYED in found.tags
        except (Away, ImportError) as error:
            if isinstance(error, Away) and _is_passing(where.uri, error.__cause__):
                raise
            said = without_secrets(str(error)).removeprefix(f"{where.shown}: ")
            raise BadInput(
                where.shown, "--tracking-uri", "a tracking store that answers",
                f"start the server or mend the address ({said[:200]})",
            ) from None  # fmt: skip
        self._seen_finished: set[str] = set()

    def _created(self, study: str) -> Experiment:
        location = f"{Path(self.where.artifacts).as_uri()}/{study}" if self.where.artifacts else None
        try:
            self.client.create_experiment(study, artifact_location=location, tags={**_KIND, _KEYED: "yes"})
        except Away:
            if self.client.get_experiment_by_name(study) is None:  # else another process was faster
                raise
        found: Experiment = self.client.get_experiment_by_name(study)
        return found

    def _of(self, trial: str) -> str:
        return f"tags.`{_TRIAL}{trial}` = 'yes'" if self._keyed else f"tags.trial_id = '{trial}'"

    def pages(self, query: str = "") -> Iterator[Run]:
        """All runs that match MLflow's ``query``, oldest first; no more than a page of them is held."""
        token: str | None = None
        while True:
            page = self.client.search_runs(
                [self.experiment], query, max_results=_PAGE, order_by=["attributes.start_time ASC"], page_token=token
            )
            yield from page
            token = page.token
            if not token:
                return

    def runs(self, query: str = "") -> list[Run]:
        """The same, all at once."""
        return list(self.pages(query))

    def newest(self) -> Run | None:
        """The trial's run that was begun last."""
        newest, of_trials = ["attributes.start_time DESC"], "tags.trial_id LIKE '%'"
        return next(iter(self.client.search_runs([self.experiment], of_trials, max_results=1, order_by=newest)), None)

    def nest(self, key: str, title: str, trials: Iterable[Run], values: Mapping[str, str]) -> None:
        """Put the finished runs of a candidate's folds beneath one run of its own, with means and deviations.

        ``values`` are the settings that the search drew. Told again, it adds nothing.
        """
        folds, begun = list(trials), self.runs(f"tags.candidate = '{key}'")
        if begun and begun[0].info.status == "FINISHED":
            return
        run = begun[0] if begun else self.client.create_run(self.experiment, tags={"candidate": key}, run_name=title)
        now, metrics = max(fold.info.end_time for fold in folds), []
        for name in sorted(set.intersection(*(set(fold.data.metrics) for fold in folds))):
            found = [fold.data.metrics[name] for fold in folds]
            metrics.append(Metric(name, mean(found), now, 0))
            if name.startswith("objective/") and len(found) > 1:
                metrics.append(Metric(f"{name}_std", stdev(found), now, 0))
        for fold in folds:
            self.client.set_tag(fold.info.run_id, "mlflow.parentRunId", run.info.run_id)
        params = [Param(k, v) for k, v in values.items()]
        self.client.log_batch(run.info.run_id, metrics=metrics, params=params)
        self.client.set_terminated(run.info.run_id, "FINISHED")

    def finished(self, trial: str | None = None) -> dict[str, Run]:
        """trial id -> its finished run, of all trials or of one; of several the one that counts (see ``the_one``)."""
        by_trial: dict[str, list[Run]] = {}
        for run in self.pages(_FINISHED + (f" and {self._of(trial)}" if trial else "")):
            if "trial_id" in run.data.tags:
                by_trial.setdefault(run.data.tags["trial_id"], []).append(run)
        return {trial_id: the_one(runs) for trial_id, runs in by_trial.items()}

    def finished_of(self, trials: Collection[str]) -> set[str]:
        """Those of ``trials`` that have a finished run. What this tracker once saw finished it asks about no more."""
        unknown = set(trials) - self._seen_finished
        if 2 * len(unknown) > len(self._seen_finished):  # about where a pass over all is cheaper than one by one
            self._seen_finished |= {r.data.tags["trial_id"] for r in self.pages(_FINISHED) if "trial_id" in r.data.tags}
        else:
            self._seen_finished |= {trial for trial in unknown if self.finished(trial)}
        return self._seen_finished & set(trials)

    def start(self, head: Head) -> "RunLog | None":
        """The open run of this work folder for a trial, found or made; None if the trial is finished."""
        found = self.runs(self._of(head.trial))
        if any(run.info.status == "FINISHED" for run in found):
            self.settle(head.trial)
            return None
        work = head.tags.get("work")
        own = [r for r in found if r.data.tags.get("work", work) == work and "superseded_by" not in r.data.tags]
        for extra in own[1:]:
            self._supersede(extra, own[0])
        if own:
            run = own[0]
            run_id = run.info.run_id
            self.client.update_run(run_id, status="RUNNING")
            if "error" in run.data.tags:
                self.client.delete_tag(run_id, "error")
        else:
            tags = {**head.tags, "trial_id": head.trial, "study": head.study, f"{_TRIAL}{head.trial}": "yes"}
            run = self.client.create_run(self.experiment, tags=tags, run_name=head.title)
        params = [Param(k, v) for k, v in head.params.items()]
        for at in range(0, len(params), 100):  # as many as MLflow takes at once
            self.client.log_batch(run.info.run_id, params=params[at : at + 100])
        return RunLog(self, head.trial, run, self._steps(run.info.run_id) if own else set())

    def _steps(self, run_id: str) -> set[int]:
        return {m.step for m in self.client.get_metric_history(run_id, "val/loss")}

    def settle(self, trial: str, own: str = "") -> None:
        """Of all runs of a trial only one counts, once one is finished; the others are marked as superseded.

        Everyone who finishes a trial settles it, and all choose alike: whoever is last sees all runs. ``own`` is a run
        that the caller has just finished: mostly it is the only one, and MLflow finds nothing faster than something.
        """
        if own and not self.runs(f"{self._of(trial)} and attributes.run_id != '{own}'"):
            return
        runs = self.runs(self._of(trial))
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
        for run in self.runs("attributes.status = 'RUNNING'"):  # all first: what is closed leaves the pages
            error = left.get(run.data.tags.get("trial_id", ""))
            if error is not None:
                RunLog(self, run.data.tags["trial_id"], run, set()).close(error)

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
            log = None
        elif log := log or self.start(head):
            if trained:
                log.finish(*trained, spool.files, spool.epochs)
            else:
                log.epochs(spool.epochs)
                log.close(spool.error)
        for twin in head.twins if trained else ():
            counted = self.finished(head.trial)[head.trial]
            self.mirror(counted, twin, spool if log and log.run_id == counted.info.run_id else None)

    def mirror(self, original: Run, twin: Head, told: Spool | None = None) -> None:
        """Record ``twin`` as finished by the training of ``original``, an equal model: same values, marked as such.

        ``told``: the spool of ``original`` where it is at hand, which saves asking MLflow for each curve.
        """
        tags = {k: v for k, v in original.data.tags.items() if not k.startswith("mlflow.") and k != "trial_id"}
        log = self.start(replace(twin, tags={**tags, **twin.tags, "same_as": original.data.tags["trial_id"]}))
        if log is None:
            return
        if told and told.results:
            log.finish(*told.results, told.files, told.epochs, _OF_BOTH)
            return
        run_id = original.info.run_id
        log.send(m for key in original.data.metrics for m in self.client.get_metric_history(run_id, key))
        with TemporaryDirectory() as copy:
            log.finish(0, {}, Path(self.client.download_artifacts(run_id, "", copy)), only=_OF_BOTH)

    def mean_epochs(self, variant: str) -> dict[str, float]:
        """System or block -> mean number of epochs of the finished runs of one grid."""
        seen: dict[str, list[float]] = {}
        for run in self.pages(f"{_FINISHED} and tags.variant = '{variant}'"):
            if "epochs" in run.data.metrics:
                kind = run.data.params.get("about.system") or run.data.params["block"]
                seen.setdefault(kind, []).append(run.data.metrics["epochs"])
        return {kind: sum(n) / len(n) for kind, n in seen.items()}

    def check_unchanged(self, sources: Iterable[Source]) -> None:
        """Raises BadInput if trials finished on another state of a corpus, equally read, and none on this one."""
        asked = {s.corpus.name: s.corpus for s in sources}
        read = {name: flat({f"corpus.{name}": {"loader": asdict(c.loader)}}).items() for name, c in asked.items()}
        then: dict[str, tuple[str | None, str]] = {}
        for run in self.pages(_FINISHED):
            for name in [n for n in asked if read[n] <= run.data.params.items()]:
                then[name] = run.data.tags.get(f"fingerprint/{name}"), run.info.run_name
                if then[name][0] == asked[name].fingerprint:
                    del asked[name]
            if not asked:  # mostly by the first page
                return
        for name in asked.keys() & then.keys():
            fingerprint, title = then[name]
            raise BadInput(
                f"fingerprint {asked[name].fingerprint}, but {fingerprint} when {title} finished",
                f"corpus {name}",
                "the corpus as it was, or a fresh start on the changed one",
                "restore it, or pass --accept-changed-corpus (finished runs are kept)",
            )

    def curve(self, run_id: str, metric: str) -> list[float]:
        """All values of one metric, by epoch."""
        history = self.client.get_metric_history(run_id, metric)
        return [m.value for m in sorted(history, key=lambda m: m.step)]

    def objectives(self, trials: Collection[str], metric: str) -> dict[str, float]:
        """The values of one final metric of those of ``trials`` that are finished and have it."""
        wanted = set(trials)
        return {
            trial: run.data.metrics[metric]
            for trial, run in self.finished().items()
            if trial in wanted and metric in run.data.metrics
        }

    def fetch(self, trial: str, path: str, folder: Path) -> Path:
        """A copy, below ``folder``, of one file of a trial's finished run. Raises BadInput where there is none."""
        found = self.finished(trial)
        if trial not in found:
            raise BadInput(f"trial {trial}", f"runs of {self.where.shown}", "a finished run of it", "run it first")
        return Path(self.client.download_artifacts(found[trial].info.run_id, path, str(folder)))

    def artifact(self, run: Run, path: str) -> Path:
        """A local copy of one artifact."""
        return Path(self.client.download_artifacts(run.info.run_id, path))

    def texts(self, folders: Iterable[str], path: str) -> Iterator[str]:
        """The text of one artifact of each run, in order. ``folders`` are the runs' artifact URIs."""
        waiting = iter(folders)
        with ThreadPoolExecutor(_READERS) as pool:
            while some := list(islice(waiting, 8 * _READERS)):
                yield from pool.map(partial(self.client.asked, self._text, path), some)

    def _text(self, path: str, folder: str) -> str:
        # Past the client, as in RunLog, and without a copy of what lies on this machine.
        files = get_artifact_repository(folder, tracking_uri=self.where.uri)
        with TemporaryDirectory() as copy:
            here = folder.startswith(("file:", "/"))
            return Path(files.download_artifacts(path, None if here else copy)).read_text(encoding="utf-8")


class RunLog:
    """One open run; ``known`` are the epochs that it holds already."""

    def __init__(self, tracker: Tracker, trial: str, run: Run, known: set[int]) -> None:
        self.tracker, self.trial, self.known = tracker, trial, known
        self.run_id, self.folder = str(run.info.run_id), str(run.info.artifact_uri)

    def epochs(self, rows: Iterable[Mapping[str, float]]) -> None:
        """Send the epochs that the run does not hold yet. ``row["timestamp_ms"]`` says when they were measured."""
        self._send_whole(self._new(rows))

    def _new(self, rows: Iterable[Mapping[str, float]]) -> Iterator[list[Metric]]:
        for row in (r for r in rows if int(r["epoch"]) not in self.known):
            number, when = int(row["epoch"]), int(row["timestamp_ms"])
            yield [Metric(k, v, when, number) for k, v in row.items() if k not in ("epoch", "timestamp_ms")]
            self.known.add(number)

    def _send_whole(self, groups: Iterable[list[Metric]]) -> None:
        """Send metrics; an epoch goes whole, or a second try could not tell it is there."""
        queue: list[Metric] = []
        for group in groups:
            if len(queue) + len(group) > _BATCH:
                self.send(queue)
                queue = []
            queue += group
        self.send(queue)

    def send(self, metrics: Iterable[Metric]) -> None:
        """Send metrics, in batches of the size that MLflow takes."""
        queue = list(metrics)
        for at in range(0, len(queue), _BATCH):
            self.tracker.client.log_batch(self.run_id, metrics=queue[at : at + _BATCH])

    def finish(
        self,
        when_ms: int,
        results: Mapping[str, float],
        folder: Path,
        rows: Iterable[Mapping[str, float]] = (),
        only: Iterable[str] = (),
    ) -> None:
        """Send the files of ``folder``, or some ``only``, epochs not sent yet and results; FINISHED goes last."""
        self.tracker.client.asked(self._files, folder, only)
        self._send_whole([*self._new(rows), [Metric(k, v, when_ms, 0) for k, v in results.items()]])
        self.close("", "FINISHED")

    def _files(self, folder: Path, only: Iterable[str]) -> None:
        # Past the client, which would load the whole run to learn of its folder.
        to = get_artifact_repository(self.folder, tracking_uri=self.tracker.where.uri)
        for name in only or [""]:
            if (folder / name).is_dir():
                to.log_artifacts(str(folder / name), name or None)
            else:
                to.log_artifact(str(folder / name))

    def close(self, error: str, status: str = "KILLED") -> None:
        """Mark the run as failed with ``error``, else with ``status``."""
        if error:
            self.tracker.client.set_tag(self.run_id, "error", without_secrets(error)[:4900])
        self.tracker.client.set_terminated(self.run_id, "FAILED" if error else status)
        if status == "FINISHED":
            self.tracker.settle(self.trial, self.run_id)


def the_one(finished: Iterable[Run]) -> Run:
    """Which of several finished runs of one trial counts: the one begun first, and the same for whoever asks."""
    return min(finished, key=lambda run: (run.info.start_time, run.info.run_id))


def grid_tags(
    corpora: Iterable[Corpus],
    seeds: int,
    variant: str,
    mode: str = "paper",
    count: int | None = None,
    compared: Mapping[str, Any] | None = None,
) -> dict[str, str]:
    """What a report must know of the grid that a run belongs to.

    ``count``: all its trials known so far; ``compared``: systems, folds, what corpora lack, as ``Expected`` has them.
    """
    described = [[c.name, c.letter, c.tested] for c in corpora]
    grid = {"corpora": described, "seeds": seeds, "mode": mode, "count": count, **(compared or {})}
    return {"variant": variant, "grid": json.dumps(grid)}


def pages(where: Location) -> Any:
    """MLflow's pages on ``where`` as an ASGI application of this process, without its runner of jobs.

    Names of the machine are for the caller to check: MLflow itself knows localhost, and no other origin than that.
    """
    # MLflow reads these when it is imported and when it is first asked; its own command sets the same ones.
    os.environ["_MLFLOW_SERVER_FILE_STORE"] = os.environ["_MLFLOW_SERVER_REGISTRY_STORE"] = where.uri
    os.environ["_MLFLOW_SERVER_ARTIFACT_ROOT"] = Path(where.artifacts).as_uri()
    os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
    os.environ["MLFLOW_SERVER_ALLOWED_HOSTS"] = "*"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of MLflow's libraries to MLflow
        from mlflow.server.fastapi_app import app
    return app


def answers(where: Location) -> None:
    """Raises Away, or BadInput, where the tracking store does not answer."""
    _Client(where).search_experiments(max_results=1)


def _check_driver(uri: str) -> None:
    """Raises BadInput where this machine cannot talk to such a database; what else is wrong, the Tracker finds."""
    try:
        if not uri.startswith("http"):
            make_url(uri).get_dialect().import_dbapi()
    except ImportError as error:
        raise BadInput(
            without_secrets(uri),
            "--tracking-uri",
            f"a database whose driver is installed, here {error.name}",
            "install it on every node; for PostgreSQL: pip install 'ser[cluster]'",
        ) from None
    except ValueError as error:  # of a port
        allowed = "a database URL of MLflow"
        raise BadInput(without_secrets(uri), "--tracking-uri", allowed, f"mend it ({error})") from None
    except SQLAlchemyError:
        pass


def _check_read_back(option: str, place: Path, again: str | None) -> None:
    """Raises BadInput where SQLAlchemy or MLflow would use another file than ``place``: bytes that are no text."""
    if again != str(place):
        odd = next((c for c in str(place) if c in "%?" or "\ud800" <= c <= "\udfff"), "")
        told = f"{str(place)!a}, of which {odd!a} is read otherwise by MLflow"
        raise BadInput(told, option, "a path that MLflow reads as it is written", "choose a folder of another name")


def _opened(uri: str) -> MlflowClient:
    """MLflow's client of a tracking store. A database file is made whole under another name, by one process at a time.

    MLflow's migrations begin it. Cut off in the middle, or run by two at once, they leave tables behind with which no
    process can ever open it again.
    """
    name = make_url(uri).database if uri.startswith("sqlite:///") else None
    if not name or name == ":memory:":
        return MlflowClient(tracking_uri=uri)
    file = Path(name).absolute()
    with _alone(file):
        if not file.exists() or not file.stat().st_size:
            _make_whole(file)
        return MlflowClient(tracking_uri=uri)


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Others who would open this database wait; not where there are no locks, or the folder can only be read."""
    with ExitStack() as stack:
        with suppress(OSError):
            lock = stack.enter_context(file.with_name(f".{file.name}.lock").open("a"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make_whole(file: Path) -> None:
    """A new database that is complete or not there."""
    for left in file.parent.glob(f".{glob.escape(file.name)}.new*"):  # of processes that were killed
        left.unlink(missing_ok=True)
    temporary = file.with_name(f".{file.name}.new{os.getpid()}")
    engine = create_engine(URL.create("sqlite", database=str(temporary)), poolclass=NullPool)
    try:
        _initialize_tables(engine)
        engine.dispose()
        os.replace(temporary, file)
    finally:
        temporary.unlink(missing_ok=True)


def _knock(uri: str) -> None:
    """Raises at once where a database server cannot be reached; MLflow would try again for more than a minute."""
    create_engine(uri, poolclass=NullPool).connect().close()


def _is_passing(uri: str, error: BaseException | None) -> bool:
    """Whether the store may answer later: a server that is down, not a wrong address, password or file."""
    said = str(error)
    if uri.startswith("sqlite"):
        return "locked" in said
    if uri.startswith("http"):
        return getattr(error, "error_code", "INTERNAL_ERROR") in _PASSING and "valid JSON" not in said
    return not re.search("authentication|does not exist|[Nn]o such|load plugin|driver", said)

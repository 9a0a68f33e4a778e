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
import socket
import sqlite3
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import mean, stdev
from tempfile import TemporaryDirectory
from typing import Any, ClassVar
from zlib import crc32

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
from mlflow.entities import Experiment, FileInfo, Metric, Param, Run
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.db.base_sql_model import Base
from mlflow.store.db.utils import _initialize_tables
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.file_utils import local_file_uri_to_path
from mlflow.utils.rest_utils import http_request
from sqlalchemy import URL, Connection, create_engine, inspect, make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from ser.errors import Away, BadInput, Refused
from ser.host import paths
from ser.host.paths import without_secrets as without_secrets
from ser.planning.plan import Source
from ser.runs import long_text, moved
from ser.runs.folder import Head, RunFolder
from ser.runs.refusal import deleted_experiment, is_passing, refusal, status_of
from ser.study import Corpus, flat

logging.getLogger("alembic").setLevel(logging.WARNING)
logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)

_KIND = {"mlflow.experimentKind": "custom_model_development"}  # else MLflow's pages open on views for language models
# MLflow's tables find a tag by its key at once, and by its value only among those of all runs; under this prefix its
# pages show no tag. Experiments of earlier versions are without, and say so by lacking the second.
_TRIAL, _KEYED = "mlflow.ser.trial.", "ser.keyed"
_STUDY = "ser.study"  # of an experiment: it stays when the experiment is renamed
_DOCTOR = "ser-doctor"  # the experiment in which the doctor tries a run
_BATCH = 1000  # metrics that MLflow takes at once
_PAGE = 250  # runs held at once: MLflow's own objects of a run take a tenth of a megabyte
_READERS = 8  # files fetched at once
_OF_BOTH = ("confusion", "split", "predictions.csv")  # files of a trial that are true of its twin, too
_FINISHED = "attributes.status = 'FINISHED'"
_SEEN = "seen.txt"  # the file by which artifact stores are tried
_ROOM_OF_RUN = 200 - len(f"/{'0' * 32}/artifacts")  # letters of an experiment's place, as databases have it


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

    @property
    def database(self) -> Path | None:
        """The file of an SQLite database; None where the runs are kept elsewhere."""
        return paths.sqlite_file(self.uri)

    @property
    def own_database(self) -> Path | None:
        """The same, if the file lies in the work folder itself, beside the artifacts, and moves along with it."""
        file = self.database
        return file if file and self.artifacts and file.absolute().parent == Path(self.artifacts).parent else None


class _Client:
    """MLflow's client, whose many errors are two: Away, and Refused where no waiting helps."""

    def __init__(self, where: Location, to_read: bool = False) -> None:
        self._where = where
        self.asked(_check_database, where, to_read)
        self._client = self.asked(_opened, where.uri)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return partial(self.asked, getattr(self._client, name))

    def asked(self, method: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """What ``method`` returns."""
        try:
            return method(*args, **options)
        except BadInput:
            raise
        except (MlflowException, SQLAlchemyError, OSError, ImportError) as error:
            raise self._meant(error) from error

    def carried(self, method: Callable[..., Any], *args: Any) -> Any:
        """The same for files, which may lie in a store whose library has errors of its own."""
        try:
            return self.asked(method, *args)
        except (Away, BadInput):
            raise
        except Exception as error:
            raise self._meant(error) from error

    def _meant(self, error: Exception) -> Away | Refused:
        Tracker.kept.clear()  # the store may come back as another
        words = without_secrets(next(iter(str(error).splitlines()), ""))[:300] or type(error).__name__
        if is_passing(self._where.uri, error):
            return Away(f"{self._where.shown}: {words}")
        return refusal(self._where.shown, error, words)


class Tracker:
    """The experiment of one study."""

    kept: ClassVar[dict[tuple[Location, str], "Tracker"]] = {}
    known: ClassVar[dict[tuple[Location, str], str]] = {}  # ids of experiments: they may be renamed during a grid

    @classmethod
    def of(cls, where: Location, study: str) -> "Tracker":
        """The one that this process keeps while the store answers. A new one costs requests. Raises as such."""
        if (where, study) not in cls.kept:
            cls.kept[where, study] = cls(where, study)
        return cls.kept[where, study]

    def __init__(self, where: Location, study: str, to_read: bool = False) -> None:
        """Make the experiment where it is not there yet, but not ``to_read``: then nothing is written.

        Raises Away where the store does not answer for now, BadInput where no waiting helps, and ``to_read`` too where
        there is no such experiment.
        """
        self.where, self.study = where, study
        self.client = _Client(where, to_read)
        found = self._there()
        if found is None and to_read:
            raise self._unknown()
        found = found or self._created()
        if found.lifecycle_stage == "deleted":
            raise self._deleted(found)
        self.experiment = str(found.experiment_id)
        self._keyed = _KEYED in found.tags
        self._location = str(found.artifact_location)
        self._has_moved = bool(where.artifacts) and moved.is_moved(
            self._location, where.artifacts, self._keyed and where.own_database is not None
        )
        if not to_read:
            self._settle_location()
            self.known[where, study] = self.experiment
        self._seen_finished: set[str] = set()

    def _there(self) -> Experiment | None:
        """The experiment of this process's grid, also if it was renamed meanwhile; else the one of the study's name."""
        with suppress(Refused):  # erased
            if identity := self.known.get((self.where, self.study)):
                found: Experiment = self.client.get_experiment(identity)
                if self.study in (found.name, found.tags.get(_STUDY)):
                    return found
        by_name: Experiment | None = self.client.get_experiment_by_name(self.study)
        return by_name

    def _created(self) -> Experiment:
        location = f"{Path(self.where.artifacts).as_uri()}/{self.study}" if self.where.artifacts else None
        tags = {**_KIND, _KEYED: "yes", _STUDY: self.study}
        self._check_room(location or "")
        try:
            self.client.create_experiment(self.study, artifact_location=location, tags=tags)
        except (Away, Refused):
            if self.client.get_experiment_by_name(self.study) is None:  # else another process was faster
                raise
        found: Experiment = self.client.get_experiment_by_name(self.study)
        return found

    def _unknown(self) -> BadInput:
        """There is nothing to read, and what there is instead."""
        names = []
        for found in self.client.search_experiments():
            was = found.tags.get(_STUDY, found.name)
            names += [found.name + (f" (was {was})" if was != found.name else "")] * (found.experiment_id != "0")
        there = f"a study that was run there (it has: {', '.join(sorted(names)) or 'none'})"
        remedy = f"run it first (`ser run {self.study}`), or name the store that has them"
        return BadInput(f"no runs of {self.study} in {self.where.shown}", "tracking store", there, remedy)

    def _deleted(self, found: Experiment) -> Refused:
        said = f"the experiment {found.name} was deleted in MLflow, with its runs"
        return deleted_experiment(self.where.shown, said, str(found.experiment_id))

    def _settle_location(self) -> None:
        """Have new runs write their files where the work folder is now, and where the database can name it."""
        if self._has_moved and self.where.own_database is not None:
            self.client.asked(follow, self.where)
            self._location, self._has_moved = moved.here(self._location, self.where.artifacts), False
        self._check_room(self._location)

    def _check_room(self, location: str) -> None:
        """Raises BadInput where a database server cannot hold the places of an experiment's runs."""
        if not self.where.uri.startswith(("http", "sqlite")) and len(location) > _ROOM_OF_RUN:
            raise BadInput(
                f"{location} of {len(location)} letters",
                "artifacts",
                f"a place of {_ROOM_OF_RUN} letters, as the database's columns hold no more",
                "choose a work folder with a shorter path, or a tracking server",
            )

    def check_writable(self) -> None:
        """Write to the experiment, and a file among its artifacts, which is read and removed again.

        Raises Away, and BadInput where a trained trial could not be delivered.
        """
        self.client.set_experiment_tag(self.experiment, _STUDY, self.study)
        if not (self.where.uri.startswith("http") and moved.is_local(self._location)):
            return _try_files(self.client, self.where, self.place(self._location))
        run = self.client.create_run(self.experiment, run_name="files tried")
        try:
            _try_files(self.client, self.where, run.info.artifact_uri, run.info.run_id)
        finally:
            self.client.delete_run(run.info.run_id)

    def place(self, uri: str) -> str:
        """The URI of a run's files, wherever the work folder lay when the run was made."""
        return moved.here(uri, self.where.artifacts) if self._has_moved or self._is_stray(uri) else uri

    def _is_stray(self, uri: str) -> bool:
        """Whether it names another place than the database of the work folder would now."""
        own = self.where.own_database is not None and self._keyed
        return own and moved.is_moved(uri, self.where.artifacts, own)

    def _of(self, trial: str) -> str:
        return f"tags.`{_TRIAL}{trial}` = 'yes'" if self._keyed else f"tags.trial_id = '{trial}'"

    def pages(self, query: str = "") -> Iterator[Run]:
        """All runs that match MLflow's ``query``, oldest first; no more than a page of them is held."""
        token: str | None = None
        while True:
            page = self.client.search_runs(
                [self.experiment], query, max_results=_PAGE, order_by=["attributes.start_time ASC"], page_token=token
            )
            yield from map(_whole, page)
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
        named = {"tags": {"candidate": key}, "run_name": long_text.name(title)}
        run = begun[0] if begun else self.client.create_run(self.experiment, **named)
        now, metrics = max(fold.info.end_time for fold in folds), []
        for name in sorted(set.intersection(*(set(fold.data.metrics) for fold in folds))):
            found = [fold.data.metrics[name] for fold in folds]
            metrics.append(Metric(name, mean(found), now, 0))
            if name.startswith("objective/") and len(found) > 1:
                metrics.append(Metric(f"{name}_std", stdev(found), now, 0))
        for fold in folds:
            self.client.set_tag(fold.info.run_id, "mlflow.parentRunId", run.info.run_id)
        params = [Param(k, v) for k, v in long_text.cut(values).items()]
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
        if own and self._reopened(own[0], head):
            return RunLog(self, head.trial, own[0], self._steps(own[0].info.run_id))
        tags = {**head.tags, "trial_id": head.trial, "study": head.study, "title": head.title}
        marked = {**long_text.cut(tags), f"{_TRIAL}{head.trial}": "yes"}
        run = self.client.create_run(self.experiment, tags=marked, run_name=long_text.name(head.title))
        self._state(run, head)
        if own:
            self._supersede(own[0], run)
        return RunLog(self, head.trial, run, set())

    def _reopened(self, run: Run, head: Head) -> bool:
        """Go on with a run of this work folder; False where it states other values, which MLflow never changes."""
        self.client.update_run(run.info.run_id, status="RUNNING")
        if "error" in run.data.tags:
            self.client.delete_tag(run.info.run_id, "error")
        if any(run.data.params.get(key, text) != text for key, text in head.params.items()):
            return False
        self._state(run, head)
        return True

    def _state(self, run: Run, head: Head) -> None:
        """Log the statement of a trial; what the run has of it already adds nothing."""
        params = [Param(k, v) for k, v in long_text.cut(head.params).items()]
        for at in range(0, len(params), 100):  # as many as MLflow takes at once
            self.client.log_batch(run.info.run_id, params=params[at : at + 100])

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

    def deliver(self, run_folder: RunFolder, log: "RunLog | None" = None) -> None:
        """Send MLflow all that ``run_folder`` holds, in order, FINISHED last; what it has already adds nothing.

        ``log`` is the trial's open run, if it is known. A trial without results stays open for its next attempt, as
        failed or interrupted.
        """
        head, trained = run_folder.head, run_folder.results
        if head is None:
            return
        if trained and self.finished(head.trial):
            self.settle(head.trial)  # someone else was faster, or the answer to the last call was lost
            log = None
        elif log := log or self.start(head):
            if trained:
                log.finish(*trained, run_folder.files, run_folder.epochs)
            else:
                log.epochs(run_folder.epochs)
                log.close(run_folder.error)
        for twin in head.twins if trained else ():
            counted = self.finished(head.trial)[head.trial]
            self.mirror(counted, twin, run_folder if log and log.run_id == counted.info.run_id else None)

    def mirror(self, original: Run, twin: Head, told: RunFolder | None = None) -> None:
        """Record ``twin`` as finished by the training of ``original``, an equal model: same values, marked as such.

        ``told``: the run_folder of ``original`` where it is at hand, which saves asking MLflow for each curve.
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
            log.finish(0, {}, self._copied(self.place(original.info.artifact_uri), "", copy), only=_OF_BOTH)

    def mean_epochs(self, variant: str) -> dict[str, float]:
        """System or block -> mean number of epochs of the finished runs of one grid."""
        seen: dict[str, list[float]] = {}
        for run in self.pages(f"{_FINISHED} and tags.variant = '{variant}'"):
            if "epochs" in run.data.metrics:
                kind = run.data.params.get("role.system") or run.data.params["block"]
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
        return self._copied(self.place(found[trial].info.artifact_uri), path, str(folder))

    def artifact(self, run: Run, path: str) -> Path:
        """A local copy of one artifact."""
        return self._copied(self.place(run.info.artifact_uri), path, None)

    def _copied(self, folder: str, path: str, to: str | None) -> Path:
        # Past the client, which would take the place that the database names.
        return Path(self.client.carried(self._files(folder).download_artifacts, path, to))

    def _files(self, folder: str) -> Any:
        """MLflow's access to the files below a URI."""
        return self.client.carried(get_artifact_repository, folder, self.where.uri)

    def names(self, folder: str, below: str | None) -> set[str]:
        """Paths of the files and folders of one folder of a run's, whose place is ``folder``."""
        infos: list[FileInfo] = self.client.carried(self._files(folder).list_artifacts, below)
        return {info.path for info in infos}

    def texts(self, folders: Iterable[str], path: str) -> Iterator[str]:
        """The text of one artifact of each run, in order. ``folders`` are the runs' artifact URIs.

        Raises BadInput where a run lacks it.
        """
        waiting = iter(folders)
        with ThreadPoolExecutor(_READERS) as pool:
            while some := list(islice(waiting, 8 * _READERS)):
                yield from pool.map(partial(self.text, path), some)

    def text(self, path: str, folder: str) -> str:
        """The text of one file of the run whose artifact URI is ``folder``. Raises BadInput where it lacks it."""
        place = self.place(folder)
        try:
            return str(self.client.carried(self._text, path, place))
        except (Away, Refused) as error:
            if not _is_absence(error.__cause__):
                raise
            raise BadInput(
                f"no {path} in {place}",
                f"run {folder.split('/')[-2]}",
                "the files that `ser run` wrote",
                "bring them back, or delete the run in MLflow's pages: `ser run` then trains its trial again",
            ) from None

    def _text(self, path: str, folder: str) -> str:
        # Without a copy of what lies on this machine.
        files = get_artifact_repository(folder, tracking_uri=self.where.uri)
        with TemporaryDirectory() as copy:
            there = Path(files.download_artifacts(path, None if moved.is_local(folder) else copy))
            return there.read_text(encoding="utf-8")


class RunLog:
    """One open run; ``known`` are the epochs that it holds already."""

    def __init__(self, tracker: Tracker, trial: str, run: Run, known: set[int]) -> None:
        self.tracker, self.trial, self.known = tracker, trial, known
        self.run_id, self.folder = str(run.info.run_id), tracker.place(str(run.info.artifact_uri))

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
        self.tracker.client.carried(self._files, folder, only)
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


def ready_for_pages(where: Location) -> str:
    """Look that there is something for MLflow's pages to show, with its files; returns what they will lack, or "".

    Raises BadInput where there is no database, or one that MLflow would alter.
    """
    if where.uri.startswith("http"):
        return ""
    _Client(where, to_read=True)
    try:
        follow(where)
    except OSError as error:
        return f"the work folder was moved, and its database cannot be changed ({error}): the pages show no artifacts"
    return ""


def try_out(where: Location) -> None:
    """Write a run with an artifact, read it back and remove it. Raises Away, and BadInput where that does not go.

    Of a server or a database server stays the experiment ``ser-doctor``, deleted, until `mlflow gc` erases it; in an
    SQLite file nothing does, as there it is only tried whether it can be written.
    """
    if where.database is not None:
        return _try_file(where, where.database)
    client = _Client(where)
    for last in (False, False, True):
        try:
            return _try_run(client, where)
        except Refused as error:  # the doctor of another machine may be about to delete the experiment
            if last or "must be in the 'active' state" not in str(error):
                raise


def _try_file(where: Location, file: Path) -> None:
    for place in (file if file.exists() else file.parent, Path(where.artifacts or file.parent)):
        there = next(p for p in (place, *place.absolute().parents) if p.exists())
        if not os.access(there, os.W_OK | (os.X_OK if there.is_dir() else 0)):
            raise BadInput(f"{there} cannot be written", "tracking store", "a place of one's own", "mend its rights")
    if not file.exists():
        return  # the first run makes it
    client = _Client(where)
    client.search_experiments(max_results=1)
    client.asked(_lock, file)


def _lock(file: Path) -> None:
    with closing(sqlite3.connect(file, timeout=20, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise OSError(str(error)) from error


def _try_run(client: _Client, where: Location) -> None:
    experiment = _doctors_experiment(client, where)
    run = client.create_run(experiment, tags={"work": "doctor"}, run_name=socket.gethostname())
    try:
        client.log_batch(run.info.run_id, metrics=[Metric("seen", 1.0, 0, 0)], params=[Param("text", "·" * 250)])
        _try_files(client, where, run.info.artifact_uri, run.info.run_id)
        read = client.get_run(run.info.run_id).data
        if (read.metrics, read.params) != ({"seen": 1.0}, {"text": "·" * 250}):
            raise Refused(f"{where.shown} gives back {read.params}", "MLflow", "a store that keeps what it is given",
                          "mend it (a database has to be in UTF-8)")  # fmt: skip
    finally:
        client.set_terminated(run.info.run_id, "FINISHED")
        for done in client.search_runs([experiment], _FINISHED):  # earlier ones came back with their experiment
            client.delete_run(done.info.run_id)
        if not client.search_runs([experiment], max_results=1):
            client.delete_experiment(experiment)


def _doctors_experiment(client: _Client, where: Location) -> str:
    # Its place is that of who made it: of a server, or of one of several work folders.
    name = f"{_DOCTOR}-{crc32(where.artifacts.encode()):08x}" if where.artifacts else _DOCTOR
    found = client.get_experiment_by_name(name)
    if found is None:
        location = f"{Path(where.artifacts).as_uri()}/{name}" if where.artifacts else None
        try:
            return str(client.create_experiment(name, artifact_location=location))
        except (Away, Refused):
            found = client.get_experiment_by_name(name)
            if found is None:  # else another machine was faster
                raise
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def _try_files(client: _Client, where: Location, place: str, run_id: str = "") -> None:
    """Raises where files below ``place`` cannot be written or read, or do not arrive at the server of the run."""
    client.carried(_check_files, where, place)
    if not (where.uri.startswith("http") and moved.is_local(place)):
        return
    seen = moved.folder(place) / _SEEN
    try:
        seen.parent.mkdir(parents=True, exist_ok=True)
        seen.write_text(run_id, encoding="utf-8")
        arrived = client.carried(_listed_by_server, where.uri, run_id)
    except OSError:
        arrived = False
    finally:
        with suppress(OSError):
            seen.unlink()
            seen.parent.rmdir()
            seen.parent.parent.rmdir()
    if not arrived:
        raise Refused(
            f"{where.shown} keeps artifacts in its own folder {place}, which this machine does not share",
            "MLflow",
            "a server that passes files on (mlflow server --artifacts-destination), or a folder that machines share",
            "start it so, and rename the experiment in its pages: a new one is made, as places of old ones stay",
        )


def _check_files(where: Location, place: str) -> None:
    """Write, read and remove a file. What cannot be removed stays: some stores do not let their users."""
    if where.uri.startswith("http") and moved.is_local(place):
        return  # to be asked of the server
    files, token = get_artifact_repository(place, where.uri), f"ser-check-{os.urandom(8).hex()}"
    with TemporaryDirectory() as folder:
        (Path(folder) / _SEEN).write_text(token, encoding="utf-8")
        files.log_artifact(str(Path(folder) / _SEEN), token)
        try:
            read = Path(files.download_artifacts(f"{token}/{_SEEN}", folder)).read_text(encoding="utf-8")
        finally:
            with suppress(Exception):
                files.delete_artifacts(token)
    if read != token:
        raise OSError(f"what was written below {place} is not what is read there")


def _listed_by_server(uri: str, run_id: str) -> bool:
    """Whether the server itself sees the file: MLflow's client would look on this machine."""
    endpoint = "/api/2.0/mlflow/artifacts/list"
    answer = http_request(get_default_host_creds(uri), endpoint, "GET", params={"run_id": run_id})
    answer.raise_for_status()
    return _SEEN in {file["path"] for file in answer.json().get("files", ())}


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
    file = paths.sqlite_file(uri)
    if file is not None and not _is_there(file):
        with _alone(file):
            if not _is_there(file):
                _make_whole(file)
    return MlflowClient(tracking_uri=uri)


def _is_there(file: Path) -> bool:
    return file.exists() and file.stat().st_size > 0


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Others who would open this database wait; not where there are no locks, or the folder can only be read."""
    with ExitStack() as stack:
        with suppress(OSError):
            lock = stack.enter_context(file.with_name(f".{file.name}.lock").open("a", encoding="utf-8"))
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


def _check_database(where: Location, to_read: bool) -> None:
    """Raises where MLflow would make a database that is only read, or alter one of another version without a word.

    Raises too, at once, where a database server cannot be reached: MLflow would try again for more than a minute.
    """
    if "://" not in where.uri or where.uri.startswith("http"):
        return
    file = where.database
    if file is not None and not _is_there(file):
        if to_read:
            raise BadInput(f"no runs in {where.shown}", "tracking store", "a database that `ser run` wrote",
                           "name it, or run first")  # fmt: skip
        return
    with create_engine(where.uri, poolclass=NullPool).connect() as connection:
        _check_tables(where, connection, to_read)


def _check_tables(where: Location, connection: Connection, to_read: bool) -> None:
    there = set(inspect(connection).get_table_names())
    if to_read and "experiments" not in there:
        raise BadInput(f"no runs in {where.shown}", "tracking store", "a database that `ser run` wrote",
                       "name it, or run first")  # fmt: skip
    if "alembic_version" in there and not there >= set(Base.metadata.tables):
        raise Refused(
            f"{where.shown} was made by an older version of MLflow",
            "MLflow",
            "a database of this version: others may still use it with theirs",
            f"back it up, then `mlflow db upgrade {where.shown}`",
        )


def _whole(run: Run) -> Run:
    """The run with its long texts joined."""
    for values in (run.data.tags, run.data.params):
        joined = long_text.join(values)
        values.clear()
        values.update(joined)
    return run


def _is_absence(error: BaseException | None) -> bool:
    """Whether an artifact is not there, as against a store that cannot be asked."""
    return isinstance(error, FileNotFoundError) or status_of(error) == 404 or "No such" in str(error)


def follow(where: Location) -> int:
    """Have the database of a moved work folder name the new places of its files; returns of how many experiments."""
    if where.own_database is None or not where.own_database.exists():
        return 0
    try:
        return moved.rewrite(where.own_database, where.artifacts, _KEYED)
    except sqlite3.Error as error:
        raise OSError(str(error)) from error

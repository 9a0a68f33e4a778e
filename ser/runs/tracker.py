"""Runs in MLflow: one experiment per study, one finished run per trial.

A run is found by its tags before one is made, and metrics carry the time at which they were measured: sending the
same thing twice adds nothing. Runs belong to the work folder that made them, so that two people who train one trial
at the same time write two runs; when one finishes, the other is marked as superseded.
"""

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, ClassVar

from ser.errors import Away, BadInput, Refused
from ser.runs import datasets, described, long_text, moved, reader, shown
from ser.runs.folder import Head, RunFolder
from ser.runs.location import Location
from ser.runs.reader import Experiment, Run
from ser.runs.refusal import deleted_experiment, status_of
from ser.runs.study_runs import study_of
from ser.study import SCHEMA

if TYPE_CHECKING:  # what only looks does without MLflow
    from ser.runs.mlflow_client import ArtifactRepository, FileInfo
    from ser.runs.run_log import RunLog

_KIND = {"mlflow.experimentKind": "custom_model_development"}  # else MLflow's pages open on views for language models
# MLflow's tables find a tag by its key at once, and by its value only among those of all runs with that key. So a run
# bears its trial's id under a key that a sixteenth of all trials share; under this prefix MLflow's pages show no tag.
# Each key is a column where runs are read as a table. Experiments say which tags their runs have: ``_BY_DIGIT`` these,
# another text these or older ones with a key for each trial, and without ``_KEYED`` just "trial_id".
_TRIAL, _KEYED, _BY_DIGIT = "mlflow.ser.trial.", "mlflow.ser.keyed", "digit"
STUDY = "mlflow.ser.study"  # of an experiment: it stays when the experiment is renamed
CANDIDATE = "candidate"  # tag of a run that is no trial's: of a candidate, above the runs of its folds
_EARLIER = {_KEYED: "ser.keyed", STUDY: "ser.study"}  # their names in experiments that are there
_PAGE = 250  # runs held at once: MLflow's own objects of a run take a tenth of a megabyte
_READERS = 8  # files fetched at once
_OF_BOTH = ("confusion", "split", "predictions.csv")  # files of a trial that are true of its twin, too
FINISHED = "attributes.status = 'FINISHED'"
_MOST_ASKED = 100  # runs whose curves a server is asked for
_ROOM_OF_RUN = 200 - len(f"/{'0' * 32}/artifacts")  # letters of an experiment's place, as databases have it


class Tracker:
    """The experiment of one study."""

    cache: ClassVar[dict[tuple[Location, str], "Tracker"]] = {}
    experiment_ids: ClassVar[dict[tuple[Location, str], str]] = {}  # experiments may be renamed during a grid

    @classmethod
    def of(cls, where: Location, study: str) -> "Tracker":
        """Returns the one that this process keeps while the store answers; a new one costs requests. Raises as such."""
        if (where, study) not in cls.cache:
            cls.cache[where, study] = cls(where, study)
        return cls.cache[where, study]

    def __init__(self, where: Location, study: str, to_read: bool = False) -> None:
        """Makes the experiment where it is not there yet, but not ``to_read``: then nothing is written.

        Raises Away where the store does not answer for now, BadInput where no waiting helps, and ``to_read`` too where
        there is no such experiment.
        """
        self.where, self.study = where, study
        # After an error the store may come back as another.
        self.client = reader.client(where, to_read, self.cache.clear)
        experiment = self._existing()
        if experiment is None and to_read:
            raise self._unknown()
        experiment = experiment or self._created()
        if experiment.lifecycle_stage == "deleted":
            raise self._deleted(experiment)
        self.experiment = str(experiment.experiment_id)
        self._keyed = _tag(experiment, _KEYED)
        self.location = str(experiment.artifact_location)
        self._has_moved = bool(where.artifacts) and moved.is_moved(
            self.location, where.artifacts, bool(self._keyed) and where.own_database is not None
        )
        if not to_read:
            self._settle_location()
            if self._keyed not in ("", _BY_DIGIT):
                self.client.rekey_tags(self.experiment, _TRIAL, 1)
            self.experiment_ids[where, study] = self.experiment
        self._finished_ids: set[str] = set()

    def _existing(self) -> Experiment | None:
        """Returns the experiment of this process's grid, also if it was renamed; else the one of the study's name."""
        with suppress(Refused):  # erased
            if identity := self.experiment_ids.get((self.where, self.study)):
                experiment: Experiment = self.client.get_experiment(identity)
                if self.study in (experiment.name, study_of(experiment)):
                    return experiment
        by_name: Experiment | None = self.client.get_experiment_by_name(self.study)
        return by_name

    def _created(self) -> Experiment:
        location = f"{Path(self.where.artifacts).as_uri()}/{self.study}" if self.where.artifacts else None
        tags = {**_KIND, _KEYED: _BY_DIGIT, STUDY: self.study}
        self._check_room(location or "")
        try:
            self.client.create_experiment(self.study, artifact_location=location, tags=tags)
        except (Away, Refused):
            if self.client.get_experiment_by_name(self.study) is None:  # else another process was faster
                raise
        experiment: Experiment = self.client.get_experiment_by_name(self.study)
        return experiment

    def _unknown(self) -> BadInput:
        """Returns the error of a study without runs, which names the studies that have some."""
        names = []
        for other in self.client.search_experiments():
            was = study_of(other)
            names += [other.name + (f" (was {was})" if was != other.name else "")] * (other.experiment_id != "0")
        allowed = f"a study that was run there (it has: {', '.join(sorted(names)) or 'none'})"
        remedy = f"run it first (`ser run {self.study}`), or name the store that has them"
        return BadInput(f"no runs of {self.study} in {self.where.printable}", "tracking store", allowed, remedy)

    def _deleted(self, experiment: Experiment) -> Refused:
        event = f"the experiment {experiment.name} was deleted in MLflow, with its runs"
        return deleted_experiment(self.where.printable, event, str(experiment.experiment_id))

    def _settle_location(self) -> None:
        """Has new runs write their files where the work folder is now, and where the database can name it."""
        if self._has_moved and self.where.own_database is not None:
            self.client.call(follow, self.where)
            self.location, self._has_moved = moved.current(self.location, self.where.artifacts), False
        self._check_room(self.location)

    def _check_room(self, location: str) -> None:
        """Raises BadInput where a database server cannot hold the places of an experiment's runs."""
        if not self.where.uri.startswith(("http", "sqlite")) and len(location) > _ROOM_OF_RUN:
            raise BadInput(
                f"{location} of {len(location)} letters",
                "artifacts",
                f"a place of {_ROOM_OF_RUN} letters, as the database's columns hold no more",
                "choose a work folder with a shorter path, or a tracking server",
            )

    def place(self, uri: str) -> str:
        """Returns the URI of a run's files, wherever the work folder lay when the run was made."""
        return moved.current(uri, self.where.artifacts) if self._has_moved or self._is_stray(uri) else uri

    def _is_stray(self, uri: str) -> bool:
        """Whether it names another place than the database of the work folder would now."""
        is_own = self.where.own_database is not None and bool(self._keyed)
        return is_own and moved.is_moved(uri, self.where.artifacts, is_own)

    def _of_trial(self, trial: str, status: str = "", other_than: str = "") -> list[Run]:
        """Returns the runs of a trial, oldest first: those of this ``status``, and not the run ``other_than``."""
        runs: dict[str, Run] = {}
        older = {"trial_id": trial} if not self._keyed else {f"{_TRIAL}{trial}": "yes"}
        tags = trial_tag(trial) if self._keyed else {}
        for key, text in (tags if self._keyed == _BY_DIGIT else tags | older).items():
            tagged = self.client.tagged(self.experiment, key, text)
            if tagged is not None and not any(status in ("", s) and run != other_than for run, s in tagged):
                continue  # mostly so, and MLflow's own search takes a hundred times as long
            query = f"tags.`{key}` = '{text}'"
            query += f" and attributes.status = '{status}'" if status else ""
            query += f" and attributes.run_id != '{other_than}'" if other_than else ""
            runs |= {run.info.run_id: run for run in self.pages(query)}
        return sorted(runs.values(), key=lambda run: run.info.start_time)

    def pages(self, query: str = "") -> Iterator[Run]:
        """Yields all runs that match MLflow's ``query``, oldest first; no more than a page of them is held."""
        token: str | None = None
        while True:
            page = self.client.search_runs(
                [self.experiment], query, max_results=_PAGE, order_by=["attributes.start_time ASC"], page_token=token
            )
            yield from map(whole, page)
            token = page.token
            if not token:
                return

    def runs(self, query: str = "") -> list[Run]:
        """Returns all runs that match MLflow's ``query``, oldest first."""
        return list(self.pages(query))

    def run(self, run_id: str) -> Run:
        """Returns one run."""
        return whole(self.client.get_run(run_id))

    def newest(self) -> Run | None:
        """Returns the run of a trial that started last."""
        return self._first("DESC")

    def has_older_schema(self) -> bool:
        """Returns whether the study has runs from before ``SCHEMA``: its first run says so."""
        first = self._first("ASC")
        return first is not None and first.data.tags.get("schema") != str(SCHEMA)

    def _first(self, order: str) -> Run | None:
        by_start, of_trials = [f"attributes.start_time {order}"], "tags.trial_id LIKE '%'"
        runs = self.client.search_runs([self.experiment], of_trials, max_results=1, order_by=by_start)
        return next(map(whole, runs), None)

    def finished(self, trial: str | None = None) -> dict[str, Run]:
        """Returns the finished run of all trials, or of one, by id; of several the ``canonical_run``."""
        by_trial: dict[str, list[Run]] = {}
        for run in self._of_trial(trial, "FINISHED") if trial else self.pages(FINISHED):
            if "trial_id" in run.data.tags:
                by_trial.setdefault(run.data.tags["trial_id"], []).append(run)
        return {trial_id: canonical_run(runs) for trial_id, runs in by_trial.items()}

    def finished_of(self, trials: Collection[str]) -> set[str]:
        """Returns the ``trials`` that have a finished run; MLflow is asked only for those without one until now."""
        unknown = set(trials) - self._finished_ids
        if 2 * len(unknown) > len(self._finished_ids):  # about where a pass over all is cheaper than one by one
            self._finished_ids |= {r.data.tags["trial_id"] for r in self.pages(FINISHED) if "trial_id" in r.data.tags}
        else:
            self._finished_ids |= {trial for trial in unknown if self.finished(trial)}
        return self._finished_ids & set(trials)

    def start(self, head: Head) -> "RunLog | None":
        """Returns the open run of this work folder for a trial, a new one if needed; None if the trial is finished."""
        from ser.runs.run_log import RunLog

        runs = self._of_trial(head.trial)
        if any(run.info.status == "FINISHED" for run in runs):
            self.settle(head.trial)
            return None
        work, note = head.tags.get("work"), described.trial(head.title, head.params)
        ours = [r for r in runs if r.data.tags.get("work", work) == work and "superseded_by" not in r.data.tags]
        for extra in ours[1:]:
            self._supersede(extra, ours[0])
        if ours and self._reopened(ours[0], head):
            return RunLog(self, head.trial, ours[0], self._steps(ours[0].info.run_id), note=note)
        run = self.client.create_run(self.experiment, tags=tags_of(head), run_name=long_text.name(head.title))
        self._state(run, head)
        if ours:
            self._supersede(ours[0], run)
        return RunLog(self, head.trial, run, set(), is_new=True, note=note)

    def _reopened(self, run: Run, head: Head) -> bool:
        """Goes on with a run of this work folder; False where it states other values, which MLflow never changes."""
        self.client.update_run(run.info.run_id, status="RUNNING")
        if "error" in run.data.tags:
            self.client.delete_tag(run.info.run_id, "error")
        if any(run.data.params.get(key, text) != text for key, text in head.params.items()):
            return False
        self._state(run, head)
        return True

    def _state(self, run: Run, head: Head) -> None:
        """Logs what a trial's run shows of its statement, and its data; what the run has already adds nothing."""
        from ser.runs.mlflow_client import Param

        visible = shown.params_of(head.params, shown.varying_of(head.tags))
        params = [Param(k, v) for k, v in long_text.cut(visible).items()]
        self.client.log_batch(run.info.run_id, params=params)  # MLflow's client makes requests of a hundred of them
        datasets.log(self.client, run.info.run_id, head.datasets)

    def _steps(self, run_id: str) -> set[int]:
        names = ("val/loss", "refit/train/loss")  # of the first pass and of the second
        return {m.step for name in names for m in self.client.get_metric_history(run_id, name)}

    def settle(self, trial: str, finished_run: str = "") -> None:
        """Marks all runs of a trial but one as superseded, once one is finished.

        Everyone who finishes a trial settles it, and all choose alike: whoever is last sees all runs. ``finished_run``
        is one that the caller has just finished: mostly it is the only one, and MLflow finds no run faster than some.
        """
        if finished_run and not self._of_trial(trial, other_than=finished_run):
            return
        runs = self._of_trial(trial)
        counted = canonical_run(r for r in runs if r.info.status == "FINISHED")
        for run in runs:
            marked = "superseded_by" in run.data.tags
            if run.info.run_id == counted.info.run_id and marked:
                self.client.delete_tag(run.info.run_id, "superseded_by")
            elif run.info.run_id != counted.info.run_id and not (marked and run.info.status == "KILLED"):
                self._supersede(run, counted)

    def _supersede(self, run: Run, by: Run) -> None:
        self.client.set_tag(run.info.run_id, "superseded_by", by.info.run_id)
        self.client.set_terminated(run.info.run_id, "KILLED")

    def close_runs(self, errors: Mapping[str, str]) -> None:
        """Closes the runs that dead workers left open: trial id -> its error, or "" for an interrupt.

        The next call opens them again.
        """
        from ser.runs.run_log import RunLog

        for run in self.runs("attributes.status = 'RUNNING'"):  # all first: what is closed leaves the pages
            error = errors.get(run.data.tags.get("trial_id", ""))
            if error is not None:
                RunLog(self, run.data.tags["trial_id"], run, set()).close(error)

    def deliver(self, run_folder: RunFolder, log: "RunLog | None" = None) -> None:
        """Sends MLflow all that ``run_folder`` holds, in order, FINISHED last; what it has already adds nothing.

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

    def mirror(self, original: Run, twin: Head, run_folder: RunFolder | None = None) -> None:
        """Records ``twin`` as finished by the training of ``original``, an equal model: same values, marked as such.

        ``run_folder`` of ``original``, where it is at hand, saves asking MLflow for each curve.
        """
        tags = {k: v for k, v in original.data.tags.items() if not k.startswith("mlflow.") and k != "trial_id"}
        log = self.start(replace(twin, tags={**tags, **twin.tags, "same_as": original.data.tags["trial_id"]}))
        if log is None:
            return
        run_id = str(original.info.run_id)
        if run_folder and run_folder.results:
            log.finish(*run_folder.results, run_folder.files, run_folder.epochs, _OF_BOTH, run_id)
            return
        log.send(m for key in original.data.metrics for m in self.client.get_metric_history(run_id, key))
        with TemporaryDirectory() as copy:
            whole = Path(self._copied(self.place(original.info.artifact_uri), "", copy))
            log.finish(0, {}, whole, only=_OF_BOTH, original=run_id, scores=original.data.metrics)

    def curve(self, run_id: str, metric: str) -> list[float]:
        """Returns all values of one metric, by epoch."""
        history = self.client.get_metric_history(run_id, metric)
        return [m.value for m in sorted(history, key=lambda m: m.step)]

    def curves(self, run_ids: Sequence[str], metric: str) -> dict[str, list[float]]:
        """Returns all values of one metric by epoch, of those of the runs that logged it; of a server one at a time."""
        if isinstance(self.client, reader.Reader):
            return self.client.curves(run_ids, metric)
        every = {run_id: self.curve(run_id, metric) for run_id in run_ids[:_MOST_ASKED]}
        return {run_id: values for run_id, values in every.items() if values}

    def objectives(self, trials: Collection[str], metric: str) -> dict[str, float]:
        """Returns one final metric of those ``trials`` that are finished and have it."""
        ids = set(trials)
        return {
            trial: run.data.metrics[metric]
            for trial, run in self.finished().items()
            if trial in ids and metric in run.data.metrics
        }

    def fetch(self, trial: str, path: str, folder: Path) -> Path:
        """Copys one file of a trial's finished run into ``folder``; returns its path. Raises BadInput without one."""
        runs = self.finished(trial)
        if trial not in runs:
            raise BadInput(f"trial {trial}", f"runs of {self.where.printable}", "a finished run of it", "run it first")
        return self._copied(self.place(runs[trial].info.artifact_uri), path, str(folder))

    def copy(self, run: Run, path: str, folder: Path) -> Path:
        """Copies one artifact of a run into ``folder``; returns its path."""
        return self._copied(self.place(run.info.artifact_uri), path, str(folder))

    def artifact(self, run: Run, path: str) -> Path:
        """Returns a local copy of one artifact."""
        return self._copied(self.place(run.info.artifact_uri), path, None)

    def _copied(self, folder: str, path: str, to: str | None) -> Path:
        # Past the client, which would take the place that the database names.
        return Path(self.client.call_storage(self._files(folder).download_artifacts, path, to))

    def _files(self, folder: str) -> "ArtifactRepository":
        """Returns MLflow's access to the files below a URI."""
        from ser.runs.mlflow_client import artifact_files

        files: ArtifactRepository = self.client.call_storage(artifact_files, folder, self.where.uri)
        return files

    def names(self, folder: str, below: str | None) -> set[str]:
        """Returns the paths of files and folders in one folder of a run, whose place is ``folder``."""
        names = reader.local_names(folder, below)
        if names is not None:
            return names
        infos: list[FileInfo] = self.client.call_storage(self._files(folder).list_artifacts, below)
        return {info.path for info in infos}

    def texts(self, folders: Iterable[str], path: str) -> Iterator[str]:
        """Yields the text of one artifact of each run, in order. ``folders`` are the runs' artifact URIs.

        Raises BadInput where a run lacks it.
        """
        waiting = iter(folders)
        with ThreadPoolExecutor(_READERS) as pool:
            while batch := list(islice(waiting, 8 * _READERS)):
                yield from pool.map(partial(self.text, path), batch)

    def text(self, path: str, folder: str) -> str:
        """Returns the text of one file of the run whose artifact URI is ``folder``. Raises BadInput without one."""
        place = self.place(folder)
        text = reader.local_text(place, path)
        if text is not None:
            return text
        try:
            return str(self.client.call_storage(self._text, path, place))
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
        from ser.runs.mlflow_client import artifact_files

        # Without a copy of what lies on this machine.
        files = artifact_files(folder, self.where.uri)
        with TemporaryDirectory() as copy:
            local = Path(files.download_artifacts(path, None if moved.is_local(folder) else copy))
            return local.read_text(encoding="utf-8")


def tags_of(head: Head) -> dict[str, str]:
    """Returns the tags with which the run of a trial begins."""
    own = {"trial_id": head.trial, "study": head.study, "title": head.title}
    note = {described.NOTE: described.trial(head.title, head.params)}
    return {**long_text.cut(shown.tags_of(head.params, {**note, **head.tags, **own})), **trial_tag(head.trial)}


def trial_tag(trial: str) -> dict[str, str]:
    """Returns the tag by which the runs of a trial are found."""
    return {f"{_TRIAL}{trial[0]}": trial}


def is_of_study(experiment: Experiment) -> bool:
    """Returns whether an experiment says that it holds the runs of a study; those of the first versions do not."""
    return bool(_tag(experiment, STUDY))


def _tag(experiment: Experiment, key: str) -> str:
    return str(experiment.tags.get(key) or experiment.tags.get(_EARLIER[key], ""))


def canonical_run(runs: Iterable[Run]) -> Run:
    """Returns the run that counts of several finished ones of a trial: the first, the same for whoever asks."""
    return min(runs, key=lambda run: (run.info.start_time, run.info.run_id))


def whole(run: Run) -> Run:
    """Returns the run with its long texts joined and its whole statement as parameters."""
    for values in (run.data.tags, run.data.params):
        joined = long_text.join(values)
        values.clear()
        values.update(joined)
    shown.restore(run.data.params, run.data.tags, run.info.run_id)
    return run


def _is_absence(error: BaseException | None) -> bool:
    """Whether an artifact is not there, as against a store that cannot be asked."""
    return isinstance(error, FileNotFoundError) or status_of(error) == 404 or "No such" in str(error)


def follow(where: Location) -> int:
    """Has the database of a moved work folder name the new places of its files; returns of how many experiments."""
    if where.own_database is None or not where.own_database.exists():
        return 0
    try:
        return moved.rewrite(where.own_database, where.artifacts, (_KEYED, _EARLIER[_KEYED]))
    except sqlite3.Error as error:
        raise OSError(str(error)) from error

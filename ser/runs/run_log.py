"""One open run in MLflow, to which epochs, results and files are sent. FINISHED goes last."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from ser.host.paths import without_secrets
from ser.runs import described, logged_model
from ser.runs.location import Location
from ser.runs.mlflow_client import Client, Metric, RunTag, artifact_files
from ser.runs.reader import Run

_BATCH = 1000  # values that MLflow takes at once
_SOME = _BATCH - 10  # metrics, where tags go with them


class Experiment(Protocol):
    """The part of a tracker that a run needs."""

    where: Location
    client: Client
    experiment: str

    def place(self, uri: str) -> str:
        """Returns the URI of a run's files, wherever the work folder lay when the run was made."""

    def settle(self, trial: str, finished_run: str = "") -> None:
        """Marks all runs of a trial but one as superseded, once one is finished."""


class RunLog:
    """One open run; ``sent`` are the epochs that it holds already."""

    def __init__(
        self, tracker: Experiment, trial: str, run: Run, sent: set[int], is_new: bool = False, note: str = ""
    ) -> None:
        """``is_new``: it was begun just now; ``note``: what it says of itself, to which its results are added."""
        self.tracker, self.trial, self._sent, self._is_new, self._note = tracker, trial, sent, is_new, note
        self.run_id, self.folder = str(run.info.run_id), tracker.place(str(run.info.artifact_uri))

    def epochs(self, rows: Iterable[Mapping[str, float]]) -> None:
        """Sends the epochs that the run does not hold yet. ``row["timestamp_ms"]`` says when they were measured."""
        self._send_whole(self._new(rows))

    def _new(self, rows: Iterable[Mapping[str, float]]) -> Iterator[list[Metric]]:
        for row in (r for r in rows if int(r["epoch"]) not in self._sent):
            number, when = int(row["epoch"]), int(row["timestamp_ms"])
            yield [Metric(k, v, when, number) for k, v in row.items() if k not in ("epoch", "timestamp_ms")]
            self._sent.add(number)

    def _send_whole(self, groups: Iterable[list[Metric]], tags: Sequence[RunTag] = ()) -> None:
        """Sends metrics, with the last of them ``tags``; an epoch goes whole, or a second try could not tell of it."""
        queue: list[Metric] = []
        for group in groups:
            if len(queue) + len(group) > _SOME:
                self.send(queue)
                queue = []
            queue += group
        self.send(queue, tags)

    def send(self, metrics: Iterable[Metric], tags: Sequence[RunTag] = ()) -> None:
        """Sends metrics, in batches of the size that MLflow takes, and with the last one ``tags``."""
        queue = list(metrics)
        while queue or tags:
            batch, queue = queue[:_SOME], queue[_SOME:]
            noted, tags = ([], tags) if queue else (list(tags), ())
            self.tracker.client.log_batch(self.run_id, metrics=batch, tags=noted)

    def finish(
        self,
        when_ms: int,
        results: Mapping[str, float],
        folder: Path,
        rows: Iterable[Mapping[str, float]] = (),
        only: Iterable[str] = (),
        original: str = "",
        scores: Mapping[str, float] | None = None,
    ) -> None:
        """Sends the files of ``folder``, or some ``only``, epochs not sent yet and results; FINISHED goes last.

        ``original``: the run that has the weights, where this one shares its training; ``scores``: results that were
        sent before.
        """
        is_new, self._is_new = self._is_new, False
        client, experiment = self.tracker.client, self.tracker.experiment
        client.call_storage(self._files, folder, only)
        uri, weights = self.tracker.where.uri, original or self.run_id
        logged_model.log(client, uri, experiment, self.run_id, folder, weights, is_new)
        note = self._with_results(scores or results)
        self._send_whole([*self._new(rows), [Metric(k, v, when_ms, 0) for k, v in results.items()]], note)
        self.close("", "FINISHED")

    def _with_results(self, scores: Mapping[str, float]) -> list[RunTag]:
        """Returns the description with which the pages show a run's accuracies before its losses."""
        table = described.results(scores) if self._note else ""
        return [RunTag(described.NOTE, f"{self._note}\n\n{table}")] if table else []

    def _files(self, folder: Path, only: Iterable[str]) -> None:
        # Past the client, which would load the whole run to learn of its folder.
        to = artifact_files(self.folder, self.tracker.where.uri)
        for name in only or [""]:
            if (folder / name).is_dir():
                to.log_artifacts(str(folder / name), name or None)
            else:
                to.log_artifact(str(folder / name))

    def close(self, error: str, status: str = "KILLED") -> None:
        """Marks the run as failed with ``error``, else with ``status``."""
        if error:
            self.tracker.client.set_tag(self.run_id, "error", without_secrets(error)[:4900])
        self.tracker.client.set_terminated(self.run_id, "FAILED" if error else status)
        if status == "FINISHED":
            self.tracker.settle(self.trial, self.run_id)

"""One finished run with all that there is of it: statement, numbers, curves, predictions, and the model."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

import pandas as pd

from ser.analysis.places import Folder, location, work_folder
from ser.analysis.tables import predictions_of
from ser.planning.selection import typed
from ser.report.overview import RunSummary, Selection
from ser.runs import lookup, moved
from ser.runs.model_files import STATEMENT
from ser.runs.reader import Run
from ser.runs.tracker import Tracker
from ser.study import Trial, stored_trial

if TYPE_CHECKING:  # it loads torch
    from ser.prediction import Predictor

_CURVES = ("train/", "val/", "refit/")  # beginnings of the names of what is logged in every epoch


@dataclass(frozen=True, eq=False)
class LoadedRun:
    """A finished run. What it reads comes from the tracking store when it is asked for."""

    run_id: str
    trial_id: str
    study: str
    title: str
    params: Mapping[str, str] = field(repr=False)  # the whole statement, flat, as MLflow shows it
    metrics: Mapping[str, float] = field(repr=False)  # final ones; of what is logged by epoch the last value
    tags: Mapping[str, str] = field(repr=False)
    work: Path = field(repr=False)
    _tracker: Tracker = field(repr=False)
    _run: Run = field(repr=False)

    @property
    def same_as(self) -> str:
        """The id of the trial whose training this run shares, "" where it has one of its own."""
        return self.tags.get("same_as", "")

    @cached_property
    def statement(self) -> Trial:
        """What was trained, on what, and how; of a run that shares another's training, what that states.

        Raises BadInput where it kept no statement.
        """
        trained = lookup.original_run(self._tracker, self._run).info
        text = self._tracker.text(STATEMENT, trained.artifact_uri)
        return stored_trial(text, f"{STATEMENT} of run {trained.run_id}")

    @cached_property
    def curves(self) -> pd.DataFrame:
        """A row for each epoch, from 1, and a column for each metric that was logged in it, as ``val/loss``."""
        names = sorted(name for name in self.metrics if name.startswith(_CURVES))
        histories = {name: self._tracker.client.get_metric_history(self.run_id, name) for name in names}
        columns = {
            name: pd.Series({point.step: point.value for point in history}, dtype=float)
            for name, history in histories.items()
        }
        return pd.DataFrame(columns).sort_index().rename_axis("epoch")

    @cached_property
    def confusion(self) -> Mapping[str, pd.DataFrame]:
        """Corpus → its confusion matrix: counts of utterances, a row for each true class, a column for each guess."""
        place = self._tracker.place(self._run.info.artifact_uri)
        files = [n for n in sorted(self._tracker.names(place, "confusion")) if n.endswith(".json")]
        return {name.removeprefix("confusion/").removesuffix(".json"): self._matrix(name) for name in files}

    def _matrix(self, name: str) -> pd.DataFrame:
        content = json.loads(self._text(name))
        axes = [pd.Index(content["classes"], name=side) for side in ("label", "prediction")]
        return pd.DataFrame(content["counts"], *axes)

    def predictions(self) -> pd.DataFrame:
        """Returns a row for each test utterance, as ``ser.predictions``."""
        return predictions_of(self._tracker, [RunSummary.of(self._run, Selection())])

    @cached_property
    def artifacts(self) -> Path:
        """The folder of the run's files: itself where it lies on this machine, else a copy."""
        place = self._tracker.place(self._run.info.artifact_uri)
        if moved.is_local(place):
            return moved.folder(place)
        return self._tracker.copy(self._run, "", Path(mkdtemp(prefix="ser-")))

    def model(self, corpus: str = "") -> "Predictor":
        """Returns what predicts emotions of recordings: ``model().predict(["a.wav"])`` yields ``ser.prediction``'s.

        ``corpus``: for recordings like those of one of its corpora. It loads torch. Raises BadInput where the run's
        model cannot be used.
        """
        from ser.prediction.runs import predictor_of

        return predictor_of(self.work, self._tracker.where.uri, self.run_id, corpus=corpus)

    def _text(self, path: str) -> str:
        return self._tracker.text(path, self._run.info.artifact_uri)


def load_run(run: str, work: Folder | None = None, *, tracking_uri: str | None = None, study: str = "") -> LoadedRun:
    """Returns a finished run: by its id or that of its trial, the beginning of one, or its title.

    ``work`` and ``tracking_uri`` as of ``results``; ``study``: of which, where several have such a run. Raises BadInput
    where no run, or several, are meant.

    >>> import ser
    >>> table = ser.results("interaffection", work, replicates=0)
    >>> run = ser.load_run(table.run_id[0], work)
    >>> run.title, run.statement.block.name
    ('R · lstm · μ · unified', 'lstm')
    >>> bool(run.metrics["ua/ravdess"] == table.ua[0])
    True
    >>> run.curves["val/loss"].idxmin()
    3
    >>> int(run.confusion["ravdess"].to_numpy().sum()) == len(run.predictions())
    True
    >>> (run.artifacts / "predictions.csv").is_file()
    True
    """
    tracker, one = lookup.finished_run(location(work, tracking_uri), run, study, typed, original=False)
    data = one.data
    title = data.tags.get("title", one.info.run_name)
    texts = one.info.run_id, data.tags["trial_id"], data.tags.get("study", tracker.study), title
    return LoadedRun(*texts, data.params, data.metrics, data.tags, work_folder(work), tracker, one)

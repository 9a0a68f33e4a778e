"""The runs of a study as a page that follows a grid needs them: little of each, and read bit by bit.

At first all are read, a few pages at a time; later only those that ended or are open since. So a page on a grid of ten
thousand trials can be made anew every few seconds, also where a server holds the runs.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ser.errors import BadInput
from ser.runs import long_text, shown
from ser.runs.reader import Data, Experiment, Info, Page, Run

if TYPE_CHECKING:  # what only looks does without MLflow
    from ser.runs.mlflow_client import Client

_TAGS = ("trial_id", "title", "variant", "schema", "grid", "error", "work", "data", "same_as")
_PARAMS = ("role", "corpora")
_METRICS = ("ua", "balanced", "ccc")
_PAGE = 250  # runs
_OVERLAP_MS = 15_000  # runs are marked as ended a while before others see it, by clocks of several machines


@dataclass(frozen=True)
class OpenRun:
    """A run that is marked as running: by a living process, or by one that was killed."""

    title: str
    trial_id: str
    run_id: str
    started_s: float
    work: str  # id of the work folder that trains it


class StudyRuns:
    """The runs of an experiment as they were read last; ``is_whole`` once all have been read."""

    def __init__(self, client: "Client", experiment: Experiment) -> None:
        self._client = client
        self.experiment = str(experiment.experiment_id)
        self.study = study_of(experiment)
        self.is_whole = False
        self.changes = 0  # how often something new was read
        self._token: str | None = None
        self._runs: dict[str, Run] = {}
        self._arriving = self._runs  # while all are read again, what was known before stays
        self._texts: dict[str, str] = {}  # each text once: most runs share those of their grid
        self._mark_ms = 0  # runs that ended before are known

    def __len__(self) -> int:
        return len(self._runs)

    def refresh(self, most_pages: int) -> int:
        """Reads what is new, of all runs at most so many pages; returns how many it were. Raises as the store does."""
        if not self.is_whole:
            return self._read_all(most_pages)
        pages, still_open = 0, set()
        for query in (f"attributes.end_time >= {max(self._mark_ms - _OVERLAP_MS, 0)}", "attributes.status = 'RUNNING'"):
            for runs in self._pages(query):
                pages += 1
                still_open |= {run.info.run_id for run in runs}
                self._keep(runs)
        # What was open and is not, nor has ended, was deleted.
        for run_id in [k for k, run in self._runs.items() if run.info.status == "RUNNING" and k not in still_open]:
            del self._runs[run_id]
            self.changes += 1
        return pages

    def forget(self) -> None:
        """Has the next calls read all runs again: which of those that ended were deleted, only that tells."""
        self.is_whole, self._token = False, None

    def pages(self) -> Iterator[Run]:
        """Yields what is kept of the runs, oldest first, as ``Tracker.pages`` does."""
        return iter(sorted(self._runs.values(), key=lambda run: (run.info.start_time, run.info.run_id)))

    def open_runs(self) -> list[OpenRun]:
        """Returns the runs that are marked as running, the one begun last first."""
        runs = [run for run in self.pages() if run.info.status == "RUNNING"][::-1]
        return [
            OpenRun(
                run.data.tags.get("title", run.info.run_name),
                run.data.tags["trial_id"],
                run.info.run_id,
                run.info.start_time / 1000,
                run.data.tags.get("work", ""),
            )
            for run in runs
        ]

    def curve(self, run_id: str, metric: str) -> list[float]:
        """Returns all values of one metric of a run, by epoch; [] where it was not logged. Raises as the store does."""
        history = self._client.get_metric_history(run_id, metric)
        return [point.value for point in sorted(history, key=lambda point: point.step)]

    def _read_all(self, most_pages: int) -> int:
        if self._token is None:
            self._arriving, self._mark_ms = {}, 0
            if not self._runs:
                self._runs = self._arriving
        for number in range(1, most_pages + 1):
            page = self._page("", self._token)
            self._keep(page)
            self._token = page.token
            if not self._token:
                self.changes += len(self._runs) != len(self._arriving)
                self.is_whole, self._runs = True, self._arriving
                return number
        return most_pages

    def _pages(self, query: str) -> Iterator[Page]:
        token: str | None = None
        while True:
            page = self._page(query, token)
            yield page
            token = page.token
            if not token:
                return

    def _page(self, query: str, token: str | None) -> Page:
        order = ["attributes.start_time ASC"]
        page: Page = self._client.search_runs(
            [self.experiment], query, max_results=_PAGE, order_by=order, page_token=token
        )
        return page

    def _keep(self, runs: Iterable[Run]) -> None:
        for run in runs:
            tags = long_text.join(run.data.tags)
            part = self._part(run, tags) if "trial_id" in tags and "superseded_by" not in tags else None
            self.changes += part != self._runs.get(run.info.run_id)
            if part:
                self._arriving[run.info.run_id] = part
            else:
                self._arriving.pop(run.info.run_id, None)
            self._mark_ms = max(self._mark_ms, run.info.end_time or 0)

    def _part(self, run: Run, tags: Mapping[str, str]) -> Run:
        """What is kept of a run."""
        info = run.info
        hidden: dict[str, str] = {}
        with suppress(BadInput):  # of a damaged tag: the run is as one of another schema
            hidden = shown.hidden_tags(tags, info.run_id)
        run_tags = {name: text for name in _TAGS if (text := hidden.get(name) or tags.get(name, ""))}
        run_params = {name: run.data.params[name] for name in _PARAMS if name in run.data.params}
        scores = {k: v for k, v in run.data.metrics.items() if k.partition("/")[0] in _METRICS}
        for values in (run_tags, run_params):
            values.update({name: self._texts.setdefault(text, text) for name, text in values.items()})
        times = (info.start_time, None if info.status == "RUNNING" else info.end_time)
        part = Info(info.run_id, info.run_name, info.status, *times, "", str(info.experiment_id), info.lifecycle_stage)
        return Run(part, Data(run_params, run_tags, scores))


def experiments(client: "Client") -> list[Experiment]:
    """Returns the experiments of a store that are not deleted, by their studies, without MLflow's own empty one."""
    every: list[Experiment] = client.search_experiments()
    return sorted((e for e in every if str(e.experiment_id) != "0"), key=study_of)


def study_of(experiment: Experiment) -> str:
    """Returns the name of the study whose runs an experiment holds, also if that was renamed."""
    name = experiment.tags.get("mlflow.ser.study") or experiment.tags.get("ser.study")  # as earlier versions had it
    return str(name or experiment.name)

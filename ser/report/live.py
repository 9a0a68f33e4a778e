"""What a page shows that follows running grids: of each study how far it is, and of running trials how they go.

All of it is read, from the tracking store and from the folders of trials in the work folder, and nothing is written. A
refresh takes a bounded time, however many runs there are: the rest is read by the next ones.
"""

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ser.errors import Away, BadInput
from ser.runs import attempts, reader
from ser.runs.folder import RunFolder
from ser.runs.location import Location
from ser.runs.progress import Progress, progress_of
from ser.runs.study_runs import OpenRun, StudyRuns, experiments

if TYPE_CHECKING:  # what only looks does without MLflow
    from ser.runs.mlflow_client import Client

_READING_S = 1.5  # of one refresh, in which runs are read
_PAGES = 4  # of 250 runs, between looks at the clock
_AGAIN_S, _AGAIN_SHARE = 300.0, 100.0  # all runs are read again this rarely, and at most for a hundredth of the time
_SHARE = 20.0  # times as long as a look took, until the next
_DRAWN = 12  # running trials whose curves are shown
_SCANNED = 3000  # folders of trials that are looked at
_LARGEST = 4 * 2**20  # bytes of the epochs of a trial that are read
_SILENT_S = 600.0  # without an epoch, after which a person should look
_DETAILED = 6  # studies that are shown at length
_CURVES = ("train/loss", "val/loss")


@dataclass(frozen=True)
class LiveTrial:
    """A trial that is marked as running."""

    run: OpenRun
    epochs: int = 0
    latest: tuple[tuple[str, float], ...] = ()  # values of the last epoch: losses, and UA in validation by corpus
    curves: tuple[tuple[str, tuple[float, ...]], ...] = ()  # loss → its value per epoch
    silent_s: float | None = None  # since its last sign of life here; None where it is not trained in this work folder

    @property
    def is_silent(self) -> bool:
        """Whether it has given no sign of life for long."""
        return self.silent_s is not None and self.silent_s > _SILENT_S


@dataclass(frozen=True)
class LiveStudy:
    """A study, and how its running trials go."""

    progress: Progress
    experiment: str  # id
    trials: tuple[LiveTrial, ...] = ()
    open: int = 0  # runs that are marked as running
    read: int = 0  # runs that have been read, where not all have
    is_still: bool = False  # runs are open, and none of those of this work folder gives a sign of life


@dataclass(frozen=True)
class Folders:
    """The folders of trials in the work folder."""

    waiting: int = 0  # trained, and not in the tracking store
    unfinished: int = 0
    retried: tuple[tuple[str, str], ...] = ()  # title and error of trials that will be tried again
    is_part: bool = False  # there are more than were looked at


@dataclass(frozen=True)
class Snapshot:
    """Everything at one moment."""

    now_s: float
    studies: tuple[LiveStudy, ...] = ()  # the one that moved last first
    others: tuple[Progress, ...] = ()  # those that are shown in a line
    folders: Folders = field(default_factory=Folders)
    problem: str = ""  # why the tracking store could not be read; what is shown is what was known before
    took_s: float = 0.0


class Watcher:
    """Looks at a work folder and its tracking store; many readers of a page share one."""

    def __init__(self, where: Location, work: Path, every_s: float = 3.0) -> None:
        """``every_s``: what is not older than this is not looked up again."""
        self.where, self.work, self._every_s = where, work, every_s
        self._lock = threading.Lock()
        self._studies: dict[str, StudyRuns] = {}
        self._progress: dict[str, tuple[int, Progress]] = {}  # with the changes that it knows
        self._read_again_s: dict[str, float] = {}
        self._reading_s: dict[str, float] = {}
        self._client: Client | None = None
        self._last = Snapshot(0.0)

    def snapshot(self) -> Snapshot:
        """Returns how everything is, at most ``every_s`` ago, or so long that looking takes a twentieth of the time.

        Raises nothing that the store does.
        """
        with self._lock:
            if time.time() - self._last.now_s >= self._pause_s():
                self._last = self._look()
            return self._last

    def _pause_s(self) -> float:
        is_reading = any(study.read for study in self._last.studies)
        return self._every_s if is_reading else max(self._every_s, min(_SHARE * self._last.took_s, 10 * self._every_s))

    def _look(self) -> Snapshot:
        start, now, problem = time.perf_counter(), time.time(), ""
        try:
            self._read(start)
        except (Away, BadInput) as error:
            self._client, problem = None, str(error)
        work_name = _work_id(self.work)
        every = [(runs, self._progress_of(runs, now)) for runs in self._studies.values()]
        every.sort(key=lambda pair: (pair[1].running > 0, pair[1].ended_s or pair[1].began_s or 0.0), reverse=True)
        studies = [self._study(runs, progress, work_name, now) for runs, progress in every[:_DETAILED]]
        others = tuple(progress for _, progress in every[_DETAILED:])
        folders = look_at_folders(self.work)
        return Snapshot(now, tuple(studies), others, folders, problem, time.perf_counter() - start)

    def _progress_of(self, runs: StudyRuns, now: float) -> Progress:
        """How far a study is; of one in which nothing runs what it was as long as nothing is new."""
        before = self._progress.get(runs.experiment)
        if before is None or before[0] != runs.changes or before[1].running:
            before = self._progress[runs.experiment] = runs.changes, progress_of(runs, now_s=now)
        return before[1]

    def _read(self, start: float) -> None:
        self._client = client = self._client or reader.client(self.where, to_read=True)
        existing = {str(e.experiment_id): e for e in experiments(client)}
        self._studies = {key: self._studies.get(key) or StudyRuns(client, e) for key, e in existing.items()}
        for key, runs in self._studies.items():
            while time.perf_counter() - start < _READING_S:
                before = time.perf_counter()
                if runs.is_whole and before > self._read_again_s.get(key, before):
                    runs.forget()
                    self._reading_s[key] = 0.0
                was_whole = runs.is_whole
                runs.refresh(_PAGES)
                took = time.perf_counter() - before
                if not was_whole:
                    self._reading_s[key] = self._reading_s.get(key, 0.0) + took
                    pause = max(_AGAIN_S, _AGAIN_SHARE * self._reading_s[key])
                    self._read_again_s[key] = time.perf_counter() + pause
                if runs.is_whole:
                    break

    def _study(self, runs: StudyRuns, progress: Progress, work_name: str, now: float) -> LiveStudy:
        opened = runs.open_runs()
        trials = tuple(self._trial(runs, run, work_name, now) for run in opened[:_DRAWN])
        own_trials = [trial for trial in trials if trial.silent_s is not None]
        is_still = bool(own_trials) and len(own_trials) == len(trials) and all(t.is_silent for t in own_trials)
        read = 0 if runs.is_whole else len(runs)
        return LiveStudy(progress, runs.experiment, trials, len(opened), read, is_still)

    def _trial(self, runs: StudyRuns, run: OpenRun, work_name: str, now: float) -> LiveTrial:
        run_folder = RunFolder(self.work, run.trial_id)
        if work_name and run.work == work_name:
            moment = _last_sign(run_folder.path)
            silent_s = now - (moment if moment is not None else run.started_s)
            rows = (
                run_folder.epochs if moment is not None and _size(run_folder.path / "epochs.jsonl") < _LARGEST else []
            )
            return _live(run, rows, max(silent_s, 0.0))
        try:
            curves = {name: runs.curve(run.run_id, name) for name in _CURVES}
        except (Away, BadInput):
            curves = {}
        length = max(map(len, curves.values()), default=0)
        rows = [{name: values[i] for name, values in curves.items() if i < len(values)} for i in range(length)]
        return _live(run, rows, None)


def _live(run: OpenRun, rows: "list[dict[str, float]]", silent_s: float | None) -> LiveTrial:
    names = [name for name in _CURVES if any(name in row for row in rows)]
    curves = tuple((name, tuple(row[name] for row in rows if name in row)) for name in names)
    last = rows[-1] if rows else {}
    latest = tuple((k, v) for k, v in last.items() if k in _CURVES or k.startswith("val/ua/"))
    return LiveTrial(run, len(rows), latest, curves, silent_s)


def look_at_folders(work: Path) -> Folders:
    """Returns what lies in the folders of trials that are not delivered; of very many only the first are looked at."""
    waiting = unfinished = number = 0
    retried: list[tuple[str, str]] = []
    for number, folder in enumerate(_folders(work / "trials"), start=1):
        if number > _SCANNED:
            break
        if (folder / "results.json").exists():
            waiting += 1
            continue
        unfinished += 1
        if (
            len(retried) < _DRAWN
            and (error := attempts.last_error(folder))
            and (head := RunFolder(work, folder.name).head)
        ):
            retried.append((head.title, error))
    return Folders(waiting, unfinished, tuple(retried), number > _SCANNED)


def _folders(folder: Path) -> Iterator[Path]:
    try:
        with os.scandir(folder) as entries:
            yield from (Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:
        return


def _last_sign(folder: Path) -> float | None:
    """When the trial's folder was last written to by its training; None where it is not there."""
    moments = [moment for name in ("attempt.json", "epochs.jsonl", "run.json") if (moment := _changed(folder / name))]
    return max(moments, default=None)


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _work_id(work: Path) -> str:
    """The name by which the runs of a work folder are known; "" where it has none yet."""
    try:
        return (work / "id").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeError):
        return ""

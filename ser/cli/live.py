"""A grid while it runs: a bar and a line that are renewed in a terminal, plain lines elsewhere, always a log file."""

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TextIO

from rich.console import RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, Task, TextColumn
from rich.text import Text

from ser.cli.console import PLAIN_EVERY_S, away, console
from ser.host import terminal
from ser.runs.outcomes import Busy, Failed, Finished, StoreDamaged, TrialOutcome, Undelivered, UnfitNode
from ser.runs.progress import seconds_left
from ser.study import Trial

_WIDEST_BAR, _LEAST_BAR = 40, 8
_BESIDE_BAR = 58  # columns for ``1234/5678 12 running, 3 failed, 10 days, 0:12:30 left``
_RENEWED_PER_S = 4.0


class Live:
    """Progress of a grid."""

    def __init__(self, trials: Sequence[Trial], already: int, log: Path) -> None:
        self.total, self._already = len(trials), already
        self._done: set[str] = set()
        self.failures: set[str] = set()
        self.best: dict[str, tuple[float, str]] = {}
        self.measure = "UA"
        self.at_once = 0
        self._away = False
        self._ends: dict[str, float] = {}  # of trials that ended since, by the clock that is never set
        self._start_s = self._last_line = time.monotonic()
        log.parent.mkdir(parents=True, exist_ok=True)
        self._log: TextIO = log.open("a", encoding="utf-8")
        # A terminal that cannot go back in a line, as TERM=dumb says, is written like a file.
        self._is_renewed = console.is_terminal and not console.is_dumb_terminal
        self._progress = _Bars(self)
        self._task = self._progress.add_task("starting workers …", total=self.total, completed=already)

    def __enter__(self) -> "Live":
        if self._is_renewed:
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_renewed:
            self._progress.stop()
        self._log.close()

    @property
    def done(self) -> int:
        """Trials that are finished, each counted once."""
        return min(self._already + len(self._done), self.total)

    def started(self, at_once: int) -> None:
        """Workers are there: this many trials run at once."""
        self.at_once = at_once
        if not self._ends:  # what came before was no training
            self._start_s = time.monotonic()

    def finished(self, trial: Trial, outcome: TrialOutcome) -> None:
        """One trial ended by itself."""
        match outcome:
            case Finished(results) | Undelivered(results):
                self._score(trial, results)
                listed = ("wa/", "ua/", "balanced/", "objective/loss", "objective/wa")
                tests = ("cross/wa/", "cross/ua/", "cross/balanced/")
                names = [k for k in sorted(results) if k.startswith(listed) and k.count("/") == 1]
                names += [k for k in sorted(results) if k.startswith(tests)]
                scores = " ".join(f"{k}={results[k]:.3f}" for k in names)
                self._tell(f"{type(outcome).__name__.lower()} {trial.id} {trial.title}: {scores}")
                if isinstance(outcome, Undelivered) and not self._away:
                    away(outcome.reason, outcome.refused)
                self._away = isinstance(outcome, Undelivered)
            case Busy():
                self._tell(f"busy {trial.id} {trial.title}: another process holds it")
            case Failed(error) | StoreDamaged(error) | UnfitNode(error):
                self.failed(trial, error)

    def _score(self, trial: Trial, results: Mapping[str, float]) -> None:
        self._done.add(trial.id)
        self._ends[trial.id] = time.monotonic()
        self.failures.discard(trial.id)
        for target in () if trial.is_reference else trial.targets:
            self.measure = "balanced accuracy" if f"balanced/{target}" in results else "UA"
            metric = f"balanced/{target}" if self.measure != "UA" else f"ua/{target}"
            if results.get(metric, -1.0) > self.best.get(target, (-1.0, ""))[0]:
                self.best[target] = (float(results[metric]), trial.title)

    def failed(self, trial: Trial, error: str) -> None:
        """One trial's worker died for good."""
        self.failures.add(trial.id)
        self._ends[trial.id] = time.monotonic()
        self._tell(f"FAILED {trial.id} {trial.title}: {error}", visible=True)

    def note(self, line: str) -> None:
        """Something that a person should know."""
        self._tell(line, visible=True)

    def grown(self, trials: Sequence[Trial]) -> None:
        """A search found more trials."""
        self.total += len(trials)
        if trials:
            self._tell(f"{len(trials)} more trials to run")
        self._progress.update(self._task, total=self.total)

    def testing(self, trials: Sequence[Trial]) -> None:
        """Trials are tested next on corpora that they have not learned from: they are counted anew."""
        self._tell(f"{len(trials)} finished trials to test on other corpora", visible=True)
        self.total, self._already, self._start_s = len(trials), 0, time.monotonic()
        self._done.clear()
        self._ends.clear()
        self.failures.clear()
        self._progress.update(self._task, total=self.total)

    def counts(self) -> str:
        """running, failed, and, once there is something to go by, the time left."""
        todo = max(self.total - self.done - len(self.failures), 0)
        seconds = seconds_left(list(self._ends.values()), todo, time.monotonic(), self._start_s, self.at_once)
        rest = "" if seconds is None else f", {timedelta(seconds=round(seconds))} left"
        return f"{min(self.at_once, todo)} running, {len(self.failures)} failed{rest}"

    def bests(self) -> str:
        """The best result on each corpus so far."""
        best = ", ".join(f"{target} {score:.3f}" for target, (score, _) in sorted(self.best.items()))
        return f"best {self.measure} {best or '–'}"

    def summary(self) -> str:
        """done, failed, time left, best UA per target so far."""
        return f"{self.done} of {self.total} done, {self.counts()}; {self.bests()}"

    def _tell(self, line: str, visible: bool = False) -> None:
        with suppress(OSError):  # a full disk; the grid itself goes on as long as it can
            self._log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line} | {self.summary()}\n")
            self._log.flush()
        self._progress.update(self._task, completed=self.done)
        if self._is_renewed:
            if visible:
                self._progress.console.print(line)
        elif visible or time.monotonic() - self._last_line > PLAIN_EVERY_S or self.done == self.total:
            self._last_line = time.monotonic()
            try:
                print(line if visible else self.summary(), flush=True)
            except OSError:  # the reader left, or a full disk: trials need neither, and the log file has it all
                terminal.mute()


class _Bars(Progress):
    """Bar, counts and time in one line, best results in the next: both fit into 80 columns."""

    def __init__(self, live: Live) -> None:
        self._live_state, self._bar = live, BarColumn(_WIDEST_BAR)
        columns = (self._bar, MofNCompleteColumn(), TextColumn("{task.description}", markup=False))
        super().__init__(*columns, console=console, refresh_per_second=_RENEWED_PER_S)

    def get_renderables(self) -> Iterable[RenderableType]:
        """As Rich asks for them, some times a second: the time left passes between trials, too."""
        self._bar.bar_width = max(_LEAST_BAR, min(_WIDEST_BAR, console.width - _BESIDE_BAR))
        for task in self.tasks:
            self._renew(task)
        yield from super().get_renderables()
        yield Text(self._live_state.bests(), no_wrap=True, overflow="ellipsis")

    def _renew(self, task: Task) -> None:
        if self._live_state.at_once:
            task.description = self._live_state.counts()

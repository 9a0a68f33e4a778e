"""`ser status`: how far the studies of a work folder are, once or for as long as they run."""

import shlex
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from ser.cli import console
from ser.errors import Away, BadInput
from ser.report.overview import overview
from ser.report.runs import Expected
from ser.runs import delivery
from ser.runs.links import pages_of, runs_page
from ser.runs.location import Location
from ser.runs.progress import Progress, experiments_with_trials, progress_of
from ser.runs.tracker import Tracker
from ser.study import load_study

_EVERY_S = 2.0  # a terminal is renewed; what takes longer to read is read less often
_PLAIN_EVERY_S = 20.0
_SHARE = 0.1  # of the time that goes into reading, at most
_FEW = 5  # failures that are listed of each study; with the study's name all are

Waiting = Sequence[tuple[str, str, str]]  # trials that MLflow does not have whole: title, state, last error


@dataclass(frozen=True)
class State:
    """A study of a work folder."""

    progress: Progress
    report: Path | None  # page of its last report
    page: str  # address of its runs in MLflow's pages
    grid: Expected | None = None  # what its file expects, where that was asked for


def states(where: Location, work: Path, study: str | None = None) -> list[State]:
    """Returns the state of one study, or of all that the tracking store has runs of; nothing is written.

    Raises Away, and BadInput for a study without runs.
    """
    if study is not None:
        stated = load_study(study)
        tracker = Tracker(where, stated.name, to_read=True)
        _, grid = overview(tracker, stated)
        return [state(tracker, work, grid)]
    return [state(Tracker(where, name, to_read=True), work) for name in experiments_with_trials(where)]


def state(tracker: Tracker, work: Path, grid: Expected | None = None) -> State:
    """Returns the state of the study of ``tracker``, against ``grid`` where that is known. Raises as the store does."""
    progress = progress_of(tracker, grid.count if grid else 0)
    report = work / "reports" / tracker.study / "report.html"
    page = runs_page(pages_of(tracker.where), tracker.experiment)
    return State(progress, report if report.is_file() else None, page, grid)


def show(where: Location, work: Path, study: str | None) -> tuple[list[State], str]:
    """Prints them, and what the work folder has that MLflow has not.

    Returns them, and why the tracking store does not answer, "" where it does. Raises BadInput.
    """
    waiting = delivery.local(work)
    each: list[State] = []
    reason = ""
    try:
        each = states(where, work, study)
        for line in lines(each, where, study is not None):
            console.console.print(line, soft_wrap=True)
    except Away as error:
        reason = str(error)
        console.away(reason)
    except BadInput as error:  # trials that are not delivered yet exist all the same
        if not waiting:
            raise
        console.console.print(str(error))
    console.local(waiting)
    return each, reason


def lines(each: Sequence[State], where: Location, whole: bool) -> list[str]:
    """Returns what is printed of them: of each its counts, speed, best results, failures and where to look further."""
    if not each:
        return [f"no runs in {where.printable}; ser run STUDY makes some"]
    out: list[str] = []
    for one in each:
        out += [*([""] if out else []), *_counts(one), *_details(one, whole)]
    if not where.uri.startswith("http"):
        place = ["--work", str(Path(where.artifacts).parent)] if where.own_database else []
        place = place or ["--tracking-uri", where.printable]
        out += ["", f"MLflow's pages are served by:  {shlex.join(['ser', 'ui', *place])}"]
    return out


def _counts(study: State) -> list[str]:
    one = study.progress
    if not one.expected:
        return [f"{one.study}: no trial has been started yet"]
    out = [f"{one.study}: {one.finished} of {one.expected} trials finished"]
    if one.references[1]:
        out.append(f"{one.references[0]} of {one.references[1]} references finished")
    counts = {"failed": one.failed, "interrupted": one.interrupted, "running": one.running}
    out += [f"{number} {name}" for name, number in counts.items() if number]
    if one.per_hour is not None:
        speed = f"{one.per_hour:.0f}" if one.per_hour >= 10 else f"{one.per_hour:.1f}"
        rest = "" if one.left_s is None else f", {timedelta(seconds=round(one.left_s))} left"
        out.append(f"{speed} trials an hour{rest}")
    return out


def _details(study: State, whole: bool) -> list[str]:
    one = study.progress
    out = [f"best {b.measure} {b.corpus} {_score(b.value, b.measure)}: {b.title}" for b in one.best]
    failures = [(f.title, f.error) for f in one.failures]
    listed = failures if whole else failures[:_FEW]
    out += [f"failed: {title}: {error}" for title, error in listed]
    if len(failures) > len(listed):
        out.append(f"and {len(failures) - len(listed)} failures more: ser status {one.study}")
    if study.grid is not None:
        out += study.grid.uncounted
    elif one.other_variants:
        out.append(f"not counted: runs of {one.other_variants} other settings or corpora")
    out += [f"report:  {study.report}"] if study.report else []
    return [*out, f"runs:    {study.page}"]


def _score(value: float, measure: str) -> str:
    return f"{value:.3f}" if measure.startswith("CCC") else f"{100 * value:.1f} %"


def watch(where: Location, work: Path, study: str | None) -> None:
    """Shows them again and again until all trials are finished; where output is no terminal, when something changed.

    Ctrl-C ends it as it ends every command.
    """
    if not (console.console.is_terminal and not console.console.is_dumb_terminal):
        _watch(where, work, study, _told_once(), _PLAIN_EVERY_S)
        return
    with console.renewed() as renew:
        _watch(where, work, study, renew, _EVERY_S)


def _watch(
    where: Location, work: Path, study: str | None, tell: Callable[[Sequence[str]], None], every_s: float
) -> None:
    while True:
        began = time.monotonic()
        each: list[State] = []
        with suppress(Away):  # it may answer again, and what was seen last stays
            each = states(where, work, study)
            tell(lines(each, where, study is not None))
        if each and all(s.progress.state == "finished" for s in each):
            return
        time.sleep(max(every_s, (time.monotonic() - began) / _SHARE))


def _told_once() -> Callable[[Sequence[str]], None]:
    """Returns what prints one line for each study whose counts have changed since."""
    last: Counter[str] = Counter()

    def tell(texts: Sequence[str]) -> None:
        changed = [text for text in texts if text and text not in last]
        last.clear()
        last.update(texts)
        if changed:
            print(f"{time.strftime('%H:%M:%S')} " + "; ".join(changed), flush=True)

    return tell

"""How far a study's grid is, by its runs alone: trials by state, best results, speed, time left and failures.

`ser status` and the page that follows a grid print it. It needs neither the study's file nor its corpora.
"""

import itertools
import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from ser.runs import reader
from ser.runs.location import Location
from ser.runs.reader import Run
from ser.runs.tracker import Tracker, is_of_study
from ser.study import REFERENCE, SCHEMA
from ser.study.trial import encoder_label

_FEW = 3  # trials that ended: with fewer there is no telling how long the others take
_BURST_S = 1.0  # trials that were trained stacked end together, and so do those that only count another's training
_PAUSE_S, _PAUSE_GAPS = 600.0, 20.0  # a longer gap between ends, also against the others, is a pause of the grid
_STATES = {"FINISHED": "finished", "RUNNING": "running", "FAILED": "failed", "KILLED": "interrupted"}
_MEASURES = {"balanced": "balanced accuracy", "ua": "UA", "ccc": "CCC"}


@dataclass(frozen=True)
class Best:
    """The best result on one corpus so far, of all finished trials."""

    corpus: str
    measure: str  # UA | balanced accuracy | CCC of a dimension
    value: float
    title: str
    trial_id: str
    run_id: str


@dataclass(frozen=True)
class Failure:
    """A trial that ended with an error and has no finished run."""

    title: str
    error: str
    trial_id: str
    run_id: str


@dataclass(frozen=True)
class Progress:
    """A study's newest variant. Trials are counted without references; times are in seconds since 1970."""

    study: str
    variant: str
    expected: int  # trials; those that were begun, where the runs do not say
    finished: int
    running: int
    failed: int
    interrupted: int
    references: tuple[int, int] = (0, 0)  # finished and expected ones, beside the trials
    best: tuple[Best, ...] = ()  # by corpus and measure
    failures: tuple[Failure, ...] = ()
    running_titles: tuple[str, ...] = ()
    began_s: float | None = None  # start of the first run
    ended_s: float | None = None  # end of the last run that ended
    per_hour: float | None = None  # trials that finish in an hour, while the grid goes on
    left_s: float | None = None  # until all have finished, as the finished ones went
    other_variants: int = 0  # of other settings or corpora, which are not counted

    @property
    def state(self) -> str:
        """``finished``, ``running``, ``failed`` (some did, and none runs), or ``unfinished``."""
        if self.running:
            return "running"
        if self.finished >= self.expected > 0:
            return "finished"
        return "failed" if self.failed else "unfinished"


def seconds_left(
    ends: Sequence[float], left: int, now: float, began: float | None = None, at_once: int = 1
) -> float | None:
    """Returns how long ``left`` more trials take, as those that ended at ``ends`` went; None where that is not known.

    ``began`` is when the first of them was started, if that is known; ``at_once`` how many run at the same time. There
    is an answer once three trials, and as many as run at once, have ended: the first of a batch say nothing of the
    others.
    """
    per_trial = _seconds_per_trial(ends, now, began, at_once)
    if per_trial is None or left <= 0:
        return 0.0 if left <= 0 else None
    seconds, waited = per_trial
    return max(seconds * left - waited, 0.0)


def _seconds_per_trial(
    ends: Sequence[float], now: float, began: float | None, at_once: int
) -> tuple[float, float] | None:
    """Returns seconds per trial, and how many have gone by since the last ended that they do not count."""
    bursts = _bursts(ends)
    if bursts and now - bursts[-1][0] < _BURST_S:  # more of it may follow at any moment
        bursts = bursts[:-1]
    origin, counted = (bursts[0][0], bursts[1:]) if began is None and bursts else (began or 0.0, bursts)
    number = sum(size for _, size in counted)
    if number < max(_FEW, at_once):
        return None
    span, waited = counted[-1][0] - origin, now - counted[-1][0]
    if waited > span / len(counted):  # longer than between others: it counts
        span, waited = now - origin, 0.0
    return span / number, waited


def _bursts(ends: Sequence[float]) -> list[tuple[float, int]]:
    """Returns when trials ended, each moment with their number."""
    bursts: list[tuple[float, int]] = []
    first = 0.0  # of the last burst; where trials end all the time it is not to grow for ever
    for end in sorted(ends):
        if bursts and end - first < _BURST_S:
            bursts[-1] = (end, bursts[-1][1] + 1)
        else:
            bursts.append((end, 1))
            first = end
    return bursts


def since_pause(ends: Sequence[float]) -> list[float]:
    """Returns the ends since the last long pause: of the call of ``ser run`` that goes on, not of one days ago."""
    ordered = sorted(ends)
    gaps = [after - before for before, after in itertools.pairwise(ordered)]
    longer = sorted(gap for gap in gaps if gap >= _BURST_S)
    usual = longer[len(longer) // 2] if longer else 0.0
    limit = max(_PAUSE_S, _PAUSE_GAPS * usual)
    first = max((place + 1 for place, gap in enumerate(gaps) if gap > limit), default=0)
    return ordered[first:]


class BestResults:
    """The best results of finished runs, by corpus and measure."""

    def __init__(self) -> None:
        self._best: dict[tuple[str, str], Best] = {}

    @property
    def results(self) -> tuple[Best, ...]:
        """The best ones, by corpus and measure."""
        return tuple(self._best[key] for key in sorted(self._best))

    def add(self, run: Run) -> None:
        """Takes in a finished run; of equal ones the first stays."""
        metrics, tags = run.data.metrics, run.data.tags
        for corpus in run.data.params.get("corpora", "").split(","):
            names = [name for kind in ("balanced", "ua") if (name := f"{kind}/{corpus}") in metrics][:1]
            names += [name for name in metrics if name.startswith(f"ccc/{corpus}/")]
            for name in names:
                kind, _, rest = name.partition("/")
                measure = " ".join([_MEASURES[kind], *rest.split("/")[1:]])
                value, best = metrics[name], self._best.get((corpus, measure))
                if value == value and (best is None or value > best.value):
                    title = tags.get("title", run.info.run_name)
                    self._best[corpus, measure] = Best(corpus, measure, value, title, tags["trial_id"], run.info.run_id)


@dataclass
class _Variant:
    """What the runs of one variant say, oldest first."""

    count: int = 0
    references: set[str] = field(default_factory=set)
    states: dict[str, str] = field(default_factory=dict)  # of trials
    titles: dict[str, str] = field(default_factory=dict)
    of_references: dict[str, str] = field(default_factory=dict)
    errors: dict[str, Failure] = field(default_factory=dict)
    best: BestResults = field(default_factory=BestResults)
    began_s: float | None = None
    ends: list[float] = field(default_factory=list)  # of finished trials
    last_s: float | None = None
    grid: str = ""
    encoders: dict[str, str] = field(default_factory=dict)  # as titles have them → as commands named them

    def add(self, run: Run) -> None:
        tags, trial = run.data.tags, run.data.tags["trial_id"]
        if tags["grid"] != self.grid:
            self.grid = tags["grid"]
            self._read_grid()
        began, ended = run.info.start_time / 1000, run.info.end_time and run.info.end_time / 1000
        self.began_s = began if self.began_s is None else min(self.began_s, began)
        self.last_s = max(filter(None, (self.last_s, ended)), default=None)
        state = _STATES.get(run.info.status, run.info.status.lower())
        is_reference = run.data.params.get("role") == REFERENCE
        states = self.of_references if is_reference else self.states
        if states.get(trial) == "finished":  # it outweighs what was tried beside it
            return
        states[trial], self.titles[trial] = state, tags.get("title", run.info.run_name)
        if state == "finished":
            self.errors.pop(trial, None)
        elif tags.get("error"):
            self.errors[trial] = Failure(self.titles[trial], tags["error"], trial, run.info.run_id)
        if state == "finished" and not is_reference:
            self.ends += [ended] if ended else []
            self.best.add(run)

    def _read_grid(self) -> None:
        try:
            grid: Mapping[str, object] = json.loads(self.grid)
        except ValueError:  # somebody has changed the tag in MLflow's pages
            return
        count, references = grid.get("count"), grid.get("references")
        stated = grid.get("encoders")
        names: dict[str, str] = dict(stated) if isinstance(stated, Mapping) else {}
        for identity, name in names.items():
            if name and list(names.values()).count(name) == 1:
                self.encoders[encoder_label(identity)] = name
        self.count = max(self.count, count if isinstance(count, int) else 0)
        self.references = set(references) if isinstance(references, Mapping) else set()

    def renamed(self, text: str) -> str:
        """Returns a title or an error with the names of encoders that commands gave."""
        for label, name in self.encoders.items():
            text = text.replace(label, name)
        return text


class Runs(Protocol):
    """Who knows a study's runs: a ``Tracker``, or ``StudyRuns``."""

    study: str

    def pages(self) -> Iterator[Run]:
        """Yields the runs, oldest first."""


def progress_of(tracker: Runs, expected: int = 0, now_s: float | None = None) -> Progress:
    """Returns how far the variant is that was run last; ``expected``: its number of trials, where that is known.

    Raises as the tracking store does.
    """
    variants: dict[str, _Variant] = {}
    newest = ""
    for run in tracker.pages():  # oldest first
        tags = run.data.tags
        if not {"trial_id", "grid"} <= tags.keys() or tags.get("schema") != str(SCHEMA) or "superseded_by" in tags:
            continue
        newest = tags.get("variant", "")
        variants.setdefault(newest, _Variant()).add(run)
    one = variants.get(newest, _Variant())
    counts = Counter(one.states.values())
    expected = max(expected, one.count, len(one.states))
    now = time.time() if now_s is None else now_s
    goes_on = "running" in (*one.states.values(), *one.of_references.values())
    per_hour = left_s = None
    if goes_on:
        ends = since_pause(one.ends)
        if speed := _seconds_per_trial(ends, now, None, 1):
            per_hour = 3600 / speed[0] if speed[0] else None
        left_s = seconds_left(ends, expected - counts["finished"], now)
    done = sum(state == "finished" for state in one.of_references.values())
    return Progress(
        study=tracker.study,
        variant=newest,
        expected=expected,
        finished=counts["finished"],
        running=counts["running"],
        failed=counts["failed"],
        interrupted=counts["interrupted"],
        references=(done, max(len(one.references), len(one.of_references))),
        best=tuple(replace(best, title=one.renamed(best.title)) for best in one.best.results),
        failures=tuple(replace(f, title=one.renamed(f.title), error=one.renamed(f.error)) for f in one.errors.values()),
        running_titles=tuple(one.renamed(one.titles[t]) for t, state in one.states.items() if state == "running"),
        began_s=one.began_s,
        ended_s=one.last_s,
        per_hour=per_hour,
        left_s=left_s,
        other_variants=len(variants.keys() - {newest}),
    )


def experiments_with_trials(where: Location) -> list[str]:
    """Returns the names of the experiments of a tracking store that hold trials, sorted. Raises as the store does."""
    names = []
    for experiment in reader.client(where, to_read=True).search_experiments():
        is_ours = is_of_study(experiment)
        if is_ours or (experiment.experiment_id != "0" and Tracker(where, experiment.name, to_read=True).newest()):
            names.append(str(experiment.name))
    return sorted(names)

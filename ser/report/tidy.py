"""Results as tidy rows: one for each trial and corpus that it was tested on, whatever the study.

Rows are of single runs, with a seed and a fold each; a report's tables pool the folds of a seed, and take the mean over
seeds. What is not there is a hole: a trial that failed, or was not run yet, has a row without numbers.
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from ser.report.crossing.tested import TAG, learned_from, unseen_of
from ser.report.fetched import with_predictions
from ser.report.groups import fold_of
from ser.report.overview import RunSummary, Selection, overview
from ser.report.predictions import columns, single_label
from ser.report.runs import Expected, Finished, Options
from ser.report.scans import Scans
from ser.report.settings import Axes, axes_of
from ser.report.statistics import METRICS
from ser.report.table import Cell
from ser.report.tidy_intervals import Intervals
from ser.runs.tracker import Tracker
from ser.study import Study

Value = str | int | float | bool | None  # None is a hole
MISSING = "missing"  # the status of a trial without a run
_NO_SCORES = ("head", "refit", "seconds", "system", "train", "val")  # first parts of names of metrics
_VALIDATION = "objective"
_COUNTS = ("epochs", "best_epoch", "parameters")
_OF_RUNS = {"seconds/training": "seconds", "objective/loss": "val_loss", "objective/wa": "val_wa"}
_FIRST = ("study", "trial_id", "run_id", "title", "status", "failure", "same_as", "role")
_THEN = ("seed", "fold", "target", "unseen", "combination", "corpora", "block")
_NUMBERS = ("n", *(f"{metric}{end}" for metric in METRICS for end in ("", "_low", "_high")))
_OPTIONAL = ("role",)  # left out where no row has any


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows by column: name → a value of each row."""

    columns: Mapping[str, list[Value]]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), []))


@dataclass(eq=False)
class _Row:
    """A row before its numbers are known."""

    run: RunSummary | None
    values: dict[str, Value]
    scores: dict[str, Value] = field(default_factory=dict)

    def receive(self, metric: str, cell: Cell) -> None:
        """Takes in an accuracy that is counted in predictions."""
        for name, value in ((metric, cell.value), (f"{metric}_low", cell.low), (f"{metric}_high", cell.high)):
            self.scores[name] = value if value == value else None


def rows_of(
    tracker: Tracker,
    study: Study,
    variant: str | None = None,
    options: Options | None = None,
    scans: Scans | None = None,
) -> Rows:
    """Returns the results of one variant of a study (see ``overview``), in the order of its grid.

    ``options``: how intervals are made; without replicates no predictions are read, and ``n`` is a hole, too. ``scans``
    tell speakers that predictions do not. Raises BadInput for another variant, or predictions that fit no class.
    """
    options = options or Options()
    runs, expected = overview(tracker, study, variant, Selection())
    trials = counted(run for run in runs if not run.is_reference)
    finished = [_without_text(run) for run in trials if run.status == "FINISHED"]
    axes = axes_of(finished, expected)
    rows = [row for run in trials for row in _of_run(run, axes, expected)]
    rows += _missing({run.title for run in trials}, axes, expected)
    place = {title: number for number, (title, _) in enumerate(expected.trials)}
    rows.sort(key=lambda row: place.get(str(row.values["title"]), len(place)))
    if options.replicates:
        scans = scans or Scans(options.who_speaks, expected.fingerprints)
        _count(rows, tracker, expected, options, scans)
    return _by_column(rows, [path.removeprefix("role.") for path in axes.paths])


def counted(runs: Iterable[RunSummary]) -> list[RunSummary]:
    """Returns the run of each trial that counts: of finished ones the first, else the one that was begun last."""
    by_trial: dict[str, RunSummary] = {}
    for run in runs:
        if run.trial_id not in by_trial or by_trial[run.trial_id].status != "FINISHED":
            by_trial[run.trial_id] = run
    return list(by_trial.values())


def _without_text(run: RunSummary) -> Finished:
    return Finished(run.trial_id, run.run_id, run.title, run.params, run.scores, run.same_as, "")


# --- what a row says ---


def _of_run(run: RunSummary, axes: Axes, expected: Expected) -> Iterator[_Row]:
    """Yields a row for each corpus that a run was tested on, or is to be."""
    scores, own = _scores_by_corpus(run), [name for name in run.params.get("corpora", "").split(",") if name]
    planned = next((point for title, point in expected.trials if title == run.title), {}) if not own else {}
    own = own or list(planned.get("corpora", ()))
    stated = _without_text(run)
    common: dict[str, Value] = {
        "study": expected.study,
        "trial_id": run.trial_id,
        "run_id": run.run_id,
        "title": run.title,
        "status": run.status.lower(),
        "failure": run.error if run.status != "FINISHED" else "",
        "same_as": run.same_as,
        "role": run.params.get("role", ""),
        "seed": _number(run.params.get("seed", planned.get("seed"))),
        "fold": fold_of(stated) or _number(planned.get("fold")),
        **_mix(own, expected),
        "block": run.params.get("block") or planned.get("block"),
        **{path.removeprefix("role."): axes.as_stated(stated, path) for path in axes.paths if path != "corpora"},
    }
    of_run: dict[str, Value] = {name: run.scores[key] for key, name in _OF_RUNS.items() if key in run.scores}
    of_run |= {name: int(run.scores[name]) for name in _COUNTS if name in run.scores}
    targets = list(scores) if run.status == "FINISHED" else [name for name in own if name in expected.tested]
    unseen = {*run.crossed, *unseen_of(run.params)} - set(learned_from(run.params))
    for target in targets or [""]:
        values = {**common, "target": target, "unseen": target in unseen}
        yield _Row(run, values, {**of_run, **scores.get(target, {})})


def _missing(titles: set[str], axes: Axes, expected: Expected) -> Iterator[_Row]:
    """Yields the rows of trials that are planned, and have no run."""
    for title, point in expected.trials:
        if title in titles:
            continue
        corpora = [str(name) for name in point.get("corpora", ())]
        common: dict[str, Value] = {
            **{"study": expected.study, "title": title, "status": MISSING},
            **{"seed": _number(point.get("seed")), "fold": _number(point.get("fold"))},
            **_mix(corpora, expected),
            "block": point.get("block"),
            **{path.removeprefix("role."): axes.stated_at(point, path) for path in axes.paths if path != "corpora"},
        }
        for target in [point["unseen"]] if "unseen" in point else [c for c in corpora if c in expected.tested]:
            yield _Row(None, {**common, "target": target, "unseen": "unseen" in point})


def _mix(corpora: Sequence[str], expected: Expected) -> dict[str, Value]:
    letters = "+".join(expected.letters.get(name, name) for name in corpora)
    return {"combination": letters, "corpora": ",".join(corpora)}


def _number(value: object) -> int | None:
    """A seed or fold; None for what is none, as fold 0 of a study without folds."""
    return int(str(value)) if str(value).isdigit() else None


def _scores_by_corpus(run: RunSummary) -> dict[str, dict[str, Value]]:
    """The final metrics by corpus: ``wa``, ``recall_angry``, ``val_ua``; only corpora that the run was tested on."""
    own = {name for name in run.params.get("corpora", "").split(",") if name}
    tested: dict[str, dict[str, Value]] = {}
    validated: dict[str, dict[str, Value]] = {}
    for name, value in run.scores.items():
        crossed, prefix = name.startswith(TAG), ""
        head, _, rest = name.removeprefix(TAG).partition("/")
        if head == _VALIDATION:
            prefix, (head, _, rest) = "val_", rest.partition("/")
        corpus, _, part = rest.partition("/")
        if corpus not in (run.crossed if crossed else own) or head in _NO_SCORES:
            continue
        column = f"{prefix}{head}_{part}" if part else f"{prefix}{head}"
        (validated if prefix else tested).setdefault(corpus, {})[column] = value
    return {corpus: {**scores, **validated.get(corpus, {})} for corpus, scores in tested.items()}


# --- numbers that predictions tell ---


def _count(rows: Sequence[_Row], tracker: Tracker, expected: Expected, options: Options, scans: Scans) -> None:
    """Gives rows their numbers of utterances and intervals. Few tables of predictions are held at once."""
    by_run: dict[str, dict[str, _Row]] = {}
    for row in rows:
        if row.run is not None and row.run.status == "FINISHED" and row.values["target"]:
            by_run.setdefault(row.run.run_id, {})[str(row.values["target"])] = row
    runs = {row.run.run_id: row.run for row in rows if row.run is not None and row.run.run_id in by_run}
    intervals = Intervals(expected.tested, options)
    for finished in _tables(tracker, list(runs.values()), scans):
        classes = finished.params.get("classes", ",".join(expected.classes)).split(",")
        tests = single_label(finished, classes) if {"predicted", "segment"} & set(columns(finished)) else {}
        for corpus, row in by_run[finished.run_id].items():
            if corpus in tests:
                row.scores["n"] = len(tests[corpus].uids)
                intervals.add(corpus, tests[corpus], row.receive)
            elif size := _size(finished, corpus):
                row.scores["n"] = size
    intervals.finish()


def _tables(tracker: Tracker, runs: Sequence[RunSummary], scans: Scans) -> Iterator[Finished]:
    """Every table of the runs: on their own corpora, and on each that they did not learn from."""
    yield from scans.completed(with_predictions(tracker, [run for run in runs if run.tested]))
    for name in sorted({name for run in runs for name in run.crossed}):
        some = [run for run in runs if name in run.crossed]
        for run, text in zip(some, tracker.texts([r.folder for r in some], f"{TAG}{name}.csv"), strict=True):
            yield from scans.completed([replace(_without_text(run), text=text)])


def _size(run: Finished, corpus: str) -> int:
    """Utterances of a corpus in a table that has other answers than one label."""
    reader = csv.DictReader(io.StringIO(run.text, newline=""))
    return len({row["uid"] for row in reader if row["corpus"] == corpus})


# --- columns ---


def _by_column(rows: Sequence[_Row], axes: Sequence[str]) -> Rows:
    scores = sorted({name for row in rows for name in row.scores}, key=_order)
    settings = [name for name in axes if name not in (*_FIRST, *_THEN)]
    by_name: dict[str, Callable[[_Row], Value]] = {
        **{name: partial(_value, name) for name in (*_FIRST, *_THEN, *settings)},
        **{name: partial(_score, name) for name in dict.fromkeys([*_NUMBERS, *scores])},
    }
    columns = {name: [read(row) for row in rows] for name, read in by_name.items()}
    for name in settings:
        columns[name] = _typed(columns[name])
    return Rows({name: each for name, each in columns.items() if name not in _OPTIONAL or any(each)})


def _order(score: str) -> tuple[bool, bool, bool, str]:
    """Scores of a test before those of validation and facts of the run, and before those of classes."""
    return score in (*_COUNTS, "seconds"), score.startswith("val_"), score.startswith("recall_"), score


def _value(name: str, row: _Row) -> Value:
    return row.values.get(name)


def _score(name: str, row: _Row) -> Value:
    return row.scores.get(name)


def _typed(values: Sequence[Value]) -> list[Value]:
    """Logged texts as numbers, or as yes and no, where all of them are such."""
    texts = [value for value in values if value is not None]
    for kind in (int, float):
        try:
            numbers = {text: kind(str(text)) for text in texts}
        except ValueError:
            continue
        return [None if value is None else numbers[value] for value in values]
    if texts and set(texts) <= {"True", "False"}:
        return [None if value is None else value == "True" for value in values]
    return list(values)

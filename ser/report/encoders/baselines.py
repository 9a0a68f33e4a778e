"""The best encoders beside whole systems of the survey, where both were trained and tested on the same folds.

Systems are points of the study itself, or runs of the study ``survey`` in the same work folder. Folds are the same
where the statements of both say so: corpus with its fingerprint, classes, split rule with all its settings, and fold,
of every seed that is compared.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ser.report.bootstrap import accuracy_draws, tested_of
from ser.report.content import HOLE, Cell, Row, Table
from ser.report.encoders.results import Bench, Case, Setting
from ser.report.measured import Result
from ser.report.predictions import LabelPredictions, pooled_labels, single_label
from ser.report.runs import Finished, Options
from ser.report.statistics import DIFFERENCE, METRICS, SHARE, Floats, interval

SURVEY = "survey"
MOST_SYSTEMS = 5  # of a corpus that are listed: the best
_HOLE = Cell(float("nan"))
Place = tuple[str, str]  # seed, and the fold with all that says who trains and who is tested
_NO_SPLIT = ("letter", "copies", "front_end", "loader", "axes")  # of a corpus: what does not say who is in which subset


@dataclass(frozen=True, eq=False)
class System:
    """A whole system on a corpus: its runs, by seed and fold, and where they come from."""

    name: str
    study: str
    corpus: str
    runs: Mapping[Place, Finished]

    def seeds(self, places: Iterable[Place]) -> set[str]:
        """Returns the seeds of which it has all these places."""
        lacking = {seed for seed, split in places if (seed, split) not in self.runs}
        return {seed for seed, _ in places} - lacking

    @property
    def words(self) -> str:
        """Its name, and how it is normalised if not by the training subset."""
        ways = {run.params.get("normalise", "train") for run in self.runs.values()}
        return f"{self.name}, by speaker" if ways == {"speaker"} else self.name


def place_of(run: Finished, corpus: str) -> Place:
    """Returns seed and fold of a run: equal where two runs have the same utterances in all subsets."""
    start = f"corpus.{corpus}."
    params = {k.removeprefix(start): v for k, v in run.params.items() if k.startswith(start)}
    split = sorted((k, v) for k, v in params.items() if k.partition(".")[0] not in _NO_SPLIT)
    labels = [run.params.get(name, "") for name in ("classes", "merge", "labels")]
    return run.params.get("seed", "0"), repr((split, labels))


def systems_of(runs: Iterable[Finished], corpora: Sequence[str]) -> list[System]:
    """Returns the systems of runs by corpus, protocol and study."""
    grouped: dict[tuple[str, ...], dict[Place, Finished]] = {}
    for run in runs:
        corpus = run.params.get("corpora", "").partition(",")[0]
        if corpus in corpora:
            study, protocol = run.params.get("study", ""), run.params.get("role.protocol", "")
            key = corpus, run.params["role.system"], study, protocol
            grouped.setdefault(key, {}).setdefault(place_of(run, corpus), run)
    return [System(name, study, corpus, members) for (corpus, name, study, _), members in grouped.items()]


@dataclass(frozen=True, eq=False)
class Comparison:
    """An encoder's best setting and the systems on its folds, measured on the same utterances."""

    case: Case
    setting: Setting
    result: Result
    systems: tuple[System, ...]  # the best first
    point: Floats  # WA and UA of the encoder, then of the systems [2, 1 + systems]
    draws: Floats  # [2, replicates, 1 + systems]
    clusters: int
    others: int  # systems on other folds

    def lead(self, place: int, metric: str) -> Cell:
        """Returns how far the encoder is ahead of a system."""
        row = METRICS.index(metric)
        draws = self.draws[row, :, 0] - self.draws[row, :, 1 + place]
        return interval(self.point[row, 0] - self.point[row, 1 + place], draws, self.clusters, DIFFERENCE)

    def cell(self, column: int, metric: str) -> Cell:
        """Returns an accuracy: of the encoder (0) on the seeds that systems have, too, or of a system (1 …)."""
        row = METRICS.index(metric)
        return interval(self.point[row, column], self.draws[row, :, column], self.clusters, SHARE)


def comparisons(bench: Bench, others: Iterable[Finished], options: Options) -> list[Comparison]:
    """Returns, of every case with a result, its best setting beside all systems that have its folds and seeds."""
    systems = systems_of([*bench.systems, *others], bench.expected.tested)
    return [
        _comparison(bench, case, [s for s in systems if s.corpus == case.corpus], options)
        for case in bench.cases
        if bench.ranked(case)
    ]


def _comparison(bench: Bench, case: Case, systems: Sequence[System], options: Options) -> Comparison:
    setting, result = bench.ranked(case)[0]
    places = {place_of(run, case.corpus): run for run in result.runs}
    seeds = set().union(*(system.seeds(places) for system in systems))
    same = [system for system in systems if seeds and seeds == system.seeds(places)]
    places = {place: run for place, run in places.items() if place[0] in seeds or not seeds}
    classes = result.runs[0].params.get("classes", ",".join(bench.expected.classes)).split(",")
    ours = _by_seed(places, classes, case.corpus, options) if same else {}
    tests = [(s, _by_seed({p: s.runs[p] for p in places}, classes, case.corpus, options)) for s in same if ours]
    tests = [(s, test) for s, test in tests if test]  # those whose predictions can be read again
    number = {seed: place for place, seed in enumerate(sorted(seeds))}
    every = [ours, *(test for _, test in tests)] if tests else []
    parts = [(i, number[seed], test) for i, each in enumerate(every) for seed, test in each.items()]
    tested = tested_of(parts, options.resample)
    point, draws = accuracy_draws(tested, options.replicates, np.random.default_rng(0))
    order = sorted(range(len(tests)), key=lambda i: -round(point[1, i + 1], 9))
    columns = [0, *(i + 1 for i in order)] if tests else []
    return Comparison(
        case,
        setting,
        result,
        tuple(tests[i][0] for i in order),
        point[:, columns],
        draws[:, :, columns],
        tested.sample.clusters,
        len(systems) - len(tests),
    )


def _by_seed(
    runs: Mapping[Place, Finished], classes: Sequence[str], corpus: str, options: Options
) -> dict[str, LabelPredictions]:
    """Predictions of all folds of each seed; {} where a run has none."""
    folds: dict[str, list[LabelPredictions]] = {}
    for (seed, _), run in runs.items():
        text = run.text or options.file(run.run_id, "predictions.csv") or ""
        tests = single_label(Finished("", run.run_id, run.title, {}, {}, "", text), classes, only=corpus)
        if corpus not in tests:
            return {}
        folds.setdefault(seed, []).append(tests[corpus])
    return {seed: pooled_labels(parts) for seed, parts in folds.items()}


def table(bench: Bench, every: Sequence[Comparison]) -> Table:
    """Returns the best encoder of every case beside the best systems on its folds; why not, where there are none."""
    rows = [row for one in every for row in _rows(bench, one)]
    return Table(
        "systems",
        "Encoders and the survey's best systems",
        f"The best setting of each case, and the {MOST_SYSTEMS} best systems that were trained and tested on the very "
        "same folds with the same seeds, by UA. Lead: the encoder less the system, in points, paired over speakers "
        "(and seeds). From: the study whose runs the system's numbers are of. Both are the best of many in the test.",
        ("Encoder", "UA, encoder", "From", "WA", "UA", "Lead, WA", "Lead, UA"),
        tuple(rows),
        "systems",
        grouped="Corpus",
        brief=True,
        named="System",
    )


def _rows(bench: Bench, one: Comparison) -> Iterator[Row]:
    of, words = len(one.systems) + one.others, bench.words(one.case)
    if not one.systems:
        why = "on other folds only" if one.others else "none was run"
        yield Row(words, HOLE, (one.setting.words, one.result.cell("ua"), why, *[_HOLE] * 4), 0, of)
    for place, system in enumerate(one.systems[:MOST_SYSTEMS]):
        here = "this study" if system.study == bench.expected.study else system.study
        cells = [*(one.cell(1 + place, m) for m in METRICS), *(one.lead(place, m) for m in METRICS)]
        yield Row(words, system.words, (one.setting.words, one.cell(0, "ua"), here, *cells), len(one.systems), of)


def notes(every: Sequence[Comparison]) -> Iterator[str]:
    """Says what encoders and systems learned from, where that is not the same."""
    ours = {run.params.get("training.learns_from", "") for one in every for run in one.result.runs}
    theirs = {r.params.get("training.learns_from", "") for c in every for s in c.systems for r in s.runs.values()}
    if theirs and theirs != ours:
        yield (
            f"Encoders learned from {_subsets(ours)}, systems from {_subsets(theirs)}: with more utterances to learn "
            "from, either would be better."
        )


def _subsets(names: Iterable[str]) -> str:
    return " or ".join(sorted(name.replace("_", " ") or "subsets that runs do not tell" for name in names))

"""The section on equivalence: what a setting does where everything else is equal, and whether that is surely little.

Precisions are compared so in every report whose trials were run in several; another setting where a person names one.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ser.report.bootstrap import Sample, counted_of, tested_of
from ser.report.comparison_tables import p_text
from ser.report.content import HOLE, Cell, Row, Table
from ser.report.equivalence import LEVEL, Changes, Equivalence, changes, equivalence
from ser.report.groups import fold_of, repeat_of, without_repeats
from ser.report.measured import Repeat
from ser.report.predictions import LabelPredictions, columns, pooled_labels, single_label
from ser.report.runs import Expected, Finished, Options
from ser.report.section import Section
from ser.report.statistics import METRICS

PARAMS = ("classes", "corpora", "block", "seed", "repeat", "corpus.*.split.fold", "role.system")
_ALL = "all"


@dataclass(frozen=True, eq=False)
class Pair:
    """Two finished runs that differ in one setting alone."""

    first: Finished
    second: Finished
    value: str  # of the second


@dataclass(frozen=True)
class _Key:
    """A setting whose repeats are pooled, on one corpus."""

    corpus: str
    value: str
    network: str
    title: str


_Folds = dict[int, tuple[LabelPredictions, LabelPredictions]]


@dataclass
class _Case:
    """The tests of both runs of each pair, by seed and fold."""

    repeats: dict[Repeat, _Folds] = field(default_factory=dict)

    def pooled(self) -> dict[Repeat, tuple[LabelPredictions, LabelPredictions]]:
        """Returns the predictions of both, of all folds of each repeat."""
        ordered = {repeat: [folds[fold] for fold in sorted(folds)] for repeat, folds in self.repeats.items()}
        return {
            repeat: (pooled_labels([first for first, _ in both]), pooled_labels([second for _, second in both]))
            for repeat, both in ordered.items()
        }


@dataclass(frozen=True, eq=False)
class _Measured:
    """What is changed in the cases of a corpus, in their order."""

    keys: tuple[_Key, ...]
    pairs: tuple[int, ...]  # of trials, in each case
    changes: Mapping[str, Changes]  # by metric
    sample: Sample

    def of(self, metric: str, value: str, networks: Collection[str]) -> tuple[Changes, int]:
        """Returns what is changed in the cases of a value and of some networks, and the number of their pairs."""
        rows = [row for row, key in enumerate(self.keys) if key.value == value and key.network in networks]
        whole = self.changes[metric]
        part = Changes(whole.whole[rows], whole.without[:, rows], whole.tested[:, rows])
        return part, sum(self.pairs[row] for row in rows)


def section_of(
    pairs: Iterable[Pair], values: Sequence[str], counts: tuple[int, int], expected: Expected, options: Options
) -> Section:
    """Returns the section; nothing where no pair has predictions of one label each.

    ``values``: of the setting ``options.equivalence``, that of all first runs at the head. ``counts``: the report's
    trials that have a counterpart, and all of them.
    """
    cases: dict[_Key, _Case] = {}
    for pair in pairs:
        _add(pair, cases, expected)
    by_corpus: dict[str, _Measured] = {}
    for corpus in expected.tested:
        if of_corpus := {key: case for key, case in cases.items() if key.corpus == corpus}:
            by_corpus[corpus] = _measured(of_corpus, options.resample)
    if not by_corpus:
        return Section()
    samples = "; ".join(f"{corpus}: {_in_words(one.sample)}" for corpus, one in by_corpus.items())
    note = (
        f"Equivalence of {', '.join(values)}: {counts[0]} of {counts[1]} finished trials have a counterpart. {samples}."
    )
    return Section((_table(list(by_corpus.values()), values, options),), (), (note,))


def _in_words(sample: Sample) -> str:
    """``10 speakers, 5 seeds``; utterances where these stand for speakers."""
    clusters = f"{sample.clusters} {'speakers' if sample.by_speaker else 'utterances, as speakers are not known'}"
    return f"{clusters}, {sample.seeds} seed{'s' * (sample.seeds > 1)}"


def _add(pair: Pair, cases: dict[_Key, _Case], expected: Expected) -> None:
    if "predicted" not in columns(pair.first) or "predicted" not in columns(pair.second):
        return
    params = pair.first.params
    classes = params.get("classes", ",".join(expected.classes)).split(",")
    tests = [single_label(run, classes) for run in (pair.first, pair.second)]
    network = params.get("role.system") or params.get("block", "")
    for corpus in tests[0].keys() & tests[1].keys():
        key = _Key(corpus, pair.value, network, without_repeats(pair.first.title))
        folds = cases.setdefault(key, _Case()).repeats.setdefault(repeat_of(pair.first), {})
        folds[fold_of(pair.first)] = tests[0][corpus], tests[1][corpus]


def _measured(cases: Mapping[_Key, _Case], resample: str) -> _Measured:
    """What is changed in all cases of a corpus."""
    seeds = {repeat: n for n, repeat in enumerate(sorted({r for case in cases.values() for r in case.repeats}))}
    results: list[tuple[int, int, LabelPredictions]] = []
    places: dict[tuple[int, int], tuple[int, int]] = {}
    for number, case in enumerate(cases.values()):
        for repeat, (first, second) in case.pooled().items():
            places[number, seeds[repeat]] = len(results), len(results) + 1
            results += [(2 * number, seeds[repeat], first), (2 * number + 1, seeds[repeat], second)]
    tested = tested_of(results, resample)
    changed = dict(zip(METRICS, changes(counted_of(tested), places), strict=True))
    pairs = tuple(sum(map(len, case.repeats.values())) for case in cases.values())
    return _Measured(tuple(cases), pairs, changed, tested.sample)


def _table(measured: Sequence[_Measured], values: Sequence[str], options: Options) -> Table:
    rows = []
    for metric in METRICS:
        for value in values[1:]:
            keys = [key for one in measured for key in one.keys if key.value == value]
            networks = list(dict.fromkeys(key.network for key in keys))
            groups = {name: [name] for name in networks} | ({_ALL: networks} if len(networks) > 1 else {})
            for name, members in groups.items():
                parts = [one.of(metric, value, members) for one in measured]
                change = equivalence([part for part, _ in parts if part.whole.size], options.margin)
                cells = (name, str(sum(pairs for _, pairs in parts)), *_cells(change))
                rows.append(Row(metric, f"{value} − {values[0]}", cells))
    margin = f"{100 * options.margin:g}"
    return Table(
        "equivalence",
        f"Equivalence: {options.equivalence}",
        "Mean paired difference in percent points between trials that differ in this setting alone: same utterances, "
        "seeds, order of mini-batches and initial weights. Its intervals, of 95 % and 90 %, are Student's t over "
        "speakers and seeds (two-way jackknife; the bootstrap of other tables counts what each training has of its "
        "own three times, and is wider). Equivalent: the 90 % interval lies "
        f"within ± {margin} points, the margin stated beforehand, so that two one-sided tests at 5 % reject a greater "
        "difference either way (TOST, Schuirmann 1987; p is the greater of the two). Different: the 95 % interval "
        "excludes 0, and it is not equivalent. Undecided: neither, or a single seed; that no difference is seen does "
        "not show that there is none. Least margin: the smallest with which it would be equivalent. Pairs: of trials, "
        "once for each corpus that they were tested on. Each line is a test for itself.",
        ("Network", "Pairs", "Difference", "90 %", "p", "Least margin", "Verdict"),
        tuple(rows),
        digits=2,
        brief=True,
        keys=1,
        named="Difference",
    )


def _cells(change: Equivalence) -> tuple[Cell | str, ...]:
    inner = change.interval(1 - 2 * LEVEL)
    text = HOLE if np.isnan(inner.low) else f"[{_points(inner.low)}, {_points(inner.high)}]"
    return change.interval(0.95), text, p_text(change.p), Cell(change.least_margin), change.verdict


def _points(share: float) -> str:
    return f"{round(100 * share, 2) + 0.0:.2f}"

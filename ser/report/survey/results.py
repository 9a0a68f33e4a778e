"""Systems on corpora under a protocol: the answers of all folds as one test side, measured, resampled, and the holes.

One resample of utterances serves all results on the same ones, so that systems and protocols differ pairwise.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ser.report.content import Cell
from ser.report.predictions import (
    LabelPredictions,
    on_same_utterances,
    pooled_labels,
    single_label,
    utterances_of,
)
from ser.report.runs import Expected, Finished
from ser.report.statistics import METRICS, Floats, accuracy_draws, interval
from ser.report.survey.published import SYSTEMS

PROTOCOLS = {"sd": "SD", "si": "SI"}  # speaker dependent, speaker independent
Key = tuple[str, str, str]  # corpus, protocol, system
_LISTED = 6  # results that a note names


@dataclass(frozen=True, eq=False)
class Fold:
    """A finished run: one fold of one system on one corpus under one protocol."""

    key: Key
    number: str
    seed: str
    classes: tuple[str, ...]
    normalise: str
    run_id: str
    title: str
    scores: Mapping[str, float]
    answers: LabelPredictions | None  # None: it was not tested

    def score(self, name: str) -> float:
        """A final metric; nan if it was not logged."""
        return self.scores.get(name, float("nan"))


@dataclass(frozen=True, eq=False)
class Result:
    """The result of a system: the folds that are there, each seed's answers to all their utterances, and its scores."""

    key: Key
    classes: tuple[str, ...]
    folds: tuple[Fold, ...]  # of all seeds
    of: int  # folds that there should be, of all seeds
    answers: tuple[LabelPredictions, ...]  # one per seed, on the same utterances
    point: Floats  # WA and UA, means over seeds [2]
    draws: Floats  # of both [2, replicates]

    @property
    def system(self) -> str:
        """Its name."""
        return self.key[2]

    @property
    def complete(self) -> bool:
        """Whether all folds have been tested with every seed."""
        return len(self.folds) >= self.of

    @property
    def counts(self) -> NDArray[np.int64]:
        """The confusion matrix summed over seeds, rows = truth."""
        total: NDArray[np.int64] = np.sum([test.counts for test in self.answers], axis=0)
        return total

    def value(self, metric: str) -> float:
        """WA or UA, 0 … 1."""
        return float(self.point[METRICS.index(metric)])

    def draws_of(self, metric: str) -> Floats:
        """The same of every replicate [replicates]."""
        values: Floats = self.draws[METRICS.index(metric)]
        return values

    def cell(self, metric: str) -> Cell:
        """WA or UA with its interval."""
        return interval(self.value(metric), self.draws_of(metric))

    def ahead_of(self, other: "Result", metric: str) -> Cell:
        """Returns how much more it is than ``other``."""
        return interval(self.value(metric) - other.value(metric), self.draws_of(metric) - other.draws_of(metric))

    def gain(self, other: "Result", metric: str) -> Cell:
        """Returns how much more it is than ``other``, relative to it; a hole where that has nothing right."""
        value, base, base_draws = self.value(metric), other.value(metric), other.draws_of(metric)
        if base <= 0:
            return Cell(float("nan"))
        return interval(
            value / base - 1, self.draws_of(metric) / base_draws - 1 if (base_draws > 0).all() else np.empty(0)
        )


@dataclass(frozen=True, eq=False)
class Bench:
    """All results of a study, and what it expects."""

    expected: Expected
    systems: tuple[str, ...]
    results: Mapping[Key, Result]
    folds: Mapping[tuple[str, str], int]  # (corpus, protocol) → folds of one seed; without those that cannot be
    notes: tuple[str, ...]  # what was left out

    @property
    def cases(self) -> tuple[tuple[str, str], ...]:
        """Corpus and protocol of all results, in order."""
        return tuple((c, p) for c in self.expected.tested for p in PROTOCOLS if (c, p) in self.folds)

    def lacks(self, corpus: str, system: str) -> str:
        """Why the system cannot be run on the corpus; "" if it can, or was."""
        if any((corpus, protocol, system) in self.results for protocol in PROTOCOLS):
            return ""
        return self.expected.unmet.get(corpus, {}).get(system, "")

    def can(self, corpus: str, protocol: str, system: str) -> bool:
        """Whether a result is to be expected."""
        return (corpus, protocol) in self.folds and system in self.systems and not self.lacks(corpus, system)

    def complete(self, corpus: str, protocol: str, system: str) -> Result | None:
        """The result of all folds, or None if one is missing."""
        result = self.results.get((corpus, protocol, system))
        return result if result and result.complete else None

    def ranked(self, corpus: str, protocol: str, metric: str = "ua") -> list[Result]:
        """The complete results of a case, the best first; of equal ones in the order of the systems."""
        results = [self.complete(corpus, protocol, system) for system in self.systems]
        return sorted((r for r in results if r), key=lambda r: -round(r.value(metric), 9))


def fold_of(run: Finished, names: dict[tuple[str, ...], tuple[str, ...]]) -> Fold | None:
    """The run with its answers to utterances, of segments by their highest mean logit; None if it is no system's.

    ``known``: names of utterances, which folds share. Raises BadInput for labels of other classes than the run's own.
    """
    system, protocol = run.params.get("role.system", ""), run.params.get("role.protocol", "")
    corpus, classes = run.params.get("corpora", "").partition(",")[0], run.params.get("classes", "")
    if not system or protocol not in PROTOCOLS or not corpus:
        return None
    class_names = tuple(classes.split(","))
    answers = single_label(run, class_names, only=corpus).get(corpus)
    return Fold(
        key=(corpus, protocol, system),
        number=run.params.get("role.fold", ""),
        seed=run.params.get("seed", "0"),
        classes=class_names,
        normalise=run.params.get("normalise", ""),
        run_id=run.run_id,
        title=run.title,
        scores=run.scores,
        answers=answers and replace(answers, uids=names.setdefault(answers.uids, answers.uids)),
    )


def bench_of(folds: Iterable[Fold], expected: Expected, replicates: int) -> Bench:
    """All results, those of one corpus's systems in the order of ``ser.report.survey.published``."""
    by_key, reasons = _usable_folds(folds, expected)
    names = dict.fromkeys([*expected.systems, *(system for _, _, system in by_key)])
    systems = sorted(names, key=lambda name: SYSTEMS.index(name) if name in SYSTEMS else len(SYSTEMS))
    protocols = {point["protocol"] for _, point in expected.trials if "protocol" in point} or PROTOCOLS.keys()
    sizes = {(c, p): n for c, of in expected.folds.items() for p, n in of.items() if n and p in protocols}
    for (corpus, protocol, _), members in by_key.items():
        if not (stated := expected.folds.get(corpus, {}).get(protocol, 0)):
            stated = max(sizes.get((corpus, protocol), 0), len({fold.number for fold in members}))
        sizes[corpus, protocol] = stated
    seeds = max(len(expected.seeds), 1)
    used_folds = {key: _comparable_seeds(members) for key, members in by_key.items()}
    scored = _scored({key: answers for key, (_, answers) in used_folds.items()}, replicates)
    results = {}
    for key, (used, answers) in used_folds.items():
        point, draws = scored[key]
        results[key] = Result(key, used[0].classes, used, sizes[key[:2]] * seeds, answers, point, draws)
        if len(used) < len(by_key[key]):
            reasons.setdefault("seeds that lack folds which others have", []).append(_described(key))
    return Bench(expected, tuple(systems), results, sizes, tuple(_left_out_notes(reasons)))


def _left_out_notes(reasons: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for reason, names in reasons.items():
        more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
        yield f"Left out: {reason}, of {'; '.join(names[:_LISTED])}{more}."


def _described(key: Key) -> str:
    corpus, protocol, system = key
    return f"{system} on {corpus} ({PROTOCOLS[protocol]})"


def _usable_folds(folds: Iterable[Fold], expected: Expected) -> tuple[dict[Key, list[Fold]], dict[str, list[str]]]:
    """The folds that count, oldest first, each utterance once per seed; and why which others do not."""
    by_key: dict[Key, list[Fold]] = {}
    utterances: dict[tuple[Key, str], set[str]] = {}
    reasons: dict[str, list[str]] = {}
    for fold in folds:
        if fold.answers is None or fold.key[0] not in expected.tested:
            continue
        before = by_key.setdefault(fold.key, [])
        tested = utterances.setdefault((fold.key, fold.seed), set())
        if before and before[0].classes != fold.classes:
            reasons.setdefault("folds of other classes than the first", []).append(_described(fold.key))
        elif not tested.isdisjoint(fold.answers.uids):
            reasons.setdefault("folds on utterances that were tested before", []).append(_described(fold.key))
        else:
            before.append(fold)
            tested.update(fold.answers.uids)
    return by_key, reasons


def _comparable_seeds(folds: Sequence[Fold]) -> tuple[tuple[Fold, ...], tuple[LabelPredictions, ...]]:
    """The folds of those seeds that were tested on the same utterances as the one with the most, and their answers."""
    seeds = dict.fromkeys(fold.seed for fold in folds)
    by_seed = [[fold for fold in folds if fold.seed == seed] for seed in seeds]
    by_seed.sort(key=lambda members: -len(members))
    whole = [pooled_labels([fold.answers for fold in members if fold.answers]) for members in by_seed]
    same = on_same_utterances(whole)
    used = [fold for members, answers in zip(by_seed, whole, strict=True) for fold in members if answers in same]
    return tuple(used), tuple(same)


def _scored(tests: Mapping[Key, Sequence[LabelPredictions]], replicates: int) -> dict[Key, tuple[Floats, Floats]]:
    """WA and UA [2] and those of every replicate [2, replicates] of each result, means over its seeds."""
    groups: dict[tuple[tuple[str, ...], bytes], list[Key]] = {}
    for key, seeds in tests.items():
        groups.setdefault(utterances_of(seeds[0]), []).append(key)
    scored: dict[Key, tuple[Floats, Floats]] = {}
    for keys in groups.values():
        each = [test for key in keys for test in tests[key]]
        owners = [place for place, key in enumerate(keys) for _ in tests[key]]
        correct = np.stack([test.correct for test in each], axis=1)
        point, draws = accuracy_draws(each[0].truth, correct, owners, replicates, np.random.default_rng(0))
        scored |= {key: (point[:, i], draws[:, :, i]) for i, key in enumerate(keys)}
    return scored

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
    test_utterances,
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
    """What a system reached: the folds that are there, each seed's answers to all their utterances, and its scores."""

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
        total: NDArray[np.int64] = np.sum([told.counts for told in self.answers], axis=0)
        return total

    def value(self, metric: str) -> float:
        """WA or UA, 0 … 1."""
        return float(self.point[METRICS.index(metric)])

    def drawn(self, metric: str) -> Floats:
        """The same of every replicate [replicates]."""
        found: Floats = self.draws[METRICS.index(metric)]
        return found

    def cell(self, metric: str) -> Cell:
        """WA or UA with its interval."""
        return interval(self.value(metric), self.drawn(metric))

    def ahead_of(self, other: "Result", metric: str) -> Cell:
        """How much more than ``other``."""
        return interval(self.value(metric) - other.value(metric), self.drawn(metric) - other.drawn(metric))

    def gain(self, other: "Result", metric: str) -> Cell:
        """How much more than ``other``, relative to it; a hole where that has nothing right."""
        own, base, drawn = self.value(metric), other.value(metric), other.drawn(metric)
        if base <= 0:
            return Cell(float("nan"))
        return interval(own / base - 1, self.drawn(metric) / drawn - 1 if (drawn > 0).all() else np.empty(0))


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
        found = self.results.get((corpus, protocol, system))
        return found if found and found.complete else None

    def ranked(self, corpus: str, protocol: str, metric: str = "ua") -> list[Result]:
        """The complete results of a case, the best first; of equal ones in the order of the systems."""
        found = [self.complete(corpus, protocol, system) for system in self.systems]
        return sorted((r for r in found if r), key=lambda r: -round(r.value(metric), 9))


def fold_of(run: Finished, known: dict[tuple[str, ...], tuple[str, ...]]) -> Fold | None:
    """The run with its answers to utterances, of segments by their highest mean logit; None if it is no system's.

    ``known``: names of utterances, which folds share. Raises BadInput for labels of other classes than the run's own.
    """
    system, protocol = run.params.get("role.system", ""), run.params.get("role.protocol", "")
    corpus, classes = run.params.get("corpora", "").partition(",")[0], run.params.get("classes", "")
    if not system or protocol not in PROTOCOLS or not corpus:
        return None
    named = tuple(classes.split(","))
    answers = single_label(run, named, only=corpus).get(corpus)
    return Fold(
        key=(corpus, protocol, system),
        number=run.params.get("role.fold", ""),
        seed=run.params.get("seed", "0"),
        classes=named,
        normalise=run.params.get("normalise", ""),
        run_id=run.run_id,
        title=run.title,
        scores=run.scores,
        answers=answers and replace(answers, uids=known.setdefault(answers.uids, answers.uids)),
    )


def bench_of(folds: Iterable[Fold], expected: Expected, replicates: int) -> Bench:
    """All results, those of one corpus's systems in the order of ``ser.report.survey.published``."""
    kept, left = _kept(folds, expected)
    names = dict.fromkeys([*expected.systems, *(system for _, _, system in kept)])
    systems = sorted(names, key=lambda name: SYSTEMS.index(name) if name in SYSTEMS else len(SYSTEMS))
    asked = {point["protocol"] for _, point in expected.trials if "protocol" in point} or PROTOCOLS.keys()
    sizes = {(c, p): n for c, of in expected.folds.items() for p, n in of.items() if n and p in asked}
    for (corpus, protocol, _), found in kept.items():
        if not (stated := expected.folds.get(corpus, {}).get(protocol, 0)):
            stated = max(sizes.get((corpus, protocol), 0), len({fold.number for fold in found}))
        sizes[corpus, protocol] = stated
    seeds = max(len(expected.seeds), 1)
    chosen = {key: _alike(found) for key, found in kept.items()}
    scored = _scored({key: answers for key, (_, answers) in chosen.items()}, replicates)
    results = {}
    for key, (used, answers) in chosen.items():
        point, draws = scored[key]
        results[key] = Result(key, used[0].classes, used, sizes[key[:2]] * seeds, answers, point, draws)
        if len(used) < len(kept[key]):
            left.setdefault("seeds that lack folds which others have", []).append(_named(key))
    return Bench(expected, tuple(systems), results, sizes, tuple(_said(left)))


def _said(left: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for reason, named in left.items():
        more = f" and {len(named) - _LISTED} more" if len(named) > _LISTED else ""
        yield f"Left out: {reason}, of {'; '.join(named[:_LISTED])}{more}."


def _named(key: Key) -> str:
    corpus, protocol, system = key
    return f"{system} on {corpus} ({PROTOCOLS[protocol]})"


def _kept(folds: Iterable[Fold], expected: Expected) -> tuple[dict[Key, list[Fold]], dict[str, list[str]]]:
    """The folds that count, oldest first, each utterance once per seed; and why which others do not."""
    kept: dict[Key, list[Fold]] = {}
    there: dict[tuple[Key, str], set[str]] = {}
    left: dict[str, list[str]] = {}
    for fold in folds:
        if fold.answers is None or fold.key[0] not in expected.tested:
            continue
        before = kept.setdefault(fold.key, [])
        seen = there.setdefault((fold.key, fold.seed), set())
        if before and before[0].classes != fold.classes:
            left.setdefault("folds of other classes than the first", []).append(_named(fold.key))
        elif not seen.isdisjoint(fold.answers.uids):
            left.setdefault("folds on utterances that were tested before", []).append(_named(fold.key))
        else:
            before.append(fold)
            seen.update(fold.answers.uids)
    return kept, left


def _alike(folds: Sequence[Fold]) -> tuple[tuple[Fold, ...], tuple[LabelPredictions, ...]]:
    """The folds of those seeds that were tested on the same utterances as the one with the most, and their answers."""
    seeds = dict.fromkeys(fold.seed for fold in folds)
    own = [[fold for fold in folds if fold.seed == seed] for seed in seeds]
    own.sort(key=lambda some: -len(some))
    whole = [pooled_labels([fold.answers for fold in some if fold.answers]) for some in own]
    same = on_same_utterances(whole)
    used = [fold for some, answers in zip(own, whole, strict=True) for fold in some if answers in same]
    return tuple(used), tuple(same)


def _scored(tests: Mapping[Key, Sequence[LabelPredictions]], replicates: int) -> dict[Key, tuple[Floats, Floats]]:
    """WA and UA [2] and those of every replicate [2, replicates] of each result, means over its seeds."""
    groups: dict[tuple[tuple[str, ...], bytes], list[Key]] = {}
    for key, seeds in tests.items():
        groups.setdefault(test_utterances(seeds[0]), []).append(key)
    scored: dict[Key, tuple[Floats, Floats]] = {}
    for keys in groups.values():
        each = [test for key in keys for test in tests[key]]
        owners = [place for place, key in enumerate(keys) for _ in tests[key]]
        correct = np.stack([test.correct for test in each], axis=1)
        point, draws = accuracy_draws(each[0].truth, correct, owners, replicates, np.random.default_rng(0))
        scored |= {key: (point[:, i], draws[:, :, i]) for i, key in enumerate(keys)}
    return scored

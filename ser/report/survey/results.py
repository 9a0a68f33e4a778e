"""Systems on corpora under a protocol: the answers of all folds as one test side, measured, resampled, and the holes.

All results on a corpus share the speakers and seeds that a replicate draws, so that systems and protocols differ
pairwise.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ser.metrics.accuracy import ua, wa
from ser.report.bootstrap import Sample, accuracy_draws, tested_of
from ser.report.content import Cell
from ser.report.groups import spread
from ser.report.predictions import LabelPredictions, pooled_labels, single_label
from ser.report.runs import Expected, Finished, Options
from ser.report.statistics import DIFFERENCE, METRICS, SHARE, Floats, interval
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
    learns_from: str  # "train" | "train_and_validation"; "" = the run does not tell
    run: Finished  # without its predictions
    answers: LabelPredictions | None  # None: it was not tested

    @property
    def run_id(self) -> str:
        """Of the tracked run."""
        return self.run.run_id

    def accuracy(self, metric: str) -> float:
        """WA or UA of this fold by itself; one of a speaker may lack classes."""
        assert self.answers is not None, "only folds that were tested are compared"
        return wa(self.answers.counts) if metric == "wa" else ua(self.answers.counts)

    def score(self, name: str) -> float:
        """A final metric; nan if it was not logged."""
        return self.run.scores.get(name, float("nan"))


@dataclass(frozen=True, eq=False)
class Result:
    """The result of a system: the folds that are there, each seed's answers to all their utterances, and its scores."""

    key: Key
    classes: tuple[str, ...]
    folds: tuple[Fold, ...]  # of all seeds
    of: int  # folds that there should be, of all seeds
    answers: tuple[LabelPredictions, ...]  # one per seed
    point: Floats  # WA and UA, means over seeds [2]
    draws: Floats  # of both [2, replicates]
    sample: Sample  # what they are drawn from

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
        """WA or UA with its interval, and what it comes from."""
        cell = interval(self.value(metric), self.draws_of(metric), self.sample.clusters, SHARE)
        corpus, protocol, system = self.key
        words = f"{corpus}, {PROTOCOLS[protocol]}: {system}, {len(self.folds)} of {self.of} folds"
        return cell.from_runs((fold.run_id for fold in self.folds), self.sample.utterances, words)

    def spread(self, metric: str) -> float:
        """The sample standard deviation over the folds of all seeds, each by itself; nan for a single one."""
        return spread([fold.accuracy(metric) for fold in self.folds])

    def ahead_of(self, other: "Result", metric: str) -> Cell:
        """Returns how much more it is than ``other``."""
        draws = self.draws_of(metric) - other.draws_of(metric)
        clusters = min(self.sample.clusters, other.sample.clusters)
        return interval(self.value(metric) - other.value(metric), draws, clusters, DIFFERENCE)

    def gain(self, other: "Result", metric: str) -> Cell:
        """Returns how much more it is than ``other``, relative to it; a hole where that has nothing right."""
        value, base, base_draws = self.value(metric), other.value(metric), other.draws_of(metric)
        if base <= 0:
            return Cell(float("nan"))
        if not (base_draws[~np.isnan(base_draws)] > 0).all():
            return Cell(value / base - 1)
        clusters = min(self.sample.clusters, other.sample.clusters)
        return interval(value / base - 1, self.draws_of(metric) / base_draws - 1, clusters)


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

    ``names``: those of utterances, which folds share. Raises BadInput for labels of other classes than the run's own.
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
        learns_from=run.params.get("training.learns_from", ""),
        run=replace(run, text=""),
        answers=answers and replace(answers, uids=names.setdefault(answers.uids, answers.uids)),
    )


def bench_of(folds: Iterable[Fold], expected: Expected, options: Options) -> Bench:
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
    scored = _scored({key: answers for key, (_, answers) in used_folds.items()}, options)
    results = {}
    for key, (used, by_seed) in used_folds.items():
        of, answers = sizes[key[:2]] * seeds, tuple(by_seed.values())
        results[key] = Result(key, used[0].classes, used, of, answers, *scored[key])
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


def _comparable_seeds(folds: Sequence[Fold]) -> tuple[tuple[Fold, ...], dict[str, LabelPredictions]]:
    """The folds of those seeds that have the same folds as the one with the most, and what each seed answered."""
    by_seed: dict[str, list[Fold]] = {}
    for fold in folds:
        by_seed.setdefault(fold.seed, []).append(fold)
    most = {fold.number for fold in max(by_seed.values(), key=len)}
    complete = {seed: members for seed, members in by_seed.items() if {fold.number for fold in members} == most}
    whole = {s: pooled_labels([f.answers for f in members if f.answers]) for s, members in complete.items()}
    return tuple(fold for members in complete.values() for fold in members), whole


def _scored(
    tests: Mapping[Key, Mapping[str, LabelPredictions]], options: Options
) -> dict[Key, tuple[Floats, Floats, Sample]]:
    """WA and UA [2] of each result, means over its seeds, and of every replicate [2, replicates]; what these draw."""
    scored: dict[Key, tuple[Floats, Floats, Sample]] = {}
    seeds = {seed: place for place, seed in enumerate(sorted({seed for answers in tests.values() for seed in answers}))}
    for corpus in dict.fromkeys(key[0] for key in tests):
        keys = [key for key in tests if key[0] == corpus]
        parts = [(i, seeds[seed], test) for i, key in enumerate(keys) for seed, test in tests[key].items()]
        tested = tested_of(parts, options.resample)
        point, draws = accuracy_draws(tested, options.replicates, np.random.default_rng(0))
        scored |= {key: (point[:, i], draws[:, :, i], tested.sample_of(i)) for i, key in enumerate(keys)}
    return scored

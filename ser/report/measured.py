"""Accuracies of settings on a corpus: means over seeds, with paired resamples, and what validation chooses of them.

Results on a corpus share the speakers and seeds that a replicate draws, so that their differences are paired. The folds
of a seed are pooled. Beside what each setting gives stands what choosing the best by validation gives: in every seed
and fold the setting that is best in its validation subset, tested there (nested, where there are folds).
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ser.metrics.accuracy import ua, wa
from ser.report.bootstrap import Sample, accuracy_draws, tested_of
from ser.report.content import Cell
from ser.report.groups import fold_of
from ser.report.predictions import LabelPredictions, pooled_labels
from ser.report.runs import Finished, Options
from ser.report.statistics import METRICS, SHARE, Floats, interval
from ser.report.validation import validation_accuracy

_NO_DRAWS = np.empty(0)
Values = tuple[str, ...]  # one per axis
Repeat = tuple[str, str]  # seed, and which of equal models
Seeds = Mapping[Repeat, Sequence[Finished]]  # the runs of a setting, of all folds
Tests = Mapping[str, Mapping[str, LabelPredictions]]  # run id → corpus → predictions
Validated = Mapping[str, Mapping[str, float]]  # run id → metric → its accuracy in validation
_ALL: Mapping[str, Collection[Values]] = {}  # no pools beside all


@dataclass(frozen=True, eq=False)
class Result:
    """A setting tested on a corpus."""

    values: Values
    corpus: str
    runs: tuple[Finished, ...]  # of the seeds that count
    seeds: int
    point: Mapping[str, float]  # metric → mean over seeds
    draws: Mapping[str, Floats]  # metric → [replicates]; none where metrics are as logged
    spread: Mapping[str, float]  # metric → sample standard deviation over seeds and folds, nan for one run
    counts: NDArray[np.int64] | None  # the confusion matrix summed over seeds, rows = truth
    validation: Mapping[str, float]  # metric → mean over seeds and folds, nan where it was not logged
    sample: Sample | None = None  # what the draws are of

    def cell(self, metric: str) -> Cell:
        """Returns a metric with its interval, and what it comes from."""
        cell = interval(self.point[metric], self.draws[metric], self.sample.clusters if self.sample else 0, SHARE)
        n = self.sample.utterances if self.sample else 0
        return cell.from_runs((run.run_id for run in self.runs), n, f"{self.corpus}: {' · '.join(self.values)}")


@dataclass(frozen=True, eq=False)
class Choice:
    """What choosing by validation gives on a corpus: in every seed and fold its best setting there is tested."""

    corpus: str
    pool: str  # of settings among which it is chosen; "" = all
    metric: str  # by which it is chosen
    settings: tuple[tuple[Values, int], ...]  # chosen, and in how many seeds and folds, the most frequent first
    validation: float  # mean of the accuracies by which they were chosen
    result: Result  # what was tested
    candidates: int  # settings with a validation accuracy in every one of these

    @property
    def repeats(self) -> int:
        """Seeds and folds in which there was a choice."""
        return sum(count for _, count in self.settings)


@dataclass(frozen=True, eq=False)
class Measured:
    """The results on a corpus."""

    results: tuple[Result, ...]
    choices: tuple[Choice, ...]
    sample: Sample
    uneven: bool  # whether results have other utterances than each other


@dataclass(frozen=True, eq=False)
class _Entry:
    """A setting, or what was chosen, before it is measured."""

    values: Values
    runs: Seeds
    pooled: Mapping[Repeat, LabelPredictions]
    validation: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class _Pick:
    """The choice by a metric: the setting of each seed and fold, and its runs."""

    pool: str
    metric: str
    settings: tuple[Values, ...]
    runs: Seeds
    candidates: int


def from_predictions(
    corpus: str,
    settings: Mapping[Values, Seeds],
    tests: Tests,
    options: Options,
    rng: np.random.Generator,
    pools: Mapping[str, Collection[Values]] = _ALL,
) -> Measured:
    """Returns results whose accuracies are counted in the predictions, and what validation chooses of them.

    ``pools``: names of further collections of settings, beside all, in each of which validation chooses as well.
    """
    every = [run for seeds in settings.values() for runs in seeds.values() for run in runs]
    validated = {
        run.run_id: {metric: validation_accuracy(run, corpus, metric, options.curve) for metric in METRICS}
        for run in every
    }
    members = {"": settings} | {pool: {v: settings[v] for v in values} for pool, values in pools.items()}
    picks = [pick for pool in members for m in METRICS if (pick := _pick(pool, members[pool], validated, m))]
    entries = [_entry(corpus, values, seeds, tests, validated) for values, seeds in settings.items()]
    entries += [_entry(corpus, (), pick.runs, tests, validated) for pick in picks]
    seeds = {repeat: number for number, repeat in enumerate(sorted({r for entry in entries for r in entry.pooled}))}
    parts = [(i, seeds[repeat], test) for i, entry in enumerate(entries) for repeat, test in entry.pooled.items()]
    tested = tested_of(parts, options.resample)
    point, draws = accuracy_draws(tested, options.replicates, rng)
    results = [
        _result(corpus, entry, (point[:, i], draws[:, :, i]), tests, tested.sample_of(i))
        for i, entry in enumerate(entries)
    ]
    choices = tuple(_choice(pick, one) for pick, one in zip(picks, results[len(settings) :], strict=True))
    inside = {tested.present[:, tested.setting == i].any(axis=1).tobytes() for i in range(len(settings))}
    return Measured(tuple(results[: len(settings)]), choices, tested.sample, len(inside) > 1)


def _entry(corpus: str, values: Values, seeds: Seeds, tests: Tests, validated: Validated) -> _Entry:
    pooled = {repeat: _pooled([tests[run.run_id][corpus] for run in runs]) for repeat, runs in seeds.items()}
    ids = [run.run_id for runs in seeds.values() for run in runs]
    validation = {metric: float(np.mean([validated[run_id][metric] for run_id in ids])) for metric in METRICS}
    return _Entry(values, seeds, pooled, validation)


def _pooled(folds: Sequence[LabelPredictions]) -> LabelPredictions:
    return folds[0] if len(folds) == 1 else pooled_labels(folds)


def _pick(pool: str, settings: Mapping[Values, Seeds], validated: Validated, metric: str) -> _Pick | None:
    """Chooses in every seed and fold, of equal ones the first; None where there are fewer than two candidates.

    Candidates are the settings whose validation accuracy is known in as many seeds and folds as that of any.
    """
    places: dict[Values, dict[tuple[Repeat, int], Finished]] = {}
    for values, seeds in settings.items():
        by_place = {(repeat, fold_of(run)): run for repeat, runs in seeds.items() for run in runs}
        if not any(np.isnan(validated[run.run_id][metric]) for run in by_place.values()):
            places[values] = by_place
    if not places:
        return None
    widest = max(places.values(), key=len).keys()
    candidates = [values for values, by_place in places.items() if by_place.keys() == widest]
    if len(candidates) < 2:
        return None
    picked: list[Values] = []
    runs: dict[Repeat, list[Finished]] = {}
    for place in widest:
        scores = [round(validated[places[values][place].run_id][metric], 9) for values in candidates]
        picked.append(candidates[int(np.argmax(scores))])
        runs.setdefault(place[0], []).append(places[picked[-1]][place])
    return _Pick(pool, metric, tuple(picked), runs, len(candidates))


def _choice(pick: _Pick, result: Result) -> Choice:
    settings = tuple(Counter(pick.settings).most_common())
    return Choice(
        result.corpus, pick.pool, pick.metric, settings, result.validation[pick.metric], result, pick.candidates
    )


def _result(corpus: str, entry: _Entry, drawn: tuple[Floats, Floats], tests: Tests, sample: Sample) -> Result:
    runs = tuple(run for repeats in entry.runs.values() for run in repeats)
    by_run = np.array([(wa(counts), ua(counts)) for counts in (tests[run.run_id][corpus].counts for run in runs)])
    return Result(
        values=entry.values,
        corpus=corpus,
        runs=runs,
        seeds=len(entry.runs),
        point=dict(zip(METRICS, drawn[0].tolist(), strict=True)),
        draws=dict(zip(METRICS, drawn[1], strict=True)),
        spread=dict(zip(METRICS, _spread(by_run), strict=True)),
        counts=np.asarray(np.sum([test.counts for test in entry.pooled.values()], axis=0)),
        validation=entry.validation,
        sample=sample,
    )


def as_logged(corpus: str, values: Values, seeds: Seeds, metrics: Sequence[str]) -> Result:
    """Returns a result whose metrics are as its runs logged them: means over folds, then over seeds."""
    names = [f"{metric}/{corpus}" for metric in metrics]
    logged = [[[run.scores.get(name, np.nan) for name in names] for run in runs] for runs in seeds.values()]
    means = np.mean([np.mean(folds, axis=0) for folds in logged], axis=0)
    spread = _spread(np.array([scores for folds in logged for scores in folds]))
    runs = tuple(run for repeats in seeds.values() for run in repeats)
    validated = [[run.scores.get(f"objective/{name}", np.nan) for name in names] for run in runs]
    return Result(
        values=values,
        corpus=corpus,
        runs=runs,
        seeds=len(seeds),
        point=dict(zip(metrics, means.tolist(), strict=True)),
        draws=dict.fromkeys(metrics, _NO_DRAWS),
        spread=dict(zip(metrics, spread, strict=True)),
        counts=None,
        validation=dict(zip(metrics, np.mean(validated, axis=0).tolist(), strict=True)),
    )


def _spread(by_run: Floats) -> list[float]:
    """Sample standard deviation over the first axis; nan for one run."""
    return (by_run.std(axis=0, ddof=1) if len(by_run) > 1 else np.full(by_run.shape[1], np.nan)).tolist()

"""Every setting of a study on every corpus that it was tested on: accuracies over seeds, with paired resamples.

Results on the same utterances share the resamples of these, so that their differences are paired. The folds of a seed
are pooled into one test side; a seed that lacks one is not counted.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ser.metrics.accuracy import ua, wa
from ser.report.content import Cell
from ser.report.general.settings import Axes, axes_of
from ser.report.groups import fold_of, repeat_of
from ser.report.predictions import (
    LabelPredictions,
    columns,
    on_same_utterances,
    pooled_labels,
    single_label,
    utterances_of,
)
from ser.report.runs import Expected, Finished
from ser.report.statistics import AS_EQUAL, METRICS, Floats, accuracy_draws, interval

_PREFERRED = ("balanced", "macro_f1")  # where utterances have several labels: the first is what ranks
_NO_DRAWS = np.empty(0)
Values = tuple[str, ...]  # one per axis
Tests = Mapping[str, Mapping[str, LabelPredictions]]  # run id → corpus → predictions


@dataclass(frozen=True, eq=False)
class Result:
    """A setting tested on a corpus."""

    values: Values
    corpus: str
    runs: tuple[Finished, ...]  # of the seeds that count
    seeds: int
    point: Mapping[str, float]  # metric → mean over seeds
    draws: Mapping[str, Floats]  # metric → [replicates]; none where metrics are as logged
    spread: Mapping[str, float]  # metric → sample standard deviation over seeds, nan for one
    counts: NDArray[np.int64] | None  # the confusion matrix summed over seeds, rows = truth

    def cell(self, metric: str) -> Cell:
        """Returns a metric with its interval."""
        return interval(self.point[metric], self.draws[metric])


@dataclass(frozen=True, eq=False)
class Results:
    """All results of a study, and those that are to come."""

    expected: Expected
    axes: Axes
    metrics: tuple[str, ...]  # the last one ranks
    cells: Mapping[tuple[str, Values], Result | None]  # (corpus, values) → result; None: it is not there yet
    untested: Mapping[Values, tuple[Finished, ...]]  # what a search compares by validation alone
    left_out: tuple[str, ...]  # titles of tested runs that no result counts
    titles: frozenset[str]  # of all finished trials

    @property
    def ranking(self) -> str:
        """The metric by which results are ranked."""
        return self.metrics[-1]

    def ranked(self, corpus: str, metric: str = "") -> list[Result]:
        """Returns the results on a corpus, the best first; of equal ones in the order of the study."""
        name = metric or self.ranking
        on_corpus = [result for (where, _), result in self.cells.items() if where == corpus and result]
        return sorted(on_corpus, key=lambda result: -round(result.point[name], 9))

    def missing(self, corpus: str) -> list[Values]:
        """Returns the settings that are to be tested on a corpus, and are not yet."""
        return [values for (where, values), result in self.cells.items() if where == corpus and result is None]

    def ties(self, corpus: str, metric: str) -> list[Result]:
        """Returns the results that are as good as the best one on a corpus, with it."""
        ranked = self.ranked(corpus, metric)
        return [r for r in ranked if r.point[metric] >= ranked[0].point[metric] - AS_EQUAL]


def results_of(finished: Iterable[Finished], expected: Expected, replicates: int) -> Results:
    """Reads every run and arranges it. Raises BadInput for predictions that fit no class."""
    runs: list[Finished] = []
    tests: dict[str, dict[str, LabelPredictions]] = {}
    names: dict[tuple[str, ...], tuple[str, ...]] = {}  # of utterances, which thousands of runs share
    for run in finished:
        if "predicted" in columns(run):
            by_corpus = single_label(run, run.params.get("classes", ",".join(expected.classes)).split(","))
            tests[run.run_id] = {c: replace(t, uids=names.setdefault(t.uids, t.uids)) for c, t in by_corpus.items()}
        runs.append(replace(run, text=""))
    axes = axes_of(runs, expected)
    by_values: dict[Values, list[Finished]] = {}
    for run in runs:
        by_values.setdefault(axes.values(run), []).append(run)
    metrics = METRICS if tests or not runs else _logged_metrics(runs, expected)
    folds = _folds_of(runs, expected, tests, metrics[-1])
    cells: dict[tuple[str, Values], Result | None] = _planned(axes, expected)
    for place, corpus in enumerate(expected.tested):
        rng = np.random.default_rng([0, place])
        complete = {}
        for values, repeats in by_values.items():
            tested = [run for run in repeats if _tested_on(run, corpus, tests, metrics[-1])]
            if seeds := _complete_seeds(tested, corpus, folds):
                complete[values] = seeds
        if tests:
            measured = _from_predictions(corpus, complete, tests, replicates, rng)
        else:
            measured = [_as_logged(corpus, values, seeds, metrics) for values, seeds in complete.items()]
        cells |= {(corpus, result.values): result for result in measured}
    tested_ids = {r.run_id for r in runs if any(_tested_on(r, c, tests, metrics[-1]) for c in expected.tested)}
    counted = {run.run_id for result in cells.values() if result for run in result.runs}
    untested = {v: tuple(r for r in repeats if r.run_id not in tested_ids) for v, repeats in by_values.items()}
    return Results(
        expected,
        axes,
        metrics,
        cells,
        {values: repeats for values, repeats in untested.items() if repeats},
        tuple(run.title for run in runs if run.run_id in tested_ids - counted),
        frozenset(run.title for run in runs),
    )


def _planned(axes: Axes, expected: Expected) -> dict[tuple[str, Values], Result | None]:
    """Every result that the study's points are to give; none where axes are known from the runs alone."""
    if not axes.stated:
        return {}
    points = [point for _, point in expected.trials]
    places = [(c, axes.planned(point)) for point in points for c in expected.tested if c in point.get("corpora", ())]
    return dict.fromkeys(places)


def _logged_metrics(runs: Sequence[Finished], expected: Expected) -> tuple[str, ...]:
    """Names of final metrics of a corpus, where there are no predictions of one label: the two that say most."""
    names = dict.fromkeys(
        name for run in runs for name, _, corpus in (s.partition("/") for s in run.scores) if corpus in expected.tested
    )
    preferred = [name for name in reversed(_PREFERRED) if name in names]
    return tuple(preferred or list(names)[:2]) or METRICS


def _folds_of(
    runs: Iterable[Finished], expected: Expected, tests: Tests, metric: str
) -> dict[tuple[str, str], set[int]]:
    """The folds of every corpus under every protocol ("" without): those that are planned, and those tested."""
    folds: dict[tuple[str, str], set[int]] = {}
    for _, point in expected.trials:
        for corpus in point.get("corpora", ()):
            folds.setdefault((corpus, str(point.get("protocol", ""))), set()).add(int(point.get("fold", 0)))
    for run in runs:
        for corpus in (c for c in expected.tested if _tested_on(run, c, tests, metric)):
            folds.setdefault((corpus, _protocol(run)), set()).add(fold_of(run))
    return folds


def _protocol(run: Finished) -> str:
    return run.params.get("role.protocol", "")


def _tested_on(run: Finished, corpus: str, tests: Tests, metric: str) -> bool:
    return corpus in tests.get(run.run_id, {}) if tests else f"{metric}/{corpus}" in run.scores


def _complete_seeds(
    runs: Sequence[Finished], corpus: str, folds: Mapping[tuple[str, str], set[int]]
) -> dict[tuple[str, str], list[Finished]]:
    """The runs of a setting by seed, those of all folds; a seed that lacks one is left out."""
    by_seed: dict[tuple[str, str], dict[int, Finished]] = {}
    for run in runs:
        by_seed.setdefault(repeat_of(run), {}).setdefault(fold_of(run), run)
    needed = folds.get((corpus, _protocol(runs[0])), set()) if runs else set()
    return {
        seed: [by_fold[fold] for fold in sorted(by_fold)]
        for seed, by_fold in by_seed.items()
        if by_fold.keys() >= needed
    }


def _from_predictions(
    corpus: str,
    settings: Mapping[Values, Mapping[tuple[str, str], Sequence[Finished]]],
    tests: Tests,
    replicates: int,
    rng: np.random.Generator,
) -> list[Result]:
    """Results whose accuracies are counted in the predictions, resampled together where utterances are the same."""
    measured = []
    for values, seeds in settings.items():
        pooled = {seed: pooled_labels([tests[run.run_id][corpus] for run in runs]) for seed, runs in seeds.items()}
        same = on_same_utterances(list(pooled.values()))
        runs = tuple(run for seed, test in pooled.items() if any(test is t for t in same) for run in seeds[seed])
        measured.append((values, runs, same))
    results = []
    by_utterances: dict[object, list[tuple[Values, tuple[Finished, ...], list[LabelPredictions]]]] = {}
    for item in measured:
        by_utterances.setdefault(utterances_of(item[2][0]), []).append(item)
    for members in by_utterances.values():
        each = [test for _, _, same in members for test in same]
        owners = [place for place, (_, _, same) in enumerate(members) for _ in same]
        correct = np.stack([test.correct for test in each], axis=1)
        point, draws = accuracy_draws(each[0].truth, correct, owners, replicates, rng)
        for place, (values, runs, same) in enumerate(members):
            by_seed = np.array([(wa(test.counts), ua(test.counts)) for test in same])
            results.append(
                Result(
                    values,
                    corpus,
                    runs,
                    len(same),
                    dict(zip(METRICS, point[:, place].tolist(), strict=True)),
                    dict(zip(METRICS, draws[:, :, place], strict=True)),
                    dict(zip(METRICS, _spread(by_seed), strict=True)),
                    np.asarray(np.sum([test.counts for test in same], axis=0)),
                )
            )
    return results


def _as_logged(
    corpus: str, values: Values, seeds: Mapping[tuple[str, str], Sequence[Finished]], metrics: Sequence[str]
) -> Result:
    """A result whose metrics are as its runs logged them: means over folds, then over seeds."""
    names = [f"{metric}/{corpus}" for metric in metrics]
    by_seed = np.array(
        [[np.mean([run.scores.get(name, np.nan) for run in runs]) for name in names] for runs in seeds.values()]
    )
    means = dict(zip(metrics, by_seed.mean(axis=0).tolist(), strict=True))
    spread = dict(zip(metrics, _spread(by_seed), strict=True))
    runs = tuple(run for repeats in seeds.values() for run in repeats)
    return Result(values, corpus, runs, len(seeds), means, dict.fromkeys(metrics, _NO_DRAWS), spread, None)


def _spread(by_seed: Floats) -> list[float]:
    """Sample standard deviation over the first axis; nan for one seed."""
    return (by_seed.std(axis=0, ddof=1) if len(by_seed) > 1 else np.full(by_seed.shape[1], np.nan)).tolist()

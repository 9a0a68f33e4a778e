"""Every setting of a study on every corpus that it was tested on, and those that are to come."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ser.report.bootstrap import Sample
from ser.report.groups import fold_of, repeat_of
from ser.report.measured import Choice, Measured, Repeat, Result, Tests, Values, as_logged, from_predictions
from ser.report.predictions import LabelPredictions, columns, single_label
from ser.report.runs import Expected, Finished, Options
from ser.report.settings import Axes, axes_of
from ser.report.statistics import AS_EQUAL, METRICS

_PREFERRED = ("balanced", "macro_f1")  # where utterances have several labels: the first is what ranks
MOST_CURVES = 1000  # runs whose curves are read, where these alone have the accuracies of validation


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
    samples: Mapping[str, Sample]  # corpus → what is resampled; none where metrics are as logged
    choices: Mapping[tuple[str, str], Choice]  # (corpus, metric), where validation can choose among all
    pooled: Mapping[tuple[str, str, str], Choice]  # (corpus, metric, pool): the same among those of a pool
    uneven: tuple[str, ...]  # corpora of which results have other utterances than each other

    @property
    def ranking(self) -> str:
        """The metric by which results are ranked."""
        return self.metrics[-1]

    @property
    def clusters(self) -> int:
        """How many speakers (or utterances) are resampled of the corpus that has the fewest; 0 = none are."""
        return min((sample.clusters for sample in self.samples.values()), default=0)

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


def results_of(
    finished: Iterable[Finished],
    expected: Expected,
    options: Options,
    pool_of: Callable[[Finished], str] = lambda run: "",
) -> Results:
    """Reads every run and arranges it. Raises BadInput for predictions that fit no class.

    ``pool_of``: the pool of a run's setting, in which validation chooses as it does among all; "" for none.
    """
    runs, tests = _read(finished, expected)
    axes = axes_of(runs, expected)
    by_values: dict[Values, list[Finished]] = {}
    for run in runs:
        by_values.setdefault(axes.values(run), []).append(run)
    metrics = METRICS if tests or not runs else _logged_metrics(runs, expected)
    folds = _folds_of(runs, expected, tests, metrics[-1])
    cells: dict[tuple[str, Values], Result | None] = _planned(axes, expected)
    measured: dict[str, Measured] = {}
    options = options if len(runs) <= MOST_CURVES else replace(options, curve=lambda run, metric: [])
    for place, corpus in enumerate(expected.tested):
        complete = {}
        for values, repeats in by_values.items():
            tested = [run for run in repeats if _tested_on(run, corpus, tests, metrics[-1])]
            if seeds := _complete_seeds(tested, corpus, folds):
                complete[values] = seeds
        if tests and complete:
            rng, pools = np.random.default_rng([0, place]), _pools(by_values, complete, pool_of)
            measured[corpus] = from_predictions(corpus, complete, tests, options, rng, pools)
            results: Iterable[Result] = measured[corpus].results
        else:
            results = [as_logged(corpus, values, seeds, metrics) for values, seeds in complete.items()]
        cells |= {(corpus, result.values): result for result in results}
    tested_ids = {r.run_id for r in runs if any(_tested_on(r, c, tests, metrics[-1]) for c in expected.tested)}
    counted = {run.run_id for result in cells.values() if result for run in result.runs}
    untested = {v: tuple(r for r in repeats if r.run_id not in tested_ids) for v, repeats in by_values.items()}
    return Results(
        expected=expected,
        axes=axes,
        metrics=metrics,
        cells=cells,
        untested={values: repeats for values, repeats in untested.items() if repeats},
        left_out=tuple(run.title for run in runs if run.run_id in tested_ids - counted),
        titles=frozenset(run.title for run in runs),
        samples={corpus: one.sample for corpus, one in measured.items()},
        choices={(c.corpus, c.metric): c for one in measured.values() for c in one.choices if not c.pool},
        pooled={(c.corpus, c.metric, c.pool): c for one in measured.values() for c in one.choices if c.pool},
        uneven=tuple(corpus for corpus, one in measured.items() if one.uneven),
    )


def _pools(
    runs: Mapping[Values, Sequence[Finished]], complete: Iterable[Values], pool_of: Callable[[Finished], str]
) -> dict[str, list[Values]]:
    """The complete settings of every pool."""
    pools: dict[str, list[Values]] = {}
    for values in complete:
        if pool := pool_of(runs[values][0]):
            pools.setdefault(pool, []).append(values)
    return pools


def _read(
    finished: Iterable[Finished], expected: Expected
) -> tuple[list[Finished], dict[str, dict[str, LabelPredictions]]]:
    """All runs without their text, and the predictions of those of one label: run id → corpus → predictions."""
    runs: list[Finished] = []
    tests: dict[str, dict[str, LabelPredictions]] = {}
    names: dict[tuple[str, ...], tuple[str, ...]] = {}  # of utterances, which thousands of runs share
    for run in finished:
        if "predicted" in columns(run):
            by_corpus = single_label(run, run.params.get("classes", ",".join(expected.classes)).split(","))
            tests[run.run_id] = {c: replace(t, uids=names.setdefault(t.uids, t.uids)) for c, t in by_corpus.items()}
        runs.append(replace(run, text=""))
    return runs, tests


def _planned(axes: Axes, expected: Expected) -> dict[tuple[str, Values], Result | None]:
    """Every result that the study's points are to give; none where axes are known from the runs alone."""
    if not axes.stated:
        return {}
    points = [point for _, point in expected.trials]
    places = [(c, axes.planned(point)) for point in points for c in expected.tested if c in _tested_at(point)]
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
        for corpus in _tested_at(point):
            folds.setdefault((corpus, str(point.get("protocol", ""))), set()).add(int(point.get("fold", 0)))
    for run in runs:
        for corpus in (c for c in expected.tested if _tested_on(run, c, tests, metric)):
            folds.setdefault((corpus, _protocol(run)), set()).add(fold_of(run))
    return folds


def _tested_at(point: Mapping[str, Any]) -> tuple[str, ...]:
    """The corpora that a point may test: its own, or the one that is unseen."""
    return (point["unseen"],) if "unseen" in point else tuple(point.get("corpora", ()))


def _protocol(run: Finished) -> str:
    return run.params.get("role.protocol", "")


def _tested_on(run: Finished, corpus: str, tests: Tests, metric: str) -> bool:
    return corpus in tests.get(run.run_id, {}) if tests else f"{metric}/{corpus}" in run.scores


def _complete_seeds(
    runs: Sequence[Finished], corpus: str, folds: Mapping[tuple[str, str], set[int]]
) -> dict[Repeat, list[Finished]]:
    """The runs of a setting by seed, those of all folds; a seed that lacks one is left out."""
    by_seed: dict[Repeat, dict[int, Finished]] = {}
    for run in runs:
        by_seed.setdefault(repeat_of(run), {}).setdefault(fold_of(run), run)
    needed = folds.get((corpus, _protocol(runs[0])), set()) if runs else set()
    return {
        seed: [by_fold[fold] for fold in sorted(by_fold)]
        for seed, by_fold in by_seed.items()
        if by_fold.keys() >= needed
    }

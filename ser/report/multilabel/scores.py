"""Test utterances of a multi-label trial, and its scores over them, plain and resampled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser.metrics import multilabel
from ser.report.bootstrap import Sample, clusters_of_tests, measure_draws
from ser.report.content import Cell
from ser.report.groups import spread
from ser.report.predictions import MultiLabelPredictions
from ser.report.runs import Options
from ser.report.statistics import SHARE, Bools, Floats, Integers, interval

METRICS = {
    "published": "accuracy as published",
    "eq4": "equation 4",
    "eq4_absent": "equation 4, all absent",
    "balanced": "balanced accuracy",
    "macro_f1": "macro F1",
    "micro_f1": "micro F1",
    "subset": "subset accuracy",
    "hamming": "Hamming loss",
    "lrap": "LRAP",
    "argmax": "argmax, one label",
    "categorical_accuracy": "argmax, the first label (Keras)",
}  # the scores of ser.multilabel, in their order


@dataclass(frozen=True, eq=False)
class Scores:
    """The scores of a setting on some corpora: means over its seeds."""

    cells: Mapping[str, Cell]  # metric → mean with its interval
    spread: Mapping[str, float]  # metric → sample standard deviation over the seeds, nan for one
    sample: Sample  # what was resampled


def scores_of(runs: Sequence[MultiLabelPredictions], options: Options, seed: int = 0) -> Scores:
    """Returns the scores of ``runs``, one per seed, which need not be of the same utterances.

    A replicate draws speakers, the same for all runs, and seeds. A metric that is undefined for a run is a hole; a
    replicate in which one is undefined does not count for its interval.
    """
    plain = [multilabel.scores(run.truth, run.probabilities) for run in runs]
    values = {name: [scores.get(name, np.nan) for scores in plain] for name in METRICS}
    clusters, sample = _resampled_clusters(runs, options)
    measures = [partial(_stacked, run) for run in runs]
    draws = measure_draws(measures, clusters, len(METRICS), options.replicates, np.random.default_rng(seed))
    cells = {
        name: interval(float(np.mean(values[name])), draws[:, i], sample.clusters, SHARE)
        for i, name in enumerate(METRICS)
    }
    return Scores(cells, {name: spread(each) for name, each in values.items()}, sample)


def _resampled_clusters(runs: Sequence[MultiLabelPredictions], options: Options) -> tuple[list[Integers], Sample]:
    """What is drawn, as a number of each utterance of each run, and what was resampled."""
    uids = [[f"{corpus}/{uid}" for corpus, uid in zip(run.corpora, run.uids, strict=True)] for run in runs]
    names = [[f"{c}/{name}" if name else "" for c, name in zip(r.corpora, r.speakers, strict=False)] for r in runs]
    return clusters_of_tests(uids, names, options.resample)


def _stacked(run: MultiLabelPredictions, weights: NDArray[np.float32]) -> Floats:
    """Every metric of the drawn utterances: [replicates, metrics]."""
    scores = resampled(run, weights)
    return np.stack([scores[name] for name in METRICS], axis=1)


def resampled(tested: MultiLabelPredictions, weights: NDArray[np.float32]) -> dict[str, Floats]:
    """``multilabel.scores`` of weighted utterances, by products of matrices: metric → [replicates], nan = undefined.

    ``weights``: how often each replicate has each utterance [replicates, utterances].
    """
    truth, values = tested.truth, tested.probabilities
    guess = values > multilabel.THRESHOLD
    total = weights.sum(axis=1, dtype=np.float64)
    size = truth.shape[1]
    labels = truth.sum(axis=1)
    top = (values.argmax(axis=1) == truth.argmax(axis=1)).astype(np.float64)
    right = _counted(weights, truth == guess).sum(axis=1)
    return {
        "published": _balanced(truth, multilabel.int_cast(values), weights),
        "eq4": _ratio(right, size * total),
        "eq4_absent": 1 - _ratio(_counted(weights, truth).sum(axis=1), size * total),
        "balanced": _balanced(truth, guess, weights),
        **_f1(truth, guess, weights),
        "subset": _ratio(_counted(weights, (truth == guess).all(axis=1)[:, None])[:, 0], total),
        "hamming": 1 - _ratio(right, size * total),
        "lrap": _weighted(weights, _ranked(truth, values), labels > 0),
        "argmax": _weighted(weights, top, labels == 1),
        "categorical_accuracy": _weighted(weights, top, np.ones(len(top), bool)),
    }


def _counted(weights: NDArray[np.float32], cells: Bools) -> Floats:
    """Counts how many of the drawn utterances [replicates, ...] have each of ``cells``; exact below 2**24."""
    return (weights @ cells.astype(np.float32)).astype(np.float64)


def _balanced(truth: Bools, guess: Bools, weights: NDArray[np.float32]) -> Floats:
    present, absent = _counted(weights, truth), _counted(weights, ~truth)
    hits, rejected = _counted(weights, truth & guess), _counted(weights, ~truth & ~guess)
    both = (present > 0) & (absent > 0)
    rates = (hits / np.maximum(present, 1) + rejected / np.maximum(absent, 1)) / 2
    return _ratio((rates * both).sum(axis=1), both.sum(axis=1))


def _f1(truth: Bools, guess: Bools, weights: NDArray[np.float32]) -> dict[str, Floats]:
    hits, errors = 2 * _counted(weights, truth & guess), _counted(weights, truth != guess)
    defined = hits + errors > 0
    each = hits / np.maximum(hits + errors, 1)
    return {
        "macro_f1": _ratio(each.sum(axis=1), defined.sum(axis=1)),
        "micro_f1": _ratio(hits.sum(axis=1), (hits + errors).sum(axis=1)),
    }


def _ranked(truth: Bools, values: NDArray[np.float32]) -> Floats:
    """Label ranking average precision of each utterance; 0 where it has no label, which does not count."""
    out = np.zeros(len(truth))
    for i in np.flatnonzero(truth.any(axis=1)):
        as_high = values[i][None, :] >= values[i][truth[i]][:, None]
        out[i] = np.mean((as_high & truth[i]).sum(axis=1) / as_high.sum(axis=1))
    return out


def _weighted(weights: NDArray[np.float32], values: Floats, subset: Bools) -> Floats:
    """Means over the drawn ones of a ``subset`` of utterances."""
    return _ratio(weights[:, subset].astype(np.float64) @ values[subset], _counted(weights, subset[:, None])[:, 0])


def _ratio(sums: Floats, counts: Floats | NDArray[np.integer[Any]]) -> Floats:
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def rates(runs: Sequence[MultiLabelPredictions], cast: bool) -> tuple[Floats, NDArray[np.int64]]:
    """The 2 × 2 matrices of ``multilabel.matrices`` summed over ``runs``: shares of rows (nan: an empty one), counts.

    ``cast``: predictions as the published program made them, else at the threshold.
    """
    guesses = (multilabel.int_cast(t.probabilities) if cast else t.probabilities > multilabel.THRESHOLD for t in runs)
    pairs = [(t.truth, guess) for t, guess in zip(runs, guesses, strict=True)]
    counts = np.sum([multilabel.matrices(truth, guess) for truth, guess in pairs], axis=0)
    rows = counts.sum(axis=2, keepdims=True)
    return np.where(rows > 0, counts / np.maximum(rows, 1), np.nan), counts

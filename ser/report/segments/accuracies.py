"""Test clips of which every segment was classified, and their five accuracies, plain and resampled."""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ser.metrics import segments
from ser.report.bootstrap import Sample, clusters_of_tests, measure_draws
from ser.report.content import Cell
from ser.report.counted import Counts
from ser.report.groups import spread
from ser.report.predictions import SegmentPredictions
from ser.report.statistics import SHARE, Floats, Integers, interval

METRICS = {
    "sa": "SA",
    "aca": "ACA",
    "sca": "SCA",
    "sca_lowest": "SCA, ties to the first class",
    "alca": "ALCA",
    "bca": "BCA",
}  # of ser.clips; the one with ties as in the authors' program is beside the paper's five
_ORDERED = ("aca", "sca", "bca")  # never falls
_TINY = 1e-9


def accuracies(test: SegmentPredictions) -> dict[str, float]:
    """Every metric of the clips, 0 … 1."""
    values = segments.accuracies(test.clip, test.truth, test.logits)
    return values | {"sca_lowest": segments.accuracies(test.clip, test.truth, test.logits, "lowest")["sca"]}


def per_clip(test: SegmentPredictions) -> NDArray[np.float32]:
    """Returns what each clip adds to the metrics [clips, 1 + metrics]: its segments, the right ones, then 0 or 1."""
    size, classes = len(test.uids), test.logits.shape[1]
    guess = test.logits.argmax(axis=1)
    votes = np.bincount(test.clip * classes + guess, minlength=size * classes).reshape(size, classes)
    of_truth = votes[np.arange(size), test.truth]
    modes = votes == votes.max(axis=1, keepdims=True)
    among, alone = of_truth == votes.max(axis=1), modes.sum(axis=1) == 1
    last = segments.clip_predictions(test.clip, test.logits) == test.truth
    total = votes.sum(axis=1)
    first = modes.argmax(axis=1) == test.truth
    return np.stack([total, of_truth, of_truth == total, among & alone, first, last, among], axis=1).astype(np.float32)


def mean_and_spread(
    runs: Sequence[SegmentPredictions], replicates: int, resample: str = "speaker", seed: int = 0
) -> dict[str, tuple[Cell, Cell]]:
    """Metric → its mean over ``runs`` (one per seed) with a bootstrap interval, and their sample standard deviation.

    A replicate draws speakers (or clips), with all their clips and segments, and seeds, as ``ser.report.bootstrap``
    does. Runs need not be of the same clips. The deviation of a single run is a hole.
    """
    plain = [accuracies(run) for run in runs]
    clusters, sample = _clusters(runs, resample)
    measures = [partial(_of_drawn, per_clip(run)) for run in runs]
    draws = measure_draws(measures, clusters, len(METRICS), replicates, np.random.default_rng(seed))
    out = {}
    for place, name in enumerate(METRICS):
        values = [scores[name] for scores in plain]
        cell = interval(float(np.mean(values)), draws[:, place], sample.clusters, SHARE)
        out[name] = cell, Cell(spread(values))
    return out


def sample_of(runs: Sequence[SegmentPredictions], resample: str) -> Sample:
    """Returns what ``mean_and_spread`` resamples."""
    return _clusters(runs, resample)[1]


def _clusters(runs: Sequence[SegmentPredictions], resample: str) -> tuple[list[Integers], Sample]:
    """The number of the speaker (or clip) that is drawn, of each clip of each run; and what is resampled."""
    return clusters_of_tests([run.uids for run in runs], [run.speakers for run in runs], resample)


def _of_drawn(each: NDArray[np.float32], weights: Counts) -> Floats:
    """Metrics [replicates, metrics] of the clips that ``weights`` draw; nan where none was drawn."""
    sums = (weights @ each).astype(np.float64)
    clips = weights.sum(axis=1, dtype=np.float64)
    size = np.stack([sums[:, 0], *[clips] * (sums.shape[1] - 2)], axis=1)
    return np.where(size > 0, sums[:, 1:] / np.maximum(size, 1), np.nan)


def disorder(scores: Mapping[str, float], corpus: str = "") -> str:
    """Says where ACA ≤ SCA ≤ BCA does not hold, the three values; "" where it does, or one is missing.

    >>> disorder({"aca/x": 0.5, "sca/x": 0.4, "bca/x": 0.6}, "x")
    'ACA 0.5000, SCA 0.4000, BCA 0.6000'
    """
    ending = f"/{corpus}" if corpus else ""
    values = [scores.get(name + ending, float("nan")) for name in _ORDERED]
    if np.isnan(values).any() or (np.diff(values) >= -_TINY).all():
        return ""
    return ", ".join(f"{name.upper()} {value:.4f}" for name, value in zip(_ORDERED, values, strict=True))

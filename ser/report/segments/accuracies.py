"""Test clips of which every segment was classified, and their five accuracies, plain and resampled."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ser.metrics import segments
from ser.report.content import Cell
from ser.report.predictions import SegmentPredictions
from ser.report.statistics import in_chunks, interval

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


def mean_and_spread(runs: Sequence[SegmentPredictions], replicates: int, seed: int = 0) -> dict[str, tuple[Cell, Cell]]:
    """Metric → its mean over ``runs`` (one per seed) with a bootstrap interval, and their sample standard deviation.

    Clips are resampled, with all their segments; the same draw serves all runs on the same clips. The deviation of a
    single run is a hole.
    """
    plain = [accuracies(run) for run in runs]
    draws = np.mean([_resampled(run, replicates, seed) for run in runs], axis=0)
    out = {}
    for place, name in enumerate(METRICS):
        values = [scores[name] for scores in plain]
        spread = float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
        out[name] = interval(float(np.mean(values)), draws[:, place]), Cell(spread)
    return out


def _resampled(test: SegmentPredictions, replicates: int, seed: int) -> NDArray[np.float64]:
    """[replicates, metrics]"""
    each, rng = per_clip(test), np.random.default_rng(seed)
    sums = [(weights @ each).astype(np.float64) for weights in in_chunks(len(test.uids), replicates, rng)]
    totals = np.concatenate(sums) if sums else np.empty((0, each.shape[1]))
    totals[:, 1] /= np.maximum(totals[:, 0], 1)
    totals[:, 2:] /= len(test.uids)
    return totals[:, 1:]


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

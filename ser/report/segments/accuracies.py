"""Test clips of which every segment was classified, and their five accuracies, plain and resampled."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ser.metrics import segments
from ser.report.bootstrap import Sample, clusters_of, draws_of, seed_weights
from ser.report.content import Cell
from ser.report.predictions import SegmentPredictions
from ser.report.statistics import Floats, Integers, interval

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
    owners, sample = _owners(runs, resample)
    draws = _resampled(runs, owners, sample.clusters, replicates, seed)
    out = {}
    for place, name in enumerate(METRICS):
        values = [scores[name] for scores in plain]
        spread = float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
        out[name] = interval(float(np.mean(values)), draws[:, place], sample.clusters), Cell(spread)
    return out


def sample_of(runs: Sequence[SegmentPredictions], resample: str) -> Sample:
    """Returns what ``mean_and_spread`` resamples."""
    return _owners(runs, resample)[1]


def _owners(runs: Sequence[SegmentPredictions], resample: str) -> tuple[list[Integers], Sample]:
    """The number of the speaker (or clip) that is drawn, of each clip of each run; and what is resampled."""
    speakers: dict[str, str] = {}
    for run in runs:
        for uid, speaker in zip(run.uids, run.speakers or ("",) * len(run.uids), strict=True):
            speakers.setdefault(uid, speaker)
    cluster, count = clusters_of(tuple(speakers.values()), resample)
    number = dict(zip(speakers, cluster.tolist(), strict=True))
    by_speaker = resample == "speaker" and count > 0
    owners: list[Integers] = [np.array([number[uid] for uid in run.uids], np.int64) for run in runs]
    return owners, Sample(len(speakers), count, by_speaker, len(runs))


def _resampled(
    runs: Sequence[SegmentPredictions], owners: Sequence[Integers], clusters: int, replicates: int, seed: int
) -> Floats:
    """[replicates, metrics]; nan where a replicate has drawn no clip of the drawn seeds."""
    rng = np.random.default_rng(seed)
    seeds = seed_weights(len(runs), replicates, rng).astype(np.float64)
    drawn = draws_of(clusters, replicates, rng)
    total, weight = np.zeros((2, replicates, len(METRICS)))
    for place, (run, owner) in enumerate(zip(runs, owners, strict=True)):
        each = per_clip(run)
        sums = np.zeros((clusters, each.shape[1] + 1))
        np.add.at(sums, owner, np.column_stack([each, np.ones(len(each))]))
        found = (drawn @ sums.astype(np.float32)).astype(np.float64)  # counts: exact below 2**24
        found[:, 1] /= np.where(found[:, 0] > 0, found[:, 0], np.nan)
        found[:, 2:-1] /= np.where(found[:, -1:] > 0, found[:, -1:], np.nan)
        defined = np.isfinite(found[:, 1:-1]) * seeds[:, place, None]
        total += np.nan_to_num(found[:, 1:-1]) * defined
        weight += defined
    return total / np.where(weight > 0, weight, np.nan)


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

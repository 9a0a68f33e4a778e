"""Test clips of which every segment was classified, and their five accuracies, plain and resampled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ser.errors import BadInput
from ser.metrics import segments as clips
from ser.metrics.accuracy import confusion
from ser.report.bootstrap import in_chunks
from ser.report.content import Cell, interval
from ser.report.runs import Finished

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


@dataclass(frozen=True, eq=False)
class Clips:
    """A network's answers to the clips of one corpus's test side."""

    uids: tuple[str, ...]  # of the clips
    truth: NDArray[np.int64]  # class index [clips]
    clip: NDArray[np.int64]  # index of each segment's clip [segments]
    logits: NDArray[np.float32]  # [segments, classes]

    def scores(self) -> dict[str, float]:
        """Every metric, 0 … 1."""
        found = clips.accuracies(self.clip, self.truth, self.logits)
        return found | {"sca_lowest": clips.accuracies(self.clip, self.truth, self.logits, "lowest")["sca"]}

    def counts(self) -> NDArray[np.int64]:
        """The confusion matrix of the clips by the mean of their logits, rows = truth."""
        return confusion(self.truth, clips.clip_predictions(self.clip, self.logits), self.logits.shape[1])

    def segments(self) -> NDArray[np.int64]:
        """Segments of each class [classes]."""
        return np.bincount(self.truth[self.clip], minlength=self.logits.shape[1]).astype(np.int64)


def read(run: Finished, classes: Sequence[str]) -> dict[str, Clips]:
    """The predictions of a run by corpus; {} if it was not tested. Raises BadInput for what fits no class."""
    if not run.text:
        return {}
    place, columns = f"predictions of run {run.run_id}", [f"l_{c}" for c in classes]
    table = run.predictions.sort_values(["corpus", "uid", "segment"], kind="stable")
    if lacking := [name for name in columns if name not in table]:
        raise BadInput(f"no column {', '.join(lacking)}", place, "one for each class", "test it again")
    if strange := set(table["label"]) - set(classes):
        raise BadInput(repr(min(strange)), place, ", ".join(classes), "test it again")
    number = {name: i for i, name in enumerate(classes)}
    out = {}
    for corpus, own in table.groupby("corpus", sort=False):
        uids, first, clip = np.unique(own["uid"].to_numpy(str), return_index=True, return_inverse=True)
        labels = np.array([number[name] for name in own["label"]], np.int64)
        if (labels != labels[first][clip]).any():
            raise BadInput("a clip with two labels", place, "one for all its segments", "test it again")
        logits = own[columns].to_numpy(np.float32)
        out[str(corpus)] = Clips(tuple(uids.tolist()), labels[first], clip.astype(np.int64), logits)
    return out


def pooled(parts: Sequence[Clips]) -> Clips:
    """The clips of several folds as one test side."""
    starts = np.cumsum([0, *(len(part.uids) for part in parts)])
    return Clips(
        tuple(uid for part in parts for uid in part.uids),
        np.concatenate([part.truth for part in parts]),
        np.concatenate([part.clip + start for part, start in zip(parts, starts, strict=False)]),
        np.concatenate([part.logits for part in parts]),
    )


def per_clip(found: Clips) -> NDArray[np.float32]:
    """What each clip adds to the metrics [clips, 1 + metrics]: its segments, those that are right, then 0 or 1."""
    size, classes = len(found.uids), found.logits.shape[1]
    guess = found.logits.argmax(axis=1)
    votes = np.bincount(found.clip * classes + guess, minlength=size * classes).reshape(size, classes)
    own = votes[np.arange(size), found.truth]
    modes = votes == votes.max(axis=1, keepdims=True)
    among, alone = own == votes.max(axis=1), modes.sum(axis=1) == 1
    last = clips.clip_predictions(found.clip, found.logits) == found.truth
    total = votes.sum(axis=1)
    first = modes.argmax(axis=1) == found.truth
    return np.stack([total, own, own == total, among & alone, first, last, among], axis=1).astype(np.float32)


def mean_and_spread(runs: Sequence[Clips], replicates: int, seed: int = 0) -> dict[str, tuple[Cell, Cell]]:
    """Metric → its mean over ``runs`` (one per seed) with a bootstrap interval, and their sample standard deviation.

    Clips are resampled, with all their segments; the same draw serves all runs on the same clips. The deviation of a
    single run is a hole.
    """
    plain = [run.scores() for run in runs]
    draws = np.mean([_resampled(run, replicates, seed) for run in runs], axis=0)
    out = {}
    for place, name in enumerate(METRICS):
        values = [scores[name] for scores in plain]
        spread = float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
        out[name] = interval(float(np.mean(values)), draws[:, place]), Cell(spread)
    return out


def _resampled(found: Clips, replicates: int, seed: int) -> NDArray[np.float64]:
    """[replicates, metrics]"""
    each, rng = per_clip(found), np.random.default_rng(seed)
    sums = [(weights @ each).astype(np.float64) for weights in in_chunks(len(found.uids), replicates, rng)]
    drawn = np.concatenate(sums) if sums else np.empty((0, each.shape[1]))
    drawn[:, 1] /= np.maximum(drawn[:, 0], 1)
    drawn[:, 2:] /= len(found.uids)
    return drawn[:, 1:]


def disorder(scores: Mapping[str, float], corpus: str = "") -> str:
    """Where ACA ≤ SCA ≤ BCA does not hold, the three values; "" where it does, or one is missing.

    >>> disorder({"aca/x": 0.5, "sca/x": 0.4, "bca/x": 0.6}, "x")
    'ACA 0.5000, SCA 0.4000, BCA 0.6000'
    """
    ending = f"/{corpus}" if corpus else ""
    values = [scores.get(name + ending, float("nan")) for name in _ORDERED]
    if np.isnan(values).any() or (np.diff(values) >= -_TINY).all():
        return ""
    return ", ".join(f"{name.upper()} {value:.4f}" for name, value in zip(_ORDERED, values, strict=True))

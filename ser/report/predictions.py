"""What networks of one answer said of the test utterances, and how sure one can be of the shares that are right."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser.errors import BadInput
from ser.metrics.accuracy import confusion, ua, wa
from ser.report.bootstrap import in_chunks
from ser.report.content import Cell, interval
from ser.report.runs import Finished

_Z = 1.959963984540054  # of the normal distribution, 95 % two-sided


@dataclass(frozen=True, eq=False)
class Answers:
    """A run's predictions of one corpus's test side, sorted by name. Classes are numbered as the study has them."""

    run_id: str
    uids: tuple[str, ...]
    truth: NDArray[np.int64]  # [utterances]
    predicted: NDArray[np.int64]  # [utterances]
    classes: int

    @property
    def counts(self) -> NDArray[np.int64]:
        """The confusion matrix, rows = truth."""
        return confusion(self.truth, self.predicted, self.classes)


def read(run: Finished, classes: Sequence[str]) -> dict[str, Answers]:
    """The predictions of a run by corpus; {} if it was not tested. Raises BadInput for labels of other classes."""
    if not run.text:
        return {}
    number = {name: i for i, name in enumerate(classes)}
    out = {}
    for corpus, table in run.predictions.sort_values(["corpus", "uid"], kind="stable").groupby("corpus", sort=False):
        sides = []
        for side in ("label", "predicted"):
            if strange := set(table[side]) - number.keys():
                place = f"{side} in the predictions of run {run.run_id}"
                raise BadInput(repr(min(strange)), place, ", ".join(classes), "test it again")
            sides.append(np.array([number[name] for name in table[side]], np.int64))
        out[str(corpus)] = Answers(run.run_id, tuple(table["uid"]), sides[0], sides[1], len(classes))
    return out


def wilson(right: int, n: int) -> Cell:
    """A share with its 95 % interval after Wilson 1927, "Probable inference, the law of succession"; of none, a hole.

    >>> cell = wilson(18, 37)
    >>> round(cell.value, 4), round(cell.low, 4), round(cell.high, 4)
    (0.4865, 0.3345, 0.6411)
    """
    if not n:
        return Cell(float("nan"))
    share = right / n
    middle = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    return Cell(share, max(0.0, middle - half), min(1.0, middle + half))


def accuracies(runs: Sequence[Answers], replicates: int, seed: int = 0) -> tuple[Cell, Cell]:
    """WA and UA: means over ``runs`` (one per seed, on the same utterances), with bootstrap intervals.

    One resample of the utterances serves all runs; in each, UA is over the classes that were drawn.
    """
    plain = np.array([(wa(t.counts), ua(t.counts)) for t in runs])
    rng = np.random.default_rng(seed)
    parts = [
        np.mean([_resampled(t, weights) for t in runs], axis=0)
        for weights in in_chunks(len(runs[0].uids), replicates, rng)
    ]
    draws = np.concatenate(parts, axis=1) if parts else np.empty((2, 0))
    return interval(float(plain[:, 0].mean()), draws[0]), interval(float(plain[:, 1].mean()), draws[1])


def _resampled(told: Answers, weights: NDArray[np.float32]) -> NDArray[np.float64]:
    """WA and UA of weighted utterances [2, replicates]."""
    of = np.eye(told.classes, dtype=np.float32)[told.truth]
    there = (weights @ of).astype(np.float64)
    right = (weights @ (of * (told.truth == told.predicted)[:, None])).astype(np.float64)
    drawn = there > 0
    recalls = right / np.maximum(there, 1)
    return np.stack([right.sum(axis=1) / there.sum(axis=1), recalls.sum(axis=1) / drawn.sum(axis=1)])


def alike(found: Sequence[Answers]) -> list[Answers]:
    """Those on the same utterances as the first."""
    same: list[Answers] = [t for t in found if t.uids == found[0].uids and _equal(t.truth, found[0].truth)]
    return same


def _equal(a: NDArray[Any], b: NDArray[Any]) -> bool:
    return bool((a == b).all())

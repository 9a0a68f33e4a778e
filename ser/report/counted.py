"""Counts per class and speaker, from which WA and UA of any resample of speakers follow."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ser.report.statistics import Bools, Floats, Integers

Counts = NDArray[np.float32]  # how often each replicate has each speaker or utterance [replicates, …]


@dataclass(frozen=True, eq=False)
class _ClassCounts:
    """The utterances of one class."""

    clusters: Integers  # the clusters that have any
    right: Counts  # [clusters, results]
    total: Counts  # [clusters, patterns]


@dataclass(frozen=True, eq=False)
class Counted:
    """Counts per class and speaker: all that WA and UA of a replicate need, however many utterances there are."""

    classes: tuple[_ClassCounts, ...]
    pattern: Integers  # [results]: results on the same utterances have one pattern
    clusters: int

    @classmethod
    def of(cls, truth: Integers, correct: Bools, present: Bools, clusters: Integers) -> "Counted":
        """Counts by class, over the utterances of each speaker sorted together.

        ``truth``: class index [utterances]; ``correct`` and ``present``: whether a result is right of an utterance, and
        was tested on it [utterances, results]; ``clusters``: number of each utterance's speaker [utterances].
        """
        first, pattern = _patterns(present)
        numbers, cluster = np.unique(clusters, return_inverse=True)
        classes = []
        for label in np.unique(truth):
            rows = np.flatnonzero(truth == label)
            rows = rows[np.argsort(cluster[rows], kind="stable")]
            inside, starts = np.unique(cluster[rows], return_index=True)
            right = correct[rows] & present[rows]
            total = present[np.ix_(rows, first)]
            sums = [np.add.reduceat(part, starts, axis=0, dtype=np.float32) for part in (right, total)]
            classes.append(_ClassCounts(inside, *sums))
        return cls(tuple(classes), pattern, len(numbers))

    @property
    def tested(self) -> Bools:
        """Whether each result is of any utterance of each cluster [clusters, results]."""
        tested = np.zeros((self.clusters, int(self.pattern.max(initial=-1)) + 1), bool)
        for each in self.classes:
            tested[each.clusters] |= each.total > 0
        return tested[:, self.pattern]

    def accuracies(self, weights: Counts) -> Floats:
        """WA and UA [2, replicates, results]; UA is the mean over the classes drawn, nan = no utterance drawn."""
        size, results = len(weights), len(self.pattern)
        patterns = int(self.pattern.max(initial=-1)) + 1
        column = self.pattern if patterns > 1 else slice(0, 1)  # one serves all
        hits = np.zeros((size, results), np.float32)  # counts: exact below 2**24
        out = np.zeros((2, size, results))
        utterances, labels = np.zeros((2, size, patterns))
        for each in self.classes:
            of_class = np.take(weights, each.clusters, axis=1)
            right = of_class @ each.right
            total = (of_class @ each.total).astype(np.float64)
            hits += right
            out[1] += right / np.maximum(total, 1)[:, column]
            utterances += total
            labels += total > 0
        utterances, labels = (np.where(count > 0, count, np.nan)[:, column] for count in (utterances, labels))
        np.divide(hits, utterances, out=out[0])
        out[1] /= labels
        return out


def _patterns(present: Bools) -> tuple[Integers, Integers]:
    """The first result of each pattern of presence, and the number of every result's pattern."""
    packed = np.packbits(present, axis=0).T
    number: dict[bytes, int] = {}
    pattern = np.array([number.setdefault(column.tobytes(), len(number)) for column in packed], np.int64)
    return np.unique(pattern, return_index=True)[1], pattern

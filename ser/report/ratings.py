"""Answers that are numbers: predicted ratings beside those of raters, and probabilities beside shares of votes.

A run's ``predictions.csv`` has them in the columns ``true_<dimension>`` and ``predicted_<dimension>``, from -1 to 1,
and ``votes_<class>`` and ``p_<class>``. Their measures are those of ``ser.metrics``, of all replicates at once.
"""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from ser.metrics.distribution import divergences
from ser.report.counted import Counts
from ser.report.predictions import columns
from ser.report.runs import Finished
from ser.report.statistics import Floats

MEASURES = ("ccc", "pearson", "rmse")
DISTANCES = ("kl", "js")


@dataclass(frozen=True, eq=False)
class Answers:
    """What a run answers on a corpus: raters' numbers and the model's, float [utterances, columns]; nan: unrated.

    ``speakers`` are of each utterance, or () where the run does not tell them.
    """

    uids: tuple[str, ...]
    speakers: tuple[str, ...]
    truth: Floats
    predicted: Floats


def dimensions_of(run: Finished) -> tuple[str, ...]:
    """Returns the dimensions that a run predicts, () if it was not tested on any."""
    return tuple(name.removeprefix("true_") for name in columns(run) if name.startswith("true_"))


def voted_classes_of(run: Finished) -> tuple[str, ...]:
    """Returns the classes of which a run's table has the shares of votes and probabilities; () if it has none."""
    present = columns(run)
    classes = tuple(name.removeprefix("votes_") for name in present if name.startswith("votes_"))
    return classes if {f"p_{name}" for name in classes} <= set(present) else ()


def ratings_of(run: Finished) -> dict[str, Answers]:
    """Returns ratings by corpus, a column for each of ``dimensions_of``; of several segments of an utterance the mean.

    {} where the run has none.
    """
    names = dimensions_of(run)
    return _answers(run, [f"true_{name}" for name in names], [f"predicted_{name}" for name in names])


def votes_of(run: Finished) -> dict[str, Answers]:
    """Returns shares of votes and probabilities by corpus, a column for each of ``voted_classes_of``.

    {} where the run has none.
    """
    names = voted_classes_of(run)
    return _answers(run, [f"votes_{name}" for name in names], [f"p_{name}" for name in names])


def _answers(run: Finished, true: Sequence[str], predicted: Sequence[str]) -> dict[str, Answers]:
    if not true:
        return {}
    by_corpus: dict[str, dict[str, tuple[str, list[list[float]]]]] = {}
    for row in csv.DictReader(io.StringIO(run.text, newline="")):
        values = [float(row[name] or "nan") for name in (*true, *predicted)]
        _, rows = by_corpus.setdefault(row["corpus"], {}).setdefault(row["uid"], (row.get("speaker", ""), []))
        rows.append(values)
    return {corpus: _of_utterances(rows, len(true)) for corpus, rows in sorted(by_corpus.items())}


def _of_utterances(rows: Mapping[str, tuple[str, list[list[float]]]], width: int) -> Answers:
    uids = tuple(sorted(rows))
    speakers = tuple(rows[uid][0] for uid in uids)
    values = np.array([np.mean(rows[uid][1], axis=0) for uid in uids], np.float64).reshape(len(uids), 2 * width)
    return Answers(uids, speakers if all(speakers) else (), values[:, :width], values[:, width:])


def pooled(parts: Iterable[Answers]) -> Answers:
    """Returns the answers of several folds as those of one test subset."""
    each = list(parts)
    speakers = tuple(chain.from_iterable(part.speakers for part in each)) if all(p.speakers for p in each) else ()
    truth, predicted = (np.concatenate([getattr(part, name) for part in each]) for name in ("truth", "predicted"))
    return Answers(tuple(chain.from_iterable(part.uids for part in each)), speakers, truth, predicted)


def agreement(answers: Answers) -> Callable[[Counts], Floats]:
    """Returns what measures CCC, Pearson's correlation and RMSE of every column of answers, as of ``ser.metrics``.

    It takes how often replicates have each utterance [replicates, utterances]; returns [replicates, 3 x columns], all
    columns of a measure side by side, then the mean CCC of all; nan where one is undefined.
    """
    rated = np.isfinite(answers.truth)
    truth, guess = (np.where(rated, values, 0.0) for values in (answers.truth, answers.predicted))

    def measure(weights: Counts) -> Floats:
        counts = weights.astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            total = counts @ rated
            means = counts @ truth / total, counts @ guess / total
            squares = counts @ truth**2 / total, counts @ guess**2 / total
            variance = [np.maximum(s - m**2, 0.0) for s, m in zip(squares, means, strict=True)]
            both = counts @ (truth * guess) / total
            shared = both - means[0] * means[1]
            ccc = 2 * shared / (variance[0] + variance[1] + (means[0] - means[1]) ** 2)
            pearson = shared / np.sqrt(variance[0] * variance[1])
            rmse = np.sqrt(np.maximum(squares[0] + squares[1] - 2 * both, 0.0))
        ccc, pearson, rmse = (np.where(np.isfinite(values), values, np.nan) for values in (ccc, pearson, rmse))
        return np.concatenate([ccc, pearson, rmse, _mean(ccc)], axis=1)

    return measure


def _mean(values: Floats) -> NDArray[np.float64]:
    """The mean over columns [replicates, 1], nan where one is."""
    return np.asarray(values.mean(axis=1, keepdims=True), np.float64)


def divergence(answers: Answers) -> Callable[[Counts], Floats]:
    """Returns what measures the mean divergences of Kullback and Leibler and of Jensen and Shannon, [replicates, 2]."""
    middle = (answers.truth + answers.predicted) / 2
    from_middle = divergences(answers.truth, middle) + divergences(answers.predicted, middle)
    each = np.stack([divergences(answers.truth, answers.predicted), from_middle / 2], axis=1)

    def measure(weights: Counts) -> Floats:
        counts = weights.astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            means = counts @ each / counts.sum(axis=1, keepdims=True)
        return np.where(np.isfinite(means), means, np.nan)

    return measure

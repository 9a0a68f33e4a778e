"""The one reader of a run's table of predictions of classes, in its forms: one label, several, labelled segments.

All tables have the columns ``corpus``, ``uid`` and ``label``, and, but for runs made before they were saved,
``speaker``, ``sex``, ``session`` and ``sentence``. With one label an utterance they have ``predicted``, and of a
network a probability ``p_<class>`` of each class, and ``votes_<class>`` where it learned from shares of votes, whose
ties have no label; with several, joined by ``|``, a probability of each class; where an
utterance is many segments, a line for each with ``segment`` and a logit ``l_<class>`` of each class. Classes are
numbered as the study has them.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, compress
from operator import itemgetter
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ser.errors import BadInput
from ser.metrics.accuracy import confusion
from ser.metrics.calibration import SUM
from ser.metrics.segments import clip_modes, clip_predictions, clip_probabilities
from ser.report.runs import Finished
from ser.report.statistics import Bools, Integers

_SMALL = np.int16  # class indices of ten thousand results are held at once
FACTS = ("speaker", "sex", "session", "sentence")  # columns of who says what
Column = tuple[str, ...]
Facts = tuple[Column, Column, Column, Column]  # these, of each utterance; four times () of runs without them


@dataclass(frozen=True, eq=False)
class LabelPredictions:
    """A run's predictions of one corpus's test utterances, one label each, sorted by name.

    ``speakers``, ``sexes`` ("F", "M" or ""), ``sessions`` and ``sentences`` are of each utterance, or () where the run
    was made before they were saved. ``probabilities`` are None where they were not asked for, where one is no number,
    and of fitted models, whose decision values are none.
    """

    run_id: str
    uids: tuple[str, ...]
    truth: Integers  # [utterances]
    predicted: Integers  # [utterances]
    classes: int
    speakers: tuple[str, ...] = ()
    sexes: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    sentences: tuple[str, ...] = ()
    probabilities: NDArray[np.float32] | None = None  # [utterances, classes]

    @property
    def correct(self) -> Bools:
        """Whether each utterance is right [utterances]."""
        return np.asarray(self.truth == self.predicted)

    @property
    def counts(self) -> NDArray[np.int64]:
        """The confusion matrix, rows = truth."""
        return confusion(self.truth, self.predicted, self.classes)


@dataclass(frozen=True, eq=False)
class SegmentPredictions:
    """A run's predictions of one corpus's test clips, of which every segment is classified.

    ``speakers``, ``sexes``, ``sessions`` and ``sentences`` are of each clip, as in ``LabelPredictions``.
    """

    uids: tuple[str, ...]  # of the clips
    truth: NDArray[np.int64]  # class index [clips]
    clip: NDArray[np.int64]  # index of each segment's clip [segments]
    logits: NDArray[np.float32]  # [segments, classes]
    speakers: tuple[str, ...] = ()
    sexes: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    sentences: tuple[str, ...] = ()

    @property
    def predicted(self) -> NDArray[np.int64]:
        """Class of the highest mean logit of each clip [clips]."""
        return clip_predictions(self.clip, self.logits)

    @property
    def counts(self) -> NDArray[np.int64]:
        """The confusion matrix of the clips by the mean of their logits, rows = truth."""
        return confusion(self.truth, self.predicted, self.logits.shape[1])

    @property
    def counts_by_mode(self) -> NDArray[np.int64]:
        """The confusion matrix of the clips by what most of their segments are, ties to the first; rows = truth."""
        return confusion(self.truth, clip_modes(self.clip, self.logits), self.logits.shape[1])

    @property
    def probabilities(self) -> NDArray[np.float32]:
        """The softmax of each clip's mean logits [clips, classes]; highest for the class that is predicted."""
        return clip_probabilities(self.clip, self.logits)

    def as_labels(self, run_id: str, probabilities: bool = False) -> LabelPredictions:
        """Returns the clips' predictions alone."""
        chances = self.probabilities if probabilities else None
        truth, guess, size = self.truth, self.predicted, self.logits.shape[1]
        return LabelPredictions(run_id, self.uids, truth, guess, size, *facts_of(self), chances)

    @property
    def segments_per_class(self) -> NDArray[np.int64]:
        """Segments of each class [classes]."""
        return np.bincount(self.truth[self.clip], minlength=self.logits.shape[1]).astype(np.int64)


@dataclass(frozen=True, eq=False)
class MultiLabelPredictions:
    """A run's predictions of its test utterances, of any number of labels each, sorted by corpus and name.

    ``speakers``, ``sexes``, ``sessions`` and ``sentences`` as in ``LabelPredictions``.
    """

    run_id: str
    corpora: NDArray[Any]  # name of each utterance's corpus [utterances]
    uids: tuple[str, ...]
    truth: Bools  # [utterances, classes]
    probabilities: NDArray[np.float32]  # [utterances, classes]
    speakers: tuple[str, ...] = ()
    sexes: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    sentences: tuple[str, ...] = ()

    def of(self, corpus: str) -> "MultiLabelPredictions":
        """Returns only the utterances of one corpus."""
        inside = self.corpora == corpus
        kept = inside.tolist()
        uids, *facts = (tuple(compress(column, kept)) for column in (self.uids, *facts_of(self)))
        truth, values = self.truth[inside], self.probabilities[inside]
        return MultiLabelPredictions(self.run_id, self.corpora[inside], uids, truth, values, *facts)


def facts_of(test: LabelPredictions | SegmentPredictions | MultiLabelPredictions) -> Facts:
    """Returns speakers, sexes, sessions and sentences."""
    return test.speakers, test.sexes, test.sessions, test.sentences


# --- reading ---


def columns(run: Finished) -> tuple[str, ...]:
    """The columns of a run's table; () if it was not tested."""
    return tuple(next(csv.reader(io.StringIO(run.text, newline="")), ()))


def single_label(
    run: Finished, classes: Sequence[str], only: str = "", probabilities: bool = False
) -> dict[str, LabelPredictions]:
    """Reads predictions of one label an utterance, by corpus; {} if the run was not tested, or only on ratings.

    Where an utterance is many segments, its prediction is the class of their highest mean logit. ``only``: the one
    corpus that is looked at; "" for all. Utterances without a label, as raters' votes for several classes tie, are left
    out. ``probabilities``: whether they are kept, 4 bytes for each utterance and
    class; of thousands of runs ask for those of a few. Raises BadInput for labels of other classes, and for what is no
    probability, if they are kept.
    """
    size, present = len(classes), columns(run)
    if "segment" in present:
        return {c: clips.as_labels(run.run_id, probabilities) for c, clips in segments(run, classes).items()}
    if "label" not in present:
        return {}
    facts = FACTS if set(FACTS) <= set(present) else ()
    chances = tuple(f"p_{name}" for name in classes) if probabilities else ()
    chances = chances if set(chances) <= set(present) else ()
    tests = {}
    for corpus, rows in _rows(run, ("uid", "label", "predicted", *facts, *chances)).items():
        rows = [row for row in rows if row[1]]
        if only not in ("", corpus) or not rows:
            continue
        rows.sort(key=itemgetter(0))
        uids, *cells = zip(*rows, strict=True)
        truth, predicted = (_numbers(run, values, classes, _SMALL) for values in cells[:2])
        who = _facts(cells[2 : 2 + len(facts)])
        values = _probabilities(run, cells[2 + len(facts) :]) if chances else None
        tests[corpus] = LabelPredictions(run.run_id, uids, truth, predicted, size, *who, values)
    return tests


def of_heads(run: Finished, classes: Sequence[str]) -> dict[str, dict[str, LabelPredictions]]:
    """Returns what each head answers where a run asked all: corpus → head → predictions; {} where it did not.

    A head's probabilities are the columns ``p_<class>@<head>``; it answers the class of the highest one.
    """
    names = dict.fromkeys(name.partition("@")[2] for name in columns(run) if name.startswith("p_") and "@" in name)
    facts = FACTS if set(FACTS) <= set(columns(run)) else ()
    out: dict[str, dict[str, LabelPredictions]] = {}
    for head in names:
        chances = tuple(f"p_{name}@{head}" for name in classes)
        for corpus, rows in _rows(run, ("uid", "label", *facts, *chances)).items():
            rows.sort(key=itemgetter(0))
            uids, labels, *cells = zip(*rows, strict=True)
            who, values = _facts(cells[: len(facts)]), _probabilities(run, cells[len(facts) :])
            if values is not None:
                truth, answer = _numbers(run, labels, classes, _SMALL), values.argmax(axis=1).astype(_SMALL)
                test = LabelPredictions(run.run_id, uids, truth, answer, len(classes), *who)
                out.setdefault(corpus, {})[head] = test
    return out


def _probabilities(run: Finished, cells: Sequence[Column]) -> NDArray[np.float32] | None:
    """[utterances, classes]; None where one is nan, as a network may give it. Raises BadInput for what is none."""
    try:
        values = np.array([[text or "nan" for text in column] for column in cells], np.float64).T.astype(np.float32)
    except ValueError:
        raise BadInput("a probability that is no number", _place(run), "0 … 1", "test it again") from None
    if not np.isfinite(values).all():
        return None
    if values.min() < 0 or np.abs(values.sum(axis=1) - 1).max() > SUM:
        raise BadInput("probabilities whose sum is not 1", _place(run), "0 … 1, of all classes 1", "test it again")
    return values


def _facts(columns: Sequence[Column]) -> Facts:
    if not columns:
        return (), (), (), ()
    speakers, sexes, sessions, sentences = map(_shared, columns)
    return speakers, sexes, sessions, sentences


@lru_cache(maxsize=256)
def _shared(column: Column) -> Column:
    """The same object for equal columns: thousands of runs are of the same utterances."""
    return column


def segments(run: Finished, classes: Sequence[str]) -> dict[str, SegmentPredictions]:
    """Reads predictions of segments, by corpus; {} if the run was not tested.

    Raises BadInput for what fits no class.
    """
    if not run.text:
        return {}
    logit_columns = _columns_of_classes(run, "l_", classes)
    facts = FACTS if set(FACTS) <= set(columns(run)) else ()
    tests = {}
    for corpus, rows in _rows(run, ("uid", "segment", "label", *facts, *logit_columns)).items():
        rows.sort(key=lambda row: (row[0], int(row[1])))
        uids, first, clip = np.unique([row[0] for row in rows], return_index=True, return_inverse=True)
        labels = _numbers(run, [row[2] for row in rows], classes, np.int64)
        if (labels != labels[first][clip]).any():
            raise BadInput("a clip with two labels", _place(run), "one for all its segments", "test it again")
        logits = np.array([row[3 + len(facts) :] for row in rows], np.float64).astype(np.float32)
        who = _facts([tuple(rows[i][3 + k] for i in first.tolist()) for k in range(len(facts))])
        names = tuple(uids.tolist())
        tests[corpus] = SegmentPredictions(names, labels[first], clip.astype(np.int64), logits, *who)
    return tests


def multi_label(run: Finished, classes: Sequence[str]) -> MultiLabelPredictions | None:
    """Reads predictions of several labels an utterance; None if the run was not tested.

    Raises BadInput for labels or columns of other classes, and for a probability that is no number.
    """
    if not run.text:
        return None
    probability_columns = _columns_of_classes(run, "p_", classes)
    facts = FACTS if set(FACTS) <= set(columns(run)) else ()
    by_corpus = _rows(run, ("uid", "label", *facts, *probability_columns))
    rows = [(corpus, *row) for corpus in by_corpus for row in sorted(by_corpus[corpus], key=itemgetter(0))]
    truth = np.zeros((len(rows), len(classes)), bool)
    for place, row in enumerate(rows):
        labels = row[2].split("|") if row[2] else []
        truth[place, _numbers(run, labels, classes, np.int64)] = True
    start = 3 + len(facts)
    values = np.array([[float(text or "nan") for text in row[start:]] for row in rows], np.float64).astype(np.float32)
    if not np.isfinite(values).all():
        remedy = "train it again with a lower learning rate"
        raise BadInput("a probability that is no number", _place(run), "0 … 1", remedy)
    corpora = np.array([row[0] for row in rows], str)
    who = _facts([tuple(row[3 + k] for row in rows) for k in range(len(facts))])
    return MultiLabelPredictions(run.run_id, corpora, tuple(row[1] for row in rows), truth, values, *who)


def _rows(run: Finished, names: Sequence[str]) -> dict[str, list[tuple[str, ...]]]:
    """The cells of these columns by corpus, corpora sorted. csv, not pandas: most of thousands of tables are small."""
    if not run.text:
        return {}
    lines = csv.reader(io.StringIO(run.text, newline=""))
    cells_of = itemgetter(*map(next(lines).index, ("corpus", *names)))
    by_corpus: dict[str, list[tuple[str, ...]]] = {}
    for corpus, *cells in map(cells_of, lines):
        by_corpus.setdefault(corpus, []).append(tuple(cells))
    return dict(sorted(by_corpus.items()))


def _columns_of_classes(run: Finished, prefix: str, classes: Sequence[str]) -> list[str]:
    names = [f"{prefix}{name}" for name in classes]
    present = columns(run)
    if missing := [name for name in names if name not in present]:
        raise BadInput(f"no column {', '.join(missing)}", _place(run), "one for each class", "test it again")
    return names


def _numbers(run: Finished, labels: Iterable[str], classes: Sequence[str], kind: type) -> NDArray[Any]:
    """Class indices of ``labels``. Raises BadInput for another class."""
    number = {name: i for i, name in enumerate(classes)}
    names = list(labels)
    if unknown := set(names) - number.keys():
        raise BadInput(repr(min(unknown)), _place(run), ", ".join(classes), "test it again")
    return np.array([number[name] for name in names], kind)


def _place(run: Finished) -> str:
    return f"predictions of run {run.run_id}"


# --- comparing ---


class _OnUtterances(Protocol):
    @property
    def uids(self) -> tuple[str, ...]: ...
    @property
    def truth(self) -> NDArray[Any]: ...


def utterances_of(test: _OnUtterances) -> tuple[tuple[str, ...], bytes]:
    """The utterances and labels that predictions are of: equal where two may be compared."""
    return test.uids, test.truth.tobytes()


def pooled_labels(parts: Sequence[LabelPredictions]) -> LabelPredictions:
    """The predictions of several folds as one test side, sorted by name."""
    uids = np.array([uid for part in parts for uid in part.uids], dtype=object)
    order = np.argsort(uids, kind="stable")
    truth, predicted = (np.concatenate([getattr(part, side) for part in parts]) for side in ("truth", "predicted"))
    who = _facts([tuple(column[i] for i in order.tolist()) for column in _pooled_facts(parts) if column])
    each = [part.probabilities for part in parts if part.probabilities is not None]
    chances = np.concatenate(each)[order] if len(each) == len(parts) else None
    size = parts[0].classes
    return LabelPredictions(parts[0].run_id, tuple(uids[order]), truth[order], predicted[order], size, *who, chances)


def pooled_segments(parts: Sequence[SegmentPredictions]) -> SegmentPredictions:
    """The clips of several folds as one test side."""
    starts = np.cumsum([0, *(len(part.uids) for part in parts)])
    return SegmentPredictions(
        tuple(uid for part in parts for uid in part.uids),
        np.concatenate([part.truth for part in parts]),
        np.concatenate([part.clip + start for part, start in zip(parts, starts, strict=False)]),
        np.concatenate([part.logits for part in parts]),
        *_pooled_facts(parts),
    )


def _pooled_facts(parts: Sequence[LabelPredictions] | Sequence[SegmentPredictions]) -> Facts:
    """Speakers, sexes, sessions and sentences of all folds; () where one does not know them."""
    if not all(part.speakers for part in parts):
        return _facts(())
    return _facts([tuple(chain.from_iterable(columns)) for columns in zip(*map(facts_of, parts), strict=True)])

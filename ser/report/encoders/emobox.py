"""The printed numbers of Ma et al. 2024 beside ours, where the corpus is proved and the folds are theirs."""

import csv
import io
from collections import Counter
from collections.abc import Iterable
from hashlib import sha256

import numpy as np

from ser.metrics.f1 import macro_f1
from ser.report.content import HOLE, Cell, Row, Table
from ser.report.emobox_models import MODELS, Model
from ser.report.encoders.published import COLUMNS, PROTOCOLS, Protocol, printed
from ser.report.encoders.results import Bench, Case, Setting
from ser.report.groups import fold_of
from ser.report.measured import Result
from ser.report.runs import Finished, Options
from ser.report.standing import described

_HOLE = Cell(float("nan"))
_HEAD = {
    **{"block": "dense", "block.frame_units": "256", "block.layers": "0", "block.statistics": "mean"},
    **{"block.activation": "relu", "front_end.statistics": ""},
}
_RAW = ("train", "none")  # they do not normalise by speakers


def table(bench: Bench, options: Options) -> Table | None:
    """Returns Table 4 with ours above each number, or why a corpus has none; None where no corpus is proved."""
    if not bench.expected.printed_anywhere:
        return None
    rows = [row for corpus in bench.expected.tested if corpus in PROTOCOLS for row in _rows(bench, corpus, options)]
    return Table(
        "table4",
        "Table 4 of Ma et al. 2024 (EmoBox), and ours",
        "Theirs: frames of the last layer, a layer of 256 units, the mean over time, a linear layer; a fifth of the "
        "training utterances validates. Ours: the same layer and head (dense with frame_units) where they were run, "
        "else what is best in the test, and never normalised by speaker; validation is by other speakers, where "
        "speakers are known and several train. Encoders are "
        "paired by architecture and size; whether the weights are theirs, or a later version, no shape tells. Ours are "
        "of the pooled folds; whether theirs are, or means of folds, is not told: the last column has ours.",
        (*COLUMNS, "Encoder here", "Layer", "Head", "UA, mean of folds"),
        tuple(rows),
        "encoders",
        grouped="Corpus",
        brief=True,
        quotes=True,
        paper_label="Ma et al. 2024",
        named="Encoder",
    )


def _rows(bench: Bench, corpus: str, options: Options) -> list[Row]:
    protocol = PROTOCOLS[corpus]
    if why := _why_not(bench, corpus, protocol, options):
        return [Row(corpus, "none", (*[_HOLE] * len(COLUMNS), why, None, None, None), 0, len(MODELS))]
    rows = []
    for model in MODELS:
        names = [name for name, encoder in bench.shapes.items() if _is_of(model, encoder)]
        paper = tuple(printed("table4", corpus, model.name, column) for column in COLUMNS)
        pairs = [(name, pair) for name in names if (pair := _like_theirs(bench, corpus, name))]
        for name, (setting, result) in pairs:
            cells = (result.cell("ua"), result.cell("wa"), Cell(_f1(result)), name, setting.layers, setting.head)
            rows.append(Row(corpus, model.name, (*cells, Cell(_mean_of_folds(result, corpus))), 1, 1, paper))
        if not pairs:
            rows.append(Row(corpus, model.name, (*[_HOLE] * len(COLUMNS), *[HOLE] * 3, _HOLE), 0, 1, paper))
    return rows


def _is_of(model: Model, encoder: object) -> bool:
    shape = tuple(getattr(encoder, name) for name in ("architecture", "width", "states"))
    return shape == (model.architecture, model.width, model.states)


def _why_not(bench: Bench, corpus: str, protocol: Protocol, options: Options) -> str:
    """Why no number is printed beside ours; "" where they are of the same data."""
    if not bench.expected.printed_for(corpus):
        return f"{corpus} is {described(bench.expected, corpus)}"
    if not protocol.is_ours:
        return f"folds are EmoBox's own lists: {protocol.words}"
    every = [result for (name, _), result in bench.results.cells.items() if name == corpus and result]
    if every and not all(_on_their_folds(result, corpus, protocol, options) for result in every):
        return f"other folds or classes than theirs: {protocol.words}, {_classes(protocol)}"
    return ""


def _classes(protocol: Protocol) -> str:
    return f"{len(protocol.classes)} classes, {sum(protocol.tested):,} utterances"


def _on_their_folds(result: Result, corpus: str, protocol: Protocol, options: Options) -> bool:
    """Whether the rule, the classes and the utterances of every fold are theirs."""
    start = f"corpus.{corpus}.split"
    names = (start, f"{start}.by") if protocol.by else (start,)
    rules = {tuple(run.params.get(name) for name in names) for run in result.runs}
    classes = {frozenset(run.params.get("classes", "").split(",")) for run in result.runs}
    folds = Counter(fold_of(run) for run in result.runs)
    whole = sorted(folds) == list(range(1, len(protocol.tested) + 1))
    tested = result.sample.utterances if result.sample else 0
    return (
        rules == {tuple(filter(None, (protocol.rule, protocol.by)))}
        and classes == {protocol.classes}
        and whole
        and tested == sum(protocol.tested)
        and all(_is_their_list(run, corpus, protocol, options) for run in result.runs if protocol.lists)
    )


def _is_their_list(run: Finished, corpus: str, protocol: Protocol, options: Options) -> bool:
    """Whether a run was tested on their list of its fold, by the names of the recordings."""
    text = run.text or options.file(run.run_id, "predictions.csv") or ""
    rows = csv.DictReader(io.StringIO(text, newline=""))
    names = sorted(row["uid"].rpartition("/")[2] for row in rows if row["corpus"] == corpus)
    return digest_of(names) == protocol.lists[int(fold_of(run)) - 1]


def digest_of(names: Iterable[str]) -> str:
    """Returns 16 digits that tell a list by the names of its recordings, in whatever order."""
    return sha256("\n".join(sorted(names)).encode()).hexdigest()[:16]


def _like_theirs(bench: Bench, corpus: str, encoder: str) -> tuple[Setting, Result] | None:
    """The setting that is most like theirs: the last layer with their head, else the best in the test."""
    ranked = [pair for way in _RAW for pair in bench.ranked(Case(corpus, way), encoder)]
    last = str(bench.shapes[encoder].states - 1)
    theirs = [(s, r) for s, r in ranked if s.layers in ("last", last) and _is_their_head(r)]
    ranked.sort(key=lambda pair: -round(pair[1].point["ua"], 9))
    return next(iter(theirs or ranked), None)


def _is_their_head(result: Result) -> bool:
    return all(result.runs[0].params.get(name) == value for name, value in _HEAD.items())


def _f1(result: Result) -> float:
    return float("nan") if result.counts is None else macro_f1(result.counts)


def _mean_of_folds(result: Result, corpus: str) -> float:
    return float(np.mean([run.scores.get(f"ua/{corpus}", np.nan) for run in result.runs]))

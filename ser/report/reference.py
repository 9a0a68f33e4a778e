"""The plain references of a study beside its results: a standard model on the same features and the same split.

References are no trials of the grid: ``ser.report.collect`` keeps them apart, so that no report counts one, and
``Options.references`` hands out their runs. Here folds become one test side, seeds a mean, and the whole a table of
every report; a paper's tables take the same cells for a row or column of their own.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from ser.metrics import multilabel
from ser.report.bootstrap import mean_accuracies
from ser.report.content import Cell, Content, Row, Table
from ser.report.predictions import (
    LabelPredictions,
    MultiLabelPredictions,
    SegmentPredictions,
    columns,
    multi_label,
    pooled_labels,
    pooled_segments,
    segments,
    single_label,
)
from ser.report.runs import Expected, Finished, Options, Reference

Split = tuple[str, tuple[tuple[str, str], ...]]  # a corpus, and how it is split
Test = TypeVar("Test")
_HOLE = Cell(float("nan"))
_SIGNS = {"svm": "SVM", "lda": "LDA", "knn": "k-NN", "logistic": "logistic regression"}
_SEVERAL = {"balanced": "Balanced accuracy", "macro_f1": "Macro F1", "micro_f1": "Micro F1", "argmax": "Argmax"}
_EXPLANATION = (
    "A standard model that learns from each tested corpus alone: statistics over the frames of the study's front-end, "
    "standardised on the training side, on the split of the study's trials, without augmented copies. Trials above it: "
    "those tested on the same utterances whose {metric} is higher. A result below the reference does not show what its "
    "features allow."
)


# --- by split, while runs are collected ---


def accuracies_by_split(params: Mapping[str, str], metrics: Mapping[str, float]) -> dict[Split, float]:
    """Returns UA, or balanced accuracy, of a run for each corpus that it was tested on, by how that is split.

    Runs of an equal split were tested on the same utterances.
    """
    out: dict[Split, float] = {}
    for name, value in metrics.items():
        metric, _, corpus = name.partition("/")
        if metric in ("ua", "balanced") and corpus:
            of_split = f"corpus.{corpus}.split"
            out[corpus, tuple(sorted((k, v) for k, v in params.items() if k.startswith(of_split)))] = value
    return out


def rank(trial_id: str, accuracies: Mapping[Split, Mapping[str, float]]) -> tuple[int, int]:
    """Returns how many other trials were tested on the split of this one, and how many of them were better."""
    same = next((each for each in accuracies.values() if trial_id in each), {})
    others = [value for trial, value in same.items() if trial != trial_id]
    return len(others), sum(value > same[trial_id] for value in others)


# --- for reports ---


def label(expected: Expected) -> str:
    """``reference (SVM)``, the name of the row or column; "" where a study has none."""
    models = dict.fromkeys(_SIGNS.get(r.model, r.model) for r in expected.references)
    return f"reference ({', '.join(models)})" if models else ""


def reference_accuracies(expected: Expected, options: Options, setting: str = "") -> dict[str, tuple[Cell, Cell]]:
    """Returns WA and UA of the reference on every corpus that has one, with intervals as those of all results.

    Folds are pooled, seeds averaged; where a fold of every seed is missing, both are holes. ``setting`` is what tells
    several splits of a corpus apart, such as a protocol. Where an utterance is many segments, its answer is the class
    of their highest mean logit; where it may have several labels, the dictionary is empty.
    """
    return {
        corpus: mean_accuracies(tests, options.replicates, options.resample)
        for corpus, tests in reference_labels(expected, options, setting).items()
    }


def reference_labels(expected: Expected, options: Options, setting: str = "") -> dict[str, list[LabelPredictions]]:
    """Returns the reference's predictions of each complete seed, folds pooled, by corpus; [] where none is complete."""
    return _tests(expected, options, setting, _labels_of, pooled_labels)


def reference_segments(expected: Expected, options: Options, setting: str = "") -> dict[str, list[SegmentPredictions]]:
    """Returns the same with every segment, where an utterance is many; {} elsewhere."""
    return _tests(expected, options, setting, _segments_of, pooled_segments)


def reference_several(expected: Expected, options: Options, setting: str = "") -> list[MultiLabelPredictions]:
    """Returns the reference's predictions of each complete seed where utterances may have several labels.

    One is of all corpora that have a reference, each answered by its own; [] where any lacks a fold of every seed.
    """
    by_corpus = _tests(expected, options, setting, _several_of, joined_several)
    size = min(map(len, by_corpus.values()), default=0)
    return [joined_several([tests[place] for tests in by_corpus.values()]) for place in range(size)]


def reference_note(expected: Expected) -> str:
    """Says by counts how the study's trials stand to the reference; "" where none is finished."""
    texts = []
    for corpus in dict.fromkeys(r.corpus for r in expected.references):
        done = [r for r in expected.references if r.corpus == corpus and r.run_id and r.trials]
        if done:
            texts.append(f"{corpus}: {sum(r.better for r in done)} of {sum(r.trials for r in done)}")
    if not texts:
        return ""
    return (
        f"Tests by the study's trials that are above the {label(expected)} on the same utterances: {'; '.join(texts)}."
    )


def with_table(content: Content, expected: Expected, options: Options) -> Content:
    """Returns the content with the table of references behind its own, and a note that counts the trials above them."""
    if not expected.references:
        return content
    note = [text] if (text := reference_note(expected)) else []
    return replace(content, tables=(*content.tables, table(expected, options)), notes=(*note, *content.notes))


def table(expected: Expected, options: Options) -> Table:
    """Returns the table of all references of a study."""
    several = any("predicted" not in columns(run) for run in options.references())
    heads = tuple(_SEVERAL.values()) if several else ("WA", "UA")
    rows = []
    for corpus, setting in dict.fromkeys((r.corpus, r.setting) for r in expected.references):
        own = [r for r in expected.references if (r.corpus, r.setting) == (corpus, setting)]
        if several:
            cells = _several_cells(_tests(expected, options, setting, _several_of, joined_several).get(corpus, []))
        else:
            cells = reference_accuracies(expected, options, setting).get(corpus, (_HOLE, _HOLE))
        done, seeds = [r for r in own if r.run_id], len({r.seed for r in own})
        above = f"{sum(r.better for r in done)} of {sum(r.trials for r in done)}"
        name = " · ".join(filter(None, [label(expected), setting]))
        rows.append(Row(corpus, name, (*cells, above), len(_complete(own)), seeds))
    return Table(
        "reference",
        f"Plain reference: {label(expected).removeprefix('reference (').removesuffix(')')} on the same features",
        _EXPLANATION.format(metric="balanced accuracy" if several else "UA"),
        (*heads, "Trials above it"),
        tuple(rows),
        "seeds",
        grouped="Corpus",
        brief=True,
        named="Reference",
    )


# --- folds and seeds ---


def _complete(references: Iterable[Reference]) -> list[list[Reference]]:
    """The references of each seed whose folds are all finished."""
    by_seed: dict[int, list[Reference]] = {}
    for reference in references:
        by_seed.setdefault(reference.seed, []).append(reference)
    return [folds for folds in by_seed.values() if all(r.run_id for r in folds)]


def _tests(
    expected: Expected,
    options: Options,
    setting: str,
    read: Callable[[Finished, str], Test | None],
    pooled: Callable[[Sequence[Test]], Test],
) -> dict[str, list[Test]]:
    """By corpus, the predictions of each complete seed; without corpora whose predictions have another form."""
    runs = {run.run_id: run for run in options.references()}
    out: dict[str, list[Test]] = {}
    for corpus in dict.fromkeys(r.corpus for r in expected.references if r.setting == setting):
        own = [r for r in expected.references if (r.corpus, r.setting) == (corpus, setting)]
        found = [[read(runs[r.run_id], corpus) for r in folds] for folds in _complete(own)]
        tests = [[test for test in folds if test is not None] for folds in found]
        if all(tests):
            out[corpus] = [pooled(folds) for folds in tests]
    return out


def _classes(run: Finished) -> list[str]:
    return run.params["classes"].split(",")


def _labels_of(run: Finished, corpus: str) -> LabelPredictions | None:
    return single_label(run, _classes(run), corpus).get(corpus) if "predicted" in columns(run) else None


def _segments_of(run: Finished, corpus: str) -> SegmentPredictions | None:
    return segments(run, _classes(run)).get(corpus) if "segment" in columns(run) else None


def _several_of(run: Finished, corpus: str) -> MultiLabelPredictions | None:
    tested = None if "predicted" in columns(run) else multi_label(run, _classes(run))
    return tested.of(corpus) if tested else None


def joined_several(parts: Sequence[MultiLabelPredictions]) -> MultiLabelPredictions:
    """Returns the predictions of several folds or corpora as one test side, sorted by corpus and name."""
    corpora = np.concatenate([part.corpora for part in parts])
    uids = [uid for part in parts for uid in part.uids]
    order = sorted(range(len(uids)), key=lambda i: (corpora[i], uids[i]))

    def sorted_facts(name: str) -> tuple[str, ...]:
        values = [value for part in parts for value in getattr(part, name)]
        return tuple(values[i] for i in order) if len(values) == len(uids) else ()

    truth, chances = (np.concatenate([getattr(part, name) for part in parts]) for name in ("truth", "probabilities"))
    names = ("speakers", "sexes", "sessions", "sentences")
    facts = {name: sorted_facts(name) for name in names}
    return MultiLabelPredictions(
        parts[0].run_id, corpora[order], tuple(uids[i] for i in order), truth[order], chances[order], **facts
    )


def _several_cells(tests: Sequence[MultiLabelPredictions]) -> tuple[Cell, ...]:
    """Means over seeds of the scores of ``_SEVERAL``, without intervals."""
    scores = [multilabel.scores(test.truth, test.probabilities) for test in tests]
    values = {name: [each.get(name, np.nan) for each in scores] for name in _SEVERAL}
    return tuple(Cell(float(np.mean(v))) if v else _HOLE for v in values.values())

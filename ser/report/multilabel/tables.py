"""The tables of Pho et al. 2020: its metrics and what others would print, its matrices, its data, its settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ser.metrics import multilabel
from ser.report.content import HOLE, Cell, Printed, Row, Table
from ser.report.groups import Group, spread
from ser.report.multilabel import published
from ser.report.multilabel.scores import METRICS, Scores, rates, scores_of
from ser.report.predictions import MultiLabelPredictions
from ser.report.runs import Expected, Options

TYPES = ("one emotion", "two emotions", "three emotions")
RATES = ("TNR", "FPR", "FNR", "TPR")
# Rows of the paper's Tables 4 and 1, in its order.
WORKS = (
    *("Zhao et al.", "Our Work", "Etienne et al.", "Zhang et al.", "Fayek et al.", "Yenigalla et al."),
    "Badshah et al.",
)
CORPORA = ("iemocap", "crema_d", "tess", "ravdess", "msp_improv", "savee", "emodb", "emov_db")
_NAMES = {"iemocap": "IEMOCAP", "tess": "TESS", "ravdess": "RAVDESS", "crema_d": "CREMA-D"}


@dataclass(frozen=True, eq=False)
class ScoredSetting:
    """A setting whose test results are shown in full, or the plain reference."""

    title: str
    group: Group | None  # its runs; None: the reference
    tests: tuple[MultiLabelPredictions, ...]  # one per seed
    whole: Scores  # over all test utterances
    by_corpus: Mapping[str, Scores] = field(default_factory=dict)

    @property
    def stated(self) -> bool:
        """Whether the study itself names it, so that the paper's numbers may stand beside its own."""
        return self.group is not None and not self.group.searched


@dataclass(frozen=True)
class Labelled:
    """The labels of a corpus as the study uses it, from ``labels.json`` of a run."""

    utterances: int
    emotions: Mapping[str, int]  # class → utterances that have it
    types: tuple[int, ...]  # utterances of one, two and three emotions

    @classmethod
    def of(cls, logged: Mapping[str, Any]) -> "Labelled":
        """From ``{"utterances": n, "labels": {class: n}, "types": {"1": n, "2": n, ...}}``."""
        types = tuple(int(logged["types"].get(str(k), 0)) for k in (1, 2, 3))
        return cls(int(logged["utterances"]), dict(logged["labels"]), types)


def scored(
    title: str, group: Group | None, tests: Sequence[MultiLabelPredictions], expected: Expected, options: Options
) -> ScoredSetting:
    """The scores of a setting, overall and by corpus."""
    by_corpus = {}
    for name in expected.tested:
        parts = [part for test in tests if (part := test.of(name)).uids]
        if parts:
            by_corpus[name] = scores_of(parts, options)
    return ScoredSetting(title, group, tuple(tests), scores_of(tests, options), by_corpus)


def metrics_table(settings: Sequence[ScoredSetting], expected: Expected) -> Table:
    """Every metric, overall and by corpus."""
    rows = []
    repeated = any(len(one.tests) > 1 for one in settings)
    for one in settings:
        for metric, name in METRICS.items():
            of_corpora = [
                _from_runs(one, one.by_corpus[c].cells[metric], c) if c in one.by_corpus else None
                for c in expected.tested
            ]
            paper: tuple[Printed, ...] = ()
            if expected.printed_overall and one.stated and metric in _PRINTED:
                paper = (published.printed(*_PRINTED[metric]),)
            deviation = [Cell(one.whole.spread[metric])] * repeated
            cells = (_from_runs(one, one.whole.cells[metric], "all corpora"), *deviation, *of_corpora)
            rows.append(Row(one.title, name, cells, len(one.tests), len(expected.seeds), paper))
    return Table(
        "metrics",
        "Accuracy, as published and otherwise",
        "As published: the mean over emotions of the average of TNR and TPR, of probabilities cut down to whole "
        "numbers, so that an emotion counts as found only where its probability is 1 to the last digit. Equation 4, "
        "as the paper prints it, at a threshold of 0.5, beside what it gives where no emotion is ever found. "
        "Balanced accuracy, F1, subset accuracy and Hamming loss (less is better) at 0.5 too; LRAP: label ranking "
        "average precision; argmax: on utterances of one emotion, whether it is the most probable, and as Keras counts "
        "it, on all utterances, whether the most probable is the first of its emotions. Emotions that no utterance of "
        "a corpus has do not count in its balanced accuracy and F1."
        + (" Means over the seeds; ±: sample standard deviation over them." if repeated else ""),
        ("All", *["±"] * repeated, *expected.tested),
        tuple(rows),
        "seeds",
        digits=2,
        grouped="Trial",
        brief=True,
        named="Measure",
    )


def _from_runs(one: ScoredSetting, cell: Cell, corpus: str) -> Cell:
    """A cell of a setting with its runs."""
    names = [corpus] if corpus in one.by_corpus else list(one.by_corpus)
    n = sum(len(test.of(name).uids) for test in one.tests[:1] for name in names)
    return cell.from_runs((run.run_id for run in one.group.runs) if one.group else (), n, f"{corpus}: {one.title}")


# What the paper, or the program of its authors, prints of a metric.
_PRINTED = {
    "published": ("text", "test", "cnn2d", "Accuracy"),
    "categorical_accuracy": ("program", "test", "cnn2d", "Categorical accuracy"),
}


def losses(settings: Sequence[ScoredSetting], expected: Expected) -> Table:
    """The loss in the test, which the authors' program prints."""
    rows = []
    for one in settings:
        values = [multilabel.binary_cross_entropy(test.truth, test.probabilities) for test in one.tests]
        value = (
            published.printed("program", "test", "cnn2d", "Loss") if expected.printed_overall and one.stated else None
        )
        cells = (Cell(float(np.mean(values))), Cell(spread(values)))
        paper = () if value is None else (value,)
        rows.append(Row("", one.title, cells, len(values), len(expected.seeds), paper))
    return Table(
        "loss",
        "Loss in the test",
        "Binary cross-entropy, mean over utterances and emotions, not weighted; of several seeds the mean and the "
        "sample standard deviation."
        + (" In the paper's place: the program of its authors." if expected.printed_overall else ""),
        ("Loss", "±"),
        tuple(rows),
        "seeds",
        digits=3,
        unit="",
        grouped="",
        named="Trial",
    )


def figure_4(settings: Sequence[ScoredSetting], expected: Expected) -> Table:
    """The rows of Figure 4's matrices, and the same at a threshold."""
    rows = []
    for one in settings:
        (cast, counts), (plain, _) = rates(one.tests, cast=True), rates(one.tests, cast=False)
        for i, emotion in enumerate(expected.classes):
            values = [Cell(float(v)) for matrix in (cast, plain) for v in matrix[i].ravel()]
            paper: tuple[Printed, ...] = ()
            if expected.printed_overall and one.stated:
                tnr, tpr = (published.printed("figure4", "rate", emotion, rate) for rate in ("TNR", "TPR"))
                if isinstance(tnr, float) and isinstance(tpr, float):
                    paper = (tnr, 100 - tnr, 100 - tpr, tpr)
            present = f"{counts[i, 1].sum()} of {counts[i].sum()}"
            rows.append(Row(one.title, emotion, (*values, present), paper=paper))
    return Table(
        "figure4",
        "Figure 4: is an emotion found where it is, and only there?",
        "Rows of the confusion matrix of each emotion, summed over the seeds. TNR, FPR: of the utterances without the "
        "emotion, those where it is not found, and where it is. FNR, TPR: of those with it, missed and found. First "
        "with probabilities cut down to whole numbers, as the paper's program did; then at a threshold of 0.5.",
        (*(f"{rate}, cast" for rate in RATES), *(f"{rate}, 0.5" for rate in RATES), "Have it"),
        tuple(rows),
        grouped="Trial",
        brief=True,
        named="Emotion",
    )


def literature(ours: Sequence[ScoredSetting], expected: Expected) -> Table:
    """Table 4: accuracies of the literature with ours among them."""
    rows = []
    names = ", ".join(_NAMES.get(c, c) for c in expected.tested)
    for one in ours:
        method = one.group.runs[0].params.get("block", HOLE) if one.group else one.title
        description = (method, str(len(expected.classes)), names, "Multi")
        row = Row(
            "", f"Here: {one.title}", (*description, one.whole.cells["published"]), len(one.tests), len(expected.seeds)
        )
        rows.append(row)
    for work in WORKS if expected.printed_anywhere else ():
        cells = [published.printed("table4", "accuracy", work, column) for column in published.TABLE_4_COLUMNS]
        texts = [f"{c:.1f}" if i == 4 else f"{c:.0f}" if isinstance(c, float) else c for i, c in enumerate(cells)]
        rows.append(Row("", work if work != "Our Work" else "Pho et al.", (*texts,)))
    printed = "The other rows are as the paper prints them, on other corpora, classes and splits. "
    return Table(
        "table4",
        "Table 4: accuracies of the literature",
        "Accuracy as published: see the metrics. " + (printed if expected.printed_anywhere else ""),
        published.TABLE_4_COLUMNS,
        tuple(rows),
        grouped="",
        brief=True,
        quotes=True,
        named="Work",
    )


def table_1(labels: Mapping[str, Labelled], expected: Expected) -> Table:
    """Table 1: how many utterances of each corpus have each emotion; the paper marks those that exist."""
    columns = published.TABLE_1_COLUMNS if expected.printed_anywhere else expected.classes
    names = [c.name for c in expected.corpora]
    others = [c for c in CORPORA if c not in names] if expected.printed_overall else []
    rows = []
    for name in (*names, *others):
        counts = labels.get(name)
        cells: list[Cell | None] = [None] * len(columns)
        if name in names:
            cells = [_count(counts, emotion) if emotion in expected.classes else None for emotion in columns]
        paper = tuple(published.printed("table1", "emotions", name, column) for column in columns)
        rows.append(Row("", name, tuple(cells), paper=paper if expected.printed_for(name) and any(paper) else ()))
    return Table(
        "table1",
        "Table 1: corpora and their emotions",
        "Utterances with each emotion, in all subsets of the split; one with several counts for each of them. Calm, "
        "excited and frustrated are merged into other emotions.",
        tuple(columns),
        tuple(rows),
        digits=0,
        unit="",
        grouped="",
        brief=True,
        named="Corpus",
    )


def _count(labelled: Labelled | None, emotion: str) -> Cell | None:
    if labelled is None:
        return Cell(np.nan)
    return Cell(float(labelled.emotions[emotion])) if labelled.emotions.get(emotion) else None


def shares_of(labels: Mapping[str, Labelled], classes: Sequence[str]) -> dict[str, dict[str, int]]:
    """The counts behind Figure 1: utterances by corpus, labels by emotion, utterances by number of emotions."""
    return {
        "corpus": {name: labelled.utterances for name, labelled in labels.items()},
        "emotion": {c: sum(labelled.emotions.get(c, 0) for labelled in labels.values()) for c in classes},
        "label type": {t: sum(labelled.types[i] for labelled in labels.values()) for i, t in enumerate(TYPES)},
    }


def figure_1(counts: Mapping[str, Mapping[str, int]], expected: Expected) -> Table:
    """Figure 1 as numbers, beside those that the corpora's own label files give."""
    printed_counts = shares_of(
        {
            name: Labelled(sum(types), dict(zip(published.CLASSES, labels, strict=True)), types)
            for name, (labels, types) in published.FIGURE_1.items()
        },
        published.CLASSES,
    )
    rows = []
    for kind, counted in counts.items():
        total = sum(counted.values())
        for name, count in counted.items():
            paper: tuple[Printed, ...] = ()
            if expected.printed_overall and name in printed_counts[kind]:
                paper = (
                    str(printed_counts[kind][name]),
                    100 * printed_counts[kind][name] / sum(printed_counts[kind].values()),
                )
            rows.append(Row(kind, name, (str(count), Cell(count / total if total else np.nan)), paper=paper))
    return Table(
        "figure1",
        "Figure 1: shares of corpora, emotions and label types",
        "Of the study's utterances; those of four and more emotions are left out. The paper's chart has no numbers: "
        "those in its place follow from the corpora's label files and the authors' program.",
        ("Count", "Share"),
        tuple(rows),
        grouped="Of",
        named="Share",
    )

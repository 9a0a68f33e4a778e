"""Scores on strangers as runs logged them, where an answer is not one label: several labels, or ratings."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from ser.report.content import Cell, Row, Table
from ser.report.crossing.tested import TAG, CrossRun
from ser.report.groups import without_repeats
from ser.report.predictions import columns

Logged = dict[tuple[str, str], list[dict[str, float]]]  # (stranger, setting) → scores of each run


def noted(runs: Iterable[CrossRun], scores_of: Logged) -> Iterator[CrossRun]:
    """Passes runs on, and puts into ``scores_of`` what was logged of answers that are no single labels."""
    for each in runs:
        for corpus, (text, _) in each.files.items():
            if not {"predicted", "segment"} & set(columns(replace(each.run, text=text))):
                place = corpus, without_repeats(each.run.title)
                scores_of.setdefault(place, []).append(_scores(each, corpus))
        yield each


def table(scores_of: Logged) -> Table | None:
    """Returns all scores that were put there; None where there are none."""
    if not any(scores for repeats in scores_of.values() for scores in repeats):
        return None
    names = list(dict.fromkeys(name for repeats in scores_of.values() for scores in repeats for name in scores))
    rows = [
        Row(corpus, title, tuple(Cell(_mean(repeats, name)) for name in names), len(repeats), len(repeats))
        for (corpus, title), repeats in scores_of.items()
    ]
    return Table(
        "across_logged",
        "Scores on strangers, as logged",
        "Means over seeds and folds of what the runs logged for corpora that they did not learn from.",
        tuple(names),
        tuple(rows),
        "runs",
        digits=3,
        unit="",
        grouped="Corpus",
        brief=len(rows) <= 60,
        typeset=False,
        named="Trial",
    )


def _scores(each: CrossRun, corpus: str) -> dict[str, float]:
    """Scores of a run on one stranger, without those of classes and heads: ``cross/<score>/<corpus>[/<what>]``."""
    out = {}
    for name, value in each.run.scores.items():
        score, _, where = name.removeprefix(TAG).partition("/")
        if name.startswith(TAG) and score not in ("recall", "head") and where.split("/", 1)[0] == corpus:
            what = where.partition("/")[2]
            out[f"{score} {what}".strip()] = value
    return out


def _mean(repeats: Iterable[dict[str, float]], name: str) -> float:
    values = [scores[name] for scores in repeats if name in scores]
    return float(np.mean(values)) if values else float("nan")

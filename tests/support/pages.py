"""A small report with everything that a page can show."""

import numpy as np

from ser.report import figures, marks
from ser.report.content import Cell, Content, Matrix, Row, RunCurves, Table
from ser.report.runs import Hole

RUNS = [f"{number:032x}" for number in range(4)]  # as MLflow names runs
EIGHT = ("neutral", "calm", "happy", "sad", "angry", "fear", "disgust", "surprise")


def table_of(rows, **changes):
    """A table of two columns, A and B."""
    values = {"key": "best", "title": "Best results", "explanation": "Why.", "columns": ("A", "B"), "rows": tuple(rows)}
    return Table(**{**values, "named": "Target", **changes})


def content_of():
    """Tables of percent, of text, of run ids; a figure of two series; matrices; curves; a hole; notes."""
    best = [
        Row(
            "wa", "ravdess", (Cell(0.5, 0.4, 0.6, runs=(RUNS[1],), n=40, words="ravdess: LSTM"), "I"), 1, 2, (55.0, "T")
        ),
        Row("wa", "tess", (Cell(0.7), "T"), 2, 2),
        Row("ua", "ravdess", (Cell(0.9, 0.85, 0.95), "I"), 2, 2),
        Row("ua", "tess", (Cell(0.3), "T"), 2, 2),
    ]
    every = [
        Row("", name, (Cell(value), Cell(value / 2), RUNS[place]), 1, 1)
        for place, (name, value) in enumerate({"b": 0.25, "a": 0.75, "d": float("nan"), "c": 0.5}.items())
    ]
    columns = {"columns": ("WA", "UA", "Runs"), "ids": ("Runs",), "grouped": "", "counted": "seeds"}
    tables = (
        table_of(best, counted="results", brief=True, bars=True),
        table_of(every, key="results", title="Every result", named="Trial", **columns),
    )
    return Content(
        *("small", "A small study", "Ours.", False, "A = a", 1, 7, 8),
        tables,
        ("A note.",),
        pictures=(_picture(),),
        matrices=(Matrix("ravdess, best UA", "LSTM", EIGHT, np.eye(8, dtype=int) * 90 + 7, (RUNS[1],)),),
        holes=(Hole("a hole", ("ravdess",), "died"),),
        sheets=(table_of([Row("", "c", ("text", "more"))], key="corpora", title="Corpora", grouped="", unit=""),),
        confusions=(
            Matrix("ravdess", "LSTM", ("sad", "angry"), np.array([[3, 1], [2, 4]]), (RUNS[1],)),
            Matrix("ravdess", "TDNN", ("sad", "angry"), np.array([[4, 0], [1, 5]]), (RUNS[2],)),
            Matrix("tess", "TDNN", EIGHT, np.eye(8, dtype=int), (RUNS[2], RUNS[3])),
        ),
        curves=(
            RunCurves(RUNS[1], "LSTM", {"train/loss": (1.5, 1.0, float("nan")), "val/loss": (1.6, 1.2, 1.4)}),
            RunCurves(RUNS[2], "TDNN", {"val/loss": (1.1, 0.9)}),
        ),
    )


def _picture():
    return figures.picture(_dots, "dots", "UA of two networks.")


def _dots():
    figure = figures.sheet(3)
    axes = figure.subplots()
    for place, name in enumerate(("LSTM", "TDNN")):
        (dots,) = axes.plot([1, 2], [50 + place, 60 + place], figures.marker(place), label=name)
        marks.put(dots, [marks.Mark(f"{name} {n}\nUA 50 %, n = 40", (RUNS[n],)) for n in (1, 2)], [name])
    axes.legend()
    return figure

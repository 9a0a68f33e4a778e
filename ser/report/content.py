"""The content of a report as plain values: tables with intervals and holes, pictures, matrices, and words.

A file of ``ser/report`` makes a Content of a study's runs, and ``ser.report.write`` writes it in every format.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser.report import sheets
from ser.report.drawing import Drawing
from ser.report.provenance import Fact
from ser.report.runs import Expected, Hole
from ser.report.splits import few_tested
from ser.report.standing import standing
from ser.report.table import HOLE, Cell, Printed, Row, Table
from ser.runs.progress import Best

__all__ = [
    "HOLE",
    "LEGEND",
    "Cell",
    "Content",
    "Matrix",
    "Picture",
    "Printed",
    "Row",
    "RunCurves",
    "Table",
    "appended",
    "with_paper",
]

LEGEND = f"Percent, with 95 % intervals in brackets; {HOLE} is a hole: not there yet, not known, or not defined."


OVER_OTHERS = "Results over other settings"


@dataclass(frozen=True)
class Picture:
    """One drawing in several forms, with words for those who cannot see it."""

    name: str  # file name without extension
    caption: str
    drawing: Drawing
    quotes: bool = False  # a paper's numbers are drawn beside ours

    @property
    def png(self) -> bytes:
        """The bytes of a file; waits until it is drawn."""
        return self.drawing().png

    @property
    def svg(self) -> str:
        """For inlining in HTML: no prologue, no address, text in the colour of the page; waits until it is drawn."""
        return self.drawing().element

    @property
    def files(self) -> Mapping[str, bytes]:
        """Extension → the bytes of a file; waits until all are drawn."""
        forms = self.drawing()
        return {"png": forms.png, "svg": forms.svg, "pdf": self.drawing.pdf()}


@dataclass(frozen=True, eq=False)
class Matrix:
    """A confusion matrix, rows = truth; a picture of its own, too."""

    heading: str  # ``ravdess, best UA``
    title: str  # of the trial
    classes: tuple[str, ...]
    counts: NDArray[np.integer[Any]]  # [classes, classes]
    runs: tuple[str, ...]  # ids of those summed
    name: str = ""  # of its file, without extension; "" = none


@dataclass(frozen=True)
class RunCurves:
    """What a run logged per epoch."""

    run_id: str
    title: str  # of the trial
    values: Mapping[str, tuple[float, ...]]  # quantity (``val/loss``) → its value per epoch


@dataclass(frozen=True, eq=False)
class Content:
    """A report before it is written."""

    study: str
    title: str
    standing: str  # whose corpora these are, and so whether the paper's numbers are shown
    demo: bool  # made corpora
    corpora: str  # a line that explains their letters
    seeds: int
    done: int  # trials with all their results
    expected: int  # trials of the study
    tables: tuple[Table, ...]
    notes: tuple[str, ...]
    pictures: tuple[Picture, ...] = ()
    matrices: tuple[Matrix, ...] = ()
    matrices_title: str = "Confusion matrices"
    holes: tuple[Hole, ...] = ()
    failures: Mapping[str, str] = field(default_factory=dict)  # trial title → last error
    inconsistencies: tuple[str, ...] = ()  # the paper's own; shown with its numbers only
    badges: tuple[str, ...] = ()  # further facts at the top: the mode, deviations
    sheets: tuple[Table, ...] = ()  # on corpora, splits and settings; see ser.report.sheets
    legend: str = LEGEND
    recorded: tuple[Fact, ...] = ()  # by the finished runs: machines, versions, commands, data
    best: tuple[Best, ...] = ()  # result of a single run on each corpus, for the index of reports
    written_by: str = ""  # version of the program that writes the report
    confusions: tuple[Matrix, ...] = ()  # of every configuration and tested corpus: the page shows the one asked for
    curves: tuple[RunCurves, ...] = ()  # of every run: the same
    runs_address: str = ""  # where a run is looked at, with ``{run}`` for its id; "" = not known

    @classmethod
    def of(
        cls,
        expected: Expected,
        finished: Iterable[str],
        *,
        tables: Iterable[Table],
        notes: Iterable[str],
        pictures: Iterable[Picture] = (),
        matrices: Iterable[Matrix] = (),
        matrices_title: str = "Confusion matrices",
        published: bool = True,
        inconsistencies: tuple[str, ...] = (),
        badges: Iterable[str] = (),
        legend: str = LEGEND,
    ) -> "Content":
        """Builds a report: what all studies' reports say alike, and what one has of its own.

        ``finished``: titles of the finished trials. ``published``: whether the report has a paper's numbers, which are
        shown, with their ``inconsistencies``, only beside the paper's own study and corpora.
        """
        titles = set(finished)
        return cls(
            study=expected.study,
            title=expected.title,
            standing=standing(expected, published),
            demo=expected.demo,
            corpora=expected.corpora_in_words,
            seeds=len(expected.seeds),
            done=len(titles),
            expected=max(expected.count, len(titles)),
            tables=sheets.marked(tuple(tables), expected),
            notes=(*notes, *few_tested(expected.splits), *references_in_words(expected), *expected.notes),
            pictures=tuple(_warned(picture, sheets.warning(expected)) for picture in pictures),
            matrices=tuple(matrices),
            matrices_title=matrices_title,
            holes=expected.holes(titles),
            failures=expected.failures,
            inconsistencies=inconsistencies if expected.printed_anywhere else (),
            badges=(*([f"mode {expected.mode}"] if expected.mode else []), *sheets.badges(expected), *badges),
            sheets=sheets.tables_of(expected),
            legend=legend,
            recorded=expected.recorded,
            best=expected.best,
        )

    @property
    def state(self) -> str:
        """``96 of 168 trials``."""
        return f"{self.done} of {self.expected} trials"

    @property
    def missing(self) -> str:
        """``2 trials are missing``."""
        count = len(self.holes)
        return f"{count} trial{'s are' if count != 1 else ' is'} missing"


def _warned(picture: Picture, warning: str) -> Picture:
    return replace(picture, caption=f"{picture.caption} {warning}") if picture.quotes and warning else picture


def references_in_words(expected: Expected) -> list[str]:
    """A note on the references beside the grid's trials: how many there are, and those without results."""
    if not expected.references:
        return []
    holes = [reference.hole for reference in expected.references if not reference.run_id]
    note = f"references beside the trials: {len(expected.references) - len(holes)} of {len(expected.references)}"
    return [f"{note} are finished" + (f"; without results: {', '.join(holes)}" if holes else "")]


def with_paper(
    table: Table, printed: Callable[[str, str, str, str], Printed], shown: Callable[[Row], bool] = lambda _: True
) -> Table:
    """The table with the printed numbers beside ours; ``printed(table, metric, row, column)`` gives one, or None.

    ``shown``: of which rows a paper's numbers may be shown.
    """
    rows = []
    for row in table.rows:
        paper = tuple(printed(table.key, row.metric, row.name, column) for column in table.columns if shown(row))
        rows.append(replace(row, paper=paper if any(value is not None for value in paper) else ()))
    return replace(table, rows=tuple(rows))


def appended(content: Content, general: Content, note: str) -> Content:
    """The content with the tables and figures of a general report behind its own; all trials count as those of this."""
    tables = [replace(table, key=f"all_{table.key}", title=f"{OVER_OTHERS}: {table.title}") for table in general.tables]
    pictures = [replace(picture, name=f"all_{picture.name}") for picture in general.pictures]
    return replace(
        content,
        tables=(*content.tables, *tables),
        pictures=(*content.pictures, *pictures),
        notes=(note, *content.notes, *(text for text in general.notes if text not in content.notes)),
        done=general.done,
        expected=general.expected,
        holes=general.holes,
    )

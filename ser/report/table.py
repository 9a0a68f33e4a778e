"""A table of a report as plain values: cells with intervals and holes, rows with a paper's numbers, and its words."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

HOLE = "–"
Printed = float | str | None  # as a paper prints it: a number in the table's unit, a text, or nothing


@dataclass(frozen=True)
class Cell:
    """A value with its 95 % interval; nan is a hole (value) or unknown (interval). Shares are 0 … 1."""

    value: float
    low: float = float("nan")
    high: float = float("nan")
    mark: str = field(default="", repr=False, kw_only=True)  # a sign behind the number, which the table's words explain
    # Where it comes from, which the page tells when it is pointed at:
    runs: tuple[str, ...] = field(default=(), repr=False, compare=False, kw_only=True)  # ids of the tracked runs
    n: int = field(default=0, repr=False, compare=False, kw_only=True)  # tested utterances; 0 = not known
    words: str = field(default="", repr=False, compare=False, kw_only=True)  # corpora, network, seed

    def from_runs(self, runs: Iterable[str], n: int, words: str) -> "Cell":
        """Returns the same number with what it comes from."""
        return replace(self, runs=tuple(runs), n=n, words=words)


@dataclass(frozen=True)
class Row:
    """One line; ``n`` of ``of`` cases (or results, or seeds) are counted in it. None is a cell that cannot be.

    ``paper``: the printed numbers beside ours, in order; shorter than the cells where the paper has fewer columns.
    """

    metric: str
    name: str
    cells: tuple[Cell | str | None, ...]
    n: int = 0
    of: int = 0
    paper: tuple[Printed, ...] = ()


@dataclass(frozen=True)
class Table:
    """A table to be rendered."""

    key: str
    title: str
    explanation: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    counted: str = ""  # what n counts; "" = the table counts nothing, and has no such column
    digits: int = 1
    unit: str = "%"  # "%": shares are shown as percent | "": values as they are
    grouped: str = "Metric"  # head of the first column, Row.metric; "" = the table has no such column
    named: str = "Line"  # head of the column of the rows' names, on the page
    brief: bool = False  # for reading: in Markdown and at the top of the page; else for looking up
    typeset: bool = True  # in LaTeX too, if brief
    bars: bool = False  # a bar in every cell shows its share
    ids: tuple[str, ...] = ()  # columns of run ids
    keys: int = 0  # how many of the leading columns tell lines of one name apart
    quotes: bool = False  # a paper's numbers are among the cells, where they may be shown at all
    paper_label: str = "paper"  # of the rows of printed numbers
    best: tuple[str, ...] = ()  # columns of which the highest value of each group is bold in print
    rows_compete: bool = False  # whether the cells of a row are rivals, of which the highest is bold in print

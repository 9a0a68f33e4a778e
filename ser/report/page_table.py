"""A table of a report for the page: heads, groups of lines, cells with what they come from."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup, escape

from ser.report import cell_text
from ser.report.page_anchors import Anchors
from ser.report.table import HOLE, Cell, Row, Table

_UPRIGHT, _ACROSS = 500, 750  # points of width that A4 has, upright and across, less some room
_LETTER, _DIGIT, _SMALL = 4.0, 4.4, 3.2  # points of width of a letter, a digit, a sign of an interval, as printed
_PADDING = 6  # points
_LONG = 26  # letters after which text in a cell is wrapped on paper
_ID = 14  # letters of a run's id in a line on paper, where it is broken anywhere
_LISTED = 4  # runs that a tooltip names
_RUN = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True)
class Line:
    """One line of the page: its own, or of a paper's numbers."""

    group: str  # "" where the table has no groups
    again: bool  # the line before is of the same group
    name: str
    cells: Markup
    paper: bool = False


@dataclass(frozen=True)
class Group:
    """Lines that stay together on paper."""

    metric: str  # "wa" | "ua" | "": what its numbers are, where the table is grouped by that
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class View:
    """A table, its place in the page, and what is shown of it."""

    table: Table
    anchor: str
    heads: tuple[tuple[str, str], ...]  # text, and what the cells are: group, row-name, text, number
    groups: tuple[Group, ...]
    width: str  # on A4: "" | "across" | "across small"
    grouped: bool  # it has a first column of groups

    @property
    def lines(self) -> int:
        """How many lines it has, without its head."""
        return sum(len(group.lines) for group in self.groups)


def viewer(address: str, anchors: Anchors) -> Callable[[Table], View]:
    """Returns what prepares the tables of one page. ``address``: of a run, with ``{run}``; "" = not known."""

    def view(table: Table) -> View:
        name, grouped = anchors.name(table.key), _grouped(table)
        return View(table, name, _heads(table), tuple(_groups(table, address)), _width(table), grouped)

    return view


def _grouped(table: Table) -> bool:
    """Whether any row has a group: a column without a word says nothing."""
    return bool(table.grouped) and any(row.metric for row in table.rows)


def _heads(table: Table) -> tuple[tuple[str, str], ...]:
    counted = [(f"n {table.counted}", "number")] if table.counted else []
    cells = [[row.cells[place] for row in table.rows if place < len(row.cells)] for place in range(len(table.columns))]
    kinds = ["number" if any(isinstance(cell, Cell) for cell in column) else "text" for column in cells]
    grouped = [(table.grouped, "group")] if _grouped(table) else []
    return (*grouped, (table.named, "row-name"), *zip(table.columns, kinds, strict=True), *counted)


def _groups(table: Table, address: str) -> Iterable[Group]:
    lines: list[Line] = []
    before: Row | None = None
    for row in table.rows:
        opens = before is None or before.metric != row.metric or (not row.metric and before.name != row.name)
        if opens and lines:
            yield Group(_metric(table, before), tuple(lines))
            lines = []
        group = cell_text.first(table, row)[0] if table.grouped else ""
        lines.append(Line(group, not opens, row.name, _cells(table, row, address)))
        if paper := cell_text.printed_cells(table, row):
            cells = Markup("").join(Markup("<td>{}</td>").format(text) for text in paper)
            cells += Markup("<td></td>") if table.counted else Markup("")
            lines.append(Line(group, True, table.paper_label, cells, paper=True))
        before = row
    if lines:
        yield Group(_metric(table, before), tuple(lines))


def _metric(table: Table, row: Row | None) -> str:
    return row.metric if row and table.grouped == "Metric" and row.metric in ("wa", "ua") else ""


def _cells(table: Table, row: Row, address: str) -> Markup:
    """The cells of a row."""
    runs = tuple(
        run
        for column, cell in zip(table.columns, row.cells, strict=False)
        if column in table.ids and isinstance(cell, str)
        for run in cell.split()
        if is_run(run)
    )
    parts = [
        _cell(cell, table, column, row, runs, address)
        for column, cell in zip(table.columns, row.cells, strict=False)
    ]  # fmt: skip
    if table.counted:
        short = " short" if row.n < row.of else ""
        parts.append(f'<td class="count{short}" data-v="{row.n}">{row.n} of {row.of}</td>')
    return Markup("\n".join(parts))


def _cell(
    cell: Cell | str | None, table: Table, column: str, row: Row, runs: tuple[str, ...], address: str
) -> str:  # fmt: skip
    if cell is None:
        return '<td class="void"></td>'
    if not isinstance(cell, Cell):
        kind = "hole" if cell == HOLE else "text"
        if column in table.ids:
            kind += " runs" if any(map(is_run, cell.split())) else ""
            return f'<td class="{kind} mono">{run_links(cell.split(), address)}</td>'
        return f'<td class="{kind}">{escape(cell)}</td>'
    text = cell_text.number(cell, table)
    if text == HOLE:
        return f'<td class="hole" title="not there yet, not known, or not defined">{HOLE}</td>'
    span = cell_text.span(cell, table)
    bar = f' style="--share: {100 * cell.value:.2f}%"' if table.bars else ""
    sources = () if runs else cell.runs  # where a row names its runs, no cell says it again
    number: str = f"{escape(text)}"
    if len(sources) == 1 and address:
        number = f'<a href="{escape(address.format(run=sources[0]))}">{number}</a>'
    has_words = not runs and bool(cell.runs or cell.n or cell.words)
    tip = _tip(cell, column, row, f"{text} {span}".rstrip(), () if address and len(sources) == 1 else sources)
    about = f' title="{escape(tip)}"' if has_words else ""
    about += f' data-runs="{escape(" ".join(sources))}"' if sources else ""
    interval = f"<small>{span}</small>" if span else ""
    return f'<td class="number" data-v="{cell.value:.6g}"{bar}{about}><b>{number}</b>{interval}</td>'


def _tip(cell: Cell, column: str, row: Row, text: str, runs: Sequence[str]) -> str:
    """What a cell says when it is pointed at: where it stands, its value, n, what it is of, and the runs."""
    lines = [f"{row.name} · {column}: {text}", *([cell.words] if cell.words else [])]
    lines += [f"n = {cell.n}"] if cell.n else []
    if runs:
        more = f" and {len(runs) - _LISTED} more" if len(runs) > _LISTED else ""
        lines.append(f"run{'s' if len(runs) > 1 else ''} {' '.join(runs[:_LISTED])}{more}")
    return "\n".join(lines)


def run_links(runs: Iterable[str], address: str) -> Markup:
    """Returns ids of runs, as links where the address of runs is known."""
    return Markup(" ").join(
        Markup('<a href="{}">{}</a>').format(address.format(run=run), run) if address and is_run(run) else run
        for run in runs
    )


def is_run(text: str) -> bool:
    """Whether it is the id of a tracked run, and no fingerprint or word."""
    return _RUN.fullmatch(text) is not None


def _width(table: Table) -> str:
    """How a table is laid out on A4, by the longest text of every column."""
    total = 0.0
    for place, column in enumerate(table.columns):
        widths = [_points(row.cells[place], table) for row in table.rows if place < len(row.cells)]
        head = _LETTER * max(map(len, column.split()), default=1)
        total += _PADDING + (_LETTER * _ID if column in table.ids else max([head, *widths]))
    names = [[row.name for row in table.rows], [row.metric for row in table.rows] if _grouped(table) else []]
    names += [[f"{row.n} of {row.of}" for row in table.rows] if table.counted else []]
    total += sum(_PADDING + _LETTER * max(min(len(name), _LONG) for name in each) for each in names if each)
    return "" if total <= _UPRIGHT else "across" if total <= _ACROSS else "across small"


def _points(cell: Cell | str | None, table: Table) -> float:
    """The width of a cell on paper."""
    if not isinstance(cell, Cell):
        return _LETTER * min(len(cell or ""), _LONG)
    if np.isnan(cell.value):
        return _LETTER
    return max(_DIGIT * len(cell_text.number(cell, table)), _SMALL * len(cell_text.span(cell, table)))

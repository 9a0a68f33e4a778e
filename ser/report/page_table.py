"""A table of a report for the page: heads, groups of lines, cells with what they come from."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup, escape

from ser.report import cell_text
from ser.report.page_anchors import Anchors
from ser.report.table import HOLE, Cell, Row, Table

_UPRIGHT, _ACROSS = 112, 172  # characters that fit on A4, upright and across, in the type of printed tables
_LONG = 26  # characters after which text in a cell is wrapped on paper
_ID = 14  # characters of a run's id in a line on paper, where it is broken anywhere
_LISTED = 4  # runs that a tooltip names


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
    """The cells of a row; those without sources have the runs that the row names."""
    runs = tuple(
        run
        for column, cell in zip(table.columns, row.cells, strict=False)
        if column in table.ids and isinstance(cell, str) and cell != HOLE
        for run in cell.split()
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
            return f'<td class="{kind} mono">{run_links(cell.split(), address)}</td>'
        return f'<td class="{kind}">{escape(cell)}</td>'
    text = cell_text.number(cell, table)
    if text == HOLE:
        return f'<td class="hole" title="not there yet, not known, or not defined">{HOLE}</td>'
    span = cell_text.span(cell, table)
    bar = f' style="--share: {100 * cell.value:.2f}%"' if table.bars else ""
    sources = cell.runs or (runs if len(runs) == 1 else ())
    number: str = f"{escape(text)}"
    if len(sources) == 1 and address:
        number = f'<a href="{escape(address.format(run=sources[0]))}">{number}</a>'
    tip = _tip(cell, column, row, f"{text} {span}".rstrip(), sources) if cell.runs or cell.n or cell.words else ""
    about = f' title="{escape(tip)}"' if tip else ""
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
    if not address:
        return escape(" ".join(runs))
    links = [Markup('<a href="{}">{}</a>').format(address.format(run=run), run) for run in runs if run != HOLE]
    return Markup(" ").join(links) if links else escape(HOLE)


def _width(table: Table) -> str:
    """How a table is laid out on A4, by the longest text of every column."""
    total = 0
    for place, column in enumerate(table.columns):
        texts = [_longest(row.cells[place], table) for row in table.rows if place < len(row.cells)]
        widest = max([*texts, max(map(len, column.split()), default=1)], default=1)
        total += (_ID if column in table.ids else min(widest, _LONG)) + 2
    total += max((min(len(row.name), _LONG) for row in table.rows), default=0) + 2
    total += max((min(len(row.metric), _LONG) for row in table.rows), default=0) + 2 if _grouped(table) else 0
    total += 10 if table.counted else 0
    return "" if total <= _UPRIGHT else "across" if total <= _ACROSS else "across small"


def _longest(cell: Cell | str | None, table: Table) -> int:
    if not isinstance(cell, Cell):
        return len(cell or "")
    if np.isnan(cell.value):
        return 1
    return max(len(cell_text.number(cell, table)), len(cell_text.span(cell, table)))

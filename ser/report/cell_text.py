"""Cells, heads and rows of a table as text, as all formats of a report show them."""

import numpy as np

from ser.report.table import HOLE, Cell, Printed, Row, Table


def number(cell: Cell, table: Table) -> str:
    """In the unit of the table: ``58.8``, with its mark; a hole is ``–``."""
    return HOLE if np.isnan(cell.value) else f"{rounded(cell.value, table)}{cell.mark}"


def span(cell: Cell, table: Table) -> str:
    """The interval: ``[54.1, 63.2]``, or nothing if it is unknown."""
    if np.isnan(cell.value) or np.isnan(cell.low):
        return ""
    return f"[{rounded(cell.low, table)}, {rounded(cell.high, table)}]"


def rounded(value: float, table: Table) -> str:
    """Returns ``value`` in the unit and with the digits of the table."""
    return f"{round(scale(table) * value, table.digits) + 0.0:.{table.digits}f}"  # + 0.0: never "-0.0"


def scale(table: Table) -> int:
    """Returns the factor from stored to shown values: 100 for percent."""
    return 100 if table.unit == "%" else 1


def text_of(cell: Cell | str | None, table: Table) -> str:
    """Returns a number with its interval, or a cell's text."""
    if isinstance(cell, Cell):
        return f"{number(cell, table)} {span(cell, table)}".rstrip()
    return "" if cell is None else cell


def heads(table: Table) -> list[str]:
    """Returns the heads of all columns: the group's, the name's, the table's own, the count's."""
    counted = [f"n {table.counted}"] if table.counted else []
    return [*group(table, table.grouped), "", *table.columns, *counted]


def group(table: Table, text: str) -> list[str]:
    """The text for the first column, if the table has one."""
    return [text] if table.grouped else []


def first(table: Table, row: Row) -> list[str]:
    """Returns the cells that name a row: its group, if the table has groups, and its name."""
    return [*group(table, row.metric.upper() if table.grouped == "Metric" else row.metric), row.name]


def count(table: Table, text: str) -> list[str]:
    """The text for the last column, if the table counts something."""
    return [text] if table.counted else []


def printed_cells(table: Table, row: Row) -> list[str] | None:
    """The paper's cells for this row, if it prints any."""
    if not row.paper:
        return None
    cells = [printed(value, table) for value in row.paper]
    return cells + [""] * (len(table.columns) - len(cells))


def printed(value: Printed, table: Table) -> str:
    """Returns a number that a paper prints, as text."""
    return f"{value:.{table.digits}f}" if isinstance(value, float) else value or ""


def in_words(cell: Cell) -> str:
    """Returns a share with its interval in percent, for what a figure says of it: ``58.8 % [54.1, 63.2]``."""
    if np.isnan(cell.value):
        return HOLE
    interval = "" if np.isnan(cell.low) else f" [{100 * cell.low:.1f}, {100 * cell.high:.1f}]"
    return f"{100 * cell.value:.1f} %{interval}"

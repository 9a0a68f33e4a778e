"""The form in which the papers' printed tables are written down, and how a cell is found."""

from collections.abc import Mapping

Printed = float | str
# (table, metric) → columns, and per row its cells; "" is a cell that is empty or cannot be.
Tables = Mapping[tuple[str, str], tuple[tuple[str, ...], Mapping[str, tuple[Printed, ...]]]]


def cell(tables: Tables, table: str, metric: str, row: str, column: str) -> Printed | None:
    """Returns a printed cell, whole numbers as float; None where nothing does.

    >>> cell({("table1", "wa"): (("a", "b"), {"x": (1, "")})}, "table1", "wa", "x", "a")
    1.0
    """
    columns, rows = tables.get((table, metric), ((), {}))
    if row not in rows or column not in columns:
        return None
    value = rows[row][columns.index(column)]
    return (value or None) if isinstance(value, str) else float(value)

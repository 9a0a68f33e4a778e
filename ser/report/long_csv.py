"""Every cell of a report's tables, one a line of CSV."""

import csv
import io

import numpy as np

from ser.report import cell_text
from ser.report.content import Content
from ser.report.table import Cell, Table


def long_form(content: Content) -> str:
    """One line per cell. Shares, intervals and the paper's numbers are percent, unrounded; text cells are text.

    ``label``: what the paper's number is, where there is one: "paper", or that our settings are others.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["table", "metric", "row", "column", "value", "low", "high", "n", "of", "paper", "label"])
    for table in (*content.tables, *content.sheets):
        for row in table.rows:
            name = " · ".join([row.name, *map(str, row.cells[: table.keys])])
            paper = row.paper + (None,) * (len(row.cells) - len(row.paper))
            counts = (row.n, row.of) if table.counted else ("", "")
            for column, cell, value in zip(table.columns, row.cells, paper, strict=True):
                if cell is not None:
                    printed = ("", "") if value is None else (value, table.paper_label)
                    writer.writerow([table.key, row.metric, name, column, *_plain(cell, table), *counts, *printed])
    return out.getvalue()


def _plain(cell: Cell | str, table: Table) -> list[str]:
    if isinstance(cell, str):
        return [cell, "", ""]
    return ["" if np.isnan(v) else f"{cell_text.scale(table) * v:.10g}" for v in (cell.value, cell.low, cell.high)]

"""A report's content as one self-contained HTML page."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ser.report import cell_text
from ser.report.content import Content
from ser.report.table import Cell, Table


def page(content: Content) -> str:
    """The report as one page without any address: styles, figures and tables are all inside."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        number=cell_text.number, span=cell_text.span, is_number=lambda cell: isinstance(cell, Cell)
    )
    return environment.get_template("report.html.j2").render(
        content=content,
        strays={t: error for t, error in content.failures.items() if t not in {h.title for h in content.holes}},
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        brief=[_view(table) for table in content.tables if table.brief],
        rest=[_view(table) for table in content.tables if not table.brief],
        sheets=[_view(table) for table in content.sheets],
    )


def _view(table: Table) -> dict[str, Any]:
    """A table for the template: head and lines of (row, names, paper's cells, whether a new metric or name opens)."""
    lines = []
    for place, row in enumerate(table.rows):
        before = table.rows[place - 1] if place else None
        opens = before is None or before.metric != row.metric or (not row.metric and before.name != row.name)
        first = [*cell_text.group(table, cell_text.first(table, row)[0] if opens else ""), row.name]
        lines.append((row, first, cell_text.printed_cells(table, row), opens))
    return {"table": table, "heads": cell_text.heads(table), "lines": lines}

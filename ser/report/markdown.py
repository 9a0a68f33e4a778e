"""A report's content as Markdown: pipe tables for reading, then holes and notes."""

from collections.abc import Sequence

from ser.report import cell_text
from ser.report.content import Content
from ser.report.table import Table


def markdown(content: Content) -> str:
    """The tables for reading, as aligned pipe tables, then holes and notes."""
    parts = [f"# {content.title}", " · ".join([f"Study {content.study}", content.state, *content.badges])]
    parts += [content.standing, content.legend]
    for table in content.tables:
        if table.brief:
            parts += [f"## {table.title}", table.explanation, _pipes(cell_text.heads(table), _lines(table))]
    if content.holes:
        lines = [[hole.title, ", ".join(hole.untested), hole.error] for hole in content.holes]
        parts += [f"## {content.missing}", _pipes(["Trial", "not tested on", "last error"], lines)]
    parts += ["## Notes", "\n".join(f"- {note}" for note in content.notes) or "None."]
    for table in content.sheets:
        lines = _lines(table)
        parts += [f"## {table.title}", table.explanation, *([_pipes(cell_text.heads(table), lines)] if lines else [])]
    if content.inconsistencies:
        parts += ["## The paper's own inconsistencies", "\n".join(f"- {note}" for note in content.inconsistencies)]
    return "\n\n".join(parts) + "\n"


def _lines(table: Table) -> list[list[str]]:
    lines = []
    for row in table.rows:
        cells = [cell_text.text_of(c, table) for c in row.cells]
        lines.append([*cell_text.first(table, row), *cells, *cell_text.count(table, f"{row.n} of {row.of}")])
        if paper := cell_text.printed_cells(table, row):
            lines.append([*cell_text.group(table, ""), table.paper_label, *paper, *cell_text.count(table, "")])
    return lines


def _pipes(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    cells = [[" ".join(text.replace("|", "\\|").split()) for text in line] for line in (heads, *lines)]
    widths = [max(3, *(len(line[i]) for line in cells)) for i in range(len(heads))]
    padded = ["| " + " | ".join(text.ljust(w) for text, w in zip(line, widths, strict=True)) + " |" for line in cells]
    return "\n".join([padded[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *padded[1:]])

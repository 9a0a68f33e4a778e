"""A report's content → files in a folder: Markdown, CSV, LaTeX and one self-contained HTML page, written atomically.

Holes stay visible, and every number says how many cases it rests on. What is computed here is layout; what is shown
comes from a file of ``ser/report``.
"""

import csv
import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ser import files
from ser.metrics.confusion import confusion_png
from ser.report.content import HOLE, Cell, Content, Printed, Row, Table


@dataclass(frozen=True)
class WrittenReport:
    """The files that were written, and what they say."""

    markdown: str
    folder: Path
    files: tuple[Path, ...]
    done: int  # trials with all their results
    expected: int  # trials of the study
    notes: tuple[str, ...]


def write(content: Content, folder: Path) -> WrittenReport:
    """Writes ``tables.{md,csv,tex}``, ``report.html`` and figures as PNG into ``folder``; each complete or absent.

    Figures of an earlier report there that this one does not have are removed; other files are left alone.
    """
    text = markdown(content)
    contents: dict[str, bytes] = {
        "tables.md": text.encode(),
        "tables.csv": long_form(content).encode(),
        "tables.tex": latex(content).encode(),
        "report.html": page(content).encode(),
        **{f"{picture.name}.png": picture.png for picture in content.pictures},
    }
    for m in content.matrices:
        if m.name:
            title = f"{m.title}\n{m.heading}, n = {m.counts.sum()}"
            contents[f"{m.name}.png"] = confusion_png(m.counts, m.classes, title)
    folder.mkdir(parents=True, exist_ok=True)
    written = tuple(_put(folder / name, _marked(data)) for name, data in contents.items())
    for path in set(folder.glob("*.png")) - set(written):  # of an earlier report, with other tables or corpora
        if _is_marked(path):
            path.unlink(missing_ok=True)
    return WrittenReport(text, folder, written, content.done, content.expected, content.notes)


_PNG = b"\x89PNG\r\n\x1a\n"
_HEADER = 33  # bytes of a PNG up to its first chunk of anything
_MARK = b"tEXt" + b"Source\0ser report"
_CHUNK = struct.pack(">I", len(_MARK) - 4) + _MARK + struct.pack(">I", crc32(_MARK))


def _marked(content: bytes) -> bytes:
    """A picture with a text inside that says it is a report's, so that a later report may remove it."""
    return content[:_HEADER] + _CHUNK + content[_HEADER:] if content.startswith(_PNG) else content


def _is_marked(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(_HEADER + len(_CHUNK)).endswith(_CHUNK)


def _put(path: Path, content: bytes) -> Path:
    with files.replacing(path, durable=False) as file:
        file.write(content)
    return path


# --- cells as text ---


def number(cell: Cell, table: Table) -> str:
    """In the unit of the table: ``58.8``, with its mark; a hole is ``–``."""
    return HOLE if np.isnan(cell.value) else f"{_rounded(cell.value, table)}{cell.mark}"


def span(cell: Cell, table: Table) -> str:
    """The interval: ``[54.1, 63.2]``, or nothing if it is unknown."""
    if np.isnan(cell.value) or np.isnan(cell.low):
        return ""
    return f"[{_rounded(cell.low, table)}, {_rounded(cell.high, table)}]"


def _rounded(value: float, table: Table) -> str:
    return f"{round(_scale(table) * value, table.digits) + 0.0:.{table.digits}f}"  # + 0.0: never "-0.0"


def _scale(table: Table) -> int:
    return 100 if table.unit == "%" else 1


def _text(cell: Cell | str | None, table: Table) -> str:
    if isinstance(cell, Cell):
        return f"{number(cell, table)} {span(cell, table)}".rstrip()
    return "" if cell is None else cell


def _heads(table: Table) -> list[str]:
    counted = [f"n {table.counted}"] if table.counted else []
    return [*_group(table, table.grouped), "", *table.columns, *counted]


def _group(table: Table, text: str) -> list[str]:
    """The text for the first column, if the table has one."""
    return [text] if table.grouped else []


def _first(table: Table, row: Row) -> list[str]:
    return [*_group(table, row.metric.upper() if table.grouped == "Metric" else row.metric), row.name]


def _count(table: Table, text: str) -> list[str]:
    """The text for the last column, if the table counts something."""
    return [text] if table.counted else []


def _paper(table: Table, row: Row) -> list[str] | None:
    """The paper's cells for this row, if it prints any."""
    if not row.paper:
        return None
    cells = [_printed(value, table) for value in row.paper]
    return cells + [""] * (len(table.columns) - len(cells))


def _printed(value: Printed, table: Table) -> str:
    return f"{value:.{table.digits}f}" if isinstance(value, float) else value or ""


# --- Markdown ---


def markdown(content: Content) -> str:
    """The tables for reading, as aligned pipe tables, then holes and notes."""
    parts = [f"# {content.title}", " · ".join([f"Study {content.study}", content.state, *content.badges])]
    parts += [content.standing, content.legend]
    for table in content.tables:
        if table.brief:
            parts += [f"## {table.title}", table.explanation, _pipes(_heads(table), _lines(table))]
    if content.holes:
        lines = [[hole.title, ", ".join(hole.untested), hole.error] for hole in content.holes]
        parts += [f"## {content.missing}", _pipes(["Trial", "not tested on", "last error"], lines)]
    parts += ["## Notes", "\n".join(f"- {note}" for note in content.notes) or "None."]
    for table in content.sheets:
        lines = _lines(table)
        parts += [f"## {table.title}", table.explanation, *([_pipes(_heads(table), lines)] if lines else [])]
    if content.inconsistencies:
        parts += ["## The paper's own inconsistencies", "\n".join(f"- {note}" for note in content.inconsistencies)]
    return "\n\n".join(parts) + "\n"


def _lines(table: Table) -> list[list[str]]:
    lines = []
    for row in table.rows:
        cells = [_text(c, table) for c in row.cells]
        lines.append([*_first(table, row), *cells, *_count(table, f"{row.n} of {row.of}")])
        if paper := _paper(table, row):
            lines.append([*_group(table, ""), table.paper_label, *paper, *_count(table, "")])
    return lines


def _pipes(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    cells = [[" ".join(text.replace("|", "\\|").split()) for text in line] for line in (heads, *lines)]
    widths = [max(3, *(len(line[i]) for line in cells)) for i in range(len(heads))]
    padded = ["| " + " | ".join(text.ljust(w) for text, w in zip(line, widths, strict=True)) + " |" for line in cells]
    return "\n".join([padded[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *padded[1:]])


# --- CSV ---


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
    return ["" if np.isnan(v) else f"{_scale(table) * v:.10g}" for v in (cell.value, cell.low, cell.high)]


# --- LaTeX ---

_TEX = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "μ": r"$\mu$",
    "σ": r"$\sigma$",
    "²": r"$^2$",
    "·": r"$\cdot$",
    "–": "--",
    "“": "``",
    "”": "''",
    "−": "$-$",
    "•": r"$\bullet$",
    "×": r"$\times$",
    "±": r"$\pm$",
    "χ": r"$\chi$",
    "→": r"$\rightarrow$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "…": r"\dots{}",
    "’": "'",
}


def tex(text: str) -> str:
    """Text with everything escaped that LaTeX would read as more than a letter.

    >>> print(tex("R&D_50% μσ²"))
    R\\&D\\_50\\% $\\mu$$\\sigma$$^2$
    """
    return "".join(_TEX.get(letter, letter) for letter in text)


def latex(content: Content) -> str:
    r"""Plain tabulars for ``\input`` into any document, without a package; intervals stand below the numbers."""
    parts = ["% \\input this file; it needs no package. Percent, 95 % intervals below."]
    parts.append(f"\\noindent {tex(content.standing)} {tex(content.state)}.")
    shown = [*(table for table in content.tables if table.brief), *(table for table in content.sheets if table.rows)]
    parts += [_tabular(table) for table in shown if table.typeset]
    return "\n\n".join(parts) + "\n"


def _tabular(table: Table) -> str:
    lines = [" & ".join(map(tex, _heads(table))) + r" \\ \hline"]
    group = "& " if table.grouped else ""
    end = r" & \\" if table.counted else r" \\"
    for row in table.rows:
        numbers = [number(c, table) if isinstance(c, Cell) else c or "" for c in row.cells]
        spans = [span(c, table) if isinstance(c, Cell) else "" for c in row.cells]
        cells = [*_first(table, row), *numbers, *_count(table, f"{row.n} of {row.of}")]
        lines.append(" & ".join(map(tex, cells)) + r" \\")
        if any(spans):
            small = " & ".join(rf"{{\tiny {tex(s)}}}" if s else "" for s in spans)
            lines.append(f" {group}& {small}{end}")
        if paper := _paper(table, row):
            lines.append(rf" {group}\textit{{{tex(table.paper_label)}}} & " + " & ".join(map(tex, paper)) + end)
    body = "\n".join(lines)
    layout = f"{'ll' if table.grouped else 'l'}{'r' * len(table.columns)}{'r' if table.counted else ''}"
    return (
        "\\begin{table}[htbp]\n\\scriptsize\\setlength{\\tabcolsep}{2pt}\n"
        f"\\caption{{{tex(table.title)}. {tex(table.explanation)}}}\n"
        # The box centres a table that is wider than the text.
        f"\\makebox[\\textwidth]{{\\begin{{tabular}}{{{layout}}}\n\\hline\n{body}\n\\hline\n\\end{{tabular}}}}\n\\end{{table}}"
    )


# --- HTML ---


def page(content: Content) -> str:
    """The report as one page without any address: styles, figures and tables are all inside."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(number=number, span=span, is_number=lambda cell: isinstance(cell, Cell))
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
        first = [*_group(table, _first(table, row)[0] if opens else ""), row.name]
        lines.append((row, first, _paper(table, row), opens))
    return {"table": table, "heads": _heads(table), "lines": lines}

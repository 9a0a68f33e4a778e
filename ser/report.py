"""Results → tables and figures in a folder: Markdown, CSV, LaTeX and one self-contained HTML page, written atomically.

Holes stay visible, every number says how many cases it rests on, and the paper's numbers stand beside ours only if the
corpora are its own. What is computed here is layout; numbers come from ``ser.tables``.
"""

import csv
import io
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ser import figures, published
from ser.evidence import METRICS, Evidence, Grid, Result, Scores, gather
from ser.metrics import confusion
from ser.tables import HOLE, Cell, Row, Table, all_tables

OTHER_CORPORA = "The corpora are not the paper's own, so its numbers are not shown."
MADE_CORPORA = (
    "Demo: the corpora are made, not recorded. The numbers show that everything runs, and nothing about emotion; "
)
MADE_CORPORA += "the paper's numbers are not shown."
BRIEF = ("table2", "table2_runs", "table3", "table4", "table5")  # tables for reading; the rest is for looking up


@dataclass(frozen=True)
class Report:
    """What was written."""

    markdown: str
    folder: Path
    files: tuple[Path, ...]
    done: int  # trials with all their results
    expected: int  # trials of the grid
    notes: tuple[str, ...]


def write(
    results: Sequence[Result],
    grid: Grid,
    folder: Path,
    ties: str = "fractional",
    replicates: int = 1000,
    curves: Mapping[str, Sequence[float]] | None = None,
) -> Report:
    """Write ``tables.{md,csv,tex}``, ``report.html`` and figures as PNG into ``folder``; each file complete or absent.

    ``results`` come oldest first: of two for one cell the first is kept. ``ties`` is "fractional" or "first".
    ``replicates``: bootstrap resamples behind the 95 % intervals, 0 for none. ``curves``: trial title → validation loss
    per epoch. Raises BadInput for an unknown tie rule or results that do not fit the grid's classes.
    """
    evidence = gather(results, grid, replicates)
    tables = all_tables(evidence, ties)
    notes = (*_said(evidence, replicates), *evidence.notes, *grid.notes)
    pictures = _pictures(evidence, tables, curves)
    text = markdown(evidence, tables, notes)
    contents: dict[str, bytes] = {
        "tables.md": text.encode(),
        "tables.csv": long_form(tables, _beside(grid)).encode(),
        "tables.tex": latex(evidence, tables).encode(),
        "report.html": page(evidence, tables, notes, pictures).encode(),
        **{f"{picture.name}.png": picture.png for picture in pictures},
        **_confusion_files(evidence),
    }
    folder.mkdir(parents=True, exist_ok=True)
    files = tuple(_put(folder / name, content) for name, content in contents.items())
    return Report(text, folder, files, evidence.done, evidence.expected, notes)


def _put(path: Path, content: bytes) -> Path:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(content)
    os.replace(temporary, path)
    return path


# --- words ---


def state(evidence: Evidence) -> str:
    """``96 of 168 trials``."""
    return f"{evidence.done} of {evidence.expected} trials"


def missing(evidence: Evidence) -> str:
    """``2 trials are missing``."""
    count = len(evidence.holes)
    return f"{count} trial{'s are' if count != 1 else ' is'} missing"


def standing(grid: Grid) -> str:
    """Whose corpora these are, and so whether the paper's numbers are shown."""
    if grid.demo:
        return MADE_CORPORA
    if not grid.papers_own:
        return OTHER_CORPORA
    return "The corpora are the paper's own: its printed numbers stand below ours."


def _said(evidence: Evidence, replicates: int) -> list[str]:
    grid = evidence.grid
    notes = []
    if replicates:
        notes.append(
            f"Intervals: 95 % percentiles of {replicates} bootstrap resamples of the test utterances, paired within a "
            "target; winners and shares, tied ones too, are counted anew in each. They do not cover what another seed "
            "of the training would change, and as utterances of one speaker are alike, they are rather too narrow. "
            "Resampling adds noise to the noise that is there, so it pulls shares of winners towards equal ones: an "
            "interval of a share need not lie around it."
        )
    shared = sum(any(r.same_as for r in found) for s in evidence.scores for found in s.results.values())
    if shared:
        notes.append(
            f"{shared} results are those of another trial: on one corpus, unified and multi are one training and tie."
        )
    cases = sum(len(s.combinations) for s in evidence.scores)
    if _beside(grid) and cases != published.CASES:
        notes.append(
            f"Shares are counted over {cases} cases; the paper's, over {published.CASES}, used other corpora too."
        )
    return notes


def _beside(grid: Grid) -> bool:
    return grid.papers_own and not grid.demo


# --- cells as text ---


def number(cell: Cell, digits: int) -> str:
    """Percent: ``58.8``; a hole is ``–``."""
    return HOLE if np.isnan(cell.value) else _percent(cell.value, digits)


def span(cell: Cell, digits: int) -> str:
    """The interval in percent: ``[54.1, 63.2]``, or nothing if it is unknown."""
    if np.isnan(cell.value) or np.isnan(cell.low):
        return ""
    return f"[{_percent(cell.low, digits)}, {_percent(cell.high, digits)}]"


def _percent(value: float, digits: int) -> str:
    return f"{round(100 * value, digits) + 0.0:.{digits}f}"  # + 0.0: never "-0.0"


def _text(cell: Cell | str | None, digits: int) -> str:
    if isinstance(cell, Cell):
        return f"{number(cell, digits)} {span(cell, digits)}".rstrip()
    return "" if cell is None else cell


def _heads(table: Table) -> list[str]:
    return ["Metric", "", *table.columns, f"n {table.counted}"]


def _first(row: Row) -> list[str]:
    return [row.metric.upper(), row.name]


def _paper(table: Table, row: Row) -> list[str] | None:
    """The paper's cells for this row, if it prints any."""
    found = [published.printed(table.key, row.metric, row.name, column) for column in table.columns]
    if all(value is None for value in found):
        return None
    return [f"{value:.{table.digits}f}" if isinstance(value, float) else value or "" for value in found]


# --- Markdown ---


def markdown(evidence: Evidence, tables: Sequence[Table], notes: Sequence[str]) -> str:
    """The tables for reading, as aligned pipe tables, then holes and notes."""
    grid = evidence.grid
    parts = [f"# {grid.title}", f"Study {grid.study} · {state(evidence)}", standing(grid)]
    parts.append(f"Percent, with 95 % intervals in brackets; {HOLE} is a hole: trials are missing.")
    for table in tables:
        if table.key in BRIEF:
            parts += [f"## {table.title}", table.explanation, _pipes(_heads(table), _lines(table, _beside(grid)))]
    if evidence.holes:
        lines = [[hole.title, ", ".join(hole.lacking), hole.error] for hole in evidence.holes]
        parts += [
            f"## {missing(evidence)}",
            _pipes(["Trial", "not tested on", "last error"], lines),
        ]
    parts += ["## Notes", "\n".join(f"- {note}" for note in notes) or "None."]
    if _beside(grid):
        parts += ["## The paper's own inconsistencies", "\n".join(f"- {note}" for note in published.INCONSISTENCIES)]
    return "\n\n".join(parts) + "\n"


def _lines(table: Table, beside: bool) -> list[list[str]]:
    lines = []
    for row in table.rows:
        lines.append([*_first(row), *(_text(c, table.digits) for c in row.cells), f"{row.n} of {row.of}"])
        if beside and (paper := _paper(table, row)):
            lines.append(["", "paper", *paper, *[""] * (len(row.cells) - len(paper)), ""])
    return lines


def _pipes(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    cells = [[" ".join(text.replace("|", "\\|").split()) for text in line] for line in (heads, *lines)]
    widths = [max(3, *(len(line[i]) for line in cells)) for i in range(len(heads))]
    padded = ["| " + " | ".join(text.ljust(w) for text, w in zip(line, widths, strict=True)) + " |" for line in cells]
    return "\n".join([padded[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *padded[1:]])


# --- CSV ---


def long_form(tables: Sequence[Table], beside: bool) -> str:
    """One line per cell. Numbers, intervals and the paper's numbers are percent, unrounded; text cells are text."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["table", "metric", "row", "column", "value", "low", "high", "n", "of", "paper"])
    for table in tables:
        for row in table.rows:
            name = row.name if table.key != "results" else " · ".join([row.name, *map(str, row.cells[:4])])
            for column, cell in zip(table.columns, row.cells, strict=True):
                if cell is not None:
                    paper = published.printed(table.key, row.metric, row.name, column) if beside else None
                    shown = "" if paper is None else paper
                    writer.writerow([table.key, row.metric, name, column, *_plain(cell), row.n, row.of, shown])
    return out.getvalue()


def _plain(cell: Cell | str) -> list[str]:
    if isinstance(cell, str):
        return [cell, "", ""]
    return ["" if np.isnan(v) else f"{100 * v:.10g}" for v in (cell.value, cell.low, cell.high)]


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
}


def tex(text: str) -> str:
    """Text with everything escaped that LaTeX would read as more than a letter.

    >>> print(tex("R&D_50% μσ²"))
    R\\&D\\_50\\% $\\mu$$\\sigma$$^2$
    """
    return "".join(_TEX.get(letter, letter) for letter in text)


def latex(evidence: Evidence, tables: Sequence[Table]) -> str:
    r"""Plain tabulars for ``\input`` into any document, without a package; intervals stand below the numbers."""
    parts = ["% \\input this file; it needs no package. Percent, 95 % intervals below."]
    parts.append(f"\\noindent {tex(standing(evidence.grid))} {tex(state(evidence))}.")
    for table in tables:
        if table.key in BRIEF and table.key != "table2_runs":
            parts.append(_tabular(table, _beside(evidence.grid)))
    return "\n\n".join(parts) + "\n"


def _tabular(table: Table, beside: bool) -> str:
    heads = [tex(head) for head in _heads(table)]
    lines = [" & ".join(heads) + r" \\ \hline"]
    for row in table.rows:
        shown = [number(c, table.digits) if isinstance(c, Cell) else c or "" for c in row.cells]
        spans = [span(c, table.digits) if isinstance(c, Cell) else "" for c in row.cells]
        lines.append(" & ".join(map(tex, [*_first(row), *shown, f"{row.n} of {row.of}"])) + r" \\")
        if any(spans):
            lines.append(" & & " + " & ".join(rf"{{\tiny {tex(s)}}}" if s else "" for s in spans) + r" & \\")
        if beside and (paper := _paper(table, row)):
            lines.append(r" & \textit{paper} & " + " & ".join(tex(p) for p in paper) + r" & \\")
    body, layout = "\n".join(lines), f"ll{'r' * len(table.columns)}r"
    return (
        "\\begin{table}[htbp]\n\\scriptsize\\setlength{\\tabcolsep}{2pt}\n"
        f"\\caption{{{tex(table.title)}. {tex(table.explanation)}}}\n"
        # The box centres a table that is wider than the text.
        f"\\makebox[\\textwidth]{{\\begin{{tabular}}{{{layout}}}\n\\hline\n{body}\n\\hline\n\\end{{tabular}}}}\n\\end{{table}}"
    )


# --- figures ---


def _pictures(
    evidence: Evidence, tables: Sequence[Table], curves: Mapping[str, Sequence[float]] | None
) -> list[figures.Picture]:
    if not any(scores.utterances for scores in evidence.scores):
        return []
    shares = next(table for table in tables if table.key == "table3")
    found = [figures.ua_by_combination(evidence), figures.heat_map(evidence), figures.shares(shares, evidence)]
    if curves:
        grid = evidence.grid
        blocks = {grid.trial_title(point, seed): point["block"] for point in grid.points for seed in grid.seeds}
        found.append(figures.learning_curves(curves, blocks, grid.blocks))
    return found


@dataclass(frozen=True)
class Matrix:
    """The confusion matrix of the best network of a target, summed over its seeds."""

    target: str
    metric: str
    title: str
    counts: np.ndarray[Any, np.dtype[np.int64]]
    runs: tuple[str, ...]


def _matrices(evidence: Evidence) -> Iterator[Matrix]:
    grid = evidence.grid
    for scores in evidence.scores:
        for metric in METRICS:
            if best := scores.best(metric, range(len(scores.combinations))):
                found = scores.results[best[0]]
                counts = sum(confusion(r.truth, r.predicted, len(grid.classes)) for r in found)
                yield Matrix(scores.target, metric, _title(grid, scores, best[0]), np.asarray(counts), _runs(found))


def _title(grid: Grid, scores: Scores, cell: tuple[int, int]) -> str:
    block, pooling, task = scores.configurations[cell[1]]
    return grid.trial_title(
        {"corpora": scores.combinations[cell[0]], "block": block, "pooling": pooling, "task": task}, 0
    )


def _runs(results: Sequence[Result]) -> tuple[str, ...]:
    return tuple(result.run_id for result in results)


def _confusion_files(evidence: Evidence) -> dict[str, bytes]:
    files = {}
    for matrix in _matrices(evidence):
        safe = re.sub(r"[^\w-]+", "_", matrix.target)
        place = evidence.grid.targets.index(matrix.target) + 1  # two names may become one when made safe
        title = f"{matrix.title}\n{matrix.target}: best {matrix.metric.upper()}, n = {matrix.counts.sum()}"
        files[f"confusion_{place}_{safe}_{matrix.metric}.png"] = figures.confusion_png(
            matrix.counts, evidence.grid.classes, title
        )
    return files


# --- HTML ---


def page(evidence: Evidence, tables: Sequence[Table], notes: Sequence[str], pictures: Sequence[figures.Picture]) -> str:
    """The report as one page without any address: styles, figures and tables are all inside."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(number=number, span=span, is_number=lambda cell: isinstance(cell, Cell))
    grid = evidence.grid
    return environment.get_template("report.html.j2").render(
        grid=grid,
        evidence=evidence,
        state=state(evidence),
        missing=missing(evidence),
        standing=standing(grid),
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        brief=[_view(table, _beside(grid)) for table in tables if table.key in BRIEF],
        rest=[_view(table, False) for table in tables if table.key not in BRIEF],
        pictures=pictures,
        matrices=list(_matrices(evidence)),
        notes=notes,
        inconsistencies=published.INCONSISTENCIES if _beside(grid) else (),
        strays={
            title: error for title, error in grid.failures.items() if title not in {h.title for h in evidence.holes}
        },
    )


def _view(table: Table, beside: bool) -> dict[str, Any]:
    """A table for the template: head and lines of (row, paper's cells, whether a new metric or target opens)."""
    lines = []
    for place, row in enumerate(table.rows):
        before = table.rows[place - 1] if place else None
        opens = before is None or before.metric != row.metric or (not row.metric and before.name != row.name)
        lines.append((row, _paper(table, row) if beside else None, opens))
    return {"table": table, "heads": _heads(table), "lines": lines}

"""A report's tables as LaTeX, for ``\\input`` into a paper of one column or two."""

import re
from collections.abc import Iterable, Sequence
from itertools import groupby

from ser.report import cell_text
from ser.report.content import Content
from ser.report.latex_layout import Column, Layout, layout_of, panels_of
from ser.report.table import HOLE, Cell, Row, Table

_PLAIN = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "–": "--",
    "“": "``",
    "”": "''",
    "…": r"\dots{}",
    "’": "'",
}
_MATH = {
    "μ": r"\mu",
    "σ": r"\sigma",
    "²": "^2",
    "·": r"\cdot",
    "−": "-",
    "•": r"\bullet",
    "×": r"\times",
    "±": r"\pm",
    "χ": r"\chi",
    "α": r"\alpha",
    "κ": r"\kappa",
    "ρ": r"\rho",
    "Δ": r"\Delta",
    "→": r"\rightarrow",
    "≤": r"\leq",
    "≥": r"\geq",
    "≈": r"\approx",
    "∞": r"\infty",
}
_HEAD = r"""% \input this file. Its rules are those of booktabs where that package is loaded, else plain ones.
\providecommand{\toprule}{\hline}\providecommand{\midrule}{\hline}\providecommand{\bottomrule}{\hline}
\providecommand{\addlinespace}[1][]{}
% Percent where a table says nothing else; 95 % intervals in brackets."""
_NUMBERED = re.compile(r"^Table [\w.]+( [\w ]+)?: ")  # LaTeX counts the tables of a paper
_LONG_WORD = 16  # letters


def tex(text: str) -> str:
    """Text with everything escaped that LaTeX would read as more than a letter.

    >>> print(tex("R&D_50% μσ²"))
    R\\&D\\_50\\% $\\mu\\sigma^2$
    """
    parts = []
    for is_math, letters in groupby(text, _MATH.__contains__):
        signs = "".join((_MATH if is_math else _PLAIN).get(letter, letter) for letter in letters)
        parts.append(f"${signs}$" if is_math else signs)
    return "".join(parts)


def latex(content: Content) -> str:
    r"""Tables with captions, labels and notes for ``\input`` into any document; no package is needed.

    A table that fits a column of a paper is a ``table``, a wider one a ``table*``; columns beyond a page go on below.
    """
    parts = [_HEAD, f"\\noindent {tex(content.standing)} {tex(content.state)}."]
    shown = [*(table for table in content.tables if table.brief), *(table for table in content.sheets if table.rows)]
    parts += [_float(table, content.study) for table in shown if table.typeset]
    return "\n\n".join(parts) + "\n"


def _float(table: Table, study: str) -> str:
    columns = _columns(table)
    layout = layout_of(columns)
    bold = _best_cells(table)
    panels = [_tabular(table, [columns[i] for i in panel], panel, layout, bold) for panel in panels_of(columns, layout)]
    kind = "table*" if layout.is_wide else "table"
    label = "-".join(re.sub(r"[^\w]+", "-", name).strip("-") for name in (study, table.key))
    notes = f"\n\\par\\vspace{{3pt}}{{\\raggedright\\tiny {tex(table.explanation)}\\par}}" if table.explanation else ""
    return (
        f"\\begin{{{kind}}}[htbp]\n\\centering\n\\caption{{{tex(_caption(table))}}}\n\\label{{tab:ser-{label}}}\n"
        f"\\vspace{{3pt}}\\scriptsize\\setlength{{\\tabcolsep}}{{3pt}}\n"
        + "\n\\par\\vspace{4pt}\n".join(panels)
        + f"{notes}\n\\end{{{kind}}}"
    )


def _caption(table: Table) -> str:
    text = _NUMBERED.sub("", table.title)
    return text[:1].upper() + text[1:]


# --- columns ---


def _columns(table: Table) -> list[Column]:
    """All columns: what names a row, the table's own, and the count."""
    named = 2 if table.grouped else 1
    heads = cell_text.heads(table)
    columns = [Column(head, [], is_key=place < named + table.keys) for place, head in enumerate(heads)]
    for row in table.rows:
        for column, text in zip(columns, cell_text.first(table, row), strict=False):
            column.texts.append(text)
        for column, cell in zip(columns[named:], row.cells, strict=False):
            if isinstance(cell, Cell):
                column.texts.append(_value(cell, table))
                column.spans.append(_minus(cell_text.span(cell, table)))
            else:
                column.texts.append(cell or "")
        if table.counted:
            columns[-1].texts.append(f"{row.n} of {row.of}")
        printed = cell_text.printed_cells(table, row)
        for column, text in zip(columns[named - 1 :], [table.paper_label, *printed] if printed else [], strict=False):
            column.texts.append(_minus(text))
    return columns


def _value(cell: Cell, table: Table) -> str:
    return _minus(cell_text.number(cell, table)).removesuffix(cell.mark)


def _minus(text: str) -> str:
    """A hyphen before a digit is a minus."""
    return re.sub(r"-(?=[\d.])", "−", text)


def _best_cells(table: Table) -> set[tuple[int, int]]:
    """Rows and cells of the highest values: of a column among the rows of a group, or of a row where these compete."""
    best: set[tuple[int, int]] = set()
    numbers = {
        (y, x): float(cell_text.rounded(cell.value, table))
        for y, row in enumerate(table.rows)
        for x, cell in enumerate(row.cells)
        if isinstance(cell, Cell) and cell.value == cell.value
    }
    lines: list[list[tuple[int, int]]] = []
    if table.rows_compete:
        lines += [[at for at in numbers if at[0] == y] for y in range(len(table.rows))]
    for x in (x for x, name in enumerate(table.columns) if name in table.best):
        for metric in dict.fromkeys(row.metric for row in table.rows):
            lines.append([at for at in numbers if at[1] == x and table.rows[at[0]].metric == metric])
    for line in lines:
        highest = max((numbers[at] for at in line), default=0.0)
        winners = {at for at in line if numbers[at] == highest}
        best |= winners if len(winners) < len(line) else set()  # where all are equal none is best
    return best


# --- lines ---


def _tabular(
    table: Table, columns: Sequence[Column], places: Sequence[int], layout: Layout, bold: set[tuple[int, int]]
) -> str:
    lines = [r"\toprule", " & ".join(_head(column, layout) for column in columns) + r" \\", r"\midrule"]
    group = None
    for y, row in enumerate(table.rows):
        if group is not None and row.metric != group and table.grouped:
            lines.append(r"\addlinespace")
        lines += _lines(table, y, row, row.metric == group, (columns, places, layout, bold))
        group = row.metric
    lines.append(r"\bottomrule")
    kinds = "".join(column.kind(layout) for column in columns)
    return f"\\begin{{tabular}}{{@{{}}{kinds}@{{}}}}\n" + "\n".join(lines) + "\n\\end{tabular}"


def _head(column: Column, layout: Layout) -> str:
    lines = [tex(part) for part in column.head_lines(layout)]
    joined = r" \\ ".join(lines)
    text = joined if len(lines) == 1 else f"\\shortstack[{column.side}]{{{joined}}}"
    if column.takes_two(layout):
        return f"\\multicolumn{{2}}{{c}}{{{text}}}"
    return f"\\multicolumn{{1}}{{c}}{{{text}}}" if column.side == "r" else text


def _lines(
    table: Table,
    y: int,
    row: Row,
    is_same_group: bool,
    rest: tuple[Sequence[Column], Sequence[int], Layout, set[tuple[int, int]]],
) -> Iterable[str]:
    """Yields the lines of a row: numbers, intervals below where there is no room beside, a paper's numbers."""
    columns, places, layout, bold = rest
    named = 2 if table.grouped else 1
    cells: list[Cell | str | None] = [*cell_text.first(table, row), *row.cells]
    cells += cell_text.count(table, f"{row.n} of {row.of}")
    if is_same_group and table.grouped:
        cells[0] = ""  # it stands in the first line of the group
    end = r" \tabularnewline" if layout.wraps else r" \\"
    first, below = [], []
    for column, place in zip(columns, places, strict=True):
        cell = cells[place]
        span = _minus(cell_text.span(cell, table)) if isinstance(cell, Cell) else ""
        small = f"{{\\tiny {tex(span)}}}" if span else ""
        first.append(_text(cell, table, column, layout, (y, place - named) in bold))
        if column.takes_two(layout):
            first.append(small)
        below.append("" if layout.beside else small)
    yield " & ".join(first) + end
    if any(below):
        yield " & ".join(below) + end
    if printed := cell_text.printed_cells(table, row):
        label = rf"\textit{{{tex(table.paper_label)}}}"
        values = [*[""] * (named - 1), label, *(tex(_minus(text)) for text in printed)]
        values += [""] * (len(cells) - len(values))
        yield " & ".join(values[p] + " &" * c.takes_two(layout) for c, p in zip(columns, places, strict=True)) + end


def _text(cell: Cell | str | None, table: Table, column: Column, layout: Layout, is_best: bool) -> str:
    if isinstance(cell, Cell):
        text = tex(_value(cell, table))
        text = rf"\textbf{{{text}}}" if is_best and text != tex(HOLE) else text
        return text + (rf"\rlap{{{tex(cell.mark)}}}" if cell.mark and cell.value == cell.value else "")
    text = tex(_minus(cell or "") if column.side == "r" else cell or "")
    if column.width(layout) is None:
        return text
    # A long word of a narrow column may be broken behind its points.
    return r"\raggedright " + re.sub(rf"\S{{{_LONG_WORD},}}", _breakable, text)


def _breakable(word: re.Match[str]) -> str:
    return re.sub(r"(\\_|[./,=+-])(?=\w)", r"\1\\allowbreak{}", word[0])

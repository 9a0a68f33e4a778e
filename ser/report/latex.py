"""A report's tables as LaTeX, for ``\\input`` into any document."""

from ser.report import cell_text
from ser.report.content import Content
from ser.report.table import Cell, Table

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
    lines = [" & ".join(map(tex, cell_text.heads(table))) + r" \\ \hline"]
    group = "& " if table.grouped else ""
    end = r" & \\" if table.counted else r" \\"
    for row in table.rows:
        numbers = [cell_text.number(c, table) if isinstance(c, Cell) else c or "" for c in row.cells]
        spans = [cell_text.span(c, table) if isinstance(c, Cell) else "" for c in row.cells]
        cells = [*cell_text.first(table, row), *numbers, *cell_text.count(table, f"{row.n} of {row.of}")]
        lines.append(" & ".join(map(tex, cells)) + r" \\")
        if any(spans):
            small = " & ".join(rf"{{\tiny {tex(s)}}}" if s else "" for s in spans)
            lines.append(f" {group}& {small}{end}")
        if paper := cell_text.printed_cells(table, row):
            lines.append(rf" {group}\textit{{{tex(table.paper_label)}}} & " + " & ".join(map(tex, paper)) + end)
    body = "\n".join(lines)
    layout = f"{'ll' if table.grouped else 'l'}{'r' * len(table.columns)}{'r' if table.counted else ''}"
    return (
        "\\begin{table}[htbp]\n\\scriptsize\\setlength{\\tabcolsep}{2pt}\n"
        f"\\caption{{{tex(table.title)}. {tex(table.explanation)}}}\n"
        # The box centres a table that is wider than the text.
        f"\\makebox[\\textwidth]{{\\begin{{tabular}}{{{layout}}}\n\\hline\n{body}\n\\hline\n\\end{{tabular}}}}\n\\end{{table}}"
    )

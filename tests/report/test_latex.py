"""Tables for papers: what the LaTeX says, what fits a page, and that it compiles where a TeX is."""

import re
import shutil
import subprocess
from dataclasses import replace

import pytest

from ser.report.content import Content
from ser.report.latex import latex
from ser.report.latex_layout import COLUMN_PT, PAGE_PT, Column, layout_of, panels_of
from ser.report.table import Cell, Row, Table

ACCURACIES = ("WA", "UA")


def rows(count, columns=2, group="WA", text="lstm"):
    """Rows of a text and some accuracies with intervals; the third is the best."""
    values = [0.5, 0.61, 0.7, 0.123]
    cells = [tuple(Cell(v + c / 100, v - 0.2, v + 0.1) for c in range(columns)) for v in values]
    return tuple(Row(group, f"row {y}", (text, *cells[y % 4]), 1, 2) for y in range(count))


def table(count=2, **changes):
    heads, title = ("Block", *(f"Column {c}" for c in range(count))), "Table 2 by validation: the best_one"
    plain = Table("table2", title, "Notes: 5 % of all.", heads, rows(3, count), "runs")
    return replace(plain, **({"brief": True} | changes))


def content(*tables):
    return Content("a_study", "A study", "Ours.", False, "A = a", 1, 1, 1, tables, ())


def source(*tables):
    return latex(content(*tables))


def cells(text):
    """The rows of a tabular as lists of cells; a cell over two columns counts as two."""
    body = text.split("\\begin{tabular}")[1].split("\\end{tabular}")[0]
    lines = [line for line in body.splitlines()[1:] if "\\\\" in line or "\\tabularnewline" in line]
    return [re.split(r"(?<!\\)&", re.sub(r"\\multicolumn\{2\}\{c\}(\{.*?\})", r"\1 &", line)) for line in lines]


def test_a_table_has_caption_label_rules_and_notes():
    text = source(table())
    assert "\\caption{The best\\_one}\n\\label{tab:ser-a_study-table2}" in text
    assert [text.count(f"\n\\{name}") for name in ("toprule", "midrule", "bottomrule")] == [1, 1, 1]
    assert "\\providecommand{\\toprule}{\\hline}" in text
    assert text.index("\\end{tabular}") < text.index("Notes: 5 \\% of all.") < text.index("\\end{table}")
    assert "makebox" not in text


def test_every_line_has_as_many_cells_as_columns():
    for each in (table(), table(grouped=""), table(counted=""), table(rows=rows(3, 2)[:1]), table(4)):
        text = source(each)
        layout = re.search(r"\\begin\{tabular\}\{@\{\}(.*)@\{\}\}\n", text)[1]
        width = len(re.findall(r"[lrp]", re.sub(r"@\{.*?\}\}|\{[\d.]+pt\}", "", layout)))
        assert {len(line) for line in cells(text)} == {width}


def test_texts_are_left_numbers_right_with_intervals_beside():
    text = source(table(1, counted="", grouped=""))
    assert "\\begin{tabular}{@{}llr@{\\hspace{2pt}}l@{}}" in text
    assert "row 0 & lstm & 50.0 & {\\tiny [30.0, 60.0]} \\\\" in text


def test_minus_signs_are_minus_signs():
    text = source(table(rows=(Row("WA", "row-1", ("lstm", Cell(-0.056, -0.1, 0.02), Cell(0.1))),)))
    assert "$-$5.6 & {\\tiny [$-$10.0, 2.0]}" in text
    assert "row-1" in text


def test_the_highest_of_a_group_is_bold_where_rows_or_cells_compete():
    both = (*rows(3, 2), *(replace(row, metric="UA") for row in rows(2, 2)))
    text = source(table(rows=both, best=("Column 1",)))
    assert re.findall(r"\\textbf\{(.*?)\}", text) == ["71.0", "62.0"]  # of WA, of UA
    assert re.findall(r"\\textbf\{(.*?)\}", source(table(rows_compete=True))) == ["51.0", "62.0", "71.0"]
    equal = table(rows=tuple(Row("WA", name, ("a", Cell(0.5), Cell(0.50001))) for name in "ab"), best=("Column 0",))
    assert "textbf" not in source(replace(equal, rows_compete=True))
    assert "textbf" not in source(table())


def test_marks_do_not_move_numbers():
    assert "50.0\\rlap{*}" in source(table(rows=(Row("WA", "a", ("b", Cell(0.5, mark="*"), Cell(0.5))),)))


def test_a_papers_numbers_stand_below():
    both = source(table(rows=(replace(rows(1)[0], paper=("lstm", -1.5, 60.0)),)))
    assert "\\textit{paper} & lstm & $-$1.5 & 60.0 & " in both  # intervals below
    one = source(table(1, grouped="", rows=(replace(rows(1, 1)[0], paper=("lstm", -1.5)),)))
    assert "\\textit{paper} & lstm & $-$1.5 & & " in one  # and beside


@pytest.mark.parametrize(
    ("columns", "kind", "tabulars"), [(1, "table", 1), (2, "table", 1), (4, "table*", 1), (12, "table*", 2)]
)
def test_what_is_wide_goes_across_and_what_is_too_wide_below(columns, kind, tabulars):
    text = source(table(columns))
    assert f"\\begin{{{kind}}}" in text
    assert text.count("\\begin{tabular}") == tabulars
    assert text.count("\\toprule") == tabulars + 1  # with the definition
    numbers = [Cell(v + c / 100).value for v in (0.5, 0.61, 0.7) for c in range(columns)]
    assert sorted(re.findall(r"& ([\d.]+\.\d) ", text)) == sorted(f"{100 * v:.1f}" for v in numbers)
    if tabulars > 1:
        assert text.count("row 2") == tabulars


def test_long_texts_are_broken():
    long = "corpus.iemocap.split.seed_of_the_whole_thing, and then a sentence that goes on for long"
    text = source(table(rows=rows(3, 2, text=long)))
    assert "p{84pt}" in text
    assert "\\raggedright corpus.\\allowbreak{}iemocap." in text


def test_panels_have_every_column_once_and_fit():
    columns = [Column("Metric", ["WA"], is_key=True), *(Column(f"c{i}", ["58.8"], ["[1.0, 2.0]"]) for i in range(20))]
    layout = layout_of(columns)
    panels = panels_of(columns, layout)
    assert [place for panel in panels for place in panel if place] == list(range(1, 21))
    assert all(panel[0] == 0 for panel in panels)
    assert all(sum(columns[i].total_pt(layout) for i in panel) <= PAGE_PT + 6 for panel in panels)
    assert COLUMN_PT < PAGE_PT


IEEE = "\\documentclass[10pt,twocolumn]{article}\n\\setlength{\\columnsep}{17pt}\\setlength{\\textwidth}{516pt}\n"
PAPERS = {"article": "\\documentclass{article}\n", "two columns": IEEE}
TEX = next((name for name in ("pdflatex", "tectonic") if shutil.which(name)), "")


@pytest.mark.skipif(not TEX, reason="no pdflatex and no tectonic on this machine")
@pytest.mark.parametrize("package", ["", "\\usepackage{booktabs}\n"], ids=["plain", "booktabs"])
@pytest.mark.parametrize("paper", PAPERS)
def test_it_compiles_and_nothing_sticks_out(tmp_path, paper, package):
    long = "corpus.iemocap.split.seed_of_the_whole_thing, and a sentence that goes on"
    minus = Row("UA", "μσ² · I+T_R", ("", Cell(-1.0, -1.0, 0.5, mark="•"), Cell(float("nan"))), paper=("x", -1.5, None))
    tables = (
        table(rows=(*rows(3, 2), minus), best=("Column 0",)),
        table(4, key="four"),
        table(12, key="twelve"),
        table(rows=rows(3, 2, text=long), key="long"),
        table(rows=rows(2, 9, text=long), columns=("Text", *(f"A long head {c}" for c in range(9))), key="both"),
    )
    (tmp_path / "tables.tex").write_text(source(*tables))
    body = f"{PAPERS[paper]}{package}\\begin{{document}}\n\\input{{tables}}\nTable~\\ref{{tab:ser-a_study-four}}\n"
    (tmp_path / "paper.tex").write_text(f"{body}\\end{{document}}\n")
    options = ["-interaction=nonstopmode", "-halt-on-error"] if TEX == "pdflatex" else ["--keep-logs"]
    done = subprocess.run([TEX, *options, "paper.tex"], cwd=tmp_path, capture_output=True, text=True)
    log = (tmp_path / "paper.log").read_text(errors="replace")
    assert done.returncode == 0, log[-3000:]
    assert [float(pt) for pt in re.findall(r"Overfull \\hbox \(([\d.]+)pt", log) if float(pt) > 1] == []
    assert (tmp_path / "paper.pdf").stat().st_size > 10_000

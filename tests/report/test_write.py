"""What a report writes, in four formats, and what it must never show."""

import csv
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from releases import whole

from experiments.interaffection import study
from ser.errors import BadInput
from ser.metrics.accuracy import confusion, ua, wa
from ser.report import cell_text, figures
from ser.report import write as report
from ser.report.content import Cell, Content, Row, Table
from ser.report.interaffection import content as proportions
from ser.report.interaffection import published
from ser.report.interaffection.results import Grid, Result, sign
from ser.report.latex import tex
from ser.report.predictions import LabelPredictions
from ser.report.runs import Expected, Options, UsedCorpus
from ser.study.release import Release

OWN = ("iemocap", "tess", "ravdess", "customer")
PAPERS = whole("interaffection", *OWN[:3], customer="own")


def make_grid(corpora=OWN, pooling=("mean", "mean_var"), seeds=(0,), letters="ITRC", **changes):
    points = [p for p in study.points(corpora, corpora[1:2]) if p["pooling"] in pooling]
    letter = dict(zip(corpora, letters, strict=False))
    expected = Expected(
        study="interaffection",
        title=study.title,
        report="interaffection",
        classes=study.classes,
        corpora=tuple(UsedCorpus(c, letter[c], c not in corpora[1:2]) for c in corpora),
        mode="",
        trials=tuple((title(letter, p, seed), {**p, "seed": seed}) for seed in seeds for p in points),
        count=len(points) * len(seeds),
        seeds=seeds,
        demo=False,
        notes=("Room responses: generated.",),
    )
    return Grid(replace(expected, **changes))


def title(letter, point, seed):
    names = "+".join(letter[c] for c in point["corpora"]), point["block"], sign(point["pooling"]), point["task"]
    return " · ".join([*names, *([f"seed {seed}"] if seed else [])])


def results_of(grid, utterances=40):
    rng = np.random.default_rng(0)
    truth = np.arange(utterances) % 4
    for point in grid.points:
        for seed, target in ((s, t) for s in grid.seeds for t in grid.targets if t in point["corpora"]):
            predicted = np.where(rng.random(utterances) < 0.6, truth, rng.integers(4, size=utterances))
            counts = confusion(truth, predicted, 4)
            where = (tuple(point["corpora"]), point["block"], point["pooling"], point["task"], 0, seed, target)
            uids = tuple(f"{target}/{i:03d}" for i in range(utterances))
            ids = f"{hash(where):x}", f"run{rng.integers(10**9)}"
            test = LabelPredictions(ids[1], uids, truth, predicted, 4)
            yield Result(*ids, *where, wa(counts), ua(counts), test)


def write(results, grid, folder, ties="fractional", replicates=1000, curves=None):
    options = Options(ties=ties, replicates=replicates)
    return report.write(proportions.arranged(results, grid, options, curves), folder)


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    grid = make_grid(**PAPERS)
    curves = {name: [1.2, 0.9, 0.8] for name in list(grid.titles.values())[:3]}
    return write(list(results_of(grid)), grid, tmp_path_factory.mktemp("full"), replicates=30, curves=curves)


@pytest.fixture
def undrawn(monkeypatch):
    """Without figures, which take most of the time."""
    monkeypatch.setattr(proportions, "_pictures", lambda *_: [])


def test_everything_is_written_and_nothing_half(full, accessible):
    names = {path.name for path in full.files}
    assert {"tables.md", "tables.csv", "tables.tex", "report.html", "shares.png", "mean_ua.png", "curves.png"} <= names
    assert {path.name for path in full.folder.iterdir()} == names
    assert (full.done, full.expected) == (168, 168)
    assert full.markdown == (full.folder / "tables.md").read_text()
    assert all(p.read_bytes().startswith(b"\x89PNG") for p in full.files if p.suffix == ".png")
    accessible(full.folder / "report.html")


def test_pipes_are_aligned(full):
    blocks = re.findall(r"(?:^\|.*\n)+", full.markdown, flags=re.MULTILINE)
    assert len(blocks) >= 5
    for block in blocks:
        assert len({len(line) for line in block.splitlines()}) == 1
        assert len({line.count("|") for line in block.splitlines()}) == 1


def test_the_papers_numbers_stand_below_ours_on_its_own_corpora(full):
    lines = [line.split() for line in full.markdown.splitlines() if "| paper" in line]
    assert len(lines) == 4 + 4 + 2 + 6 + 3  # none beside the person's own table
    assert "37.50" in lines[7]
    assert not any({"I+T+C", "60.4", "66.7"} & set(line) for line in lines)  # what is printed of CustomerPTBR
    assert full.markdown.count("C: your manifest customer.csv") == 2 + 2 + 1  # Table 2, by validation, Table 1
    assert published.INCONSISTENCIES[0] in full.markdown
    assert "24 of 24" in full.markdown


OTHERS = whole("interaffection", iemocap="part", tess="other", ravdess="unknown")


@pytest.mark.parametrize("changes", [{"paper": "interaffection"}, {"demo": True, **PAPERS}, OTHERS])
def test_other_corpora_never_show_the_papers_numbers(tmp_path, undrawn, changes):
    grid = make_grid(corpora=OWN[:3], **changes)
    done = write(list(results_of(grid)), grid, tmp_path, replicates=5)
    texts = [(tmp_path / name).read_text() for name in ("tables.md", "tables.tex", "report.html")]
    for text in texts:
        assert not any(note in text for note in published.INCONSISTENCIES)
        assert not re.search(r'(\| |\{|class="name">)paper\b', text)
        assert "numbers are not shown" in text.replace("&#39;", "'")
    assert ("made, not recorded" in done.markdown) == grid.expected.demo
    rows = list(csv.DictReader(io.StringIO((tmp_path / "tables.csv").read_text())))
    assert not any(row["paper"] for row in rows)


def test_long_form(full):
    rows = list(csv.DictReader(io.StringIO((full.folder / "tables.csv").read_text())))
    assert list(rows[0]) == ["table", "metric", "row", "column", "value", "low", "high", "n", "of", "paper", "label"]
    place = ["table3", "ua", "multi", "TDNN μσ²"]
    cell = next(row for row in rows if list(row.values())[:4] == place)
    assert cell["paper"] == "37.5"
    assert (cell["n"], cell["of"]) == ("24", "24")
    assert float(cell["low"]) <= float(cell["high"])
    assert sum(r["table"] == "results" and r["column"] == "WA" for r in rows) == 288
    for names in (("unified", "multi"), ("unified if equal", "multi if equal")):
        share = [float(r["value"]) for r in rows if (r["table"], r["metric"]) == ("table3", "wa") and r["row"] in names]
        assert sum(share) == pytest.approx(100)


def test_best_cells_name_their_runs(full):
    section = full.markdown.split("## Runs behind Table 2")[1].split("##")[0]
    assert len(re.findall(r"\brun\d+\b", section)) == 12


class Addresses(HTMLParser):
    """Collects what a browser would fetch or run."""

    def __init__(self):
        super().__init__()
        self.found, self.tags, self.open = [], set(), []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.found += [v for k, v in attrs if k in ("src", "href", "action", "data") and not v.startswith("#")]
        if tag not in ("meta", "br", "use", "path", "image"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag in self.open:
            assert self.open.pop() == tag


def test_the_page_is_one_file(full):
    page = (full.folder / "report.html").read_text()
    parser = Addresses()
    parser.feed(page)
    assert not re.search(r"https?:|//www|@import|url\((?!#)", page)
    assert parser.found == []
    assert parser.open == []
    assert not {"link", "iframe", "img"} & parser.tags
    assert page.count("<svg") == 6
    assert "168 of 168 trials" in page


def test_names_are_escaped_everywhere(tmp_path):
    evil = ("<script>alert(1)</script>", "t&b", "50%_$x^{2}$ | μ", "c\\d")
    failures = {"<b>bold</b>": "<i>error</i>"}
    grid = make_grid(corpora=evil, letters=("<I>", "&", "$", "_"), failures=failures, notes=("<u>note</u>",))
    done = write(list(results_of(grid)), grid, tmp_path, replicates=3)
    page = (tmp_path / "report.html").read_text()
    for bad in ("<script>alert", "<I>", "<b>bold", "<i>error", "<u>note"):
        assert bad not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert all(path.parent == tmp_path for path in done.files)
    body = (tmp_path / "tables.tex").read_text()
    assert r"50\%\_\$x\textasciicircum{}\{2\}\$ \textbar{} $\mu$" in body
    assert r"c\textbackslash{}d" in body
    assert "\\|" in done.markdown


def test_latex_escapes():
    assert tex("R&D_50% #1 μσ²") == r"R\&D\_50\% \#1 $\mu\sigma^2$"
    assert tex("a\\b{c}~^") == r"a\textbackslash{}b\{c\}\textasciitilde{}\textasciicircum{}"


def test_latex_knows_the_signs_that_tables_have():
    assert tex("χ² ≤ 7 … →") == r"$\chi^2$ $\leq$ 7 \dots{} $\rightarrow$"


def test_nothing_done_yet_is_a_report_of_holes(tmp_path):
    first = next(iter(make_grid().titles.values()))
    grid = make_grid(**PAPERS, failures={first: "RuntimeError: out of memory"})
    done = write([], grid, tmp_path)
    assert (done.done, done.expected) == (0, 168)
    assert "0 of 168 trials" in done.markdown
    assert "RuntimeError: out of memory" in done.markdown
    assert "0 of 24" in done.markdown
    assert "168 trials are missing" in (tmp_path / "report.html").read_text()
    assert not list(tmp_path.glob("*.png"))


@pytest.mark.parametrize("changes", [{"corpora": ("iemocap",)}, {"corpora": ("iemocap", "tess"), "pooling": ("mean",)}])
def test_small_grids(tmp_path, changes):
    grid = make_grid(**changes)
    done = write(list(results_of(grid)), grid, tmp_path, "first", replicates=3)
    assert done.done == done.expected == len(grid.points)


def test_a_missing_seed_is_listed(tmp_path, undrawn):
    grid = make_grid(corpora=("iemocap", "tess"), seeds=(0, 1))
    results = list(results_of(grid))
    done = write(results[:-1], grid, tmp_path, replicates=3)
    assert "1 trial is missing" in done.markdown
    assert "· multi · seed 1" in done.markdown


def test_other_numbers_of_cases_are_said(tmp_path, undrawn):
    grid = make_grid(corpora=OWN[:3], **PAPERS)
    done = write(list(results_of(grid)), grid, tmp_path, replicates=3)
    assert any("8 cases" in note and "CustomerPTBR" in note for note in done.notes)


def test_without_replicates_there_are_no_intervals(tmp_path, undrawn):
    grid = make_grid(corpora=("iemocap", "tess"))
    assert "[" not in write(list(results_of(grid)), grid, tmp_path, replicates=0).markdown


def test_unknown_tie_rule(tmp_path):
    with pytest.raises(BadInput, match="fractional"):
        write([], make_grid(), tmp_path, ties="coin")


def test_shares_over_targets_need_all_of_the_papers_public_corpora(tmp_path, undrawn):
    grid = make_grid(
        corpora=OWN[:3],
        **whole("interaffection", "iemocap", "tess", "ravdess")
        | {"releases": {**PAPERS["releases"], "tess": Release("part", "300 of 2800 utterances")}},
    )
    done = write(list(results_of(grid)), grid, tmp_path, replicates=3)
    lines = [line for line in done.markdown.splitlines() if "| paper" in line]
    assert len(lines) == 4 + 2  # Table 2, Table 1
    assert "They do not on others: tess is part of the release (300 of 2800 utterances)" in done.markdown


def test_a_second_report_replaces_the_first(tmp_path, undrawn):
    grid = make_grid(corpora=("iemocap", "tess"))
    write([], grid, tmp_path)
    write(list(results_of(grid)), grid, tmp_path, replicates=3)
    assert "24 of 24 trials" in (tmp_path / "report.html").read_text()


def test_figures_that_a_report_no_longer_has_are_removed_and_nothing_else(tmp_path):
    picture = figures.picture(Figure, "old", "Old.")
    report.write(small(pictures=(picture, replace(picture, name="kept"))), tmp_path)
    (tmp_path / "mine.png").write_bytes(picture.png)
    (tmp_path / "notes.txt").write_text("mine")
    second = report.write(small(pictures=(replace(picture, name="kept"),)), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {p.name for p in second.files} | {"mine.png", "notes.txt"}
    with Image.open(tmp_path / "kept.png") as image:
        image.load()
        assert image.info["Source"] == "ser report"


PERCENT = Table("key", "Title", "Why.", ("A", "B"), ())


def test_number_and_interval_as_text():
    cell = Cell(0.588, 0.541, 0.632)
    assert f"{cell_text.number(cell, PERCENT)} {cell_text.span(cell, PERCENT)}" == "58.8 [54.1, 63.2]"
    assert cell_text.number(Cell(-1e-9), PERCENT) == "0.0"
    assert cell_text.number(Cell(float("nan")), PERCENT) == "–"
    plain = replace(PERCENT, unit="", digits=3)
    assert f"{cell_text.number(cell, plain)} {cell_text.span(cell, plain)}" == "0.588 [0.541, 0.632]"


def small(**changes):
    """A report of two tables: one that counts nothing and is in no unit, one to look up."""
    first = Row("", "loss", (Cell(0.32, 0.3, 0.34), "text"), paper=(0.5,))
    tables = (
        replace(PERCENT, key="plain", unit="", digits=2, grouped="", brief=True, rows=(first,)),
        replace(PERCENT, key="rest", counted="runs", grouped="Trial", rows=(Row("a", "b", (None, Cell(0.5)), 1, 2),)),
    )
    content = Content("small", "A small study", "Ours.", False, "A = a", 1, 1, 1, tables, ())
    return replace(content, **changes)


def test_a_table_without_groups_and_counts_has_no_columns_for_them(tmp_path):
    done = report.write(small(), tmp_path)
    assert [line.split() for line in done.markdown.splitlines() if line.startswith("|")] == [
        ["|", "|", "A", "|", "B", "|"],
        ["|-------|-------------------|------|"],
        ["|", "loss", "|", "0.32", "[0.30,", "0.34]", "|", "text", "|"],
        ["|", "paper", "|", "0.50", "|", "|"],
    ]
    rows = list(csv.reader(io.StringIO((tmp_path / "tables.csv").read_text())))
    assert rows[1:] == [
        ["plain", "", "loss", "A", "0.32", "0.3", "0.34", "", "", "0.5", "paper"],
        ["plain", "", "loss", "B", "text", "", "", "", "", "", ""],
        ["rest", "a", "b", "B", "50", "", "", "1", "2", "", ""],
    ]
    page = (tmp_path / "report.html").read_text()
    assert page.count(">Trial</th>") == 1
    assert page.count('<td class="count') == 1


def test_errors_of_trials_that_are_there_are_shown_apart(tmp_path):
    report.write(small(failures={"a <trial>": "died", "b": "lost"}), tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert "Failures of trials that are not missing" in page
    assert "a &lt;trial&gt;" in page


def test_badges_are_facts_at_the_top(tmp_path):
    done = report.write(small(badges=("mode paper",)), tmp_path)
    assert "Study small · 1 of 1 trials · mode paper" in done.markdown
    assert "<span>mode paper</span>" in (tmp_path / "report.html").read_text()


def test_a_papers_numbers_belong_to_its_own_study(tmp_path, undrawn):
    """Another study with the report, on the paper's corpora."""
    grid = make_grid(**{**PAPERS, "paper": ""})
    done = write(list(results_of(grid)), grid, tmp_path, replicates=3)
    assert "No paper's numbers are of this study" in done.markdown
    assert published.INCONSISTENCIES[0] not in done.markdown
    assert "| paper" not in done.markdown

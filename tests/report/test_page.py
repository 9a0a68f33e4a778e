"""The page of a report without its script: places, heads, cells with sources, marks in figures, widths on paper."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from matplotlib.figure import Figure
from pages import RUNS, content_of, table_of

from ser.report import marks, page_table, rendering
from ser.report.content import Cell, Row
from ser.report.page import page, script
from ser.report.page_anchors import Anchors
from ser.report.page_table import run_links


class Elements(HTMLParser):
    """All elements with their attributes, and the text of each head."""

    def __init__(self, text):
        super().__init__()
        self.all, self.heads, self._head = [], [], None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.all.append((tag, dict(attrs)))
        if tag == "th":
            self.heads.append("")
            self._head = len(self.heads) - 1

    def handle_endtag(self, tag):
        if tag == "th":
            self._head = None

    def handle_data(self, data):
        if self._head is not None:
            self.heads[self._head] += data.strip()

    def of(self, *tags):
        return [attrs for tag, attrs in self.all if tag in tags]


@pytest.fixture(scope="module")
def text():
    return page(content_of())


@pytest.fixture(scope="module")
def elements(text):
    return Elements(text)


def test_every_place_has_its_own_name_and_every_link_within_the_page_a_place(elements):
    names = [attrs["id"] for _, attrs in elements.all if attrs.get("id")]
    assert len(names) == len(set(names))
    links = [attrs["href"][1:] for attrs in elements.of("a") if attrs["href"].startswith("#")]
    assert len(links) > 10
    assert set(links) <= set(names)


def test_every_table_can_be_linked_to_and_says_what_it_is_and_no_head_is_empty(elements, text):
    assert all("id" in attrs for attrs in elements.of("table") if "data" in attrs.get("class", ""))
    assert text.count("<caption>") == text.count("<table")
    assert all(attrs.get("scope") in ("col", "row") for attrs in elements.of("th"))
    assert all(elements.heads)


def test_names_of_places_are_plain_and_differ():
    anchors = Anchors()
    assert [anchors.name(text) for text in ("Bést result", "Bést result", "μ", "table2_runs")] == [
        *("best-result", "best-result-2", "part", "table2_runs"),
    ]


def test_a_cell_says_its_runs_its_n_and_what_it_is_of():
    cell = Cell(0.588, 0.541, 0.632, runs=("abc",), n=146, words="ravdess: <B>LSTM")
    view = page_table.viewer("http://host/#/runs/{run}", Anchors())(table_of([Row("wa", "ravdess", (cell, "x"))]))
    html = str(view.groups[0].lines[0].cells)
    assert 'data-runs="abc"' in html
    assert '<a href="http://host/#/runs/abc">58.8</a>' in html
    assert 'title="ravdess · A: 58.8 [54.1, 63.2]\nravdess: &lt;B&gt;LSTM\nn = 146"' in html
    assert 'data-v="0.588"' in html


def test_without_an_address_a_cell_names_its_runs():
    cell = Cell(0.588, runs=tuple("abcdef"))
    view = page_table.viewer("", Anchors())(table_of([Row("wa", "ravdess", (cell, "x"))]))
    assert 'title="ravdess · A: 58.8\nruns a b c d and 2 more"' in str(view.groups[0].lines[0].cells)


def test_where_a_row_names_its_runs_no_cell_says_it_again():
    cell = Cell(0.5, runs=(RUNS[1],), n=40, words="ravdess: LSTM")
    table = replace(table_of([Row("", "one", (cell, RUNS[1]))]), ids=("B",))
    view = page_table.viewer("http://host/{run}", Anchors())(table)
    html = str(view.groups[0].lines[0].cells)
    assert html.count(RUNS[1]) == 2  # its address and its text
    assert "title" not in html


def test_ids_of_runs_are_links_where_their_address_is_known_and_other_words_are_not():
    assert run_links(RUNS[:2], "") == " ".join(RUNS[:2])
    link = f'<a href="http://h/{RUNS[1]}?x&amp;y">{RUNS[1]}</a>'
    assert run_links((RUNS[1], "·", "a<", "0123456789abcdef"), "http://h/{run}?x&y") == (
        f"{link} · a&lt; 0123456789abcdef"
    )


def test_wide_tables_are_printed_across_and_wider_ones_smaller():
    def width(columns):
        cells = tuple(Cell(0.5, 0.4, 0.6) for _ in range(columns))
        table = replace(table_of([Row("wa", "name", cells)]), columns=tuple(f"c{n}" for n in range(columns)))
        return page_table.viewer("", Anchors())(table).width

    assert [width(count) for count in (2, 9, 12, 18)] == ["", "", "across", "across small"]


def test_lines_of_a_group_are_a_body_of_their_own_with_the_papers_numbers_below(elements, text):
    assert text.count('<tbody data-metric="wa">') == text.count('<tbody data-metric="ua">') == 1
    body = text.split('<tbody data-metric="wa">')[1].split("</tbody>")[0]
    assert body.count("<tr>") == 2
    assert body.index('class="paper"') < body.index("tess")


def test_what_the_script_draws_is_data_that_cannot_end_its_element():
    content = content_of()
    evil = replace(content.confusions[0], title="</script><script>alert(1)</script>")
    text = page(replace(content, confusions=(evil,)))
    assert "<script>alert" not in text
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1])
    assert data["confusions"][0]["title"] == evil.title
    assert data["confusions"][0]["counts"] == content.confusions[0].counts.tolist()
    assert data["curves"][0]["values"] == {"train/loss": [1.5, 1.0, None], "val/loss": [1.6, 1.2, 1.4]}


def test_the_page_fetches_nothing(text):
    assert not re.search(r"https?:|//www|@import|url\((?!#)", text)
    assert not Elements(text).of("link", "iframe", "img")
    assert "http" not in script()


def figure_with_marks(values):
    figure = Figure(figsize=(3, 2), layout="constrained")
    axes = figure.subplots()
    (dots,) = axes.plot(range(len(values)), values, "o", label="LSTM")
    marks.put(dots, [marks.Mark(f"<{n}>\nUA", (f"run{n}",)) for n, v in enumerate(values) if not np.isnan(v)], ["LSTM"])
    (bar,) = axes.bar([0], [1], label="plain")
    marks.put(bar, [marks.Mark("a bar")])
    axes.legend()
    return figure


def test_every_dot_of_a_figure_says_what_it_is_of():
    png, svg, file = rendering.draw(figure_with_marks([0.1, float("nan"), 0.3]), "f", "words")
    assert b"<title>&lt;0&gt;" in file
    said = re.findall(r'<g class="mark" data-runs="(\w+)"><title>([^<]*)</title><use [^>]*/></g>', svg)
    assert said == [("run0", "&lt;0&gt;\nUA"), ("run2", "&lt;2&gt;\nUA")]
    assert '<g class="marks mark"><title>a bar</title>' in svg
    assert svg.count('<g class="legend-entry" data-series="LSTM">') == 2  # its sign and its name
    assert svg.count('data-series="LSTM"') == 3
    assert svg.count("<g") == svg.count("</g>")
    plain = figure_with_marks([0.1, float("nan"), 0.3])
    for artist in plain.findobj(lambda each: each.get_gid()):
        artist.set_gid(None)
    assert rendering.draw(plain, "f", "words").png == png


def test_ids_that_nothing_refers_to_are_left_out_of_a_figure():
    svg = rendering.draw(figure_with_marks([0.1, 0.2]), "f", "words").element
    ids = re.findall(r' id="([^"]+)"', svg)
    assert ids
    assert all(f"#{name}" in svg for name in ids)

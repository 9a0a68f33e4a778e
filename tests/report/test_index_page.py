"""The index of reports: what each report's summary says, by hand; damaged and hostile files stop nothing."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from ser.report import index_page
from ser.report.content import Content
from ser.report.provenance import Fact
from ser.report.summary import NAME, summaries, summary_json
from ser.runs.progress import Best

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BEST = Best("emodb", "UA", 0.612, "E · lstm", "t1", "r1")
HOSTILE = "<script>alert('x')</script>"


def content(study, **changes):
    values = {"best": (BEST,), "badges": ("mode paper",), "written_by": "0.1.0+abc"} | changes
    recorded = (Fact("Seeds", (("0", 3), ("1", 2))),)
    return Content(study, f"Title of {study}", "", False, "E = emodb", 2, 3, 4, (), (), recorded=recorded, **values)


def put(reports, study, hours=0, **changes):
    folder = reports / study
    folder.mkdir(parents=True)
    (folder / NAME).write_text(summary_json(content(study, **changes), NOW - timedelta(hours=hours)))
    (folder / "report.html").write_text("")
    (folder / "tables.csv").write_text("")


def test_a_summary_is_read_as_it_was_written_the_last_written_first(tmp_path):
    put(tmp_path, "first", hours=2)
    put(tmp_path, "second", best=())
    second, first = summaries(tmp_path)
    assert (first.study, first.state, first.best, first.badges) == ("first", "3 of 4 trials", (BEST,), ("mode paper",))
    assert (second.folder, second.best, second.written) == ("second", (), "2026-03-01T12:00:00Z")
    assert json.loads((tmp_path / "first" / NAME).read_text())["recorded"] == ["Seeds: 0 (3 runs); 1 (2 runs)"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"study": 1}', '{"best": [{}]}'])
def test_a_file_that_is_no_summary_is_passed_by(tmp_path, text):
    put(tmp_path, "first")
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / NAME).write_text(text)
    (tmp_path / "empty").mkdir()
    assert [one.study for one in summaries(tmp_path)] == ["first"]


def test_the_index_links_reports_files_and_runs_and_names_what_has_no_report(tmp_path, accessible):
    put(tmp_path, "first", hours=2)
    path = index_page.write(tmp_path, {"first": "1", "bare": "2"}, "http://127.0.0.1:5000")
    assert path == tmp_path / "index.html"
    page = path.read_text()
    assert re.findall(r'href="(first/[^"]+)"', page) == ["first/report.html", "first/tables.csv"]
    assert "http://127.0.0.1:5000/#/experiments/1/runs" in page
    assert "http://127.0.0.1:5000/#/experiments/2/runs" in page
    assert "<code>ser report bare</code>" in page
    assert "<b>61.2 % UA</b>" in page
    assert 'href="live"' not in page
    accessible(path)


def test_served_it_links_to_the_same_server_and_says_how_old_reports_are(tmp_path):
    put(tmp_path, "first", hours=2)
    page = index_page.page(tmp_path, {"first": "1"}, index_page.Place("reports/", "..", "live"), NOW)
    assert 'href="reports/first/report.html"' in page
    assert 'href="../#/experiments/1/runs' in page
    assert 'href="live"' in page
    assert "2026-03-01 10:00 UTC" in page


def test_what_is_hostile_is_text(tmp_path):
    best = (Best(HOSTILE, HOSTILE, 0.5, HOSTILE, "", ""),)
    put(tmp_path, "first", best=best, badges=(HOSTILE,), written_by=HOSTILE)
    page = index_page.page(tmp_path, {HOSTILE: "1'\"<"}, index_page.Place())
    assert HOSTILE not in page
    assert page.count("&lt;script&gt;alert") >= 6


def test_without_reports_it_says_how_to_write_some(tmp_path):
    assert "ser report" in index_page.page(tmp_path, {}, index_page.Place())

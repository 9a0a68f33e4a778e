"""Figures that forked processes draw are those that the report would draw itself, whatever becomes of a process."""

import multiprocessing
import os
import re
import signal
from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure

from ser.report import rendering


def figure(bars):
    made = Figure(figsize=(3, 2), layout="constrained")
    axes = made.subplots()
    axes.bar(range(bars), range(bars))
    axes.set_title("bars of $ and _")
    return made


@pytest.fixture
def forks(monkeypatch):
    """As in ``ser report``: nothing here has threads that draw."""
    monkeypatch.setattr(rendering, "_may_fork", lambda: True)
    monkeypatch.setattr(rendering.os, "sched_getaffinity", lambda _: range(3))


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("count", [1, 2, 7])
def test_figures_of_several_processes_are_the_same(forks, count):
    with rendering.batched():
        begun = [rendering.begin(figure(bars), f"p{bars}", "words") for bars in range(1, count + 1)]
        forms = [each() for each in begun]
        vectors = [each.pdf() for each in begun]
        assert rendering.begin(figure(9), "later", "words")() == rendering.draw(figure(9), "later", "words")
        assert [each() for each in begun] == forms  # asked for twice
    alone = [rendering.begin(figure(bars), f"p{bars}", "words") for bars in range(1, count + 1)]
    assert forms == [each() for each in alone]
    assert vectors == [each.pdf() for each in alone]
    assert all(form.png.startswith(b"\x89PNG") and form.element.startswith("<svg") for form in forms)
    assert not multiprocessing.active_children()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_figures_of_a_process_that_dies_are_drawn_here(forks, monkeypatch):
    monkeypatch.setattr(rendering, "_send", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    with rendering.batched():
        begun = [rendering.begin(figure(3), name, "words") for name in "abc"]
        assert [each() for each in begun] == [rendering.draw(figure(3), name, "words") for name in "abc"]
        assert len({each.pdf() for each in begun}) == 1


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_processes_of_a_report_that_is_not_written_are_ended(forks):
    with rendering.batched():
        begun = [rendering.begin(figure(bars), "p", "words") for bars in (2, 3)]
        begun[0]()
        assert multiprocessing.active_children()  # which draw PDF files
    assert not multiprocessing.active_children()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_no_process_is_left_where_a_figure_cannot_be_drawn(forks, monkeypatch):
    monkeypatch.setattr(rendering, "draw", lambda *_: 1 / 0)
    with rendering.batched():
        begun = [rendering.begin(figure(count), "p", "words") for count in (2, 3)]
        with pytest.raises(ZeroDivisionError):
            begun[0]()
    assert not multiprocessing.active_children()


def test_nothing_is_forked_outside_or_beside_threads_of_torch(monkeypatch):
    monkeypatch.setattr(rendering, "_Child", lambda *_: pytest.fail("forked"))
    rendering.begin(figure(2), "p", "words")()
    monkeypatch.setitem(rendering.sys.modules, "torch", rendering)
    with rendering.batched():
        begun = [rendering.begin(figure(count), "p", "words") for count in (2, 3)]
        assert begun[1]() == rendering.draw(figure(3), "p", "words")


def test_files_stand_alone_and_say_nothing_of_when_they_were_made():
    drawing = rendering.begin(figure(3), "p", "words")
    svg, pdf = drawing().svg, drawing.pdf()
    root = ElementTree.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert {"width", "height"} <= root.attrib.keys()
    assert "bars of $ and _" in {text.text for text in root.iter("{http://www.w3.org/2000/svg}text")}
    assert pdf.startswith(b"%PDF")
    assert b"/FontFile2" in pdf  # TrueType, inside
    assert b"/Subtype /Type3" not in pdf
    for data in (svg, pdf):
        assert not re.search(rb"20\d\d-|Date|Matplotlib v|/home|/root|/work", data)
        assert rendering.MARK in data


def test_letters_that_the_small_font_lacks_come_from_the_whole_one():
    made = Figure()
    made.text(0.1, 0.5, "Ἀ é μ я ☃")
    bold = Figure()
    bold.text(0.1, 0.5, "bold", weight="bold")
    names = [
        re.findall(rb"/FontName /[A-Z]+.(\S+)", rendering.begin(each, "p", "words").pdf()) for each in (made, bold)
    ]
    assert set(names[0]) == {b"DejaVuSansReport", b"DejaVuSans"}
    assert set(names[1]) == {b"DejaVuSans-Bold"}

"""Figures that forked processes draw are those that the report would draw itself, whatever becomes of a process."""

import multiprocessing
import os
import re
import signal
from functools import partial
from xml.etree import ElementTree

import pytest
from matplotlib import rc_context, rcParams
from matplotlib.figure import Figure

from ser.report import drawing, rendering
from ser.report.forms import MARK


def figure(bars):
    made = Figure(figsize=(3, 2), layout="constrained")
    axes = made.subplots()
    axes.bar(range(bars), range(bars))
    axes.set_title("bars of $ and _")
    return made


def begin(bars, name="p"):
    return drawing.begin(partial(figure, bars), name, "words")


def drawn_here(bars, name):
    with rendering.plain_style():
        return rendering.draw(rendering.built(partial(figure, bars)), name, "words")


@pytest.fixture
def forks(monkeypatch):
    """As in ``ser report``: nothing here has threads that draw."""
    monkeypatch.setattr(drawing, "_may_fork", lambda: True)
    monkeypatch.setattr(drawing.os, "sched_getaffinity", lambda _: range(3))


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("count", [1, 2, 7])
def test_figures_of_several_processes_are_the_same(forks, count):
    with drawing.batched():
        begun = [begin(bars, f"p{bars}") for bars in range(1, count + 1)]
        forms = [each() for each in begun]
        vectors = [each.pdf() for each in begun]
        assert begin(9, "later")() == drawn_here(9, "later")
        assert [each() for each in begun] == forms  # asked for twice
    alone = [begin(bars, f"p{bars}") for bars in range(1, count + 1)]
    assert forms == [each() for each in alone]
    assert vectors == [each.pdf() for each in alone]
    assert all(form.png.startswith(b"\x89PNG") and form.element.startswith("<svg") for form in forms)
    assert not multiprocessing.active_children()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_figures_of_a_process_that_dies_are_drawn_here(forks, monkeypatch):
    def dies(_, queue, drawings):
        os.read(queue, 2)  # the figure that it was to draw is nobody else's
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(drawing, "_send", dies)
    with drawing.batched() as batch:
        begun = [begin(3, name) for name in "abcd"]
        batch.start()
        assert [each() for each in begun] == [drawn_here(3, name) for name in "abcd"]
        assert len({each.pdf() for each in begun}) == 1


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_processes_of_a_report_that_is_not_written_are_ended(forks):
    with drawing.batched() as batch:
        [begin(bars) for bars in (2, 3)]
        batch.start()
        assert multiprocessing.active_children()
    assert not multiprocessing.active_children()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_no_process_is_left_where_a_figure_cannot_be_drawn(forks, monkeypatch):
    monkeypatch.setattr(rendering, "draw", lambda *_: 1 / 0)
    with drawing.batched():
        begun = [begin(count) for count in (2, 3)]
        with pytest.raises(ZeroDivisionError):
            begun[0]()
    assert not multiprocessing.active_children()


def test_nothing_is_forked_outside_or_beside_threads_of_torch(monkeypatch):
    monkeypatch.setattr(drawing, "_Child", lambda *_: pytest.fail("forked"))
    begin(2)()
    monkeypatch.setitem(drawing.sys.modules, "torch", rendering)
    with drawing.batched():
        begun = [begin(count) for count in (2, 3)]
        assert begun[1]() == drawn_here(3, "p")


def test_files_stand_alone_and_say_nothing_of_when_they_were_made():
    begun = begin(3)
    svg, pdf = begun().svg, begun.pdf()
    root = ElementTree.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert {"width", "height"} <= root.attrib.keys()
    assert "bars of $ and _" in {text.text for text in root.iter("{http://www.w3.org/2000/svg}text")}
    assert pdf.startswith(b"%PDF")
    assert b"/FontFile2" in pdf  # TrueType, inside
    assert b"/Subtype /Type3" not in pdf
    for data in (svg, pdf):
        assert not re.search(rb"20\d\d-|Date|Matplotlib v|/home|/root|/work", data)
        assert MARK in data


def test_letters_that_the_small_font_lacks_come_from_the_whole_one():
    made = Figure()
    made.text(0.1, 0.5, "Ἀ é μ я ☃")
    bold = Figure()
    bold.text(0.1, 0.5, "bold", weight="bold")
    files = [drawing.begin(lambda made=each: made, "p", "words").pdf() for each in (made, bold)]
    names = [re.findall(rb"/FontName /[A-Z]+.(\S+)", file) for file in files]
    assert set(names[0]) == {b"DejaVuSansReport", b"DejaVuSans"}
    assert set(names[1]) == {b"DejaVuSans-Bold"}


def test_figures_heed_no_matplotlibrc():
    plain = begin(3)
    with rc_context({"text.usetex": True, "lines.linewidth": 9}):  # without LaTeX the first is an error
        other = begin(3)
        forms, vector = other(), other.pdf()
        assert rcParams["text.usetex"]
    assert (forms, vector) == (plain(), plain.pdf())

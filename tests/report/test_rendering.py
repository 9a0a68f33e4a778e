"""Figures that forked processes draw are those that the report would draw itself, whatever becomes of a process."""

import os
import signal

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


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_many_figures_are_the_same_beside_the_report(forks):
    with rendering.beside():
        begun = [rendering.begin(figure(count), f"p{count}", "words") for count in range(1, 8)]
        drawn = [each() for each in begun]
        assert [each() for each in begun] == drawn  # asked for twice
    assert drawn == [rendering.draw(figure(count), f"p{count}", "words") for count in range(1, 8)]
    assert all(png.startswith(b"\x89PNG") and svg.startswith("<svg") for png, svg in drawn)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_figure_whose_process_dies_is_drawn_here(forks, monkeypatch):
    monkeypatch.setattr(rendering, "_send", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    with rendering.beside():
        drawn = rendering.begin(figure(3), "p", "words")()
    assert drawn == rendering.draw(figure(3), "p", "words")


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_no_process_is_left_of_figures_that_nobody_asks_for(forks):
    with rendering.beside():
        children = [rendering.begin(figure(count), "p", "words") for count in (2, 3)]
    assert not any(child._process.is_alive() for child in children)


def test_nothing_is_forked_outside_or_beside_threads_of_torch(forks, monkeypatch):
    monkeypatch.setattr(rendering, "_Child", lambda *_: pytest.fail("forked"))
    rendering.begin(figure(2), "p", "words")()
    monkeypatch.undo()
    monkeypatch.setitem(rendering.sys.modules, "torch", rendering)
    assert not rendering._may_fork()

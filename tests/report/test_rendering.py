"""Figures that forked processes draw are those that the report would draw itself, whatever becomes of a process."""

import multiprocessing
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
    monkeypatch.setattr(rendering.os, "sched_getaffinity", lambda _: range(3))


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("count", [1, 2, 7])
def test_figures_of_several_processes_are_the_same(forks, count):
    with rendering.batched():
        begun = [rendering.begin(figure(bars), f"p{bars}", "words") for bars in range(1, count + 1)]
        forms = [each() for each in begun]
        assert rendering.begin(figure(9), "later", "words")() == rendering.draw(figure(9), "later", "words")
        assert [each() for each in begun] == forms  # asked for twice
    assert forms == [rendering.draw(figure(bars), f"p{bars}", "words") for bars in range(1, count + 1)]
    assert all(png.startswith(b"\x89PNG") and svg.startswith("<svg") for png, svg in forms)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_figures_of_a_process_that_dies_are_drawn_here(forks, monkeypatch):
    monkeypatch.setattr(rendering, "_send", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    with rendering.batched():
        begun = [rendering.begin(figure(3), name, "words") for name in "abc"]
        assert [each() for each in begun] == [rendering.draw(figure(3), name, "words") for name in "abc"]


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

"""A figure as PNG and as SVG, drawn once for each; the figures of a report by several processes, where these may fork.

A report asks for its figures while it makes its tables, and needs their bytes when it writes: then all that wait are
drawn, some by forked processes. One process for each would cost more: fonts are measured anew in every one.
"""

import io
import multiprocessing
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from html import escape
from multiprocessing.connection import Connection

from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from ser.metrics.confusion import INK  # in SVG it becomes the colour of the page's text

Forms = tuple[bytes, str]  # PNG, and an SVG element

_DPI = 130  # of the PNG
_THREADED = ("torch", "ray", "mlflow")  # their threads do not survive a fork, and may hold locks
_MOST = 4  # processes
_waiting: ContextVar[list["_Waiting"] | None] = ContextVar("waiting", default=None)


@contextmanager
def batched() -> Iterator[None]:
    """Inside, figures wait until one of them is asked for, and all are drawn then; outside, each at once."""
    token = _waiting.set([])
    try:
        yield
    finally:
        _waiting.reset(token)


def begin(figure: Figure, name: str, caption: str) -> Callable[[], Forms]:
    """Returns what gives the bytes of a figure, which must not be changed any more.

    ``name`` makes the ids inside the SVG, ``caption`` is its text for those who cannot see it.
    """
    waiting = _waiting.get()
    if waiting is None:
        forms = draw(figure, name, caption)
        return lambda: forms
    waiting.append(_Waiting(figure, name, caption, waiting))
    return waiting[-1]


def draw(figure: Figure, name: str, caption: str) -> Forms:
    """Returns the figure in both forms; the same figure gives the same bytes.

    ``Figure.savefig`` would draw twice for each form: it looks for the layout again, which the PNG has already found.
    """
    png, svg, dpi = io.BytesIO(), io.BytesIO(), figure.dpi
    figure.set_dpi(_DPI)
    FigureCanvasAgg(figure).print_png(png)
    figure.set_dpi(dpi)
    figure.set_layout_engine("none")
    figure.patch.set_visible(False)
    for axes in figure.axes:
        axes.patch.set_visible(False)
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):  # text stays text; equal pictures, equal bytes
        FigureCanvasSVG(figure).print_svg(svg, metadata={"Date": None})
    return png.getvalue(), _inline(svg.getvalue().decode(), caption)


def _may_fork() -> bool:
    alone = threading.active_count() == 1 and not any(name in sys.modules for name in _THREADED)
    return sys.platform == "linux" and alone


class _Waiting:
    """A figure that is drawn when it, or another of those that wait, is asked for."""

    def __init__(self, figure: Figure, name: str, caption: str, every: list["_Waiting"]) -> None:
        self._what, self._every = (figure, name, caption), every
        self.area = float(figure.bbox.width * figure.bbox.height)
        self.forms: Forms | None = None

    def __call__(self) -> Forms:
        if self.forms is None:
            _draw_all([each for each in self._every if each.forms is None])
        assert self.forms is not None
        return self.forms

    def draw(self) -> Forms:
        self.forms = self.forms or draw(*self._what)
        return self.forms


def _draw_all(figures: Sequence[_Waiting]) -> None:
    """Draws figures by as many processes as there are processors, this one among them."""
    count = min(len(os.sched_getaffinity(0)), len(figures), _MOST) if _may_fork() else 1
    largest_first = sorted(figures, key=lambda each: -each.area)
    children = [_Child(largest_first[place::count]) for place in range(1, count)]
    try:
        for figure in largest_first[::count]:
            figure.draw()
        for child in children:
            child.collect()
    finally:
        for child in children:
            child.end()
    for figure in figures:  # of a process that failed: here, where an error can be read
        figure.draw()


class _Child:
    """A forked process that draws some figures."""

    def __init__(self, figures: Sequence[_Waiting]) -> None:
        self._figures = figures
        self._connection, sending = multiprocessing.Pipe(duplex=False)
        self._process = multiprocessing.get_context("fork").Process(target=_send, args=(sending, figures))
        self._process.start()
        sending.close()

    def collect(self) -> None:
        """Gives the figures their forms, if the process has not failed."""
        with suppress(EOFError, OSError):
            for figure, forms in zip(self._figures, self._connection.recv(), strict=True):
                figure.forms = forms

    def end(self) -> None:
        """Ends the process, which has sent all, or whose figures nobody needs."""
        self._connection.close()
        self._process.kill()
        self._process.join()


def _send(connection: Connection, figures: Sequence[_Waiting]) -> None:
    sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 (open until the process ends)
    connection.send([figure.draw() for figure in figures])


def _inline(svg: str, caption: str) -> str:
    """The SVG element alone: without prologue, metadata, name spaces, fixed size; black is the page's text colour."""
    element = svg[svg.index("<svg") :]
    element = re.sub(r"<metadata>.*?</metadata>", "", element, flags=re.DOTALL)
    element = re.sub(r'\s+xmlns(:\w+)?="[^"]*"', "", element)
    element = element.replace("xlink:href", "href").replace(INK, "currentColor")
    element = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font: \1 system-ui, sans-serif", element)
    opening = re.sub(r'\s(width|height)="[^"]*"', "", element[: element.index(">")])
    return f'{opening} role="img" aria-label="{escape(caption)}"{element[element.index(">") :]}'

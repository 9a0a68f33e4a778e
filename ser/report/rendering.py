"""A figure as PNG and as SVG, drawn once for each: beside the report where processes may be forked, else at once.

A report asks for its figures while it makes its tables, and needs their bytes when it writes. Between both, a forked
process draws each, so that a second processor has something to do.
"""

import io
import multiprocessing
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
_waiting: ContextVar[list["_Child"] | None] = ContextVar("waiting", default=None)


@contextmanager
def beside() -> Iterator[None]:
    """Inside, figures are drawn by forked processes, at most one for each processor; ends those nobody asked for."""
    token = _waiting.set([] if _may_fork() else None)
    try:
        yield
    finally:
        children = _waiting.get() or []
        _waiting.reset(token)
        for child in children:
            child.end()


def begin(figure: Figure, name: str, caption: str) -> Callable[[], Forms]:
    """Begins to draw a figure, which must not be changed any more; returns what gives its bytes, at any time later.

    ``name`` makes the ids inside the SVG, ``caption`` is its text for those who cannot see it.
    """
    children = _waiting.get()
    if children is None:
        forms = draw(figure, name, caption)
        return lambda: forms
    busy = [child for child in children if not child.is_done]
    if len(busy) >= len(os.sched_getaffinity(0)):
        busy[0]()
    children.append(_Child(figure, name, caption))
    return children[-1]


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
    return sys.platform == "linux" and alone and len(os.sched_getaffinity(0)) > 1


class _Child:
    """A forked process that draws one figure. If it fails, the figure is drawn here, where an error can be read."""

    def __init__(self, figure: Figure, name: str, caption: str) -> None:
        self._what = figure, name, caption
        self._forms: Forms | None = None
        self._connection, sending = multiprocessing.Pipe(duplex=False)
        self._process = multiprocessing.get_context("fork").Process(target=_send, args=(sending, *self._what))
        self._process.start()
        sending.close()

    @property
    def is_done(self) -> bool:
        return self._forms is not None

    def __call__(self) -> Forms:
        if self._forms is None:
            try:
                self._forms = self._connection.recv()
            except (EOFError, OSError):
                self._forms = draw(*self._what)
            self.end()
        return self._forms

    def end(self) -> None:
        """Ends the process, which has sent all, or whose figure nobody asked for."""
        self._connection.close()
        self._process.kill()
        self._process.join()


def _send(connection: Connection, figure: Figure, name: str, caption: str) -> None:
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115 (open until the process ends)
    connection.send(draw(figure, name, caption))


def _inline(svg: str, caption: str) -> str:
    """The SVG element alone: without prologue, metadata, name spaces, fixed size; black is the page's text colour."""
    element = svg[svg.index("<svg") :]
    element = re.sub(r"<metadata>.*?</metadata>", "", element, flags=re.DOTALL)
    element = re.sub(r'\s+xmlns(:\w+)?="[^"]*"', "", element)
    element = element.replace("xlink:href", "href").replace(INK, "currentColor")
    element = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font: \1 system-ui, sans-serif", element)
    opening = re.sub(r'\s(width|height)="[^"]*"', "", element[: element.index(">")])
    return f'{opening} role="img" aria-label="{escape(caption)}"{element[element.index(">") :]}'

"""A figure as PNG, SVG and PDF, drawn once for each; those of a report by several processes, where these may fork.

A report asks for its figures while it makes its tables, and needs their bytes when it writes: then all that wait are
drawn, some by forked processes. One process for each would cost more: fonts are measured anew in every one. The PDF
files come last of all: forked processes draw them while the report makes its page.
"""

import io
import multiprocessing
import os
import re
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache
from html import escape
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from matplotlib import font_manager, rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.text import Text

from ser.metrics.confusion import INK  # in SVG it becomes the colour of the page's text
from ser.report import marks


class Forms(NamedTuple):
    """A figure in the forms that are drawn at once."""

    png: bytes
    element: str  # SVG for a page: no prologue, no size, black is the colour of the page's text
    svg: bytes  # a file of its own; text stays text


MARK = b"ser report"  # in SVG and PDF files, so that a later report knows them

_DPI = 130  # of the PNG
_THREADED = ("torch", "ray", "mlflow")  # their threads do not survive a fork, and may hold locks
_MOST = 4  # processes
_waiting: ContextVar[list["Drawing"] | None] = ContextVar("waiting", default=None)


@contextmanager
def batched() -> Iterator[None]:
    """Inside, figures wait until one of them is asked for, and all are drawn then; outside, each at once."""
    every: list[Drawing] = []
    token = _waiting.set(every)
    try:
        yield
    finally:
        _waiting.reset(token)
        for child in {figure.child for figure in every if figure.child}:  # of a report that was not written
            child.end()


def begin(figure: Figure, name: str, caption: str) -> "Drawing":
    """Returns what gives the bytes of a figure, which must not be changed any more.

    ``name`` makes the ids inside the SVG, ``caption`` is its text for those who cannot see it.
    """
    every = _waiting.get()
    drawing = Drawing(figure, name, caption, [] if every is None else every)
    if every is None:
        drawing.draw()
    else:
        every.append(drawing)
    return drawing


def draw(figure: Figure, name: str, caption: str) -> Forms:
    """Returns the figure in both forms; the same figure gives the same bytes.

    ``Figure.savefig`` would draw twice for each form: it looks for the layout again, which the PNG has already found.
    """
    png, svg, dpi = io.BytesIO(), io.BytesIO(), figure.dpi
    figure.set_dpi(_DPI)
    FigureCanvasAgg(figure).print_png(png)
    figure.set_dpi(dpi)
    figure.set_layout_engine("none")
    marks.name_legends(figure)
    figure.patch.set_visible(False)
    for axes in figure.axes:
        axes.patch.set_visible(False)
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):  # text stays text; equal pictures, equal bytes
        FigureCanvasSVG(figure).print_svg(svg, metadata={"Date": None, "Creator": MARK.decode()})
    titled = marks.titled(svg.getvalue().decode())
    return Forms(png.getvalue(), _inline(titled, caption), titled.encode())


def draw_pdf(figure: Figure) -> bytes:
    """Returns a figure that ``draw`` has drawn as PDF; its fonts are inside, and the same figure gives the same bytes.

    Matplotlib cuts what a figure needs out of the whole font: of this one, which has fewer letters and no rules for
    them, that takes a tenth of the time.
    """
    from matplotlib.backends.backend_pdf import FigureCanvasPdf  # takes a fifth of a second, best in another process

    for text in figure.findobj(Text):
        if (
            text.get_fontweight() in ("normal", 400) and text.get_fontstyle() == "normal"
        ):  # of others there is no such file
            text.set_fontfamily([_small_font(), *_family(text)])
    out = io.BytesIO()
    with rc_context({"pdf.fonttype": 42}):  # TrueType: publishers refuse Matplotlib's own kind
        facts = {"CreationDate": None, "Creator": MARK.decode(), "Producer": None}
        FigureCanvasPdf(figure).print_pdf(out, metadata=facts)
    return out.getvalue()


def _family(text: Text) -> list[str]:
    """The fonts of a text, which has those of a second drawing too where it was drawn before."""
    return [name for name in text.get_fontfamily() if name != _small_font()]


@cache
def _small_font() -> str:
    """The name of DejaVu Sans with Latin, Greek and Cyrillic letters and some signs alone, without kerning."""
    file = Path(__file__).parent / "fonts" / "DejaVuSansReport.ttf"
    font_manager.fontManager.addfont(file)
    return font_manager.FontProperties(fname=file).get_name()


def _may_fork() -> bool:
    alone = threading.active_count() == 1 and not any(name in sys.modules for name in _THREADED)
    return sys.platform == "linux" and alone


class Drawing:
    """A figure that is drawn when it, or another of those that wait, is asked for."""

    def __init__(self, figure: Figure, name: str, caption: str, every: list["Drawing"]) -> None:
        self._what, self._every = (figure, name, caption), every
        self.area = float(figure.bbox.width * figure.bbox.height)
        self.forms: Forms | None = None
        self.vector: bytes | None = None
        self.child: _Child | None = None  # that draws the PDF file
        self._is_here = False  # whether this process has drawn it, and knows where everything lies

    def __call__(self) -> Forms:
        """Returns the forms; waits until they are drawn."""
        if self.forms is None:
            _draw_all([each for each in self._every if each.forms is None])
        assert self.forms is not None
        return self.forms

    def pdf(self) -> bytes:
        """Returns the bytes of a PDF file; waits until it is drawn."""
        self()
        if self.vector is None and self.child is not None:
            self.child.collect_vectors()
        return self.draw_pdf()

    def draw(self) -> Forms:
        """Draws the figure in this process, if no other has."""
        if self.forms is None:
            self.forms, self._is_here = draw(*self._what), True
        return self.forms

    def draw_pdf(self) -> bytes:
        """Draws the PDF file in this process, if no other has."""
        if self.vector is None:
            if not self._is_here:
                draw(*self._what)
            self.vector = draw_pdf(self._what[0])
        return self.vector


def _draw_all(figures: Sequence[Drawing]) -> None:
    """Draws figures by as many processes as there are processors, this one among them, and has PDF files begun."""
    count = min(len(os.sched_getaffinity(0)), len(figures), _MOST) if _may_fork() else 1
    largest_first = sorted(figures, key=lambda each: -each.area)
    children = [_Child(largest_first[place::count]) for place in range(1, count)]
    try:
        for figure in largest_first[::count]:
            figure.draw()
        for child in children:
            child.collect()
    except BaseException:
        for child in children:
            child.end()
        raise
    for figure in figures:  # of a process that failed: here, where an error can be read
        figure.draw()
    if count > 1:
        _Child(largest_first[::count]).collect()  # which only draws the PDF files, as it has all else


class _Child:
    """A forked process that draws some figures: what is missing of the forms first, then the PDF files."""

    def __init__(self, figures: Sequence[Drawing]) -> None:
        self._figures = figures
        self._connection, sending = multiprocessing.Pipe(duplex=False)
        self._process = multiprocessing.get_context("fork").Process(target=_send, args=(sending, figures))
        self._process.start()
        sending.close()
        for figure in figures:
            figure.child = self

    def collect(self) -> None:
        """Gives the figures their forms, if the process has not failed."""
        with suppress(EOFError, OSError):
            for figure, forms in zip(self._figures, self._connection.recv(), strict=True):
                figure.forms = forms

    def collect_vectors(self) -> None:
        """Gives the figures their PDF files, if the process has not failed, and ends it."""
        with suppress(EOFError, OSError):
            for figure, vector in zip(self._figures, self._connection.recv(), strict=True):
                figure.vector = vector
        self.end()

    def end(self) -> None:
        """Ends the process, which has sent all, or whose figures nobody needs."""
        self._connection.close()
        self._process.kill()
        self._process.join()
        for figure in self._figures:
            figure.child = None


def _send(connection: Connection, figures: Sequence[Drawing]) -> None:
    sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 (open until the process ends)
    connection.send([figure.draw() for figure in figures])
    connection.send([figure.draw_pdf() for figure in figures])


def _inline(svg: str, caption: str) -> str:
    """The SVG element alone: without prologue, metadata, name spaces, fixed size; black is the page's text colour."""
    element = svg[svg.index("<svg") :]
    element = re.sub(r"<metadata>.*?</metadata>", "", element, flags=re.DOTALL)
    element = re.sub(r'\s+xmlns(:\w+)?="[^"]*"', "", element)
    element = element.replace("xlink:href", "href").replace(INK, "currentColor")
    element = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font: \1 system-ui, sans-serif", element)
    element = re.sub(r"font-family: [^;\"]*;? ?", "", element)  # the page's own
    element = re.sub(r' (d|x|y|transform)="[^"]*"', _rounded, re.sub(r">\s+<", "><", element))
    opening = re.sub(r'\s(width|height)="[^"]*"', "", element[: element.index(">")])
    return f'{opening} role="img" aria-label="{escape(caption)}"{element[element.index(">") :]}'


def _rounded(attribute: re.Match[str]) -> str:
    """Places to a hundredth of a point, which no eye can tell apart, in half the letters."""
    return re.sub(r"\s+", " ", re.sub(r"(\.\d\d)\d+", r"\1", attribute[0])).replace(' z "', ' z"')

"""Figures that are drawn when they are asked for; those of a report by several processes, where these may fork.

A report names its figures while it makes its tables, and needs their bytes when it writes. Those that its folder has
already, of the same recipes, are taken from there; the others are drawn by forked processes while the report goes on,
and by this one once it waits. One process for each would cost more: fonts are measured anew in every one.
"""

import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from ser.report.figure_files import FigureFiles, key_of
from ser.report.forms import Forms

if TYPE_CHECKING:  # Matplotlib takes half a second to import
    from matplotlib.figure import Figure

    Recipe = Callable[[], Figure]

_THREADED = ("torch", "ray", "mlflow")  # their threads do not survive a fork, and may hold locks
_MOST = 4  # processes
_PLACE = 2  # bytes that say which figure a process is to draw next
_batch: ContextVar["Batch | None"] = ContextVar("batch", default=None)


@contextmanager
def batched(folder: Path | None = None) -> Iterator["Batch"]:
    """Inside, figures wait for each other; outside, each is drawn alone. ``folder``: where figures may be already."""
    batch = Batch(folder)
    token = _batch.set(batch)
    try:
        yield batch
    finally:
        _batch.reset(token)
        batch.end()


def begin(recipe: "Recipe", name: str, caption: str) -> "Drawing":
    """Returns what gives the bytes of the figure that ``recipe`` makes.

    ``name`` makes the ids inside the SVG, ``caption`` is its text for those who cannot see it. A recipe that is a
    partial of a function of this package is known again by its values.
    """
    batch = _batch.get()
    drawing = Drawing(recipe, name, caption, batch)
    if batch is not None:
        batch.drawings.append(drawing)
    return drawing


class Drawing:
    """A figure that is drawn when it, or another of its batch, is asked for."""

    def __init__(self, recipe: "Recipe", name: str, caption: str, batch: "Batch | None" = None) -> None:
        self.recipe, self.name, self.caption, self._batch = recipe, name, caption, batch
        self.forms: Forms | None = None
        self.vector: bytes | None = None
        self.key = ""  # by which the folder's files are known; "" = drawn each time
        self._figure: Figure | None = None  # drawn by this process: it knows where everything lies

    def __call__(self) -> Forms:
        """Returns the forms; waits until they are drawn."""
        if self.forms is None and self._batch is not None:
            self._batch.draw()
        return self.draw()

    def pdf(self) -> bytes:
        """Returns the bytes of a PDF file; waits until it is drawn."""
        self()
        return self.draw_pdf()

    def draw(self) -> Forms:
        """Draws the figure in this process, if no other has."""
        if self.forms is None:
            self.forms = self._rendered()[1]
        return self.forms

    def draw_pdf(self) -> bytes:
        """Draws the PDF file in this process, if no other has."""
        if self.vector is None:
            from ser.report import rendering

            figure = self._figure or self._rendered()[0]
            with rendering.plain_style():
                self.vector = rendering.draw_pdf(figure)
        return self.vector

    def _rendered(self) -> "tuple[Figure, Forms]":
        from ser.report import rendering

        with rendering.plain_style():
            figure = rendering.built(self.recipe)
            forms = rendering.draw(figure, self.name, self.caption)
        self._figure = figure
        return figure, forms


class Batch:
    """The figures of a report."""

    def __init__(self, folder: Path | None = None) -> None:
        self.drawings: list[Drawing] = []
        self._files = FigureFiles(folder)
        self._examined: list[Drawing] = []  # that have been looked for in the folder
        self._queue = -1  # of places among those that wait; whoever reads one draws that figure
        self._waiting: list[Drawing] = []
        self._children: list[_Child] = []

    def start(self) -> None:
        """Takes figures from the folder, and lets forked processes begin with the others."""
        new = [each for each in self.drawings if each not in self._examined]
        self._examined += new
        for each in new:
            each.key = key_of(each.recipe, each.name)
            if earlier := self._files.find(each.key, each.caption):
                each.forms, each.vector = earlier
        self._waiting = [each for each in new if each.forms is None]
        count = min(len(os.sched_getaffinity(0)), len(self._waiting), _MOST) if _may_fork() else 1
        if count > 1:
            from ser.report import rendering  # noqa: F401 (Matplotlib: once for all processes)

            self._queue = _queue_of(len(self._waiting))
            self._children = [_Child(self._queue, self._waiting) for _ in range(1, count)]

    def draw(self) -> None:
        """Draws all that wait, and takes what other processes have drawn."""
        if len(self._examined) < len(self.drawings) and not self._children:
            self.start()
        if self._children:
            _draw_claimed(self._queue, self._waiting)
            for child in self._children:
                child.collect(self._waiting)
            self.end()
        for each in self.drawings:  # those of a process that failed, too: here, where an error can be read
            each.draw()

    def end(self) -> None:
        """Ends the processes, which have sent all, or whose figures nobody needs."""
        for child in self._children:
            child.end()
        if self._queue >= 0:
            os.close(self._queue)
        self._children, self._queue = [], -1


def _may_fork() -> bool:
    alone = threading.active_count() == 1 and not any(name in sys.modules for name in _THREADED)
    return sys.platform == "linux" and alone


def _queue_of(count: int) -> int:
    """A pipe from which every place below ``count`` can be read once, by whoever comes first."""
    reading, writing = os.pipe()
    os.write(writing, b"".join(place.to_bytes(_PLACE) for place in range(count)))
    os.close(writing)
    return reading


def _draw_claimed(queue: int, drawings: Sequence[Drawing]) -> list[int]:
    """Draws figures that no other process draws until none is left; returns their places."""
    places = []
    while claim := os.read(queue, _PLACE):
        places.append(int.from_bytes(claim))
        drawings[places[-1]].draw()
        drawings[places[-1]].draw_pdf()
    return places


class _Child:
    """A forked process that draws some figures."""

    def __init__(self, queue: int, drawings: Sequence[Drawing]) -> None:
        self._connection, sending = multiprocessing.Pipe(duplex=False)
        self._process = multiprocessing.get_context("fork").Process(target=_send, args=(sending, queue, drawings))
        self._process.start()
        sending.close()

    def collect(self, drawings: Sequence[Drawing]) -> None:
        """Gives figures what the process has drawn, if it has not failed."""
        with suppress(EOFError, OSError):
            for place, forms, vector in self._connection.recv():
                drawings[place].forms, drawings[place].vector = forms, vector

    def end(self) -> None:
        """Ends the process, whatever it does."""
        self._connection.close()
        self._process.kill()
        self._process.join()


def _send(connection: Connection, queue: int, drawings: Sequence[Drawing]) -> None:
    sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 (open until the process ends)
    places = _draw_claimed(queue, drawings)
    connection.send([(place, drawings[place].forms, drawings[place].vector) for place in places])

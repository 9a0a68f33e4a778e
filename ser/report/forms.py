"""The forms of a figure, and how an SVG file becomes an element of a page. Without Matplotlib."""

import re
from html import escape
from typing import NamedTuple

from ser.metrics.confusion import INK  # in SVG it becomes the colour of the page's text

MARK = b"ser report"  # in SVG and PDF files, so that a later report knows them


class Forms(NamedTuple):
    """A figure in the forms that a page and a folder need; a PDF file is drawn apart."""

    png: bytes
    element: str  # SVG for a page: no prologue, no size, black is the colour of the page's text
    svg: bytes  # a file of its own; text stays text


def inline(svg: str, caption: str) -> str:
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

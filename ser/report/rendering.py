"""A figure as PNG, SVG and PDF, laid out once and drawn once for each: whatever a report's figures need of Matplotlib.

It takes half a second to import, which a report does without whose figures are in its folder already.
"""

import io
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path

from matplotlib import font_manager, rc_context, style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.text import Text

from ser.report import marks
from ser.report.forms import MARK, Forms, inline

_DPI = 130  # of the PNG


def plain_style() -> AbstractContextManager[None]:
    """Makes figures look the same for everybody: a ``matplotlibrc`` may ask for LaTeX, or for other fonts."""
    return style.context("default")


def built(recipe: Callable[[], Figure]) -> Figure:
    """Returns a recipe's figure, in which a dollar sign of a name is one, and not the start of a formula."""
    figure = recipe()
    for text in figure.findobj(Text):
        text.set_parse_math(False)
    return figure


def draw(figure: Figure, name: str, caption: str) -> Forms:
    """Returns the figure in both forms; the same figure gives the same bytes.

    ``name`` makes the ids inside the SVG, ``caption`` is its text for those who cannot see it. ``Figure.savefig`` would
    draw twice for each form: it looks for the layout again, which the PNG has already found.
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
    return Forms(png.getvalue(), inline(titled, caption), titled.encode())


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

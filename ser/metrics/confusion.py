"""Confusion matrices as PNG, by Pillow alone: every trial draws one per corpus, and to load Matplotlib takes long."""

import io
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw, ImageFont

INK = "#000000"
BLUES = ("#f4f7fb", "#9ecae1", "#0072B2", "#013a5e")  # from 0 to 1, evenly spaced
_LEVELS = 256


def confusion_png(matrix: ArrayLike, classes: Sequence[str], title: str) -> bytes:
    """Draws a confusion matrix [classes, classes] (rows = truth) as PNG: counts and row percent, coloured by these.

    Raises ValueError if the matrix does not fit the classes.
    """
    counts = np.asarray(matrix)
    size = len(classes)
    if counts.shape != (size, size):
        raise ValueError(f"confusion matrix {counts.shape}; allowed: {(size, size)}; give one row per class")
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    (wide, high), margin, top = (62, 54), 104, 50
    width, height = margin + wide * size + 14, top + high * size + 50
    image = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(image)

    def write(x: float, y: float, text: str, ink: str = INK, anchor: str = "mm") -> None:
        align = "right" if anchor == "rm" else "center"
        draw.multiline_text((x, y), text, ink, _font(), anchor, spacing=3, align=align)

    write(width / 2, 25, title)
    write(margin + wide * size / 2, height - 13, "predicted")
    for row, name in enumerate(classes):
        write(margin - 9, top + high * (row + 0.5), f"{name}\nn = {counts[row].sum()}", anchor="rm")
        write(margin + wide * (row + 0.5), height - 36, name)
    for (row, column), part in np.ndenumerate(share):
        x, y = margin + wide * column, top + high * row
        draw.rectangle((x, y, x + wide - 1, y + high - 1), colour(float(part)))
        text = f"{counts[row, column]}\n{100 * part:.0f} %"
        write(x + wide / 2, y + high / 2, text, ink="#ffffff" if part > 0.5 else INK)
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=1)
    return out.getvalue()


def colour(share: float) -> str:
    """Returns the colour of a share, 0 … 1: white over blue to almost black.

    >>> colour(0), colour(0.5), colour(1)
    ('#f4f7fb', '#4e9dc9', '#013a5e')
    """
    return _palette()[min(int(share * _LEVELS), _LEVELS - 1)]


@cache
def _palette() -> tuple[str, ...]:
    stops = np.linspace(0, 1, len(BLUES))
    parts = np.array([[int(name[i : i + 2], 16) for i in (1, 3, 5)] for name in BLUES], np.float64)
    levels = np.linspace(0, 1, _LEVELS)
    mixed = np.rint(np.stack([np.interp(levels, stops, part) for part in parts.T], axis=1)).astype(int)
    return tuple(f"#{r:02x}{g:02x}{b:02x}" for r, g, b in mixed)


@cache
def _font() -> ImageFont.FreeTypeFont:
    """Returns the font of Matplotlib, in the basic layout, so that every machine gives the same bytes."""
    package = find_spec("matplotlib")  # the folder only; nothing is loaded
    assert package is not None
    assert package.origin is not None
    path = Path(package.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
    return ImageFont.truetype(path, 10, layout_engine=ImageFont.Layout.BASIC)

"""Confusion matrices as pictures, drawn without the drawing library that takes so long to load."""

import doctest
import io
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.colors import LinearSegmentedColormap, to_hex
from PIL import Image

from ser.metrics import confusion
from ser.metrics.confusion import BLUES, colour, confusion_png


def test_doctests():
    assert doctest.testmod(confusion).failed == 0


def test_the_same_matrix_is_the_same_picture():
    picture = confusion_png([[3, 1], [0, 0]], ("a$b$", "b"), "title")
    assert picture.startswith(b"\x89PNG")
    assert picture == confusion_png(np.array([[3, 1], [0, 0]]), ("a$b$", "b"), "title")
    with pytest.raises(ValueError, match="one row per class"):
        confusion_png([[1, 2]], ("a", "b"), "title")


def test_a_cell_has_the_colour_of_its_share_of_the_row():
    image = Image.open(io.BytesIO(confusion_png([[3, 1], [0, 4]], ("a", "b"), "title")))
    corners = [image.getpixel((104 + 62 * column + 3, 50 + 54 * row + 3)) for row in (0, 1) for column in (0, 1)]
    assert ["#{:02x}{:02x}{:02x}".format(*c) for c in corners] == [colour(s) for s in (0.75, 0.25, 0, 1)]


def test_colours_are_those_of_the_maps():
    blues = LinearSegmentedColormap.from_list("blues", list(BLUES))
    assert [colour(i / 700) for i in range(701)] == [to_hex(blues(i / 700)) for i in range(701)]


def test_a_worker_that_draws_loads_no_matplotlib():
    code = (
        "import sys, ser.metrics.confusion as c; c.confusion_png([[1]], ['a'], 't'); print('matplotlib' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "False"

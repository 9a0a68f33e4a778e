"""Figures that a report's folder has already: what the same recipe has drawn is not drawn again.

A recipe is a function of this package and its values. Its figure depends on these, on the package's code, its fonts and
the versions of the libraries, and on nothing else: the digest of all is the key of the files. Files that were changed
since are drawn anew.
"""

import hashlib
import pickle
import platform
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ser import PACKAGE, files
from ser.report.forms import Forms, inline

NAME = ".figures"  # of the file that says what the figures of a folder are of
_PARTS = ("report", "metrics")  # of this package, on which figures depend
_LIBRARIES = ("matplotlib", "numpy", "pillow", "fonttools", "contourpy", "kiwisolver")
_KINDS = ("png", "svg", "pdf")


def key_of(recipe: Callable[[], object], name: str) -> str:
    """The key of a figure; "" of a recipe that is no partial of a function of this package, or has other values."""
    if not isinstance(recipe, partial) or not str(recipe.func.__module__).startswith("ser.report."):
        return ""
    digest = _Digest()
    with suppress(pickle.PicklingError, AttributeError, TypeError):
        pickle.Pickler(digest, protocol=5).dump((_surroundings(), name, recipe))
        return digest.sha.hexdigest()
    return ""


class _Digest:
    """A file that keeps no more than its digest: values may be of thousands of runs."""

    def __init__(self) -> None:
        self.sha = hashlib.sha256()

    def write(self, data: bytes) -> None:
        self.sha.update(data)


@cache
def _surroundings() -> str:
    """A digest of all that figures depend on beside their recipes."""
    sha = hashlib.sha256(platform.python_version().encode())
    for name in _LIBRARIES:
        with suppress(PackageNotFoundError):
            sha.update(f"{name} {version(name)}\n".encode())
    for part in _PARTS:
        for path in sorted((PACKAGE / part).rglob("*")):
            if path.suffix in (".py", ".ttf"):
                sha.update(path.read_bytes())
    return sha.hexdigest()


class FigureFiles:
    """The figures of a folder; without one there are none."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._figures: Mapping[str, Mapping[str, str]] = {}
        if folder is not None:
            with suppress(OSError, files.Damaged, KeyError):
                self._figures = files.read(folder / NAME)["figures"]

    def find(self, key: str, caption: str) -> tuple[Forms, bytes] | None:
        """Returns the forms and the PDF file of a key; None where one of them is not there as it was written."""
        if self._folder is None or key not in self._figures:
            return None
        digests, contents = self._figures[key], {}
        for kind in _KINDS:
            with suppress(OSError):
                contents[kind] = (self._folder / f"{digests['name']}.{kind}").read_bytes()
            if kind not in contents or hashlib.sha256(contents[kind]).hexdigest() != digests[kind]:
                return None
        png, svg, pdf = (contents[kind] for kind in _KINDS)
        return Forms(png, inline(svg.decode(), caption), svg), pdf


def remember(folder: Path, figures: Mapping[str, tuple[str, Mapping[str, bytes]]]) -> None:
    """Writes of which keys the figures of ``folder`` are: name → key and contents, as they were written there."""
    entries = {
        key: {"name": name, **{kind: hashlib.sha256(contents[kind]).hexdigest() for kind in _KINDS}}
        for name, (key, contents) in figures.items()
        if key
    }
    path = folder / NAME
    if not entries:
        path.unlink(missing_ok=True)
        return
    with files.replacing(path, durable=False) as file:
        file.write(files.dump({"figures": entries}, path))

"""Finding recordings below a folder by their names. Folder names are trusted by nobody: people rename and nest them."""

import os
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path, PurePath

from ser.manifest import Listing, Refusal, Utterance

MAX_DEPTH = 8  # IEMOCAP's recordings lie four folders below its root; people put up to three more around it
Recording = tuple[Path, re.Match[str]]


def files(folder: Path) -> Iterator[Path]:
    """Absolute paths of files at most MAX_DEPTH folders below ``folder``, in a fixed order.

    Hidden files are left out, and links that lead back to a folder seen before are not followed.
    """
    yield from _walk(os.path.abspath(folder), MAX_DEPTH, set())


def _walk(folder: str, depth: int, seen: set[tuple[int, int]]) -> Iterator[Path]:
    try:
        status = os.stat(folder)
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError:
        return
    if (status.st_dev, status.st_ino) in seen:
        return
    seen.add((status.st_dev, status.st_ino))
    for entry in entries:
        if entry.name.startswith(".") or entry.name == "__MACOSX":
            continue
        if entry.is_dir():
            if depth:
                yield from _walk(entry.path, depth - 1, seen)
        elif entry.is_file() or not os.path.exists(entry.path):  # a broken link is a defect to report, a pipe is not
            yield Path(entry.path)


def match(path: PurePath, name: re.Pattern[str]) -> re.Match[str] | None:
    """``name`` searched in "/<folder>/<file without extension>" of a lossless recording, else None."""
    if path.suffix.lower() not in (".wav", ".flac"):
        return None
    return name.search(f"/{path.parent.name}/{path.stem}")


def recordings(root: Path, name: re.Pattern[str]) -> tuple[list[Recording], list[Path]]:
    """Recordings below ``root`` called like ``name``, and the wrongly named ones that lie beside them."""
    right: list[Recording] = []
    wrong: list[Path] = []
    for path in files(root):
        if found := match(path, name):
            right.append((path, found))
        elif path.suffix.lower() in (".wav", ".flac"):
            wrong.append(path)
    folders = {path.parent for path, _ in right}
    return right, [path for path in wrong if path.parent in folders]


def home(paths: Iterable[Path]) -> Path | None:
    """The narrowest folder that holds all ``paths``, None where there is none."""
    folders = {str(path.parent) for path in paths}
    return Path(os.path.commonpath(folders)) if folders else None


def misnamed(paths: Iterable[Path], form: str) -> list[Refusal]:
    """Refusals of files that are not called like ``form``."""
    return [Refusal(str(path), f"not a {form}") for path in paths]


def listing(utterances: Iterable[Utterance], refused: Iterable[Refusal]) -> Listing:
    """Both in the one order that does not depend on the file system."""
    return Listing(
        tuple(sorted(utterances, key=lambda u: (u.uid, u.path))),
        tuple(sorted(refused, key=lambda r: (r.what, r.reason))),
    )


def marked(start: Path, name: str) -> bool:
    """True where ``start``, or one of the two folders above it, holds a file called ``name``."""
    return any((folder / name).is_file() for folder in islice((start, *start.parents), 3))

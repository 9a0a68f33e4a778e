"""Finding recordings below a folder by their names. Folder names are trusted by nobody: people rename and nest them."""

import os
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path, PurePath

from ser import audio
from ser.manifest import Listing, Refusal, Utterance

TEXT_BYTES = 1 << 28  # a line per utterance: more than a million of them
MAX_DEPTH = 8  # IEMOCAP's recordings lie four folders below its root; people put up to three more around it
SUFFIXES = (".wav", ".flac")  # of lossless recordings
Recording = tuple[Path, re.Match[str]]


def files(folder: Path, refused: list[Refusal] | None = None) -> Iterator[Path]:
    """Absolute paths of files at most MAX_DEPTH folders below ``folder``, in a fixed order.

    Hidden files are left out, and links that lead back to a folder seen before are not followed. Broken links, pipes,
    and folders called like recordings are among them: whoever reads them tells what is wrong, so that nothing is lost
    in silence. Folders that cannot be listed are added to ``refused``.
    """
    yield from _walk(os.path.abspath(folder), MAX_DEPTH, set(), [] if refused is None else refused)


def _walk(folder: str, depth: int, seen: set[tuple[int, int]], refused: list[Refusal]) -> Iterator[Path]:
    try:
        status = os.stat(folder)
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        refused.append(Refusal(folder, f"a folder that cannot be listed: {error.strerror}"))
        return
    if (status.st_dev, status.st_ino) in seen:
        return
    seen.add((status.st_dev, status.st_ino))
    for entry in entries:
        if entry.name.startswith(".") or entry.name == "__MACOSX":
            continue
        path = Path(entry.path)
        try:
            is_folder = entry.is_dir()
        except OSError:  # a link that leads to itself
            is_folder = False
        if is_folder and depth:
            yield from _walk(entry.path, depth - 1, seen, refused)
        if not is_folder or path.suffix.lower() in SUFFIXES:
            yield path


def text(path: Path, refused: list[Refusal], first: int | None = None) -> str:
    """A label file (or its ``first`` bytes), what is not UTF-8 as �; "" where it cannot be read, and a refusal then."""
    try:
        return audio.read(path, TEXT_BYTES, first).decode("utf-8-sig", "replace")
    except OSError as error:
        refused.append(Refusal(str(path), f"cannot be read: {error.strerror}"))
        return ""


def match(path: PurePath, name: re.Pattern[str]) -> re.Match[str] | None:
    """``name`` searched in "/<folder>/<file without extension>" of a lossless recording, else None."""
    if path.suffix.lower() not in SUFFIXES:
        return None
    return name.search(f"/{path.parent.name}/{path.stem}")


def recordings(root: Path, name: re.Pattern[str], form: str) -> tuple[list[Recording], list[Refusal]]:
    """Recordings below ``root`` called like ``name``, which is ``form`` in words, and what was left out.

    That is the wrongly named ones that lie beside them, and folders that cannot be listed.
    """
    right: list[Recording] = []
    wrong: list[Path] = []
    refused: list[Refusal] = []
    for path in files(root, refused):
        if found := match(path, name):
            right.append((path, found))
        elif path.suffix.lower() in audio.EXTENSIONS:
            wrong.append(path)
    folders = {path.parent for path, _ in right}
    return right, refused + [Refusal(str(path), f"not a {form}") for path in wrong if path.parent in folders]


def home(paths: Iterable[Path]) -> Path | None:
    """The narrowest folder that holds all ``paths``, None where there is none."""
    folders = {str(path.parent) for path in paths}
    return Path(os.path.commonpath(folders)) if folders else None


def listing(utterances: Iterable[Utterance], refused: Iterable[Refusal]) -> Listing:
    """Both in the one order that does not depend on the file system."""
    return Listing(
        tuple(sorted(utterances, key=lambda u: (u.uid, u.path))),
        tuple(sorted(refused, key=lambda r: (r.what, r.reason))),
    )


def marked(start: Path, name: str) -> bool:
    """True where ``start``, or one of the two folders above it, holds a file called ``name``."""
    return any((folder / name).is_file() for folder in islice((start, *start.parents), 3))

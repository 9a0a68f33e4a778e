"""Label tables that come with a corpus: rows by lower-case column names, and what is no row told."""

import csv
import io
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from ser.data import folders
from ser.data.manifest import Refusal


def rows(path: Path, columns: Collection[str], refused: list[Refusal]) -> Iterator[tuple[int, dict[str, str]]]:
    """Returns line numbers and cells by lower-case column names, as their case differs; what is unusable is refused.

    ``columns`` are those that the table must have, in lower case.
    """
    text = folders.text(path, refused)
    if text.startswith("version https://git-lfs"):
        refused.append(Refusal(str(path), "a git-LFS pointer, not a table; run `git lfs pull` in the corpus folder"))
        return
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        reader.fieldnames = [name.lower() for name in reader.fieldnames or ()]
        if missing := set(columns) - set(reader.fieldnames):
            refused.append(Refusal(str(path), f"a table without the columns {', '.join(map(repr, sorted(missing)))}"))
            return
        for row in reader:
            if None in row.values():
                refused.append(Refusal(f"{path}:{reader.line_num}", "too few cells"))
            else:
                yield reader.line_num, row
    except csv.Error as error:  # cells larger than any table has
        refused.append(Refusal(f"{path}:{reader.line_num}", f"the rest of the table is not read: {error}"))


def nearest(folder: Path, names: Collection[str], suffix: str = ".csv") -> dict[str, Path]:
    """Returns the files of ``names`` (lower case) below ``folder``, the one nearest to it where there are several."""
    paths = [path for path in folders.files(folder, suffixes=(suffix,)) if path.name.lower() in names]
    return {path.name.lower(): path for path in sorted(paths, key=lambda p: (-len(p.parts), p))}


def write(path: Path, rows: Iterable[Iterable[Any]]) -> None:
    """Writes a table for a miniature."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, quoting=csv.QUOTE_NONNUMERIC).writerows(rows)

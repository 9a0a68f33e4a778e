"""Recordings that a list names by paths of somebody else's machine, found by the ends of these paths."""

import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from ser.corpora import _label_maps
from ser.data import folders

_ABOVE = 2  # folders above the lists that are looked into


class Places:
    """Where listed recordings lie: the file whose path has most of its end in common with that in the list.

    Folders above are not looked into once some recording is found, nor is the root of the file system. A recording of
    another extension, as one that was converted, serves where none has the listed one.
    """

    def __init__(self, beside: Path, audio_root: str, listed: Sequence[str]) -> None:
        root = _label_maps.place(beside, audio_root) if audio_root else None
        above = [beside, *list(beside.parents)[:_ABOVE]]
        self._stems = {_stem(os.path.basename(path)) for path in listed}
        self._by_stem: dict[str, list[str]] = {}
        for folder in [root] if root else [f for f in above if f != f.parent]:
            self.searched = folder
            if not self._by_stem:
                self._by_stem = self._files(folder)

    def __getitem__(self, listed: str) -> str:
        """Returns the absolute path. Raises KeyError, with the reason, where there is none or not one alone."""
        candidates = self._by_stem.get(_stem(os.path.basename(listed)), [])
        exact = [path for path in candidates if os.path.basename(path) == os.path.basename(listed)]
        best, most = [], -1
        for path in exact or candidates:
            if (common := _common_end(path, listed)) > most:
                best, most = [path], common
            elif common == most:
                best.append(path)
        if len(best) == 1:
            return best[0]
        if not best:
            raise KeyError("no such recording")
        raise KeyError(f"{len(best)} recordings may be meant: set audio_root to the folder of one of them")

    def _files(self, folder: Path) -> dict[str, list[str]]:
        by_stem: dict[str, list[str]] = defaultdict(list)
        for place, names in folders.walk(folder).folders:
            for name in names:
                if (stem := _stem(name)) in self._stems and not name.lower().endswith((".txt", ".json", ".jsonl")):
                    by_stem[stem].append(os.path.join(place, name))
        return dict(by_stem)


def _stem(name: str) -> str:
    return os.path.splitext(name)[0].casefold()


def _common_end(path: str, listed: str) -> int:
    """Returns how many folders at the end of two paths have the same names."""
    pairs = zip(reversed(path.split("/")[:-1]), reversed(listed.split("/")[:-1]), strict=False)
    count = 0
    for one, other in pairs:
        if one.casefold() != other.casefold():
            break
        count += 1
    return count

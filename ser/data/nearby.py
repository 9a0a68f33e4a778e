"""Which file a name means where no file is called just so: systems differ in letter case, in accents and in blanks."""

import os
import unicodedata
from collections import defaultdict
from urllib.parse import unquote

from ser.data import audio


class Nearby:
    """Looks for names below one folder, each folder listed once; a name is found only where one file can be meant."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._names: dict[str, dict[str, list[str]]] = {}

    def resolve(self, name: str) -> str:
        """The one path below the folder that ``name`` spells otherwise, "" where there is none or more than one.

        Spelled otherwise are upper and lower case, composed and decomposed accents, ``%20``, and names without the
        extension of the recording.
        """
        paths = self._candidates(name)
        return paths[0] if len(paths) == 1 else ""

    def hint(self, name: str) -> str:
        """Returns what could be meant, for people, where ``resolve`` finds more than one."""
        paths = self._candidates(name)
        return f"; {' and '.join(paths[:3])} are there" if len(paths) > 1 else ""

    def _candidates(self, name: str) -> list[str]:
        parts = os.path.normpath(name).split("/")
        if ".." in parts or os.path.isabs(name):
            return []
        spellings = [parts] + ([unquote(name).split("/")] if "%" in name else [])
        return sorted({path for parts in spellings for path in self._below("", parts)})

    def _below(self, folder: str, parts: list[str]) -> list[str]:
        first, *rest = parts
        listed = self._listed(folder)
        names = [first] if first in listed.get(_plain(first), ()) else listed.get(_plain(first), [])
        paths = [os.path.join(folder, n) for n in names]
        if rest:
            return [inner for path in paths for inner in self._below(path, rest)]
        if not paths and not first.lower().endswith(audio.EXTENSIONS):
            with_extension = [n for e in audio.EXTENSIONS for n in listed.get(_plain(first + e), ())]
            paths = [os.path.join(folder, n) for n in with_extension]
        return [path for path in paths if os.path.isfile(os.path.join(self._root, path))]

    def _listed(self, folder: str) -> dict[str, list[str]]:
        if folder not in self._names:
            names: dict[str, list[str]] = defaultdict(list)
            try:
                for name in os.listdir(os.path.join(self._root, folder)):
                    names[_plain(name)].append(name)
            except OSError:
                pass  # no folder, or none that can be listed: nothing is found in it
            self._names[folder] = dict(names)
        return self._names[folder]


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()

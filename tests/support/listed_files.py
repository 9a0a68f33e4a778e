"""Folders as a list of names, without files: what loaders read of names alone is asked of whole releases."""

import json
import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from ser.data import folders

METADATA = os.environ.get("SER_EMOBOX_METADATA", "")  # EmoBox's, unpacked
needs_metadata = pytest.mark.skipif(not METADATA, reason="SER_EMOBOX_METADATA is not set")


def pretend(monkeypatch: pytest.MonkeyPatch, paths: Iterable[str]) -> None:
    """Makes the walk of any folder give ``paths``, which are absolute, whatever lies there."""
    names: dict[str, list[str]] = {}
    for path in paths:
        names.setdefault(os.path.dirname(path), []).append(os.path.basename(path))
    walked = folders.Walk(folders=[(place, sorted(inside)) for place, inside in sorted(names.items())])
    monkeypatch.setattr(folders, "walk", lambda folder: walked)


def emobox(pattern: str) -> list[dict[str, object]]:
    """Returns the rows of EmoBox's metadata in the files that ``pattern`` names, once each."""
    rows = {}
    for file in sorted(Path(METADATA).glob(pattern)):
        rows |= {row["key"]: row for row in map(json.loads, file.read_text(encoding="utf-8").splitlines())}
    return list(rows.values())

"""Tables that lead from a corpus's own words for emotions to the unified ones, which a person can see and change."""

import json
from collections.abc import Mapping
from pathlib import Path

from ser.data import audio, folders
from ser.errors import BadInput
from ser.study.labels import EMOTIONS, plain


def read(folder: Path, name: str, known: Mapping[str, str]) -> Mapping[str, str]:
    """Returns ``known`` with what a JSON object in the file ``name`` says instead, its words as ``plain`` writes them.

    ``name`` is looked for in ``folder``, then from where the command is given; "" is none. Raises BadInput for a file
    that cannot be read, and for unified words that are none.
    """
    if not name:
        return known
    mapping = table(place(folder, name))
    if wrong := sorted(set(mapping.values()) - set(EMOTIONS)):
        where = str(place(folder, name))
        raise BadInput(", ".join(wrong), where, ", ".join(EMOTIONS), "map every label to one of these")
    return {**known, **{plain(raw): label for raw, label in mapping.items()}}


def place(folder: Path, name: str) -> Path:
    """Returns the file or folder ``name`` of ``folder``, or, where there is none, that of the current folder."""
    path = folder / Path(name).expanduser()
    return path if path.exists() or not Path(name).exists() else Path(name).absolute()


def table(path: Path) -> dict[str, str]:
    """Returns a JSON object of text to text. Raises BadInput where the file holds none."""
    try:
        mapping = json.loads(audio.read(path, folders.TEXT_BYTES).decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise BadInput(
            f"unreadable: {error}", str(path), "a JSON object of text to text", "correct label_map"
        ) from None
    if not isinstance(mapping, dict):
        raise BadInput(type(mapping).__name__, str(path), "a JSON object of text to text", "correct label_map")
    return {raw: str(label) for raw, label in mapping.items()}

"""Which column of somebody's table is what: by usual names, unless a setting says another; and what its values mean."""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

from ser.errors import BadInput
from ser.study.labels import DIMENSIONS, EMOTIONS, plain

USUAL: Mapping[str, tuple[str, ...]] = {
    "label": ("emotion", "label", "labels", "emo", "emotions", "major_emotion", "category"),
    "speaker": ("speaker", "speaker_id", "spk", "spk_id", "speaker_name", "actor", "actor_id"),
    "sex": ("sex", "gender"),
    "language": ("language", "lang", "locale"),
    "text": ("text", "transcription", "transcript", "raw_text", "sentence"),
    "session": ("session", "dialogue", "dialog"),
    "valence": ("valence", "val", "emoval"),
    "arousal": ("arousal", "activation", "aro", "act", "emoact"),
    "dominance": ("dominance", "dom", "emodom"),
}
_SEX = {"f": "F", "female": "F", "m": "M", "male": "M"}
_SUBSETS = {"train": "train", "training": "train", "dev": "val", "val": "val", "valid": "val", "validation": "val",
            "devel": "val", "test": "test", "testing": "test"}  # fmt: skip


class Ratings(TypedDict, total=False):
    """Ratings of an utterance, those that there are."""

    valence: float
    arousal: float
    dominance: float


def field(kind: str, stated: str, columns: Iterable[str], place: str) -> str:
    """Returns the column of a kind, "" where none has a usual name. Raises BadInput where a stated one is not there."""
    names = list(columns)
    if stated and stated not in names:
        raise BadInput(f"no column {stated!r}", place, ", ".join(names), f"name one of these as {kind}")
    by_name = {name.casefold(): name for name in reversed(names)}
    return stated or next((by_name[name] for name in USUAL[kind] if name in by_name), "")


def sex(value: object) -> str:
    """Returns F, M or ""."""
    return _SEX.get(str(value).strip().casefold(), "")


def subset(name: str) -> str:
    """Returns train, val or test for what people call them, "" for anything else."""
    return _SUBSETS.get(name.casefold(), "")


def text(value: object) -> str:
    """Returns a cell as text; "" for none."""
    return "" if value is None or value != value else str(value).strip()  # not a number is not itself


def plain_name(name: str) -> str:
    """Returns a name of an utterance that does not end as those of augmented copies do."""
    return re.sub(r"#(\d+)\Z", r"_\1", name)


def scale(stated: tuple[float, ...]) -> tuple[float, float] | None:
    """Returns the lowest and the highest rating, None where none are stated. Raises BadInput for other than two."""
    if not stated:
        return None
    if len(stated) != 2 or stated[0] == stated[1]:
        raise BadInput(str(stated), "scale", "two numbers, the lowest rating and the highest", "write 1,5")
    return stated[0], stated[1]


def ratings(cells: Mapping[str, str], place: str) -> Ratings:
    """Returns the ratings among the cells of a row, by dimension. Raises BadInput for one that is no number."""
    found: Ratings = {}
    for name in DIMENSIONS:
        if (cell := cells.get(name, "")).casefold() in ("", "nan"):
            continue
        try:
            value = float(cell)
        except ValueError:
            value = math.inf
        if not math.isfinite(value):
            raise BadInput(f"{name} {cell[:40]!r}", place, "a number, as 2.5", "correct it, or state no scale")
        found[name] = value  # type: ignore[literal-required]
    return found


def labels(words: Iterable[str], table: Mapping[str, str], place: str, corpus: str) -> dict[str, str]:
    """Returns the unified label of each word. Raises BadInput, with how to say what they mean, where some have none."""
    raw = set(words)
    if unknown := sorted(word for word in raw if plain(word) not in table):
        raise BadInput(
            f"labels {', '.join(map(repr, unknown[:5]))}",
            place,
            f"{', '.join(EMOTIONS)} and usual words for them",
            f'write {{"{unknown[0][:40]}": "other"}} into a file, and give --set {corpus}.label_map=FILE',
        )
    return {word: table[plain(word)] for word in raw}


def rows_of(names: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Returns rows with every cell as text."""
    return [{key: text(value) for key, value in row.items()} for row in names]

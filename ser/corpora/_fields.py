"""Which column of somebody's table is what: by usual names, unless a setting says another; and what its values mean."""

from collections.abc import Iterable, Mapping
from typing import Any

from ser.errors import BadInput
from ser.study.labels import EMOTIONS, plain

USUAL: Mapping[str, tuple[str, ...]] = {
    "label": ("emotion", "label", "labels", "emo", "emotions", "major_emotion", "category"),
    "speaker": ("speaker", "speaker_id", "spk", "spk_id", "speaker_name", "actor", "actor_id"),
    "sex": ("sex", "gender"),
    "language": ("language", "lang", "locale"),
    "text": ("text", "transcription", "transcript", "raw_text", "sentence"),
    "session": ("session", "dialogue", "dialog"),
}
_SEX = {"f": "F", "female": "F", "m": "M", "male": "M"}
_SUBSETS = {"train": "train", "training": "train", "dev": "val", "val": "val", "valid": "val", "validation": "val",
            "devel": "val", "test": "test", "testing": "test"}  # fmt: skip


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

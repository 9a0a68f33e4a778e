"""What a corpus is in relation to its published release, as runs carry it to their report.

``ser.data.release`` finds it out.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Release:
    """What a corpus is in relation to its published release, and its size. Nothing in it says where it lies.

    ``state``: "whole", the release in the selection that the loader's settings make of it; "part", some of that;
    "other", more than that or something else; "made" by ``ser demo``; "own", a person's table, of which nothing is
    published; "unknown", where a loader does not know what a release holds, or runs were made before this was
    recorded.
    """

    state: str
    why: str = ""  # for people, without a full stop
    settings: Mapping[str, str] = field(default_factory=dict)  # of the loader: which selection of the release it is
    utterances: int = 0
    speakers: int = 0
    hours: float = 0.0
    labels: Mapping[str, int] = field(default_factory=dict)  # utterances per label
    fingerprint: str = ""
    languages: Mapping[str, int] = field(default_factory=dict)  # utterances per code of BCP 47, "" where none is stated
    file: str = ""  # name of a person's own table

    def as_json(self) -> dict[str, Any]:
        """Returns it as plain values, as a run's tag holds it."""
        return asdict(self)

    @classmethod
    def of_json(cls, values: Mapping[str, Any]) -> "Release":
        """Returns what ``as_json`` wrote; fields of a later version are passed over."""
        return cls(**{name: values[name] for name in cls.__dataclass_fields__ if name in values})


def text_of(value: object) -> str:
    """Returns a setting as statements of trials have it: lists as words with commas."""
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)

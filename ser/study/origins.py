"""What a study states and its paper does not: each value, or group of values, with who says it and why."""

from collections.abc import Mapping
from dataclasses import dataclass

from ser.errors import unknown

SOURCES = {
    "ours": "this study",
    "code": "the authors' program",
    "reading": "a reading of the paper",
}


@dataclass(frozen=True)
class Origin:
    """Where a setting comes from whose value the paper does not state. Raises BadInput for another source.

    ``path`` is that of a setting, as for ``--set``, or the beginning that the paths of several share.
    """

    path: str
    by: str  # of ``SOURCES``
    why: str  # one short sentence, without a full stop

    def __post_init__(self) -> None:
        if self.by not in SOURCES:
            raise unknown(self.by, f"origin of {self.path}", tuple(SOURCES))


def origins(
    ours: Mapping[str, str] | None = None,
    code: Mapping[str, str] | None = None,
    reading: Mapping[str, str] | None = None,
) -> tuple[Origin, ...]:
    """Returns the origins of a study: path → why, for each of ``SOURCES``. Raises BadInput."""
    stated = {"ours": ours or {}, "code": code or {}, "reading": reading or {}}
    return tuple(Origin(path, by, why) for by, paths in stated.items() for path, why in paths.items())

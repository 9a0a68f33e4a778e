"""What a study states and its paper does not: each value, or group of values, with who says it and why."""

from dataclasses import dataclass

from ser.errors import unknown

SOURCES = {
    "ours": "this study",
    "code": "the authors' program only",
    "reading": "the paper, which leaves several readings",
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

"""Values of a study: plain, immutable, comparable."""

from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

from ser.errors import BadInput

Value = bool | int | float | str | None | tuple["Value", ...]


@dataclass(frozen=True)
class Part:
    """A component with settings: a front-end, an augmentation, a temporal block, a split rule.

    ``version`` is the component's ``VERSION`` (a plugin's with a fingerprint, as text), filled in with the settings
    that a study leaves to their defaults; 0 until then.
    """

    name: str
    settings: tuple[tuple[str, Value], ...] = ()
    version: int | str = 0

    def __getitem__(self, key: str) -> Any:
        for name, value in self.settings:
            if name == key:
                return value
        names = ", ".join(name for name, _ in self.settings) or "none"
        raise BadInput(f"no setting {key!r}", self.name, names, "state it in the study file")

    def values(self) -> dict[str, Any]:
        """Returns the settings by name."""
        return dict(self.settings)

    def changed(self, **settings: Value) -> "Part":
        """Returns the part with some settings replaced."""
        return replace(self, settings=part(self.name, **{**self.values(), **settings}).settings)

    def __str__(self) -> str:
        return f"{self.name}({', '.join(f'{k}={v}' for k, v in self.settings)})"


def part(name: str, /, **settings: Value) -> Part:
    """Returns a Part; settings are sorted, so that the order of writing is no difference.

    Raises BadInput for a value that is not plain.
    """
    return Part(name, tuple(sorted((key, frozen(value, f"{name}.{key}")) for key, value in settings.items())))


def frozen(value: object, place: str) -> Value:
    """Returns ``value`` with tuples for lists, however deep. Raises BadInput where it holds what is no plain value."""
    if isinstance(value, list | tuple):
        return tuple(frozen(v, place) for v in value)
    if value is None or isinstance(value, str) or (isinstance(value, bool | int | float) and isfinite(value)):
        return value
    allowed = "true or false, a finite number, a text, None, or a tuple of these"
    raise BadInput(repr(value), place, allowed, "write a plain value")

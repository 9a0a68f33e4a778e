"""Values of a study: plain, immutable, comparable."""

from dataclasses import dataclass
from typing import Any

from ser.errors import BadInput

Value = bool | int | float | str | None | tuple["Value", ...]


@dataclass(frozen=True)
class Part:
    """A named piece with settings: a front-end, an augmentation, a temporal block, a split rule."""

    name: str
    settings: tuple[tuple[str, Value], ...] = ()

    def __getitem__(self, key: str) -> Any:
        for name, value in self.settings:
            if name == key:
                return value
        known = ", ".join(name for name, _ in self.settings) or "none"
        raise BadInput(f"no setting {key!r}", self.name, known, "state it in the study file")

    def values(self) -> dict[str, Any]:
        """The settings by name."""
        return dict(self.settings)

    def changed(self, **settings: Value) -> "Part":
        """The part with some settings replaced."""
        return part(self.name, **{**self.values(), **settings})

    def __str__(self) -> str:
        return f"{self.name}({', '.join(f'{k}={v}' for k, v in self.settings)})"


def part(name: str, /, **settings: Value) -> Part:
    """A Part; settings are sorted, so that the order of writing is no difference."""
    return Part(name, tuple(sorted((k, frozen(v)) for k, v in settings.items())))


def frozen(value: Any) -> Value:
    """``value`` with tuples for lists, however deep."""
    return tuple(frozen(v) for v in value) if isinstance(value, list | tuple) else value

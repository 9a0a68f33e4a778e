"""Settings of components: every name with its kind, range, unit and default, checked before anything runs.

A component's file states its settings once, as a frozen dataclass called ``Settings`` whose fields are made by
``setting``. A study states those that it means; ``complete`` adds the defaults, so that a statement holds them all.
"""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from functools import cache
from math import isfinite
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from ser import registry
from ser.errors import BadInput, advice, unknown
from ser.study.values import Part, Value, frozen, part


@dataclass(frozen=True)
class Rule:
    """What a setting may be, and what it means: a bound of None is none, and so are no ``choices``."""

    meaning: str
    unit: str = ""
    low: float | None = None  # the least value
    above: float | None = None  # values are greater
    high: float | None = None  # the greatest value
    below: float | None = None  # values are smaller
    choices: tuple[Value, ...] = ()
    ordered: bool = False  # two or more numbers, none smaller than the one before

    def problem(self, value: Value) -> str:
        """What is allowed instead of ``value``; "" where it is allowed. Each item of a tuple is held to the rule."""
        for item in value if isinstance(value, tuple) else (value,):
            if self.choices and item not in self.choices:
                return ", ".join(map(str, self.choices))
            if isinstance(item, int | float) and not isinstance(item, bool) and not self._in_range(item):
                return self.range
        if self.ordered and isinstance(value, tuple) and list(value) != sorted(value, key=lambda v: v or 0):
            return "the smaller number first"
        return ""

    def _in_range(self, number: float) -> bool:
        return isfinite(number) and not (
            (self.low is not None and number < self.low)
            or (self.above is not None and number <= self.above)
            or (self.high is not None and number > self.high)
            or (self.below is not None and number >= self.below)
        )

    @property
    def range(self) -> str:
        """The bounds in words: ``1 or more, less than 5``; "any finite number" without bounds."""
        bounds = [
            f"{self.low:g} or more" if self.low is not None else "",
            f"more than {self.above:g}" if self.above is not None else "",
            f"at most {self.high:g}" if self.high is not None else "",
            f"less than {self.below:g}" if self.below is not None else "",
        ]
        return ", ".join(b for b in bounds if b) or "any finite number"


def setting(
    meaning: str,
    default: Any = MISSING,
    *,
    unit: str = "",
    low: float | None = None,
    above: float | None = None,
    high: float | None = None,
    below: float | None = None,
    choices: Iterable[Value] = (),
    ordered: bool = False,
) -> Any:
    """A field of a component's ``Settings``; without a default every study states it."""
    rule = Rule(meaning, unit, low, above, high, below, tuple(choices), ordered)
    return field(default=default, kw_only=True, metadata={"rule": rule})


def rule_of(item: Field[Any]) -> Rule:
    """The rule of a field that ``setting`` made."""
    rule: Rule = item.metadata["rule"]
    return rule


def complete(stated: Part, settings: type[Any], place: str) -> Part:
    """Returns ``stated`` with every setting of the class ``settings``, defaults included, each of its kind.

    Raises BadInput for a name that is no setting, with the nearest one, for a value of another kind or out of range,
    and for a setting without default that is not stated; ``place`` is the path of the component, such as ``block``.
    """
    known = {item.name: item for item in fields(settings)}
    values = stated.values()
    for name in values:
        if name not in known:
            raise unknown(name, f"{place} ({stated.name})", known, "leave it out")
    kinds = kinds_of(settings)
    out: dict[str, Value] = {}
    for name, item in known.items():
        if name not in values and item.default is MISSING:
            allowed = rule_of(item).range if not rule_of(item).choices else ", ".join(map(str, rule_of(item).choices))
            raise BadInput(f"no {name}", f"{place} ({stated.name})", allowed, f"state {name}: {rule_of(item).meaning}")
        out[name] = checked(values.get(name, item.default), kinds[name], rule_of(item), f"{place}.{name}")
    return replace(part(stated.name, **out), version=stated.version)


def kinds_of(settings: type[Any]) -> Mapping[str, Any]:
    """Returns the kind of each field of the class ``settings``, by name."""
    key: Any = settings  # a class is hashable, whatever mypy says of type[Any]
    return _kinds_of(key)


@cache
def _kinds_of(settings: Hashable) -> Mapping[str, Any]:
    return get_type_hints(settings)


_PLACES = {"frontends": "front_end", "augment": "augmentation", "models": "block", "corpora": "loader"}  # in a study


@cache
def settings_of(kind: str, stated: Part) -> Any:
    """Returns the ``Settings`` instance of the component ``stated.name`` of ``ser/<kind>``, defaults included.

    The component's file is imported, so that the instance is of the class that its functions are typed with.
    Raises BadInput as ``complete`` does, and for a name that is no file of ``ser/<kind>``.
    """
    settings = registry.find(kind, stated.name).Settings
    return settings(**complete(stated, settings, _PLACES.get(kind, kind)).values())


@cache
def stated_settings(kind: str, stated: Part) -> Any:
    """Returns the values of ``settings_of``, of a class made from the source: the component's file is not imported.

    For plans and keys, which need no functions of the file. Raises BadInput as ``settings_of`` does.
    """
    settings = registry.settings(kind, stated.name)
    return settings(**complete(stated, settings, _PLACES.get(kind, kind)).values())


def checked(value: object, kind: object, rule: Rule, place: str) -> Value:
    """Returns ``value`` as ``kind``: an int serves as a float, one value as a tuple of one. Raises BadInput."""
    cast = _cast(value, kind)
    if cast is MISSING:
        raise BadInput(repr(value), place, kind_name(kind), "give one of that kind")
    plain = frozen(cast, place)
    if allowed := rule.problem(plain):
        wrong = next((v for v in plain if v not in rule.choices), "") if isinstance(plain, tuple) else plain
        remedy = advice(str(wrong), map(str, rule.choices), "give such a value")
        raise BadInput(str(value), place, f"{allowed}{f' ({rule.unit})' if rule.unit else ''}", remedy)
    return plain


def _cast(value: object, kind: object) -> object:
    """``value`` as ``kind``, or MISSING where it cannot be one."""
    if get_origin(kind) is UnionType:
        casts = [_cast(value, option) for option in get_args(kind)]
        exact = [c for c, option in zip(casts, get_args(kind), strict=True) if c is not MISSING and c == value]
        return next(iter([*exact, *(c for c in casts if c is not MISSING)]), MISSING)
    if kind is Any:
        return tuple(_cast(v, Any) for v in value) if isinstance(value, list | tuple) else value
    if kind in (None, NoneType):
        return None if value is None else MISSING
    if get_origin(kind) is tuple:
        return _cast_tuple(value, get_args(kind))
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value if type(value) is kind else MISSING


def _cast_tuple(value: object, kinds: tuple[object, ...]) -> object:
    items = tuple(value) if isinstance(value, list | tuple) else (value,)
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        kinds = (kinds[0],) * len(items)
    if len(kinds) != len(items):
        return MISSING
    # On a command line a label that is a number reads as one.
    casts = [str(v) if k is str and type(v) is int else _cast(v, k) for v, k in zip(items, kinds, strict=True)]
    return MISSING if any(c is MISSING for c in casts) else tuple(casts)


def kind_name(kind: object) -> str:
    """A kind in words: ``whole number``, ``several texts``, ``number or nothing``."""
    words = {int: "whole number", float: "number", str: "text", bool: "true or false", NoneType: "nothing"}
    if get_origin(kind) is UnionType:
        return " or ".join(kind_name(k) for k in get_args(kind))
    if get_origin(kind) is tuple:
        inner = get_args(kind)
        if len(inner) == 2 and inner[1] is Ellipsis:
            return f"several of: {kind_name(inner[0])}"
        return f"{len(inner)} values: {', '.join(kind_name(k) for k in inner)}"
    return words[kind] if isinstance(kind, type) and kind in words else str(getattr(kind, "__name__", kind))


def values_of(settings: Any) -> Mapping[str, Value]:
    """The settings of an instance by name, sorted."""
    return {item.name: getattr(settings, item.name) for item in sorted(fields(settings), key=lambda f: f.name)}

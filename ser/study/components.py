"""The parts of a study as its statement holds them: every setting, defaults included, checked, and the version."""

import os
from dataclasses import replace
from functools import cache

from ser import registry
from ser.errors import BadInput, unknown
from ser.study.settings import complete
from ser.study.values import Part, Value, frozen


def completed(kind: str, stated: Part, place: str) -> Part:
    """Returns ``stated`` with every setting of its component of ``kind`` ("models", "splits" …), and the version.

    Raises BadInput for a component or a setting that there is not, with the nearest name, and for a value of another
    kind or out of range; ``place`` is the part's path, such as ``front_end``.
    """
    if not isinstance(stated, Part):
        raise BadInput(repr(stated), place, "a component", "write part('name', setting=value, …)")
    return _completed(kind, stated, place, os.environ.get(registry.VARIABLE, ""))


@cache
def _completed(kind: str, stated: Part, place: str, plugins: str) -> Part:
    """As ``completed``; what there is hangs on where ``plugins`` lie."""
    if kind == "balance" and stated.name == "none":
        return stated
    names = registry.names(kind)
    if stated.name not in names:
        raise unknown(stated.name, place, names, "choose one of these: ser show lists them")
    stated = complete(stated, registry.settings(kind, stated.name), place)
    return replace(stated, version=registry.version(kind, stated.name))


def with_setting(kind: str, stated: Part, key: str, value: Value | Part, place: str) -> Part:
    """Returns ``stated`` with another value for its setting ``key``, checked as ``completed`` does."""
    plain = frozen(value, f"{place}.{key}")
    return completed(kind, stated.changed(**{key: plain}), place)

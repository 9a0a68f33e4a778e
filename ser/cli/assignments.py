"""Settings as a person writes them after ``--set``: PATH=VALUE; front-ends and split rules like calls of functions."""

import ast
import re
from typing import TYPE_CHECKING

from ser.errors import BadInput

if TYPE_CHECKING:  # `ser --help` is to be there at once
    from ser.study.values import Part, Value

_CALL = re.compile(r"\s*([A-Za-z_]\w*)\s*\((.*)\)\s*", re.S)
_TRUTH = {"true": True, "false": False}
_OPENING, _CLOSING, _QUOTES = "([", ")]", "'\""


def setting(text: str) -> "tuple[str, Value | Part]":
    """Returns path and value of ``a.b=value``. Raises BadInput.

    The value is a Python literal where it is one, ``x:y`` pairs for merge, a component for ``front_end`` and ``split``,
    else text.

    >>> setting("emodb.ties=true"), str(setting("emodb.split=grouped(by=speaker, folds=3)")[1])
    (('emodb.ties', True), 'grouped(by=speaker, folds=3)')
    """
    path, sign, value = text.partition("=")
    if not sign:
        raise BadInput(repr(text), "--set", "PATH=VALUE", "add the value")
    if path == "merge":
        return path, tuple(tuple(pair.split(":", 1)) for pair in value.split(",") if pair)
    if path == "front_end" or path.rpartition(".")[2] == "split":
        return path, component(value, f"--set {path}")
    if "," in value and not value.startswith(("(", "[")):
        value = (
            f"({value},)" if all(_literal(v) is not None for v in value.split(",")) else repr(tuple(value.split(",")))
        )
    literal = _literal(value)
    return path, value if literal is None else literal


def component(text: str, place: str) -> "Part":
    """Returns the component that ``text`` names, with the settings that it states. Raises BadInput.

    Words need no quotes, and several values no brackets; nothing is evaluated.

    >>> str(component("pretrained(layers=6, statistics=mean,std)", "--set front_end"))
    "pretrained(layers=6, statistics=('mean', 'std'))"
    """
    from ser.study.values import part

    if text.strip().isidentifier():
        return part(text.strip())
    if not (call := _CALL.fullmatch(text)):
        raise _unreadable(text, place)
    settings: dict[str, list[str]] = {}
    last = ""
    for piece in _pieces(call[2], text, place):
        name, sign, value = piece.partition("=")
        if sign and name.strip().isidentifier():
            if (last := name.strip()) in settings:
                raise BadInput(f"{last} twice", place, "each setting once", "leave one out")
            settings[last] = [value]
        elif last and piece.strip():  # a further value of the setting before
            settings[last].append(piece)
        elif piece.strip():
            raise _unreadable(text, place)
    values = {name: tuple(_value(piece, text, place) for piece in pieces) for name, pieces in settings.items()}
    return part(call[1], **{name: each[0] if len(each) == 1 else each for name, each in values.items()})


def _pieces(text: str, whole: str, place: str) -> list[str]:
    """``text`` cut at the commas that are in no brackets and no quotes."""
    pieces, depth, quote = [""], 0, ""
    for sign in text:
        if quote or sign in _QUOTES:
            quote = "" if sign == quote else quote or sign
        else:
            depth += (sign in _OPENING) - (sign in _CLOSING)
        if depth < 0:
            raise _unreadable(whole, place)
        if sign == "," and not depth and not quote:
            pieces.append("")
        else:
            pieces[-1] += sign
    return pieces


def _value(piece: str, whole: str, place: str) -> "Value":
    """A literal, a plain word, or a tuple of these."""
    try:
        return _plain(ast.parse(piece.strip(), mode="eval").body)
    except (SyntaxError, ValueError):
        raise _unreadable(whole, place) from None


def _plain(node: ast.expr) -> "Value":
    match node:
        case ast.Name(id=name):
            return _TRUTH.get(name.lower(), name)
        case ast.Tuple(elts=items) | ast.List(elts=items):
            return tuple(_plain(item) for item in items)
    value: Value = ast.literal_eval(node)
    return value


def _unreadable(text: str, place: str) -> BadInput:
    return BadInput(repr(text), place, "NAME or NAME(setting=value, …)", "write it like pretrained(layers=6)")


def _literal(text: str) -> "Value":
    """A literal of Python; true and false are written small, too. None: it is none."""
    if text.strip().lower() in _TRUTH:
        return _TRUTH[text.strip().lower()]
    try:
        value: Value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return None
    return value

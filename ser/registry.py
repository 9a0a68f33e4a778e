"""The folder is the registry: a corpus, front-end, augmentation or model is one file, named as it is called.

``ser.study.settings_of(kind, part)`` makes the component's ``Settings`` of what a study states: it needs the checks of
``ser.study``, which lies above this file.
"""

import ast
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType
from typing import Any

from ser.errors import unknown

_PLAIN = ("dataclasses", "math", "typing", "ser.study")  # what the class Settings of a file may import


def names(kind: str) -> tuple[str, ...]:
    """Names of all files in ``ser/<kind>`` (of folders, for "report"), sorted; ``kind`` is "corpora", "models" …"""
    package = import_module(f"ser.{kind}")
    files = (m for m in iter_modules(package.__path__) if m.ispkg == (kind == "report"))
    return tuple(sorted(m.name for m in files if not m.name.startswith("_")))


def find(kind: str, name: str) -> ModuleType:
    """The module ``ser/<kind>/<name>.py``. Raises BadInput naming the files that exist."""
    return import_module(_module(kind, name))


@cache
def settings(kind: str, name: str) -> type[Any]:
    """The class ``Settings`` of ``ser/<kind>/<name>.py``. Raises BadInput naming the files that exist.

    It is read without importing the file: most import torch, which takes seconds, and a study is checked before that.
    """
    return _class("Settings", _module(kind, name))


@cache
def version(kind: str, name: str) -> int:
    """The ``VERSION`` of ``ser/<kind>/<name>.py``, read without importing the file; it goes up when numbers change.

    Raises BadInput naming the files that exist.
    """
    values = (_constant(n, "VERSION") for n in _body(_module(kind, name)))
    found: int = next(value for value in values if value is not None)
    return found


def _module(kind: str, name: str) -> str:
    known = names(kind)
    if name not in known:
        raise unknown(name, f"ser/{kind}", known, "choose one of these, or add a file of that name")
    return f"ser.{kind}.{name}.content" if kind == "report" else f"ser.{kind}.{name}"


def _class(name: str, module: str) -> type[Any]:
    """A class of plain values of a module, made from its source and from what that imports of ``_PLAIN``."""
    body = _body(module)
    imports = [n for n in body if isinstance(n, ast.ImportFrom) and n.module]
    defined = next((n for n in body if isinstance(n, ast.ClassDef) and n.name == name), None)
    if defined is None:  # one component has the settings of another
        source = next(n for n in imports for alias in n.names if (alias.asname or alias.name) == name)
        original = next(alias.name for alias in source.names if (alias.asname or alias.name) == name)
        return _class(original, str(source.module))
    bases = {base.id for base in defined.bases if isinstance(base, ast.Name)}
    space: dict[str, Any] = {"__name__": module} | {base: _class(base, module) for base in bases}
    plain: list[ast.stmt] = [n for n in imports if str(n.module).startswith(_PLAIN)]
    exec(compile(ast.Module([*plain, defined], []), module, "exec"), space)  # our own file's source
    made: type[Any] = space[name]
    return made


@cache
def _body(module: str) -> list[ast.stmt]:
    """The statements of a module's source."""
    spec = find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    return ast.parse(Path(spec.origin).read_bytes(), spec.origin).body


def _constant(statement: ast.stmt, name: str) -> Any:
    """The literal that ``name = literal`` assigns, None for other statements."""
    match statement:
        case ast.Assign(targets=[ast.Name(id=target)], value=value) if target == name:
            return ast.literal_eval(value)
    return None

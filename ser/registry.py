"""The folder is the registry: a corpus, front-end, augmentation, balance, model or report is one file, named as called.

Ours lie in ``ser/<kind>``. Yours may lie elsewhere, and nothing of ours is edited for them: in folders that
``SER_PLUGINS`` (or ``--plugins``) names, as ``DIR/models/mine.py`` and ``DIR/reports/mine.py``, or in installed
packages, whose entry points of the groups ``ser.models``, ``ser.reports`` … name their modules. A file of a plugin
folder is imported as ``ser.<kind>.<name>``, so that it may import its neighbours from there.

``ser.study.settings_of(kind, part)`` makes the component's ``Settings`` of what a study states: it needs the checks of
``ser.study``, which lies above this file.
"""

import ast
import hashlib
import os
import re
import shutil
import sys
import traceback
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module, invalidate_caches
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules
from types import MappingProxyType, ModuleType
from typing import Any

from ser import PACKAGE
from ser.errors import BadInput, unknown

KINDS = ("corpora", "frontends", "augment", "balance", "models", "report")
VARIABLE = "SER_PLUGINS"
# Rules that share a file: that of the kind, and how the classes of their settings end, as in LeaveOneOutSplit.
_RULES = {
    "splits": ("ser.data.splits", "Split"),
    "searches": ("ser.planning.search", "Search"),
    "schedulers": ("ser.planning.search", "Scheduler"),
    "draws": ("ser.planning.search", "Draw"),
}
RULES = tuple(_RULES)  # kinds of rules, beside KINDS
_PLAIN = ("dataclasses", "math", "typing", "ser.study")  # what the class Settings of a file may import


def names(kind: str) -> tuple[str, ...]:
    """Names of all components of a kind, sorted; ``kind`` is "corpora", "models" … Raises BadInput for bad plugins."""
    return _names(kind, os.environ.get(VARIABLE, ""))


def find(kind: str, name: str) -> ModuleType:
    """The module of a component. Raises BadInput naming those that exist, or the line of a plugin that is broken."""
    module = _module(kind, name)
    try:
        return import_module(module)
    except Exception as error:
        if _is_ours(module):
            raise
        raise _broken(module, error) from error


def settings(kind: str, name: str) -> type[Any]:
    """The class ``Settings`` of a component's file. Raises BadInput naming those that exist.

    It is read without importing the file: most import torch, which takes seconds, and a study is checked before that.
    ``kind`` may also be one of rules that share a file: "splits", "searches", "schedulers", "draws".
    """
    module = _module(kind, name)
    return _settings(_rules(kind)[name] if kind in _RULES else "Settings", module, _origin(module))


def version(kind: str, name: str) -> int | str:
    """The ``VERSION`` of a component's file, read without importing the file; it goes up when numbers change.

    That of a plugin carries a fingerprint of its source, since nobody's test holds its numbers: ``1+3f2a9c1d``. Of
    rules that share a file one may state its own in its class. Raises BadInput naming the components that exist.
    """
    module = _module(kind, name)
    return _version(module, _origin(module), _rules(kind)[name] if kind in _RULES else "")


def is_fitted(name: str) -> bool:
    """Whether a model is fitted, as scikit-learn has them, and no network; read without importing its file.

    False where there is no model of that name.
    """
    return _is_fitted(name, os.environ.get(VARIABLE, ""))


def is_own(kind: str, name: str) -> bool:
    """Whether a component is one of ours, and no plugin. Raises BadInput naming those that exist."""
    return _is_ours(_module(kind, name))


def plugins(text: str | None = None) -> list[Path]:
    """The plugin folders that ``SER_PLUGINS`` (or ``text``, its value to be) names. Raises BadInput.

    On another machine, to which ``carried`` brought them, they are named relative to where Python looks for modules.
    """
    entries = [e for e in (os.environ.get(VARIABLE, "") if text is None else text).split(os.pathsep) if e]
    folders = []
    for entry in (e for e in entries if "=" not in e):
        places = [Path(entry)] if os.path.isabs(entry) else [Path(p, entry) for p in sys.path]
        folder = next((p for p in places if p.is_dir()), None)
        kinds = ", ".join(map(_folder, KINDS))
        if folder is None:
            raise BadInput(
                f"{entry}, which is no folder", "--plugins, SER_PLUGINS", f"a folder with {kinds}", "name it"
            )
        if not any((folder / _folder(kind)).is_dir() for kind in KINDS):
            raise BadInput(f"{folder}, which has none of them", "--plugins, SER_PLUGINS", f"a folder with {kinds}",
                           f"put files into {folder / 'models'}, for example")  # fmt: skip
        folders.append(folder)
    return folders


def carried(folder: Path) -> tuple[str, list[str]]:
    """Copies all plugin files into ``folder`` for another machine; returns its ``SER_PLUGINS`` and folders to bring.

    Ray brings each of these folders (``py_modules``) to where Python looks for modules. Packages that define components
    by entry points are brought whole; what they need must be installed there.
    """
    bring, entries = [], []
    for source in plugins():
        for kind in filter(lambda kind: (source / _folder(kind)).is_dir(), KINDS):
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source / _folder(kind), folder / _folder(kind), ignore=ignored, dirs_exist_ok=True)
    if folder.is_dir():
        bring, entries = [str(folder)], [folder.name]
    for kind in KINDS:
        for point in _entry_points(kind):
            entries.append(f"{kind}/{point.name}={point.module}")
            package = find_spec(point.module.partition(".")[0])
            places = list((package and package.submodule_search_locations) or [])
            bring += places[:1] or [_origin(point.module)]
    return os.pathsep.join(entries), list(dict.fromkeys(bring))


@cache
def _names(kind: str, variable: str) -> tuple[str, ...]:
    if kind in _RULES:
        return tuple(sorted(_rules(kind)))
    return tuple(sorted(name for name in _modules(kind, variable) if not name.startswith("_")))


@cache
def _modules(kind: str, variable: str) -> Mapping[str, str]:
    """Module names of a kind's components, and of what they share, by file name, with the plugins of ``variable``."""
    package = import_module(f"ser.{kind}")
    ours = list(iter_modules([str(PACKAGE / kind)]))
    # Beside the reports, which are folders, lies what they share.
    modules = {m.name: _dotted(kind, m.name, m.ispkg) for m in ours if m.ispkg or kind != "report"}
    places = {m.name: str(PACKAGE / kind) for m in ours}
    for folder in plugins(variable):
        place = str(folder / _folder(kind))
        for m in iter_modules([place]):
            _check_new(m.name, kind, place, places)
            modules[m.name] = _dotted(kind, m.name, m.ispkg)
        if place not in package.__path__:
            package.__path__.append(place)
            invalidate_caches()
    for point in _entry_points(kind):
        _check_new(point.name, kind, f"{point.module} ({point.dist.name if point.dist else VARIABLE})", places)
        modules[point.name] = point.module
    return MappingProxyType(modules)


def _dotted(kind: str, name: str, is_folder: bool) -> str:
    return f"ser.{kind}.{name}.content" if kind == "report" and is_folder else f"ser.{kind}.{name}"


def _check_new(name: str, kind: str, place: str, places: dict[str, str]) -> None:
    if name in places:
        value = f"{name!r}, which {places[name]} has, too"
        raise BadInput(
            value, place, f"a name that no other of the {_folder(kind)} has", "rename the file or entry point"
        )
    places[name] = place


def _folder(kind: str) -> str:
    """The folder of a kind among plugins, and its entry points' group after ``ser.``."""
    return "reports" if kind == "report" else kind


def _entry_points(kind: str) -> list[EntryPoint]:
    """Those of the installed packages, and on another machine those that ``carried`` names."""
    entries = [e for e in os.environ.get(VARIABLE, "").split(os.pathsep) if e.startswith(f"{kind}/") and "=" in e]
    group = f"ser.{_folder(kind)}"
    pairs = [e.removeprefix(f"{kind}/").partition("=") for e in entries]
    carried = {name: EntryPoint(name, module, group) for name, _, module in pairs}
    return [*(p for p in _installed() if p.group == group and p.name not in carried), *carried.values()]


@cache
def _installed() -> tuple[EntryPoint, ...]:
    points = entry_points()  # once: each time, the files of all packages are read
    return tuple(point for kind in KINDS for point in points.select(group=f"ser.{_folder(kind)}"))


@cache
def _rules(kind: str) -> dict[str, str]:
    """Names of rules that share a file, and of their classes: ``leave_one_out``: ``LeaveOneOutSplit``."""
    module, end = _RULES[kind]
    classes = [n.name for n in _body(module) if isinstance(n, ast.ClassDef) and n.name.endswith(end) and n.name != end]
    return {re.sub(r"(?<!^)(?=[A-Z])", "_", name.removesuffix(end)).lower(): name for name in classes}


def _module(kind: str, name: str) -> str:
    components = names(kind)
    if name not in components:
        remedy = (
            f"choose one of these, or add a file of that name, here or as {_folder(kind)}/{name}.py below --plugins"
        )
        raise unknown(name, f"ser/{kind}", components, remedy)
    return _RULES[kind][0] if kind in _RULES else _modules(kind, os.environ.get(VARIABLE, ""))[name]


@cache
def _is_ours(module: str) -> bool:
    return Path(_origin(module)).is_relative_to(PACKAGE)


def _origin(module: str) -> str:
    """The file of a module. Raises BadInput for one of an entry point that is not there."""
    try:
        spec = find_spec(module)
    except ModuleNotFoundError:
        spec = None
    if spec is None or spec.origin is None:
        raise BadInput(module, "an entry point of ser", "a module that is installed", "install its package anew")
    return spec.origin


def _fingerprint(module: str) -> str:
    """Eight digits of the source of a plugin and of all that it imports from its neighbours."""
    sources: dict[str, bytes] = {}
    todo = [module]
    while todo:
        origin = _origin(one := todo.pop())
        if origin not in sources:
            sources[origin] = Path(origin).read_bytes()
            todo += _neighbours(one)
    return hashlib.sha256(b"\0".join(sources[origin] for origin in sorted(sources, key=os.path.basename))).hexdigest()[
        :8
    ]


def _neighbours(module: str) -> Iterator[str]:
    """Modules that a plugin imports from its own folder or package, however deep in the file."""
    package = module.rpartition(".")[0]
    for node in (n for statement in _body(module) for n in ast.walk(statement) if isinstance(n, ast.ImportFrom)):
        source = _source(node, module)
        for name in (source, *(f"{source}.{alias.name}" for alias in node.names)):
            if name.partition(".")[0] == package.partition(".")[0] and _exists(name) and not _is_ours(name):
                yield name


def _source(node: ast.ImportFrom, module: str) -> str:
    """The full name of the module that an import of ``module`` names, perhaps relative to it."""
    package = module.rpartition(".")[0]
    parent = package.rsplit(".", node.level - 1)[0] if node.level else ""
    return ".".join(filter(None, (parent, node.module)))


def _exists(module: str) -> bool:
    try:
        spec = find_spec(module)
    except ModuleNotFoundError:  # a name in a module that is no package
        return False
    return spec is not None and spec.origin is not None


def _broken(module: str, error: Exception) -> BadInput:
    """The error for a plugin that cannot be read or imported, with its file and line."""
    origin = _origin(module)
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == origin]
    line = error.lineno if isinstance(error, SyntaxError) else (lines or [None])[-1]
    place = f"{origin}, line {line}" if line else origin
    return BadInput(f"{type(error).__name__}: {error}", place, "a file that Python can import", "fix the plugin")


@cache
def _settings(name: str, module: str, origin: str) -> type[Any]:
    try:
        return _class(name, module)
    except (NameError, ImportError, AttributeError, TypeError) as error:
        if _is_ours(module):
            raise
        raise _broken(module, error) from error


@cache
def _version(module: str, origin: str, rule: str) -> int | str:
    own = [n for c in _body(module) if isinstance(c, ast.ClassDef) and c.name == rule for n in c.body]
    stated = next((v for n in (*own, *_body(module)) if (v := _constant(n, "VERSION")) is not None), None)
    if not isinstance(stated, int):
        raise BadInput("no VERSION", origin, "VERSION = 1, or another whole number", "write that line")
    return stated if _is_ours(module) else f"{stated}+{_fingerprint(module)}"


@cache
def _is_fitted(name: str, variable: str) -> bool:
    modules = _modules("models", variable)
    return name in modules and any(_constant(n, "GIVES") == "classes" for n in _body(modules[name]))


def _class(name: str, module: str) -> type[Any]:
    """A class of plain values of a module, made from its source and from what that imports of ``_PLAIN``."""
    body = _body(module)
    imports = [n for n in body if isinstance(n, ast.ImportFrom) and n.module]
    defined = next((n for n in body if isinstance(n, ast.ClassDef) and n.name == name), None)
    if defined is None:  # one component has the settings of another
        sources = [(_source(n, module), a.name) for n in imports for a in n.names if (a.asname or a.name) == name]
        if not sources:
            raise BadInput(f"no class {name}", _origin(module), "a frozen dataclass of that name", "write one")
        return _class(sources[0][1], sources[0][0])
    bases = {base.id for base in defined.bases if isinstance(base, ast.Name)}
    space: dict[str, Any] = {"__name__": module} | {base: _class(base, module) for base in bases}
    plain: list[ast.stmt] = [n for n in imports if str(n.module).startswith(_PLAIN)]
    exec(compile(ast.Module([*plain, defined], []), module, "exec"), space)  # our own file's source
    settings_class: type[Any] = space[name]
    return settings_class


def _body(module: str) -> list[ast.stmt]:
    """The statements of a module's source. Raises BadInput for a plugin that is no Python."""
    return _parsed(module, _origin(module))


@cache
def _parsed(module: str, origin: str) -> list[ast.stmt]:
    try:
        return ast.parse(Path(origin).read_bytes(), origin).body
    except (SyntaxError, ValueError) as error:
        raise _broken(module, error) from None


def _constant(statement: ast.stmt, name: str) -> object:
    """The literal that ``name = literal`` assigns, None for other statements."""
    match statement:
        case ast.Assign(targets=[ast.Name(id=target)], value=value) if target == name:
            return ast.literal_eval(value)
    return None


def documented(kind: str, name: str) -> tuple[str, dict[str, str], dict[str, Any]]:
    """What a component's file says, without importing it: its docstring, those of its functions and its constants.

    Of rules that share a file these are the docstring of the rule's settings, and nothing else.
    """
    body = _body(_module(kind, name))
    if kind in _RULES:
        rule = next(n for n in body if isinstance(n, ast.ClassDef) and n.name == _rules(kind)[name])
        return ast.get_docstring(rule) or "", {}, {}
    functions = [n for n in body if isinstance(n, ast.FunctionDef) and not n.name.startswith("_")]
    texts = {n.name: ast.get_docstring(n) or "" for n in functions}
    constants: dict[str, Any] = {}
    for statement in body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=target)], value=ast.Constant(value=value)) if target.isupper():
                constants[target] = value
    module = ast.parse("")
    module.body = body
    return ast.get_docstring(module) or "", texts, constants

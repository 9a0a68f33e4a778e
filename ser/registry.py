"""The folder is the registry: a corpus, front-end, augmentation or model is one file, named as it is called."""

from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

from ser.errors import BadInput


def names(kind: str) -> tuple[str, ...]:
    """Names of all files in ``ser/<kind>`` (of folders, for "report"), sorted; ``kind`` is "corpora", "models" …"""
    package = import_module(f"ser.{kind}")
    files = (m for m in iter_modules(package.__path__) if m.ispkg == (kind == "report"))
    return tuple(sorted(m.name for m in files if not m.name.startswith("_")))


def find(kind: str, name: str) -> ModuleType:
    """The module ``ser/<kind>/<name>.py``. Raises BadInput naming the files that exist."""
    known = names(kind)
    if name not in known:
        raise BadInput(repr(name), f"ser/{kind}", ", ".join(known), "choose one of these, or add a file of that name")
    return import_module(f"ser.{kind}.{name}.content" if kind == "report" else f"ser.{kind}.{name}")

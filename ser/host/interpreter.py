"""How Python itself was started: some ways the libraries do not bear, Ray, MLflow and Matplotlib among them."""

import gc
import os
import sys
from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec

from ser.errors import BadInput

_MODULE = "module://"
_OBJECTS = 100_000  # that are made until cycles among them are looked for


def check(optimize: int, warnings: Sequence[str]) -> None:
    """Raises BadInput where this process would end within a library; as ``sys.flags`` and ``sys.warnoptions`` have it.

    Without docstrings Ray cannot be imported, and where warnings are errors any deprecation is the end of a command.
    """
    if optimize >= 2:
        allowed, remedy = "Python with docstrings, which Ray needs", "unset PYTHONOPTIMIZE, or set it to 1"
        raise BadInput(f"optimization {optimize}", "PYTHONOPTIMIZE or -OO", allowed, remedy)
    for option in warnings:
        action = option.partition(":")[0].strip()
        if action and "error".startswith(action):
            allowed = "default, ignore or another that only shows them, as libraries warn of much"
            raise BadInput(repr(option), "PYTHONWARNINGS or -W", allowed, "unset PYTHONWARNINGS")


def drop_absent_backend(environment: MutableMapping[str, str]) -> None:
    """Forget a backend of Matplotlib's that is not installed here: a notebook passes its own on to every command."""
    backend = environment.get("MPLBACKEND", "")
    if backend.startswith(_MODULE) and find_spec(backend.removeprefix(_MODULE).partition(".")[0]) is None:
        del environment["MPLBACKEND"]


def use_utf8(encoding: str, started_as: Sequence[str]) -> None:
    """Begin anew in Python's UTF-8 mode where names of files would be read in another encoding, of an old locale.

    ``started_as`` is ``sys.orig_argv``. What is printed stays in the terminal's own encoding. Does not return then.
    """
    if encoding.lower().replace("-", "") == "utf8" or sys.flags.utf8_mode:
        return
    os.environ["PYTHONUTF8"] = "1"  # for processes that are started from here
    os.environ.setdefault("PYTHONIOENCODING", f"{getattr(sys.stdout, 'encoding', None) or 'ascii'}:backslashreplace")
    os.execv(sys.executable, [sys.executable, "-X", "utf8", *started_as[1:]])


@contextmanager
def rare_collection() -> Iterator[None]:
    """Inside, Python looks for cycles of objects rarely: by default it does after every 700 that a library makes."""
    before = gc.get_threshold()
    gc.set_threshold(_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)

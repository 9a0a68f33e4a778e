"""The process that talks to Ray, and the line to it. It is light: that process does without torch and MLflow."""

import ctypes
import os
import secrets
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType
from typing import Any

from ser import PACKAGE
from ser.errors import BadInput
from ser.host import logs, machine, scratch
from ser.host.environment import OF_RAY

_SET_PARENT_DEATH_SIGNAL = 1  # of Linux's prctl
_LISTEN_S = 1.0
_START_S = 600.0  # to import Ray from a network drive of a busy cluster takes minutes
_SILENCE_S = 90.0  # a busy machine is slow; Ray itself gives a lost node half a minute


class Lost(Exception):
    """Ray, or the process that talks to it, is gone."""


class Talk:
    """A conversation with ``ser.distributed.driver`` in a process of its own, to which everything ``given`` goes.

    ``note`` is what a person should know of where Ray's files are, or "".
    """

    def __init__(self, work: Path, address: str | None, *given: Any) -> None:
        """Raises BadInput where there is no folder for a Ray, or its processes could not talk."""
        if address is None:
            machine.check_loopback()
        self._scratch, self.note = scratch.for_ray() if address is None else (scratch.Scratch(scratch.RAY), "")
        self.folder = str(self._scratch.folder)
        self.line, theirs = get_context("spawn").Pipe()
        self.log = (work / "logs" / "ray.log").absolute()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._begun = logs.size(self.log)
        all_given = (self.log, address, theirs, self.folder, *given)
        self.process = get_context("spawn").Process(target=_serve, args=all_given, daemon=True)
        with _safe_path(), _plain_main():
            self.process.start()
        theirs.close()

    def say(self, message: Any) -> None:
        """Raises Lost."""
        try:
            self.line.send(message)
        except OSError:
            raise Lost(self._how()) from None

    def until(self, last: str, heard: Callable[..., None]) -> tuple[Any, ...]:
        """What the message ``last`` says; ``heard`` is called with every other one. Raises Lost, and BadInput."""
        longest_s = _SILENCE_S if last == "passed" else _START_S
        silent_s = 0.0  # while this process listened: what it was stopped for, or spent on a message, is no silence
        while silent_s < longest_s:
            try:
                silent_s += _LISTEN_S
                if self.line.poll(_LISTEN_S):
                    kind, *told = self.line.recv()
                    silent_s = 0.0
                    if kind == last:
                        return tuple(told)
                    if kind == "refused":
                        raise told[0]
                    if kind == "lost":
                        raise Lost(self._explained(told[0]))
                    heard(kind, *told)
            except (EOFError, ConnectionError):
                raise Lost(self._how()) from None
        raise Lost(self._explained(f"no living node for {longest_s:.0f} s"))

    def _how(self) -> str:
        self.process.join(5.0)
        return self._explained(f"the process that talks to it ended with code {self.process.exitcode}")

    def _explained(self, what: str) -> str:
        """With the reason that stands in a log, where one does."""
        why = logs.reason(self.log, self._begun, Path(self.folder))
        return f"{what}: {why}" if why else what

    def end(self) -> None:
        """End Ray and its workers, and remove what a local one wrote."""
        with suppress(OSError):
            self.line.send(None)
        self.process.terminate()
        self.process.join(15.0)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()
        self.line.close()
        self._scratch.remove()


@contextmanager
def _safe_path() -> Iterator[None]:
    """Processes that start meanwhile, and theirs, take no module from the folder in which they start.

    There a file of a person's may well be called ``random.py`` or ``ray.py``.
    """
    before = os.environ.get("PYTHONSAFEPATH")
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONSAFEPATH"]
        else:
            os.environ["PYTHONSAFEPATH"] = before


@contextmanager
def _plain_main() -> Iterator[None]:
    """A process that starts meanwhile does not run the script anew that called us, which would begin the grid again."""
    script = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script


def _serve(log: Path, address: str | None, line: Connection, folder: str, *given: Any) -> None:
    """In a process of its own: what Ray and Tune print goes to a file, as a person is told by the listener."""
    _end_with_parent()
    with suppress(OSError), log.open("a", encoding="utf-8") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    os.environ.update({name: value for name, value in (OF_RAY | _of_local(address)).items() if name not in os.environ})
    _leave(folder)
    try:
        from ser.distributed import driver  # and with it Ray, which the process that decides does without
    except ImportError as error:
        line.send(("refused", BadInput(str(error), "Ray", "an installation that can be imported", "install it anew")))
        return
    driver.serve(address, line, folder, *given)


def _end_with_parent() -> None:
    """Where it can, the system ends this process, and so Ray, as soon as the parent is gone, even while Ray starts."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)


def _leave(folder: str) -> None:
    """Go where no modules are: Ray's workers look for them in the folder of the process that started Ray."""
    paths = [os.path.abspath(p) for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
    root = str(PACKAGE.parent)
    if os.getcwd() == root:  # our code may be nowhere else
        paths.append(root)
    if paths:
        os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    os.chdir(folder)


def _of_local(address: str | None) -> dict[str, str]:
    """A Ray of one machine need not be reached by others; Ray heeds this when it is imported."""
    if address is not None:
        return {}
    os.environ.pop("RAY_ADDRESS", None)  # of a cluster that nobody asked for
    out = {
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_gcs_rpc_server_reconnect_timeout_s": "15",
        "RAY_OBJECT_STORE_ALLOW_SLOW_STORAGE": "1",  # containers have little shared memory, and what is kept is small
    }
    if os.environ.get("RAY_AUTH_MODE", "token").lower() == "token":
        # With a token of its own Ray writes none into the home, which need not be writable.
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
        out["RAY_AUTH_MODE"] = "token"
    return out

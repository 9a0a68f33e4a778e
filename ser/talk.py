"""The process that talks to Ray, and the line to it. It is light: that process does without torch and MLflow."""

import os
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from zlib import crc32

from ser.environment import OF_RAY

_SILENCE_S = 90.0  # a busy machine is slow; Ray itself gives a lost node half a minute
_OURS = f"ser-ray-{crc32(socket.gethostname().encode()) & 0xFFFF:04x}"  # folders of this machine's drivers


class Lost(Exception):
    """Ray, or the process that talks to it, is gone."""


class Talk:
    """A conversation with ``ser.workers`` in a process of its own, to which everything ``given`` goes."""

    def __init__(self, work: Path, address: str | None, *given: Any) -> None:
        _sweep()
        self.folder = tempfile.mkdtemp(prefix=f"{_OURS}-{os.getpid()}-")  # Ray's sockets need a short path
        self.line, theirs = get_context("spawn").Pipe()
        logs = work / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        all_given = (logs / "ray.log", address, theirs, self.folder, *given)
        self.process = get_context("spawn").Process(target=_serve, args=all_given, daemon=True)
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
        alive = time.monotonic()
        while time.monotonic() - alive < _SILENCE_S:
            try:
                if self.line.poll(1.0):
                    kind, *told = self.line.recv()
                    alive = time.monotonic()
                    if kind == last:
                        return tuple(told)
                    if kind == "refused":
                        raise told[0]
                    if kind == "lost":
                        raise Lost(told[0])
                    heard(kind, *told)
            except (EOFError, ConnectionError):
                raise Lost(self._how()) from None
        raise Lost(f"no living node for {_SILENCE_S:.0f} s")

    def _how(self) -> str:
        self.process.join(5.0)
        return f"the process that talks to it ended with code {self.process.exitcode}"

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
        shutil.rmtree(self.folder, ignore_errors=True)


def _serve(log: Path, address: str | None, *given: Any) -> None:
    """In a process of its own: what Ray and Tune print goes to a file, as a person is told by the listener."""
    with suppress(OSError), log.open("a") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    for name, value in OF_RAY.items():
        os.environ.setdefault(name, value)
    if address is None:
        os.environ.pop("RAY_ADDRESS", None)  # of a cluster that nobody asked for
        # A Ray of one machine need not be reached by others; Ray heeds this when it is imported
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        os.environ.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", "15")
    from ser import workers  # and with it Ray, which the process that decides does without

    workers.serve(address, *given)


def _sweep() -> None:
    """Remove what drivers of this machine that were killed could not."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_OURS}-*"):
        found = re.match(r"\d+", folder.name.removeprefix(f"{_OURS}-"))
        if found and Path("/proc/self").exists() and not Path(f"/proc/{found[0]}").exists():
            shutil.rmtree(folder, ignore_errors=True)

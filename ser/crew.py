"""Ray and its workers, behind a process of their own, as it looks from the process that decides (``ser.launch``)."""

import os
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from zlib import crc32

from ser.courier import sync
from ser.errors import BadInput
from ser.node import RAY_ENVIRONMENT, Finding, Places, places
from ser.profile import Profile
from ser.study import Trial
from ser.trial import Job

_SILENCE_S = 90.0  # a busy machine is slow; Ray itself gives a lost node half a minute
_SYNC_EVERY_S = 60.0
_OURS = f"ser-ray-{crc32(socket.gethostname().encode()) & 0xFFFF:04x}"  # folders of this machine's drivers


class Lost(Exception):
    """Ray, or the process that talks to it, is gone."""


class Crew:
    """Ray and its workers, behind a process of their own. Raises Lost as soon as that is known to be of no use."""

    def __init__(
        self,
        job: Job,
        trials: Sequence[Trial],
        profile: Profile,
        address: str | None,
        told: Callable[[str], None] = lambda line: None,
    ) -> None:
        """Ready to work, or BadInput; ``told`` hears what a person should know meanwhile."""
        work = Path(job.work)
        reached = None if address is None else places(job.where, job.store, work, profile.device)
        self.job, self.talk = job, _Talk(work, address, reached, job, trials, profile)
        try:
            (self.slots,) = self.talk.until("ready", lambda kind, *said: told(*said) if said else None)
        except BaseException:
            self.dismiss()
            raise

    def work(self, ids: list[str], heard: Callable[..., None]) -> None:
        """Run these trials, and pass on what ``passes.run`` tells of them."""
        kept, next_sync = 0, time.monotonic() + _SYNC_EVERY_S

        def count(kind: str, *said: Any) -> None:
            nonlocal kept, next_sync
            kept += kind == "ended" and said[1].get("status") == "kept"
            if kept and time.monotonic() > next_sync:
                kept = len(sync(self.job.where, Path(self.job.work)).kept)
                next_sync = time.monotonic() + _SYNC_EVERY_S
            if kind != "alive":
                heard(kind, *said)

        self.talk.say(ids)
        self.talk.until("passed", count)

    def dismiss(self) -> None:
        """End Ray and its workers, and remove what a local one wrote."""
        self.talk.end()


def examine(reached: Places, work: Path, address: str, profile: Profile) -> list[Finding]:
    """What every living node of a cluster says of itself. Raises BadInput."""
    talk = _Talk(work, address, reached, None, (), profile)
    try:
        (found,) = talk.until("examined", lambda *_: None)
    except Lost as error:
        raise BadInput(str(error), "--address", "a running cluster that answers", "look at its logs") from None
    finally:
        talk.end()
    return list(found)


class _Talk:
    """The process that talks to Ray, and the line to it."""

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
        try:
            self.line.send(message)
        except OSError:
            raise Lost(self._how()) from None

    def until(self, last: str, heard: Callable[..., None]) -> tuple[Any, ...]:
        """What is told with the message ``last``; ``heard`` is called with every other one."""
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
    for name, value in RAY_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if address is None:  # a Ray of one machine need not be reached by others; Ray heeds this when it is imported
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

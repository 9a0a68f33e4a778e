"""Ray and its workers behind a process of their own, which is started as often as needed.

A raylet or head node that dies takes the process connected to it along, so that the process that decides never connects
to Ray itself. This file is light: the process that it starts does without torch and MLflow.
"""

import ctypes
import os
import pickle
import secrets
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar

from ser import PACKAGE
from ser.distributed.messages import (
    BuildShards,
    Close,
    DriverOptions,
    Examined,
    Halving,
    ItemsDone,
    Lost,
    Message,
    Note,
    Ready,
    Rejected,
    RunItems,
    ShardsDone,
    WorkItem,
)
from ser.distributed.node import Finding, Places, places
from ser.distributed.profile import Profile
from ser.errors import BadInput
from ser.host import logs, machine, scratch
from ser.host.environment import OF_RAY

if TYPE_CHECKING:  # both load torch and MLflow
    from ser.study import Trial
    from ser.trials.job import Job

_SET_PARENT_DEATH_SIGNAL = 1  # of Linux's prctl
_LISTEN_S = 1.0
_START_S = 600.0  # to import Ray from a network drive of a busy cluster takes minutes
_SILENCE_S = 90.0  # a busy machine is slow; Ray itself gives a lost node half a minute

Event = Callable[[Message], None]
_Last = TypeVar("_Last", Ready, ItemsDone, ShardsDone, Examined)


class RayLost(Exception):
    """Ray, or the process that knows it, is gone."""


class WorkerPool:
    """Workers of Ray on this machine or a cluster, reached through a process that runs ``ser.distributed.driver``."""

    def __init__(self, options: DriverOptions) -> None:
        """Starts the process; ``note`` says where a local Ray keeps its files, if that is worth a person's attention.

        Raises BadInput where there is no folder for a Ray, or its processes could not reach each other.
        """
        local = options.address is None
        if local:
            machine.check_loopback()
        self._scratch, self.note = scratch.for_ray() if local else (scratch.Scratch(scratch.RAY), "")
        self.folder = str(self._scratch.folder)
        self.log = (Path(options.work) / "logs" / "ray.log").absolute()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._log_begin = logs.size(self.log)
        self.slots = 0.0  # trials at once
        self._new_job = b""
        self._connection, driver_end = get_context("spawn").Pipe()
        arguments = (self.log, driver_end, self.folder, options)
        self.process = get_context("spawn").Process(target=_drive, args=arguments, daemon=True)
        with _safe_path(), _plain_main():
            self.process.start()
        driver_end.close()

    @classmethod
    def of_job(
        cls,
        job: "Job",
        trials: Sequence["Trial"],
        profile: Profile,
        address: str | None,
        on_note: Callable[[str], None] = lambda line: None,
    ) -> "WorkerPool":
        """Returns a pool that is ready to train ``trials``; ``on_note`` gets lines for a person meanwhile.

        Raises BadInput where there is no such cluster, or it cannot train these trials, and RayLost.
        """
        reached = None if address is None else places(job.where, job.store, Path(job.work), profile.device)
        pool = cls(DriverOptions(profile, job.work, address, reached, job.replica, _packed(job, trials)))
        if pool.note:
            on_note(pool.note)
        pool.slots = pool._ready(on_note)
        return pool

    @classmethod
    def of_features(cls, profile: Profile, work: Path, address: str) -> "WorkerPool":
        """Returns a pool that can compute shards. Raises BadInput where there is no such cluster, and RayLost."""
        pool = cls(DriverOptions(profile, str(work), address))
        pool._ready(lambda line: None)
        return pool

    def _ready(self, on_note: Callable[[str], None]) -> float:
        """Returns how many trials the pool trains at once, when it is ready; ends it where it never is."""
        try:
            return self._receive_until(Ready, lambda m: on_note(m.line) if isinstance(m, Note) else None).slots
        except BaseException:
            self.close()
            raise

    def set_job(self, job: "Job", trials: Sequence["Trial"]) -> None:
        """Takes another job and its trials for the work items from now on."""
        self._new_job = _packed(job, trials)

    def run(self, items: Sequence[WorkItem], on_event: Event, halving: Halving | None = None) -> None:
        """Runs these work items; ``on_event`` is called with every event of a trial, and with Alive every few seconds.

        Raises RayLost as soon as Ray or its process is known to be of no use, and BadInput.
        """
        self._send(RunItems(tuple(items), halving, self._new_job))
        self._new_job = b""
        self._receive_until(ItemsDone, on_event)

    def build(self, request: BuildShards, on_event: Event) -> None:
        """Computes shards; ``on_event`` is called with ShardDone for each, with Note, and with Alive every few seconds.

        Raises RayLost, and BadInput where they cannot be computed.
        """
        self._send(request)
        self._receive_until(ShardsDone, on_event)

    def _send(self, request: RunItems | BuildShards) -> None:
        try:
            self._connection.send(request)
        except OSError:
            raise RayLost(self._exit_reason()) from None

    def examine(self) -> list[Finding]:
        """Returns the state of every living node, of a pool without a job. Raises RayLost, and BadInput."""
        return list(self._receive_until(Examined, lambda message: None).findings)

    def close(self) -> None:
        """Ends Ray and its workers, and removes what a local one wrote."""
        with suppress(OSError):
            self._connection.send(Close())
        self.process.terminate()
        self.process.join(15.0)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()
        self._connection.close()
        self._scratch.remove()

    def _receive_until(self, last: type[_Last], on_event: Event) -> _Last:
        """Returns the first message of the class ``last``; ``on_event`` is called with every other one.

        Raises RayLost, and BadInput.
        """
        longest_s = _SILENCE_S if last in (ItemsDone, ShardsDone) else _START_S
        silent_s = 0.0  # while this process listened: what it was stopped for, or spent on a message, is no silence
        while silent_s < longest_s:
            try:
                silent_s += _LISTEN_S
                if self._connection.poll(_LISTEN_S):
                    message = self._connection.recv()
                    silent_s = 0.0
                    if isinstance(message, last):
                        return message
                    match message:
                        case Rejected(error):
                            raise error
                        case Lost(reason):
                            raise RayLost(self._explained(reason))
                    on_event(message)
            except (EOFError, ConnectionError):
                raise RayLost(self._exit_reason()) from None
        raise RayLost(self._explained(f"no living node for {longest_s:.0f} s"))

    def _exit_reason(self) -> str:
        self.process.join(5.0)
        return self._explained(f"the process that talks to it ended with code {self.process.exitcode}")

    def _explained(self, event: str) -> str:
        """Returns ``event`` with the reason that stands in a log, where one does."""
        reason = logs.reason(self.log, self._log_begin, Path(self.folder))
        return f"{event}: {reason}" if reason else event


def _packed(job: "Job", trials: Sequence["Trial"]) -> bytes:
    return pickle.dumps((job, {t.id: t for t in trials}))


def examine(reached: Places, work: Path, address: str, profile: Profile) -> list[Finding]:
    """Returns the state of every living node of the cluster at ``address``. Raises BadInput."""
    pool = WorkerPool(DriverOptions(profile, str(work), address, reached))
    try:
        return pool.examine()
    except RayLost as error:
        raise BadInput(str(error), "--address", "a running cluster that answers", "look at its logs") from None
    finally:
        pool.close()


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


# In the process of the driver


def _drive(log: Path, connection: Connection, folder: str, options: DriverOptions) -> None:
    """Serves as the driver. What Ray and Tune print goes to a file, as a person reads what the listener prints."""
    _end_with_parent()
    with suppress(OSError), log.open("a", encoding="utf-8") as file:
        for standard_stream in (1, 2):
            os.dup2(file.fileno(), standard_stream)
    settings = OF_RAY | _local_settings(options.address)
    os.environ.update({name: value for name, value in settings.items() if name not in os.environ})
    _change_folder(folder)
    try:
        from ser.distributed import driver  # and with it Ray, which the process that decides does without
    except ImportError as error:
        rejected = BadInput(str(error), "Ray", "an installation that can be imported", "install it anew")
        connection.send(Rejected(rejected))
        return
    driver.serve(options, connection, folder)


def _end_with_parent() -> None:
    """Where it can, the system ends this process, and so Ray, as soon as the parent is gone, even while Ray starts."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)


def _change_folder(folder: str) -> None:
    """Goes where no modules are: Ray's workers look for them in the folder of the process that started Ray."""
    paths = [os.path.abspath(p) for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
    root = str(PACKAGE.parent)
    if os.getcwd() == root:  # our code may be nowhere else
        paths.append(root)
    if paths:
        os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    os.chdir(folder)


def _local_settings(address: str | None) -> dict[str, str]:
    """Returns the variables of a Ray of one machine, which others need not reach; Ray reads them at its import."""
    if address is not None:
        return {}
    os.environ.pop("RAY_ADDRESS", None)  # of a cluster that nobody asked for
    out = {
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_gcs_rpc_server_reconnect_timeout_s": "15",
        "RAY_OBJECT_STORE_ALLOW_SLOW_STORAGE": "1",  # containers have little shared memory, and few objects are stored
    }
    if os.environ.get("RAY_AUTH_MODE", "token").lower() == "token":
        # With a token of its own Ray writes none into the home, which need not be writable.
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
        out["RAY_AUTH_MODE"] = "token"
    return out

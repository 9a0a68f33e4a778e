"""Folders for as long as a process lives, held by a lock that dies with it. What killed ones left is removed later.

The lock decides who lives: process numbers and host names are those of a container, and temporary folders are shared.
"""

import fcntl
import os
import re
import shutil
import socket
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO

from ser.errors import BadInput

_LOCK = ".lock"
RAY = "ser-ray-"
# Ray lets everybody write to its folder, so that lies inside one which nobody else can enter.
INSIDE = "r"
# Its sockets have 107 bytes, of which the names of both folders take 19 and "/session_<date>_<time>_<process>/…" 64.
_SOCKET = "session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store.1"
_LONGEST = 107 - len(f"/{RAY}12345678/{INSIDE}/{_SOCKET}")
_ROOM = 100 * 2**20  # bytes: logs, and the objects of a grid where there is little shared memory


class Scratch:
    """A new folder in ``place``, of this process."""

    def __init__(self, prefix: str, place: Path | None = None) -> None:
        """Raises OSError where it cannot be made or locked."""
        place = place or Path(tempfile.gettempdir())
        sweep(place, prefix)
        while True:
            self.folder = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
            try:
                held = _lock(self.folder, "x")
            except FileNotFoundError:
                continue  # swept before it was locked
            except OSError:
                shutil.rmtree(self.folder, ignore_errors=True)
                raise
            if held:
                self._held = held
                return

    def remove(self) -> None:
        """Remove the folder and all that is in it."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self._held.close()


def sweep(place: Path, prefix: str) -> None:
    """Remove the folders in ``place`` whose owners are dead."""
    for folder in place.glob(f"{prefix}*"):
        with suppress(OSError):  # another user's, another's sweep, or a file system without locks
            if not (folder / _LOCK).exists():
                folder.rmdir()  # its owner died before it was locked; or lives, and makes another
            elif held := _lock(folder, "r+"):
                with held:
                    shutil.rmtree(folder, ignore_errors=True)


def _lock(folder: Path, mode: str) -> IO[str] | None:
    """The lock of a folder until it is closed; None where another process has it. Raises OSError."""
    file = (folder / _LOCK).open(mode, encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if (folder / _LOCK).stat().st_ino == os.fstat(file.fileno()).st_ino:
            return file
    except BlockingIOError:
        pass
    except OSError:
        file.close()
        raise
    file.close()
    return None


def for_ray() -> tuple[Scratch, str]:
    """A folder for a local Ray's files and sockets, and what a person should know of its place, or "".

    That is the temporary folder if Ray can work there; else another that is short. Raises BadInput where none is.
    """
    usual = Path(tempfile.gettempdir())
    reasons: dict[Path, str] = {}
    for place in dict.fromkeys([usual, *_others()]):
        reasons[place] = unusable(place)
        if not reasons[place]:
            note = f"Ray's files go to {place}: the temporary folder {usual} {reasons[usual]}" if reasons[usual] else ""
            return Scratch(RAY, place), note
    refusals = "; ".join(f"{place} {reason}" for place, reason in reasons.items())
    allowed = f"a folder of at most {_LONGEST} plain letters with 100 MB free, for Ray's files and sockets"
    raise BadInput(refusals, "TMPDIR", allowed, "export TMPDIR=/such/a/folder")


def _others() -> list[Path]:
    return [Path(p) for p in ("/tmp", "/var/tmp", os.environ.get("XDG_RUNTIME_DIR", ""), "/dev/shm") if p]


def unusable(place: Path) -> str:
    """Why Ray cannot have its folder in ``place``, or ""."""
    if len(os.fsencode(place)) > _LONGEST:
        return f"has a path of {len(os.fsencode(place))} letters, of which Ray's sockets allow {_LONGEST}"
    if not re.fullmatch(r"[\w./+@%=,:-]+", str(place), re.ASCII):
        return "has letters in its path that Ray cannot use"
    try:
        if shutil.disk_usage(place).free < _ROOM:
            return "has less than 100 MB free"
        with tempfile.TemporaryDirectory(prefix=".ser-", dir=place) as folder:
            with socket.socket(socket.AF_UNIX) as listening:
                listening.bind(f"{folder}/s")
            held = _lock(Path(folder), "x")
            if held:
                held.close()
    except OSError as error:
        return f"cannot be used for files, sockets and locks ({error.strerror or error})"
    return ""

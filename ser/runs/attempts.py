"""How often a trial was begun, by whom, and what ended it: kept in its folder, so that any later process can judge.

A death that leaves no trace of its own (a signal, a lost machine) costs the trial one of its attempts; an epoch that is
finished gives all of them back. Only a death by lack of memory changes how the trial is trained: with smaller parts of
each mini-batch.
"""

import os
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ser import files
from ser.errors import is_out_of_memory
from ser.host import machine

STARTS = 4  # without one finished epoch between them


@dataclass(frozen=True)
class Attempt:
    """The latest attempt of a trial. ``starts`` counts since the last finished epoch."""

    starts: int = 0
    accumulation_steps: int = 1  # parts of each mini-batch that go through the network one after another
    epoch: int = 0
    host: str = ""  # the running system: containers and machines may share a name
    pid: int = 0
    memory_kills: int = 0  # of the whole machine, when the attempt began

    @classmethod
    def read(cls, folder: Path) -> "Attempt":
        """The latest attempt; a fresh one where there is none or its file is damaged."""
        try:
            return cls(**files.read(folder / "attempt.json"))
        except (OSError, files.Damaged, TypeError):
            return cls()

    def write(self, folder: Path) -> "Attempt":
        """Replaces it at once; returns itself. Written at every epoch, and not forced onto the disk: it has to outlive
        processes, and what a power cut leaves of it, if unreadable, is a fresh attempt.
        """
        path = folder / "attempt.json"
        with files.replacing(path, durable=False) as file:
            file.write(files.dump(asdict(self), path))
        return self


def begin(folder: Path) -> Attempt:
    """Counts a new attempt by this process, with smaller parts of a mini-batch if the last died of lack of memory."""
    last, host, kills = Attempt.read(folder), machine.kernel(), memory_kills()
    if last.host == host and kills > last.memory_kills:
        note(folder, "the kernel killed the worker: out of memory")
    steps = last.accumulation_steps
    if is_out_of_memory(last_error(folder)) and not _last_note(folder).get("handled"):
        steps *= 2
        note(folder, last_error(folder), handled=True)
    return Attempt(last.starts + 1, steps, last.epoch, host, os.getpid(), kills).write(folder)


def progressed(folder: Path, attempt: Attempt, epoch: int) -> Attempt:
    """An epoch was finished: the attempts before it no longer count."""
    return replace(attempt, starts=0, epoch=epoch).write(folder)


def smaller(folder: Path, attempt: Attempt) -> Attempt:
    """The same attempt with its mini-batches cut in twice as many parts."""
    return replace(attempt, accumulation_steps=attempt.accumulation_steps * 2).write(folder)


def reset(folder: Path) -> None:
    """Gives all attempts back, as a person asks again; the number of parts, which was needed, stays."""
    if (folder / "attempt.json").exists():
        replace(Attempt.read(folder), starts=0, host="").write(folder)


def note(folder: Path, error: str, handled: bool = False) -> None:
    """Writes down what ended an attempt, where that itself could not. ``handled``: it has had its consequence."""
    if folder.is_dir():
        files.write(folder / "last_error.json", {"error": error[:4900], "handled": handled})


def last_error(folder: Path) -> str:
    """What was noted last."""
    return str(_last_note(folder).get("error", ""))


def _last_note(folder: Path) -> dict[str, Any]:
    try:
        return files.read(folder / "last_error.json")
    except (OSError, files.Damaged):
        return {}


def memory_kills() -> int:
    """Processes that this machine's kernel has killed for lack of memory since it started; 0 where it does not tell."""
    try:
        count = re.search(r"^oom_kill (\d+)$", Path("/proc/vmstat").read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        return 0
    return int(count[1]) if count else 0

"""A trial's folder: everything that MLflow is to have of it, on disk until MLflow has it.

Training only ever writes here. ``ser.runs.delivery`` sends it, now or after an outage, from this process or a later
one. ``results.json`` is written last and makes a trial trained, with checksums of its files.
"""

import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any
from zlib import crc32

from ser import files
from ser.errors import BadInput


@dataclass(frozen=True)
class Dataset:
    """A subset of a corpus as MLflow shows it."""

    name: str  # of the corpus
    digest: str  # at most 36 letters: the corpus's fingerprint, and which utterances these are
    context: str  # "training" | "validation" | "testing"
    source: str  # where the corpus lies
    profile: str  # JSON: counts of utterances, speakers, hours, classes


@dataclass(frozen=True)
class Head:
    """Title, parameters and tags of a run before its first epoch. ``twins`` share its training.

    ``params`` are the whole statement, of which ``ser.runs.shown`` shows some.
    """

    study: str
    trial: str
    title: str
    params: dict[str, str]
    tags: dict[str, str]
    twins: tuple["Head", ...] = ()
    datasets: tuple[Dataset, ...] = ()


class RunFolder:
    """The folder ``work/trials/<trial>``; what is delivered leaves only a mark in ``work/finished``."""

    def __init__(self, work: str | Path, trial: str) -> None:
        self.trial = trial
        self.path = Path(work) / "trials" / trial
        self.mark = Path(work) / "finished" / trial
        self._stopped = Path(work) / "stopped" / trial
        self.files = self.path / "files"

    @classmethod
    def all(cls, work: str | Path) -> list["RunFolder"]:
        """Every trial of a work folder that is not delivered, by id."""
        return [cls(work, folder.name) for folder in sorted((Path(work) / "trials").glob("*/")) if folder.is_dir()]

    @contextmanager
    def lock(self) -> Iterator[bool]:
        """One owner of a trial at a time; yields whether it is the caller. The lock dies with its process.

        Raises BadInput where files cannot be locked.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        path = self.path / "lock"
        with path.open("w", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # The owner before may have delivered the trial and removed the folder since it was opened here.
                is_owner = path.exists() and path.stat().st_ino == os.fstat(file.fileno()).st_ino
            except (BlockingIOError, FileNotFoundError):
                is_owner = False
            except OSError as error:
                reason, allowed = error.strerror or str(error), "a file system whose files can be locked"
                raise BadInput(reason, str(path), allowed, "choose another --work") from None
            yield is_owner

    def begin(self, head: Head) -> None:
        """Starts, or starts over after an interruption: epochs will be added again from the checkpoint's history."""
        for name in ("epochs.jsonl", "error.json"):
            (self.path / name).unlink(missing_ok=True)
        files.write(self.path / "run.json", asdict(head))

    def add_epoch(self, number: int, row: Mapping[str, float]) -> None:
        """Notes the values of one epoch; ``row["timestamp_ms"]`` says when they were measured."""
        path = self.path / "epochs.jsonl"
        with path.open("ab") as file:
            file.write(files.dump({**row, "epoch": number}, path) + b"\n")

    def complete(self, results: Mapping[str, float]) -> None:
        """Notes the results. From here on the trial is trained, and only has to be delivered."""
        values = {"timestamp_ms": int(time.time() * 1000), "results": dict(results), "files": self._checksums()}
        files.write(self.path / "results.json", values)

    def _checksums(self) -> dict[str, int]:
        paths = sorted(p for p in self.files.rglob("*") if p.is_file())
        return {str(p.relative_to(self.files)): crc32(p.read_bytes()) for p in paths}

    def fail(self, error: str) -> None:
        """Notes why the trial ended without results."""
        files.write(self.path / "error.json", {"error": error})

    def mark_delivered(self, uri: str) -> None:
        """Remembers that the tracking store at ``uri`` has it, and drops all else."""
        self.mark.parent.mkdir(parents=True, exist_ok=True)
        files.write(self.mark, {"uri": uri})
        shutil.rmtree(self.path, ignore_errors=True)

    def is_delivered_to(self, uri: str) -> bool:
        """Whether the tracking store at ``uri`` has the finished run, as far as this work folder remembers."""
        values = _read(self.mark)
        return values is not None and values.get("uri") == uri

    def unmark_delivered(self) -> None:
        """Drops the mark of a delivered trial: its run is not in the tracking store any more."""
        self.mark.unlink(missing_ok=True)

    def mark_stopped(self, epoch: int) -> None:
        """Remembers that a scheduler ended the trial after ``epoch``: it has still to be evaluated."""
        self._stopped.parent.mkdir(parents=True, exist_ok=True)
        files.write(self._stopped, {"epoch": epoch})

    @property
    def stopped_epoch(self) -> int:
        """The epoch after which a scheduler ended the trial; 0 if none did."""
        values = _read(self._stopped)
        return 0 if values is None else int(values["epoch"])

    @property
    def head(self) -> Head | None:
        """What ``begin`` noted; None where nothing was."""
        values = _read(self.path / "run.json")
        return None if values is None else _head(values)

    @property
    def epochs(self) -> list[dict[str, float]]:
        """The rows noted so far, by epoch; a damaged line ends them, and the next attempt notes them again."""
        rows: dict[float, dict[str, float]] = {}
        path = self.path / "epochs.jsonl"
        try:
            for text in path.read_bytes().splitlines():
                row = files.parse(text, path)
                rows[row["epoch"]] = row
        except (OSError, files.Damaged):
            pass
        return [rows[number] for number in sorted(rows)]

    @property
    def results(self) -> tuple[int, dict[str, float]] | None:
        """(when in ms, results) of a trained trial; None too where a file is not as it was when they were noted."""
        values = _read(self.path / "results.json")
        return (values["timestamp_ms"], values["results"]) if values and values["files"] == self._checksums() else None

    @property
    def error(self) -> str:
        """Why the trial failed; "" where it did not."""
        values = _read(self.path / "error.json")
        return "" if values is None else str(values["error"])


def work_id(work: Path) -> str:
    """A random name that a work folder keeps for ever, by which its runs are known wherever it is moved.

    Raises BadInput where files cannot be locked, as then two processes would train the same trial.
    """
    path = work / "id"
    work.mkdir(parents=True, exist_ok=True)
    _check_locks(work)
    if not path.exists():
        temporary = files.beside(path)
        text = secrets.token_hex(8)
        temporary.write_text(text, encoding="utf-8")
        try:
            os.link(temporary, path)
        except FileExistsError:  # another process was faster
            pass
        except OSError:  # memory sticks, Windows shares and mounted cloud drives have no links
            _write_first(path, text)
        temporary.unlink()
    return _written(path)


def _check_locks(work: Path) -> None:
    with TemporaryFile(dir=work) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError as error:
            allowed, remedy = "a file system on which files can be locked", "choose another folder: --work"
            raise BadInput(f"no locks ({error.strerror})", str(work), allowed, remedy) from None


def _write_first(path: Path, text: str) -> None:
    """Writes a file, unless another process was faster; meanwhile it is there without its text."""
    with suppress(FileExistsError), path.open("x", encoding="utf-8") as file:
        file.write(text)


def _written(path: Path) -> str:
    """The text of a file that another process may be writing. Raises BadInput where that never ended."""
    for _ in range(50):
        if text := path.read_text(encoding="utf-8"):
            return text
        time.sleep(0.1)
    raise BadInput("empty", str(path), "the name of this work folder", "remove the file; the next call makes another")


def _head(values: Mapping[str, Any]) -> Head:
    datasets = tuple(Dataset(**each) for each in values.get("datasets", ()))
    return Head(**{**values, "twins": tuple(_head(twin) for twin in values["twins"]), "datasets": datasets})


def _read(path: Path) -> dict[str, Any] | None:
    """Returns the values of a file; None where it is absent or damaged."""
    try:
        return files.read(path)
    except (OSError, files.Damaged):
        return None

"""A trial's folder beside the features, where nodes share no folder: another takes up what a lost node had reached.

The folder on a node stays the place where everything is written first; what changed is sent after each epoch, and the
results last. Without a URL (nodes that share the work folder, or one machine) nothing here does anything.
"""

import shutil
import time
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from ser.features.remote import Far
from ser.runs import attempts
from ser.runs.folder import Spool

FOLDER = "trials"  # in the store: trials' folders, by work folder
_EVERY_S = 5.0  # epochs of toy networks take less, and a request to an object store as long as such an epoch
_LAST = ("run.json", "checkpoint.pt", "epochs.jsonl", "attempt.json", "last_error.json", "error.json", "results.json")
_NOTES = ("attempt.json", "last_error.json")
_NOTICE = "replica"  # in a work folder: where its trials are kept beside the features


class Replica:
    """Of one trial. ``url`` is the folder of all trials of a work folder, "" for none."""

    def __init__(self, url: str, spool: Spool) -> None:
        self.spool = spool
        self._far = Far(url) if url else None
        self._sent: dict[str, tuple[int, int]] = {}  # name -> its stamp when it was sent
        self._next = 0.0
        self.reason = ""  # why the last try to send failed

    def fetch(self) -> None:
        """Bring the trial's state to this node, if another got further. Raises OSError where it cannot be asked."""
        if not self._far or self.spool.results is not None:
            return
        names = self._far.sizes(self.spool.trial)
        self.spool.folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=self.spool.folder) as arriving:
            there = Path(arriving) / self.spool.trial  # a seal holds in a folder of the trial's name only
            there.mkdir()
            for name in [n for n in _LAST if n in names]:
                self._far.get(f"{self.spool.trial}/{name}", there / name)
            if attempts.Attempt.read(there).epoch < attempts.Attempt.read(self.spool.folder).epoch:
                return  # the far side could not be reached when this node went on
            for path in there.iterdir():
                path.replace(self.spool.folder / path.name)
        if "results.json" in names:
            _fetch_files(self._far, self.spool)

    def push(self, soon: bool = False) -> None:
        """Send what has changed, ``soon`` or at once. What fails waits for the next call."""
        if not self._far or (soon and time.monotonic() < self._next):
            return
        folder = self.spool.folder
        files = [str(p.relative_to(folder)) for p in sorted(self.spool.files.rglob("*")) if p.is_file()]
        complete = (folder / "results.json").exists()
        try:
            for name in (*(files if complete else ()), *_LAST):
                self._send(name)
            self.reason = ""
        except OSError as error:
            self.reason = str(error)
        self._next = time.monotonic() + _EVERY_S

    def _send(self, name: str) -> None:
        path = self.spool.folder / name
        with suppress(FileNotFoundError):
            stat = path.stat()
            stamp = (stat.st_mtime_ns, stat.st_size)
            if self._far and self._sent.get(name) != stamp:
                self._far.put(path, f"{self.spool.trial}/{name}")
                self._sent[name] = stamp

    def drop(self) -> None:
        """The trial is delivered: remove all of it."""
        if self._far:
            with suppress(OSError):
                self._far.remove_folder(self.spool.trial)

    def note(self, error: str) -> str:
        """As ``attempt.note``, from a process that need not be on the node of the trial; what was noted before stays
        if ``error`` is "". Returns what is noted last.
        """
        if self._far:
            self.spool.folder.mkdir(parents=True, exist_ok=True)
            with suppress(OSError):
                self._fetch_notes()
        if error:
            attempts.note(self.spool.folder, error)
            self.push()
        return attempts.last_error(self.spool.folder)

    def forgive(self) -> None:
        """As ``attempt.forgive``, for a trial that any node may have tried."""
        if self._far:
            with suppress(OSError):
                self._fetch_notes()
        attempts.forgive(self.spool.folder)
        self.push()

    def _fetch_notes(self) -> None:
        assert self._far
        there = self._far.sizes(self.spool.trial)
        for name in (n for n in _NOTES if n in there):
            self.spool.folder.mkdir(parents=True, exist_ok=True)
            self._far.get(f"{self.spool.trial}/{name}", self.spool.folder / name)


def place(store: str, work: str) -> str:
    """URL of the trials' folders of the work folder with the id ``work``."""
    return f"{store.rstrip('/')}/{FOLDER}/{work}"


def begin(url: str, work: Path) -> None:
    """Remember in ``work`` that its trials are kept at ``url``, for later commands."""
    if url:
        work.mkdir(parents=True, exist_ok=True)
        (work / _NOTICE).write_text(url, encoding="utf-8")


def collect(work: Path) -> list[Replica]:
    """Bring the trained trials that nodes left at the replica of ``work`` to its own folder, and return them.

    Whoever delivers one drops it. Where that place does not answer they stay there for the next call.
    """
    try:
        url = (work / _NOTICE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    found = []
    far = Far(url)
    with suppress(OSError):
        for trial in far.folders(""):
            if "results.json" in far.sizes(trial):
                replica = Replica(url, Spool(work, trial))
                with replica.spool.owned() as owned, suppress(FileNotFoundError):  # its worker may be delivering it
                    if owned:
                        replica.fetch()
                        found.append(replica)
    return found


def forgive(url: str, work: Path, trials: Iterable[str]) -> None:
    """A person asks again: all attempts are given back to these trials, wherever they were made."""
    there: Collection[str] = ()
    with suppress(OSError):
        there = Far(url).folders("") if url else ()
    for trial in trials:
        Replica(url if trial in there else "", Spool(work, trial)).forgive()


def _fetch_files(far: Far, spool: Spool) -> None:
    shutil.rmtree(spool.files, ignore_errors=True)
    folders = [""]
    while folders:
        inner = folders.pop()
        folders += [f"{inner}/{name}" for name in far.folders(f"{spool.trial}/files{inner}")]
        for name in far.sizes(f"{spool.trial}/files{inner}"):
            path = spool.files / f"{inner}/{name}".lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            far.get(f"{spool.trial}/files{inner}/{name}", path)

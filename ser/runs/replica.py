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

from ser.features.remote import RemoteFolder
from ser.runs import attempts
from ser.runs.folder import RunFolder

FOLDER = "trials"  # in the store: trials' folders, by work folder
_EVERY_S = 5.0  # epochs of toy networks take less, and a request to an object store as long as such an epoch
_LAST = ("run.json", "checkpoint.pt", "epochs.jsonl", "attempt.json", "last_error.json", "error.json", "results.json")
_NOTES = ("attempt.json", "last_error.json")
_NOTICE = "replica"  # in a work folder: where its trials are kept beside the features


class Replica:
    """Of one trial. ``url`` is the folder of all trials of a work folder, "" for none."""

    def __init__(self, url: str, run_folder: RunFolder) -> None:
        self.run_folder = run_folder
        self._far = RemoteFolder(url) if url else None
        self._sent: dict[str, tuple[int, int]] = {}  # name -> its stamp when it was sent
        self._next = 0.0
        self.reason = ""  # why the last try to send failed

    def fetch(self) -> None:
        """Bring the trial's state to this node, if another got further. Raises OSError where it cannot be asked."""
        if not self._far or self.run_folder.results is not None:
            return
        names = self._far.sizes(self.run_folder.trial)
        self.run_folder.path.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=self.run_folder.path) as arriving:
            there = Path(arriving) / self.run_folder.trial  # a seal holds in a folder of the trial's name only
            there.mkdir()
            for name in [n for n in _LAST if n in names]:
                self._far.get(f"{self.run_folder.trial}/{name}", there / name)
            if attempts.Attempt.read(there).epoch < attempts.Attempt.read(self.run_folder.path).epoch:
                return  # the far side could not be reached when this node went on
            for path in there.iterdir():
                path.replace(self.run_folder.path / path.name)
        if "results.json" in names:
            _fetch_files(self._far, self.run_folder)

    def push(self, soon: bool = False) -> None:
        """Send what has changed, ``soon`` or at once. What fails waits for the next call."""
        if not self._far or (soon and time.monotonic() < self._next):
            return
        folder = self.run_folder.path
        files = [str(p.relative_to(folder)) for p in sorted(self.run_folder.files.rglob("*")) if p.is_file()]
        complete = (folder / "results.json").exists()
        try:
            for name in (*(files if complete else ()), *_LAST):
                self._send(name)
            self.reason = ""
        except OSError as error:
            self.reason = str(error)
        self._next = time.monotonic() + _EVERY_S

    def _send(self, name: str) -> None:
        path = self.run_folder.path / name
        with suppress(FileNotFoundError):
            stat = path.stat()
            stamp = (stat.st_mtime_ns, stat.st_size)
            if self._far and self._sent.get(name) != stamp:
                self._far.put(path, f"{self.run_folder.trial}/{name}")
                self._sent[name] = stamp

    def drop(self) -> None:
        """The trial is delivered: remove all of it."""
        if self._far:
            with suppress(OSError):
                self._far.remove_folder(self.run_folder.trial)

    def note(self, error: str) -> str:
        """As ``attempt.note``, from a process that need not be on the node of the trial; what was noted before stays
        if ``error`` is "". Returns what is noted last.
        """
        if self._far:
            self.run_folder.path.mkdir(parents=True, exist_ok=True)
            with suppress(OSError):
                self._fetch_notes()
        if error:
            attempts.note(self.run_folder.path, error)
            self.push()
        return attempts.last_error(self.run_folder.path)

    def reset(self) -> None:
        """As ``attempt.reset``, for a trial that any node may have tried."""
        if self._far:
            with suppress(OSError):
                self._fetch_notes()
        attempts.reset(self.run_folder.path)
        self.push()

    def _fetch_notes(self) -> None:
        assert self._far
        there = self._far.sizes(self.run_folder.trial)
        for name in (n for n in _NOTES if n in there):
            self.run_folder.path.mkdir(parents=True, exist_ok=True)
            self._far.get(f"{self.run_folder.trial}/{name}", self.run_folder.path / name)


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
    far = RemoteFolder(url)
    with suppress(OSError):
        for trial in far.folders(""):
            if "results.json" in far.sizes(trial):
                replica = Replica(url, RunFolder(work, trial))
                with replica.run_folder.lock() as owned, suppress(FileNotFoundError):  # its worker may be delivering it
                    if owned:
                        replica.fetch()
                        found.append(replica)
    return found


def reset(url: str, work: Path, trials: Iterable[str]) -> None:
    """A person asks again: all attempts are given back to these trials, wherever they were made."""
    there: Collection[str] = ()
    with suppress(OSError):
        there = RemoteFolder(url).folders("") if url else ()
    for trial in trials:
        Replica(url if trial in there else "", RunFolder(work, trial)).reset()


def _fetch_files(far: RemoteFolder, run_folder: RunFolder) -> None:
    shutil.rmtree(run_folder.files, ignore_errors=True)
    folders = [""]
    while folders:
        inner = folders.pop()
        folders += [f"{inner}/{name}" for name in far.folders(f"{run_folder.trial}/files{inner}")]
        for name in far.sizes(f"{run_folder.trial}/files{inner}"):
            path = run_folder.files / f"{inner}/{name}".lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            far.get(f"{run_folder.trial}/files{inner}/{name}", path)

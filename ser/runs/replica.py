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
    """A trial's folder in remote storage. ``url`` is the folder of all trials of a work folder, "" for none."""

    def __init__(self, url: str, run_folder: RunFolder) -> None:
        self.run_folder = run_folder
        self._remote = RemoteFolder(url) if url else None
        self._sent: dict[str, tuple[int, int]] = {}  # name -> its stamp when it was sent
        self._next = 0.0
        self.reason = ""  # why the last try to send failed

    def fetch(self) -> None:
        """Brings the trial's state to this node, if another got further. Raises OSError where it cannot be asked."""
        if not self._remote or self.run_folder.results is not None:
            return
        names = self._remote.sizes(self.run_folder.trial)
        self.run_folder.path.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=self.run_folder.path) as arriving:
            copy = Path(arriving) / self.run_folder.trial  # checksums hold in a folder of the trial's name only
            copy.mkdir()
            for name in [n for n in _LAST if n in names]:
                self._remote.get(f"{self.run_folder.trial}/{name}", copy / name)
            if attempts.Attempt.read(copy).epoch < attempts.Attempt.read(self.run_folder.path).epoch:
                return  # the remote storage could not be reached when this node went on
            for path in copy.iterdir():
                path.replace(self.run_folder.path / path.name)
        if "results.json" in names:
            _fetch_files(self._remote, self.run_folder)

    def push(self, soon: bool = False) -> None:
        """Sends what has changed, ``soon`` or at once. What fails waits for the next call."""
        if not self._remote or (soon and time.monotonic() < self._next):
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
            if self._remote and self._sent.get(name) != stamp:
                self._remote.put(path, f"{self.run_folder.trial}/{name}")
                self._sent[name] = stamp

    def drop(self) -> None:
        """The trial is delivered: remove all of it."""
        if self._remote:
            with suppress(OSError):
                self._remote.remove_folder(self.run_folder.trial)

    def note(self, error: str) -> str:
        """As ``attempts.note``, from a process that need not be on the node of the trial; what was noted before stays
        if ``error`` is "". Returns what is noted last.
        """
        if self._remote:
            self.run_folder.path.mkdir(parents=True, exist_ok=True)
            with suppress(OSError):
                self._fetch_notes()
        if error:
            attempts.note(self.run_folder.path, error)
            self.push()
        return attempts.last_error(self.run_folder.path)

    def reset(self) -> None:
        """As ``attempts.reset``, for a trial that any node may have tried."""
        if self._remote:
            with suppress(OSError):
                self._fetch_notes()
        attempts.reset(self.run_folder.path)
        self.push()

    def _fetch_notes(self) -> None:
        assert self._remote
        names = self._remote.sizes(self.run_folder.trial)
        for name in (n for n in _NOTES if n in names):
            self.run_folder.path.mkdir(parents=True, exist_ok=True)
            self._remote.get(f"{self.run_folder.trial}/{name}", self.run_folder.path / name)


def place(store: str, work: str) -> str:
    """Returns the URL of the trials' folders of the work folder with the id ``work``."""
    return f"{store.rstrip('/')}/{FOLDER}/{work}"


def begin(url: str, work: Path) -> None:
    """Remembers in ``work`` that its trials are kept at ``url``, for later commands."""
    if url:
        work.mkdir(parents=True, exist_ok=True)
        (work / _NOTICE).write_text(url, encoding="utf-8")


def collect(work: Path) -> list[Replica]:
    """Brings the trained trials that nodes left at the replica of ``work`` to its own folder, and returns them.

    Whoever delivers one drops it. Where that place does not answer they stay there for the next call.
    """
    try:
        url = (work / _NOTICE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    replicas = []
    remote = RemoteFolder(url)
    with suppress(OSError):
        for trial in remote.folders(""):
            if "results.json" in remote.sizes(trial):
                replica = Replica(url, RunFolder(work, trial))
                with replica.run_folder.lock() as owned, suppress(FileNotFoundError):  # its worker may be delivering it
                    if owned:
                        replica.fetch()
                        replicas.append(replica)
    return replicas


def reset(url: str, work: Path, trials: Iterable[str]) -> None:
    """Gives all attempts back to these trials, wherever they were made, as a person asks again."""
    remote_trials: Collection[str] = ()
    with suppress(OSError):
        remote_trials = RemoteFolder(url).folders("") if url else ()
    for trial in trials:
        Replica(url if trial in remote_trials else "", RunFolder(work, trial)).reset()


def _fetch_files(remote: RemoteFolder, run_folder: RunFolder) -> None:
    shutil.rmtree(run_folder.files, ignore_errors=True)
    folders = [""]
    while folders:
        inner = folders.pop()
        folders += [f"{inner}/{name}" for name in remote.folders(f"{run_folder.trial}/files{inner}")]
        for name in remote.sizes(f"{run_folder.trial}/files{inner}"):
            path = run_folder.files / f"{inner}/{name}".lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            remote.get(f"{run_folder.trial}/files{inner}/{name}", path)

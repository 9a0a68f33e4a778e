"""Finding recordings below a folder by their names. Folder names are trusted by nobody: people rename and nest them."""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache, lru_cache
from itertools import islice
from pathlib import Path, PurePath

from ser.data import audio
from ser.data.manifest import Listing, Refusal, Utterance

TEXT_BYTES = 1 << 28  # a line per utterance: more than a million of them
MAX_DEPTH = 8  # IEMOCAP's recordings lie four folders below its root; people put up to three more around it
SUFFIXES = (".wav", ".flac")  # of lossless recordings
_ABOVE = 3  # folders before a file's name that a pattern may ask for: speaker, emotion and sentence have one each
DEMO_MARK = "MADE_BY_SER_DEMO"
Recording = tuple[Path, re.Match[str]]

# Folders of systems and packages: they hold no data of a person's, though scipy and others bring recordings along.
_LITTER = frozenset(
    ("__MACOSX", "__pycache__", "node_modules", "site-packages", "dist-packages", "lost+found", "@eaDir",
     "$RECYCLE.BIN", "System Volume Information")
)  # fmt: skip
# What runs leave in a work folder: an unpacked zip found there would stand for the zip itself, whatever becomes of it.
_LEFT_BY_RUNS = frozenset(("artifacts", "cache", "finished", "logs", "reports", "store", "stopped", "trials"))
_UNPACKED = re.compile(r"\.?unpack(ed|ing)-\w+")
# File systems in which the kernel shows itself: without end, as /proc/<pid>/root leads back to the whole machine.
_KERNEL = frozenset(
    ("proc", "sysfs", "devtmpfs", "devpts", "cgroup", "cgroup2", "mqueue", "debugfs", "tracefs", "securityfs", "bpf",
     "configfs", "pstore", "efivarfs", "binfmt_misc", "fusectl", "hugetlbfs", "rpc_pipefs", "nsfs")
)  # fmt: skip


@dataclass(frozen=True)
class Walk:
    """What lies below a folder: file names by folder, folders that cannot be listed, and those passed over."""

    folders: list[tuple[str, list[str]]] = field(
        default_factory=list
    )  # absolute; names alone, as there may be millions
    refused: list[Refusal] = field(default_factory=list)
    passed: list[Refusal] = field(default_factory=list)
    deeper: list[str] = field(default_factory=list)
    _ending: dict[tuple[str, ...], list[tuple[str, list[str]]]] = field(default_factory=dict)
    _audio: dict[tuple[str, ...], list[tuple[str, list[str], list[tuple[str, str]]]]] = field(default_factory=dict)

    def ending(self, suffixes: tuple[str, ...]) -> list[tuple[str, list[str]]]:
        """``folders`` with the names alone that end in ``suffixes``, whatever their case; each loader asks for them."""
        if suffixes not in self._ending:
            matching = ((place, [n for n in names if n.lower().endswith(suffixes)]) for place, names in self.folders)
            self._ending[suffixes] = [(place, names) for place, names in matching if names]
        return self._ending[suffixes]

    def audio(self, suffixes: tuple[str, ...]) -> list[tuple[str, list[str], list[tuple[str, str]]]]:
        """Folders with the names of their audio, and of those with ``suffixes`` what patterns are matched with, too.

        That is put together once for all loaders: each of them asks for every file.
        """
        if suffixes not in self._audio:
            if suffixes == SUFFIXES:
                listed = [(place, names, _keys(place, names)) for place, names in self.ending(audio.EXTENSIONS)]
            else:  # videos are few where there are millions of other files
                others = dict(self.ending(tuple(s for s in suffixes if s not in SUFFIXES)))
                listed = [folder for folder in self.audio(SUFFIXES) if folder[0] not in others]
                both = {place: (names, keys) for place, names, keys in self.audio(SUFFIXES) if place in others}
                for place, names in others.items():
                    beside, keys = both.get(place, ([], []))
                    listed.append(
                        (place, list(dict.fromkeys([*beside, *names])), [*keys, *_keys(place, names, suffixes)])
                    )
            self._audio[suffixes] = listed
        return self._audio[suffixes]


def _keys(place: str, names: Iterable[str], suffixes: tuple[str, ...] = SUFFIXES) -> list[tuple[str, str]]:
    """Returns of those of ``names`` that end in ``suffixes`` what patterns are matched with: see ``key``."""
    above = _above(place)
    split = ((name, os.path.splitext(name)) for name in names)
    return [(name, f"{above}{stem}") for name, (stem, suffix) in split if suffix.lower() in suffixes]


@lru_cache(maxsize=1024)
def _above(folder: str) -> str:
    """Returns "/<folder>/<folder>/<folder>/" of the last folders of a path."""
    return "".join(f"/{part}" for part in folder.split(os.sep)[-_ABOVE:] if part) + "/"


def key(path: str) -> str:
    """Returns what the pattern of a corpus is searched in: the last three folders and the file without its extension.

    >>> key("/data/corpus/Actor_01/03-01-01-01-01-01-01.wav")
    '/data/corpus/Actor_01/03-01-01-01-01-01-01'
    """
    folder, file = os.path.split(path)
    return _above(folder) + os.path.splitext(file)[0]


_shared: ContextVar[dict[str, Walk] | None] = ContextVar("walks", default=None)


@contextmanager
def walked_once() -> Iterator[None]:
    """Within it every folder is walked once, however many loaders look for their corpus in it."""
    if _shared.get() is not None:
        yield
        return
    token = _shared.set({})
    try:
        yield
    finally:
        _shared.reset(token)


def walk(folder: Path) -> Walk:
    """Everything at most MAX_DEPTH folders below ``folder``, in a fixed order; see ``files``."""
    start, walks = os.path.abspath(folder), _shared.get()
    if walks is not None and start in walks:
        return walks[start]
    result = Walk()
    _walk(start, MAX_DEPTH, _kernel_folders(), result)
    if result.passed[1:]:
        first, others = result.passed[0], len(result.passed) - 1
        result.passed[:] = [Refusal(first.what, f"{first.reason}, nor what they left in {others} others")]
    if result.deeper:
        more = f", nor {len(result.deeper) - 1} others" if len(result.deeper) > 1 else ""
        reason = f"more than {MAX_DEPTH} folders below {start}: not looked into{more}; name a folder nearer to it"
        result.refused.append(Refusal(result.deeper[0], reason))
    if walks is not None:
        walks[start] = result
    return result


def files(folder: Path, refused: list[Refusal] | None = None, suffixes: tuple[str, ...] = ("",)) -> Iterator[Path]:
    """Absolute paths of files with one of ``suffixes`` at most MAX_DEPTH folders below ``folder``, in a fixed order.

    Hidden files, what runs left in work folders, packages of programs and the kernel's own folders are left out, and
    links that lead back to a folder seen before are not followed. Broken links, pipes, and folders called like
    recordings are among them: whoever reads them tells what is wrong, so that nothing is lost in silence. Folders that
    cannot be listed are added to ``refused``.
    """
    walked = walk(folder)
    if refused is not None:
        refused += walked.refused
    for place, names in walked.ending(suffixes):
        yield from (Path(place, name) for name in names)


def _walk(folder: str, depth: int, visited: set[tuple[int, int]], result: Walk) -> None:
    try:
        status = os.stat(folder)
        with os.scandir(folder) as listed:
            entries = sorted(listed, key=lambda entry: entry.name)
    except OSError as error:
        result.refused.append(Refusal(folder, f"a folder that cannot be listed: {error.strerror}"))
        return
    is_start = depth == MAX_DEPTH
    names = {entry.name for entry in entries}
    if not is_start and (
        (status.st_dev, status.st_ino) in visited or not names.isdisjoint(("pyvenv.cfg", "conda-meta"))
    ):
        return  # seen before, or an environment of Python's
    visited.add((status.st_dev, status.st_ino))
    is_work = _is_work(folder, names)
    if is_work:
        result.passed.append(Refusal(folder, "a work folder: what runs left in it is not looked into"))
    files: list[str] = []
    below: list[str] = []
    for entry in entries:
        if entry.name.startswith(".") or entry.name in _LITTER:
            continue
        try:
            is_folder = entry.is_dir()
        except OSError:  # a link that leads to itself
            is_folder = False
        if is_folder and not (is_work and _is_left_by_runs(entry)) and not _UNPACKED.fullmatch(entry.name):
            (below if depth else result.deeper).append(entry.path)
        if not is_folder or entry.name.lower().endswith(SUFFIXES):
            files.append(entry.name)
    if files:
        result.folders.append((folder, files))
    for path in below:
        _walk(path, depth - 1, visited, result)


def _is_work(folder: str, names: set[str]) -> bool:
    return {"id", "mlflow.db"} <= names or ("store" in names and os.path.isdir(os.path.join(folder, "store/manifests")))


def _is_left_by_runs(entry: os.DirEntry[str]) -> bool:
    return entry.name in _LEFT_BY_RUNS or os.path.isfile(os.path.join(entry.path, DEMO_MARK))


@cache
def _kernel_mounts() -> tuple[str, ...]:
    try:
        lines = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    return ("/proc", "/sys", "/dev", *(fields[1] for line in lines if (fields := line.split())[2] in _KERNEL))


def _kernel_folders() -> set[tuple[int, int]]:
    folders = set()
    for mount in _kernel_mounts():
        try:
            status = os.stat(mount)
        except OSError:
            continue
        folders.add((status.st_dev, status.st_ino))
    return folders


def text(path: Path, refused: list[Refusal], first: int | None = None) -> str:
    """A label file (or its ``first`` bytes), what is not UTF-8 as �; "" where it cannot be read, and a refusal then."""
    try:
        return audio.read(path, TEXT_BYTES, first).decode("utf-8-sig", "replace")
    except OSError as error:
        refused.append(Refusal(str(path), f"cannot be read: {error.strerror}"))
        return ""


def match(path: PurePath | str, name: re.Pattern[str]) -> re.Match[str] | None:
    """``name`` searched in the ``key`` of a lossless recording, else None."""
    text = str(path)
    return name.search(key(text)) if os.path.splitext(text)[1].lower() in SUFFIXES else None


def recordings(
    root: Path, name: re.Pattern[str], form: str, suffixes: tuple[str, ...] = SUFFIXES
) -> tuple[list[Recording], list[Refusal]]:
    """Recordings below ``root`` called like ``name``, which is ``form`` in words, and what was left out.

    That is the wrongly named ones that lie beside them, and folders that cannot be listed. A corpus of videos has
    other ``suffixes``.
    """
    walked = walk(root)
    right: list[Recording] = []
    refused = [*walked.refused]
    for place, names, keys in walked.audio(suffixes):
        matches = {file: hit for file, text in keys if (hit := name.search(text))}
        right += [(Path(place, file), hit) for file, hit in matches.items()]
        if matches:
            refused += [Refusal(os.path.join(place, f), f"not a {form}") for f in names if f not in matches]
    return right, refused


def home(paths: Iterable[Path]) -> Path | None:
    """Returns the narrowest folder that holds all ``paths``, None where there is none."""
    folders = {str(path.parent) for path in paths}
    return Path(os.path.commonpath(folders)) if folders else None


def listing(utterances: Iterable[Utterance], refused: Iterable[Refusal]) -> Listing:
    """Both in the one order that does not depend on the file system."""
    return Listing(
        tuple(sorted(utterances, key=lambda u: (u.uid, u.path))),
        tuple(sorted(refused, key=lambda r: (r.what, r.reason))),
    )


def marked(start: Path, name: str) -> bool:
    """True where ``start``, or one of the two folders above it, holds a file called ``name``."""
    return any((folder / name).is_file() for folder in islice((start, *start.parents), 3))

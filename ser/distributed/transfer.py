"""Files that a node does not see: which they are, and how their bytes get there, piece by piece. Knows nothing of Ray.

A node uses what it sees at the same path, if it is the same: recordings by the hash of the scan, folders by the
fingerprint that statements hold. Recordings are sent for one shard, and removed after it; a folder (noises, impulse
responses, an encoder) is sent to a node once, and stays in its cache.
"""

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from ser.data import audio, containers, encoders, recordings
from ser.data.manifest import Utterance
from ser.distributed import node
from ser.errors import BadInput
from ser.features.recipe import Recipe
from ser.host.scratch import Scratch

PIECE = 1 << 24  # bytes
_PAUSES_S = (0.1, 0.5, 2.0, 0.0)  # after reading in vain: a shared drive may be away for a moment
Reference = TypeVar("Reference")  # to a piece, wherever it is


@dataclass(frozen=True)
class Folder:
    """A folder that a component reads; ``identity`` is the fingerprint of its content."""

    identity: str
    path: str
    is_encoder: bool = False

    @classmethod
    def of_recordings(cls, path: Path) -> "Folder":
        """Returns the folder of a user's noises or impulse responses. Raises BadInput where there are none."""
        return cls(recordings.fingerprint(path), str(path))

    @classmethod
    def of_encoder(cls, identity: str) -> "Folder":
        """Returns the folder of a pretrained encoder. Raises BadInput where this process knows of none."""
        return cls(identity, str(encoders.folder_of(identity)), is_encoder=True)

    def files(self) -> Sequence[Path]:
        """Returns the files that are read of it. Raises BadInput where they are not there."""
        path = Path(self.path)
        return encoders.files(path) if self.is_encoder else recordings.files(path)

    def bytes(self) -> int:
        """Returns the size of these files. Raises BadInput, and OSError."""
        return sum(path.stat().st_size for path in self.files())


def pieces(data: bytes) -> Iterator[bytes]:
    """Yields ``data`` in pieces of bounded size, at least one."""
    for at in range(0, max(len(data), 1), PIECE):
        yield data[at : at + PIECE]


def read_folder(folder: Folder) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Yields names and pieces of the files of a folder, to be sent. Raises BadInput where one cannot be read."""
    try:
        for path in folder.files():
            with path.open("rb") as file:
                yield path.relative_to(folder.path).as_posix(), iter(lambda: file.read(PIECE), b"")
    except OSError as error:
        reason = error.strerror or str(error)
        raise BadInput(reason, folder.path, "a folder that can be read", "repair it, or bring it back") from None


def read(utterance: Utterance) -> bytes:
    """Returns the bytes of an utterance's file, to be sent. Raises BadInput where it is not as it was scanned."""
    error = OSError()
    for pause_s in _PAUSES_S:
        try:
            return audio.read_scanned(utterance.path, utterance.sha)
        except OSError as failure:
            error = failure
            time.sleep(pause_s)
    reason = error.strerror or str(error)
    raise BadInput(reason, utterance.path, "a file as it was scanned", "run the command again: it scans anew")


# On a node


def sees(items: Iterable[tuple[Utterance, int]]) -> bool:
    """Returns whether all recordings of ``items`` lie here as they were scanned."""
    files = {(u.path, u.bytes, u.sha) for u, _ in items}
    return all(_is_file(path, size) for path, size, _ in files) and all(_is_same(path, sha) for path, _, sha in files)


def _is_file(path: str, size: int) -> bool:
    if containers.is_inside(path):
        return os.path.isfile(containers.file_of(path))
    try:
        return os.stat(path).st_size == size
    except OSError:
        return False


def _is_same(path: str, sha: str) -> bool:
    try:
        audio.read_scanned(path, sha)
    except (OSError, BadInput):
        return False
    return True


@contextmanager
def received(
    recipe: Recipe, sent: Mapping[str, Sequence[Reference]], fetch: Callable[[Reference], bytes]
) -> Iterator[Recipe]:
    """Gives the recipe with its recordings in a folder of this node, for as long as the block lasts.

    ``sent`` has the pieces of each recording by its hash. Raises OSError where the disk does not take them.
    """
    place = node.cache()
    place.mkdir(parents=True, exist_ok=True)
    scratch = Scratch("recordings-", place)  # what a killed worker left is removed with the next one's
    try:
        for sha, references in sent.items():
            _write(scratch.folder / sha, references, fetch)
        items = tuple((replace(u, path=str(scratch.folder / u.sha)), copy) for u, copy in recipe.items)
        yield replace(recipe, items=items)
    finally:
        scratch.remove()


def place_of(folder: Folder) -> Path | None:
    """Returns where this node has a folder: at the same path, else in its cache; None where it does not see it."""
    for path in (Path(folder.path), _copy(folder)):
        with suppress(OSError, BadInput):
            _check(folder, path)
            return path
    return None


def keep(folder: Folder, sent: Mapping[str, Sequence[Reference]], fetch: Callable[[Reference], bytes]) -> Path:
    """Writes a folder into the cache of this node, once for all its processes, and returns where it is.

    ``sent`` has the pieces of each file by its name. Raises OSError where the disk does not take it.
    """
    place = _copy(folder)
    arriving = place.with_name(f".{place.name}")
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.with_name(f".{place.name}.lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if place_of(folder) is None:  # nobody has written it while we waited
            shutil.rmtree(arriving, ignore_errors=True)
            for name, references in sent.items():
                _write(arriving / name, references, fetch)
            shutil.rmtree(place, ignore_errors=True)
            os.replace(arriving, place)
    _check(folder, place)
    return place


def _copy(folder: Folder) -> Path:
    return node.cache() / "folders" / folder.identity.replace(":", "-")


def _write(path: Path, references: Iterable[Reference], fetch: Callable[[Reference], bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for reference in references:
            file.write(fetch(reference))


@lru_cache(maxsize=64)
def _check(folder: Folder, path: Path) -> None:
    """Raises BadInput where ``path`` is another folder, and OSError, which are not remembered."""
    if not path.is_dir():
        raise FileNotFoundError(str(path))
    recordings.files.cache_clear()  # of what stood there before
    identity = str(encoders.examine(path)) if folder.is_encoder else recordings.fingerprint(path)
    if identity != folder.identity:
        raise BadInput(identity, str(path), folder.identity, "remove the folder")

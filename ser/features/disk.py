"""Writing into the store: whole files, and a person's errors where a disk is full or cannot be written."""

import errno
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from ser import files
from ser.errors import BadInput

FULL = (errno.ENOSPC, errno.EDQUOT)
NOT_OURS = (errno.EROFS, errno.EACCES, errno.EPERM)


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """As ``files.replacing``. Raises BadInput where there is no room or leave to write."""
    try:
        with files.replacing(path) as file:
            yield file
    except OSError as error:
        raise cannot_write(path, error) from None


def write_json(path: Path, meta: Mapping[str, Any]) -> None:
    """Replaces ``path`` by ``meta`` with its checksum. Raises BadInput as ``replacing`` does."""
    with replacing(path) as file:
        file.write(files.dump(meta, path))


def cannot_write(path: Path, error: OSError) -> BadInput:
    """Returns the error for a place that the system lets nobody write."""
    reason = error.strerror or str(error)
    if error.errno in FULL:
        return BadInput(reason, str(path), "room for the features", "free space, and the same command goes on")
    return BadInput(reason, str(path), "a folder that can be written", "choose another --store, or repair this one")

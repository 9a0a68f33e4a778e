"""Files that are replaced whole, and small JSON that carries a checksum: what is read is what was written."""

import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from zlib import crc32


class Damaged(Exception):
    """A file is not what was written; names the file."""


def beside(path: Path) -> Path:
    """A hidden name in the same folder that no other process has: two containers may share host name and number."""
    return path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file under a temporary name that becomes ``path`` when it is whole and on disk, and is removed otherwise."""
    temporary = beside(path)
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def dump(content: Mapping[str, Any], path: Path) -> bytes:
    """``content`` as JSON with its seal, which is of the text and its place: a table that came to stand in another
    entry's or trial's folder is as wrong as a damaged one.
    """
    body = json.dumps(content)[:-1].encode()
    return body + _seal(path, body)


def parse(text: bytes, path: Path) -> dict[str, Any]:
    """What ``dump`` was given. Raises Damaged where a byte differs; nothing is parsed before that is known."""
    body = text.rpartition(b', "seal": ')[0]
    if text != body + _seal(path, body):
        raise Damaged(f"{path}: not as it was written")
    content: dict[str, Any] = json.loads(body + b"}")
    return content


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Replace ``path`` at once. Raises OSError, leaving nothing behind."""
    with replacing(path) as file:
        file.write(dump(content, path))


def read(path: Path) -> dict[str, Any]:
    """What ``write`` was given. Raises Damaged, and OSError where there is no such file."""
    return parse(path.read_bytes(), path)


def _seal(path: Path, body: bytes) -> bytes:
    return b', "seal": %d}' % crc32(body, crc32(f"{path.parent.name}/{path.name}".encode()))

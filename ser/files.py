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
    """Returns a hidden name in the same folder, no other process's: two containers may share host name and number."""
    return path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")


@contextmanager
def replacing(path: Path, durable: bool = True) -> Iterator[IO[bytes]]:
    """Gives a file under a temporary name that becomes ``path`` when it is whole, and is removed otherwise.

    Where ``durable``, it is on the disk before that, and outlives a power cut; without, it outlives processes.
    """
    temporary = beside(path)
    try:
        with temporary.open("wb") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def checksum(path: Path) -> tuple[int, int]:
    """Returns size in bytes and CRC-32 of a file."""
    size, crc = 0, 0
    block = memoryview(bytearray(1 << 18))  # the same for all: new ones would leave holes in the heap
    with path.open("rb", buffering=0) as file:
        while read := file.readinto(block):
            size, crc = size + read, crc32(block[:read], crc)
    return size, crc


def dump(content: Mapping[str, Any], path: Path) -> bytes:
    """Returns ``content`` as JSON with a checksum of the text and of its place.

    A table that came to stand in another entry's or trial's folder is as wrong as a damaged one.
    """
    body = json.dumps(content)[:-1].encode()
    return body + _end(path, body)


def parse(text: bytes, path: Path) -> dict[str, Any]:
    """Returns what ``dump`` wrote. Raises Damaged where a byte differs; nothing is parsed before that is known."""
    body = text.rpartition(b', "checksum": ')[0]
    if text != body + _end(path, body):
        raise Damaged(f"{path}: not as it was written")
    content: dict[str, Any] = json.loads(body + b"}")
    return content


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Replaces ``path`` at once. Raises OSError, leaving nothing behind."""
    with replacing(path) as file:
        file.write(dump(content, path))


def read(path: Path) -> dict[str, Any]:
    """Returns what ``write`` wrote. Raises Damaged, and OSError where there is no such file."""
    return parse(path.read_bytes(), path)


def _end(path: Path, body: bytes) -> bytes:
    return b', "checksum": %d}' % crc32(body, crc32(f"{path.parent.name}/{path.name}".encode()))

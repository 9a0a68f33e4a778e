"""Small JSON files that are replaced whole and carry a checksum of themselves: what is read is what was written."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zlib import crc32


class Damaged(Exception):
    """A file is not what was written; names the file."""


def line(content: Mapping[str, Any]) -> str:
    """One line of JSON with its seal."""
    return json.dumps({**content, "seal": _seal(content)})


def parse(text: str | bytes, place: object) -> dict[str, Any]:
    """What ``line`` was given. Raises Damaged where the text is anything else."""
    try:
        content: dict[str, Any] = json.loads(text)
        if content.pop("seal") == _seal(content):
            return content
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    raise Damaged(f"{place}: not as it was written")


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Replace ``path`` at once, and only when the bytes are on the disk. Raises OSError, leaving nothing behind."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("w") as file:
            file.write(line(content))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def read(path: Path) -> dict[str, Any]:
    """What ``write`` was given. Raises Damaged, and OSError where there is no such file."""
    return parse(path.read_bytes(), path)


def _seal(content: Mapping[str, Any]) -> int:
    # Through JSON and back, as a reader sees it: tuples are lists, and keys are text.
    return crc32(json.dumps(content, sort_keys=True).encode())

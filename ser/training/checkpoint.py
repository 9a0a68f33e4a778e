"""Checkpoints of an unfinished training, written so that no kill, full disk or flipped bit can take all of it.

A file is a SHA-256 and the bytes it is of, since torch.load verifies nothing that it reads. The generation before stays
beside it: whatever moment a writer dies at, one of the two is whole. One process at a time may write.
"""

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import torch

from ser.errors import BadInput

_DIGEST = hashlib.sha256().digest_size


def save(path: Path, state: Mapping[str, Any]) -> None:
    """Makes ``state`` (tensors and plain values) the newest generation. Raises BadInput where it cannot be written."""
    buffer = BytesIO()
    torch.save(dict(state), buffer)
    temporary = path.with_name(f"{path.name}.partial")  # one name: what a kill leaves behind is written over
    try:
        with buffer.getbuffer() as payload:  # let go even where writing fails: the traceback holds it
            _write(temporary, payload)
        with suppress(FileNotFoundError):
            os.replace(path, _previous(path))
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise BadInput(
            error.strerror or str(error),
            str(path),
            "a disk with room that can be written",
            "free space or fix the disk; the same command goes on",
        ) from error


def load(path: Path) -> dict[str, Any] | None:
    """Returns the newest generation that is whole, on the CPU; None if there is none. Runs no code from the file.

    A newest one that is broken is removed: ``save`` would keep it in the place of the whole one before.
    """
    for generation in (path, _previous(path)):
        try:
            content = memoryview(generation.read_bytes())
        except OSError:
            continue
        digest, payload = content[:_DIGEST], content[_DIGEST:]
        if hashlib.sha256(payload).digest() != digest:
            with suppress(OSError):
                generation.unlink()
            continue
        try:
            state = torch.load(BytesIO(payload), map_location="cpu", weights_only=True)
        except MemoryError:
            raise  # says nothing about the file
        except Exception:  # a file made on purpose: its checksum is true, its content is not ours
            continue
        if isinstance(state, dict):
            return state
    return None


def _previous(path: Path) -> Path:
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def _write(path: Path, payload: memoryview) -> None:
    with path.open("wb") as file:
        file.write(hashlib.sha256(payload).digest())
        file.write(payload)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Makes the renaming last. Some network file systems cannot, and do so themselves."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            os.fsync(handle)
    finally:
        os.close(handle)

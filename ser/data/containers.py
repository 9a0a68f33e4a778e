"""Recordings inside Arrow and Parquet files, read there and never unpacked to disk.

Such a recording has the path ``<file>/<column>/<row>``, which exists nowhere: ``/data/train.parquet/audio/17``. Its
column holds the bytes of a sound file, alone or as the field ``bytes`` of a struct, as Hugging Face ``datasets`` saves
them. An Arrow file is mapped into memory; of a Parquet file the last few groups of rows are kept.
"""

import errno
import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow

SUFFIXES = (".arrow", ".parquet")
_GROUPS = 4  # of rows that are kept; datasets writes hundreds of recordings to a group
_ERRORS = (LookupError, ValueError, TypeError, OverflowError, NotImplementedError, MemoryError)  # pyarrow's, or OSError
_lock = Lock()  # two threads that want rows of one group read it once


def file_of(path: str | os.PathLike[str]) -> str:
    """Returns the file that exists: that of the container for a recording inside one, else ``path`` itself."""
    inside = _parts(path)
    return inside[0] if inside else os.fspath(path)


def is_inside(path: str | os.PathLike[str]) -> bool:
    """Returns whether ``path`` is that of a recording in a container."""
    return _parts(path) is not None


def path_of(file: str | os.PathLike[str], column: str, row: int) -> str:
    """Returns the path of a recording in a container."""
    return f"{os.fspath(file)}/{column}/{row}"


def read(path: str | os.PathLike[str]) -> bytes:
    """Returns the bytes of a recording in a container. Raises OSError where they cannot be read, or there are none."""
    inside = _parts(path)
    if inside is None:
        raise OSError(errno.EINVAL, "no recording in a container")
    file, column, row = inside
    status = os.stat(file)
    stamp = status.st_size, status.st_mtime_ns
    try:
        with _lock:
            values, first = _rows(file, stamp, column, row)
        value = values[row - first].as_py()
    except (
        IndexError,
        KeyError,
        ValueError,
        TypeError,
        OverflowError,
        NotImplementedError,
        MemoryError,
    ) as error:  # pyarrow's own
        raise OSError(errno.EIO, f"row {row} of {os.path.basename(file)}: {error}") from None
    data = value.get("bytes") if isinstance(value, dict) else value
    if not isinstance(data, bytes):
        raise OSError(errno.ENODATA, f"row {row} of {os.path.basename(file)} holds no sound")
    return data


def schema(file: Path) -> "pyarrow.Schema":
    """Returns the columns of an Arrow or Parquet file. Raises OSError or ValueError for another."""
    import pyarrow.parquet

    if file.suffix.lower() == ".parquet":
        return pyarrow.parquet.read_schema(file)
    return _arrow(str(file), (os.stat(file).st_size, os.stat(file).st_mtime_ns)).schema


def columns(file: Path, names: Sequence[str]) -> list[dict[str, object]]:
    """Returns rows of plain values of these columns, ``audio.path`` for a field of a struct; no recordings are read.

    Raises OSError or ValueError for a file that cannot be read.
    """
    import pyarrow.parquet

    if file.suffix.lower() == ".parquet":
        with pyarrow.parquet.ParquetFile(file) as parquet:
            table = parquet.read(columns=list(names))
    else:
        table = _arrow(str(file), (os.stat(file).st_size, os.stat(file).st_mtime_ns))
    values = [_values(table, name).to_pylist() for name in names]
    return [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]


def _values(table: "pyarrow.Table", name: str) -> "pyarrow.ChunkedArray":
    import pyarrow.compute

    column, _, inner = name.partition(".")
    return pyarrow.compute.struct_field(table.column(column), inner) if inner else table.column(column)


def _parts(path: str | os.PathLike[str]) -> tuple[str, str, int] | None:
    text = os.fspath(path)
    if "/" not in text:
        return None
    above, _, row = text.rpartition("/")
    file, _, column = above.rpartition("/")
    if column and row.isascii() and row.isdigit() and file.lower().endswith(SUFFIXES):
        return file, column, int(row)
    return None


def _rows(file: str, stamp: tuple[int, int], column: str, row: int) -> "tuple[pyarrow.ChunkedArray, int]":
    """Returns the values of a column around a row, and the number of their first."""
    if file.lower().endswith(".arrow"):
        return _arrow(file, stamp).column(column), 0
    starts = _starts(file, stamp)
    group = next((i for i, start in enumerate(starts[1:]) if row < start), None)
    if group is None:
        raise IndexError(f"no more than {starts[-1]} rows")
    return _group(file, stamp, column, group), starts[group]


@lru_cache(maxsize=64)
def _arrow(file: str, stamp: tuple[int, int]) -> "pyarrow.Table":
    """The table of an Arrow file: of ``datasets`` a stream, of others perhaps with an index at the end."""
    import pyarrow

    source = pyarrow.memory_map(file)
    try:
        return pyarrow.ipc.open_stream(source).read_all()
    except pyarrow.ArrowInvalid:
        return pyarrow.ipc.open_file(source).read_all()


@lru_cache(maxsize=256)
def _starts(file: str, stamp: tuple[int, int]) -> tuple[int, ...]:
    """The number of the first row of each group of a Parquet file, and of all rows at the end."""
    import pyarrow.parquet

    starts = [0]
    with pyarrow.parquet.ParquetFile(file) as parquet:
        for group in range(parquet.num_row_groups):
            starts.append(starts[-1] + parquet.metadata.row_group(group).num_rows)
    return tuple(starts)


@lru_cache(maxsize=_GROUPS)
def _group(file: str, stamp: tuple[int, int], column: str, group: int) -> "pyarrow.ChunkedArray":
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(file) as parquet:
        return parquet.read_row_group(group, columns=[column]).column(column)

"""Reads variables from a TensorFlow checkpoint, without TensorFlow: both formats, and nothing in a file is run.

Version 1 is one file, a table of SavedTensorSlices; version 2 is a table ``<prefix>.index`` of BundleEntryProto and the
bytes in ``<prefix>.data-00000-of-00001``. The table is LevelDB's (table_format.md there): blocks of sorted keys that
share prefixes, an index block, a footer. Field numbers are those of tensorflow/core/protobuf/tensor_bundle.proto and
tensorflow/core/util/saved_tensor_slice.proto. Every checksum (masked CRC-32C) is verified.
"""

import struct
from collections.abc import Iterator
from functools import cache
from math import prod
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ser.errors import BadInput

Array = npt.NDArray[np.float32]
_MAGIC = 0xDB4775248B80FB57
_FOOTER = 48
_FLOAT = 1  # DT_FLOAT
_PIECE = 1 << 25  # bytes that a checksum is taken of at once


class _Broken(Exception):
    """The bytes are not what the format says; the words say where."""


def is_table(path: Path) -> bool:
    """Returns whether the file ends as a table does."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        if size < _FOOTER:
            return False
        file.seek(size - 8)
        return file.read() == struct.pack("<Q", _MAGIC)


def files(path: Path) -> tuple[Path, ...]:
    """The files of the checkpoint that ``path`` names: (table,) or (index, data); a prefix or either file will do.

    Raises BadInput where one is missing.
    """
    name = path.name
    stem = name.removesuffix(".index") if name.endswith(".index") else name.split(".data-")[0]
    index, data = path.with_name(f"{stem}.index"), path.with_name(f"{stem}.data-00000-of-00001")
    if stem == name and path.is_file():
        return (path,)
    absent = [str(p) for p in (index, data) if not p.is_file()]
    if absent:
        allowed = "a file, or the prefix of an .index and a .data-00000-of-00001"
        raise BadInput(f"no {' and no '.join(absent)}", str(path), allowed, "put the checkpoint's files side by side")
    return index, data


def read(path: Path) -> dict[str, Array]:
    """Every variable by its name, float32. Raises BadInput for a file that is broken, compressed, cut or in parts."""
    paths = files(path)
    try:
        table = dict(_table(memoryview(paths[0].read_bytes())))
        return _version_1(table) if len(paths) == 1 else _version_2(table, memoryview(paths[1].read_bytes()))
    except (_Broken, struct.error) as error:
        allowed = "a TensorFlow checkpoint, whole, uncompressed, of float32 variables"
        raise BadInput(str(error), str(path), allowed, "fetch the file again, or save it anew") from error


def _version_1(table: dict[bytes, memoryview]) -> dict[str, Array]:
    """Key "" holds names, shapes and types; every other key the values of one slice, here always a whole variable."""
    shapes: dict[str, tuple[int, ...]] = {}
    for meta in _all(_message(table.pop(b"", memoryview(b""))), 1):
        for entry in _all(_message(meta), 1):
            fields = _message(entry)
            if len(_all(fields, 4)) > 1:
                raise _Broken(f"{_text(fields)} is saved in parts")
            shapes[_text(fields)] = _shape(fields, _text(fields), type_field=3)
    values = {}
    for saved in table.values():
        fields = _message(_bytes(_message(saved), 2))
        tensor = _message(_bytes(fields, 3))
        name, content = _text(fields), _bytes(tensor, 5) or _bytes(tensor, 4)
        if name not in shapes:
            raise _Broken(f"{name} has values and no shape")
        values[name] = _array(name, content, shapes[name])
    if shapes.keys() != values.keys():
        raise _Broken(f"no values of {', '.join(sorted(shapes.keys() - values.keys()))}")
    return values


def _version_2(table: dict[bytes, memoryview], data: memoryview) -> dict[str, Array]:
    header = _message(table.pop(b"", memoryview(b"")))
    if _number(header, 1) != 1 or _number(header, 2) != 0:
        raise _Broken(f"{_number(header, 1)} data files, byte order {_number(header, 2)}; only 1 and 0 are read")
    values = {}
    for key, entry in table.items():
        name, fields = key.decode(errors="replace"), _message(entry)
        if _all(fields, 7):
            raise _Broken(f"{name} is saved in parts")
        start, size = _number(fields, 4), _number(fields, 5)
        content = data[start : start + size]
        if masked_crc32c(content) != _number(fields, 6):
            raise _Broken(f"the checksum of {name} does not match its {len(content)} bytes")
        values[name] = _array(name, content, _shape(fields, name, type_field=1))
    return values


def _array(name: str, content: memoryview, shape: tuple[int, ...]) -> Array:
    if len(content) != 4 * prod(shape):
        raise _Broken(f"{name} has {len(content)} bytes for shape {shape}")
    return np.frombuffer(content, "<f4").astype(np.float32).reshape(shape)  # a copy: the file is let go


def _shape(fields: "_Fields", name: str, type_field: int) -> tuple[int, ...]:
    """TensorShapeProto in field 2, DataType beside it."""
    if _number(fields, type_field) != _FLOAT:
        raise _Broken(f"{name} is of type {_number(fields, type_field)}, not float32 ({_FLOAT})")
    return tuple(_number(_message(dim), 1) for dim in _all(_message(_bytes(fields, 2)), 2))


# Protocol buffers: (field, value) pairs; a value is a number or the bytes of a string or of a message within.
_Fields = list[tuple[int, int | memoryview]]


def _message(content: memoryview) -> _Fields:
    fields: _Fields = []
    at = 0
    while at < len(content):
        key, at = _varint(content, at)
        kind = key & 7
        if kind == 0:
            value, at = _varint(content, at)
            fields.append((key >> 3, value))
            continue
        size, at = _varint(content, at) if kind == 2 else ({1: 8, 5: 4}.get(kind, len(content) + 1), at)
        if at + size > len(content):
            raise _Broken(f"a message of {len(content)} bytes ends within field {key >> 3}")
        piece = content[at : at + size]
        fields.append((key >> 3, piece if kind == 2 else int.from_bytes(piece, "little")))
        at += size
    return fields


def _all(fields: _Fields, number: int) -> list[memoryview]:
    return [value for key, value in fields if key == number and isinstance(value, memoryview)]


def _bytes(fields: _Fields, number: int) -> memoryview:
    return (_all(fields, number) or [memoryview(b"")])[-1]


def _number(fields: _Fields, number: int) -> int:
    """0 where it is absent, as proto3 leaves zeros out."""
    return next((value for key, value in fields if key == number and isinstance(value, int)), 0)


def _text(fields: _Fields) -> str:
    return bytes(_bytes(fields, 1)).decode(errors="replace")


def _varint(content: memoryview, at: int) -> tuple[int, int]:
    """Returns the number at ``at``, seven bits per byte, and where the next thing begins."""
    value = 0
    for i, byte in enumerate(content[at : at + 10]):
        value |= (byte & 127) << (7 * i)
        if byte < 128:
            return value, at + i + 1
    raise _Broken(f"no number at byte {at} of {len(content)}")


def _table(content: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Keys and values of a LevelDB table, in order."""
    if len(content) < _FOOTER or struct.unpack("<Q", content[-8:])[0] != _MAGIC:
        raise _Broken("the file does not end as a checkpoint's table does")
    footer = content[-_FOOTER:-8]
    _, at = _varint(footer, 0)  # the metaindex block is not needed
    _, at = _varint(footer, at)
    for _, handle in _entries(_block(content, footer[at:])):
        yield from _entries(_block(content, handle))


def _block(content: memoryview, handle: memoryview) -> memoryview:
    start, at = _varint(handle, 0)
    size, _ = _varint(handle, at)
    end = start + size
    if end + 5 > len(content):
        raise _Broken(f"a block of {size} bytes at {start} reaches beyond the file")
    if struct.unpack("<I", content[end + 1 : end + 5])[0] != masked_crc32c(content[start : end + 1]):
        raise _Broken(f"the checksum of the block at byte {start} does not match")
    if content[end] != 0:
        raise _Broken(f"the block at byte {start} is compressed (kind {content[end]}), which is not read")
    return content[start:end]


def _entries(block: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Each entry: length shared with the key before, lengths of the key's rest and of the value, then both."""
    restarts = struct.unpack("<I", block[-4:])[0]
    end = len(block) - 4 * (restarts + 1)
    key, at = b"", 0
    while at < end:
        shared, at = _varint(block, at)
        rest, at = _varint(block, at)
        size, at = _varint(block, at)
        if shared > len(key) or at + rest + size > end:
            raise _Broken(f"an entry reaches beyond its block of {len(block)} bytes")
        key = key[:shared] + bytes(block[at : at + rest])
        yield key, block[at + rest : at + rest + size]
        at += rest + size


def masked_crc32c(content: memoryview | bytes) -> int:
    """CRC-32C as tables keep it: turned by 15 bits, plus a constant, so that a checksum of checksums is none."""
    crc = crc32c(content)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def crc32c(content: memoryview | bytes) -> int:
    """Returns the Castagnoli checksum (RFC 3720, B.4), at some 100 MB/s.

    It is linear over GF(2), and zeros before a message leave a register of 0 as it is. So many stretches of the message
    are run through their registers side by side, and put together by what zeros after a stretch do to its register.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    register = np.array([0xFFFFFFFF], np.uint32)
    for start in range(0, len(content), _PIECE):
        piece = np.frombuffer(content[start : start + _PIECE], np.uint8)
        register = _apply(_zeros(len(piece)), register) ^ _registers(piece)
    return int(register[0]) ^ 0xFFFFFFFF


def _registers(piece: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint32]:
    """Returns what ``piece`` makes of a register of 0, [1]."""
    stretches = 1 << max(0, min(14, len(piece).bit_length() - 8))
    words = -(-len(piece) // (4 * stretches))
    padded = np.zeros(4 * words * stretches, np.uint8)
    padded[len(padded) - len(piece) :] = piece
    columns = np.ascontiguousarray(padded.view("<u4").reshape(stretches, words).T)
    tables = _tables()
    register = np.zeros(stretches, np.uint32)
    for column in columns:
        register ^= column
        register = (
            tables[3][register & 255]
            ^ tables[2][register >> 8 & 255]
            ^ tables[1][register >> 16 & 255]
            ^ tables[0][register >> 24]
        )
    size = 4 * words
    while len(register) > 1:
        register = _apply(_zeros(size), register[0::2]) ^ register[1::2]
        size *= 2
    return register


@cache
def _tables() -> list[npt.NDArray[np.uint32]]:
    """[k][b]: what byte b and k zeros after it make of a register of 0."""
    first = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        first = (first >> np.uint32(1)) ^ np.where(first & 1, np.uint32(0x82F63B78), np.uint32(0))
    tables = [first]
    for _ in range(3):
        tables.append((tables[-1] >> 8) ^ first[tables[-1] & 255])
    return tables


@cache
def _zeros(count: int) -> npt.NDArray[np.uint32]:
    """What ``count`` zero bytes make of each bit of a register, [32]: a matrix over GF(2), by repeated squaring."""
    bits = np.left_shift(np.uint32(1), np.arange(32, dtype=np.uint32), dtype=np.uint32)
    if count == 0:
        return bits
    if count == 1:
        one: npt.NDArray[np.uint32] = (bits >> 8) ^ _tables()[0][bits & 255]
        return one
    half = _zeros(count // 2)
    twice = _apply(half, half)
    return _apply(_zeros(1), twice) if count % 2 else twice


def _apply(matrix: npt.NDArray[np.uint32], registers: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    out = np.zeros_like(registers)
    for i in range(32):
        out ^= np.where(registers >> i & 1, matrix[i], np.uint32(0))
    return out

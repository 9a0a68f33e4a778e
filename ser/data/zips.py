"""Corpora as they are distributed: recordings inside zip files, unpacked once into a cache folder."""

import errno
import glob
import lzma
import os
import re
import shutil
import stat
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from pathlib import Path, PurePosixPath
from tempfile import mkdtemp

from ser.data import folders
from ser.data.manifest import Refusal
from ser.errors import BadInput

# What zipfile raises for damaged, encrypted and exotic archives; ValueError for names, OSError for bzip2 too.
DAMAGE = (
    zipfile.BadZipFile, EOFError, RuntimeError, ValueError, OverflowError, struct.error, OSError,
    zlib.error, lzma.LZMAError,
)  # fmt: skip
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)  # of the cache, not of the zip
_LARGER = 100  # times, unpacked: recordings shrink to a third at best


class UnusableZip(BadInput):
    """A zip file that cannot be used, wherever it lies: damaged, locked, or built to do harm."""


def all_below(path: Path) -> list[Path]:
    """Zip files at or below ``path``, in a fixed order."""
    if path.is_file():
        return [path] if path.suffix.lower() == ".zip" else []
    return sorted(zipped for zipped in folders.files(path, suffixes=(".zip",)) if zipped.is_file())


def with_recordings(path: Path, name: re.Pattern[str], refused: list[Refusal] | None = None) -> list[Path]:
    """Zip files at or below ``path`` that hold recordings called like ``name``.

    Those that cannot be read are added to ``refused``: nobody knows what they hold.
    """
    zips = []
    for zipped in all_below(path):
        try:
            if recordings(zipped, name):
                zips.append(zipped)
        except UnusableZip as error:
            if refused is not None:
                refused.append(Refusal(str(zipped), error.value))
    return zips


def recordings(zipped: Path, name: re.Pattern[str]) -> list[zipfile.ZipInfo]:
    """Returns the members of a zip file that are recordings called like ``name``. Raises UnusableZip."""
    return [member for member in members(zipped) if folders.match(member.filename, name)]


def members(zipped: Path) -> list[zipfile.ZipInfo]:
    """The files in a zip file, but for hidden ones and litter. Raises UnusableZip for one that cannot be read."""
    try:
        status = zipped.stat()
    except OSError as error:
        raise _unusable(zipped, f"cannot be read: {error.strerror}") from None
    return _members(zipped, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=128)  # each loader asks for the same few
def _members(zipped: Path, size: int, changed_ns: int) -> list[zipfile.ZipInfo]:
    try:
        with zipfile.ZipFile(zipped) as archive:
            return [member for member in archive.infolist() if not _is_hidden(member.filename)]
    except DAMAGE as error:
        parts = list(zipped.parent.glob(f"{glob.escape(zipped.stem)}.[zZ][0-9][0-9]"))
        remedy = "the last part of a divided zip: unpack it" if parts else "download it again, or unpack it"
        raise _unusable(zipped, f"no readable zip: {error}; {remedy}") from None


def _unusable(zipped: Path, what: str) -> UnusableZip:
    return UnusableZip(what, str(zipped), "the zip file as distributed", "download it again, or unpack it")


def _is_hidden(filename: str) -> bool:
    return filename.endswith("/") or filename.rpartition("/")[2].startswith(".") or "__MACOSX" in filename.split("/")


def unpack(zips: Sequence[Path], name: re.Pattern[str], cache: Path) -> Path:
    """Returns the recordings of ``zips`` below a folder in ``cache``; unpacked only where that was not done before.

    Raises UnusableZip for a zip that is damaged, that unpacks to more than reason allows, or that holds a name twice,
    links, or paths that lead elsewhere; BadInput or OSError where the disk does not take it.
    """
    stamps = [(str(p.absolute()), p.stat().st_size, p.stat().st_mtime_ns) for p in zips]
    target = cache / f"unpacked-{sha256(repr(stamps).encode()).hexdigest()[:16]}"
    if target.is_dir():
        return target
    cache.mkdir(parents=True, exist_ok=True)
    temporary = Path(mkdtemp(prefix=".unpacking-", dir=cache))
    try:
        for number, path in enumerate(zips):  # zips of different folders may have one name
            _extract(path, name, temporary / str(number))
        temporary.chmod(0o755)  # the cache may be shared with other users; temporary folders are private
        os.replace(temporary, target)
    except OSError:
        if not target.is_dir():  # else another process was first, with the same bytes
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


def _extract(path: Path, name: re.Pattern[str], folder: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            contents = recordings(path, name)
            _check(path, contents, shutil.disk_usage(folder.parent).free)
            for member in contents:
                target = folder / member.filename
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as source, target.open("wb") as sink:
                    shutil.copyfileobj(source, sink, 1 << 20)
    except BadInput:
        raise
    except DAMAGE as error:
        if isinstance(error, OSError) and error.errno in _DISK:
            raise
        raise _unusable(path, f"cannot be unpacked: {getattr(error, 'strerror', None) or error}") from None


def _check(path: Path, members: Sequence[zipfile.ZipInfo], free: int) -> None:
    names = Counter(member.filename for member in members)
    for member in members:
        inside = PurePosixPath(member.filename)
        odd = inside.is_absolute() or ".." in inside.parts or re.search(r"[\\:\0]", member.filename)
        if odd or stat.S_ISLNK(member.external_attr >> 16) or names[member.filename] > 1:
            raise UnusableZip(
                repr(member.filename),
                str(path),
                "plain files below one folder, each once",
                "get the zip from its publisher",
            )
    size = sum(member.file_size for member in members)
    if size > _LARGER * path.stat().st_size:
        raise UnusableZip(
            f"{size} bytes unpacked", str(path), f"at most {_LARGER} times the zip", "get the zip from its publisher"
        )
    if size > free:
        raise BadInput(
            f"{size} bytes unpacked", str(path), f"{free} bytes free on the disk", "make room, or unpack it elsewhere"
        )

"""Corpora as they are distributed: recordings inside zip files, unpacked once into a cache folder."""

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
from hashlib import sha256
from pathlib import Path, PurePosixPath
from tempfile import mkdtemp

from ser.corpora import _tree
from ser.errors import BadInput
from ser.manifest import Refusal

# What zipfile raises for damaged, encrypted and exotic archives; ValueError for names, OSError for bzip2 too.
_DAMAGE = (
    zipfile.BadZipFile, EOFError, RuntimeError, ValueError, OverflowError, struct.error, OSError,
    zlib.error, lzma.LZMAError,
)  # fmt: skip
_LARGER = 100  # times, unpacked: recordings shrink to a third at best


def with_recordings(path: Path, name: re.Pattern[str], refused: list[Refusal] | None = None) -> list[Path]:
    """Zip files at ``path``, or in it and one folder below, that hold recordings called like ``name``.

    Those that cannot be read are added to ``refused``: nobody knows what they hold.
    """
    zips = (
        [path] if path.is_file() else sorted(p for p in (*path.glob("*.[zZ][iI][pP]"), *path.glob("*/*.[zZ][iI][pP]")))
    )
    found = []
    for zipped in zips:
        if zipped.name.startswith(".") or not zipped.is_file():
            continue
        try:
            with zipfile.ZipFile(zipped) as archive:
                if any(_wanted(member, name) for member in archive.infolist()):
                    found.append(zipped)
        except _DAMAGE as error:
            if refused is not None:
                refused.append(Refusal(str(zipped), f"no readable zip: {error}"))
    return found


def _wanted(member: zipfile.ZipInfo, name: re.Pattern[str]) -> bool:
    path = PurePosixPath(member.filename)
    hidden = path.name.startswith("._") or "__MACOSX" in path.parts
    return not member.filename.endswith("/") and not hidden and _tree.match(path, name) is not None


def unpack(zips: Sequence[Path], name: re.Pattern[str], cache: Path) -> Path:
    """The recordings of ``zips`` below a folder in ``cache``; unpacked only where that was not done before.

    Raises BadInput for a zip that is damaged or cannot be written out, that unpacks to more than the disk or reason
    allows, or that holds a name twice, links, or paths that lead elsewhere.
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
            members = [member for member in archive.infolist() if _wanted(member, name)]
            _check(path, members, shutil.disk_usage(folder.parent).free)
            for member in members:
                target = folder / member.filename
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as source, target.open("wb") as sink:
                    shutil.copyfileobj(source, sink, 1 << 20)
    except BadInput:
        raise
    except _DAMAGE as error:
        what = f"cannot be unpacked: {getattr(error, 'strerror', None) or error}"
        raise BadInput(what, str(path), "the zip file as distributed", "download it again, or unpack it") from None


def _check(path: Path, members: Sequence[zipfile.ZipInfo], free: int) -> None:
    names = Counter(member.filename for member in members)
    for member in members:
        inside = PurePosixPath(member.filename)
        odd = inside.is_absolute() or ".." in inside.parts or re.search(r"[\\:\0]", member.filename)
        if odd or stat.S_ISLNK(member.external_attr >> 16) or names[member.filename] > 1:
            raise BadInput(
                repr(member.filename),
                str(path),
                "plain files below one folder, each once",
                "get the zip from its publisher",
            )
    size = sum(member.file_size for member in members)
    if size > _LARGER * path.stat().st_size:
        raise BadInput(
            f"{size} bytes unpacked", str(path), f"at most {_LARGER} times the zip", "get the zip from its publisher"
        )
    if size > free:
        raise BadInput(
            f"{size} bytes unpacked", str(path), f"{free} bytes free on the disk", "make room, or unpack it elsewhere"
        )

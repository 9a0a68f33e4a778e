"""New recordings: files, folders, members of zip files, rows of tables, or the bytes of one; read when they are due."""

import csv
import io
import os
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ser.data import audio, folders, zips
from ser.errors import BadInput

COLUMNS = ("path", "speaker", "sex", "text")  # of a table of recordings; all but the first may be left out
_LARGER = 100  # times, unpacked: recordings shrink to a third at best


@dataclass(frozen=True)
class Recording:
    """One recording, as a person names it, and what a model may need to know of it."""

    name: str
    path: Path | None = None
    member: str = ""  # of the zip file at ``path``
    content: bytes | None = None  # where no file has it
    speaker: str = ""
    sex: str = ""  # F | M | ""
    text: str = ""  # what is said

    def read(self) -> bytes:
        """Returns the bytes of the file. Raises OSError, and UnusableAudio for a member that cannot be unpacked."""
        if self.content is not None:
            return self.content
        assert self.path is not None
        if not self.member:
            return audio.read(self.path, audio.BYTES)
        try:
            with zipfile.ZipFile(self.path) as archive:
                member = archive.getinfo(self.member)
                if member.file_size > min(audio.BYTES, _LARGER * max(1, member.compress_size)):
                    raise audio.UnusableAudio(f"{member.file_size} bytes unpacked of {member.compress_size}")
                return archive.read(member)
        except zips.DAMAGE as error:
            raise audio.UnusableAudio(f"cannot be unpacked: {error}") from None


def listed(places: Iterable[str | os.PathLike[str]], is_one_speaker: bool = False) -> Iterator[Recording]:
    """Yields the recordings at ``places``, in order: files, all below folders, in zip files, and of tables (``.csv``).

    A table has the column path (beside the table, or absolute), and may have speaker, sex (F, M) and text. A file is
    yielded whether or not it holds sound: who reads it will say. With ``is_one_speaker`` all are of one speaker. Raises
    BadInput where nothing is there, a folder has no recordings, a table no column path or a zip file cannot be read.
    """
    for place in places:
        for recording in _at(Path(place), os.fspath(place)):
            yield replace(recording, speaker=recording.speaker or "one") if is_one_speaker else recording


def _at(path: Path, written: str) -> Iterator[Recording]:
    if path.is_dir():
        below = sorted(p for p in folders.files(path, suffixes=(*audio.EXTENSIONS, ".zip")) if _may_be_speech(p))
        if not below:
            raise BadInput(f"no recordings below {written}", "FILE", f"files of {', '.join(audio.EXTENSIONS)}",
                           "name the folder that holds them")  # fmt: skip
        for file in below:
            yield from _members(file) if file.suffix.lower() == ".zip" else [Recording(str(file), file)]
    elif not path.exists():
        raise BadInput(f"{written}, which is not there", "FILE", "a recording, a folder of them, a zip or a table",
                       "name one")  # fmt: skip
    elif path.suffix.lower() == ".zip":
        yield from _members(path)
    elif path.suffix.lower() == ".csv":
        yield from _rows(path)
    else:
        yield Recording(written, path)


def _may_be_speech(path: Path) -> bool:
    return path.suffix.lower() == ".zip" or audio.is_audio(path)


def _members(path: Path) -> Iterator[Recording]:
    for member in zips.members(path):
        if audio.is_audio(Path(member.filename)):
            yield Recording(f"{path}/{member.filename}", path, member.filename)


def _rows(path: Path) -> Iterator[Recording]:
    try:
        content = audio.read(path, folders.TEXT_BYTES).decode("utf-8-sig")
        rows = csv.DictReader(io.StringIO(content), strict=True)
        names = [str(name).strip().lower() for name in rows.fieldnames or ()]
        if "path" not in names:
            raise BadInput(f"columns {', '.join(names) or 'none'}", str(path), ", ".join(COLUMNS), "add path")
        for row in rows:
            values = {n: (v or "").strip() for n, v in zip(names, row.values(), strict=False) if isinstance(v, str)}
            place = values.get("path", "")
            if place:
                speaker, sex, text = (values.get(name, "") for name in COLUMNS[1:])
                file = path.parent / Path(place).expanduser()
                yield Recording(place, file, speaker=speaker, sex=sex[:1].upper(), text=text)
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadInput(str(error), str(path), "a table in UTF-8 with commas", "save it so") from None

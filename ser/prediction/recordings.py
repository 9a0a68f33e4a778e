"""New recordings: files, folders, members of zip files, rows of tables, or the bytes of one; read when they are due."""

import csv
import io
import os
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

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
    problem: str = ""  # why there is nothing to be read

    def read(self) -> bytes:
        """Returns the bytes of the file. Raises OSError, and UnusableAudio for what cannot be read or unpacked."""
        if self.problem:
            raise audio.UnusableAudio(self.problem)
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

    A table has the column path (beside the table, or absolute), and may have speaker, sex (F, M) and text. What is not
    there, holds no recordings or cannot be read is yielded all the same: its ``problem``, or who reads it, will say.
    With ``is_one_speaker`` all are of one speaker.
    """
    for place in places:
        for recording in _at(Path(place), os.fspath(place)):
            yield replace(recording, speaker=recording.speaker or "one") if is_one_speaker else recording


def stdin(stream: BinaryIO) -> Recording:
    """Returns the one recording whose file is written to ``stream``."""
    content = stream.read(audio.BYTES + 1)
    too_long = f"more than {audio.BYTES} bytes" if len(content) > audio.BYTES else ""
    return Recording("-", content=content, problem=too_long)


def _at(path: Path, written: str) -> Iterator[Recording]:
    if path.is_dir():
        below = sorted(p for p in folders.files(path, suffixes=(*audio.EXTENSIONS, ".zip")) if _may_be_speech(p))
        for file in below:
            yield from _members(file) if file.suffix.lower() == ".zip" else [Recording(str(file), file)]
        if not below:
            yield Recording(written, problem=f"no recordings below it: no files of {', '.join(audio.EXTENSIONS)}")
    elif path.suffix.lower() == ".zip" and path.exists():
        yield from _members(path)
    elif path.suffix.lower() == ".csv" and path.exists():
        yield from _rows(path)
    else:
        yield Recording(written, path)


def _may_be_speech(path: Path) -> bool:
    return path.suffix.lower() == ".zip" or audio.is_audio(path)


def _members(path: Path) -> Iterator[Recording]:
    try:
        names = [m.filename for m in zips.members(path) if audio.is_audio(Path(m.filename))]
    except BadInput as error:
        yield Recording(str(path), problem=error.value)
        return
    for name in names:
        yield Recording(f"{path}/{name}", path, name)
    if not names:
        yield Recording(str(path), problem="no recordings in it")


def _rows(path: Path) -> Iterator[Recording]:
    try:
        content = audio.read(path, folders.TEXT_BYTES).decode("utf-8-sig")
        rows = csv.DictReader(io.StringIO(content), strict=True)
        names = [str(name).strip().lower() for name in rows.fieldnames or ()]
        if "path" not in names:
            problem = f"columns {', '.join(names) or 'none'}; needed: path, and perhaps {', '.join(COLUMNS[1:])}"
            yield Recording(str(path), problem=problem)
            return
        for row in rows:
            values = {n: (v or "").strip() for n, v in zip(names, row.values(), strict=False) if isinstance(v, str)}
            place = values.get("path", "")
            if place:
                speaker, sex, text = (values.get(name, "") for name in COLUMNS[1:])
                file = path.parent / Path(place).expanduser()
                yield Recording(place, file, speaker=speaker, sex=sex[:1].upper(), text=text)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        yield Recording(str(path), problem=f"no table in UTF-8 with commas: {error}")

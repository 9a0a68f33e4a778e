"""Tables as spreadsheets, editors and other systems write them, as rows of cells with their line numbers.

Read are commas, semicolons, tabs and bars; every line end; UTF-8 and UTF-16; a line ``sep=;``, comments and empty lines
before the header; empty rows and columns. What is no text table is refused, with what to do.
"""

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ser.data import audio, sound_header
from ser.errors import BadInput

_DELIMITERS = ",;\t|"  # spreadsheets write semicolons where the comma is the decimal sign
_SEPARATOR = re.compile(r'"?sep=(.)"?[;,\t]*', re.IGNORECASE)
_WORDS = ("path", "label", "sex", "split", "start", "end")  # columns in which typographic quotes mean nothing
_BLANK = "\ufeff\u200b\u200e"  # marks that are seen nowhere and that strip() leaves
_OPENING = 10_000  # bytes that hold all before the first row
_AS_TEXT = "save it in the spreadsheet program as CSV UTF-8"


@dataclass(frozen=True)
class Row:
    """The cells of one line, by the header's names, blanks around them taken off."""

    line: int
    cells: dict[str, str]


@dataclass(frozen=True)
class Header:
    """The names of the columns in lower case, "" for columns without one, and what stands before and between them."""

    names: tuple[str, ...]
    delimiter: str
    lines_before: int

    @classmethod
    def of(cls, text: str) -> "Header":
        """The header of a table that begins with ``text``: its first line that is neither empty, comment nor sep=."""
        delimiter, before = "", 0
        for line in re.split("\r\n|\n|\r", text):
            bare = line.strip().strip(_BLANK)
            if separator := _SEPARATOR.fullmatch(line.strip(" " + _BLANK)):
                delimiter = separator[1]
            elif bare.strip(_DELIMITERS + '" ') and not bare.startswith("#"):
                break
            before += 1
        else:
            return cls((), ",", before)
        delimiter = delimiter or max(_DELIMITERS, key=bare.count)
        names = [plain(cell).lower() for cell in next(csv.reader([bare], delimiter=delimiter), [])]
        while names and not names[-1]:
            names.pop()
        return cls(tuple(names), delimiter, before)


def plain(cell: str) -> str:
    """Without blanks, and without the marks and typographic quotes that word processors put around it."""
    cell = cell.strip().strip(_BLANK).strip()
    return cell[1:-1].strip() if len(cell) > 1 and cell[0] in "“„«" and cell[-1] in "”“»" else cell


def header(path: Path) -> Header:
    """Returns the header of the table at ``path``, without names where there is none or it cannot be read."""
    try:
        data = audio.read(path, 0, first=_OPENING)
        return Header.of(data.decode(_encoding(data) or "utf-8", "replace"))
    except (OSError, csv.Error):
        return Header((), ",", 0)


def _encoding(data: bytes) -> str:
    """Returns the encoding that the first bytes tell, "" where they tell none."""
    if data.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    sample = data[:40]
    if len(sample) >= 8 and not any(sample[1::2]) and all(sample[::2]):
        return "utf-16-le"
    if len(sample) >= 8 and not any(sample[::2]) and all(sample[1::2]):
        return "utf-16-be"
    return ""


def text_of(data: bytes, table: Path, columns: str) -> bytes:
    """``data`` as UTF-8. Raises BadInput where it is no text, with what it is and what to do."""
    if not data.strip(b"\0 \t\r\n"):
        raise BadInput("empty" if not data else "nothing but blanks", str(table), columns, "write a line per recording")
    if data[:4] in (b"PK\3\4", b"\xd0\xcf\x11\xe0"):
        raise BadInput("a spreadsheet (as .xlsx, .ods, .xls) or zip file", str(table), "a table as text", _AS_TEXT)
    if other_kind := sound_header.kind(data):
        what, _, remedy = other_kind.partition("; ")
        raise BadInput(what.replace(", not audio", ", not a table"), str(table), "a table as text", remedy)
    encoding = _encoding(data) or "utf-8"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise _not_text(data, error, table) from None
    return (data if encoding == "utf-8" else text.encode()).replace(b"\r\r\n", b"\r\n")


def _not_text(data: bytes, error: UnicodeDecodeError, table: Path) -> BadInput:
    line = data.count(b"\n", 0, error.start) + 1
    word = re.search(rb"[^\s,;\t]*\Z", data[: error.start])
    end = re.match(rb"[^\s,;\t]*", data[error.start :])
    excerpt = ((word[0] if word else b"") + (end[0] if end else b"")).decode("cp1252", "replace")[:40]
    remedy = f"{_AS_TEXT}, or, if {excerpt!r} is right: iconv -f WINDOWS-1252 -t UTF-8 {table.name} > utf8.csv"
    return BadInput(f"line {line}: not UTF-8", str(table), "UTF-8 or UTF-16 text", remedy)


def rows(data: bytes, head: Header, problems: list[tuple[int, str]]) -> Iterator[Row]:
    """The rows below the header of UTF-8 ``data``; those of another width join ``problems``.

    Empty rows, empty cells beyond the header's and comments are passed over. Raises csv.Error, with the line as its
    second argument.
    """
    # Not splitlines(), which would also break at form feeds, which cells may hold; nor StringIO, of 4 bytes a letter.
    lines = io.TextIOWrapper(io.BytesIO(data), "utf-8-sig", newline="")
    for _ in range(head.lines_before):
        next(lines)
    reader = csv.reader(lines, delimiter=head.delimiter, strict=True)
    line, width = head.lines_before + 1, len(head.names)
    try:
        next(reader)
        line = head.lines_before + reader.line_num + 1
        for cells in reader:
            if _fits(cells, width):
                yield Row(line, {name: _content(name, cell) for name, cell in zip(head.names, cells, strict=False)})
            elif any(cell.strip() for cell in cells) and not cells[0].lstrip().startswith("#"):
                problems.append((line, f"{len(cells)} cells, the header has {width}"))
            line = head.lines_before + reader.line_num + 1
    except csv.Error as error:
        raise csv.Error(str(error), line) from None


def _content(name: str, cell: str) -> str:
    return plain(cell) if name in _WORDS else cell.strip()


def _fits(cells: Sequence[str], width: int) -> bool:
    """As wide as the header, but for empty cells, and not empty."""
    return len(cells) >= width and any(c.strip() for c in cells) and not any(c.strip() for c in cells[width:])

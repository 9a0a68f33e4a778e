"""A report's content → files in a folder: Markdown, CSV, LaTeX and one self-contained HTML page, written atomically.

Holes stay visible, and every number says how many cases it rests on. One file makes each format; what is
shown comes from a study's file of ``ser/report``.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from ser import files
from ser.metrics.confusion import confusion_png
from ser.report import figure_files, latex, long_csv, markdown, page, summary
from ser.report.content import Content
from ser.report.forms import MARK

_NONE: Mapping[str, bytes] = {}


@dataclass(frozen=True)
class WrittenReport:
    """The files that were written, and what they say."""

    markdown: str
    folder: Path
    files: tuple[Path, ...]
    done: int  # trials with all their results
    expected: int  # trials of the study
    notes: tuple[str, ...]


def write(content: Content, folder: Path, further: Mapping[str, bytes] = _NONE) -> WrittenReport:
    """Writes ``tables.{md,csv,tex}``, ``report.html``, ``summary.json`` and figures; each complete or absent.

    Figures are PNG, SVG and PDF files, confusion matrices PNG alone. ``further`` files: name → bytes.

    Figures of an earlier report there that this one does not have are removed; other files are left alone.
    """
    text = markdown.markdown(content)
    drawn_files = {p.name: {kind: _marked(data) for kind, data in p.files.items()} for p in content.pictures}
    contents: dict[str, bytes] = {
        "tables.md": text.encode(),
        "tables.csv": long_csv.long_form(content).encode(),
        "tables.tex": latex.latex(content).encode(),
        "report.html": page.page(content).encode(),
        summary.NAME: summary.summary_json(content).encode(),
        **further,
        **{f"{name}.{kind}": data for name, forms in drawn_files.items() for kind, data in forms.items()},
    }
    for m in content.matrices:
        if m.name:
            title = f"{m.title}\n{m.heading}, n = {m.counts.sum()}"
            contents[f"{m.name}.png"] = _marked(confusion_png(m.counts, m.classes, title))
    folder.mkdir(parents=True, exist_ok=True)
    written = tuple(_put(folder / name, data) for name, data in contents.items())
    figure_files.remember(folder, {p.name: (p.drawing.key, drawn_files[p.name]) for p in content.pictures})
    drawn = {path for kind in _MARKS for path in folder.glob(f"*{kind}")}
    for path in drawn - set(written):  # of an earlier report, with other tables or corpora
        if _MARKS[path.suffix] in path.read_bytes():
            path.unlink(missing_ok=True)
    return WrittenReport(text, folder, written, content.done, content.expected, content.notes)


_PNG = b"\x89PNG\r\n\x1a\n"
_HEADER = 33  # bytes of a PNG up to its first chunk of anything
_MARK = b"tEXt" + b"Source\0ser report"
_CHUNK = struct.pack(">I", len(_MARK) - 4) + _MARK + struct.pack(">I", crc32(_MARK))
_MARKS = {".png": _MARK, ".svg": b">" + MARK + b"<", ".pdf": b"/Creator (" + MARK + b")"}


def _marked(content: bytes) -> bytes:
    """A picture with a text inside that says it is a report's, so that a later report may remove it."""
    is_plain = content.startswith(_PNG) and not content.startswith(_CHUNK, _HEADER)
    return content[:_HEADER] + _CHUNK + content[_HEADER:] if is_plain else content


def _put(path: Path, content: bytes) -> Path:
    with files.replacing(path, durable=False) as file:
        file.write(content)
    return path

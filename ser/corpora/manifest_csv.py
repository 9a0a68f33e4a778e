"""A corpus of one's own: a table with one line per utterance, ``path,label,speaker`` and what else is known.

UTF-8 with a header line; optional columns are sex, split, language, session, start, end, text, uid. ``path`` is
relative to the table's folder (or ``audio_root``); ``start`` and ``end`` are seconds inside it. ``split`` is train,
val, test or empty. ``label`` may be ``a|b``: both are kept in ``votes``, and the label is "unknown" unless they agree.
"""

import csv
import io
import json
import math
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath, PureWindowsPath
from sys import intern
from typing import Any

from ser import audio
from ser.corpora import _tones, _tree
from ser.errors import BadInput
from ser.labels import EMOTIONS, MANIFEST
from ser.manifest import SPLITS, Listing, Refusal, Utterance
from ser.study import Value

TITLE = "CSV manifest"
FILES = "CSV with the columns path, label and speaker"
FOLDER = "manifest.csv"
# label_map: a JSON file {"label in the table": "unified label"}; it and audio_root are relative to the table's folder.
# outside: whether paths may lead out of that folder.
SETTINGS: dict[str, Value] = {"label_map": "", "audio_root": "", "outside": False}
PLACES = ("label_map", "audio_root", "outside")  # lead to the data and are no part of it, nor of a trial's identity
EXPECTED_SPEAKERS = 0
REQUIRED = ("path", "label", "speaker")
OPTIONAL = ("sex", "split", "language", "session", "start", "end", "text", "uid")
SEXES = {"": "", "f": "F", "female": "F", "feminino": "F", "m": "M", "male": "M", "masculino": "M"}
SHOWN_PROBLEMS = 20
SHOWN_LETTERS = 300  # of each: a cell may hold a whole book
LONGEST_S = 1e8  # three years
_COPY = re.compile(r"#\d+\Z")


@dataclass(frozen=True)
class _Row:
    line: int
    cells: Mapping[str, str]


@dataclass(frozen=True)
class _File:
    """What a cell of the column path means, the same for all lines that name it."""

    stem: str  # as written, with slashes and without extension: the beginning of a uid
    path: str  # absolute
    is_none: bool  # names no file
    leaves: bool  # leads out of the folder, links followed


def expected(settings: Mapping[str, Any]) -> dict[str, int]:
    """Nothing is known beforehand."""
    return {}


def find_all(folder: Path) -> list[Path]:
    """Every table at or below ``folder`` whose header has the required columns, those nearest to it first."""
    tables = [folder] if folder.is_file() else list(_tree.files(folder, suffixes=(".csv",)))
    # A table with label_raw was written by a scan: a result, not a corpus.
    headers = {p.absolute(): _columns(p) for p in tables}
    ours = [p for p, columns in headers.items() if set(REQUIRED) <= columns and "label_raw" not in columns]
    return sorted(ours, key=lambda p: (len(p.parts), p))


def find(folder: Path) -> Path | None:
    """The nearest table at or below ``folder``, ``manifest.csv`` first. Raises BadInput where two are as near."""
    tables = find_all(folder)
    near = [t for t in tables if len(t.parts) == len(tables[0].parts)]
    chosen = [t for t in near if t.name == FOLDER] or near
    if len(chosen) > 1:
        shown = ", ".join(map(str, chosen[:5]))
        raise BadInput(f"{len(chosen)} tables: {shown}", str(folder), "one table", "give the path of the one meant")
    return chosen[0] if chosen else None


def _columns(path: Path) -> set[str]:
    """Lower-case names in the header line, empty where there is none."""
    try:
        head = re.split(b"[\r\n]", audio.read(path, 0, first=10_000), maxsplit=1)[0].decode("utf-8-sig", "replace")
    except OSError:
        return set()
    return {cell.strip().strip('"').lower() for cell in head.split(_delimiter(head))}


def _delimiter(head: str) -> str:
    return max(",;\t", key=head.count)  # spreadsheets write semicolons where the comma is the decimal sign


def load(root: Path, settings: Mapping[str, Any]) -> Listing:
    """All lines whose file exists; the others are refused.

    Raises BadInput naming the lines where the table itself is wrong, or where no file exists at all.
    """
    table = root if root.is_file() else find(root)
    if table is None:
        raise BadInput(f"no {FILES}", str(root), f"a folder with {FOLDER}", "give the table or its folder")
    table = table.absolute()
    folder = table.parent / settings.get("audio_root", "")
    corpus = settings.get("name") or table.parent.name
    labels = _label_map(table.parent, settings.get("label_map", ""))
    problems: list[tuple[int, str]] = []
    made: list[Utterance] = []
    lines: dict[str, int] = {}
    files = _Files(folder)
    for row in _rows(table, problems):
        u = _utterance(row, corpus, files, labels, bool(settings.get("outside", False)), problems)
        if u is None:
            continue
        if u.uid in lines:
            problems.append((row.line, f"the same uid {u.uid!r} as line {lines[u.uid]}; fill in the column uid"))
            continue
        lines[u.uid] = row.line
        made.append(u)
    problems += _speakers_in_two_splits(made, lines)
    if problems:
        raise _bad(table, problems)
    present = {path for path in {u.path for u in made} if os.path.isfile(path)}
    utterances = [u for u in made if u.path in present]
    refused = [Refusal(u.path, f"line {lines[u.uid]}: {_absence(u.path)}") for u in made if u.path not in present]
    if not utterances:
        what = f"none of its {len(refused)} files exist, as {refused[0].what}" if refused else "no lines"
        raise BadInput(what, str(table), f"paths below {folder}", "mend the paths, or set audio_root")
    return _tree.listing(utterances, refused)


def _absence(path: str) -> str:
    return "a folder, pipe or device, not a file" if os.path.exists(path) else "no such file"


def _bad(table: Path, problems: list[tuple[int, str]]) -> BadInput:
    problems.sort()
    shown = "; ".join(f"line {line}: {what[:SHOWN_LETTERS]}" for line, what in problems[:SHOWN_PROBLEMS])
    more = len(problems) - SHOWN_PROBLEMS
    columns = f"the columns {', '.join(REQUIRED)} and, as wanted, {', '.join(OPTIONAL)}"
    return BadInput(shown + (f"; and {more} more" if more > 0 else ""), str(table), columns, "mend these lines")


def _label_map(folder: Path, name: str) -> Mapping[str, str]:
    if not name:
        return MANIFEST
    path = folder / name
    try:
        given = json.loads(audio.read(path, _tree.TEXT_BYTES).decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise BadInput(f"unreadable: {error}", str(path), "a JSON object of text to text", "mend label_map") from None
    if not isinstance(given, dict) or not set(map(str, given.values())) <= set(EMOTIONS):
        wrong = (
            sorted(set(map(str, given.values())) - set(EMOTIONS)) if isinstance(given, dict) else [type(given).__name__]
        )
        raise BadInput(", ".join(wrong), str(path), ", ".join(EMOTIONS), "map every label to one of these")
    return {**MANIFEST, **{raw.strip().lower(): label for raw, label in given.items()}}


def _rows(table: Path, problems: list[tuple[int, str]]) -> Iterator[_Row]:
    try:
        data = audio.read(table, _tree.TEXT_BYTES)
    except OSError as error:
        raise BadInput(f"{error.strerror}", str(table), "a table that can be read", "mend or divide it") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadInput(f"line {line}: not UTF-8", str(table), "UTF-8 text", "save the table as UTF-8") from None
    # Not splitlines(), which would also break at form feeds, which cells may hold; nor StringIO, of 4 bytes a letter.
    lines = io.TextIOWrapper(io.BytesIO(data), "utf-8-sig", newline="")
    reader = csv.reader(lines, delimiter=_delimiter(text.partition("\n")[0]), strict=True)
    del data, text
    start = 1
    try:
        header = [cell.strip().lower() for cell in next(reader, [])]
        lacking, double = [c for c in REQUIRED if c not in header], sorted({c for c in header if header.count(c) > 1})
        if lacking or double:
            what = [f"no column {c}" for c in lacking] + [f"column {c} twice" for c in double]
            raise _bad(table, [(1, ", ".join(what))])
        start = reader.line_num + 1
        for cells in reader:
            if len(cells) == len(header):
                yield _Row(start, {name: cell.strip() for name, cell in zip(header, cells, strict=True)})
            elif any(cells):
                problems.append((start, f"{len(cells)} cells, the header has {len(header)}"))
            start = reader.line_num + 1
    except csv.Error as error:
        raise _bad(table, [(start, str(error))]) from None


def _utterance(
    row: _Row, corpus: str, files: "_Files", labels: Mapping[str, str], outside: bool, problems: list[tuple[int, str]]
) -> Utterance | None:
    cell = row.cells
    wrong = [f"empty {column}" for column in REQUIRED if not cell[column]]
    names = [name.strip() for name in cell["label"].split("|")] if cell["label"] else []
    unknown = [name for name in names if name.lower() not in labels]
    wrong += [f"unknown label {name!r}: use {', '.join(EMOTIONS)}, or a label_map" for name in unknown]
    sex, split = SEXES.get(cell.get("sex", "").lower()), cell.get("split", "").lower()
    if sex is None:
        wrong.append(f"sex {cell['sex']!r} is not F, M or empty")
    if split not in ("", *SPLITS):
        wrong.append(f"split {cell['split']!r} is not train, val, test or empty")
    start_s, end_s = _seconds(cell, "start", wrong), _seconds(cell, "end", wrong)
    if end_s is not None and end_s <= (start_s or 0.0):
        wrong.append(f"end {end_s} is not after start {start_s or 0.0}")
    file = files[cell["path"]]
    uid = cell.get("uid") or file.stem + _stretch(start_s, end_s)
    if _COPY.search(uid):
        wrong.append(f"uid {uid!r} ends as the names of augmented copies do; fill in another in the column uid")
    if cell["path"] and file.is_none:
        wrong.append(f"path {cell['path']!r} names no file")
    elif cell["path"] and not outside and file.leaves:
        wrong.append(f"path {cell['path']!r} leads out of {files.folder}; set outside to true if that is meant")
    if wrong or sex is None:
        problems.extend((row.line, what) for what in wrong)
        return None
    emotions = list(dict.fromkeys(labels[name.lower()] for name in names))
    return Utterance(
        uid=f"{corpus}/{uid}",
        corpus=corpus,
        path=file.path,
        speaker=intern(f"{corpus}/{cell['speaker']}"),
        label_raw=intern(cell["label"]),
        label=emotions[0] if len(emotions) == 1 else "unknown",
        sex=sex,
        votes=tuple(("label", emotion) for emotion in emotions) if len(names) > 1 else (),
        session=intern(cell.get("session", "")),
        split=split,
        start_s=start_s,
        end_s=end_s,
        language=intern(cell.get("language", "")),
        text=cell.get("text", ""),
    )


def _stretch(start_s: float | None, end_s: float | None) -> str:
    """Follows the file's stem in a uid where only a stretch of the file is meant."""
    return "" if start_s is None and end_s is None else f"#{start_s or 0.0}-{'' if end_s is None else end_s}"


def _seconds(cell: Mapping[str, str], column: str, wrong: list[str]) -> float | None:
    text = cell.get(column, "")
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < LONGEST_S:
        wrong.append(f"{column} {text!r} is not a number of seconds")
        return None
    return seconds


class _Files(dict[str, _File]):
    """Cells of the column path, each looked at once: a table may name one recording on thousands of lines."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self._inside = os.path.realpath(folder)
        self._real = cache(os.path.realpath)

    def __missing__(self, cell: str) -> _File:
        name = PureWindowsPath(cell).as_posix()  # tables made on Windows have backslashes
        stem = str(PurePosixPath(os.path.splitext(name)[0])).lstrip("/")
        is_none = "\0" in name or not PurePosixPath(name).name
        leaves = is_none or self._leaves(name)
        made = self[cell] = _File(stem, os.path.abspath(self.folder / name), is_none, leaves)
        return made

    def _leaves(self, name: str) -> bool:
        if PurePosixPath(name).is_absolute() or re.match(r"[A-Za-z]:", name):
            return True
        path = os.path.join(self._inside, name)
        folder, last = os.path.split(path)
        # Few files are links themselves; those of their folder are followed once for all of its files.
        alone = last in ("", ".", "..") or os.path.islink(path)
        real = os.path.realpath(path) if alone else os.path.join(self._real(folder), last)
        return os.path.commonpath([self._inside, real]) != self._inside


def _speakers_in_two_splits(utterances: list[Utterance], lines: Mapping[str, int]) -> list[tuple[int, str]]:
    """One problem per speaker, at the first line that departs from the split of the speaker's first line."""
    splits: dict[str, dict[str, int]] = defaultdict(dict)
    for u in utterances:
        splits[u.speaker].setdefault(u.split, lines[u.uid])
    problems = []
    for speaker, firsts in splits.items():
        (split, line), *others = sorted(firsts.items(), key=lambda item: item[1])
        for other, at in others:
            problems.append(
                (at, f"speaker {speaker!r} is in {other or 'no split'!r}, in {split or 'no split'!r} on line {line}")
            )
    return problems


def miniature(root: Path, seed: int = 0) -> Path:
    """Telephone speech of eight speakers in Portuguese.

    Planted: one call cut into turns, two labels in one line, a file that is missing, a file that is not sound.
    """
    folder = root / "customer"
    header = ("path", "label", "speaker", "sex", "split", "language", "session", "start", "end", "text", "uid")
    lines = [",".join(header)]
    names = {"happy": "feliz", "angry": "raiva", "neutral": "Neutro", "sad": "triste", "fear": "medo"}
    for number in range(1, 9):
        speaker, sex = f"s{number:02d}", "FM"[number % 2]
        for label, name in names.items():
            for take in (1, 2) if label != "fear" else (1,):
                path = f"wav/{speaker}_{label}_{take}.wav"
                _tones.write(folder / path, 8_000, label, f"customer/{speaker}", seed)
                lines.append(f'{path},{name},{speaker},{sex},,pt-BR,,,,"Olá, tudo bem?",')
    _tones.write(folder / "wav/call.wav", 8_000, "angry", "customer/s01", seed, seconds=2.0)
    lines += [f"wav/call.wav,raiva,s01,M,,pt-BR,call,{start},{start + 0.5},," for start in (0.0, 0.5, 1.0)]
    lines += ["wav/call.wav,raiva|triste,s01,M,,pt-BR,call,1.5,2.0,,both", "wav/lost.wav,feliz,s02,F,,pt-BR,,,,,"]
    lines += ["wav/page.wav,feliz,s02,F,,pt-BR,,,,,"]
    (folder / "wav/page.wav").write_text("<html>not found</html>\n")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="")
    return folder

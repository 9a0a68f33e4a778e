"""A corpus of one's own: a table with one line per utterance, ``path,label,speaker`` and what else is known.

Text with a header line; optional columns are sex, split, language, session, start, end, text, uid, and ratings of
valence, arousal and dominance, whose scale the setting of that name states. ``path`` is relative to the table's
folder (or ``audio_root``); ``start`` and ``end`` are seconds inside it. ``split`` is train, val, test or empty.
``label`` may be ``a|b``: both are kept in ``votes``, and the label is "unknown" unless they agree.
"""

import csv
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

from ser.corpora import _fields, _label_maps, _tones
from ser.data import audio, folders, nearby
from ser.data import table as _table
from ser.data.manifest import SPLITS, Listing, Refusal, Utterance
from ser.errors import BadInput
from ser.study.labels import DIMENSIONS, EMOTIONS, MANIFEST, plain
from ser.study.settings import setting

VERSION = 1  # goes up when the same folder gives other utterances
TITLE = "CSV manifest"
FILES = "CSV with the columns path, label and speaker"
FOLDER = "manifest.csv"
# Lead to the data, or choose of it what its fingerprint tells: no part of a trial's identity.
PLACES = ("label_map", "audio_root", "outside", "languages", "scale")
EXPECTED_SPEAKERS = 0
ABOUT = None  # a format
REQUIRED = ("path", "label", "speaker")
OPTIONAL = ("sex", "split", "language", "session", "start", "end", "text", "uid", *DIMENSIONS)
SEXES = {"": "", "f": "F", "female": "F", "feminino": "F", "m": "M", "male": "M", "masculino": "M"}
SUFFIXES = (".csv", ".tsv", ".txt", ".xlsx", ".xls", ".ods")  # of what people call a table
SHOWN_PROBLEMS = 20
SHOWN_LINES = 5  # of those that have one problem in common
SHOWN_LETTERS = 300  # of each: a cell may hold a whole book
HEADER_BYTES = 1 << 20
LONGEST_S = 1e8  # three years
_COPY = re.compile(r"#\d+\Z")


@dataclass(frozen=True)
class Settings:
    """Where the table's labels and recordings lie."""

    # One that does not lie beside the table is looked for from where the command is given.
    label_map: str = setting('JSON file {"label in the table": "unified label"}, relative to the table\'s folder', "")
    audio_root: str = setting("folder that paths are relative to, itself relative to the table's folder", "")
    outside: bool = setting("whether paths may lead out of that folder", False)
    languages: tuple[str, ...] = setting('languages to keep, as "pt" or "pt-BR"; none: all, and unstated ones', ())
    scale: tuple[float, ...] = setting(
        "lowest and highest rating of valence, arousal and dominance there can be; none: there are none",
        (),
        ordered=True,
    )


@dataclass(frozen=True)
class _File:
    """What a cell of the column path means, the same for all lines that name it."""

    stem: str  # as written, with slashes and without extension: the beginning of a uid
    path: str  # absolute
    is_none: bool  # names no file
    leaves: bool  # leads out of the folder, links followed


def expected(settings: Settings) -> dict[str, int]:
    """Nothing is known beforehand."""
    return {}


def scale(settings: Settings) -> tuple[float, float] | None:
    """Returns the lowest and the highest rating, None where none are stated. Raises BadInput for other than two."""
    return _fields.scale(settings.scale)


def find_all(folder: Path) -> list[Path]:
    """Every table at or below ``folder`` whose header has the required columns, those nearest to it first."""
    tables = [folder] if folder.is_file() else list(folders.files(folder, suffixes=(".csv", ".tsv")))
    # A table with label_raw was written by a scan: a result, not a corpus.
    headers = {p.absolute(): set(_table.header(p).names) for p in tables}
    ours = [p for p, columns in headers.items() if set(REQUIRED) <= columns and "label_raw" not in columns]
    return sorted(ours, key=lambda p: (len(p.parts), p))


def find(folder: Path) -> Path | None:
    """Returns the nearest table at or below ``folder``, ``manifest.csv`` first. Raises BadInput where two are as near.

    A file that is named is the one: where it is no such table, reading it says why.
    """
    if folder.is_file() and folder.suffix.lower() in SUFFIXES:
        return folder.absolute()
    tables = find_all(folder)
    near = [t for t in tables if len(t.parts) == len(tables[0].parts)]
    candidates = [t for t in near if t.name == FOLDER] or near
    if len(candidates) > 1:
        names = ", ".join(map(str, candidates[:5]))
        raise BadInput(f"{len(candidates)} tables: {names}", str(folder), "one table", "give the path of the one meant")
    return candidates[0] if candidates else None


def load(root: Path, settings: Settings, corpus: str = "") -> Listing:
    """All lines whose file exists; the others are refused.

    Raises BadInput naming the lines where the table itself is wrong, or where no file exists at all.
    """
    table = root if root.is_file() else find(root)
    if table is None:
        raise BadInput(f"no {FILES}", str(root), f"a folder with {FOLDER}", "give the table or its folder")
    table = table.absolute()
    folder = table.parent / settings.audio_root
    corpus = corpus or table.parent.name
    labels = _label_maps.read(table.parent, settings.label_map, MANIFEST)
    reading = _Reading(corpus, _Files(folder), labels, settings.outside)
    listed: list[Utterance] = []
    refused: list[Refusal] = []
    first: dict[str, tuple[int, Utterance]] = {}
    for row in _rows(table, reading):
        if row.cells["path"].startswith("#") and not os.path.isfile(reading.files[row.cells["path"]].path):
            refused.append(Refusal(row.cells["path"], f"line {row.line}: a comment, as it begins with #"))
            continue
        if (u := reading.utterance(row)) is None:
            continue
        line, earlier = first.setdefault(u.uid, (row.line, u))
        if earlier == u and line != row.line:
            refused.append(Refusal(u.path, f"line {row.line}: says the same as line {line}"))
        elif earlier != u:
            reading.problems.append((row.line, _same_uid(u, earlier, line)))
        else:
            listed.append(u)
    lines = {uid: line for uid, (line, _) in first.items()}
    listed, others = _of_languages(listed, settings.languages, table)
    refused += [Refusal(u.path, f"left out by languages: {u.language or 'none is stated'}") for u in others]
    reading.problems += _speakers_in_two_splits(listed, lines)
    if reading.problems:
        raise _bad(table, reading)
    present = {path for path in {u.path for u in listed} if os.path.isfile(path)}
    utterances = [u for u in listed if u.path in present]
    lost = [u for u in listed if u.path not in present]
    refused += [Refusal(u.path, f"line {lines[u.uid]}: {reading.files.absence(u.path)}") for u in lost]
    if not utterances:
        what = f"none of its {len(lost)} files exist, as {lost[0].path}" if lost else "no lines"
        remedy = "correct the paths, or set audio_root" if lost else "write a line per recording"
        raise BadInput(what, str(table), f"paths below {folder}", remedy)
    return folders.listing(utterances, refused)


def _of_languages(
    listed: list[Utterance], languages: tuple[str, ...], table: Path
) -> tuple[list[Utterance], list[Utterance]]:
    """Returns the utterances in one of ``languages``, and the others. Raises BadInput for one that none is in."""
    if not languages:
        return listed, []
    stated = sorted({u.language for u in listed if u.language})
    matching = {one: [tag for tag in stated if f"{tag}-".lower().startswith(f"{one}-".lower())] for one in languages}
    if missing := [one for one, several in matching.items() if not several]:
        allowed = ", ".join(stated) or "none: fill in the column language"
        raise BadInput(", ".join(missing), f"languages of {table}", allowed, "name languages that the table has")
    tags = {tag for several in matching.values() for tag in several}
    return [u for u in listed if u.language in tags], [u for u in listed if u.language not in tags]


def _same_uid(u: Utterance, earlier: Utterance, line: int) -> str:
    if (u.path, u.start_s, u.end_s) == (earlier.path, earlier.start_s, earlier.end_s):
        differs = [c for c in ("speaker", "label", "text", "session") if getattr(u, c) != getattr(earlier, c)]
        return f"the same audio as line {line} with another {', '.join(differs) or 'statement'}; keep one of them"
    return f"the same uid {u.uid!r} as line {line}; fill in the column uid"


def _bad(table: Path, reading: "_Reading") -> BadInput:
    """All that is wrong with the lines; what is wrong with many of them once."""
    lines: dict[str, list[int]] = defaultdict(list)
    for line, what in sorted(reading.problems):
        lines[what].append(line)
    summary = "; ".join(f"{_numbers(at)}: {what[:SHOWN_LETTERS]}" for what, at in list(lines.items())[:SHOWN_PROBLEMS])
    more = len(lines) - SHOWN_PROBLEMS
    allowed = [f"the columns {', '.join(REQUIRED)} and, as wanted, {', '.join(OPTIONAL)}"]
    remedies = ["correct these lines"]
    if reading.unknown:
        allowed.append(f"the labels {', '.join(EMOTIONS)} and usual words for them")
        example = json.dumps({reading.unknown[0][:40]: "angry"}, ensure_ascii=False)
        remedies.append(
            f"or translate labels: write {example} with the right words into labels.json beside the table, and give "
            f"--set {reading.corpus}.label_map=labels.json"
        )
    value = summary + (f"; and {more} more" if more > 0 else "")
    return BadInput(value, str(table), "; ".join(allowed), ", ".join(remedies))


def _numbers(lines: list[int]) -> str:
    """``line 3``, or ``lines 3, 4, 7 and 12 more``."""
    numbers = ", ".join(map(str, lines[:SHOWN_LINES]))
    more = len(lines) - SHOWN_LINES
    return f"line{'s' if len(lines) > 1 else ''} {numbers}" + (f" and {more} more" if more > 0 else "")


def _rows(table: Path, reading: "_Reading") -> Iterator[_table.Row]:
    columns = f"CSV with the columns {', '.join(REQUIRED)} and, as wanted, {', '.join(OPTIONAL)}"
    try:
        data = audio.read(table, folders.TEXT_BYTES)
    except OSError as error:
        raise BadInput(f"{error.strerror}", str(table), "a table that can be read", "repair or divide it") from None
    data = _table.text_of(data, table, columns)
    try:
        head = _table.Header.of(data[:HEADER_BYTES].decode("utf-8-sig", "replace"))
        _check_header(head, table, columns)
        reading.delimiter = head.delimiter
        yield from _table.rows(data, head, reading.problems)
    except csv.Error as error:
        reading.problems.append((error.args[1] if len(error.args) > 1 else 1, error.args[0]))
        raise _bad(table, reading) from None


def _check_header(head: _table.Header, table: Path, columns: str) -> None:
    names, line = head.names, head.lines_before + 1
    missing = [c for c in REQUIRED if c not in names]
    double = sorted({c for c in names if c in (*REQUIRED, *OPTIONAL) and names.count(c) > 1})
    if missing or double:
        what = [f"no column {c}" for c in missing] + [f"column {c} twice" for c in double]
        columns_seen = f", it has {', '.join(filter(None, names))[:SHOWN_LETTERS]}" if missing and any(names) else ""
        raise BadInput(f"line {line}: {', '.join(what)}{columns_seen}", str(table), columns, "correct the header")
    if "label_raw" in names:
        raise BadInput("what a scan wrote", str(table), columns, "name the corpus itself")


class _Reading:
    """What rows are read with, and what is wrong with them."""

    def __init__(self, corpus: str, files: "_Files", labels: Mapping[str, str], outside: bool) -> None:
        self.corpus, self.files, self.labels, self.outside = corpus, files, labels, outside
        self.delimiter = ","
        self.problems: list[tuple[int, str]] = []
        self.unknown: list[str] = []  # labels
        self._decimals: dict[str, int] = {}  # sign -> first line

    def utterance(self, row: _table.Row) -> Utterance | None:
        """Returns what the row says; None, and problems, where it cannot be read."""
        cell = row.cells
        names = [name.strip() for name in cell["label"].split("|")] if cell["label"] else []
        wrong = [f"empty {column}" for column in REQUIRED if not cell[column]] + self._unknown(names)
        sex, split = SEXES.get(cell.get("sex", "").lower()), cell.get("split", "").lower()
        if sex is None:
            wrong.append(f"sex {cell['sex']!r} is not F, M or empty")
        if split not in ("", *SPLITS):
            wrong.append(f"split {cell['split']!r} is not train, val, test or empty")
        start_s, end_s = self._seconds(row, "start", wrong), self._seconds(row, "end", wrong)
        valence, arousal, dominance = (self._rating(row, name, wrong) for name in DIMENSIONS)
        if end_s is not None and end_s <= (start_s or 0.0):
            wrong.append(f"end {end_s} is not after start {start_s or 0.0}")
        file = self.files[cell["path"]]
        uid = cell.get("uid") or file.stem + _stretch(start_s, end_s)
        if _COPY.search(uid):
            wrong.append(f"uid {uid!r} ends as the names of augmented copies do; fill in another in the column uid")
        if cell["path"] and (problem := self._path_problem(cell["path"], file)):
            wrong.append(problem)
        if wrong or sex is None:
            self.problems.extend((row.line, what) for what in wrong)
            return None
        emotions = list(dict.fromkeys(self.labels[plain(name)] for name in names))
        return Utterance(
            uid=f"{self.corpus}/{uid}",
            corpus=self.corpus,
            path=file.path,
            speaker=intern(f"{self.corpus}/{cell['speaker']}"),
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
            valence=valence,
            arousal=arousal,
            dominance=dominance,
        )

    def _unknown(self, names: list[str]) -> list[str]:
        unknown = [name for name in names if plain(name) not in self.labels]
        self.unknown += [name for name in unknown if name not in self.unknown]
        return [f"unknown label {name!r}" for name in unknown]

    def _path_problem(self, path: str, file: _File) -> str:
        if file.is_none:
            return f"path {path!r} names no file"
        if self.outside or not file.leaves:
            return ""
        if beginning := self.files.foreign_beginning(path):
            return (
                f"paths begin with {beginning!r}, which leads out of {self.files.folder}; take that off, and they fit"
            )
        remedy = "write it relative to the table, or set outside to true if that is meant"
        return f"path {path!r} leads out of {self.files.folder}; {remedy}"

    def _seconds(self, row: _table.Row, column: str, wrong: list[str]) -> float | None:
        """Seconds, with a point or, where it is no sign of thousands, a comma; the same sign in the whole table."""
        text = row.cells.get(column, "")
        if not text:
            return None
        if not 0 <= (seconds := self._number(text)) < LONGEST_S:
            wrong.append(f"{column} {text!r} is not a number of seconds, as 1.5")
            return None
        self._check_sign(row, column, text, wrong)
        return seconds

    def _rating(self, row: _table.Row, column: str, wrong: list[str]) -> float | None:
        """A rating, written as seconds are; None for none."""
        text = row.cells.get(column, "")
        if not text:
            return None
        if not math.isfinite(rating := self._number(text)):
            wrong.append(f"{column} {text!r} is not a number, as 2.5")
            return None
        self._check_sign(row, column, text, wrong)
        return rating

    def _number(self, text: str) -> float:
        """The number that a cell has, nan for none."""
        comma = re.fullmatch(r"(-?\d+),(\d+)", text)
        if comma and (self.delimiter == ";" or len(comma[2]) != 3 or comma[1] == "0"):
            text = f"{comma[1]}.{comma[2]}"
        try:
            return float(text)
        except ValueError:
            return math.nan

    def _check_sign(self, row: _table.Row, column: str, text: str, wrong: list[str]) -> None:
        for sign, other in ((",", "."), (".", ",")):
            if sign in text and other in self._decimals:
                before = self._decimals[other]
                wrong.append(f"{column} {text!r} is written with {sign!r}, where line {before} has {other!r}")
            elif sign in text:
                self._decimals.setdefault(sign, row.line)


def _stretch(start_s: float | None, end_s: float | None) -> str:
    """Follows the file's stem in a uid where only a stretch of the file is meant."""
    return "" if start_s is None and end_s is None else f"#{start_s or 0.0}-{'' if end_s is None else end_s}"


def _is_absolute(path: str) -> bool:
    name = PureWindowsPath(path)
    return bool(name.drive or name.root)


class _Files(dict[str, _File]):
    """Cells of the column path, each looked at once: a table may name one recording on thousands of lines."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self._inside = os.path.realpath(folder)
        self._real = cache(os.path.realpath)
        self._nearby = nearby.Nearby(self._inside)

    def __missing__(self, cell: str) -> _File:
        name = PureWindowsPath(cell).as_posix()  # tables made on Windows have backslashes
        is_none = "\0" in name or not PurePosixPath(name).name
        leaves = is_none or self._leaves(name)
        path = os.path.abspath(self.folder / name)
        if not leaves and _is_absolute(name):  # named by its place in the folder, as the same corpus elsewhere is
            name = os.path.relpath(self._real(path), self._inside)
        if not leaves and not os.path.exists(path) and (spelling := self._nearby.resolve(name)):
            leaves, path = self._leaves(spelling), os.path.abspath(self.folder / spelling)
        stem = str(PurePosixPath(os.path.splitext(name)[0])).lstrip("/")
        file = self[cell] = _File(stem, path, is_none, leaves)
        return file

    def foreign_beginning(self, path: str) -> str:
        """What an absolute path of another folder has before the path of a file that is in this one, "" if none is."""
        parts = PureWindowsPath(path).parts[1:] if _is_absolute(path) else ()
        for count in range(len(parts), 0, -1):
            rest = "/".join(parts[-count:])
            if ".." not in parts and os.path.isfile(os.path.join(self._inside, rest)):
                return path[: len(path) - len(rest)]
        return ""

    def absence(self, path: str) -> str:
        """Returns why the file of a row cannot be read."""
        if os.path.exists(path):
            return "a folder, pipe or device, not a file"
        return "no such file" + self._nearby.hint(os.path.relpath(path, self._inside))

    def _leaves(self, name: str) -> bool:
        if PureWindowsPath(name).drive:
            return True
        path = os.path.join(self._inside, name)
        folder, last = os.path.split(path)
        # Few files are links themselves; those of their folder are followed once for all of its files.
        alone = last in ("", ".", "..") or os.path.islink(path)
        real = os.path.realpath(path) if alone else os.path.join(self._real(folder), last)
        return os.path.commonpath([self._inside, real]) != self._inside


def _speakers_in_two_splits(utterances: list[Utterance], lines: Mapping[str, int]) -> list[tuple[int, str]]:
    """Returns one problem per speaker, at the first line that departs from the split of the speaker's first line."""
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
    (folder / "wav/page.wav").write_text("<html>not found</html>\n", encoding="utf-8")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="")
    return folder

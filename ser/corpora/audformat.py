"""A database in audEERING's format: ``db.yaml``, its tables, splits and schemes as they are, read by ``audformat``.

Every table with a column of emotions counts, or those that a setting names; what other tables tell of the same files
(speaker, sex, text) is taken from there. Splits of tables (train, dev, test) are one official fold: the split rule
"given" takes them. Languages are those of speakers, or the database's own where it has one.
"""

import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from sys import intern
from typing import TYPE_CHECKING, Protocol

from ser.corpora import _fields, _label_maps, _tones
from ser.data import folders
from ser.data.manifest import UNKNOWN_SPEAKER, Listing, Refusal, Utterance
from ser.errors import BadInput
from ser.study.labels import DIMENSIONS, MANIFEST
from ser.study.settings import setting

if TYPE_CHECKING:
    import audformat

VERSION = 1  # goes up when the same folder gives other utterances
TITLE = "audformat database"
FILES = "db.yaml with tables that have a column of emotions"
FOLDER = "db.yaml"
ABOUT = None
PLACES = ("label_map", "scale")
EXPECTED_SPEAKERS = 0
_HEADER_BYTES = 1 << 20
_FACTS = ("speaker", "sex", "language", "text", "session")
_Key = tuple[str, float | None, float | None]  # file, and stretch in seconds


class _Time(Protocol):
    """A time of a table's index, or NaT."""

    def total_seconds(self) -> float: ...


@dataclass(frozen=True)
class Settings:
    """Which tables and columns count, where their names do not tell."""

    tables: tuple[str, ...] = setting("tables with emotions; none: all that have such a column", ())
    label: str = setting("column of the emotion; none: by usual names", "")
    label_map: str = setting('JSON file {"label in the tables": "unified label"}, relative to the folder', "")
    languages: tuple[str, ...] = setting("languages to keep, as de and en; none: all", ())
    scale: tuple[float, ...] = setting(
        "lowest and highest rating of valence, arousal and dominance there can be; none: ratings are not read",
        (),
        ordered=True,
    )


def expected(settings: Settings) -> dict[str, int]:
    """Nothing is known beforehand."""
    return {}


def scale(settings: Settings) -> tuple[float, float] | None:
    """Returns the lowest and the highest rating, None where none are stated. Raises BadInput for other than two."""
    return _fields.scale(settings.scale)


def find_all(folder: Path) -> list[Path]:
    """Folders at or below ``folder`` that hold a database."""
    places = {p.absolute().parent for p in folders.files(folder, suffixes=("db.yaml",)) if _is_database(p)}
    return sorted(places, key=lambda p: (len(p.parts), p))


def _is_database(header: Path) -> bool:
    if header.name != FOLDER:
        return False
    lines = folders.text(header, [], _HEADER_BYTES).splitlines()
    return any(line.startswith("tables:") for line in lines) and any(line.startswith("name:") for line in lines)


def find(folder: Path) -> Path | None:
    """Returns the only database at or below ``folder``. Raises BadInput where there are several."""
    places = find_all(folder)
    if len(places) > 1:
        names = ", ".join(map(str, places[:5]))
        raise BadInput(f"{len(places)} databases: {names}", str(folder), "one", "give the folder of the one meant")
    return places[0] if places else None


def load(root: Path, settings: Settings, corpus: str = "") -> Listing:
    """All rows with an emotion whose file exists; the others are refused.

    Raises BadInput where the database cannot be read, and for labels and tables that leave open what is meant.
    """
    corpus = corpus or root.name
    database = _database(root)
    labels_of: dict[_Key, tuple[str, str]] = {}  # label and subset
    facts = _Facts(database, (*_FACTS, *(DIMENSIONS if settings.scale else ())))
    refused: list[Refusal] = []
    for name, column in _tables(database, settings, root):
        subset = _subset(database, name)
        for key, label in _rows(database[name], column):
            if not label:
                refused.append(Refusal(str(root / key[0]), f"no emotion in table {name}"))
            elif labels_of.setdefault(key, (label, subset))[0] != label:
                raise _two_labels(key, root, settings, corpus)
    table = _label_maps.read(root, settings.label_map, MANIFEST)
    unified = _fields.labels({label for label, _ in labels_of.values()}, table, str(root), corpus)
    subsets = {subset for _, subset in labels_of.values()} - {""}
    utterances = []
    for (key, (label, subset)), uid in zip(labels_of.items(), _names(list(labels_of)), strict=True):
        file = PurePosixPath(key[0])
        if file.is_absolute() or ".." in file.parts or not (root / file).is_file():
            refused.append(Refusal(str(root / file.name), f"no such file in the database: {file}"))
            continue
        of = facts[key]
        if settings.languages and of["language"] not in settings.languages:
            continue
        utterances.append(
            Utterance(
                uid=f"{corpus}/{uid}",
                corpus=corpus,
                path=str((root / file).absolute()),
                speaker=intern(f"{corpus}/{of['speaker'] or UNKNOWN_SPEAKER}"),
                label_raw=intern(label),
                label=unified[label],
                sex=_fields.sex(of["sex"]),
                session=intern(of["session"]),
                folds=(subset,) if subsets >= {"train", "test"} else (),
                start_s=key[1],
                end_s=key[2],
                language=intern(of["language"]),
                text=of["text"],
                **_fields.ratings(of, str(root)),
            )
        )
    return folders.listing(utterances, refused)


def _database(root: Path) -> "audformat.Database":
    try:
        import audformat
    except ImportError:
        remedy = "pip install 'ser[audformat]'"
        raise BadInput("audformat is not installed", str(root), "the package audformat", remedy) from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pandas about what audformat calls
            return audformat.Database.load(str(root), load_data=True)
    except Exception as error:  # whatever YAML, tables and the package raise
        raise BadInput(
            f"unreadable: {type(error).__name__}: {str(error)[:200]}",
            str(root),
            "a database that audformat can load",
            "repair it, or write it anew",
        ) from None


def _tables(database: "audformat.Database", settings: Settings, root: Path) -> list[tuple[str, str]]:
    """Returns names of the tables that count, and of their columns of emotions."""
    names = list(database.tables)
    if missing := [name for name in settings.tables if name not in names]:
        raise BadInput(f"no table {', '.join(missing)}", str(root), ", ".join(names), "name tables of the database")
    places = []
    for name in settings.tables or names:
        columns = list(database[name].columns)
        if settings.label in ("", *columns) and (column := _fields.field("label", settings.label, columns, str(root))):
            places.append((name, column))
    if not places:
        there = "; ".join(f"{name}: {', '.join(database[name].columns)}" for name in names)
        raise BadInput("no column of emotions", str(root), there or "tables", "name one of these: --set NAME.label=")
    return places


def _subset(database: "audformat.Database", table: str) -> str:
    split = database[table].split_id
    return _fields.subset(split) or _fields.subset(database.splits[split].type) if split else ""


def _rows(table: "audformat.Table", column: str, mapping: str = "") -> Iterator[tuple[_Key, str]]:
    values = table[column].get(map=mapping) if mapping else table[column].get()
    for index, value in values.items():
        yield _key(index), _fields.text(_plain(value))


def _key(index: str | tuple[str, _Time, _Time]) -> _Key:
    if not isinstance(index, tuple):
        return str(index), None, None
    file, start, end = index
    return str(file), start.total_seconds(), None if str(end) == "NaT" else end.total_seconds()


def _plain(value: object) -> object:
    return None if str(value) in ("<NA>", "nan", "NaT") else value


def _two_labels(key: _Key, root: Path, settings: Settings, corpus: str) -> BadInput:
    return BadInput(
        f"two emotions of {key[0]}",
        str(root),
        "one, in whatever tables it stands",
        f"name the tables that count: --set {corpus}.tables=NAME",
    )


class _Facts:
    """What tables tell of a file or stretch beside its emotion."""

    def __init__(self, database: "audformat.Database", kinds: Sequence[str]) -> None:
        self._language_of_all = _language(database.languages)
        self._cells: dict[str, dict[_Key, str]] = {kind: {} for kind in kinds}
        for table in database.tables.values():
            columns = list(table.columns)
            for kind in kinds:
                if column := _fields.field(kind, "", columns, ""):
                    self._cells[kind] |= dict(_rows(table, column))
            if speaker := _fields.field("speaker", "", columns, ""):
                for kind, mapping in (("sex", "gender"), ("language", "language")):
                    try:
                        cells = dict(_rows(table, speaker, mapping))
                    except ValueError:  # the scheme of speakers says nothing of that
                        continue
                    self._cells[kind] = cells | self._cells[kind]

    def __getitem__(self, key: _Key) -> Mapping[str, str]:
        whole = (key[0], None, None)
        facts = {kind: cells.get(key) or cells.get(whole, "") for kind, cells in self._cells.items()}
        return facts | {"language": _language([facts["language"]]) if facts["language"] else self._language_of_all}


def _language(names: Sequence[str]) -> str:
    """Returns the BCP 47 name of the only language, of which audformat has the three letters of ISO 639."""
    if len(names := list(names)) != 1:
        return ""
    try:
        import iso639  # which audformat brings along

        return str(iso639.Lang(names[0]).pt1 or names[0])
    except (ImportError, ValueError, KeyError):
        return names[0]


def _names(keys: Sequence[_Key]) -> list[str]:
    """Returns the names of utterances: those of their files, with folders where these clash, and their stretches."""
    stretches = ["" if key[1] is None and key[2] is None else f"#{_second(key[1])}-{_second(key[2])}" for key in keys]
    stems = [PurePosixPath(key[0]).with_suffix("") for key in keys]
    names = [f"{stem.name}{stretch}" for stem, stretch in zip(stems, stretches, strict=True)]
    if max(Counter(names).values(), default=1) > 1:
        names = [f"{stem}{stretch}" for stem, stretch in zip(stems, stretches, strict=True)]
    return names


def _second(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def miniature(root: Path, seed: int = 0) -> Path:
    """Writes six speakers whose emotions stand in two tables of a split each, speakers in another.

    Planted: a row without an emotion, a file that is missing, a recording that no table names.
    """
    folder = root / "audformat"
    emotions = {"anger": "angry", "happiness": "happy", "neutral": "neutral", "sadness": "sad"}
    rows = [(f"wav/s{s}_{name}.wav", name, f"s{s}") for s in range(1, 7) for name in emotions]
    for path, name, speaker in rows:
        _tones.write(folder / path, 16_000, emotions[name], speaker, seed)
    _tones.write(folder / "wav/unnamed.wav", 16_000, "sad", "s1", seed)
    tables = {
        "files": [("speaker", [f"{path},{speaker}" for path, _, speaker in rows])],
        "emotion.train": [("emotion", [f"{p},{n}" for p, n, s in rows if s < "s5"] + ["wav/s1_lost.wav,anger"])],
        "emotion.test": [("emotion", [f"{p},{n}" for p, n, s in rows if s >= "s5"] + ["wav/unnamed.wav,"])],
    }
    for name, ((column, lines),) in tables.items():
        (folder / f"db.{name}.csv").write_text("\n".join([f"file,{column}", *lines]) + "\n", encoding="utf-8")
    speakers = "".join(f"      s{s}: {{gender: {('male', 'female')[s % 2]}}}\n" for s in range(1, 7))
    splits = "".join(f"  {name}: {{type: {name}}}\n" for name in ("train", "test"))
    emotion = "    columns:\n      emotion: {scheme_id: emotion}\n"
    (folder / FOLDER).write_text(
        f"name: made\nsource: made\nusage: unrestricted\nlanguages: [deu]\nschemes:\n  emotion:\n    dtype: str\n"
        f"    labels: [{', '.join(emotions)}]\n  speaker:\n    dtype: str\n    labels:\n{speakers}"
        f"splits:\n{splits}tables:\n"
        f"  files:\n    type: filewise\n    columns:\n      speaker: {{scheme_id: speaker}}\n"
        f"  emotion.train:\n    type: filewise\n    split_id: train\n{emotion}"
        f"  emotion.test:\n    type: filewise\n    split_id: test\n{emotion}",
        encoding="utf-8",
    )
    return folder

"""Any of the 32 corpora of EmoBox by its lists: a JSONL line per utterance, a table of labels, and official folds.

Ma et al. 2024, github.com/emo-box/EmoBox, folder ``data``: ``<corpus>/label_map.json``, ``<corpus>/<corpus>.jsonl`` and
``<corpus>/fold_1/<corpus>_<train|valid|test>_fold_1.jsonl`` … Recordings are found by the end of their paths below
``audio_root``, else beside the lists or up to two folders above. A line that is in no list of a fold is left out of it.

The balanced lists of its cross-corpus test, ``track2/<CORPUS>_selected_….jsonl``, are corpora, too, without folds.
"""

import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from sys import intern
from typing import Any

from ser.corpora import _fields, _label_maps, _tones
from ser.corpora._emobox_corpora import CORPORA, Entry
from ser.corpora._listed_audio import Places
from ser.data import folders
from ser.data.manifest import UNKNOWN_SPEAKER, Listing, Refusal, Utterance
from ser.errors import BadInput
from ser.study.labels import EMOBOX, EMOTIONS, plain
from ser.study.settings import setting

VERSION = 1  # goes up when the same folder gives other utterances
TITLE = "EmoBox"
FILES = "lists of EmoBox: label_map.json beside <corpus>.jsonl or fold_1, or a list of its cross-corpus test"
FOLDER = "label_map.json"
ABOUT = None
PLACES = ("label_map", "audio_root")
EXPECTED_SPEAKERS = 0
_LIST = re.compile(r"(?P<corpus>\w+)_(?P<side>train|valid|test)_fold_(?P<fold>\d+)\.jsonl")
_BALANCED = re.compile(r"(?P<corpus>[A-Za-z]+)_selected_\w+\.jsonl")
_SUBSETS = {"train": "train", "valid": "val", "test": "test"}
_MOST_FOLDS = 99


@dataclass(frozen=True)
class Settings:
    """Where labels and recordings are looked for, and which languages are wanted."""

    label_map: str = setting('JSON file {"label in the lists": "unified label"}, relative to the lists\' folder', "")
    audio_root: str = setting("folder below which the recordings lie, relative to the lists' folder", "")
    languages: tuple[str, ...] = setting("languages to keep of a corpus that has several; none: all", ())


@dataclass
class _Line:
    """An utterance as the lists have it, and the side it is on in each fold."""

    name: str  # without the corpus
    path: str
    label: str
    place: str  # list and line, for what is said of it
    speaker: str = ""
    stretch: tuple[float | None, float | None] = (None, None)
    subsets: dict[int, str] = field(default_factory=dict)


def expected(settings: Settings) -> dict[str, int]:
    """Nothing is known beforehand: the lists themselves say what there is."""
    return {}


def release_loader(root: Path) -> str:
    """Returns the loader that knows the release of the corpus whose lists lie at ``root``; "" where there is none."""
    entry = CORPORA.get(_corpus_of(root)) if root.name == FOLDER else None
    return entry.loader if entry else ""


def find_all(folder: Path) -> list[Path]:
    """Every table of labels beside lists of EmoBox, and every list of its cross-corpus test, at or below ``folder``."""
    if folder.is_file():
        return [folder.absolute()] if _is_one(folder) else []
    names = folders.files(folder, suffixes=("label_map.json", ".jsonl"))
    return sorted((p.absolute() for p in names if _is_one(p)), key=lambda p: (len(p.parts), p))


def _is_one(path: Path) -> bool:
    if path.name != FOLDER:
        return _BALANCED.fullmatch(path.name) is not None and path.is_file()
    return any(True for _ in _lists(path.parent))


def find(folder: Path) -> Path | None:
    """Returns the only corpus at or below ``folder``. Raises BadInput where there are several."""
    corpora = find_all(folder)
    if len(corpora) > 1:
        names = ", ".join(str(p) for p in corpora[:5])
        raise BadInput(f"{len(corpora)} corpora: {names}", str(folder), "one corpus", "give the path of the one meant")
    return corpora[0] if corpora else None


def load(root: Path, settings: Settings, corpus: str = "") -> Listing:
    """All lines whose recording is found; the others are refused.

    Raises BadInput for labels that no table has, and where no recording is found at all.
    """
    table = root if root.is_file() else find(root)
    if table is None:
        raise BadInput(f"no {FILES}", str(root), f"a folder with {FOLDER}", "give the folder of the lists")
    table = table.absolute()
    folder, entry = table.parent, CORPORA.get(_corpus_of(table))
    corpus = corpus or _corpus_of(table)
    refused: list[Refusal] = []
    if table.name == FOLDER:
        lines = _lines(folder, refused)
        names, labels = _names(lines), _labels(table, settings, {line.label for line in lines}, corpus)
    else:
        lines = _balanced(table, refused)
        names, labels = _names(lines), {line.label: EMOBOX.get(plain(line.label), "other") for line in lines}
    places = Places(folder, settings.audio_root, [line.path for line in lines])
    count = max((fold for line in lines for fold in line.subsets), default=0)
    utterances = []
    for line, name in zip(lines, names, strict=True):
        speaker, sex, language = _who(entry, line)
        if settings.languages and language not in settings.languages:
            continue
        try:
            path = places[line.path]
        except KeyError as error:
            refused.append(Refusal(str(folder / line.path), f"{line.place}: {error.args[0]}"))
            continue
        start_s, end_s = line.stretch
        utterances.append(
            Utterance(
                uid=f"{corpus}/{name}",
                corpus=corpus,
                path=path,
                speaker=intern(f"{corpus}/{speaker or line.speaker or UNKNOWN_SPEAKER}"),
                label_raw=intern(line.label),
                label=labels[line.label],
                sex=sex,
                folds=tuple(line.subsets.get(fold, "") for fold in range(1, count + 1)),
                start_s=start_s,
                end_s=end_s,
                language=language,
            )
        )
    if not utterances:
        value = f"none of the {len(lines)} recordings" if lines else "no line"
        remedy = f"say where the recordings lie: --set {corpus}.audio_root=FOLDER"
        raise BadInput(value, str(table), f"recordings below {places.searched}", remedy)
    return folders.listing(utterances, refused)


def _corpus_of(table: Path) -> str:
    match = _BALANCED.fullmatch(table.name)
    return match["corpus"].lower() if match else table.parent.name


def _who(entry: Entry | None, line: _Line) -> tuple[str, str, str]:
    if entry is None:
        return "", "", ""
    speaker, sex, language = entry.who(line.path)
    if entry.loader == "iemocap" and speaker:  # the letter at the end speaks, in the session at the beginning
        speaker = f"{os.path.basename(line.path)[:5]}{speaker}"
    return speaker, sex, language


# Lists


def _lists(folder: Path) -> Iterator[tuple[Path, str, int]]:
    """Yields the lists of a corpus with side and fold; "" and 0 for the one of all utterances."""
    for path in sorted(folder.glob("fold_*/*.jsonl")):
        match = _LIST.fullmatch(path.name)
        if match is None or match["corpus"] != folder.name or path.parent.name != f"fold_{match['fold']}":
            continue
        if 1 <= (fold := int(match["fold"])) <= _MOST_FOLDS:
            yield path, _SUBSETS[match["side"]], fold
    if (whole := folder / f"{folder.name}.jsonl").is_file():
        yield whole, "", 0


def _lines(folder: Path, refused: list[Refusal]) -> list[_Line]:
    """Returns the utterances of all lists, each once. Raises BadInput for one on two subsets of a fold."""
    lines: dict[str, _Line] = {}
    read = set()
    for path, side, fold in _lists(folder):
        read.add(path)
        for place, row in _rows(path, refused):
            if (line := _line(row, place, folder.name)) is None:
                refused.append(Refusal(str(path), f"{place}: no key, wav and emo"))
                continue
            line = lines.setdefault(line.name, line)
            if fold and line.subsets.setdefault(fold, side) != side:
                value = f"{line.name} is in {line.subsets[fold]} and {side} of fold {fold}"
                raise BadInput(value, str(path), "each utterance on one side of a fold", "correct the lists")
    others = [path for path in sorted(folder.glob("fold_*/*.jsonl")) if path not in read]
    refused += [Refusal(str(path), "a list that is none of train, valid and test") for path in others]
    return list(lines.values())


def _rows(path: Path, refused: list[Refusal]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, text in enumerate(folders.text(path, refused).split("\n"), 1):
        if not text.strip():
            continue
        try:
            row = json.loads(text)
        except (ValueError, RecursionError):
            row = None
        if isinstance(row, dict):
            yield f"line {number}", row
        else:
            refused.append(Refusal(str(path), f"line {number}: no JSON object"))


def _line(row: Mapping[str, Any], place: str, folder: str) -> _Line | None:
    key, path, label = (row.get(name) for name in ("key", "wav", "emo"))
    if not (isinstance(key, str) and isinstance(path, str) and isinstance(label, str) and key and path and label):
        return None
    if "\0" in path:
        return None
    stretch = tuple(_seconds(row.get(name)) for name in ("start_time", "end_time"))
    return _Line(key.removeprefix(f"{folder}-"), path, label, place, stretch=(stretch[0], stretch[1]))


def _seconds(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and 0 <= value < 1e8 else None


def _balanced(path: Path, refused: list[Refusal]) -> list[_Line]:
    lines: dict[str, _Line] = {}
    for place, row in _rows(path, refused):
        name, label, speaker = (row.get(key) for key in ("wav_filename", "label", "speaker"))
        if isinstance(name, str) and isinstance(label, str) and isinstance(speaker, str) and name and label:
            lines.setdefault(name, _Line(name, name, label, place, speaker))
        else:
            refused.append(Refusal(str(path), f"{place}: no wav_filename, label and speaker"))
    return list(lines.values())


def _names(lines: Sequence[_Line]) -> list[str]:
    """Returns the names of utterances: as much of the ends of their paths as tells them apart, else their keys."""
    if any(line.stretch != (None, None) for line in lines):
        return [_fields.plain_name(line.name) for line in lines]
    paths = [os.path.splitext(line.path)[0].split("/") for line in lines]
    for count in range(1, max(map(len, paths), default=1) + 1):
        names = ["/".join(parts[-count:]) for parts in paths]
        if max(Counter(names).values(), default=1) == 1:
            return [_fields.plain_name(name) for name in names]
    return [_fields.plain_name(line.name) for line in lines]


def _labels(table: Path, settings: Settings, words: Iterable[str], corpus: str) -> Mapping[str, str]:
    """Returns the unified label of each label: by a person's table, else by EmoBox's own."""
    exact = _label_maps.table(table)
    theirs = {plain(raw): name for raw, name in exact.items()}  # "neutral" in lists, "Neutral" in the table of EMO-DB
    mine = _label_maps.read(table.parent, settings.label_map, {})
    labels, unknown = {}, []
    for raw in words:
        name = plain(exact.get(raw, theirs.get(plain(raw), raw)))
        if label := mine.get(plain(raw), mine.get(name, EMOBOX.get(name))):
            labels[raw] = label
        else:
            unknown.append(raw)
    if unknown:
        raise BadInput(
            f"labels {', '.join(sorted(unknown)[:5])}",
            str(table),
            f"{', '.join(EMOTIONS)} and usual words for them",
            f'write {{"{min(unknown)[:40]}": "other"}} into a file, and give --set {corpus}.label_map=FILE',
        )
    return labels


def miniature(root: Path, seed: int = 0) -> Path:
    """Writes five speakers of the Polish corpus with two folds, recordings in another folder than listed.

    Planted: a line without a recording, one that is no JSON, a list of a strange name, two recordings for one line.
    """
    folder = root / "EmoBox"
    lists = folder / "data/polish"
    emotions = {"a": ("Angry", "angry"), "n": ("Neutral", "neutral"), "s": ("Fear", "fear")}
    rows: list[tuple[str, int]] = []
    for speaker in range(1, 6):
        for number, (letter, (_, label)) in enumerate(emotions.items()):
            name = f"m{speaker}.{letter}_nie_1"
            path = folder / f"audio/recordings/{name}.wav"
            _tones.write(path, 16_000, label, f"polish/m{speaker}", seed)
            rows.append((_row(name, letter), (speaker + number) % 2 + 1))
    rows.append((_row("m5.a_stop_5", "a"), 1))
    double = "m1.n_tak_1"
    for place in ("one", "two"):
        _tones.write(folder / f"audio/{place}/{double}.wav", 16_000, "neutral", place, seed)
    rows.append((_row(double, "n"), 2))
    _write(lists / "polish.jsonl", [row for row, _ in rows] + ["{cut off"])
    _write(lists / "label_map.json", [json.dumps({letter: name for letter, (name, _) in emotions.items()})])
    for fold in (1, 2):
        for side, is_test in (("train", False), ("test", True)):
            lines = [row for row, tested in rows if (tested == fold) == is_test]
            _write(lists / f"fold_{fold}/polish_{side}_fold_{fold}.jsonl", lines)
    _write(lists / "fold_1/polish_test.jsonl", [])
    return folder


def _row(name: str, letter: str) -> str:
    path = f"downloads/polish/{name}.wav"
    return json.dumps({"key": f"polish-{name}", "dataset": "polish", "wav": path, "emo": letter, "channel": 1})


def _write(path: Path, lines: Sequence[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

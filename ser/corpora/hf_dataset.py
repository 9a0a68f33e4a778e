"""A data set of Hugging Face ``datasets`` on disk: ``save_to_disk`` (Arrow) or Parquet files with the audio inside.

Recordings are read where they lie (``ser.data.containers``). Columns are found by their usual names, labels that are
numbers by the names that the file itself has for them. The subsets (train, validation, test) are those of folders or of
the beginnings of file names, and one official fold: the split rule "given" takes them.
"""

import json
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from sys import intern
from typing import TYPE_CHECKING

from ser.corpora import _fields, _label_maps, _tones
from ser.data import containers, folders
from ser.data.manifest import UNKNOWN_SPEAKER, Listing, Refusal, Utterance
from ser.errors import BadInput
from ser.study.labels import DIMENSIONS, MANIFEST
from ser.study.settings import setting

if TYPE_CHECKING:
    import pyarrow

VERSION = 1  # goes up when the same folder gives other utterances
TITLE = "Hugging Face data set"
FILES = "Arrow files of save_to_disk, or Parquet files, with the audio inside"
FOLDER = "dataset_dict.json, state.json or Parquet files"
ABOUT = None
PLACES = ("label_map", "scale")
EXPECTED_SPEAKERS = 0
_PARQUET = re.compile(r"(?P<subset>[A-Za-z]+)\b.*\.parquet", re.IGNORECASE)


@dataclass(frozen=True)
class Settings:
    """Which columns hold what, where their names do not tell."""

    label: str = setting("column of the emotion; none: by usual names", "")
    speaker: str = setting("column of the speaker; none: by usual names", "")
    audio: str = setting("column of the recordings; none: the first that holds some", "")
    label_map: str = setting('JSON file {"label in the table": "unified label"}, relative to the folder', "")
    languages: tuple[str, ...] = setting("languages to keep where a column tells them; none: all", ())
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
    """Folders of data sets at or below ``folder``: of ``save_to_disk``, or of Parquet files with recordings."""
    saved = {p.parent for p in folders.files(folder, suffixes=("dataset_dict.json",))}
    alone = {p.parent for p in folders.files(folder, suffixes=("state.json",)) if _is_saved(p.parent)}
    places = saved | {place for place in alone if place.parent not in saved}
    for path in folders.files(folder, suffixes=(".parquet",)):
        place = _home(path)
        if place not in places and _audio_column(path, ""):
            places.add(place)
    return sorted(places, key=lambda p: (len(p.parts), p))


def _is_saved(folder: Path) -> bool:
    return (folder / "dataset_info.json").is_file() and any(folder.glob("*.arrow"))


def _home(parquet: Path) -> Path:
    return parquet.parent.parent if parquet.parent.name == "data" else parquet.parent


def find(folder: Path) -> Path | None:
    """Returns the only data set at or below ``folder``. Raises BadInput where there are several."""
    places = find_all(folder)
    if len(places) > 1:
        names = ", ".join(map(str, places[:5]))
        raise BadInput(f"{len(places)} data sets: {names}", str(folder), "one", "give the folder of the one meant")
    return places[0] if places else None


def load(root: Path, settings: Settings, corpus: str = "") -> Listing:
    """All rows with a label; those without are refused. Raises BadInput for columns and labels that nobody can read."""
    corpus = corpus or root.name
    table = _label_maps.read(root, settings.label_map, MANIFEST)
    refused: list[Refusal] = []
    rows: list[tuple[dict[str, str], str, str]] = []  # cells, subset, path
    for file, subset in _files(root):
        try:
            rows += [(cells, subset, path) for cells, path in _read(file, settings, corpus, refused)]
        except BadInput:
            raise
        except (OSError, ValueError) as error:
            refused.append(Refusal(str(file), f"cannot be read: {str(error)[:200]}"))
    labels = _fields.labels((cells["label"] for cells, _, _ in rows), table, str(root), corpus)
    subsets = {subset for _, subset, _ in rows} - {""}
    names = _names([(cells["name"], path, root) for cells, _, path in rows])
    utterances = [
        Utterance(
            uid=f"{corpus}/{name}",
            corpus=corpus,
            path=path,
            speaker=intern(f"{corpus}/{cells['speaker'] or UNKNOWN_SPEAKER}"),
            label_raw=intern(cells["label"]),
            label=labels[cells["label"]],
            sex=_fields.sex(cells["sex"]),
            session=intern(cells["session"]),
            folds=(subset,) if subsets >= {"train", "test"} else (),
            language=intern(cells["language"]),
            text=cells["text"],
            **_fields.ratings(cells, str(root)),
        )
        for (cells, subset, path), name in zip(rows, names, strict=True)
        if not settings.languages or cells["language"] in settings.languages
    ]
    return folders.listing(utterances, refused)


def _files(root: Path) -> list[tuple[Path, str]]:
    """Returns the files of a data set with the subset that each is of."""
    arrow = [p for p in sorted((*root.glob("*.arrow"), *root.glob("*/*.arrow"))) if not p.name.startswith("cache-")]
    if arrow:
        return [(p.absolute(), _fields.subset(p.parent.name if p.parent != root else "")) for p in arrow]
    parquet = sorted((*root.glob("*.parquet"), *root.glob("data/*.parquet")))
    matches = [(p.absolute(), _PARQUET.fullmatch(p.name)) for p in parquet]
    return [(p, _fields.subset(match["subset"]) if match else "") for p, match in matches]


def _audio_column(file: Path, stated: str) -> str:
    """Returns the column that holds recordings: a struct with bytes, or else bytes alone where that is said."""
    try:
        columns = containers.schema(file)
    except (OSError, ValueError):
        return ""
    if stated:
        return stated if stated in columns.names else ""
    return next((c.name for c in columns if str(c.type).startswith("struct<") and "bytes: " in str(c.type)), "")


def _read(file: Path, settings: Settings, corpus: str, refused: list[Refusal]) -> list[tuple[dict[str, str], str]]:
    """Returns cells and path of each row with a label. Raises BadInput where the columns do not say what is what."""
    columns, audio = containers.schema(file), _audio_column(file, settings.audio)
    if not audio:
        refused.append(Refusal(str(file), f"no column with recordings: {', '.join(columns.names)[:200]}"))
        return []
    stated = {"label": settings.label, "speaker": settings.speaker}
    wanted = [kind for kind in _fields.USUAL if settings.scale or kind not in DIMENSIONS]
    kinds = {kind: _fields.field(kind, stated.get(kind, ""), columns.names, str(file)) for kind in wanted}
    if not kinds["label"]:
        allowed = f"one of {', '.join(columns.names)}"
        raise BadInput("no column of a usual name for emotions", str(file), allowed, f"--set {corpus}.label=COLUMN")
    has_path = "path: " in str(columns.field(audio).type)
    names = [*dict.fromkeys(filter(None, kinds.values())), *([f"{audio}.path"] if has_path else [])]
    meanings = {name: _class_names(columns, name) for name in names}
    rows = []
    for number, row in enumerate(containers.columns(file, names)):
        cells = {kind: _cell(row.get(name), meanings.get(name, ())) if name else "" for kind, name in kinds.items()}
        cells["name"] = os.path.splitext(os.path.basename(_fields.text(row.get(f"{audio}.path"))))[0]
        path = containers.path_of(file, audio, number)
        if cells["label"]:
            rows.append((cells, path))
        else:
            refused.append(Refusal(path, "no label"))
    return rows


def _class_names(columns: "pyarrow.Schema", name: str) -> Sequence[str]:
    """Returns the names that a file has for the numbers of a column, () where it has none."""
    try:
        stated = json.loads((columns.metadata or {})[b"huggingface"])["info"]["features"][name]
        return tuple(map(str, stated["names"]))
    except (KeyError, ValueError, TypeError):
        return ()


def _cell(value: object, names: Sequence[str]) -> str:
    if names and isinstance(value, int):
        return names[value] if 0 <= value < len(names) else ""
    return _fields.text(value)


def _names(rows: Sequence[tuple[str, str, Path]]) -> list[str]:
    """Returns the names of utterances: those of their files, where each has one of its own, else where they lie."""
    names = [name for name, _, _ in rows]
    if all(names) and max(Counter(names).values(), default=1) == 1:
        return [_fields.plain_name(name) for name in names]
    places = [(Path(containers.file_of(path)).relative_to(root.absolute()), path) for _, path, root in rows]
    return [f"{file.with_suffix('').as_posix()}/{path.rpartition('/')[2]}" for file, path in places]


def miniature(root: Path, seed: int = 0) -> Path:
    """Writes six speakers to Parquet files of training and test, labels as numbers. Planted: rows without label, sound.

    One file that is no Parquet lies beside them.
    """
    import pyarrow.parquet

    folder = root / "hf_dataset"
    emotions = ("angry", "happy", "neutral", "sad")
    features = {"label": {"names": list(emotions), "_type": "ClassLabel"}, "audio": {"_type": "Audio"}}
    metadata = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    (folder / "data").mkdir(parents=True, exist_ok=True)
    for subset, speakers in (("train", range(1, 5)), ("test", range(5, 7))):
        rows: list[dict[str, object]] = []
        for speaker in speakers:
            for number, label in enumerate(emotions):
                path = folder / f"s{speaker}_{label}.wav"
                _tones.write(path, 16_000, label, f"s{speaker}", seed)
                rows.append(_row(path.name, path.read_bytes(), number, f"s{speaker}"))
                path.unlink()
        rows += [_row(f"{subset}_none.wav", None, 0, "s1"), _row(f"{subset}_page.wav", b"<html>", None, "s1")]
        table = pyarrow.Table.from_pylist(rows).replace_schema_metadata(metadata)
        pyarrow.parquet.write_table(table, folder / f"data/{subset}-00000-of-00001.parquet", row_group_size=5)
    (folder / "data/test-00001-of-00001.parquet").write_bytes(b"cut off")
    return folder


def _row(name: str, data: bytes | None, label: int | None, speaker: str) -> dict[str, object]:
    return {"audio": {"bytes": data, "path": name}, "label": label, "speaker_id": speaker, "gender": "female"}

"""Emozionalmente: 431 Italians act eighteen sentences in six emotions and neutrally, each judged by five others.

Catania (2022), Zenodo 6569824. Names of recordings are times; who speaks, what and how is in ``metadata/samples.csv``.
"""

import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from ser.corpora import _tones
from ser.corpora._named import Settings as Settings
from ser.data import folders
from ser.data.about import About
from ser.data.manifest import Listing, Refusal, Utterance

VERSION = 1  # goes up when the same folder gives other utterances
TITLE = "Emozionalmente"
FILES = "wav named like audio/1613655062436.wav (the time), with metadata/samples.csv"
FOLDER = "audio and metadata"
EXPECTED_SPEAKERS = 431
MEAN_SECONDS = (3.1, 3.9)  # 3.29; its authors say 3.81
LABELS = {
    "anger": "angry", "disgust": "disgust", "fear": "fear", "joy": "happy", "neutrality": "neutral", "sadness": "sad",
    "surprise": "surprise",
}  # fmt: skip
NAME = re.compile(
    r"/(?:(?<=\A/)|(?<=/audio/))(?P<uid>1[56]\d{11})\Z", re.ASCII
)  # milliseconds of the years 2017 to 2024
COLUMNS = {
    "samples.csv": ("file_name", "actor", "emotion_expressed", "sentence"),
    "users.csv": ("username", "gender"),
    "evaluations.csv": ("file_name", "emotion_recognized"),
}
ABOUT = About(
    languages=("it",),
    kind="acted",
    licence="CC BY 4.0",
    reference="Catania: Emozionalmente: a crowdsourced Italian speech emotional corpus, Zenodo 2022, "
    "doi 10.5281/zenodo.6569824",
    download="emozionalmente_dataset.zip of https://doi.org/10.5281/zenodo.6569824, to unpack",
    defects=("150 recordings have a rate of 44.1 kHz, the others of 16 kHz",),
)


def expected(settings: Settings) -> dict[str, int]:
    """Returns utterances per label of the release."""
    return dict.fromkeys(LABELS.values(), 986)


def find(folder: Path) -> Path | None:
    """Returns the narrowest folder at or below ``folder`` that holds the recordings and their table, or None."""
    clips, _ = folders.recordings(folder, NAME, FILES)
    tables = _tables(folder) if clips else {}
    return folders.home([*(path for path, _ in clips), *tables.values()]) if "samples.csv" in tables else None


def load(root: Path, settings: Settings, corpus: str = "emozionalmente") -> Listing:
    """Every recording that the table of samples names; ``votes`` are what its listeners took it for, in their order."""
    clips, refused = folders.recordings(root, NAME, FILES)
    tables = _tables(root)
    samples = {Path(row["file_name"]).stem: row for row in _rows(tables.get("samples.csv"), refused)}
    sexes = {row["username"]: row["gender"][:1].upper() for row in _rows(tables.get("users.csv"), refused)}
    votes: dict[str, list[str]] = defaultdict(list)
    for row in _rows(tables.get("evaluations.csv"), refused):
        votes[Path(row["file_name"]).stem].append(row["emotion_recognized"])
    utterances = []
    for path, name in clips:
        sample = samples.get(name["uid"])
        if sample is None or sample["emotion_expressed"] not in LABELS or not sample["actor"]:
            reason = "no line of samples.csv" if sample is None else "no emotion or no actor in samples.csv"
            refused.append(Refusal(str(path), reason))
            continue
        sex = sexes.get(sample["actor"], "")
        utterances.append(
            Utterance(
                uid=f"{corpus}/{name['uid']}",
                corpus=corpus,
                path=str(path),
                speaker=f"{corpus}/{sample['actor']}",
                label_raw=sample["emotion_expressed"],
                label=LABELS[sample["emotion_expressed"]],
                sex=sex if sex in ("F", "M") else "",
                votes=tuple((str(n), LABELS[w]) for n, w in enumerate(votes[name["uid"]], 1) if w in LABELS),
                language="it",
                text=sample["sentence"],
            )
        )
    return folders.listing(utterances, refused)


def _tables(folder: Path) -> dict[str, Path]:
    """Returns the known tables below ``folder``, the one nearest to it where there are several copies."""
    paths = [path for path in folders.files(folder, suffixes=(".csv",)) if path.name in COLUMNS]
    return {path.name: path for path in sorted(paths, key=lambda p: (-len(p.parts), p))}


def _rows(path: Path | None, refused: list[Refusal]) -> Iterator[dict[str, str]]:
    """Yields the cells of a table by column; one without the columns that are needed is refused."""
    if path is None:
        return
    reader = csv.DictReader(io.StringIO(folders.text(path, refused), newline=""))
    try:
        if missing := set(COLUMNS[path.name]) - set(reader.fieldnames or ()):
            refused.append(Refusal(str(path), f"a table without the columns {', '.join(sorted(missing))}"))
            return
        for row in reader:
            yield {name: row[name] or "" for name in COLUMNS[path.name]}
    except csv.Error as error:
        refused.append(Refusal(f"{path}:{reader.line_num}", f"the rest of the table is not read: {error}"))


def miniature(root: Path, seed: int = 0) -> Path:
    """Five actors, every emotion, three votes each. Planted: a tie, a recording without a line, an empty one."""
    folder = root / "emozionalmente_dataset"
    samples, votes = [",".join(COLUMNS["samples.csv"])], [",".join(COLUMNS["evaluations.csv"])]
    for number, actor in enumerate(("a1", "b2", "c3", "d4", "e5")):
        for place, (word, label) in enumerate(LABELS.items()):
            name = f"16136550{number}{place}436.wav"
            _tones.write(folder / "audio" / name, 16_000, label, actor, seed, 0.3)
            samples.append(f'{name},{actor},{word},"Vorrei il numero, per favore"')
            second = "fear" if number == 0 else word
            votes += [f"{name},{vote}" for vote in (word, second, "fear" if number == 1 else word)]
    _tones.write(folder / "audio/1619253465089.wav", 16_000, "sad", "a1", seed, 0.3)
    (folder / "audio/1613655000436.wav").write_bytes(b"")
    users = [",".join(COLUMNS["users.csv"]), "a1,f", "b2,m", "c3,f", "d4,m", "e5,other"]
    (folder / "metadata").mkdir()
    for table, lines in (("samples", samples), ("evaluations", votes), ("users", users)):
        (folder / f"metadata/{table}.csv").write_text("\n".join([*lines, ""]), encoding="utf-8")
    return folder

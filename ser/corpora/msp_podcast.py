"""MSP-Podcast: stretches of podcasts, natural speech, judged by five raters or more; releases 1.6 and later.

Lotfian & Busso (2019), University of Texas at Dallas. Labels stand in ``labels_consensus.csv`` (before 1.10 it is
called ``labels_concensus.csv``), raters' own in ``labels_detailed.csv`` or, where that is not there, the ``.json``;
``votes`` are their primary emotions. Valence, arousal and dominance are the table's means of the raters, 1 to 7.
``split`` is the release's partition. Its test sets share speakers, so that one is chosen; of the third no labels are
published.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from sys import intern

from ser.corpora import _tables, _tones
from ser.data import folders
from ser.data.about import About
from ser.data.manifest import UNKNOWN_SPEAKER, Listing, Refusal, Utterance
from ser.study.settings import setting

VERSION = 1  # goes up when the same folder gives other utterances
TITLE = "MSP-Podcast"
FILES = "wav named like MSP-PODCAST_0001_0008.wav with the table labels_consensus.csv"
FOLDER = "Audios and Labels"
EXPECTED_SPEAKERS = 0  # every release has more
SCALE = (1.0, 7.0)
NAME = re.compile(r"/(MSP-PODCAST_(\d{4})_\d{4}(?:_\d{4})?)\Z", re.ASCII | re.IGNORECASE)
TABLES = ("labels_consensus.csv", "labels_concensus.csv")
COLUMNS = ("filename", "emoclass", "emoact", "emoval", "emodom", "spkrid", "gender", "split_set")
DETAILS = ("labels_detailed.csv", "labels_detailed.json")
LABELS = {
    "A": "angry", "S": "sad", "H": "happy", "U": "surprise", "F": "fear", "D": "disgust", "C": "contempt",
    "N": "neutral", "O": "other", "X": "unknown",
}  # fmt: skip
WORDS = {label: label for label in LABELS.values() if label != "unknown"}  # of raters; "Other-Curious" is "other", too
PARTITIONS = {
    "train": "train",
    "development": "val",
    "validation": "val",
    "test1": "test",
    "test": "test",
    "test2": "test",
}
SEXES = {"female": "F", "male": "M"}
ABOUT = About(
    languages=("en",),
    kind="natural",
    licence="academic licence of the University of Texas at Dallas, to be signed; research only",
    reference="Lotfian & Busso: Building Naturalistic Emotionally Balanced Speech Corpus by Retrieving Emotional "
    "Speech From Existing Podcast Recordings. IEEE Transactions on Affective Computing 10(4), 2019, 471–483. "
    "doi 10.1109/TAFFC.2017.2736999",
    download="request at https://ecs.utdallas.edu/research/researchlabs/msp-lab/MSP-Podcast.html; Audios and Labels",
    defects=(
        "speakers of the two test sets overlap; the loader's setting test_set says which one is used",
        "of test set 3 no labels are published; its recordings are refused",
        "who speaks is not known in some recordings, of the training part alone",
    ),
)


@dataclass(frozen=True)
class Settings:
    """Which of the test sets is used: they share speakers."""

    test_set: str = setting("recordings of the other test set are left out", "test1", choices=("test1", "test2"))


def expected(settings: Settings) -> dict[str, int]:
    """Returns {}: every release has other counts."""
    return {}


def scale(settings: Settings) -> tuple[float, float]:
    """Returns the lowest and the highest rating."""
    return SCALE


def find(folder: Path) -> Path | None:
    """Returns the narrowest folder at or below ``folder`` that holds the recordings and their tables, or None."""
    wavs = [path for path, _ in folders.recordings(folder, NAME, FILES)[0]]
    tables = _label_tables(folder) if wavs else []
    return folders.home(chain(wavs, tables)) if tables else None


def load(root: Path, settings: Settings, corpus: str = "msp_podcast") -> Listing:
    """Every recording that the table labels, but for those of the other test set."""
    clips, refused = folders.recordings(root, NAME, FILES)
    (table, *details) = _label_tables(root)
    rows = {_key(row["filename"]): row for _, row in _tables.rows(table, COLUMNS, refused)}
    votes = _votes(details[0], refused) if details else {}
    utterances, recorded = [], set()
    for path, name in clips:
        key = name[1].upper()
        recorded.add(key)
        if (row := rows.get(key)) is None:
            refused.append(Refusal(str(path), "no label line for this recording"))
            continue
        label, part = row["emoclass"].strip().upper(), row["split_set"].strip().lower()
        if label not in LABELS or part not in PARTITIONS:
            refused.append(Refusal(str(path), f"its label line has the class {label!r} and the part {part!r}"))
        elif PARTITIONS[part] != "test" or part in (settings.test_set, "test"):
            utterances.append(_utterance(path, key, name[2], row, votes.get(key, ()), corpus))
    refused += [Refusal(str(table), f"no recording {key}.wav") for key in rows if key not in recorded]
    return folders.listing(utterances, refused)


def _utterance(
    path: Path, key: str, podcast: str, row: Mapping[str, str], votes: tuple[tuple[str, str], ...], corpus: str
) -> Utterance:
    speaker, label = row["spkrid"].strip(), row["emoclass"].strip().upper()
    return Utterance(
        uid=f"{corpus}/{key}",
        corpus=corpus,
        path=str(path),
        speaker=f"{corpus}/{speaker if speaker.isdigit() else UNKNOWN_SPEAKER}",
        label_raw=label,
        label=LABELS[label],
        sex=SEXES.get(row["gender"].strip().lower(), ""),
        votes=votes,
        session=podcast,
        split=PARTITIONS[row["split_set"].strip().lower()],
        language="en",
        valence=_rating(row["emoval"]),
        arousal=_rating(row["emoact"]),
        dominance=_rating(row["emodom"]),
    )


def _label_tables(folder: Path) -> list[Path]:
    """Returns the table of labels, and that of the raters if it is there, the nearest ones; [] without the first."""
    tables = _tables.nearest(folder, TABLES)
    details = {**_tables.nearest(folder, DETAILS, ".json"), **_tables.nearest(folder, DETAILS)}
    labels = [tables[name] for name in TABLES if name in tables]
    return [labels[0], *(details[name] for name in DETAILS if name in details)] if labels else []


def _key(file: str) -> str:
    return file.strip().rpartition(".")[0].upper()


def _rating(cell: str) -> float | None:
    """Returns a mean rating, None where it is missing or off the scale."""
    match = re.fullmatch(r"\s*(\d(?:\.\d{1,30})?)\s*", cell, re.ASCII)
    return float(match[1]) if match and SCALE[0] <= float(match[1]) <= SCALE[1] else None


def _votes(path: Path, refused: list[Refusal]) -> dict[str, tuple[tuple[str, str], ...]]:
    """Returns for each recording its raters and their primary emotions, in the order of the file."""
    votes: dict[str, list[tuple[str, str]]] = {}
    unknown: dict[str, int] = {}
    for file, rater, word in _of_json(path, refused) if path.suffix == ".json" else _of_csv(path, refused):
        label = "other" if word.lower().startswith("other") else WORDS.get(word.lower())
        if label is None:
            unknown[word] = unknown.get(word, 0) + 1
        else:
            votes.setdefault(_key(file), []).append((intern(rater), label))
    refused += [Refusal(str(path), f"unknown emotion {word!r} of {n} raters") for word, n in unknown.items()]
    return {key: tuple(pairs) for key, pairs in votes.items()}


def _of_csv(path: Path, refused: list[Refusal]) -> Iterator[tuple[str, str, str]]:
    """A line per rating, in columns (1.6, 2.0) or as one cell, "WORKER1; Happy; Excited,Amused; A:5; V:6; D:4;"."""
    for line, row in _tables.rows(path, ("filename",), refused):
        rater = row.get("worker") or row.get("workers") or row.get("workerid") or ""
        word = row.get("emoclass_major", "")
        if cell := row.get("emodetail", ""):
            rater, _, rest = cell.partition(";")
            word = rest.partition(";")[0]
        if rater.strip() and word.strip():
            yield row["filename"], rater.strip(), word.strip()
        else:
            refused.append(Refusal(f"{path}:{line}", "no rater, or no emotion"))


def _of_json(path: Path, refused: list[Refusal]) -> Iterator[tuple[str, str, str]]:
    """``{file: {rater: {"EmoClass_Major": word, …}}}``."""
    try:
        for file, raters in json.loads(folders.text(path, refused) or "{}").items():
            for rater, facts in raters.items():
                yield str(file), str(rater), str(facts["EmoClass_Major"]).strip()
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
        refused.append(Refusal(str(path), "not the JSON of raters that releases have; the rest of it is not read"))


def miniature(root: Path, seed: int = 0) -> Path:
    """Two speakers in each part and one unknown.

    Planted: a third number in a name, a rater's own word, a missing mean, a recording of test set 3, a label without
    recording, an older table below the newer one.
    """
    folder = root / "MSP-PODCAST"
    parts = ("Train", "Train", "Development", "Test1", "Test2")
    rows: list[tuple[str, ...]] = [
        ("FileName", "EmoClass", "EmoAct", "EmoVal", "EmoDom", "SpkrID", "Gender", "Split_Set")
    ]
    details: list[tuple[str, str]] = [("FileName", "EmoDetail")]
    for podcast, part in enumerate(parts, start=1):
        for number, code in enumerate("AHNSX" if podcast > 1 else LABELS):
            name = f"MSP-PODCAST_{podcast:04d}_{number:04d}{'_0001' if number == 1 else ''}.wav"
            speaker = "Unknown" if (podcast, code) == (2, "X") else str(10 * podcast + number % 2)
            label = "neutral" if code == "X" else LABELS[code]
            _tones.write(folder / "Audios" / name, 16_000, label, speaker, seed, seconds=0.3)
            mean = "" if code == "O" else "4.2"
            rows.append((name, code, mean, "3.4000001", "5", speaker, "Female" if number % 2 else "Male", part))
            for rater, word in enumerate((label, label if code != "X" else "happy", "Other-Curious"), start=1):
                details.append((name, f"WORKER{rater:08d}; {word.capitalize()}; Amused,Happy; A:4.0; V:3.0; D:5.0;"))
    rows.append(("MSP-PODCAST_0009_0001.wav", "N", "4", "4", "4", "90", "Male", "Train"))
    _tones.write(folder / "Audios/MSP-PODCAST_test3_0001.wav", 16_000, "neutral", "3", seed, seconds=0.3)
    _tones.write(folder / "Audios/MSP-PODCAST_0008_0001.wav", 16_000, "neutral", "8", seed, seconds=0.3)
    _tables.write(folder / "Labels/labels_consensus.csv", rows)
    _tables.write(folder / "Labels/labels_detailed.csv", details)
    _tables.write(folder / "Previous_releases_information/v1.8/Labels/labels_concensus.csv", rows[:2])
    return folder

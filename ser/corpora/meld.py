"""MELD: dialogues of the television series Friends, every utterance a video cut from an episode, with its text.

Poria et al. (2019). A recording is named by dialogue and utterance within its partition, which its folder tells; the
tables ``train_sent_emo.csv``, ``dev_sent_emo.csv`` and ``test_sent_emo.csv`` have the labels. The partitions share
speakers, so that they are the corpus's one official fold and no ``split`` of whole speakers. Sound is that of the
videos (with the extra ``codecs``) or of wav files that were made of them under the same names.
"""

import re
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from ser.corpora import _tables, _tones
from ser.data import folders
from ser.data.about import About
from ser.data.manifest import Listing, Refusal, Utterance

VERSION = 1  # goes up when the same folder gives other utterances
TITLE = "MELD"
FILES = "mp4 or wav named like dia0_utt0.mp4 in folders of train, dev and test, with the tables train_sent_emo.csv …"
FOLDER = "train_splits, dev_splits_complete, output_repeated_splits_test and the three tables"
SUFFIXES = (".mp4", *folders.SUFFIXES)
EXPECTED_SPEAKERS = 304
MEAN_SECONDS = (3.0, 3.8)  # 3.19 of sound, 3.59 by the tables' times
DAMAGED = frozenset(("train_dia125_utt3", "dev_dia110_utt7"))  # without sound that can be read
NAME = re.compile(r"/(?:(train|dev|test)_)?dia(\d{1,4})_utt(\d{1,3})\Z", re.ASCII | re.IGNORECASE)
TABLES = {f"{part}_sent_emo.csv": part for part in ("train", "dev", "test")}
COLUMNS = ("utterance", "speaker", "emotion", "dialogue_id", "utterance_id")
SUBSETS = {"train": "train", "dev": "val", "test": "test"}
LABELS = {
    "neutral": "neutral", "joy": "happy", "surprise": "surprise", "anger": "angry", "sadness": "sad",
    "disgust": "disgust", "fear": "fear",
}  # fmt: skip
SEX = {"Chandler": "M", "Joey": "M", "Ross": "M", "Monica": "F", "Phoebe": "F", "Rachel": "F"}  # of 304
ABOUT = About(
    languages=("en",),
    kind="acted",
    licence="GPL-3.0 for the tables; the videos are of a television series",
    reference="Poria, Hazarika, Majumder, Naik, Cambria & Mihalcea: MELD: A Multimodal Multi-Party Dataset for "
    "Emotion Recognition in Conversations. ACL 2019, 527–536. doi 10.18653/v1/P19-1050",
    download="http://web.eecs.umich.edu/~mihalcea/downloads/MELD.Raw.tar.gz, unpacked, as "
    "the three archives in it; the tables also in https://github.com/declare-lab/MELD",
    defects=(
        "dia125_utt3 of train and dia110_utt7 of dev have no sound that can be read, and are refused",
        "dia38_utt4 and dia220_utt0 of test are minutes long, far beyond their utterance; they are used as they are",
        "files called final_videos_test… beside those of test are other cuts, and are not used",
    ),
)


@dataclass(frozen=True)
class Settings:
    """The corpus leaves nothing to choose."""


def expected(settings: Settings) -> dict[str, int]:
    """Returns utterances per label of the release, 13708 together."""
    return {
        "neutral": 6436, "happy": 2308, "surprise": 1636, "angry": 1607, "sad": 1002, "disgust": 361, "fear": 358,
    }  # fmt: skip


def find(folder: Path) -> Path | None:
    """Returns the narrowest folder at or below ``folder`` that holds recordings and tables, or None."""
    clips = [path for path, _ in folders.recordings(folder, NAME, FILES, SUFFIXES)[0]]
    tables = _tables.nearest(folder, TABLES).values() if clips else ()
    return folders.home(chain(clips, tables)) if tables else None


def load(root: Path, settings: Settings, corpus: str = "meld") -> Listing:
    """Every recording that the table of its partition has a line for."""
    clips, refused = folders.recordings(root, NAME, FILES, SUFFIXES)
    rows = _rows(root, refused)
    parts = {key.partition("_")[0] for key in rows}
    only = next(iter(parts)) if len(parts) == 1 else ""  # a copy of one partition, in whatever folder
    utterances, recorded = [], set()
    for path, name in clips:
        part = (name[1] or _part(path, root) or only).lower()
        key = f"{part}_dia{int(name[2])}_utt{int(name[3])}"
        recorded.add(key)
        row = rows.get(key)
        if row is None:
            reason = f"no line of {part}_sent_emo.csv for it" if part else "no folder above it says train, dev or test"
            refused.append(Refusal(str(path), reason))
            continue
        speaker, emotion = " ".join(row["speaker"].split()), row["emotion"].strip().lower()
        utterances.append(
            Utterance(
                uid=f"{corpus}/{key}",
                corpus=corpus,
                path=str(path),
                speaker=f"{corpus}/{speaker}",
                label_raw=emotion,
                label=LABELS[emotion],
                sex=SEX.get(speaker, ""),
                session=key.rpartition("_")[0],
                channel="dialog",
                folds=(SUBSETS[part],),
                language="en",
                text=row["utterance"].strip(),
            )
        )
    refused += [Refusal(row["place"], f"no recording {key}") for key, row in rows.items() if key not in recorded]
    return folders.listing(utterances, refused)


def _rows(root: Path, refused: list[Refusal]) -> dict[str, dict[str, str]]:
    """Returns the rows of the tables by ``<part>_dia<n>_utt<n>``, each with the ``place`` where it stands."""
    rows: dict[str, dict[str, str]] = {}
    for name, path in _tables.nearest(root, TABLES).items():
        for line, row in _tables.rows(path, COLUMNS, refused):
            place = f"{path}:{line}"
            numbers = [row[column].strip() for column in ("dialogue_id", "utterance_id")]
            if not all(re.fullmatch(r"\d{1,4}", number, re.ASCII) for number in numbers):
                refused.append(Refusal(place, f"dialogue and utterance are no numbers: {', '.join(numbers)[:80]}"))
            elif row["emotion"].strip().lower() not in LABELS or not row["speaker"].strip():
                refused.append(Refusal(place, f"unknown emotion {row['emotion'][:40]!r}, or no speaker"))
            else:
                key = f"{TABLES[name]}_dia{int(numbers[0])}_utt{int(numbers[1])}"
                if rows.setdefault(key, {**row, "place": place})["place"] != place:
                    refused.append(Refusal(place, f"{key} is labelled before, in {rows[key]['place']}"))
    return rows


def _part(path: Path, root: Path) -> str:
    """Returns what the nearest folder whose name says so is of: train, dev or test; "" where none does."""
    for folder in reversed(path.relative_to(root).parts[:-1]):
        parts = [part for part in SUBSETS if re.search(rf"(?:\A|[^a-z]){part}(?:\Z|[^a-z])", folder.lower())]
        if len(parts) == 1:
            return parts[0]
    return ""


def miniature(root: Path, seed: int = 0) -> Path:
    """Two dialogues in each partition, as wav files under the names of the videos.

    Planted: one name in all partitions, other cuts of the test partition, a video that is none, a line without
    recording, a recording without line, a line without numbers.
    """
    folder = root / "MELD.Raw"
    places = {
        "train": "train/train_splits",
        "dev": "dev/dev_splits_complete",
        "test": "test/output_repeated_splits_test",
    }
    header = ("Sr No.", "Utterance", "Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID", "Season")
    speakers = (*SEX, "The Interviewer")
    for partition, (part, place) in enumerate(places.items()):
        rows: list[tuple[object, ...]] = [header]
        for dialogue in (0, 1):
            for number, (word, label) in enumerate(LABELS.items()):
                speaker = speakers[(number + dialogue) % len(speakers)]
                rows.append((len(rows), f"Made “line” {number}, twice.", speaker, word, "", dialogue, number, 1))
                path = folder / place / f"dia{dialogue}_utt{number}.wav"
                _tones.write(path, 16_000, label, speaker, seed + 9 * partition, seconds=0.3)
        rows.append((len(rows), "Lost.", "Joey", "joy", "", 8, 0, 1))
        if part == "dev":
            rows.append((len(rows), "Broken.", "Joey", "joy", "", "x", 0, 1))
        _tables.write(folder / f"{part}_sent_emo.csv", rows)
    _tones.write(folder / places["test"] / "final_videos_testdia0_utt0.wav", 16_000, "sad", "Joey", seed, seconds=0.3)
    _tones.write(folder / places["dev"] / "dia9_utt0.wav", 16_000, "sad", "Joey", seed, seconds=0.3)
    (folder / places["train"] / "dia8_utt0.mp4").write_bytes(b"no video")
    return folder

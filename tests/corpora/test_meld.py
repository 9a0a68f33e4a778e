"""MELD: the partition is the folder's, everything else stands in the tables; videos, or wav files of their sound."""

from collections import Counter
from pathlib import Path

import pytest
from listed_files import emobox, needs_metadata, pretend

from ser.corpora import meld
from ser.data.manifest import Listing
from ser.data.scan import scan

HEADER = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime\n"


def release(root: Path, tables: dict[str, str], *names: str) -> Listing:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    for part, rows in tables.items():
        (root / f"{part}_sent_emo.csv").write_text(HEADER + rows, encoding="utf-8")
    return meld.load(root, meld.Settings())


@pytest.mark.parametrize(
    ("name", "part", "side"),
    [
        ("train/train_splits/dia0_utt1.mp4", "train", "train"),
        ("MELD.Raw/dev_splits_complete/dia0_utt1.mp4", "dev", "val"),
        ("output_repeated_splits_test/dia0_utt1.MP4", "test", "test"),
        ("audio/test/dia0_utt1.wav", "test", "test"),
        ("all/dev_dia0_utt1.wav", "dev", "val"),
        ("train/latest/dia0_utt1.wav", "train", "train"),  # a word of its own
        ("clips/dia0_utt1.wav", "dev", "val"),  # there is no other table
    ],
)
def test_a_recording(tmp_path: Path, name: str, part: str, side: str) -> None:
    rows = '2,"You’re right, I know.",Monica,joy,positive,0,1,8,21,"00:16:21,940","00:16:23,442"\n'
    (u,) = release(tmp_path, {part: rows}, name).utterances
    assert (u.uid, u.speaker, u.sex) == (f"meld/{part}_dia0_utt1", "meld/Monica", "F")
    assert (u.label_raw, u.label, u.text) == ("joy", "happy", "You’re right, I know.")
    assert (u.session, u.channel, u.split, u.folds) == (f"{part}_dia0", "dialog", "", (side,))


def test_tables_and_recordings_must_meet(tmp_path: Path) -> None:
    rows = (
        "1,Hi.,Ross,neutral,neutral,0,0,1,1,a,b\n2,Hi.,Ross,bliss,neutral,0,1,1,1,a,b\n"
        "3,Hi.,Ross,fear,neutral,zero,1,1,1,a,b\n4,Hi.,Ross,fear,neutral,0,0,1,1,a,b\n5,Hi.,Joey,fear,neutral,7,7,1,1,a,b\n"
    )
    tables = {"train": rows, "test": "1,Hi.,Ross,neutral,neutral,0,1,1,1,a,b\n"}
    found = release(tmp_path, tables, *(f"{place}/dia0_utt0.mp4" for place in ("train", "dev", "elsewhere")))
    assert [u.uid for u in found.utterances] == ["meld/train_dia0_utt0"]
    assert sorted(r.reason.split(", in ")[0] for r in found.refused) == [
        "dialogue and utterance are no numbers: zero, 1",
        "no folder above it says train, dev or test",
        "no line of dev_sent_emo.csv for it",
        "no recording test_dia0_utt1",
        "no recording train_dia7_utt7",
        "train_dia0_utt0 is labelled before",
        "unknown emotion 'bliss', or no speaker",
    ]


def test_recordings_without_tables_are_not_the_corpus(tmp_path: Path) -> None:
    folder = meld.miniature(tmp_path)
    assert meld.find(tmp_path) == folder
    assert meld.find(folder / "train") is None


def test_miniature(tmp_path: Path) -> None:
    manifest = scan("meld", "meld", meld.miniature(tmp_path), {}, tmp_path / "cache")
    assert Counter(u.folds for u in manifest.utterances) == {("train",): 14, ("val",): 14, ("test",): 14}
    assert len({u.session for u in manifest.utterances}) == 6
    reasons = {Path(r.what).name: r.reason for r in manifest.refused}
    assert reasons["dia9_utt0.wav"] == "no line of dev_sent_emo.csv for it"
    assert reasons["final_videos_testdia0_utt0.wav"].startswith("not a mp4 or wav named like dia0_utt0.mp4")
    assert "dia8_utt0.mp4" in reasons  # no video


@needs_metadata
def test_real_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rows = emobox("meld/*.jsonl")
    pretend(monkeypatch, [f"/data/{row['wav']}" for row in rows])
    clips, refused = meld.folders.recordings(Path("/data"), meld.NAME, meld.FILES, meld.SUFFIXES)
    assert (len(clips), refused) == (13_706, [])
    keys = {f"{name[0][1:]}-{meld._part(path, Path('/data'))}" for path, name in clips}
    assert keys == {str(row["key"]).removeprefix("meld-") for row in rows}
    counts = Counter(meld.LABELS[str(row["emo"])] for row in rows)
    assert counts + Counter(neutral=len(meld.DAMAGED)) == meld.expected(meld.Settings())

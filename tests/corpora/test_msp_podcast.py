"""MSP-Podcast: consensus in one table, raters in another, in the forms that releases have had."""

import json
from collections import Counter
from pathlib import Path

import pytest
from listed_files import emobox, needs_metadata, pretend

from ser.corpora import msp_podcast
from ser.data.manifest import Listing
from ser.data.scan import scan

HEADER = "FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set\n"
NAME = "MSP-PODCAST_0023_0048"
VOTES = (("WORKER1", "happy"), ("WORKER2", "other"))


def release(root: Path, rows: str, *names: str, settings: dict[str, str] | None = None) -> Listing:
    for name in names:
        path = root / f"Audios/{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (root / "Labels").mkdir(exist_ok=True)
    (root / "Labels/labels_consensus.csv").write_text(HEADER + rows)
    return msp_podcast.load(root, msp_podcast.Settings(**(settings or {})))


def test_a_recording(tmp_path: Path) -> None:
    (u,) = release(tmp_path, f"{NAME}.wav,H,4.8,5.6000001,,127,Female,Development\n", NAME).utterances
    assert (u.uid, u.speaker, u.sex, u.session) == (f"msp_podcast/{NAME}", "msp_podcast/127", "F", "0023")
    assert (u.label_raw, u.label, u.split, u.votes) == ("H", "happy", "val", ())
    assert (u.valence, u.arousal, u.dominance) == (5.6000001, 4.8, None)


def test_speakers_that_nobody_knows(tmp_path: Path) -> None:
    names = (NAME, "MSP-PODCAST_0023_0049", "MSP-PODCAST_0114_0176_0002")
    rows = "".join(f"{name}.wav,X,4,4,4,Unknown,Unknown,Train\n" for name in names)
    found = release(tmp_path, rows, *names).utterances
    assert {u.speaker for u in found} == {"msp_podcast/unknown"}
    assert not any(u.has_speaker for u in found)
    assert {(u.sex, u.label) for u in found} == {("", "unknown")}


@pytest.mark.parametrize(("chosen", "number"), [("test1", 2), ("test2", 3)])
def test_one_of_the_test_sets(tmp_path: Path, chosen: str, number: int) -> None:
    names = [f"MSP-PODCAST_000{n}_0001" for n in range(1, 4)]
    rows = "".join(
        f"{name}.wav,N,4,4,4,{n},Male,{part}\n"
        for n, (name, part) in enumerate(zip(names, ("Train", "Test1", "Test2"), strict=True), start=1)
    )
    found = release(tmp_path, rows, *names, settings={"test_set": chosen})
    assert [(u.speaker, u.split) for u in found.utterances] == [
        ("msp_podcast/1", "train"),
        (f"msp_podcast/{number}", "test"),
    ]
    assert not found.refused


def test_raters_in_the_three_forms_of_the_releases(tmp_path: Path) -> None:
    row = f"{NAME}.wav,H,4,5,4,1,Male,Train\n"
    labels = tmp_path / "Labels"
    labels.mkdir()
    (labels / "labels_detailed.json").write_text(
        json.dumps({f"{NAME}.wav": {rater: {"EmoClass_Major": word.capitalize()} for rater, word in VOTES}})
    )
    assert release(tmp_path, row, NAME).utterances[0].votes == VOTES
    in_cells = "".join(
        f'{NAME}.wav,"{rater}; {word}; Amused,Happy; A:4.0; V:5.0; D:4.0;"\n'
        for rater, word in (("WORKER1", "Happy"), ("WORKER2", "Other-A bit bored, I think"))
    )
    for table in (
        f"FileName,EmoDetail\n{in_cells}",
        f"FileName,Worker,EmoClass_Major\n{NAME}.wav,WORKER1,Happy\n{NAME}.wav,WORKER2,Other\n",
    ):
        (labels / "labels_detailed.csv").write_text(table)
        assert release(tmp_path, row, NAME).utterances[0].votes == VOTES


def test_what_is_no_rating_is_told(tmp_path: Path) -> None:
    (tmp_path / "Labels").mkdir()
    detailed = tmp_path / "Labels/labels_detailed.csv"
    detailed.write_text(f"FileName,EmoDetail\n{NAME}.wav,WORKER1; Joyous; x\n{NAME}.wav,\n")
    found = release(tmp_path, f"{NAME}.wav,H,4,5,4,1,Male,Train\n", NAME)
    assert [r.reason for r in found.refused] == ["unknown emotion 'Joyous' of 1 raters", "no rater, or no emotion"]
    detailed.unlink()
    (tmp_path / "Labels/labels_detailed.json").write_text('{"a.wav": [1]}')
    (refusal,) = release(tmp_path, f"{NAME}.wav,H,4,5,4,1,Male,Train\n", NAME).refused
    assert refusal.reason.startswith("not the JSON of raters")


def test_labels_and_recordings_must_meet(tmp_path: Path) -> None:
    rows = f"{NAME}.wav,H,4,5,4,1,Male,Nowhere\nMSP-PODCAST_0009_0001.wav,H,4,5,4,1,Male,Train\n"
    found = release(tmp_path, rows, NAME, "MSP-PODCAST_0001_0001")
    assert not found.utterances
    assert sorted(r.reason for r in found.refused) == [
        "its label line has the class 'H' and the part 'nowhere'",
        "no label line for this recording",
        "no recording MSP-PODCAST_0009_0001.wav",
    ]


def test_the_nearest_table_is_the_releases(tmp_path: Path) -> None:
    folder = msp_podcast.miniature(tmp_path)
    assert msp_podcast.find(tmp_path) == folder
    assert msp_podcast.find(folder / "Audios") is None
    first, second = (
        scan("msp_podcast", "msp_podcast", folder, {"test_set": name}, tmp_path / "cache")
        for name in ("test1", "test2")
    )
    for manifest in (first, second):
        assert Counter(u.split for u in manifest.utterances) == {"train": 15, "val": 5, "test": 5}
        assert manifest.scale == (1.0, 7.0)
    assert first.fingerprint != second.fingerprint
    assert {u.arousal for u in first.utterances if u.label == "other"} == {None}
    unsure = next(u for u in first.utterances if u.label == "unknown")
    assert [label for _, label in unsure.votes] == ["neutral", "happy", "other"]


@needs_metadata
def test_real_names(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [f"/data/{row['wav']}" for row in emobox("msppodcast/fold_1/*.jsonl")]
    pretend(monkeypatch, paths)
    found, refused = msp_podcast.folders.recordings(Path("/data"), msp_podcast.NAME, msp_podcast.FILES)
    assert (len(found), refused) == (23_126, [])

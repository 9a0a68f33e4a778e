"""EmoBox's lists: lines, folds, labels, and recordings that lie elsewhere than listed. Expectations by hand."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ser import registry
from ser.corpora import emobox
from ser.corpora._emobox_corpora import CORPORA
from ser.data.manifest import Listing
from ser.data.scan import scan
from ser.errors import BadInput

ROWS = (
    ("emodb-03a01Wa", "downloads/emodb/wav/03a01Wa.wav", "anger"),
    ("emodb-08b02Na", "downloads/emodb/wav/08b02Na.wav", "neutral"),
    ("emodb-16a05Lb", "downloads/emodb/wav/16a05Lb.wav", "boredem"),
)
LABELS = {"anger": "Angry", "boredem": "Boredom", "Neutral": "Neutral"}


def row(key: str, wav: str, emo: str, **more: Any) -> str:
    return json.dumps({"key": key, "dataset": key.split("-")[0], "wav": wav, "emo": emo, **more})


def write(folder: Path, rows: Sequence[str], labels: Any = LABELS, **folds: Sequence[str]) -> Path:
    """Lists of a corpus; ``folds`` are called train_1, test_1 …"""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "label_map.json").write_text(json.dumps(labels))
    (folder / f"{folder.name}.jsonl").write_text("\n".join(rows))
    for name, lines in folds.items():
        side, _, fold = name.partition("_")
        path = folder / f"fold_{fold}" / f"{folder.name}_{side}_fold_{fold}.jsonl"
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(lines))
    return folder / "label_map.json"


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def load(table: Path, **settings: Any) -> Listing:
    return emobox.load(table, emobox.Settings(**settings))


def test_lines_folds_and_labels(tmp_path: Path) -> None:
    one, two, three = (row(*r) for r in ROWS)
    folds = {"train_1": [one, two], "test_1": [three], "valid_2": [one], "test_2": [two]}
    table = write(tmp_path / "EmoBox/data/emodb", [one, two], **folds)
    touch(tmp_path / "EmoBox/downloads", *(wav.removeprefix("downloads/") for _, wav, _ in ROWS))
    first, second, third = load(table).utterances
    assert (first.uid, first.speaker, first.label_raw, first.label) == ("emodb/03a01Wa", "emodb/03", "anger", "angry")
    assert (first.language, first.folds) == ("de", ("train", "val"))
    assert (second.label, second.folds) == ("neutral", ("train", "test"))
    assert (third.uid, third.label, third.folds) == ("emodb/16a05Lb", "boredom", ("test", ""))
    assert first.path == str(tmp_path / "EmoBox/downloads/emodb/wav/03a01Wa.wav")


def test_recordings_are_found_by_the_ends_of_their_paths(tmp_path: Path) -> None:
    rows = [row(f"casia-{n}-{who}-sad", f"downloads/casia/{who}/sad/{n}.wav", "sad") for n in (1, 2) for who in "ab"]
    table = write(tmp_path / "lists/casia", rows, {"sad": "Sad"})
    touch(tmp_path / "mine", "CASIA/A/sad/1.wav", "CASIA/b/sad/1.wav", "CASIA/a/sad/2.flac", "copy/sad/2.wav")
    found = load(table, audio_root="../../mine")
    paths = {u.uid: Path(u.path).relative_to(tmp_path / "mine").as_posix() for u in found.utterances}
    assert paths["casia/a/sad/1"] == "CASIA/A/sad/1.wav"
    assert paths["casia/b/sad/1"] == "CASIA/b/sad/1.wav"
    assert paths["casia/a/sad/2"] == "copy/sad/2.wav"  # the listed extension comes first
    with pytest.raises(BadInput, match="none of the 4 recordings") as caught:
        load(write(tmp_path / "far/away/lists/casia", rows, {"sad": "Sad"}))
    assert "--set casia.audio_root=FOLDER" in str(caught.value)


def test_a_converted_recording_serves_and_one_of_two_does_not(tmp_path: Path) -> None:
    rows = [row(f"emns-{n}", f"downloads/emns/{n}.webm", "Sad") for n in ("one", "two", "three")]
    table = write(tmp_path / "emns", rows, {"Sad": "Sad"})
    touch(tmp_path / "emns", "a/one.wav", "a/two.wav", "b/two.wav")
    found = load(table)
    assert [u.uid for u in found.utterances] == ["emns/one"]
    reasons = {Path(r.what).name: r.reason for r in found.refused}
    assert reasons["three.webm"] == "line 3: no such recording"
    assert reasons["two.webm"].startswith("line 2: 2 recordings may be meant")


def test_a_person_s_table_comes_before_theirs(tmp_path: Path) -> None:
    table = write(tmp_path / "emodb", [row(*r) for r in ROWS])
    touch(tmp_path / "emodb", *(wav for _, wav, _ in ROWS))
    (tmp_path / "emodb/mine.json").write_text('{"boredem": "calm", "angry": "frustrated"}')
    labels = [u.label for u in load(table, label_map="mine.json").utterances]
    assert labels == ["frustrated", "neutral", "calm"]
    write(tmp_path / "emodb", [row(*r) for r in ROWS], {"anger": "Ire"})
    with pytest.raises(BadInput, match="anger, boredem") as caught:
        load(table)
    assert "emodb.label_map=FILE" in str(caught.value)


@pytest.mark.parametrize("line", ["[]", "{", '"x"', '{"key": "emodb-1"}', row("emodb-1", "", "anger"), "\x00"])
def test_a_line_that_says_nothing_is_refused(tmp_path: Path, line: str) -> None:
    table = write(tmp_path / "emodb", [row(*ROWS[0]), line])
    touch(tmp_path / "emodb", ROWS[0][1])
    found = load(table)
    assert len(found.utterances) == 1
    assert [r.reason.partition(":")[0] for r in found.refused] == ["line 2"]


def test_an_utterance_on_two_sides_of_a_fold_is_refused(tmp_path: Path) -> None:
    one = row(*ROWS[0])
    table = write(tmp_path / "emodb", [], train_1=[one], test_1=[one])
    touch(tmp_path / "emodb", ROWS[0][1])
    with pytest.raises(BadInput, match="03a01Wa is in test and train of fold 1"):
        load(table)


def test_stretches_of_long_recordings_and_unknown_speakers(tmp_path: Path) -> None:
    rows = [
        row("pavoque-a1-sad", "downloads/pavoque/pavoque-sad.flac", "sad", start_time=0.0, end_time=4.5),
        row("pavoque-a2-sad", "downloads/pavoque/pavoque-sad.flac", "sad", start_time=4.5, end_time=9.0),
    ]
    table = write(tmp_path / "pavoque", rows, {"sad": "Sad"})
    touch(tmp_path / "pavoque", "pavoque-sad.flac")
    assert [(u.uid, u.start_s, u.end_s) for u in load(table).utterances] == [
        ("pavoque/a1-sad", 0.0, 4.5),
        ("pavoque/a2-sad", 4.5, 9.0),
    ]
    table = write(tmp_path / "m3ed", [row("m3ed-1", "downloads/m3ed/A_x_1_1.wav", "sad")], {"sad": "Sad"})
    touch(tmp_path / "m3ed", "A_x_1_1.wav")
    (u,) = load(table).utterances
    assert (u.speaker, u.has_speaker, u.language) == ("m3ed/unknown", False, "zh")


def test_one_language_of_several(tmp_path: Path) -> None:
    rows = [row(f"esd-{n}", f"downloads/esd/{n}/Sad/{n}_000001.wav", "Sad") for n in ("0005", "0010", "0011", "0020")]
    table = write(tmp_path / "esd", rows, {"Sad": "Sad"})
    touch(tmp_path / "esd", *(f"{n}/Sad/{n}_000001.wav" for n in ("0005", "0010", "0011", "0020")))
    assert [u.language for u in load(table).utterances] == ["zh", "zh", "en", "en"]
    assert [u.speaker for u in load(table, languages=("en",)).utterances] == ["esd/0011", "esd/0020"]


def test_lists_of_the_cross_corpus_test_are_corpora(tmp_path: Path) -> None:
    rows = [
        {"wav_filename": "sad/Ses02F_impro03_M019.wav", "label": "sad", "speaker": "02F"},
        {"wav_filename": "happy/Ses02F_impro03_F020.wav", "label": "happy", "speaker": "02F"},
    ]
    path = tmp_path / "track2/IEMOCAP_selected_balenced.jsonl"
    path.parent.mkdir()
    path.write_text("\n".join(map(json.dumps, rows)))
    touch(tmp_path, "IEMOCAP/Ses02F_impro03/Ses02F_impro03_M019.wav", "IEMOCAP/Ses02F_impro03/Ses02F_impro03_F020.wav")
    assert emobox.find(tmp_path) == path
    found = load(path).utterances
    # The letter in the middle says who wore markers, and is the speaker of their list; that at the end says who speaks.
    assert [(u.uid, u.label, u.speaker) for u in found] == [
        ("iemocap/Ses02F_impro03_F020", "happy", "iemocap/Ses02F"),
        ("iemocap/Ses02F_impro03_M019", "sad", "iemocap/Ses02M"),
    ]


@pytest.mark.parametrize(
    ("corpus", "path", "who"),
    [
        ("ased", "05Angry/a5-02-01-01-33.wav", ("33", "", "am")),
        ("cremad", "AudioWAV/1087_IWL_ANG_XX.wav", ("1087", "", "en")),
        ("enterface", "subject 19/anger/sentence 4/s19_an_4.avi", ("19", "", "en")),
        ("jlcorpus", "JL(wav+txt)/male2_concerned_6b_1.wav", ("male2", "M", "en-NZ")),
        ("oreau", "OréauFR_02/m/sessj/29a13Ja.wav", ("29", "M", "fr")),
        ("polish", "m3.s_trzymaj_5.wav", ("m3", "M", "pl")),
        ("ravdess", "Actor_15/03-01-03-01-01-02-15.wav", ("15", "", "en")),
        ("savee", "JE_n23.wav", ("JE", "", "en")),
        ("shemo", "male/M36S02.wav", ("M36", "M", "fa")),
        ("subesco", "F_02_MONIKA_S_2_SURPRISE_3].wav", ("F_02", "F", "bn")),
        ("tess", "OAF_lid_fear.wav", ("OAF", "", "en")),
        ("turevdb", "Sound Source/Calm/1984_sk_eger.wav", ("1984", "", "tr")),
        ("emovdb", "bea_Disgusted/disgust_309-336_0312.wav", ("bea", "", "en")),
        ("meld", "train/train_splits/dia0_utt0.mp4", ("", "", "en")),
    ],
)
def test_who_speaks_in_which_language(corpus: str, path: str, who: tuple[str, str, str]) -> None:
    assert CORPORA[corpus].who(path) == who


def test_each_of_the_32_has_a_loader_of_its_own_or_facts() -> None:
    assert len(CORPORA) == 32
    assert sum(entry.utterances for entry in CORPORA.values()) == 262020  # as their table adds up
    assert [name for name, entry in CORPORA.items() if bool(entry.loader) == (entry.about is not None)] == []


def test_the_miniature_is_split_by_its_folds(tmp_path: Path) -> None:
    manifest = scan("polish", "emobox", emobox.miniature(tmp_path), {}, tmp_path / "cache")
    assert len(manifest.utterances) == 15
    assert {u.folds for u in manifest.utterances} == {("train", "test"), ("test", "train")}
    assert registry.names("corpora").count("emobox") == 1

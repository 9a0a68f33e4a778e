"""EmoV-DB: names repeat from speaker to speaker, and are spelled in several ways."""

from collections import Counter
from pathlib import Path

import pytest
from listed_files import emobox, needs_metadata, pretend

from ser.corpora import emov_db
from ser.data.manifest import Listing


def loaded(monkeypatch: pytest.MonkeyPatch, *names: str) -> Listing:
    pretend(monkeypatch, [f"/data/{name}" for name in names])
    return emov_db.load(Path("/data"), emov_db.Settings())


@pytest.mark.parametrize(
    ("name", "uid", "label", "sex", "sentence"),
    [
        ("bea_Amused/amused_57-84_0057.wav", "bea_amused_57-84_0057", "amused", "F", "0057"),
        ("sam/Disgusted/Disgust_1-28_0003.wav", "sam_disgust_1-28_0003", "disgust", "M", "0003"),
        ("josh_Sleepy/sleepiness_113_140_0113.wav", "josh_sleepiness_113_140_0113", "sleepy", "M", "0113"),
        ("jenie/anger_1-28_0001.WAV", "jenie_anger_1-28_0001", "angry", "F", "0001"),
    ],
)
def test_folder_and_name(
    monkeypatch: pytest.MonkeyPatch, name: str, uid: str, label: str, sex: str, sentence: str
) -> None:
    (u,) = loaded(monkeypatch, name).utterances
    assert (u.uid, u.speaker) == (f"emov_db/{uid}", f"emov_db/{uid.partition('_')[0]}")
    assert (u.label, u.sex, u.sentence) == (label, sex, sentence)


def test_one_name_of_two_speakers_is_two_utterances(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("bea_Neutral/neutral_1-28_0001.wav", "sam_Neutral/neutral_1-28_0001.wav")
    assert len({u.uid for u in loaded(monkeypatch, *names).utterances}) == 2


@needs_metadata
def test_real_names(monkeypatch: pytest.MonkeyPatch) -> None:
    found = loaded(monkeypatch, *(str(row["wav"]) for row in emobox("emovdb/*.jsonl")))
    assert not found.refused
    assert len({u.uid for u in found.utterances}) == 6887
    assert Counter(u.label for u in found.utterances) == emov_db.expected(emov_db.Settings())
    speakers = Counter(u.speaker.partition("/")[2] for u in found.utterances)
    assert speakers == emov_db.speakers(emov_db.Settings())

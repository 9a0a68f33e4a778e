"""ESD: the emotion is the folder's, or the number's where copies are flat; two languages."""

from collections import Counter
from pathlib import Path

import pytest
from listed_files import emobox, needs_metadata, pretend

from ser.corpora import esd
from ser.data.manifest import Listing, Utterance
from ser.errors import BadInput

BOTH = esd.Settings()


def loaded(monkeypatch: pytest.MonkeyPatch, *names: str, settings: esd.Settings = BOTH) -> Listing:
    pretend(monkeypatch, [f"/data/{name}" for name in names])
    return esd.load(Path("/data"), settings)


def only(monkeypatch: pytest.MonkeyPatch, name: str) -> Utterance:
    (utterance,) = loaded(monkeypatch, name).utterances
    return utterance


@pytest.mark.parametrize(
    ("name", "label", "sex", "language", "sentence"),
    [
        ("ESD/0011/Angry/0011_000351.wav", "angry", "M", "en", "1"),
        ("0001/Neutral/0001_000350.WAV", "neutral", "F", "zh", "350"),
        ("0020/Surprise/evaluation/0020_001401.wav", "surprise", "M", "en", "1"),
        ("0010/sad/train/0010_001400.wav", "sad", "M", "zh", "350"),
        ("flat/0015_000701.wav", "happy", "F", "en", "1"),
    ],
)
def test_folder_and_name(
    monkeypatch: pytest.MonkeyPatch, name: str, label: str, sex: str, language: str, sentence: str
) -> None:
    u = only(monkeypatch, name)
    assert u.uid == f"esd/{Path(name).stem}"
    assert u.speaker == f"esd/{Path(name).stem[:4]}"
    assert (u.label, u.sex, u.language, u.sentence) == (label, sex, language, sentence)


def test_one_language_is_half_the_corpus(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("0001/Happy/0001_000701.wav", "0011/Happy/0011_000701.wav")
    for language, number in (("zh", "0001"), ("en", "0011")):
        settings = esd.Settings(languages=(language,))
        (u,) = loaded(monkeypatch, *names, settings=settings).utterances
        assert (u.language, u.speaker) == (language, f"esd/{number}")
        assert sum(esd.expected(settings).values()) == sum(esd.speakers(settings).values()) == 17_500
        assert len(esd.names(settings)) == 17_500
    with pytest.raises(BadInput, match="name one or both"):
        loaded(monkeypatch, *names, settings=esd.Settings(languages=()))


@pytest.mark.parametrize("name", ["0021/Sad/0021_001051.wav", "0001/Sad/0001_000000.wav", "0001/Sad/0001_001751.wav"])
def test_no_name_of_the_corpus(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    assert not loaded(monkeypatch, name).utterances


@needs_metadata
def test_real_names(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = emobox("esd/fold_*/*.jsonl")
    found = loaded(monkeypatch, *(str(row["wav"]) for row in rows))
    assert not found.refused
    assert Counter(u.label for u in found.utterances) == esd.expected(esd.Settings())
    assert {u.uid.partition("/")[2] for u in found.utterances} == esd.names(esd.Settings())
    assert {u.path: u.label_raw for u in found.utterances} == {f"/data/{row['wav']}": row["emo"] for row in rows}

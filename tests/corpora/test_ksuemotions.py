"""KSUEmotions: emotion, speaker, sentence and take stand in the name, the phase in the folder."""

from pathlib import Path

import pytest
from listed_files import pretend

from ser.corpora import ksuemotions
from ser.data.scan import scan


@pytest.mark.parametrize(
    ("name", "uid", "label", "speaker", "sex", "phase"),
    [
        ("SPEECH/Phase_1/E04/D05E04P104S01T02.flac", "Phase_1_D05E04P104S01T02", "questioning", "104", "F", "1"),
        ("SPEECH/Phase_2/E05/D05E05P003S10T01.flac", "Phase_2_D05E05P003S10T01", "angry", "003", "M", "2"),
        ("flat/D05E00P010S03T01.wav", "D05E00P010S03T01", "neutral", "010", "M", ""),
    ],
)
def test_folder_and_name(
    monkeypatch: pytest.MonkeyPatch, name: str, uid: str, label: str, speaker: str, sex: str, phase: str
) -> None:
    pretend(monkeypatch, [f"/data/{name}"])
    (u,) = ksuemotions.load(Path("/data"), ksuemotions.Settings()).utterances
    assert (u.uid, u.label, u.language) == (f"ksuemotions/{uid}", label, "ar")
    assert (u.speaker, u.sex, u.session) == (f"ksuemotions/{speaker}", sex, phase)


def test_names_that_both_phases_have_are_two_recordings(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, [f"/data/Phase_{phase}/E00/D05E00P001S01T01.flac" for phase in (1, 2)])
    found = ksuemotions.load(Path("/data"), ksuemotions.Settings()).utterances
    assert len({u.uid for u in found}) == 2
    assert len({u.speaker for u in found}) == 1


def test_miniature(tmp_path: Path) -> None:
    manifest = scan("ksuemotions", "ksuemotions", ksuemotions.miniature(tmp_path), {}, tmp_path / "cache")
    # Two phases, five emotions, four speakers, less the one that is empty.
    assert len(manifest.utterances) == 39
    assert {u.label for u in manifest.utterances if u.session == "1"} & {"questioning", "angry"} == {"questioning"}
    assert {u.label for u in manifest.utterances if u.session == "2"} & {"questioning", "angry"} == {"angry"}
    assert len(manifest.speakers) == 6

"""Corpora whose file names say everything: RAVDESS, TESS, EMO-DB and SAVEE. Expectations are written out by hand."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ser import registry
from ser.corpora import emodb, ravdess, savee, tess
from ser.data import folders
from ser.data.manifest import Listing, Utterance
from ser.data.scan import scan
from ser.errors import BadInput
from ser.study import part, settings_of
from ser.study.labels import EMOTIONS


def listing(loader: str, root: Path, names: list[str], settings: Mapping[str, Any] | None = None) -> Listing:
    """What the loader makes of empty files of these names."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    chosen = settings_of("corpora", part(loader, **(settings or {})))
    return registry.find("corpora", loader).load(root, chosen)  # type: ignore[no-any-return]


def only(loader: str, root: Path, name: str, settings: Mapping[str, Any] | None = None) -> Utterance:
    (utterance,) = listing(loader, root, [name], settings).utterances
    return utterance


def reasons(found: Listing, root: Path) -> dict[str, str]:
    return {str(Path(r.what).relative_to(root)): r.reason for r in found.refused}


# RAVDESS


@pytest.mark.parametrize(
    ("name", "label", "speaker", "sex", "intensity", "channel", "sentence"),
    [
        ("Actor_12/03-01-06-01-02-01-12.wav", "fear", "12", "F", "normal", "speech", "02"),
        ("anything/03-01-08-02-01-02-01.WAV", "surprise", "01", "M", "strong", "speech", "01"),
        ("Actor_23/03-02-02-01-01-01-23.flac", "calm", "23", "M", "normal", "song", "01"),
    ],
)
def test_ravdess_name(
    tmp_path: Path, name: str, label: str, speaker: str, sex: str, intensity: str, channel: str, sentence: str
) -> None:
    u = only("ravdess", tmp_path, name, {"channels": ("speech", "song")})
    assert u.uid == f"ravdess/{Path(name).stem}"
    assert (u.label, u.speaker, u.sex) == (label, f"ravdess/{speaker}", sex)
    assert (u.intensity, u.channel, u.sentence) == (intensity, channel, sentence)


def test_ravdess_channels_choose_without_refusing(tmp_path: Path) -> None:
    names = ["a/03-01-03-01-01-01-01.wav", "a/03-02-03-01-01-01-01.wav"]
    for channels, count in ((("speech",), 1), (("song",), 1), (("song", "speech"), 2)):
        found = listing("ravdess", tmp_path, names, {"channels": channels})
        assert {u.channel for u in found.utterances} == set(channels)
        assert (len(found.utterances), found.refused) == (count, ())
    assert len(ravdess.load(tmp_path, ravdess.Settings()).utterances) == 1
    for wrong in ((), ("speech", "video")):
        with pytest.raises(BadInput, match="speech, song"):
            listing("ravdess", tmp_path, names, {"channels": wrong})


def test_ravdess_full_release() -> None:
    speech, song = (ravdess.expected(ravdess.Settings(channels=(channel,))) for channel in ("speech", "song"))
    assert (sum(speech.values()), sum(song.values())) == (1440, 1012)
    assert (speech["neutral"], speech["surprise"], song["neutral"], song["calm"]) == (96, 192, 92, 184)
    assert "disgust" not in song
    both = ravdess.expected(ravdess.Settings(channels=("speech", "song")))
    assert sum(both.values()) == 2452
    assert sum(both[c] for c in ("happy", "angry", "neutral", "sad")) == 1316


def test_ravdess_defects(tmp_path: Path) -> None:
    found = listing(
        "ravdess",
        tmp_path,
        [
            "Actor_01/03-01-01-01-01-01-01.wav",
            "Actor_01/03-01-01-01-01-02-01 (1).wav",
            "Actor_01/01-01-01-01-01-01-01.wav",
            "Actor_01/01-01-01-01-01-01-01.mp4",
            "Actor_01/._03-01-01-01-01-01-01.wav",
            "Actor_01/03-01-01-01-01-01-25.wav",
            "__MACOSX/Actor_01/03-01-02-01-01-01-01.wav",
            "elsewhere/beep.wav",
        ],
    )
    assert [u.uid for u in found.utterances] == ["ravdess/03-01-01-01-01-01-01"]
    assert reasons(found, tmp_path) == {
        "Actor_01/03-01-01-01-01-02-01 (1).wav": "not a wav named MM-VV-EE-II-SS-RR-AA.wav",
        "Actor_01/03-01-01-01-01-01-25.wav": "not a wav named MM-VV-EE-II-SS-RR-AA.wav",
        "Actor_01/01-01-01-01-01-01-01.wav": "modality 01: the sound of a video, the same take as an 03 file",
    }


def test_ravdess_miniature(tmp_path: Path) -> None:
    folder = ravdess.miniature(tmp_path)
    manifest = scan("ravdess", "ravdess", folder, {"channels": ("speech", "song")}, tmp_path / "cache")
    # 8 actors x 8 emotions x 2 sentences, a strong and a repeated take, and songs of 6 emotions by 7 actors.
    assert len(manifest.utterances) == 128 + 2 + 42
    assert {u.speaker for u in manifest.utterances if u.channel == "song"} == set(manifest.speakers) - {"ravdess/18"}
    doubles = [r for r in manifest.refused if r.reason.startswith("duplicate of ")]
    assert len(doubles) == 16 + 6
    assert all("/audio_speech_actors_01-24/" in r.what and "/RAVDESS/Actor_03/" in r.reason for r in doubles)
    stereo = next(u for u in manifest.utterances if u.uid == "ravdess/03-01-02-01-01-02-01")
    assert stereo.seconds == 0.3


@pytest.mark.parametrize(
    ("loader", "right", "wrong"),
    [
        ("tess", "x/OAF_bar_sad.wav", "x/OAF_bar_\u017fad.wav"),  # equal to s where case is ignored
        ("tess", "x/OAF_back_sad.wav", "x/OAF_bac\u212a_sad.wav"),
        ("emodb", "x/03a01Wa.wav", "x/\u0660\u0663a01Wa.wav"),  # Arabic digits
        ("ravdess", "x/03-01-01-01-01-01-01.wav", "x/03-01-01-01-01-01-1\u0661.wav"),
        ("savee", "DC/a01.wav", "DC/a0\u0661.wav"),
        ("savee", "DC/a01.wav", "DC/a02\n.wav"),
    ],
)
def test_letters_and_digits_of_other_scripts_are_no_names(tmp_path: Path, loader: str, right: str, wrong: str) -> None:
    found = listing(loader, tmp_path, [right, wrong])
    assert [Path(u.path).name for u in found.utterances] == [Path(right).name]
    assert [Path(r.what).name for r in found.refused] == [Path(wrong).name]


LARGEST = (3, 2, 8, 2, 2, 2, 24)


@given(st.tuples(*(st.integers(1, top) for top in LARGEST)), st.integers(0, 6), st.integers(0, 99))
def test_ravdess_grammar_takes_exactly_the_numbers_in_use(numbers: tuple[int, ...], at: int, number: int) -> None:
    stem = "-".join(f"{number if i == at else n:02d}" for i, n in enumerate(numbers))
    taken = folders.match(Path("x") / f"{stem}.wav", ravdess.NAME) is not None
    assert taken == (1 <= number <= LARGEST[at])


@given(st.tuples(*(st.integers(1, top) for top in LARGEST)))
def test_ravdess_grammar_gives_every_number_back(numbers: tuple[int, ...]) -> None:
    stem = "-".join(f"{n:02d}" for n in numbers)
    match = folders.match(Path(f"{stem}.wav"), ravdess.NAME)
    assert match is not None
    assert match.groups() == (stem, *stem.split("-"))


# TESS


@pytest.mark.parametrize(
    ("name", "uid", "label"),
    [
        ("OAF_Fear/OAF_back_fear.wav", "OAF_back_fear", "fear"),
        ("YAF_pleasant_surprised/YAF_dog_ps.wav", "YAF_dog_ps", "surprise"),
        ("OAF_neutral/OA_bite_neutral.wav", "OAF_bite_neutral", "neutral"),
        ("flat/yaf_Dog_SAD.wav", "YAF_dog_sad", "sad"),
        ("OAF_angry/YAF_germ_happy.wav", "YAF_germ_happy", "happy"),
    ],
)
def test_tess_name_outweighs_folder(tmp_path: Path, name: str, uid: str, label: str) -> None:
    u = only("tess", tmp_path, name)
    assert (u.uid, u.label, u.sex) == (f"tess/{uid}", label, "F")
    assert u.speaker == f"tess/{uid[:3]}"
    assert u.sentence == uid.split("_")[1]


def test_tess_miniature(tmp_path: Path) -> None:
    manifest = scan("tess", "tess", tess.miniature(tmp_path), {}, tmp_path / "cache")
    assert manifest.speakers == ("tess/OAF", "tess/YAF")
    assert manifest.counts() == {
        "fear": 9, "angry": 8, "disgust": 8, "happy": 8, "neutral": 8, "surprise": 8, "sad": 8,
    }  # fmt: skip
    by_uid = {u.uid: u for u in manifest.utterances}
    assert Path(by_uid["tess/OAF_bite_neutral"].path).name == "OA_bite_neutral.wav"
    assert by_uid["tess/OAF_food_fear"].rate_hz == 96_000
    assert {u.rate_hz for u in manifest.utterances} == {24_414, 96_000}
    told = {Path(r.what).name: r.reason for r in manifest.refused}
    assert told["YAF_germ_angry.wav"].startswith("truncated: ")
    assert told["OAF_food_fearful.wav"].startswith("not a wav named OAF_")
    assert sum(r.reason.startswith("duplicate of ") for r in manifest.refused) == 4
    assert sum(tess.expected(tess.Settings()).values()) == 2800


# EMO-DB


@pytest.mark.parametrize(
    ("initial", "label"),
    [("A", "fear"), ("W", "angry"), ("L", "boredom"), ("E", "disgust"), ("F", "happy"), ("T", "sad"), ("N", "neutral")],
)
def test_emodb_initials_are_german(tmp_path: Path, initial: str, label: str) -> None:
    u = only("emodb", tmp_path, f"wav/14b03{initial}c.wav")
    assert (u.label, u.label_raw, u.speaker, u.sex) == (label, initial, "emodb/14", "F")
    assert (u.uid, u.sentence, u.language) == (f"emodb/14b03{initial}c", "b03", "de")


def test_emodb_speakers() -> None:
    assert "".join(emodb.SEX.values()).count("F") == 5
    assert len(emodb.SEX) == emodb.EXPECTED_SPEAKERS == 10
    assert sum(emodb.expected(emodb.Settings()).values()) == 535


def test_emodb_miniature(tmp_path: Path) -> None:
    manifest = scan("emodb", "emodb", emodb.miniature(tmp_path), {}, tmp_path / "cache")
    assert set(manifest.counts().values()) == {10}
    assert {Path(r.what).name: r.reason.split(" (")[0] for r in manifest.refused} == {
        "03a01Xa.wav": "not a wav named like 03a01Fa.wav",
        "16b10Wb.wav": "empty file",
    }


# SAVEE


@pytest.mark.parametrize(
    ("name", "uid", "label"),
    [
        ("AudioData/DC/a01.wav", "DC_a01", "angry"),
        ("AudioData/KL/sa15.wav", "KL_sa15", "sad"),
        ("ALL/JE_su07.wav", "JE_su07", "surprise"),
        ("ALL/JK_n30.wav", "JK_n30", "neutral"),
        ("DC/JE_d01.wav", "JE_d01", "disgust"),
        ("audiodata/kl/SA15.WAV", "KL_sa15", "sad"),
        ("all/je_su07.wav", "JE_su07", "surprise"),
    ],
)
def test_savee_name(tmp_path: Path, name: str, uid: str, label: str) -> None:
    u = only("savee", tmp_path, name)
    assert (u.uid, u.label, u.speaker, u.sex) == (f"savee/{uid}", label, f"savee/{uid[:2]}", "M")


def test_savee_names_repeat_from_speaker_to_speaker(tmp_path: Path) -> None:
    found = listing("savee", tmp_path, [f"AudioData/{speaker}/a01.wav" for speaker in savee.SPEAKERS])
    assert [u.uid for u in found.utterances] == ["savee/DC_a01", "savee/JE_a01", "savee/JK_a01", "savee/KL_a01"]
    assert savee.find(tmp_path / "AudioData/JK") == tmp_path / "AudioData/JK"
    assert sum(savee.expected(savee.Settings()).values()) == 480


def test_short_names_without_speaker_are_not_savee(tmp_path: Path) -> None:
    assert not listing("savee", tmp_path, ["samples/a01.wav"]).utterances
    assert savee.find(tmp_path) is None


def test_expected_counts_use_unified_words() -> None:
    for loader in ("ravdess", "tess", "emodb", "savee"):
        module = registry.find("corpora", loader)
        assert set(module.expected(module.Settings())) <= set(EMOTIONS)

"""IEMOCAP: the speaker is in the last part of a turn's name, labels and votes in tab-separated blocks."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ser.corpora import iemocap
from ser.data.manifest import Listing, Utterance
from ser.data.scan import scan
from ser.data.votes import tied
from ser.study.labels import IEMOCAP

HEADER = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"


def release(root: Path, dialogue: str, labels: str, wavs: list[str], text: str = "") -> Listing:
    """What the loader makes of one dialogue with this label file and empty recordings of these names."""
    session = root / f"Session{dialogue[4]}"
    for kind, content in (("EmoEvaluation", HEADER + labels), ("transcriptions", text)):
        (session / "dialog" / kind).mkdir(parents=True, exist_ok=True)
        (session / "dialog" / kind / f"{dialogue}.txt").write_text(content, newline="")
    for wav in wavs:
        path = session / f"sentences/wav/{dialogue}/{wav}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return iemocap.load(root, iemocap.Settings())


def turn(name: str, code: str = "neu", rest: str = "") -> str:
    return f"[6.2901 - 8.2357]\t{name}\t{code}\t[2.5000, 2.5000, 2.5000]\n{rest}\n"


def only(found: Listing) -> Utterance:
    (utterance,) = found.utterances
    return utterance


@pytest.mark.parametrize(
    ("name", "speaker", "sex", "session", "sentence"),
    [
        ("Ses01F_impro01_F000", "Ses01F", "F", "1", "impro01"),
        ("Ses01F_impro01_M012", "Ses01M", "M", "1", "impro01"),  # the marker-wearer's letter is not the speaker's
        ("Ses03M_script01_2_F012", "Ses03F", "F", "3", "script01_2"),
        ("Ses05F_script01_1b_M003", "Ses05M", "M", "5", "script01_1b"),
        ("Ses02F_impro08b_F001", "Ses02F", "F", "2", "impro08b"),
    ],
)
def test_turn_name(tmp_path: Path, name: str, speaker: str, sex: str, session: str, sentence: str) -> None:
    u = only(release(tmp_path, name.rsplit("_", 1)[0], turn(name), [name]))
    assert (u.uid, u.speaker) == (f"iemocap/{name}", f"iemocap/{speaker}")
    assert (u.sex, u.session, u.sentence, u.channel) == (sex, session, sentence, "dialog")


def test_votes_keep_every_rater_and_every_label(tmp_path: Path) -> None:
    block = (
        "C-E2:\tNeutral;\t()\n"
        "C-E3:\tAnger; Frustration;\t(not; Sadness;\tor\tFear)\n"
        "C-E4:\tOther;\t()\n"
        "C-F1:\tExcited;\t()\n"
        "C-M1:\tHappiness\t()\n"
        "A-E3:\tval 3; act 2; dom  ;\t()\n"
        "A-F1:\tval 3; act 2; dom  1;\t(Anger)\n"
    )
    name = "Ses04F_impro03_M007"
    u = only(release(tmp_path, "Ses04F_impro03", turn(name, "xxx", block), [name]))
    assert u.votes == (
        ("C-E2", "neutral"),
        ("C-E3", "angry"),
        ("C-E3", "frustrated"),
        ("C-E4", "other"),
        ("C-F1", "excited"),
        ("C-M1", "happy"),
    )
    assert (u.label, u.label_raw) == ("unknown", "xxx")


def test_ratings_are_means_of_the_listeners_on_the_scale(tmp_path: Path) -> None:
    block = (
        "A-E1:\tval 3; act 2; dom  2;\t()\n"
        "A-E3:\tval 2; act 3; dom  ;\t(mixture; val 5)\n"  # no dominance
        "A-E4:\tval 6; act 5; dom  4;\t()\n"  # valence off the scale
        "A-F1:\tval 1; act 1; dom  1;\t()\n"  # the speaker
    )
    first, second = "Ses01F_impro01_F000", "Ses01F_impro01_M000"
    labels = turn(first, "neu", block) + turn(second, "neu", "A-E1:\tval ; act ; dom  ;\t()\n")
    release(tmp_path, "Ses01F_impro01", labels, [first, second])
    rated, bare = iemocap.load(tmp_path, iemocap.Settings(ratings=True)).utterances
    assert (rated.valence, rated.arousal, rated.dominance) == (2.5, pytest.approx(10 / 3), 3.0)
    assert (bare.valence, bare.arousal, bare.dominance) == (None, None, None)
    without = iemocap.load(tmp_path, iemocap.Settings()).utterances[0]
    assert (without.valence, without.arousal, without.dominance) == (None, None, None)


def test_ratings_are_in_the_fingerprint(tmp_path: Path) -> None:
    folder = iemocap.miniature(tmp_path)
    plain, rated = (scan("iemocap", "iemocap", folder, {"ratings": on}, tmp_path / "cache") for on in (False, True))
    assert (plain.scale, rated.scale) == (None, (1.0, 5.0))
    assert {(u.valence, u.arousal, u.dominance) for u in rated.utterances} == {(2.5, 2.5, 2.0)}
    assert plain.fingerprint != rated.fingerprint


CLASSES = ("neutral", "angry", "disgust", "fear", "happy", "sad", "surprise")
MERGE = {"excited": "happy", "frustrated": "angry"}


@pytest.mark.parametrize(
    ("code", "lines", "emotions"),
    [
        # No majority among those who listened; the speaker on herself decides nothing, and three emotions tie.
        ("xxx", "C-E2:\tAnger;\t()\nC-E3:\tSadness;\t()\nC-E4:\tNeutral;\t()\n", ("neutral", "angry", "sad")),
        ("xxx", "C-E2:\tAnger; Sadness;\t()\nC-E3:\tExcited;\t()\nC-F1:\tSadness;\t(tired)\n", ("sad",)),
        ("oth", "C-E2:\tOther;\t(relief)\nC-E3:\tOther;\t()\nC-E4:\tSurprise;\t()\n", ("surprise",)),
        ("oth", "C-E2:\tOther;\t()\nC-E3:\tOther;\t()\n", ()),
        # Two words of one rater are two votes, and frustration is anger: 3 to 2 against the consensus.
        ("neu", "C-E2:\tAnger; Frustration;\t()\nC-E3:\tNeutral;\t()\nC-E4:\tNeutral;\t()\nC-M1:\tAnger;\t()\n",
         ("angry",)),
        ("hap", "", ("happy",)),
        ("xxx", "", ()),
    ],
)  # fmt: skip
def test_label_sets_of_the_multi_label_literature(
    tmp_path: Path, code: str, lines: str, emotions: tuple[str, ...]
) -> None:
    name = "Ses02F_impro05_F003"
    u = only(release(tmp_path, "Ses02F_impro05", turn(name, code, lines), [name]))
    assert tied(u.votes, u.label, CLASSES, MERGE) == emotions


def test_votes_between_blanks_and_lines_without_any(tmp_path: Path) -> None:
    name = "Ses01F_impro01_F000"
    block = "C-E2: Anger; Sadness; (a; Fear)\nC-E3:\t\t()\nC-E4:\t;\t()\nC-F1:\tNeutral\nC-F2:\tNeutral? (no)\n"
    found = release(tmp_path, "Ses01F_impro01", turn(name, "xxx", block), [name])
    assert only(found).votes == (("C-E2", "angry"), ("C-E2", "sad"), ("C-F1", "neutral"))
    assert [r.reason for r in found.refused] == ["unknown emotion 'Neutral?' of rater C-F2"]


def test_votes_stay_with_their_turn(tmp_path: Path) -> None:
    a, b, c = (f"Ses01F_impro01_F00{i}" for i in range(3))
    labels = (
        turn(a, "ang", "C-E2:\tAnger;\t()\n")
        + turn(b, "sad", "C-E2:\tSadness;\t()\n").replace("\tsad\t", " sad ")  # broken line: its votes go nowhere
        + turn(c, "hap", "C-E2:\tHappiness;\t()\nC-E3:\tJoyous;\t()\n")
    )
    found = release(tmp_path, "Ses01F_impro01", labels, [a, b, c])
    assert {u.uid[-4:]: u.votes for u in found.utterances} == {
        "F000": (("C-E2", "angry"),),
        "F002": (("C-E2", "happy"),),
    }
    file = tmp_path / "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt"
    assert [(r.what, r.reason.split(":")[0]) for r in found.refused] == [
        (f"{file}:11", "unknown emotion 'Joyous' of rater C-E3"),
        (f"{file}:6", "not a label line"),
        (str(tmp_path / f"Session1/sentences/wav/Ses01F_impro01/{b}.wav"), "no label line for this recording"),
    ]


def test_labels_and_recordings_must_meet(tmp_path: Path) -> None:
    kept, lost, stray = (f"Ses02M_script02_1_F00{i}" for i in range(3))
    labels = turn(kept) + turn(lost) + turn(kept, "ang") + turn("Ses02M_script02_1_F009", "abc")
    found = release(tmp_path, "Ses02M_script02_1", labels, [kept, stray])
    assert only(found).label == "neutral"
    assert [r.reason.split(",")[0] for r in found.refused] == [
        f"no recording {lost}.wav",
        "Ses02M_script02_1_F000 is labelled before",
        "not a label line: '[6.2901 - 8.2357]\\tSes02M_script02_1_F009\\tabc\\t[2.5000",
        "no label line for this recording",
    ]


def test_text_of_the_transcription(tmp_path: Path) -> None:
    name = "Ses01F_impro01_F000"
    text = f"{name} [006.2901-008.2357]: Excuse me.\nSes01F_impro01_MXX0 [009.0-010.0]: Mm.\nM: Hm.\nF: [LAUGHTER]\n"
    assert only(release(tmp_path, "Ses01F_impro01", turn(name), [name], text)).text == "Excuse me."


def test_windows_line_ends_and_a_copied_label_file(tmp_path: Path) -> None:
    name = "Ses01F_impro01_F000"
    labels = turn(name, "fru", "C-E2:\tFrustration;\t()\n").replace("\n", "\r\n")
    release(tmp_path, "Ses01F_impro01", labels, [name])
    copy = tmp_path / "Session1/dialog/EmoEvaluation copy/Ses01F_impro01.txt"
    copy.parent.mkdir()
    copy.write_text(HEADER + turn(name, "ang"))
    found = iemocap.load(tmp_path, iemocap.Settings())
    assert (only(found).label, only(found).votes) == ("frustrated", (("C-E2", "frustrated"),))
    assert [(r.what, r.reason.split("/")[0]) for r in found.refused] == [(str(copy), "duplicate of ")]


def test_a_copy_in_lower_case_is_the_same_corpus(tmp_path: Path) -> None:
    release(tmp_path, "Ses01F_impro01", turn("Ses01F_impro01_M003", "ang"), ["Ses01F_impro01_M003"])
    for path in sorted(tmp_path.rglob("*"), reverse=True):
        path.rename(path.with_name(path.name.lower()))
    assert iemocap.find(tmp_path) == tmp_path / "session1"
    u = only(iemocap.load(tmp_path, iemocap.Settings()))
    assert (u.uid, u.speaker, u.label) == ("iemocap/Ses01F_impro01_M003", "iemocap/Ses01M", "angry")


def test_recordings_without_label_files_are_not_the_corpus(tmp_path: Path) -> None:
    release(tmp_path, "Ses01F_impro01", turn("Ses01F_impro01_F000"), ["Ses01F_impro01_F000"])
    assert iemocap.find(tmp_path) == tmp_path / "Session1"
    assert iemocap.find(tmp_path / "Session1/sentences") is None
    assert iemocap.find(tmp_path / "Session1/dialog") is None


def test_full_release() -> None:
    counts = iemocap.expected(iemocap.Settings())
    assert sum(counts.values()) == 10_039
    assert sum(counts[c] for c in ("angry", "happy", "neutral", "sad")) == 4490
    assert 4490 + counts["excited"] == 5531


def test_miniature(tmp_path: Path) -> None:
    manifest = scan("iemocap", "iemocap", iemocap.miniature(tmp_path), {}, tmp_path / "cache")
    assert manifest.speakers == tuple(sorted(f"iemocap/Ses0{s}{x}" for s in range(1, 6) for x in "FM"))
    for session in "12345":
        here = [u for u in manifest.utterances if u.session == session]
        for sex in "FM":
            assert {"happy", "angry", "neutral", "sad"} <= {u.label for u in here if u.sex == sex}
    # 5 sessions x 2 dialogues x 2 speakers x 4 labels, and xxx, oth, exc and fru once.
    assert len(manifest.utterances) == 84
    assert manifest.counts()["unknown"] == manifest.counts()["excited"] == 1
    angry = next(u for u in manifest.utterances if u.label == "angry")
    assert ("C-E3", "frustrated") in angry.votes
    assert {label for _, label in angry.votes} == {"angry", "frustrated", "neutral"}  # "Fear" stands in a comment
    assert [r.reason.split(":")[0] for r in manifest.refused] == [
        "not a label line",
        "no recording Ses01F_impro01_F900.wav",
        "not a wav named like Ses01F_impro01_F000.wav with label files Ses01F_impro01.txt",  # a whole dialogue
        "no label line for this recording",
    ]


@given(
    begin=st.floats(0, 9999),
    length=st.floats(0, 99),
    name=st.from_regex(re.compile(r"\ASes0[1-5][FM]_(impro|script)\d\d[ab]?(_\d[ab]?)?_[FM]\d{3}\Z", re.ASCII)),
    code=st.sampled_from(sorted(IEMOCAP)),
    tail=st.sampled_from(["", " ", "\r"]),
)
def test_label_line_grammar(begin: float, length: float, name: str, code: str, tail: str) -> None:
    line = f"[{begin:.4f} - {begin + length:.4f}]\t{name}\t{code}\t[2.5000, 3.0000, 2.0000]{tail}"
    found = iemocap.LABEL_LINE.fullmatch(line)
    assert found is not None
    assert found.groups() == (name, code)
    assert iemocap.LABEL_LINE.fullmatch(line.replace("\t", " ")) is None
    assert iemocap.NAME.search(f"/x/{name}") is not None

"""MSP-IMPROV: labels, means and raters of a turn stand in one file, under other names than the recordings."""

from pathlib import Path

import pytest

from ser.corpora import msp_improv
from ser.data.manifest import Listing
from ser.data.scan import scan

TURN = "MSP-IMPROV-S01A-F01-P-FM01"


def release(root: Path, labels: str, *turns: str, file: str = "Evalution.txt") -> Listing:
    """What the loader makes of this label file and empty recordings of these names."""
    (root / file).write_text(labels, newline="")
    for turn in turns:
        path = root / f"session{turn[17]}/{turn[11:15]}/{turn[20]}/{turn}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return msp_improv.load(root, msp_improv.Settings())


BLOCK = (
    "UTD-IMPROV-S01A-F01-P-FM01.avi; N; A:2.4; V:3.200000; D:NaN ; N:4.0;\n"
    "ID01; Neutral; Neutral,Bored; A:2.000000; V:3.000000; D:NaN; N:4.000000;\n"
    "ID02-p; Angry; Frustrated; A:3.000000; V:3.000000; D:NaN; N:4.000000;\n"
    "ID02-p; Angry; Frustrated; A:3.000000; V:3.000000; D:NaN; N:4.000000;\n"
    "ID03; Other; Curious, a little; A:3.000000; V:3.000000; D:NaN; N:4.000000;\n\n"
)


@pytest.mark.parametrize("file", ["Evalution.txt", "Evaluation.txt"])
def test_a_turn(tmp_path: Path, file: str) -> None:
    (u,) = release(tmp_path, BLOCK, TURN, file=file).utterances
    assert (u.uid, u.speaker, u.sex, u.session) == (f"msp_improv/{TURN}", "msp_improv/F01", "F", "1")
    assert (u.label_raw, u.label, u.channel, u.sentence) == ("N", "neutral", "dialog", "01A natural")
    assert (u.valence, u.arousal, u.dominance) == (3.2, 2.4, None)
    assert u.votes == (("ID01", "neutral"), ("ID02-p", "angry"), ("ID03", "other"))


def test_who_speaks_is_not_who_is_named_by_the_turn(tmp_path: Path) -> None:
    turn = "MSP-IMPROV-S20H-M06-T-FM02"
    (u,) = release(tmp_path, f"UTD{turn[3:]}.avi; X; A:3.0; V:9.0; D:3.0; N:3.0;\n", turn).utterances
    assert (u.speaker, u.sex, u.session, u.sentence) == ("msp_improv/M06", "M", "6", "20H target")
    assert (u.label, u.valence) == ("unknown", None)  # off the scale


def test_labels_and_recordings_must_meet(tmp_path: Path) -> None:
    labels = (
        BLOCK
        + BLOCK.replace("; N; A", "; A; A")  # a second time
        + "UTD-IMPROV-S02A-M01-S-MF01.avi; Q; A:1.0; V:1.0; D:1.0; N:1.0;\nID01; Joyous; x; A:1;\n\n"
        + "UTD-IMPROV-S02A-M01-S-MF02.avi; S; A:1.0; V:1.0; D:1.0; N:1.0;\nwhat\n"
    )
    found = release(tmp_path, labels, TURN, "MSP-IMPROV-S01A-M01-P-FM01")
    (u,) = found.utterances
    assert len(u.votes) == 3
    assert u.label == "neutral"
    assert sorted(r.reason.split(",")[0].split(":")[0] for r in found.refused) == [
        "IMPROV-S01A-F01-P-FM01 is labelled before",
        "no label line for this recording",
        "no recording MSP-IMPROV-S02A-M01-S-MF02.wav",
        "not a label line",
        "unknown emotion 'Joyous' of rater ID01",
        "unknown label 'Q'",
    ]


def test_recordings_without_their_label_file_are_not_the_corpus(tmp_path: Path) -> None:
    release(tmp_path, BLOCK, TURN)
    assert msp_improv.find(tmp_path) == tmp_path
    assert msp_improv.find(tmp_path / "session1") is None
    (tmp_path / "Evalution.txt").write_text("notes on another corpus\n")
    assert msp_improv.find(tmp_path) is None


def test_miniature(tmp_path: Path) -> None:
    manifest = scan("msp_improv", "msp_improv", msp_improv.miniature(tmp_path), {}, tmp_path / "cache")
    assert manifest.counts() == dict.fromkeys(msp_improv.LABELS.values(), 4)
    assert manifest.scale == (1.0, 5.0)
    assert {(u.valence, u.arousal) for u in manifest.utterances} == {(4.0, 2.5)}
    assert {u.dominance for u in manifest.utterances if u.label == "unknown"} == {None}
    assert {len(u.votes) for u in manifest.utterances} == {2}
    assert sorted(r.reason.split(":")[0] for r in manifest.refused) == [
        "no label line for this recording",
        "no recording MSP-IMPROV-S01A-F01-P-FM09.wav",
        "not a label line",
        "not a wav named like MSP-IMPROV-S01A-F01-P-FM01.wav with the label file Evalution.txt",
    ]

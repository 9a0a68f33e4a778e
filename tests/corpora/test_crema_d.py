"""CREMA-D: acted labels from names, votes of those who heard, saw, or did both, from a table that may be absent."""

from collections import Counter
from pathlib import Path

import pytest

from ser.corpora import crema_d
from ser.data.manifest import Listing, Refusal
from ser.data.scan import scan
from ser.data.votes import label_sets, statistics, tied
from ser.errors import BadInput
from ser.study import part, settings_of

CLASSES = ("neutral", "angry", "disgust", "fear", "happy", "sad", "surprise")
VOTES = '"","A","D","F","H","N","S","fileName","numResponses","agreement","emoVote"\n'


def clone(root: Path, clips: list[str], votes: str = "", demographics: str = "") -> Path:
    for clip in clips:
        path = root / f"AudioWAV/{clip}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for name, header, rows in (
        ("processedResults/tabulatedVotes.csv", VOTES, votes),
        ("VideoDemographics.csv", '"ActorID","Age","Sex","Race","Ethnicity"\n', demographics),
    ):
        if rows:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(rows if rows.startswith("version") else header + rows)
    return root


def labels(found: Listing) -> dict[str, str]:
    return {u.uid.removeprefix("crema_d/"): u.label for u in found.utterances}


def test_names_alone_are_enough(tmp_path: Path) -> None:
    root = clone(tmp_path, ["1001_DFA_ANG_XX", "1002_IEO_HAP_LO", "1003_IEO_NEU_XX"])
    found = crema_d.load(root, crema_d.Settings())
    assert labels(found) == {"1001_DFA_ANG_XX": "angry", "1002_IEO_HAP_LO": "happy", "1003_IEO_NEU_XX": "neutral"}
    u = found.utterances[1]
    assert (u.speaker, u.sex, u.sentence, u.intensity, u.votes) == ("crema_d/1002", "", "IEO", "low", ())
    assert crema_d.find(tmp_path) == tmp_path / "AudioWAV"


def test_a_copy_in_lower_case_is_the_same_corpus(tmp_path: Path) -> None:
    (tmp_path / "audiowav").mkdir()
    (tmp_path / "audiowav/1002_ieo_hap_lo.WAV").touch()
    (u,) = crema_d.load(tmp_path, crema_d.Settings()).utterances
    assert (u.uid, u.label, u.intensity) == ("crema_d/1002_IEO_HAP_LO", "happy", "low")


def test_clip_of_the_old_name_is_the_clip_of_the_tables(tmp_path: Path) -> None:
    root = clone(
        tmp_path, ["1040_ITH_SAD_X"], '"103234",0,0,2,0,5,3,"1040_ITH_SAD_XX",10,0.5,"N"\n', "1040,42,Female,,\n"
    )
    (u,) = crema_d.load(root, crema_d.Settings(label_source="voice")).utterances
    assert (u.uid, u.label, u.label_raw, u.sex) == ("crema_d/1040_ITH_SAD_XX", "neutral", "neutral", "F")
    assert Counter(u.votes) == {("voice", "neutral"): 5, ("voice", "sad"): 3, ("voice", "fear"): 2}
    assert crema_d.find(tmp_path) == tmp_path


# Voice: angry and disgust tie. Face: disgust. Both: disgust and sad tie. Pooled winners: disgust 3, angry 1, sad 1.
TIED = (
    '"100009",5,5,0,0,1,1,"1001_DFA_DIS_XX",12,0.4,"A:D"\n'
    '"200009",0,9,0,0,1,-1,"1001_DFA_DIS_XX",10,0.9,"D"\n'
    '"300009",0,4,0,0,1,4,"1001_DFA_DIS_XX",9,0.4,"D:S"\n'
)


def test_sources_of_the_label(tmp_path: Path) -> None:
    root = clone(tmp_path, ["1001_DFA_DIS_XX", "1002_DFA_HAP_XX"], TIED)
    assert labels(crema_d.load(root, crema_d.Settings(label_source="acted"))) == {
        "1001_DFA_DIS_XX": "disgust",
        "1002_DFA_HAP_XX": "happy",
    }
    pooled = crema_d.load(root, crema_d.Settings(label_source="pooled3"))
    assert labels(pooled) == {"1001_DFA_DIS_XX": "disgust"}
    assert [r.reason for r in pooled.refused] == ["no pooled3 votes in the table"]
    voice = crema_d.load(root, crema_d.Settings(label_source="voice"))
    assert labels(voice) == {}
    assert [r.reason for r in voice.refused] == ["voice votes tie: angry, disgust", "no voice votes in the table"]
    with pytest.raises(BadInput, match="acted, voice, pooled3"):
        settings_of("corpora", part("crema_d", label_source="soft"))


def test_minus_one_is_no_vote(tmp_path: Path) -> None:
    (u,) = crema_d.load(clone(tmp_path, ["1001_DFA_DIS_XX"], TIED), crema_d.Settings()).utterances
    assert Counter(rater for rater, _ in u.votes) == {"voice": 12, "face": 10, "av": 9}


def test_a_clip_that_nobody_judged_has_no_label(tmp_path: Path) -> None:
    row = '"100009",0,0,-1,0,0,0,"1001_DFA_DIS_XX",0,-1,"-1"\n'
    root = clone(tmp_path, ["1001_DFA_DIS_XX", "1001_DFA_HAP_XX"], row)
    found = crema_d.load(root, crema_d.Settings(label_source="voice"))
    assert [r.reason for r in found.refused] == ["no voice votes in the table"] * 2


def test_pooling_counts_winners_not_votes(tmp_path: Path) -> None:
    # Happy has most votes (10 of 18), but wins once; neutral wins twice.
    rows = (
        '"100001",0,0,0,8,0,0,"1001_DFA_HAP_XX",8,1,"H"\n'
        '"200001",0,0,0,1,4,0,"1001_DFA_HAP_XX",5,0.8,"N"\n'
        '"300001",0,0,0,1,4,0,"1001_DFA_HAP_XX",5,0.8,"N"\n'
    )
    found = crema_d.load(clone(tmp_path, ["1001_DFA_HAP_XX"], rows), crema_d.Settings(label_source="pooled3"))
    assert labels(found) == {"1001_DFA_HAP_XX": "neutral"}


def test_ties_are_kept_with_the_winners_as_votes(tmp_path: Path) -> None:
    root = clone(tmp_path, ["1001_DFA_DIS_XX", "1002_DFA_HAP_XX"], TIED)
    found = crema_d.load(root, crema_d.Settings(label_source="voice", ties=True))
    (u,) = found.utterances
    assert (u.label, u.label_raw) == ("angry", "angry:disgust")
    assert u.votes == (("voice", "angry"), ("voice", "disgust"))
    assert [r.reason for r in found.refused] == ["no voice votes in the table"]  # nobody judged the other clip
    (u,) = crema_d.load(root, crema_d.Settings(label_source="pooled3", ties=True)).utterances
    assert u.votes == (
        ("voice", "angry"),
        ("voice", "disgust"),
        ("face", "disgust"),
        ("av", "disgust"),
        ("av", "sad"),
    )
    assert (u.label, u.label_raw) == ("disgust", "disgust")


def test_ties_leave_acted_labels_alone(tmp_path: Path) -> None:
    root = clone(tmp_path, ["1001_DFA_DIS_XX"], TIED)
    (u,) = crema_d.load(root, crema_d.Settings(ties=True)).utterances
    assert (u.label, u.votes) == ("disgust", ())
    with pytest.raises(BadInput, match="true or false"):
        settings_of("corpora", part("crema_d", ties="yes"))


# Per clip the rows of voice, face and both as A D F H N S, and the label set that Pho et al. make of them.
PAPER = {
    "1001_DFA_ANG_XX": (((9, 0, 0, 0, 1, 0), (0, 6, 0, 0, 4, 0), (8, 1, 0, 0, 0, 0)), ("angry",)),
    "1001_DFA_DIS_XX": (((0, 5, 0, 0, 5, 0), (0, 7, 0, 0, 1, 0), (0, 3, 0, 0, 4, 0)), ("neutral", "disgust")),
    "1001_DFA_FEA_XX": (((0, 0, 9, 0, 1, 0), (0, 0, 0, 0, 9, 1), (0, 1, 0, 0, 2, 9)), ("neutral", "fear", "sad")),
    "1001_DFA_HAP_XX": (((3, 3, 3, 0, 3, 0), (0, 0, 0, 0, 0, -1), (0, 0, 0, 0, 0, 0)), CLASSES[:4]),
}


def test_label_sets_of_the_multi_label_literature(tmp_path: Path) -> None:
    rows = "".join(
        f'"{shown}00001",{",".join(map(str, counts))},"{clip}",10,0.5,"-"\n'
        for clip, (table, _) in PAPER.items()
        for shown, counts in enumerate(table, start=1)
    )
    root = clone(tmp_path, list(PAPER), rows)
    settings = crema_d.Settings(label_source="pooled3", ties=True)
    found = crema_d.load(root, settings)
    expected = {clip: emotions for clip, (_, emotions) in PAPER.items()}
    sets = label_sets(found.utterances, CLASSES, {})
    assert {uid.removeprefix("crema_d/"): emotions for uid, emotions in sets.items()} == expected
    # The tables alone tell the same.
    told: list[Refusal] = []
    table = root / "processedResults/tabulatedVotes.csv"
    table.write_text(table.read_text() + '"7",1,1,1,1,1,1,"x",1,1,"A"\n')
    votes = crema_d.counted_votes(root / "processedResults", settings, told)
    assert {clip: tied(pairs, "", CLASSES, {}) for clip, pairs in votes.items()} == expected
    assert [r.reason for r in told] == ["not a line of vote counts"]
    assert statistics(sets.values(), CLASSES).types == {1: 1, 2: 1, 3: 1, 4: 1}


def test_voted_labels_need_the_table(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="git lfs pull"):
        crema_d.counted_votes(clone(tmp_path, ["1001_DFA_ANG_XX"]), crema_d.Settings(label_source="voice"))


def test_tables_that_are_pointers_are_told(tmp_path: Path) -> None:
    root = clone(tmp_path, ["1001_DFA_ANG_XX"], "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    found = crema_d.load(root, crema_d.Settings())
    assert len(found.utterances) == 1
    assert [r.reason for r in found.refused] == [
        "a git-LFS pointer, not a table; run `git lfs pull` in the corpus folder"
    ]
    with pytest.raises(BadInput, match="git lfs pull"):
        crema_d.load(root, crema_d.Settings(label_source="voice"))


def test_table_of_another_kind_is_told(tmp_path: Path) -> None:
    root = clone(tmp_path, ["1001_DFA_ANG_XX"], demographics="1001,51,Male,,\n1002,21\n")
    (root / "tabulatedVotes.csv").write_text("a,b\n1,2\n")
    found = crema_d.load(root, crema_d.Settings())
    assert found.utterances[0].sex == "M"
    assert [(r.what, r.reason) for r in found.refused] == [
        (f"{root}/VideoDemographics.csv:3", "too few cells"),
        (f"{root}/tabulatedVotes.csv", "a table without the columns '', 'd', 'f', 'filename', 'h', 'n', 's'"),
    ]


def test_lines_that_are_no_votes_are_told(tmp_path: Path) -> None:
    rows = TIED + '"400009",5,5,0,0,1,1,"x",1,1,"A"\n"100010",NA,5,0,0,1,1,"x",1,1,"A"\n"7",1,1,1,1,1,1,"x",1,1,"A"\n'
    found = crema_d.load(clone(tmp_path, ["1001_DFA_DIS_XX"], rows), crema_d.Settings(label_source="pooled3"))
    assert labels(found) == {"1001_DFA_DIS_XX": "disgust"}
    assert [r.what[-5:] + r.reason for r in found.refused] == [f"csv:{n}not a line of vote counts" for n in (5, 6, 7)]


def test_mp3_copies_are_not_second_clips(tmp_path: Path) -> None:
    root = clone(tmp_path, ["1001_DFA_ANG_XX"])
    (root / "AudioMP3").mkdir()
    (root / "AudioMP3/1001_DFA_ANG_XX.mp3").touch()
    assert [Path(u.path).suffix for u in crema_d.load(root, crema_d.Settings()).utterances] == [".wav"]


def test_full_release() -> None:
    assert sum(crema_d.expected(crema_d.Settings()).values()) == 7442
    assert crema_d.expected(crema_d.Settings())["neutral"] == 1087
    assert sum(crema_d.expected(crema_d.Settings(label_source="voice")).values()) == 7442 - 644
    for source in ("voice", "pooled3"):
        refused = crema_d.expected(crema_d.Settings(label_source=source))
        kept = crema_d.expected(crema_d.Settings(label_source=source, ties=True))
        assert sum(kept.values()) == 7442
        assert all(kept[label] >= count for label, count in refused.items())


def test_miniature(tmp_path: Path) -> None:
    folder = crema_d.miniature(tmp_path)
    acted = scan("crema_d", "crema_d", folder, {}, tmp_path / "cache")
    # 6 actors x 3 sentences x 6 emotions, less the pointer.
    assert len(acted.utterances) == 107
    assert Counter(u.sex for u in acted.utterances if u.sentence == "ITH") == {"F": 24, "M": 12}
    assert {Path(r.what).stem: r.reason[:10] for r in acted.refused} == {
        "1001_ITH_HAP_YY": "not a wav ",
        "1003_DFA_SAD_XX": "a git-LFS ",
        "1076_MTI_SAD_XX": "silent",
    }
    pooled = scan("crema_d", "crema_d", folder, {"label_source": "pooled3"}, tmp_path / "cache")
    assert {u.uid: u.label for u in pooled.utterances}["crema_d/1001_DFA_ANG_XX"] == "disgust"
    assert pooled.fingerprint != acted.fingerprint
    voice = scan("crema_d", "crema_d", folder, {"label_source": "voice"}, tmp_path / "cache")
    both = scan("crema_d", "crema_d", folder, {"label_source": "voice", "ties": True}, tmp_path / "cache")
    assert len(both.utterances) == len(voice.utterances) + 1
    assert both.fingerprint != voice.fingerprint
    told = {Path(r.what).stem: r.reason for r in voice.refused}
    assert told["1001_DFA_ANG_XX"] == "voice votes tie: angry, disgust"
    assert told["1002_IEO_DIS_HI"] == "no voice votes in the table"

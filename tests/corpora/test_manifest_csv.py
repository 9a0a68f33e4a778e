"""The table of one's own: everything that can be wrong in it is told with its line number, and nothing is guessed."""

import json
import os
from pathlib import Path

import pytest

from ser.corpora import _tree, manifest_csv
from ser.errors import BadInput
from ser.manifest import Listing, Utterance
from ser.scan import scan


def table(folder: Path, *lines: str, header: str = "path,label,speaker", name: str = "manifest.csv") -> Path:
    """A table of these lines, with an empty file for every relative path."""
    folder.mkdir(parents=True, exist_ok=True)
    for line in lines:
        path = folder / line.split(",")[0]
        if (
            path.suffix == ".wav"
            and not Path(line).is_absolute()
            and ".." not in path.parts
            and "lost" not in path.name
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    (folder / name).write_text("\n".join((header, *lines)) + "\n", encoding="utf-8")
    return folder / name


def load(path: Path, **settings: object) -> Listing:
    return manifest_csv.load(path, {"name": "c", **settings})


def only(path: Path, **settings: object) -> Utterance:
    (utterance,) = load(path, **settings).utterances
    return utterance


def complaint(path: Path, **settings: object) -> str:
    with pytest.raises(BadInput) as caught:
        load(path, **settings)
    assert caught.value.place == str(path)
    return caught.value.value


def test_every_column(tmp_path: Path) -> None:
    header = "Path, LABEL ,speaker,sex,split,language,session,start,end,text,uid"
    path = table(tmp_path, 'wav/a.wav,Feliz,s1,feminino,Train,pt-BR,call 7,0.5,1.25,"Olá, sim",turn-1', header=header)
    assert only(path) == Utterance(
        uid="c/turn-1", corpus="c", path=str(tmp_path / "wav/a.wav"), speaker="c/s1", label_raw="Feliz", label="happy",
        sex="F", session="call 7", split="train", start_s=0.5, end_s=1.25, language="pt-BR", text="Olá, sim",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("line", "uid"),
    [
        ("wav/a.wav,sad,s1,,", "c/wav/a"),
        ("wav\\a.wav,sad,s1,,", "c/wav/a"),
        ("a.b.wav,sad,s1,,", "c/a.b"),
        ("a.wav,sad,s1,1,2.50", "c/a#1.0-2.5"),
        ("a.wav,sad,s1,1,", "c/a#1.0-"),
        ("a.wav,sad,s1,,2", "c/a#0.0-2.0"),
    ],
)
def test_uid_is_the_path_and_the_stretch(tmp_path: Path, line: str, uid: str) -> None:
    path = table(tmp_path, line.replace("\\", "/"), header="path,label,speaker,start,end")
    path.write_text(path.read_text().replace(line.replace("\\", "/"), line))
    assert only(path).uid == uid


def test_name_of_the_corpus_is_that_of_the_folder(tmp_path: Path) -> None:
    path = table(tmp_path / "mine", "a.wav,sad,s1")
    assert manifest_csv.load(tmp_path / "mine", {}).utterances[0].uid == "mine/a"
    assert manifest_csv.load(path, {}).utterances[0].speaker == "mine/s1"


@pytest.mark.parametrize(
    ("label", "unified", "votes"),
    [
        ("raiva", "angry", ()),
        ("TRISTEZA", "sad", ()),
        ("fearful", "fear", ()),
        ("raiva|triste", "unknown", (("label", "angry"), ("label", "sad"))),
        ("raiva | anger", "angry", (("label", "angry"),)),
    ],
)
def test_labels(tmp_path: Path, label: str, unified: str, votes: tuple[tuple[str, str], ...]) -> None:
    u = only(table(tmp_path, f"a.wav,{label},s1"))
    assert (u.label, u.votes, u.label_raw) == (unified, votes, label)


def test_label_map_adds_to_the_known_words(tmp_path: Path) -> None:
    path = table(tmp_path, "a.wav,furious,s1", "b.wav,sad,s1")
    assert complaint(path).startswith("line 2: unknown label 'furious'")
    (tmp_path / "map.json").write_text(json.dumps({"Furious": "angry"}))
    assert [u.label for u in load(path, label_map="map.json").utterances] == ["angry", "sad"]
    wrong = (('{"furious": "rage"}', "rage"), ("[1]", "list"), ("{", "unreadable"), ("[" * 100_000, "unreadable"))
    for content, told in wrong:
        (tmp_path / "map.json").write_text(content)
        with pytest.raises(BadInput, match=told):
            load(path, label_map="map.json")
    with pytest.raises(BadInput, match="No such file"):
        load(path, label_map="absent.json")


BARE = "path,label,speaker"
HEADER = "path,label,speaker,sex,split,start,end"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("b.wav,happy,,,,,", "line 3: empty speaker"),
        (",happy,s1,,,,", "line 3: empty path"),
        ("b.wav,,s1,,,,", "line 3: empty label"),
        ("b.wav,,,,,,", "line 3: empty label; line 3: empty speaker"),
        ("b.wav,happy|odd,s1,,,,", "line 3: unknown label 'odd'"),
        ("b.wav,happy,s1,x,,,", "line 3: sex 'x' is not F, M or empty"),
        ("b.wav,happy,s1,,dev,,", "line 3: split 'dev' is not train, val, test or empty"),
        ("b.wav,happy,s1,,,x,", "line 3: start 'x' is not a number of seconds"),
        ("b.wav,happy,s1,,,-1,", "line 3: start '-1' is not a number of seconds"),
        ("b.wav,happy,s1,,,,nan", "line 3: end 'nan' is not a number of seconds"),
        ("b.wav,happy,s1,,,,inf", "line 3: end 'inf' is not a number of seconds"),
        ("b.wav,happy,s1,,,2,2", "line 3: end 2.0 is not after start 2.0"),
        ("b.wav,happy,s1,,,,0", "line 3: end 0.0 is not after start 0.0"),
        ("b.wav,happy,s1", "line 3: 3 cells, the header has 7"),
        ("b.wav,happy,s1,,,,,,", "line 3: 9 cells, the header has 7"),
        ('b.wav,happy,s1,,,,"', "line 3: unexpected end of data"),
        ("a.wav,happy,s1,,,,", "line 3: the same uid 'c/a' as line 2"),
        ("a.flac,happy,s1,,,,", "line 3: the same uid 'c/a' as line 2"),
        ("b.wav,happy,s0,,test,,", "line 3: speaker 'c/s0' is in 'test', in 'train' on line 2"),
        ("b.wav,happy,s0,,,,", "line 3: speaker 'c/s0' is in 'no split', in 'train' on line 2"),
        ("lost.wav,happy,s0,,val,,", "line 3: speaker 'c/s0' is in 'val', in 'train' on line 2"),
        ("b.wav,happy,s1,,,,1e300", "line 3: end '1e300' is not a number of seconds"),
        (".,happy,s1,,,,", "line 3: path '.' names no file"),
        ("lost/b\0.mp3,happy,s1,,,,", "line 3: path 'lost/b\\x00.mp3' names no file"),
        ("b#1.wav,happy,s1,,,,", "line 3: uid 'b#1' ends as the names of augmented copies do"),
        (f"b.wav,happ{'y' * 100_000},s1,,,,", "yyy"),
        (f"b.wav,happ{'y' * 200_000},s1,,,,", "line 3: field larger than field limit"),
        ("../b.wav,happy,s1,,,,", "line 3: path '../b.wav' leads out of"),
        ("/etc/b.wav,happy,s1,,,,", "line 3: path '/etc/b.wav' leads out of"),
        ("C:\\b.wav,happy,s1,,,,", "line 3: path 'C:\\\\b.wav' leads out of"),
    ],
)
def test_wrong_lines_are_told(tmp_path: Path, line: str, told: str) -> None:
    path = table(tmp_path, "a.wav,sad,s0,,train,,", line, header=HEADER)
    said = complaint(path)
    assert told in said
    assert len(said) < 1000


def test_cells_may_hold_what_breaks_pages(tmp_path: Path) -> None:
    path = table(tmp_path, "a.wav,sad,s1,one\u2028two\x0cthree\x85", 'b.wav,sad,s2,"four\rfive"', header=f"{BARE},text")
    assert [u.text for u in load(path).utterances] == ["one\u2028two\x0cthree", "four\rfive"]


def test_folders_and_pipes_are_no_recordings(tmp_path: Path) -> None:
    path = table(tmp_path, "a.wav,sad,s1", "lost_b.wav,sad,s1", "lost_c.wav,sad,s1")
    (tmp_path / "lost_b.wav").mkdir()
    os.mkfifo(tmp_path / "lost_c.wav")
    assert [r.reason.partition(": ")[2] for r in load(path).refused] == ["a folder, pipe or device, not a file"] * 2


def test_tables_too_large_to_read_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = table(tmp_path, "a.wav,sad,s1")
    monkeypatch.setattr(_tree, "TEXT_BYTES", 30)
    assert complaint(path).endswith("bytes, more than 30")


def test_line_numbers_survive_blank_lines_and_line_breaks_in_cells(tmp_path: Path) -> None:
    path = table(tmp_path, 'a.wav,sad,s1,"one', 'two"', "", "b.wav,odd,s1,x", header="path,label,speaker,text")
    assert complaint(path).startswith("line 5: unknown label 'odd'")


def test_first_twenty_problems_are_shown(tmp_path: Path) -> None:
    value = complaint(table(tmp_path, *(f"{i}.wav,sad," for i in range(25))))
    assert value.count("empty speaker") == 20
    assert value.startswith("line 2: empty speaker; line 3: ")
    assert value.endswith("line 21: empty speaker; and 5 more")


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("path,label", "no column speaker"),
        ("label", "no column path, no column speaker"),
        ("path,label,speaker,label", "twice"),
    ],
)
def test_wrong_header_is_told(tmp_path: Path, header: str, told: str) -> None:
    value = complaint(table(tmp_path, "a.wav,sad,s1", header=header))
    assert value.startswith("line 1: ")
    assert told in value


def test_not_utf8_is_told_with_its_line(tmp_path: Path) -> None:
    path = table(tmp_path, "a.wav,sad,s1", "b.wav,sad,José")
    path.write_bytes(path.read_text(encoding="utf-8").encode("latin-1"))
    assert complaint(path) == "line 3: not UTF-8"


@pytest.mark.parametrize("content", ["", "path,label,speaker\n", "path,label,speaker\n\n,,\n"])
def test_no_lines(tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.csv").write_text(content)
    assert complaint(tmp_path / "manifest.csv")


def test_spreadsheet_dialects(tmp_path: Path) -> None:
    path = table(tmp_path, "a.wav,sad,s1")
    for text in ("path;label;speaker\r\na.wav;sad;s1\r\n", "path\tlabel\tspeaker\na.wav\tsad\ts1\n"):
        path.write_bytes(b"\xef\xbb\xbf" + text.encode())
        assert only(path).uid == "c/a"


def test_missing_files_are_refused_unless_all_are(tmp_path: Path) -> None:
    found = load(table(tmp_path, "lost.wav,sad,s1", "a.wav,sad,s1"))
    assert [u.uid for u in found.utterances] == ["c/a"]
    assert [(r.what, r.reason) for r in found.refused] == [(str(tmp_path / "lost.wav"), "line 2: no such file")]
    assert complaint(table(tmp_path, "lost1.wav,sad,s1", "lost2.wav,sad,s1")).startswith("none of its 2 files exist")


def test_paths_stay_inside_unless_allowed(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/b.wav").touch()
    (tmp_path / "in").mkdir()
    (tmp_path / "in/link").symlink_to(tmp_path / "out")
    for line in ("../out/b.wav,sad,s1", f"{tmp_path}/out/b.wav,sad,s1", "link/b.wav,sad,s1"):
        path = tmp_path / "in/manifest.csv"
        path.write_text(f"path,label,speaker\n{line}\n")
        assert "set outside to true" in complaint(path)
        assert Path(only(path, outside=True).path).resolve() == tmp_path / "out/b.wav"
    path.write_text("path,label,speaker\nb.wav,sad,s1\n")
    assert only(path, audio_root="../out").path == str(tmp_path / "out/b.wav")
    path.write_text("path,label,speaker\n../in/manifest.csv,sad,s1\n")
    assert "leads out of" in complaint(path, audio_root="../out")


def test_which_table_is_meant(tmp_path: Path) -> None:
    assert manifest_csv.find(tmp_path) is None
    deep = table(tmp_path / "a/deep", "a.wav,sad,s1")
    assert manifest_csv.find(tmp_path) == deep
    one = table(tmp_path / "a", "a.wav,sad,s1", name="one.csv")
    assert manifest_csv.find(tmp_path) == one
    two = table(tmp_path / "a", "a.wav,sad,s1", name="two.csv")
    with pytest.raises(BadInput, match="2 tables"):
        manifest_csv.find(tmp_path)
    main = table(tmp_path / "a", "a.wav,sad,s1")
    assert manifest_csv.find(tmp_path) == main
    assert manifest_csv.find(two) == two
    assert manifest_csv.find_all(tmp_path) == [main, one, two, deep]


def test_results_and_other_tables_are_no_corpora(tmp_path: Path) -> None:
    table(tmp_path, "x", header="uid,corpus,path,speaker,label_raw,label")
    table(tmp_path, "x", header="path,label", name="other.csv")
    assert manifest_csv.find(tmp_path) is None


def test_miniature(tmp_path: Path) -> None:
    manifest = scan("client", "manifest_csv", manifest_csv.miniature(tmp_path), {}, tmp_path / "cache")
    assert manifest.speakers == tuple(f"client/s{i:02d}" for i in range(1, 9))
    assert manifest.counts() == {"angry": 19, "happy": 16, "neutral": 16, "sad": 16, "fear": 8, "unknown": 1}
    call = [u for u in manifest.utterances if u.path.endswith("call.wav")]
    assert [(u.uid, u.start_s, u.end_s, u.seconds) for u in call] == [
        ("client/both", 1.5, 2.0, 0.5),
        ("client/wav/call#0.0-0.5", 0.0, 0.5, 0.5),
        ("client/wav/call#0.5-1.0", 0.5, 1.0, 0.5),
        ("client/wav/call#1.0-1.5", 1.0, 1.5, 0.5),
    ]
    assert len({u.sha for u in call}) == 1
    assert [r.reason for r in manifest.refused] == ["line 78: no such file", "unreadable: Format not recognised."]

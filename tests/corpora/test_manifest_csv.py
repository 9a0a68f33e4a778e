"""The table of one's own: everything that can be wrong in it is told with its line number, and nothing is guessed."""

import json
import os
from pathlib import Path

import pytest

from ser.corpora import manifest_csv
from ser.data import folders
from ser.data.manifest import Listing, Utterance
from ser.data.scan import scan
from ser.errors import BadInput


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
    return manifest_csv.load(path, manifest_csv.Settings(**settings), "c")


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
    assert manifest_csv.load(tmp_path / "mine", manifest_csv.Settings()).utterances[0].uid == "mine/a"
    assert manifest_csv.load(path, manifest_csv.Settings()).utterances[0].speaker == "mine/s1"


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
        ("b.wav,happy,s1,,,,,x,", "line 3: 9 cells, the header has 7"),
        ('b.wav,happy,s1,,,,"', "line 3: unexpected end of data"),
        ("a.wav,happy,s0,,train,,", "line 3: the same audio as line 2 with another label; keep one"),
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
    monkeypatch.setattr(folders, "TEXT_BYTES", 30)
    assert complaint(path).endswith("bytes, more than 30")


def test_line_numbers_survive_blank_lines_and_line_breaks_in_cells(tmp_path: Path) -> None:
    path = table(tmp_path, 'a.wav,sad,s1,"one', 'two"', "", "b.wav,odd,s1,x", header="path,label,speaker,text")
    assert complaint(path).startswith("line 5: unknown label 'odd'")


def test_first_twenty_problems_are_shown_and_each_once(tmp_path: Path) -> None:
    value = complaint(table(tmp_path, *(f"{i}.wav,sad,s,{i}x" for i in range(25)), header=f"{BARE},start"))
    assert value.count("is not a number of seconds") == 20
    assert value.endswith("line 21: start '19x' is not a number of seconds, as 1.5; and 5 more")
    value = complaint(table(tmp_path, *(f"{i}.wav,sad," for i in range(25))))
    assert value == "lines 2, 3, 4, 5, 6 and 20 more: empty speaker"


def test_unknown_labels_are_told_once_with_the_remedy(tmp_path: Path) -> None:
    path = table(tmp_path, *(f"{i}.wav,{'furious' if i % 2 else 'meh'},s" for i in range(20)))
    with pytest.raises(BadInput) as caught:
        load(path)
    assert caught.value.value == (
        "lines 2, 4, 6, 8, 10 and 5 more: unknown label 'meh'; lines 3, 5, 7, 9, 11 and 5 more: unknown label 'furious'"
    )
    assert "frustrated" in caught.value.allowed
    assert '{"meh": "angry"}' in caught.value.remedy
    assert "--set c.label_map=labels.json" in caught.value.remedy


@pytest.mark.parametrize(
    ("word", "label"),
    [
        ("Excitement", "excited"), ("frustration", "frustrated"), ("neutrality", "neutral"), ("Ärger", "angry"),
        ("A\u0308RGER", "angry"), ("pleasant_surprise", "surprise"), ("frustração", "frustrated"), ("tédio", "boredom"),
        ("Angst", "fear"), ("HAP", "happy"), ("tristesse", "sad"),
    ],
)  # fmt: skip
def test_usual_words_for_emotions(tmp_path: Path, word: str, label: str) -> None:
    assert only(table(tmp_path, f"a.wav,{word},s1")).label == label


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


def test_not_utf8_is_told_with_its_line_and_the_way_out(tmp_path: Path) -> None:
    path = table(tmp_path, "a.wav,sad,s1", "b.wav,sad,José")
    path.write_bytes(path.read_text(encoding="utf-8").encode("latin-1"))
    with pytest.raises(BadInput, match=r"save it .* as CSV UTF-8, or, if 'José' is right: iconv -f WINDOWS-1252"):
        load(path)
    assert complaint(path) == "line 3: not UTF-8"


@pytest.mark.parametrize("content", ["", "path,label,speaker\n", "path,label,speaker\n\n,,\n"])
def test_no_lines(tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.csv").write_text(content)
    assert complaint(tmp_path / "manifest.csv")


PLAIN = "path,label,speaker\na.wav,sad,s1\nwav/b.wav,happy,s2\n"
SEMICOLONS = PLAIN.replace(",", ";")
DIALECTS: dict[str, bytes] = {
    "semicolons": SEMICOLONS.replace("\n", "\r\n").encode(),
    "tabs": PLAIN.replace(",", "\t").encode(),
    "bars": PLAIN.replace(",", "|").encode(),
    "old Mac": PLAIN.replace("\n", "\r").encode(),
    "ends converted twice": PLAIN.replace("\n", "\r\r\n").encode(),
    "mark": b"\xef\xbb\xbf" + SEMICOLONS.encode(),
    "Unicode text": PLAIN.replace(",", "\t").encode("utf-16"),
    "UTF-16 without a mark": PLAIN.encode("utf-16-le"),
    "big-endian": b"\xfe\xff" + PLAIN.encode("utf-16-be"),
    "sep line": b"sep=;\r\n" + SEMICOLONS.encode(),
    "quoted sep line": b'\xef\xbb\xbf"sep=;"\r\n' + SEMICOLONS.encode(),
    "sep of a tab": b"sep=\t\n" + PLAIN.replace(",", "\t").encode(),
    "comments and blanks before": b"# mine\n\n;;\n" + SEMICOLONS.encode(),
    "empty rows": SEMICOLONS.encode() + b";;\n  ; ;\n;;;;\n\n",
    "empty columns": PLAIN.replace("\n", ",,,\n").encode(),
    "empty columns in rows alone": PLAIN.replace("s1\n", "s1,,\n").encode(),
    "other columns": b"path,note,label,,speaker,note\na.wav,,sad,x,s1,\nwav/b.wav,y,happy,,s2,z\n",
    "header as people write": PLAIN.replace("path,label", " Path ,\ufeffLABEL").encode(),
    "typographic quotes": PLAIN.replace("a.wav", "“a.wav”").replace("label", "“label”").encode(),
    "line break in the header": b'path,label,speaker,"my\nnote"\na.wav,sad,s1,\nwav/b.wav,happy,s2,\n',
    "a row twice": PLAIN.encode() + b"a.wav,sad,s1\n",
    "a row commented out": PLAIN.encode() + b"#a.wav,odd,s1\n# that is all\n",
    "other case": PLAIN.replace("wav/b.wav", "WAV\\B.Wav").encode(),
    "dots": PLAIN.replace("wav/b", "./wav/../wav/b").encode(),
    "no extension": PLAIN.replace("wav/b.wav", "wav/b").encode(),
    "escapes of addresses": PLAIN.replace("wav/b.wav", "wav%2Fb.wav").encode(),
}  # fmt: skip


@pytest.mark.parametrize("dialect", DIALECTS)
def test_tables_as_people_have_them(tmp_path: Path, dialect: str) -> None:
    path = table(tmp_path, "a.wav,sad,s1", "wav/b.wav,happy,s2")
    path.write_bytes(DIALECTS[dialect])
    assert manifest_csv.find_all(tmp_path) == [path]
    assert {(u.path, u.label, u.speaker) for u in load(path).utterances} == {
        (str(tmp_path / "a.wav"), "sad", "c/s1"),
        (str(tmp_path / "wav/b.wav"), "happy", "c/s2"),
    }


def test_what_is_left_out_of_a_table_is_told(tmp_path: Path) -> None:
    path = table(tmp_path, "a.wav,sad,s1", "a.wav,sad,s1", "#b.wav,odd,s1")
    (tmp_path / "#b.wav").unlink()
    assert [r.reason for r in load(path).refused] == [
        "line 4: a comment, as it begins with #",
        "line 3: says the same as line 2",
    ]


@pytest.mark.parametrize(
    ("data", "told", "remedy"),
    [
        (b"", "empty", "write a line per recording"),
        (b"PK\3\4" + bytes(50), "a spreadsheet", "as CSV UTF-8"),
        (b"\xd0\xcf\x11\xe0" + bytes(50), "a spreadsheet", "as CSV UTF-8"),
        (b"\n <!DOCTYPE html><html>", "a web page", "download the file again"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
            "a git-LFS pointer, not a table",
            "git lfs pull",
        ),
        (b"file,emotion,who\na.wav,sad,s1\n", "it has file, emotion, who", "correct the header"),
        (b"uid,path,label,speaker,label_raw\nu,a.wav,sad,s1,sad\n", "what a scan wrote", "name the corpus itself"),
    ],
)
@pytest.mark.parametrize("name", ["manifest.csv", "x.xlsx", "x.txt"])
def test_what_is_no_table_is_told(tmp_path: Path, data: bytes, told: str, remedy: str, name: str) -> None:
    (tmp_path / name).write_bytes(data)
    assert manifest_csv.find(tmp_path / name) == tmp_path / name
    with pytest.raises(BadInput) as caught:
        load(tmp_path / name)
    assert told in caught.value.value
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    ("delimiter", "start", "seconds"),
    [
        (";", "0,5", 0.5), (";", "1,250", 1.25), ("\t", "0,125", 0.125), ("\t", "1,5", 1.5), ("\t", "1,250", None),
        (";", "1.5", 1.5), (";", "1.250,5", None),
    ],
)  # fmt: skip
def test_decimal_commas_are_read_where_they_mean_nothing_else(
    tmp_path: Path, delimiter: str, start: str, seconds: float | None
) -> None:
    path = table(tmp_path, "a.wav,sad,s1")
    path.write_text(f"{BARE},start\na.wav,sad,s1,".replace(",", delimiter) + f"{start}\n")
    if seconds is None:
        assert "is not a number of seconds" in complaint(path)
    else:
        assert only(path).start_s == seconds


def test_decimal_signs_are_not_mixed(tmp_path: Path) -> None:
    table(tmp_path, "a.wav,sad,s1")
    (tmp_path / "manifest.csv").write_text(
        f"{BARE},start,end\na.wav,sad,s1,0,5x,2.500\n".replace(",", ";").replace("0;5x", "0,5")
    )
    assert "line 2: end '2.500' is written with '.', where line 2 has ','" in complaint(tmp_path / "manifest.csv")


def test_absolute_paths_inside_are_read_as_relative_ones(tmp_path: Path) -> None:
    path = table(tmp_path / "in", "wav/a.wav,sad,s1")
    plain = only(path)
    path.write_text(f"{BARE}\n{tmp_path}/in/wav/a.wav,sad,s1\n")
    assert only(path) == plain
    (tmp_path / "link").symlink_to("in")
    assert only(tmp_path / "link/manifest.csv").uid == plain.uid
    path.write_text(f"{BARE}\nC:\\Users\\ana\\wav\\a.wav,sad,s1\nC:\\Users\\ana\\wav\\a.wav,sad,s1\n")
    assert complaint(path).startswith("lines 2, 3: paths begin with 'C:\\\\Users\\\\ana\\\\', which leads out")


def test_names_are_found_in_other_letters_where_one_file_can_be_meant(tmp_path: Path) -> None:
    composed, taken_apart = "wav/caf\u00e9.wav", "wav/cafe\u0301.wav"
    path = table(tmp_path, f"{taken_apart},sad,s1")
    path.write_text(f"{BARE}\n{composed},sad,s1\n", encoding="utf-8")
    assert only(path).path == str(tmp_path / taken_apart)
    for name in ("wav/B.wav", "wav/b.WAV", "a.wav"):
        (tmp_path / name).touch()
    path.write_text(f"{BARE}\nwav/b.wav,sad,s1\na.wav,sad,s2\n")
    (refused,) = load(path).refused
    assert refused.reason == "line 2: no such file; wav/B.wav and wav/b.WAV are there"


def test_a_name_in_other_letters_leads_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "secret.wav").touch()
    (tmp_path / "in/LINK.wav").symlink_to("../secret.wav")
    path = table(tmp_path / "in", "a.wav,sad,s1", "lost/link.wav,sad,s2")
    path.write_text(f"{BARE}\nlink.wav,sad,s1\n")
    assert "leads out of" in complaint(path)
    path.write_text(f"{BARE}\n%2e%2e%2fsecret.wav,sad,s1\n")
    assert complaint(path).startswith("none of its 1 files exist")


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
    assert [r.reason for r in manifest.refused] == [
        "line 78: no such file",
        "unreadable: a web page (HTML); download the file again, logged in where its site asks for it",
    ]


SPOKEN = ("a.wav,happy,s1,pt-BR", "b.wav,sad,s2,pt", "c.wav,angry,s3,de", "d.wav,neutral,s4,")


def test_one_table_is_several_corpora_by_language(tmp_path: Path) -> None:
    path = table(tmp_path, *SPOKEN, header="path,label,speaker,language")
    everything = load(path)
    assert len(everything.utterances) == 4
    portuguese, german = load(path, languages=("PT",)), load(path, languages=("de",))
    assert [u.uid for u in portuguese.utterances] == ["c/a", "c/b"]
    assert [u.language for u in load(path, languages=("pt-BR", "de")).utterances] == ["pt-BR", "de"]
    assert [(Path(r.what).name, r.reason) for r in german.refused] == [
        ("a.wav", "left out by languages: pt-BR"),
        ("b.wav", "left out by languages: pt"),
        ("d.wav", "left out by languages: none is stated"),
    ]


def test_a_language_that_the_table_lacks_is_refused_with_those_it_has(tmp_path: Path) -> None:
    path = table(tmp_path, *SPOKEN, header="path,label,speaker,language")
    with pytest.raises(BadInput, match=r"it, d; allowed: de, pt, pt-BR"):
        load(path, languages=("it", "d", "de"))
    with pytest.raises(BadInput, match="fill in the column language"):
        load(table(tmp_path / "x", "a.wav,happy,s1"), languages=("de",))


def test_ratings_are_numbers_on_the_scale_that_is_stated(tmp_path: Path) -> None:
    header = "path,label,speaker,valence,Arousal,dominance"
    path = table(tmp_path, "a.wav,sad,s1,1.5,,-2", header=header)
    u = only(path)
    assert (u.valence, u.arousal, u.dominance) == (1.5, None, -2.0)
    assert manifest_csv.scale(manifest_csv.Settings(scale=(-3.0, 3.0))) == (-3.0, 3.0)
    assert manifest_csv.scale(manifest_csv.Settings()) is None
    with pytest.raises(BadInput, match="two numbers"):
        manifest_csv.scale(manifest_csv.Settings(scale=(1.0,)))
    assert "valence 'high' is not a number" in complaint(table(tmp_path, "a.wav,sad,s1,high,,", header=header))

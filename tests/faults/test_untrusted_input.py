"""What others wrote stays data: archives cannot write elsewhere, tables cannot read elsewhere, nothing is run, and
nothing takes memory, disk or time without bound.
"""

import io
import os
import stat
import struct
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from ser.corpora import crema_d, emodb, iemocap, manifest_csv
from ser.data import folders, scan, zips
from ser.data.manifest import Manifest, write_csv
from ser.errors import BadInput

NAME = "wav/03a01Wa.wav"


def sound(seed: int = 0) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, np.random.default_rng(seed).normal(0, 0.1, 800), 8000, format="WAV")
    return buffer.getvalue()


def archive(path: Path, *members: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", method) as file:
        for member, data in members:
            file.writestr(member, data)
    return path


def emodb_scan(path: Path, cache: Path) -> Manifest:
    return scan.scan("emodb", "emodb", path, {}, cache)


def everything(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


# Zip files


def marked(mode: int) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(NAME)
    member.external_attr = mode << 16
    return member


@pytest.mark.parametrize(
    "members",
    [
        [("../../03a01Wa.wav", b"x")],
        [("wav/../../../03a01Wa.wav", b"x")],
        [("/03a01Wa.wav", b"x")],
        [("//server/03a01Wa.wav", b"x")],
        [("..\\..\\wav/03a01Wa.wav", b"x")],
        [("C:/wav/03a01Wa.wav", b"x")],
        [(marked(stat.S_IFLNK | 0o777), b"/etc/passwd")],
        [(NAME, sound()), ("wav/x/../../../../03a01Fa.wav", b"x")],
    ],
)
def test_a_zip_writes_nothing_outside_its_folder(tmp_path: Path, members: list[tuple[str, bytes]]) -> None:
    archive(tmp_path / "given/x.zip", *members)
    before = everything(tmp_path)
    with pytest.raises(BadInput, match="plain files below one folder"):
        emodb_scan(tmp_path / "given", tmp_path / "cache/a/b")
    assert everything(tmp_path) - before <= {"cache", "cache/a", "cache/a/b"}


def test_a_link_is_not_written_through(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("wav")  # a link that would turn the recordings' folder into another
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    (tmp_path / "target").mkdir()
    path = archive(tmp_path / "x.zip", (link, str(tmp_path / "target").encode()), (NAME, sound()))
    manifest = emodb_scan(path, tmp_path / "cache")
    assert [u.uid for u in manifest.utterances] == ["emodb/03a01Wa"]
    assert list((tmp_path / "target").iterdir()) == []


def test_pipes_and_devices_in_a_zip_are_written_as_plain_files(tmp_path: Path) -> None:
    for number, mode in enumerate((stat.S_IFIFO | 0o666, stat.S_IFCHR | 0o666, stat.S_IFREG | 0o7777)):
        path = archive(tmp_path / f"{number}.zip", (marked(mode), sound()))
        (u,) = emodb_scan(path, tmp_path / "cache").utterances
        status = os.stat(u.path).st_mode
        assert stat.S_ISREG(status)
        assert not status & (stat.S_ISUID | stat.S_ISGID | stat.S_IXUSR)


def flipped(path: Path, at: int, value: int, central: int | None = None) -> None:
    """Write a 16-bit ``value`` into the first member's header, and into its entry in the directory."""
    data = bytearray(path.read_bytes())
    struct.pack_into("<H", data, at, value)
    if central is not None:
        struct.pack_into("<H", data, data.index(b"PK\1\2") + central, value)
    path.write_bytes(bytes(data))


def encrypted(path: Path) -> None:
    flipped(path, 6, 1, 8)


def exotic(path: Path) -> None:
    flipped(path, 8, 97, 10)


def wrong_sum(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\1\2") + 16] ^= 1
    path.write_bytes(bytes(data))


def other_name(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(NAME.encode(), b"wav/03a01Fa.wav", 1))


def broken_stream(path: Path) -> None:
    data = bytearray(path.read_bytes())
    start = 30 + len(NAME) + 20  # behind what LZMA says of itself
    data[start : start + 200] = b"\xff" * 200
    path.write_bytes(bytes(data))


@pytest.mark.parametrize(
    ("damage", "method", "told"),
    [
        (encrypted, zipfile.ZIP_DEFLATED, "password required"),
        (exotic, zipfile.ZIP_DEFLATED, "compression method is not supported"),
        (wrong_sum, zipfile.ZIP_STORED, "Bad CRC-32"),
        (other_name, zipfile.ZIP_STORED, "differ"),
        (broken_stream, zipfile.ZIP_STORED, "Bad CRC-32"),
        (broken_stream, zipfile.ZIP_DEFLATED, "Error -3"),
        (broken_stream, zipfile.ZIP_BZIP2, "Invalid data stream"),
        (broken_stream, zipfile.ZIP_LZMA, "Corrupt input data"),
    ],
)
def test_a_zip_that_cannot_be_unpacked_is_told_and_leaves_nothing(
    tmp_path: Path, damage: Callable[[Path], None], method: int, told: str
) -> None:
    path = archive(tmp_path / "x.zip", (NAME, sound()), method=method)
    damage(path)
    with pytest.raises(BadInput, match=f"cannot be unpacked: .*{told}"):
        emodb_scan(path, tmp_path / "cache")
    assert os.listdir(tmp_path / "cache") == []


@pytest.mark.parametrize(
    "members",
    [
        [(f"{'x' * 300}/03a01Wa.wav", b"x")],
        [(f"{'d/' * 3000}03a01Wa.wav", b"x")],
        [(NAME, b"x"), (f"{NAME}/03a01Fa.wav", b"x")],
    ],
)
def test_names_that_no_disk_can_hold_are_told(tmp_path: Path, members: list[tuple[str, bytes]]) -> None:
    path = archive(tmp_path / "x.zip", *members)
    with pytest.raises(BadInput, match=r"cannot be unpacked: (File name too long|File exists)"):
        emodb_scan(path, tmp_path / "cache")
    assert os.listdir(tmp_path / "cache") == []


def test_a_name_twice_in_a_zip_is_refused(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = archive(tmp_path / "x.zip", (NAME, sound()), (NAME, b"other"))
    with pytest.raises(BadInput, match="each once"):
        emodb_scan(path, tmp_path / "cache")


def test_zips_of_one_name_in_two_folders_do_not_overwrite_each_other(tmp_path: Path) -> None:
    archive(tmp_path / "given/a/x.zip", (NAME, sound()))
    archive(tmp_path / "given/b/x.zip", (NAME, b""))
    manifest = emodb_scan(tmp_path / "given", tmp_path / "cache")
    assert [u.uid for u in manifest.utterances] == ["emodb/03a01Wa"]
    (copy,) = manifest.refused
    assert copy.what == str(tmp_path / "given/b/x.zip" / NAME)
    assert copy.reason == f"duplicate of {tmp_path / 'given/a/x.zip' / NAME}"  # whatever their copies are called


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = archive(tmp_path / "x.zip", *((f"wav/03a01{letter}a.wav", bytes(1_000_000)) for letter in "WLE"))
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_: pytest.fail("unpacked"))
    with pytest.raises(BadInput, match="3000000 bytes unpacked; allowed: at most 100 times the zip"):
        emodb_scan(path, tmp_path / "cache")


def test_a_member_larger_than_it_claims_is_cut_there_and_told(tmp_path: Path) -> None:
    path = archive(tmp_path / "x.zip", (NAME, b"x" * 100_000))
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, data.index(b"PK\1\2") + 24, 100)
    path.write_bytes(bytes(data))
    with pytest.raises(BadInput, match="Bad CRC"):
        emodb_scan(path, tmp_path / "cache")


def test_a_zip_that_was_cut_off_is_told_beside_whole_ones(tmp_path: Path) -> None:
    archive(tmp_path / "given/speech.zip", (NAME, sound()))
    cut = archive(tmp_path / "given/song.zip", ("wav/03a01Fa.wav", sound()))
    cut.write_bytes(cut.read_bytes()[:-100])
    manifest = emodb_scan(tmp_path / "given", tmp_path / "cache")
    assert [u.uid for u in manifest.utterances] == ["emodb/03a01Wa"]
    assert [(r.what, r.reason) for r in manifest.refused] == [
        (str(cut), "no readable zip: File is not a zip file; download it again, or unpack it")
    ]


def test_a_member_without_a_name_is_passed_over(tmp_path: Path) -> None:
    path = archive(tmp_path / "x.zip", ("a.txt", b""), (NAME, sound()))
    path.write_bytes(path.read_bytes().replace(b"a.txt", b"\0.txt"))
    assert len(emodb_scan(path, tmp_path / "cache").utterances) == 1


def test_a_pipe_called_zip_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.zip")
    (tmp_path / "y.zip").mkdir()
    assert scan.corpora_below([tmp_path]) == []


# Manifests


@pytest.fixture
def inside(tmp_path: Path) -> Path:
    """A manifest's folder, beside one that is none of its business."""
    for path in (tmp_path / "in/a.wav", tmp_path / "out/b.wav"):
        path.parent.mkdir()
        path.write_bytes(sound())
    return tmp_path / "in"


def table(folder: Path, *lines: str, header: str = "path,label,speaker") -> Path:
    (folder / "manifest.csv").write_text("\n".join((header, *lines)) + "\n", encoding="utf-8")
    return folder / "manifest.csv"


@pytest.mark.parametrize("kind", ["..", "nested ..", "absolute", "folder link", "file link", "link chain", "windows"])
def test_a_manifest_reads_nothing_outside_its_folder(inside: Path, tmp_path: Path, kind: str) -> None:
    (inside / "folder").symlink_to("../out")
    (inside / "file.wav").symlink_to(tmp_path / "out/b.wav")
    (inside / "chain").symlink_to("folder")
    written = {
        "..": "../out/b.wav", "nested ..": "x/y/../../../out/b.wav", "absolute": f"{tmp_path}/out/b.wav",
        "folder link": "folder/b.wav", "file link": "file.wav", "link chain": "chain/b.wav",
        "windows": "..\\out\\b.wav",
    }[kind]  # fmt: skip
    with pytest.raises(BadInput, match="leads out of"):
        scan.scan("mine", "manifest_csv", table(inside, "a.wav,sad,s1", f"{written},sad,s2"), {}, tmp_path / "cache")


def test_a_link_inside_and_a_link_to_the_folder_itself_are_no_way_out(inside: Path, tmp_path: Path) -> None:
    (inside / "again.wav").symlink_to("a.wav")
    (tmp_path / "link").symlink_to("in")
    table(inside, "again.wav,sad,s2")
    assert len(scan.scan("mine", "manifest_csv", tmp_path / "link", {}, tmp_path / "cache").utterances) == 1


FORMULAS = ("=HYPERLINK(A1)", "+1", "-1+cmd|' /C calc'!A0", "@SUM(1)")


def test_cells_that_look_like_formulas_or_code_stay_text(
    inside: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("$(touch x).wav", "`touch x`.wav", "; touch x #.wav", "{0.__class__}.wav", "%s%n.wav", "-rf.wav")
    for number, name in enumerate(names, start=1):
        (inside / name).write_bytes(sound(number))
    names = sorted(path.name for path in inside.glob("*.wav"))
    rows = [f"{name},sad,{speaker},{speaker}" for name, speaker in zip(names, FORMULAS * 2, strict=False)]
    path = table(inside, *rows, header="path,label,speaker,text")
    for starter in ("Popen", "run", "call"):
        monkeypatch.setattr(subprocess, starter, lambda *_, **__: pytest.fail("a program was started"))
    monkeypatch.setattr(os, "system", lambda _: pytest.fail("a shell was started"))
    manifest = scan.scan("mine", "manifest_csv", path, {}, tmp_path / "cache")
    assert [Path(u.path).name for u in manifest.utterances] == names
    assert {u.text for u in manifest.utterances} == set(FORMULAS)
    write_csv(manifest, tmp_path / "mine.csv")
    written = pd.read_csv(tmp_path / "mine.csv", keep_default_na=False, dtype=str)
    assert set(written["text"]) == {f"'{formula}" for formula in FORMULAS}
    assert not written.map(lambda cell: cell.startswith(tuple("=+-@\t\r"))).any(axis=None)


@pytest.mark.parametrize("content", ["__import__('os').abort()", "!!python/object:os.abort", "cos\nabort\n(tR.", "NaN"])
def test_a_label_map_is_json_and_nothing_else(inside: Path, content: str) -> None:
    (inside / "map.json").write_text(content)
    with pytest.raises(BadInput, match=r"label_map|map every label"):
        manifest_csv.load(table(inside, "a.wav,sad,s1"), manifest_csv.Settings(label_map="map.json"))


# Much of everything


def test_a_header_without_end_is_read_to_its_bound(tmp_path: Path) -> None:
    with (tmp_path / "manifest.csv").open("wb") as file:
        file.write(b"path,label,speaker")
        file.truncate(1 << 40)  # a hole of zeros: no line ever ends
    assert scan.corpora_below([tmp_path]) == []


def test_huge_label_files_are_refused_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = iemocap.miniature(tmp_path)
    (labels,) = folder.glob("Session1/dialog/EmoEvaluation/Ses01F_impro01.txt")
    with labels.open("r+b") as file:
        file.truncate(1 << 40)
    manifest = scan.scan("iemocap", "iemocap", tmp_path, {}, tmp_path / "cache")
    told = {r.what: r.reason for r in manifest.refused}
    assert told[str(labels)] == f"cannot be read: {1 << 40} bytes, more than {folders.TEXT_BYTES}"
    assert not [u for u in manifest.utterances if u.uid.startswith("iemocap/Ses01F_impro01")]
    assert len(manifest.speakers) == 10


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ('"100001",999999999,0,0,0,0,0,"1001_DFA_ANG_XX"', "not a line of vote counts"),
        ('"100001",' + "9" * 5000 + ',0,0,0,0,0,"1001_DFA_ANG_XX"', "not a line of vote counts"),
        ('"100001",1,0,0,0,0,0,"' + "x" * 200_000 + '"', "field larger than field limit"),
        ('"100001",1,0,0,0,0,0,"open' + "\n" * 200_000, "field larger than field limit"),
    ],
)
def test_votes_without_bound_are_refused(tmp_path: Path, row: str, told: str) -> None:
    (tmp_path / "1001_DFA_ANG_XX.wav").write_bytes(sound())
    header = '"","A","D","F","H","N","S","fileName"'
    (tmp_path / "tabulatedVotes.csv").write_text(f"{header}\n{row}\n")
    found = crema_d.load(tmp_path, crema_d.Settings())
    assert [u.votes for u in found.utterances] == [()]
    assert told in found.refused[0].reason
    assert len(found.refused) == 1


def test_label_files_that_are_no_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "1001_DFA_ANG_XX.wav").write_bytes(sound())
    os.mkfifo(tmp_path / "tabulatedVotes.csv")
    (tmp_path / "VideoDemographics.csv").symlink_to("nowhere")
    told = {Path(r.what).name: r.reason for r in crema_d.load(tmp_path, crema_d.Settings()).refused}
    assert told == {
        "tabulatedVotes.csv": "cannot be read: a pipe or device, not a file",
        "VideoDemographics.csv": "cannot be read: No such file or directory",
    }
    assert zips.with_recordings(tmp_path, emodb.ZIPPED) == []

"""A scan reads each file once, survives every file, tells what it left out, and never crashes in the middle."""

import json
import os
import shutil
import stat
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ser.corpora import _tones, emodb, manifest_csv, ravdess, savee, tess
from ser.data import audio, scan, zips
from ser.data.manifest import Manifest
from ser.data.scan import Stretch
from ser.errors import BadInput


def tones(folder: Path, *names: str, seed: int = 0) -> Path:
    for name in names:
        _tones.write(folder / name, 16_000, "sad", "s", seed)
    return folder


def emodb_scan(path: Path, cache: Path) -> Manifest:
    return scan.scan("emodb", "emodb", path, {}, cache)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files whose audio was read."""
    names: list[str] = []
    original = audio.inspect_stretches

    def noted(path: Path, stretches: list[Stretch]) -> list[audio.AudioFacts | audio.UnusableAudio]:
        names.append(path.name)
        return original(path, stretches)

    monkeypatch.setattr(audio, "inspect_stretches", noted)
    return names


def test_every_damaged_file_is_refused_and_no_other(tmp_path: Path) -> None:
    folder = tones(tmp_path / "wav", *(f"03a01{x}a.wav" for x in "WLEAFTN"), "03a02Wa.wav", "03a02Fa.wav")
    _tones.cut_off(folder / "03a01Wa.wav")
    (folder / "03a01La.wav").write_bytes((folder / "03a01La.wav").read_bytes()[:44])
    (folder / "03a01Ea.wav").write_bytes(b"")
    soundfile.write(folder / "03a01Aa.wav", np.full(100, np.nan), 16_000, subtype="FLOAT")
    (folder / "03a01Fa.wav").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    soundfile.write(folder / "03a01Ta.wav", np.zeros(8000), 16_000)
    (folder / "03a02Wa.wav").unlink()
    (folder / "03a02Wa.wav").symlink_to("absent.wav")
    (folder / "03a02Ta.wav").write_bytes(b"\x00\x01garbage" * 500)
    (folder / "._03a01Na.wav").write_bytes(b"\0\5\x16\7")
    (folder / ".DS_Store").write_bytes(b"\0")
    manifest = emodb_scan(tmp_path, tmp_path / "cache")
    assert [u.uid for u in manifest.utterances] == ["emodb/03a01Na", "emodb/03a02Fa"]
    assert {Path(r.what).stem: r.reason.split(":")[0] for r in manifest.refused} == {
        "03a01Wa": "truncated",
        "03a01La": "no samples",
        "03a01Ea": "empty file",
        "03a01Aa": "NaN or infinite samples",
        "03a01Fa": "a git-LFS pointer, not audio; run `git lfs pull` in the corpus folder",
        "03a01Ta": "silent",
        "03a02Wa": "cannot be read",
        "03a02Ta": "unreadable",
    }


def test_shortest_path_is_kept_of_each_utterance(tmp_path: Path) -> None:
    data = tmp_path / "data"
    tones(data, "y/03a01Wa.wav", "x/03a01Wa.wav", "nested/03a01Wa.wav", "nested/03a01Fa.wav")
    manifest = emodb_scan(data, tmp_path / "cache")
    assert [u.path for u in manifest.utterances] == [str(data / "nested/03a01Fa.wav"), str(data / "x/03a01Wa.wav")]
    assert [(r.what, r.reason) for r in manifest.refused] == [
        (str(data / "nested/03a01Wa.wav"), f"duplicate of {data}/x/03a01Wa.wav"),
        (str(data / "y/03a01Wa.wav"), f"duplicate of {data}/x/03a01Wa.wav"),
    ]


def test_a_damaged_copy_does_not_hide_a_whole_one(tmp_path: Path, reads: list[str]) -> None:
    data = tmp_path / "data"
    tones(data, "x/03a01Wa.wav", "nested/03a01Wa.wav", "nested/deeper/03a01Wa.wav", "x/03a01Fa.wav")
    (data / "x/03a01Wa.wav").write_bytes(b"")
    manifest = emodb_scan(data, tmp_path / "cache")
    assert [u.path for u in manifest.utterances] == [str(data / "x/03a01Fa.wav"), str(data / "nested/03a01Wa.wav")]
    assert {r.what: r.reason for r in manifest.refused} == {
        str(data / "x/03a01Wa.wav"): "empty file",
        str(data / "nested/deeper/03a01Wa.wav"): f"duplicate of {data}/nested/03a01Wa.wav",
    }
    assert sorted(reads) == ["03a01Fa.wav", "03a01Wa.wav", "03a01Wa.wav"]  # the third copy is not opened


def test_second_scan_reads_only_what_changed(tmp_path: Path, reads: list[str]) -> None:
    folder = tones(tmp_path / "wav", "03a01Wa.wav", "03a01Fa.wav", "03a01Na.wav")
    (folder / "03a01Ta.wav").write_bytes(b"")
    first = emodb_scan(folder, tmp_path / "cache")
    assert sorted(reads) == ["03a01Fa.wav", "03a01Na.wav", "03a01Ta.wav", "03a01Wa.wav"]
    reads.clear()
    assert emodb_scan(folder, tmp_path / "cache") == first
    assert reads == []
    before = (folder / "03a01Fa.wav").stat()
    data = (folder / "03a01Fa.wav").read_bytes()
    (folder / "03a01Fa.wav").write_bytes(data[:-2] + bytes([data[-2] ^ 1, data[-1]]))
    os.utime(folder / "03a01Fa.wav", ns=(before.st_atime_ns, before.st_mtime_ns))  # an old date does not hide a change
    changed = emodb_scan(folder, tmp_path / "cache")
    assert reads == ["03a01Fa.wav"]
    assert changed.fingerprint != first.fingerprint
    assert changed == emodb_scan(folder, tmp_path / "no cache")


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"rules": "old", "files": {}}', b"\xff\xfe"])
def test_damaged_memory_is_rebuilt(tmp_path: Path, reads: list[str], damage: bytes) -> None:
    folder = tones(tmp_path / "wav", "03a01Wa.wav")
    first = emodb_scan(folder, tmp_path / "cache")
    store = tmp_path / "cache/emodb-facts.json"
    good = store.read_bytes()
    store.write_bytes(damage)
    assert emodb_scan(folder, tmp_path / "cache") == first
    assert reads == ["03a01Wa.wav"] * 2
    assert store.read_bytes() == good
    assert os.listdir(store.parent) == [store.name]


def test_memory_of_other_rules_is_void(tmp_path: Path, reads: list[str]) -> None:
    folder = tones(tmp_path / "wav", "03a01Wa.wav")
    emodb_scan(folder, tmp_path / "cache")
    store = tmp_path / "cache/emodb-facts.json"
    store.write_text(json.dumps({**json.loads(store.read_text()), "rules": "those of last year"}))
    emodb_scan(folder, tmp_path / "cache")
    assert reads == ["03a01Wa.wav"] * 2


def test_a_disk_that_failed_once_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tones(tmp_path / "wav", "03a01Wa.wav", "03a01Fa.wav")
    original = audio.inspect_stretches

    def failing(path: Path, stretches: list[Stretch]) -> list[audio.AudioFacts | audio.UnusableAudio]:
        if path.name == "03a01Wa.wav":
            raise OSError(5, "Input/output error")
        return original(path, stretches)

    with monkeypatch.context() as patch:
        patch.setattr(audio, "inspect_stretches", failing)
        manifest = emodb_scan(folder, tmp_path / "cache")
    assert [r.reason for r in manifest.refused] == ["cannot be read: Input/output error"]
    assert emodb_scan(folder, tmp_path / "cache").refused == ()


def test_damaged_entries_of_memory_are_read_again(tmp_path: Path, reads: list[str]) -> None:
    folder = tones(tmp_path / "wav", "03a01Wa.wav")
    first = emodb_scan(folder, tmp_path / "cache")
    store = tmp_path / "cache/emodb-facts.json"
    content = json.loads(store.read_text())
    stamp, common, rows = content["files"][str(folder / "03a01Wa.wav")]
    for entry in ([], ["stamp"], None, [stamp, rows], [stamp, common[:1], rows], [stamp, 7, rows]):
        content["files"][str(folder / "03a01Wa.wav")] = entry
        store.write_text(json.dumps(content))
        assert emodb_scan(folder, tmp_path / "cache") == first
    assert len(reads) == 7


def test_stretches_of_one_file_are_read_once(tmp_path: Path, reads: list[str]) -> None:
    folder = tmp_path / "calls"
    _tones.write(folder / "call.wav", 8000, "sad", "s", 0, seconds=2)
    lines = [f"call.wav,sad,s1,{i / 4},{i / 4 + 0.25}" for i in range(8)] + ["call.wav,sad,s1,3,4"]
    (folder / "manifest.csv").write_text("\n".join(["path,label,speaker,start,end", *lines]))
    manifest = scan.scan("calls", "manifest_csv", folder, {}, tmp_path / "cache")
    assert reads == ["call.wav"]
    assert [u.seconds for u in manifest.utterances] == [0.25] * 8
    assert [r.reason for r in manifest.refused] == ["stretch 3.0-4.0 s is not inside the file's 2.000 s"]
    for some, times in ((lines[:4], 1), (["call.wav,sad,s1,0.1,0.2"], 2), (lines, 2)):
        (folder / "manifest.csv").write_text("\n".join(["path,label,speaker,start,end", *some]))
        again = scan.scan("calls", "manifest_csv", folder, {}, tmp_path / "cache")
        assert len(again.utterances) == min(len(some), 8)
        assert reads == ["call.wav"] * times


def test_fingerprint_follows_labels_speakers_splits_and_texts(tmp_path: Path) -> None:
    folder = tones(tmp_path / "mine", "a.wav", "b.wav")

    def fingerprint(second: str, header: str = "path,label,speaker,split,text") -> str:
        (folder / "manifest.csv").write_text(f"{header}\na.wav,sad,s1,,\n{second}\n")
        return scan.scan("mine", "manifest_csv", folder, {}, tmp_path / "cache").fingerprint

    first = fingerprint("b.wav,sad,s2,,")
    assert fingerprint("b.wav,triste,s2,,") == first  # the same label by another word changes no number
    others = ("b.wav,happy,s2,,", "b.wav,sad,s3,,", "b.wav,sad,s2,test,", "b.wav,sad,s2,,hello")
    assert len({first, *map(fingerprint, others)}) == 5


def test_progress_counts_files(tmp_path: Path) -> None:
    folder = tones(tmp_path / "wav", *(f"03a01{x}a.wav" for x in "WLEAF"))
    calls: list[tuple[int, int]] = []
    for _ in range(2):
        scan.scan("emodb", "emodb", folder, {}, tmp_path / "cache", lambda done, total: calls.append((done, total)))
    assert calls == [(i, 5) for i in range(6)] + [(5, 5)]


def test_manifest_says_how_it_was_read(tmp_path: Path) -> None:
    ravdess.miniature(tmp_path)
    manifest = scan.scan("sung", "ravdess", tmp_path, {"channels": ("song",)}, tmp_path / "cache")
    assert (manifest.corpus, manifest.loader, manifest.settings) == (
        "sung",
        "ravdess",
        (("actors", ()), ("channels", ("song",))),
    )
    assert manifest.root == str(tmp_path / "RAVDESS")
    assert {u.uid.split("/")[0] for u in manifest.utterances} == {"sung"}


@pytest.mark.parametrize(("above", "demo"), [(0, True), (1, True), (2, True), (3, False)])
def test_made_corpora_are_marked(tmp_path: Path, above: int, demo: bool) -> None:
    folder = tones(tmp_path / "1/2/3", "03a01Wa.wav")
    tones(folder, "03a01Fa.wav")
    ([folder, *folder.parents][above] / "MADE_BY_SER_DEMO").touch()
    assert emodb_scan(folder, tmp_path / "cache").demo is demo
    (folder / "manifest.csv").write_text("path,label,speaker\n03a01Wa.wav,sad,s1\n")
    assert scan.scan("mine", "manifest_csv", folder / "manifest.csv", {}, tmp_path / "cache").demo is demo


# The same audio twice


def listed(folder: Path, *rows: str, cache: Path) -> Manifest:
    (folder / "manifest.csv").write_text("\n".join(["path,label,speaker,start,end", *rows]))
    return scan.scan("mine", "manifest_csv", folder, {}, cache)


def test_the_same_audio_is_used_once_where_all_say_the_same_of_it(tmp_path: Path) -> None:
    folder = tones(tmp_path / "mine", "long/a.wav", "b.wav")
    shutil.copy(folder / "long/a.wav", folder / "a2.wav")
    soundfile.write(folder / "a3.flac", *soundfile.read(folder / "a2.wav"))
    rows = ["long/a.wav,sad,s1,,", "a2.wav,sad,s1,,", "a3.flac,triste,s1,,", "b.wav,sad,s1,,"]
    manifest = listed(folder, *rows, cache=tmp_path / "cache")
    assert [u.uid for u in manifest.utterances] == ["mine/a2", "mine/b"]
    reason = f"duplicate of {folder}/a2.wav: the same audio, speaker and label"
    assert {r.what: r.reason for r in manifest.refused} == dict.fromkeys(
        [f"{folder}/a3.flac", f"{folder}/long/a.wav"], reason
    )
    assert {r.kind for r in manifest.refused} == {"duplicate"}


def test_the_same_audio_of_two_speakers_or_labels_is_left_out_and_every_file_is_told(tmp_path: Path) -> None:
    folder = tones(tmp_path / "mine", *(f"{name}.wav" for name in "abcde"))
    for copy, name in (("a2", "a"), ("b2", "b"), ("b3", "b")):
        shutil.copy(folder / f"{name}.wav", folder / f"{copy}.wav")
    rows = ["a.wav,sad,s1,,", "a2.wav,sad,s2,,", "b.wav,sad,s1,,", "b2.wav,sad,s1,,", "b3.wav,angry,s1,,"]
    rows += ["c.wav,sad,s1,,", "d.wav,sad,s1,0.0,0.1", "d.wav,sad,s2,0.1,0.2", "e.wav,sad,s1,,"]
    manifest = listed(folder, *rows, cache=tmp_path / "cache")
    assert [Path(u.path).name for u in manifest.utterances] == ["c.wav", "d.wav", "d.wav", "e.wav"]
    told = {Path(r.what).name: r.reason.partition(": ")[2] for r in manifest.refused}
    assert told == {
        "a.wav": f"{folder}/a2.wav has speaker s2, this one speaker s1",
        "a2.wav": f"{folder}/a.wav has speaker s1, this one speaker s2",
        "b.wav": f"{folder}/b3.wav has angry, this one sad, with 1 more",
        "b2.wav": f"{folder}/b3.wav has angry, this one sad, with 1 more",
        "b3.wav": f"{folder}/b.wav has sad, this one angry, with 1 more",
    }
    assert {r.kind for r in manifest.refused} == {"the same audio with two speakers or labels, all left out"}


def test_headers_that_were_mended_are_remarked_also_from_memory(tmp_path: Path, reads: list[str]) -> None:
    folder = tones(tmp_path / "wav", "03a01Wa.wav", "03a01Fa.wav")
    data = (folder / "03a01Wa.wav").read_bytes()
    (folder / "03a01Wa.wav").write_bytes(data[:40] + bytes(4) + data[44:])
    first = emodb_scan(folder, tmp_path / "cache")
    assert len(first.utterances) == 2
    assert [(r.what, r.reason[:34]) for r in first.remarks] == [
        (str(folder / "03a01Wa.wav"), "its header announces no samples, a")
    ]
    assert emodb_scan(folder, tmp_path / "cache") == first
    assert len(reads) == 2


# What a person gave wrongly


def test_wrong_folder_is_told_in_four_parts(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as caught:
        scan.scan("ravdess", "ravdess", tmp_path, {}, tmp_path / "cache")
    assert str(caught.value) == (
        f"ravdess: no wav named MM-VV-EE-II-SS-RR-AA.wav below {tmp_path}; allowed: a folder of RAVDESS; "
        "pass the folder that holds Actor_01 … Actor_24"
    )
    with pytest.raises(BadInput, match="absent, which does not exist"):
        scan.scan("tess", "tess", tmp_path / "absent", {}, tmp_path / "cache")


def test_unknown_loader_setting_and_name_are_told(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="crema_d, emobox, emodb"):
        scan.scan("x", "ravdes", tmp_path, {}, tmp_path)
    with pytest.raises(BadInput, match=r"loader \(tess\): 'channels'; allowed: none"):
        scan.scan("tess", "tess", tmp_path, {"channels": ("speech",)}, tmp_path)
    for name in ("", "../x", "a/b", "a b", "."):
        with pytest.raises(BadInput, match="corpus name"):
            scan.scan(name, "tess", tmp_path, {}, tmp_path)


def test_corpus_without_a_usable_file_is_told_with_the_reasons(tmp_path: Path) -> None:
    for name in ("03a01Wa.wav", "03a01Fa.wav"):
        (tmp_path / name).touch()
    with pytest.raises(BadInput, match=r"nothing usable: empty file \(2 times\)"):
        emodb_scan(tmp_path, tmp_path / "cache")


def test_choice_of_nothing_is_told(tmp_path: Path) -> None:
    tones(tmp_path, "Actor_01/03-01-03-01-01-01-01.wav")
    with pytest.raises(
        BadInput, match=r"ravdess: .*nothing usable: left out by the settings \(channels, actors\): 1 recording"
    ):
        scan.scan("ravdess", "ravdess", tmp_path, {"channels": ("song",)}, tmp_path / "cache")


# What lies where


def test_tables_of_one_folder_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "My Calls").mkdir()
    (tmp_path / "two").mkdir()
    for path in ("My Calls/manifest.csv", "two/first.csv", "two/second.csv"):
        (tmp_path / path).write_text("path,label,speaker\nx.wav,sad,s\n")
    names = {name: root for name, loader, root in scan.corpora_below([tmp_path]) if loader == "manifest_csv"}
    assert names == {
        "my_calls": tmp_path / "My Calls/manifest.csv",
        "first": tmp_path / "two/first.csv",
        "second": tmp_path / "two/second.csv",
    }


def test_of_corpora_of_one_name_all_are_found(tmp_path: Path) -> None:
    tones(tmp_path, "a/03a01Wa.wav", "b/03a01Wa.wav")
    both = [("emodb", "emodb", tmp_path / "a"), ("emodb", "emodb", tmp_path / "b")]
    assert scan.corpora_below([tmp_path / "a", tmp_path / "b"]) == both
    assert scan.corpora_below([tmp_path / "a", tmp_path]) == [("emodb", "emodb", tmp_path)]  # the outer holds the inner
    assert scan.corpora_below([]) == []


def told(manifest: Manifest, folder: Path) -> dict[str, str]:
    return {os.path.relpath(r.what, folder): r.reason for r in manifest.refused}


def test_audio_below_a_corpus_that_is_none_of_its_recordings_is_listed(tmp_path: Path) -> None:
    tones(tmp_path, "wav/03a01Wa.wav", "wav/03a01Xa.wav", "other/beep.WAV", "tess/OAF_back_sad.wav", "mine/a.wav")
    (tmp_path / "mine/calls.csv").write_text("path,label,speaker\na.wav,sad,s\n")
    for name in (
        "wav/03a01Fa.mp3",
        "other/talk.m4a",
        "wav/._x.wav",
        "wav/notes.txt",
        "all.tar.gz",
        "rest.zip.part",
        "b.z01",
    ):
        (tmp_path / name).touch()
    tones(tmp_path, "03a01Na.wav")  # so that the root is the whole folder
    form = "not a wav named like 03a01Fa.wav (speaker, sentence, emotion, version)"
    assert told(emodb_scan(tmp_path, tmp_path / ".cache"), tmp_path) == {
        "wav/03a01Xa.wav": form,
        "wav/03a01Fa.mp3": form,
        "other/beep.WAV": form,
        "other/talk.m4a": form,
        "all.tar.gz": "an archive that is not read: unpack it",
        "rest.zip.part": "a download that was cut off: fetch it again",
        "b.z01": "a part of a divided archive: join and unpack it",
    }


def test_a_folder_of_much_other_audio_is_one_line(tmp_path: Path) -> None:
    tones(tmp_path, "03a01Wa.wav")
    (tmp_path / "mp3").mkdir()
    for number in range(21):
        (tmp_path / f"mp3/{number:02}a01Wa.mp3").touch()
    reason = "21 files, such as 00a01Wa.mp3: named like a recording, but only wav and flac are read"
    assert told(emodb_scan(tmp_path, tmp_path / "cache"), tmp_path) == {"mp3": reason}


def test_recordings_that_no_line_names_are_listed(tmp_path: Path) -> None:
    tones(tmp_path, "real/a.wav", "c.wav", "other/manifest.wav")
    (tmp_path / "wav").symlink_to("real")
    (tmp_path / "manifest.csv").write_text("path,label,speaker\nwav/a.wav,sad,s1\n")  # named by way of a link
    (tmp_path / "other/manifest.csv").write_text("path,label,speaker\nmanifest.wav,sad,s1\n")
    manifest = scan.scan("mine", "manifest_csv", tmp_path, {}, tmp_path / "cache")
    assert told(manifest, tmp_path) == {"c.wav": "no line of the table names it"}


def test_recordings_that_settings_leave_out_are_counted(tmp_path: Path) -> None:
    tones(tmp_path, *(f"Actor_01/03-0{channel}-04-01-01-01-01.wav" for channel in (1, 2)))
    manifest = scan.scan("ravdess", "ravdess", tmp_path, {}, tmp_path / "cache")
    assert told(manifest, tmp_path) == {"Actor_01": "left out by the settings (channels, actors): 1 recording"}


def test_what_lies_in_no_corpus_is_listed(tmp_path: Path) -> None:
    tones(tmp_path, "emodb/03a01Wa.wav", "emodb/beep.wav", "mine/a.wav", "iemocap/Ses01F_impro01_F000.wav", "x/b.wav")
    (tmp_path / "mine/manifest.csv").write_text("path,label,speaker\na.wav,sad,s1\n")
    (tmp_path / "x.rar").touch()
    (tmp_path / "work/store/manifests").mkdir(parents=True)
    places, left = scan.survey([tmp_path])
    assert [name for name, _, _ in places] == ["emodb", "mine"]  # what lies within them is told with them
    assert {os.path.relpath(r.what, tmp_path): r.reason.split(":")[0] for r in left} == {
        "x/b.wav": "in no corpus",
        "iemocap/Ses01F_impro01_F000.wav": "named like a recording of IEMOCAP, of which the rest is missing",
        "x.rar": "an archive that is not read",
        "work": "a work folder",
    }


# As distributed


def zipped(folder: Path, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
        archive.writestr("__MACOSX/x/._y.wav", b"\0")
        archive.writestr("readme.txt", "about")
    return target


@pytest.mark.parametrize("loader", [ravdess, tess, emodb])
def test_zip_is_read_as_the_folder_in_it(tmp_path: Path, loader: object) -> None:
    name = loader.__name__.rsplit(".", 1)[1]  # type: ignore[attr-defined]
    folder = loader.miniature(tmp_path / "made")  # type: ignore[attr-defined]
    path = zipped(folder.parent, tmp_path / "given/download.zip")
    plain = scan.scan(name, name, folder, {}, tmp_path / "cache")
    assert scan.corpora_below([path.parent]) == [(name, name, path)]
    for given in (path, path.parent, tmp_path / "given"):
        manifest = scan.scan(name, name, given, {}, tmp_path / "zip cache")
        assert manifest.fingerprint == plain.fingerprint
        assert all(u.path.startswith(str(tmp_path / "zip cache/unpacked-")) for u in manifest.utterances)
    assert len(list((tmp_path / "zip cache").glob("unpacked-*"))) == 1
    assert not list((tmp_path / "zip cache").glob(".unpacking*"))
    assert os.listdir(path.parent) == ["download.zip"]


def test_zip_is_unpacked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zipped(tones(tmp_path / "made", "03a01Wa.wav"), tmp_path / "given/x.zip")
    first = emodb_scan(path, tmp_path / "cache")
    monkeypatch.setattr(zips, "_extract", lambda *_: pytest.fail("unpacked again"))
    assert emodb_scan(path, tmp_path / "cache") == first


def test_unpacked_files_go_before_the_zip(tmp_path: Path) -> None:
    folder = emodb.miniature(tmp_path / "data")
    zipped(folder, tmp_path / "data/download.zip")
    emodb_scan(tmp_path / "data", tmp_path / "cache")
    assert os.listdir(tmp_path / "cache") == ["emodb-facts.json"]


def test_loose_recordings_and_those_in_a_zip_are_one_corpus(tmp_path: Path) -> None:
    made = tones(tmp_path / "made", "wav/03a01Wa.wav", "wav/03a01Fa.wav", "wav/03a01Na.wav")
    path = zipped(made, tmp_path / "data/download.zip")
    (tmp_path / "data/listen").mkdir()
    shutil.copy(made / "wav/03a01Fa.wav", tmp_path / "data/listen")
    _tones.write(tmp_path / "data/listen/03a01Na.wav", 16_000, "sad", "s", 0, seconds=1)  # of other content
    assert scan.corpora_below([tmp_path / "data"]) == [("emodb", "emodb", tmp_path / "data")]
    manifest = emodb_scan(tmp_path / "data", tmp_path / "a cache")
    names = {u.uid: Path(u.path).parent.name for u in manifest.utterances}
    assert names == {"emodb/03a01Fa": "listen", "emodb/03a01Na": "listen", "emodb/03a01Wa": "wav"}
    assert {r.what: r.reason for r in manifest.refused} == {
        f"{path}/wav/{name}.wav": f"duplicate of {tmp_path}/data/listen/{name}.wav" for name in ("03a01Fa", "03a01Na")
    }


def test_a_zip_in_place_of_another_is_read_though_the_work_folder_lies_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tones(tmp_path / "made", "03a01Wa.wav", "03a01Fa.wav")
    monkeypatch.chdir(tmp_path / "made")
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path / "data")
    cache = Path("work/store/manifests")
    for count in (1, 2):
        with zipfile.ZipFile("download.zip", "w") as archive:
            for path in sorted(made.iterdir())[:count]:
                archive.write(path, path.name)
        for _ in range(2):
            assert scan.corpora_below([Path(".")]) == [("emodb", "emodb", tmp_path / "data/download.zip")]
            assert len(emodb_scan(Path("."), cache).utterances) == count


def test_a_zip_that_is_wholly_unpacked_beside_it_is_one_line(tmp_path: Path) -> None:
    loose = tones(tmp_path / "data/wav", "03a01Wa.wav", "03a01Fa.wav")
    path = zipped(loose, tmp_path / "data/download.zip")
    manifest = emodb_scan(tmp_path / "data", tmp_path / "cache")
    reason = f"duplicate of the unpacked recordings below {loose}: all 2 in it are there"
    assert [(r.what, r.reason) for r in manifest.refused] == [(str(path), reason)]


def test_a_damaged_zip_beside_others_is_listed_and_they_are_read(tmp_path: Path) -> None:
    loose = tones(tmp_path / "data/wav", "03a01Wa.wav")
    path = zipped(tones(tmp_path / "made", "03a01Fa.wav"), tmp_path / "data/x.zip")
    data = bytearray(path.read_bytes())
    data[200] ^= 255
    path.write_bytes(bytes(data))
    manifest = emodb_scan(tmp_path / "data", tmp_path / "cache")
    assert [u.path for u in manifest.utterances] == [str(loose / "03a01Wa.wav")]
    assert "cannot be unpacked: Bad CRC" in told(manifest, tmp_path)["data/x.zip"]


def test_zips_far_below_are_found_and_what_they_hold_besides_is_listed(tmp_path: Path) -> None:
    made = tones(tmp_path / "made", "03a01Wa.wav", "other/beep.wav")
    path = zipped(made, tmp_path / "given/a/b/c/X.ZIP")
    assert scan.corpora_below([tmp_path / "given"]) == [("emodb", "emodb", path)]
    manifest = emodb_scan(tmp_path / "given", tmp_path / "cache")
    assert [u.uid for u in manifest.utterances] == ["emodb/03a01Wa"]
    assert list(told(manifest, path)) == ["other/beep.wav"]


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        (["ALL/DC_a01.wav"], "recordings of SAVEE are not read from a zip: unpack it"),
        (["calls/1.wav", "calls/2.mp3"], "2 audio files, such as calls/1.wav, are not read from a zip: unpack it"),
        (["Audio_Speech.zip", "about.txt"], "Audio_Speech.zip is an archive in a zip, which is not read: unpack it"),
        (["about.txt", "__MACOSX/x.wav", "a/._b.wav"], None),
        ([], None),
    ],
)
def test_zips_that_no_corpus_takes_are_listed(tmp_path: Path, members: list[str], reason: str | None) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for member in members:
            archive.writestr(member, b"x")
    places, left = scan.survey([tmp_path])
    assert (places, [r.reason for r in left]) == ([], [reason] if reason else [])


def test_a_full_disk_is_not_the_zips_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loose = tones(tmp_path / "data", "03a01Wa.wav")
    zipped(tones(tmp_path / "made", "03a01Fa.wav"), loose / "x.zip")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(OSError, match="No space left"):
        emodb_scan(loose, tmp_path / "cache")
    assert os.listdir(tmp_path / "cache") == []


def test_speech_and_song_zips_are_one_corpus(tmp_path: Path) -> None:
    for channel in ("01", "02"):
        made = tones(tmp_path / channel, f"Actor_01/03-{channel}-04-01-01-01-01.wav")
        zipped(made, tmp_path / f"given/Audio_{channel}.zip")
    manifest = scan.scan("r", "ravdess", tmp_path / "given", {"channels": ("speech", "song")}, tmp_path / "cache")
    assert [u.channel for u in manifest.utterances] == ["speech", "song"]
    assert scan.corpora_below([tmp_path / "given"]) == [("ravdess", "ravdess", tmp_path / "given")]


@pytest.mark.parametrize(
    "member", ["../03a01Wa.wav", "a/../../03a01Wa.wav", "/tmp/03a01Wa.wav", "..\\x/03a01Wa.wav", "C:/03a01Wa.wav"]
)
def test_zip_members_that_lead_out_are_refused(tmp_path: Path, member: str) -> None:
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr(member, b"x")
    with pytest.raises(BadInput, match="plain files below one folder"):
        emodb_scan(tmp_path, tmp_path / "cache/deep")
    assert not list(tmp_path.rglob("*.wav"))
    assert os.listdir(tmp_path / "cache/deep") == []


def test_zip_members_that_are_links_are_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("wav/03a01Wa.wav")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(BadInput, match="plain files below one folder"):
        emodb_scan(tmp_path, tmp_path / "cache")


def test_damaged_and_too_large_zips_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = tones(tmp_path / "made", "03a01Wa.wav")
    path = zipped(made, tmp_path / "given/x.zip")
    data = bytearray(path.read_bytes())
    data[200] ^= 255
    path.write_bytes(bytes(data))
    with pytest.raises(BadInput, match="cannot be unpacked: Bad CRC"):
        emodb_scan(path, tmp_path / "cache")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 0))
    with pytest.raises(BadInput, match="0 bytes free"):
        emodb_scan(path, tmp_path / "cache")
    assert os.listdir(tmp_path / "cache") == []
    path.write_bytes(b"PK not a zip")
    with pytest.raises(BadInput, match="no wav named"):
        emodb_scan(path, tmp_path / "cache")


def test_zip_of_another_corpus_is_left_alone(tmp_path: Path) -> None:
    zipped(tones(tmp_path / "made", "DC/a01.wav"), tmp_path / "given/x.zip")
    assert scan.corpora_below([tmp_path / "given"]) == []
    assert savee.find(tmp_path / "given") is None
    assert not hasattr(manifest_csv, "ZIPPED")


def test_an_interrupted_scan_ends_at_once_and_keeps_what_it_learnt(tmp_path, monkeypatch):
    names = [f"wav/{speaker:02d}a{text:02d}Fa.wav" for speaker in range(3, 17) for text in range(1, 9)]
    tones(tmp_path, *names)
    read = []
    genuine = audio.inspect_stretches
    monkeypatch.setattr(audio, "inspect_stretches", lambda *asked: read.append(asked) or genuine(*asked))

    def interrupted(done, of):
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scan.scan("emodb", "emodb", tmp_path, {}, tmp_path / "cache", interrupted)
    assert len(read) < len(names)
    assert len(json.loads((tmp_path / "cache" / "emodb-facts.json").read_text())["files"]) >= 1

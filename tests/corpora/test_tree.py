"""Walking a folder: every file once, whatever links and litter lie in it."""

import os
import re
from pathlib import Path

import pytest

from ser.data import folders
from ser.data.manifest import Refusal


def test_every_file_once(tmp_path: Path) -> None:
    for name in ("b/2.wav", "a/1.wav", "a/.hidden.wav", ".git/x.wav", "__MACOSX/x.wav", "a/._1.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "a/loop").symlink_to(tmp_path)
    (tmp_path / "c").symlink_to(tmp_path / "b")
    (tmp_path / "a/broken.wav").symlink_to("nowhere")
    (tmp_path / "a/link.wav").symlink_to("1.wav")
    (tmp_path / "a/self.wav").symlink_to("self.wav")
    (tmp_path / "a/folder.wav").mkdir()
    (tmp_path / "a/folder.wav/3.wav").touch()
    os.mkfifo(tmp_path / "a/pipe.wav")
    found = [str(p.relative_to(tmp_path)) for p in folders.files(tmp_path)]
    assert found == [
        "a/1.wav", "a/broken.wav", "a/folder.wav", "a/link.wav", "a/pipe.wav", "a/self.wav", "a/folder.wav/3.wav",
        "b/2.wav",
    ]  # fmt: skip


def test_folders_that_cannot_be_listed_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a/1.wav", "b/2.wav"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    genuine = os.scandir

    def failing(folder: str) -> object:
        if folder.endswith("/a"):
            raise PermissionError(13, "Permission denied")
        return genuine(folder)

    monkeypatch.setattr(os, "scandir", failing)
    right, refused = folders.recordings(tmp_path, re.compile("2"), "wav named 2.wav")
    assert [path.name for path, _ in right] == ["2.wav"]
    assert refused == [Refusal(str(tmp_path / "a"), "a folder that cannot be listed: Permission denied")]


def test_label_files_that_cannot_be_read_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "good.txt").write_bytes(b"\xef\xbb\xbfa\xff\n")
    (tmp_path / "large.txt").write_bytes(b"0123456789")
    monkeypatch.setattr(folders, "TEXT_BYTES", 9)
    refused: list[Refusal] = []
    names = ("pipe.txt", "absent.txt", ".", "large.txt", "good.txt")
    assert [folders.text(tmp_path / name, refused) for name in names] == ["", "", "", "", "a\ufffd\n"]
    assert folders.text(tmp_path / "large.txt", refused, first=3) == "012"
    assert [r.reason for r in refused] == [
        "cannot be read: a pipe or device, not a file",
        "cannot be read: No such file or directory",
        "cannot be read: Is a directory",
        "cannot be read: 10 bytes, more than 9",
    ]


def test_depth_ends(tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(folders.MAX_DEPTH):
        deep = deep / "d"
    (deep / "e").mkdir(parents=True)
    (deep / "in.wav").touch()
    (deep / "e/out.wav").touch()
    refused: list[Refusal] = []
    assert list(folders.files(tmp_path, refused)) == [deep / "in.wav"]
    ((what, reason),) = [(r.what, r.reason) for r in refused]
    assert what == str(deep / "e")
    assert reason.startswith(f"more than 8 folders below {tmp_path}: not looked into;")


def test_relative_folders_give_absolute_paths(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    assert list(folders.files(Path(os.path.relpath(tmp_path)))) == [tmp_path / "a.wav"]


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def walked(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in folders.files(folder)]


def test_what_runs_left_in_a_work_folder_is_no_data(tmp_path: Path) -> None:
    left = (
        "store/manifests/unpacked-12ab/0/a.wav",
        "cache/b.wav",
        "trials/c.wav",
        "corpora/made/d.wav",
        "reports/e.csv",
    )
    touch(tmp_path, "z.wav", *(f"work/{name}" for name in left), "work/corpora/MADE_BY_SER_DEMO", "work/mine/f.wav")
    assert walked(tmp_path) == ["z.wav", "work/mine/f.wav"]
    assert [r.what for r in folders.walk(tmp_path).passed] == [str(tmp_path / "work")]
    assert walked(tmp_path / "work") == ["mine/f.wav"]
    # What a person names is looked into all the same.
    assert walked(tmp_path / "work/corpora") == ["MADE_BY_SER_DEMO", "made/d.wav"]
    assert walked(tmp_path / "work/store/manifests/unpacked-12ab") == ["0/a.wav"]


@pytest.mark.parametrize("mark", ["store/manifests/tess.csv", "mlflow.db"])
def test_a_work_folder_is_known_by_what_is_in_it(tmp_path: Path, mark: str) -> None:
    touch(tmp_path, f"results/{mark}", "results/id", "results/store/a.wav", "b/store/c.wav", "b/cache/d.wav")
    assert walked(tmp_path / "b") == ["cache/d.wav", "store/c.wav"]
    assert not [name for name in walked(tmp_path) if name.endswith("a.wav")]


def test_environments_and_packages_hold_no_data(tmp_path: Path) -> None:
    packages = (
        "env/lib/python3/site-packages/scipy/a.wav",
        "node_modules/b.wav",
        "conda/share/c.wav",
        "nas/@eaDir/d.wav",
    )
    touch(tmp_path, *packages, "env/pyvenv.cfg", "env/e.wav", "conda/conda-meta/history", "nas/f.wav")
    assert walked(tmp_path) == ["nas/f.wav"]
    assert "e.wav" in walked(tmp_path / "env")


def test_the_kernels_own_folders_are_not_walked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "proc/1/root/a.wav", "b.wav")
    monkeypatch.setattr(folders, "_kernel_mounts", lambda: (str(tmp_path / "proc"), str(tmp_path / "gone")))
    assert walked(tmp_path) == ["b.wav"]
    assert walked(tmp_path / "proc") == ["1/root/a.wav"]


def test_a_folder_is_walked_once_for_all_who_look_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "a/1.wav", "b/2.CSV")
    listed: list[str] = []
    genuine = os.scandir
    monkeypatch.setattr(os, "scandir", lambda folder: (listed.append(str(folder)), genuine(folder))[1])
    with folders.walked_once():
        assert len(list(folders.files(tmp_path))) == 2
        with folders.walked_once():
            assert [p.name for p in folders.files(tmp_path, suffixes=(".csv",))] == ["2.CSV"]
            assert [p.name for p, _ in folders.recordings(tmp_path, re.compile("1"), "")[0]] == ["1.wav"]
    assert len(listed) == len(set(listed)) == 3
    touch(tmp_path, "c.wav")
    assert "c.wav" in walked(tmp_path)  # outside nothing is remembered


def test_a_folder_that_vanishes_while_it_is_walked_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "a/1.wav", "b/2.wav")
    genuine = os.stat

    def stat(path: str, **options: bool) -> os.stat_result:
        if str(path).endswith("/b"):
            raise FileNotFoundError(2, "No such file or directory")
        return genuine(path, **options)

    monkeypatch.setattr(os, "stat", stat)
    refused: list[Refusal] = []
    assert [p.name for p in folders.files(tmp_path, refused)] == ["1.wav"]
    assert refused == [Refusal(str(tmp_path / "b"), "a folder that cannot be listed: No such file or directory")]

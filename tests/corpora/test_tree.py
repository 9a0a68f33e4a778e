"""Walking a folder: every file once, whatever links and litter lie in it."""

import os
import re
from pathlib import Path

import pytest

from ser.corpora import _tree
from ser.manifest import Refusal


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
    found = [str(p.relative_to(tmp_path)) for p in _tree.files(tmp_path)]
    assert found == [
        "a/1.wav", "a/broken.wav", "a/folder.wav/3.wav", "a/folder.wav", "a/link.wav", "a/pipe.wav", "a/self.wav",
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
    right, refused = _tree.recordings(tmp_path, re.compile("2"), "wav named 2.wav")
    assert [path.name for path, _ in right] == ["2.wav"]
    assert refused == [Refusal(str(tmp_path / "a"), "a folder that cannot be listed: Permission denied")]


def test_label_files_that_cannot_be_read_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "good.txt").write_bytes(b"\xef\xbb\xbfa\xff\n")
    (tmp_path / "large.txt").write_bytes(b"0123456789")
    monkeypatch.setattr(_tree, "TEXT_BYTES", 9)
    refused: list[Refusal] = []
    names = ("pipe.txt", "absent.txt", ".", "large.txt", "good.txt")
    assert [_tree.text(tmp_path / name, refused) for name in names] == ["", "", "", "", "a\ufffd\n"]
    assert _tree.text(tmp_path / "large.txt", refused, first=3) == "012"
    assert [r.reason for r in refused] == [
        "cannot be read: a pipe or device, not a file",
        "cannot be read: No such file or directory",
        "cannot be read: Is a directory",
        "cannot be read: 10 bytes, more than 9",
    ]


def test_depth_ends(tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(_tree.MAX_DEPTH):
        deep = deep / "d"
    (deep / "e").mkdir(parents=True)
    (deep / "in.wav").touch()
    (deep / "e/out.wav").touch()
    assert list(_tree.files(tmp_path)) == [deep / "in.wav"]


def test_relative_folders_give_absolute_paths(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    assert list(_tree.files(Path(os.path.relpath(tmp_path)))) == [tmp_path / "a.wav"]

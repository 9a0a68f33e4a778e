"""Walking a folder: every file once, whatever links and litter lie in it."""

import os
from pathlib import Path

from ser.corpora import _tree


def test_every_file_once(tmp_path: Path) -> None:
    for name in ("b/2.wav", "a/1.wav", "a/.hidden.wav", ".git/x.wav", "__MACOSX/x.wav", "a/._1.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "a/loop").symlink_to(tmp_path)
    (tmp_path / "c").symlink_to(tmp_path / "b")
    (tmp_path / "a/broken.wav").symlink_to("nowhere")
    (tmp_path / "a/link.wav").symlink_to("1.wav")
    os.mkfifo(tmp_path / "a/pipe.wav")
    found = [str(p.relative_to(tmp_path)) for p in _tree.files(tmp_path)]
    assert found == ["a/1.wav", "a/broken.wav", "a/link.wav", "b/2.wav"]


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

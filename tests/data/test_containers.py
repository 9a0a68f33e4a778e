"""Recordings inside Arrow and Parquet files: their paths, their bytes, and what cannot be read. Bytes by hand."""

import threading
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from ser.data import audio, containers
from ser.data.manifest import Utterance
from ser.distributed import transfer

DATA = [bytes([n]) * (n + 1) for n in range(7)]
TABLE = pyarrow.table({"audio": [{"bytes": d, "path": f"{n}.wav"} for n, d in enumerate(DATA)], "plain": DATA})


def write(path: Path, form: str) -> Path:
    if form == "parquet":
        pyarrow.parquet.write_table(TABLE, path, row_group_size=3)
    else:
        new = pyarrow.ipc.new_stream if form == "stream" else pyarrow.ipc.new_file
        with pyarrow.OSFile(str(path), "wb") as file, new(file, TABLE.schema) as writer:
            writer.write_table(TABLE, max_chunksize=3)
    return path


@pytest.fixture(params=["parquet", "stream", "file"])
def container(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return write(tmp_path / f"c.{'parquet' if request.param == 'parquet' else 'arrow'}", request.param)


@pytest.mark.parametrize("column", ["audio", "plain"])
def test_every_row_has_its_own_bytes(container: Path, column: str) -> None:
    for row in (6, 0, 3, 2, 5, 1, 4):
        path = containers.path_of(container, column, row)
        assert containers.read(path) == audio.read(path, 100) == DATA[row]
        assert audio.read(path, 100, first=1) == DATA[row][:1]
        assert containers.file_of(path) == str(container)


def test_rows_are_read_by_many_threads_alike(container: Path) -> None:
    wrong = []

    def read() -> None:
        for row in range(7):
            if containers.read(containers.path_of(container, "audio", row)) != DATA[row]:
                wrong.append(row)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("inside", ["audio/7", "none/0", "audio/99999999999999999999"])
def test_what_is_not_there_is_an_error_of_reading(container: Path, inside: str) -> None:
    with pytest.raises(OSError, match=r"row|no more"):
        containers.read(f"{container}/{inside}")


def test_larger_than_asked_for_is_refused(container: Path) -> None:
    with pytest.raises(OSError, match="more than 3"):
        audio.read(containers.path_of(container, "audio", 6), 3)


def test_a_damaged_file_is_an_error_of_reading(tmp_path: Path) -> None:
    for name in ("a.parquet", "a.arrow"):
        (tmp_path / name).write_bytes(b"no such thing")
        with pytest.raises(OSError, match="row 0"):
            containers.read(tmp_path / name / "audio/0")
    with pytest.raises(OSError, match="No such file"):
        containers.read(tmp_path / "absent.arrow/audio/0")


def test_a_file_that_changes_is_read_anew(tmp_path: Path) -> None:
    path = write(tmp_path / "c.parquet", "parquet")
    assert containers.read(f"{path}/plain/0") == b"\0"
    pyarrow.parquet.write_table(pyarrow.table({"plain": [b"other", b"more"]}), path)
    assert containers.read(f"{path}/plain/0") == b"other"


@pytest.mark.parametrize(
    "path", ["/x/a.wav", "a.parquet", "/x/a.parquet", "/x/a.parquet/audio", "/x/a.parquet/audio/b"]
)
def test_other_paths_are_files(path: str) -> None:
    assert not containers.is_inside(path)
    assert containers.file_of(path) == path


def test_cells_of_other_columns(container: Path) -> None:
    assert containers.columns(container, ["audio.path"])[:2] == [{"audio.path": "0.wav"}, {"audio.path": "1.wav"}]
    assert containers.schema(container).names == ["audio", "plain"]


def test_a_node_sees_a_recording_in_a_container_that_is_the_same(container: Path) -> None:
    path = containers.path_of(container, "audio", 2)
    u = Utterance("c/2", "c", path, "c/s", "x", "sad", bytes=3, sha=audio._hash(DATA[2]))
    assert transfer.read(u) == DATA[2]
    assert transfer.sees([(u, 0)])
    container.unlink()
    assert not transfer.sees([(u, 0)])

"""What a machine must have to train trials: asked before anything runs, and again by each worker."""

import errno
import os
import re
from dataclasses import replace

import fsspec
import pytest

from ser.cli import console
from ser.cli.main import main
from ser.distributed import node
from ser.distributed.profile import Profile
from ser.errors import BadInput
from ser.runs import folder
from ser.runs.folder import work_id


@pytest.fixture
def reached(where, tmp_path):
    """The places of a grid in a folder."""
    return node.places(where, str(tmp_path / "store"), tmp_path, "cpu")


def test_a_machine_that_has_everything_is_fit(reached):
    found = node.examine(reached, node.versions(), thorough=False)
    assert found.problems == ()
    assert found.store.startswith("ok")
    assert found.tracker.startswith("ok")
    assert found.cpus >= 1


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"token": "another"}, "store: .* is not mounted here, or is another folder"),
        ({"work_id": "another"}, "the work folder .* is not mounted here, or is another folder"),
        ({"uri": "http://127.0.0.1:9", "printable": "http://127.0.0.1:9"}, "tracker: http://127.0.0.1:9"),
        ({"device": "cuda"}, "torch sees no CUDA device"),
    ],
)
def test_what_is_missing_is_named(reached, changed, said):
    found = node.examine(replace(reached, **changed), node.versions(), thorough=False)
    if changed != {"device": "cuda"} or not found.gpus:
        (problem,) = found.problems
        assert re.search(said, problem)


def test_versions_that_differ_are_named_builds_of_one_version_are_not(reached):
    here = node.versions()
    assert node.examine(reached, {**here, "torch": here["torch"].partition("+")[0] + "+cu130"}).problems == ()
    (problem,) = node.examine(reached, {**here, "ray": "1.0"}, thorough=False).problems
    assert problem == f"ray {here['ray']}, but 1.0 where the command is given"


def test_a_store_by_url_has_to_be_written_and_the_work_folder_need_not_be_shared(where, tmp_path):
    reached = node.places(where, "memory://seen", tmp_path, "cpu")
    try:
        assert reached.work == ""
        assert node.examine(reached, node.versions(), thorough=False).problems == ()
        assert fsspec.filesystem("memory").ls("/seen/trials", detail=False) == []
        fsspec.filesystem("memory").pipe_file("/seen/.seen", b"another")
        assert "another place" in node.examine(reached, node.versions(), thorough=False).problems[0]
    finally:
        fsspec.filesystem("memory").rm("/seen", recursive=True)


@pytest.mark.parametrize(
    ("uri", "shared", "unfit"),
    [
        ("sqlite:////w/mlflow.db", True, True),
        ("sqlite:////w/mlflow.db", False, True),
        ("postgresql://db/mlflow", True, False),
        ("postgresql://db/mlflow", False, True),  # artifacts would go into a folder of one machine
        ("http://mlflow:5000", False, False),
    ],
)
def test_what_several_machines_cannot_share(reached, uri, shared, unfit):
    wanted = replace(reached, uri=uri, printable=uri, work=reached.work if shared else "")
    assert bool(node.one_of_several(node.Finding("a"), wanted).problems) == unfit


def test_a_worker_asks_for_itself_until_it_is_fit(job, tmp_path):
    work_id(tmp_path)
    job = job.spread()
    assert node.unfit(job) == ""
    elsewhere = replace(job, work=str(tmp_path / "elsewhere"))
    assert "is not mounted here" in node.unfit(elsewhere)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "id").write_text(job.tags["work"])
    assert node.unfit(elsewhere) == ""
    assert f"{tmp_path}/empty is not mounted here" in node.unfit(replace(job, store=str(tmp_path / "empty")))
    assert "no features for this grid" in node.unfit(replace(job, store="memory://empty"))
    assert node.unfit(replace(job, store=str(tmp_path / "empty"), apart=False)) == ""  # building it again mends that


def test_a_finished_store_may_be_read_only(where, tmp_path, monkeypatch):
    def refuse(self, text, encoding):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(node.Path, "write_text", refuse)
    monkeypatch.setattr(node, "work_id", lambda work: "id")
    reached = node.places(where, str(tmp_path / "store"), tmp_path, "cpu")
    monkeypatch.undo()
    (tmp_path / "id").write_text("id")
    assert node.examine(reached, node.versions(), thorough=False).problems == ()


def test_the_doctor_of_one_machine(tmp_path, empty_ledger, capsys):
    assert main(["doctor", "--work", str(tmp_path), "--tracking-uri", f"sqlite:///{empty_ledger}"]) == 0
    said = capsys.readouterr().out
    assert "all 1 nodes can train trials" in said
    assert "torch uses" in said
    assert "bfloat16 multiplies" in said


def test_nodes_and_their_problems_are_shown(capsys):
    bad = node.Finding("b", problems=("store: gone", "tracker: gone"), torchaudio="not usable (OSError)")
    good = node.Finding("a", {"python": "3.11"}, cpus=2, store="ok, 1 ms", processor="Intel Xeon", abilities=("AVX2",))
    good = replace(good, used="AVX2", bfloat16_gain=0.2, memory_kept=True)
    console.doctor([good, bad], Profile.read("local"))
    said = capsys.readouterr().out
    assert "a: Intel Xeon: AVX2; torch uses AVX2; bfloat16 multiplies 0.2 x" in said
    assert "stay with float32); 1 thread per trial, 2 at once; memory is kept" in said
    assert "b: store: gone\nb: tracker: gone\n" in said
    assert "b: torchaudio not usable" in said
    assert "1 of 2 nodes cannot train" in said


def test_the_cache_of_a_node_is_ones_own(tmp_path, monkeypatch):
    monkeypatch.delenv("SER_CACHE", raising=False)
    monkeypatch.setattr(node.tempfile, "gettempdir", lambda: str(tmp_path))
    assert node.cache().stat().st_mode & 0o777 == 0o700
    monkeypatch.setattr(node.os, "geteuid", lambda: -1)
    with pytest.raises(BadInput, match="another user's"):
        node.cache()
    monkeypatch.setenv("SER_CACHE", str(tmp_path / "named"))
    assert node.cache() == tmp_path / "named"


def test_a_work_folder_has_its_name_also_where_there_are_no_links(tmp_path, monkeypatch):
    def no_links(*_):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    name = work_id(tmp_path / "stick")
    assert len(name) == 16
    assert work_id(tmp_path / "stick") == name
    assert [p.name for p in (tmp_path / "stick").iterdir()] == ["id"]
    folder._write_first(tmp_path / "stick" / "id", "another's")
    assert work_id(tmp_path / "stick") == name


def test_a_work_folder_without_locks_is_refused(tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr(folder.fcntl, "flock", no_locks)
    with pytest.raises(BadInput, match=r"no locks .*--work"):
        work_id(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_was_never_written_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(folder.time, "sleep", lambda seconds: None)
    (tmp_path / "id").touch()
    with pytest.raises(BadInput, match="remove the file"):
        work_id(tmp_path)

"""``--json``: one object on standard output and nothing else, with exactly the keys that docs/json.md lists."""

import json
import re
import shutil
from pathlib import Path

import pytest

import ser
from ser.cli import documents
from ser.cli.json_output import dumped
from ser.cli.main import main
from ser.cli.states import State
from ser.data.manifest import Refusal
from ser.distributed.node import Finding
from ser.report.write import WrittenReport
from ser.runs.folder import Head, RunFolder
from ser.runs.location import Location
from ser.runs.progress import Best, Failure, Progress
from ser.runs.tracker import Tracker
from ser.study import load_study

PAGE = (ser.PACKAGE.parent / "docs" / "json.md").read_text(encoding="utf-8")
SECTIONS = re.findall(r"^## .*?: (ser\.\w+/\d+)\n(.*?)(?=^## |\Z)", PAGE, re.S | re.M)
KEYS = {schema: re.findall(r"^\| `([^`]+)` \|", text, re.M) for schema, text in SECTIONS}
BEST = (Best("emodb", "UA", 0.9, "E · lstm", "a", "1"),)
FAILED = (Failure("E · tdnn", "killed", "b", "2"),)
PROGRESS = Progress("layers", "v", 20, 8, 2, 1, 1, (1, 3), BEST, FAILED, left_s=float("nan"), per_hour=float("inf"))


@pytest.fixture(autouse=True)
def _own_place(tmp_path, monkeypatch, empty_ledger):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "work").mkdir()
    shutil.copy(empty_ledger, tmp_path / "work" / "mlflow.db")


def paths(value, schema, place=""):
    """The paths of all leaves; what the page lists is a leaf, whatever it holds."""
    if place in KEYS[schema]:
        return {place}
    match value:
        case dict():
            return set().union(*(paths(v, schema, f"{place}.{k}" if place else k) for k, v in value.items()))
        case list():
            return set().union(*(paths(v, schema, f"{place}[]") for v in value)) if value else {f"{place}[]"}
    return {place}


def check(document, empty=()):
    """Holds that the keys are those that the page lists, but below lists that are ``empty`` here."""
    schema = document["schema"]
    leaves = paths(document, schema)
    below = {f"{name}[]" for name in empty}
    assert leaves - below <= set(KEYS[schema])
    assert {key for key in KEYS[schema] if not key.startswith(tuple(below or ["-"]))} <= leaves


def answered(capsys, *arguments, status=0):
    assert main([*arguments, "--json"]) == status
    return json.loads(capsys.readouterr().out)


def test_every_listing_has_its_section():
    listings = {"status", "plan", "corpora", "known_corpora", "studies", "doctor", "report"}
    assert set(KEYS) == {f"ser.{name}/1" for name in listings}


def test_studies(capsys):
    document = answered(capsys, "studies")
    check(document)
    one = next(s for s in document["studies"] if s["name"] == "interaffection")
    assert (one["trials"], one["modes"]) == (168, ["paper", "sound"])


def test_corpora(capsys, data):
    document = answered(capsys, "corpora", "--corpora", f"ravdess={data}")
    check(document, ["corpora[].remarks", "refused"])
    assert document["corpora"][0]["speakers"] == 8
    assert document["corpora"][0]["refused"][0]["reason"]


def test_a_corpus_that_cannot_be_read_has_the_same_keys(capsys, tmp_path):
    document = answered(capsys, "corpora", "--corpora", f"ravdess={tmp_path}", status=2)
    check(document, ["corpora[].classes", "corpora[].remarks", "corpora[].refused", "refused"])
    assert "ravdess" in document["corpora"][0]["error"]


def test_known_corpora(capsys):
    document = answered(capsys, "corpora", "--known")
    check(document)
    assert [c["name"] for c in answered(capsys, "corpora", "--known", "emodb")["corpora"]] == ["emodb"]


def test_plan(capsys, data):
    document = answered(capsys, "run", "interaffection", "--data", str(data), "--plan", "--set", "augmentation=none")
    check(document)
    assert len(document["trials"]) == 168
    assert sum(trial["same_as"] is not None for trial in document["trials"]) == 18
    assert 0 < document["least_s"] < document["most_s"]
    assert set(document["updates_s"]) == {"lstm", "blstm", "tdnn"}
    assert document["corpora"][0]["utterances"].keys() == {"train", "val", "test"}


def test_what_is_done_has_no_listing(capsys, data):
    assert main(["run", "interaffection", "--data", str(data), "--json"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "--plan" in printed.err


def test_status_of_a_work_folder(capsys, tmp_path):
    Tracker(Location.of(tmp_path / "work", None), "interaffection")
    run_folder = RunFolder(tmp_path / "work", "a1b2")
    run_folder.path.mkdir(parents=True)
    run_folder.begin(Head("interaffection", "a1b2", "R · lstm · μ · multi", {}, {}))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    document = answered(capsys, "status")
    check(document, ["studies[].best", "studies[].failures"])
    answered(capsys, "status", "interaffection")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before  # it only looks
    assert (document["studies"][0]["study"], document["studies"][0]["state"]) == ("interaffection", "unfinished")
    assert document["undelivered"] == [{"title": "R · lstm · μ · multi", "state": "unfinished", "error": None}]


def test_status_of_a_study_that_runs(tmp_path):
    where = Location.of(tmp_path / "work", None)
    document = json.loads(dumped(documents.status([State(PROGRESS, Path("r.html"), "http://h")], "", where, tmp_path)))
    check(document, ["undelivered"])
    (one,) = document["studies"]
    assert (one["left_s"], one["trials_per_hour"]) == (None, None)


def test_report():
    written = WrittenReport("# tables", Path("reports/layers"), (Path("reports/layers/tables.md"),), 7, 20, ("a note",))
    one = documents.report(written, load_study("interaffection"), PROGRESS)
    check(json.loads(dumped(documents.reports([one], Path("reports/index.html")))))


def test_doctor():
    document = documents.doctor([Finding("here", problems=("torch cannot be imported",))])
    check(json.loads(dumped(document)))
    assert document["can_train"] is False


def test_numbers_that_are_none_are_null_and_text_is_ascii():
    """A terminal of any locale can take it, and every JSON parser."""
    text = dumped({"a": [float("nan"), float("-inf"), 1.5], "title": "μσ²", "path": Path("x"), "none": None})
    assert text.isascii()
    assert json.loads(text) == {"a": [None, None, 1.5], "title": "μσ²", "path": "x", "none": None}


def test_files_refused_have_reasons():
    (one,) = documents.corpora([], [], [Refusal("a.wav", "empty")])["refused"]
    assert one == {"file": "a.wav", "reason": "empty"}

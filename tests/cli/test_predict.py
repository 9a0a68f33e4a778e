"""``ser predict``: a run by what is typed, recordings of every kind, answers in every form, and errors file by file."""

import csv
import io
import json
import shutil
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from trained_runs import of_kind

from ser.cli.main import main
from ser.runs.location import Location
from ser.runs.tracker import Tracker

TITLE = "R lstm mean unified"


@pytest.fixture(scope="module")
def work(data, tiny, features, empty_ledger, tmp_path_factory):
    """A work folder in which one trial was trained and delivered, with the equal one that counts, too."""
    work = tmp_path_factory.mktemp("work")
    shutil.copy(empty_ledger, work / "mlflow.db")
    command = ["interaffection", "--corpora", f"ravdess={data}", *tiny, "--store", str(features), "--work", str(work)]
    assert main(["train", *command, "--trial", TITLE]) == 0
    return work


@pytest.fixture(scope="module")
def run(work):
    """The run that was trained, and not the equal one."""
    runs = Tracker(Location.of(work, None), "interaffection", to_read=True).finished().values()
    return next(r for r in runs if "same_as" not in r.data.tags)


@pytest.fixture(scope="module")
def wavs(data):
    """Recordings of the miniature of RAVDESS."""
    return sorted((data / "RAVDESS").rglob("*.wav"))[:3] or sorted(data.rglob("03-01-*.wav"))[:3]


def objects(out):
    return [json.loads(line) for line in out.splitlines()]


@pytest.fixture
def answer(work, capsys):
    """Exit status and JSON objects of a prediction."""

    def ask(name, *files, options=()):
        code = main(["predict", name, *map(str, files), "--json", "--work", str(work), *options])
        captured = capsys.readouterr()
        assert "defect" not in captured.err
        return code, objects(captured.out), captured.err

    return ask


# which run


def test_a_run_has_many_names_and_one_answer(answer, run, work, wavs):
    tags = run.data.tags
    folder = Path(work / "artifacts" / "interaffection" / run.info.run_id / "artifacts")
    equal = next(
        r
        for r in Tracker(Location.of(work, None), "interaffection", to_read=True).finished().values()
        if r is not run and "same_as" in r.data.tags
    )
    names = (run.info.run_id, run.info.run_id[:8], tags["trial_id"], tags["trial_id"][:6], tags["title"], TITLE, folder,
             equal.info.run_id)  # fmt: skip
    answers = [answer(str(name), wavs[0]) for name in names]
    assert answers[0][0] == 0
    assert all(a == answers[0] for a in answers)
    probabilities = answers[0][1][0]["probability"]
    assert sum(probabilities.values()) == pytest.approx(1)
    assert answers[0][1][0]["emotion"] == max(probabilities, key=probabilities.get)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("0000ffff", (), "id or title of a finished run"),
        ("I+T+R lstm", (), "id or title"),
        (TITLE, ("--study", "interafection"), "interaffection"),
        (TITLE, ("--corpus", "tess"), "allowed: ravdess"),
        (TITLE, ("--json",), ""),
    ],
)
def test_what_is_no_run_is_refused_with_those_that_are(answer, wavs, name, options, words):
    code, _, err = answer(name, wavs[0], options=options)
    assert (code == 2) == bool(words)
    assert words in err


def test_a_trial_that_waits_for_delivery_can_be_asked(answer, run, work, wavs):
    files = work / "artifacts" / "interaffection" / run.info.run_id / "artifacts"
    waiting = work / "trials" / "abcdef012345" / "files"
    shutil.copytree(files, waiting)
    assert answer("abcdef01", wavs[0])[:2] == answer(TITLE, wavs[0])[:2]
    shutil.rmtree(waiting.parent)


def test_a_run_whose_model_is_gone_or_damaged_says_so(work, run, wavs, tmp_path, capsys):
    files = work / "artifacts" / "interaffection" / run.info.run_id / "artifacts"
    copy = tmp_path / "files"
    for damage, words in {
        "absent": "no best.pt",
        "cut": "best.pt: ",
        "other": "best.pt: ",
        "version": "has other numbers",
        "newer": "use a newer version of ser",
        "no": "no JSON",
    }.items():
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(files, copy)
        statement = copy / "statement.json"
        values = json.loads(statement.read_text())
        if damage == "absent":
            (copy / "best.pt").unlink()
        elif damage in ("cut", "other"):
            (copy / "best.pt").write_bytes((copy / "best.pt").read_bytes()[:900] if damage == "cut" else b"nothing")
        elif damage == "version":
            values["block"]["version"] += 1
        elif damage == "newer":
            values["what"] = 1
        statement.write_text("{" if damage == "no" else json.dumps(values))
        assert main(["predict", str(copy), str(wavs[0])]) == 2
        assert words in capsys.readouterr().err


# recordings


def test_folders_zips_tables_and_standard_input(answer, wavs, tmp_path, monkeypatch):
    expected = [(a["emotion"], a["probability"]) for a in answer(TITLE, *wavs)[1]]
    below = tmp_path / "calls" / "inner"
    below.mkdir(parents=True)
    for wav in wavs:
        shutil.copy(wav, below / wav.name)
    (below / "notes.txt").write_text("no sound")
    with zipfile.ZipFile(tmp_path / "calls.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for wav in wavs:
            archive.write(wav, f"inside/{wav.name}")
    table = tmp_path / "calls.csv"
    table.write_text("\n".join(["Path,speaker", *(f"calls/inner/{w.name},one" for w in wavs)]))
    monkeypatch.chdir(tmp_path)
    for place in ("calls", "calls.zip", "calls.csv"):
        code, answers, _ = answer(TITLE, place)
        assert code == 0
        assert [(a["emotion"], a["probability"]) for a in answers] == expected
        assert all(wav.name in a["file"] for wav, a in zip(wavs, answers, strict=True))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(wavs[1].read_bytes())))
    (one,) = answer(TITLE, "-")[1]
    assert (one["file"], one["emotion"]) == ("-", expected[1][0])
    assert one["probability"] == pytest.approx(expected[1][1], abs=1e-6)  # in a batch of one


def test_what_cannot_be_read_has_an_error_and_stops_nothing(answer, wavs, tmp_path):
    bad = tmp_path / "bad"
    (bad / "empty").mkdir(parents=True)
    (bad / "a.wav").write_bytes(wavs[0].read_bytes()[:300])
    (bad / "b.wav").write_bytes(b"")
    soundfile.write(bad / "c.wav", np.zeros(16000), 16000)
    soundfile.write(bad / "d.wav", np.ones(3) / np.arange(1, 4), 16000)
    (bad / "e.zip").write_bytes(b"PK nothing")
    (bad / "f.csv").write_text("file\nx.wav\n")
    (bad / "g.csv").write_bytes(b"path\n\xff\xfe.wav\n")
    places = [bad / n for n in ("a.wav", "b.wav", "c.wav", "d.wav", "e.zip", "f.csv", "g.csv", "none.wav", "empty")]
    code, answers, err = answer(TITLE, *places, wavs[0])
    assert code == 1
    assert len(answers) == 10
    words = ("", "empty file", "silent", "3 samples", "zip", "needed: path", "UTF-8", "No such file", "no recordings")
    for found, word in zip(answers, words, strict=False):
        assert word in found["error"]
        assert "probability" not in found
    assert "emotion" in answers[-1]
    assert "9 of 10 have no answer" in err


# forms


def test_a_line_for_each_recording(work, wavs, capsys):
    assert main(["predict", TITLE, str(wavs[0]), str(wavs[0].with_suffix(".nothing")), "--work", str(work)]) == 1
    good, bad = capsys.readouterr().out.splitlines()
    assert good.endswith(str(wavs[0]))
    assert "█" in good
    assert bad.startswith("error")


def test_a_table_has_a_column_for_each_class_and_a_row_for_each_segment(data, tmp_path, capsys):
    segments = of_kind("segments", data, tmp_path)
    path = segments.paths[segments.table["uid"][0]]
    assert main(["predict", str(segments.files), path, "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [r["segment"] for r in rows] == ["", *map(str, range(len(rows) - 1))]
    assert len(rows) == 1 + (segments.table["uid"] == segments.table["uid"][0]).sum()
    for row in rows:
        values = {name: float(row[f"p_{name}"]) for name in segments.trial.classes}
        assert sum(values.values()) == pytest.approx(1, abs=1e-4)
        assert row["emotion"] == max(values, key=values.get)

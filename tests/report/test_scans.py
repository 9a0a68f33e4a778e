"""Who speaks in runs of before: only from a table whose fingerprint is the one that the runs have logged."""

import csv
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from ser.data.manifest import Manifest, Utterance, who_speaks, write_csv
from ser.report import further
from ser.report.collect import report
from ser.report.predictions import FACTS, single_label
from ser.report.runs import Finished, Options
from ser.report.scans import Scans
from ser.runs.tracker import Tracker
from ser.trials import run as one

UTTERANCES = (
    Utterance("a/1", "a", "/1.wav", "a/x", "W", "angry", "F", (("r1", "angry"),), "1", "s1", sha="00", seconds=1.5),
    Utterance("a/2", "a", "/2.wav", "a/y", "T", "sad", "M", (), "=2", start_s=0.1, end_s=1 / 3, text="=a\nb", sha="11"),
)
MANIFEST = Manifest("a", "", UTTERANCES)
OLD = "corpus,uid,label,predicted\na,a/2,sad,angry\na,a/1,angry,angry\n"


@pytest.fixture
def folder(tmp_path):
    write_csv(MANIFEST, tmp_path / "a.csv")
    return tmp_path


def run(text):
    return Finished("trial", "run", "title", {}, {}, "", text)


def test_predictions_of_before_get_who_speaks(folder):
    scans = Scans(partial(who_speaks, folder), {"a": MANIFEST.fingerprint})
    (found,) = scans.completed([run(OLD)])
    test = single_label(found, ("angry", "sad"))["a"]
    assert (test.speakers, test.sexes, test.sessions) == (("a/x", "a/y"), ("F", "M"), ("1", "'=2"))
    assert (test.truth.tolist(), test.predicted.tolist()) == ([0, 1], [0, 0])
    (note,) = scans.notes
    assert note.startswith("Who speaks on a is from the scans")


def test_another_corpus_says_nothing_of_these_runs(folder):
    changed = Manifest("a", "", (replace(UTTERANCES[0], speaker="a/z"), UTTERANCES[1]))
    for scans in (
        Scans(partial(who_speaks, folder), {"a": changed.fingerprint}),
        Scans(partial(who_speaks, folder), {}),
        Scans(partial(who_speaks, folder / "none"), {"a": MANIFEST.fingerprint}),
    ):
        assert scans.filled(OLD) == OLD
        assert scans.notes == ()


def test_what_says_it_or_was_not_tested_stays_as_it_is(folder):
    scans = Scans(partial(who_speaks, folder), {"a": MANIFEST.fingerprint})
    told = scans.filled(OLD)
    assert scans.filled(told) == told != OLD
    assert scans.filled("") == ""


def test_an_utterance_that_no_scan_knows_leaves_the_whole_table_as_it_is(folder):
    text = OLD + "a,a/3,sad,sad\n"
    assert Scans(partial(who_speaks, folder), {"a": MANIFEST.fingerprint}).filled(text) == text
    other = OLD + "b,b/1,sad,sad\n"
    assert Scans(partial(who_speaks, folder), {"a": MANIFEST.fingerprint}).filled(other) == other


@pytest.mark.parametrize("text", ["", "uid\nx\n", "nonsense", "uid,votes,rate_hz\na,not json,1\n"])
def test_a_table_that_nobody_can_read_says_nothing(folder, text):
    (folder / "a.csv").write_text(text)
    assert Scans(partial(who_speaks, folder), {"a": MANIFEST.fingerprint}).filled(OLD) == OLD


def test_only_files_of_predictions_are_filled(folder):
    texts = {"predictions.csv": OLD, "layers.json": OLD}
    file = Scans(partial(who_speaks, folder), {"a": MANIFEST.fingerprint}).file(lambda run_id, path: texts.get(path))
    assert "speaker" in file("run", "predictions.csv")
    assert file("run", "layers.json") == OLD
    assert file("run", "none") is None


def without_speakers(table):
    """The predictions of a run as they were before they said who speaks."""
    rows = list(csv.DictReader(table.read_text().splitlines()))
    kept = [name for name in rows[0] if name not in FACTS]
    lines = [",".join(kept), *(",".join(row[name] for name in kept) for row in rows)]
    table.write_text("\n".join(lines) + "\n")


def test_a_report_on_runs_of_before_has_f1_and_calibration_and_with_a_scan_speakers(
    job, study, trial_of, manifests, tmp_path, monkeypatch
):
    """No trial is trained anew for it."""
    one.run(job, trial_of("T+R", max_epochs=1))
    tracker = Tracker(job.where, job.study)
    (run,) = tracker.finished().values()
    without_speakers(Path(run.info.artifact_uri.removeprefix("file://"), "predictions.csv"))
    monkeypatch.setattr(further, "_pictures", lambda scores: ())
    monkeypatch.setattr("ser.report.general.content._pictures", lambda *_: ())
    general = replace(study, report="general")

    def cells(scans):
        written = report(
            tracker, general, tmp_path / "report", Options(replicates=20, who_speaks=partial(who_speaks, scans))
        )
        with (written.folder / "tables.csv").open() as file:
            values = {(row["table"], row["column"]): row["value"] for row in csv.DictReader(file)}
        return values, written.notes

    values, notes = cells(tmp_path / "none")
    assert 0 <= float(values["more", "Macro F1"]) <= 100
    assert float(values["calibration", "NLL"]) > 0
    assert values["by_sex", "Speakers"] == values["by_speaker", "Worst"] == "–"
    assert any("made before predictions said who speaks" in note for note in notes)
    write_csv(manifests["ravdess"], tmp_path / "scans" / "ravdess.csv")
    values, notes = cells(tmp_path / "scans")
    speakers = {u.speaker for u in manifests["ravdess"].utterances}
    assert values["by_sex", "Speakers"] != "–"
    assert "ravdess/" + values["by_speaker", "Worst"].partition(":")[0] in speakers
    assert any("Who speaks on ravdess is from the scans" in note for note in notes)

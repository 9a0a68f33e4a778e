"""From runs back to results: every number, its place in the grid, what failed and what was left out."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ser.errors import BadInput
from ser.planning.plan import resolve
from ser.report import collect as collecting
from ser.report.interaffection.content import SCORES, best_curves, results_of
from ser.report.interaffection.results import Grid
from ser.report.predictions import columns
from ser.report.runs import Options
from ser.runs.tracker import Tracker
from ser.study import override
from ser.trials import run as one
from ser.trials.job import head_of, job_of


def collect(tracker, study, variant=None):
    """Results on the grid of the study interaffection."""
    finished, expected = collecting.collect(tracker, study, variant)
    grid = Grid(expected)
    return list(results_of(finished, grid)), grid


@pytest.fixture
def tracker(job):
    return Tracker(job.where, job.study)


def test_without_runs_there_is_the_studys_own_grid_and_no_result(tracker, paper):
    results, grid = collect(tracker, paper)
    assert results == []
    assert (len(grid.points), grid.corpora) == (168, tuple(c.name for c in paper.corpora))
    assert grid.targets == ("iemocap", "ravdess", "customer")
    assert not grid.expected.printed_anywhere


def test_runs_of_another_schema_are_counted_and_left_alone(tracker, job, study, trial_of):
    for trial in (trial_of("R"), trial_of("T+R", task="multi")):
        one.run(job, trial)
    old, new = (tracker.finished()[trial_of(*names, **more).id].info.run_id
                for names, more in ((("T+R",), {"task": "multi"}), (("R",), {})))  # fmt: skip
    tracker.client.set_tag(old, "schema", "1")
    results, grid = collect(tracker, study)
    assert {r.run_id for r in results if not r.same_as} == {new}
    assert "left alone: 1 runs of another schema of statements, whose trials are run anew" in grid.expected.notes
    for run in tracker.pages():
        tracker.client.delete_tag(run.info.run_id, "mlflow.ser.tags")
    assert collect(tracker, study)[0] == []
    with pytest.raises(BadInput, match="no runs of"):
        collecting.report(tracker, study, Path("nowhere"))


def test_results_are_those_of_the_runs_with_twins_in_both_places(tracker, job, study, trial_of):
    for trial in (trial_of("R"), trial_of("T+R", task="multi")):
        one.run(job, trial)
    results, grid = collect(tracker, study)
    assert [(r.corpora, r.task, r.target, r.same_as != "") for r in results] == [
        (("ravdess",), "unified", "ravdess", False),
        (("ravdess",), "multi", "ravdess", True),
        (("tess", "ravdess"), "multi", "ravdess", False),
    ]
    for r in results:
        assert r.wa == pytest.approx(np.mean(r.truth == r.predicted))
        assert list(r.uids) == sorted(r.uids)
        assert tracker.finished()[r.trial_id].info.run_id == r.run_id
    assert results[1].same_as == results[0].trial_id
    assert (len(grid.points), grid.letters, grid.seeds) == (24, {"tess": "T", "ravdess": "R"}, (0,))
    assert not grid.expected.demo
    assert {r.key for r in results} <= {key for _, keys in grid.trials() for key in keys}


def test_notes_tell_settings_corpora_and_code(tracker, job, study, trial_of, plan):
    one.run(job, trial_of("R"))
    notes = "\n".join(collect(tracker, study)[1].expected.notes)
    for said in ("a note", "code: test", plan.sources["ravdess"].corpus.fingerprint):
        assert said in notes


def test_failures_are_listed_until_a_run_finishes(tracker, job, study, trial_of):
    trial = trial_of("R")
    tracker.start(head_of(job, trial)).close("Diverged: loss nan")
    assert collect(tracker, study)[1].expected.failures == {trial.title: "Diverged: loss nan"}
    one.run(job, trial)
    assert collect(tracker, study)[1].expected.failures == {}


def test_of_two_finished_runs_the_one_begun_first_counts_and_the_notes_say_so(tracker, job, study, trial_of):
    trial = trial_of("R")
    one.run(job, trial)
    counted = tracker.finished()[trial.id]
    head = head_of(job, trial)
    late = tracker.client.create_run(
        tracker.experiment, tags={**head.tags, **counted.data.tags, "work": "another"}, run_name=trial.title
    )
    tracker.client.set_terminated(late.info.run_id, "FINISHED")
    results, grid = collect(tracker, study)
    assert [r.run_id for r in results if r.trial_id == trial.id] == [counted.info.run_id]
    assert any("more than once" in note and f"{trial.title} (2 runs)" in note for note in grid.expected.notes)
    tracker.settle(trial.id)
    results, grid = collect(tracker, study)
    assert [r.run_id for r in results if r.trial_id == trial.id] == [counted.info.run_id]
    assert any(note.startswith("not counted: 1 runs") for note in grid.expected.notes)


def test_other_variants_are_left_out_and_named(tracker, job, study, manifests, trial_of, plan, features, tmp_path):
    one.run(job, trial_of("R"))
    longer = override(study, "training.max_epochs", 3)
    other = resolve(longer, {name: manifests[name] for name in plan.sources})
    other_job = job_of(other, job.where, tmp_path, str(features), "cpu", 1, "test", [])
    (trial,) = [t for t in other.to_train if t.title == trial_of("R", block="tdnn").title]
    one.run(other_job, trial)
    results, grid = collect(tracker, study)
    assert {r.block for r in results} == {"tdnn"}
    assert any(f"--variant {plan.variant} (2 runs)" in note for note in grid.expected.notes)
    assert {r.block for r in collect(tracker, study, plan.variant)[0]} == {"lstm"}
    with pytest.raises(BadInput, match=plan.variant):
        collect(tracker, study, "unknown")


def test_a_prediction_of_an_unknown_class_is_refused_by_its_run(tracker, job, study, trial_of):
    one.run(job, trial_of("R"))
    run = next(iter(tracker.finished().values()))
    table = Path(run.info.artifact_uri.removeprefix("file://"), "predictions.csv")
    lines = table.read_text().splitlines()
    cells = dict(zip(lines[0].split(","), lines[1].split(","), strict=True)) | {"predicted": "furious"}
    table.write_text("\n".join([lines[0], ",".join(cells.values()), *lines[2:]]))
    with pytest.raises(BadInput, match=f"predictions of run {run.info.run_id}: 'furious'"):
        collect(tracker, study)


def test_results_of_one_target_share_its_utterances(tracker, job, study, trial_of):
    for block in ("lstm", "blstm"):
        one.run(job, trial_of("R", block))
    results, _ = collect(tracker, study)
    assert len(results) == 4
    assert all(r.uids is results[0].uids and r.truth is results[0].truth for r in results)


def test_made_corpora_make_a_demo_grid(tracker, job, study, trial_of):
    one.run(replace(job, tags={**job.tags, "data": "demo"}), trial_of("R"))
    _, grid = collect(tracker, study)
    assert grid.expected.demo


def test_what_corpora_are_of_their_release_comes_with_the_runs(tracker, job, study, trial_of):
    """Miniatures bear names of the release and are small parts of it; a person's own table is never a paper's."""
    one.run(job, trial_of("R"))
    expected = collect(tracker, study)[1].expected
    assert {name: r.state for name, r in expected.releases.items()} == {"tess": "part", "ravdess": "part"}
    ravdess = expected.releases["ravdess"]
    assert ravdess.why.startswith(f"{ravdess.utterances} of 1440 utterances")
    assert ravdess.settings == expected.selections["ravdess"] == {"channels": "speech", "actors": ""}
    assert set(expected.selections) == {"iemocap", "tess", "ravdess"}
    assert not expected.printed_anywhere
    as_whole = {name: replace(release, state="whole") for name, release in expected.releases.items()}
    assert replace(expected, releases=as_whole).printed_for("ravdess")
    assert not replace(expected, releases=as_whole).printed_overall  # without IEMOCAP
    sung = {**as_whole, "ravdess": replace(ravdess, state="whole", settings={"channels": "song", "actors": ""})}
    assert not replace(expected, releases=sung).printed_for("ravdess")
    assert collect(tracker, replace(study, paper=""))[1].expected.paper == ""


def test_runs_that_do_not_tell_of_releases_have_no_printed_numbers(tracker, job, study, trial_of):
    grid = json.loads(job.tags["grid"])
    one.run(replace(job, tags={**job.tags, "grid": json.dumps({**grid, "releases": {}})}), trial_of("R"))
    expected = collect(tracker, study)[1].expected
    assert {r.state for r in expected.releases.values()} == {"unknown"}
    assert not expected.printed_anywhere


def test_a_run_that_was_renamed_keeps_its_place_in_the_grid(tracker, job, study, trial_of):
    one.run(job, trial_of("R", "tdnn"))
    (run, *_) = tracker.runs()
    tracker.client.update_run(run.info.run_id, name="the good one")
    assert (
        {r.title for r in collecting.collect(tracker, study)[0]}
        == {r.data.tags["title"] for r in tracker.runs()}
        <= {title for title, _ in collecting.collect(tracker, study)[1].trials}
    )


def test_a_run_whose_file_is_gone_is_named_by_its_title(tracker, job, study, trial_of):
    one.run(job, trial_of("R"))
    run = tracker.finished()[trial_of("R").id]
    Path(run.info.artifact_uri.removeprefix("file://"), "predictions.csv").unlink()
    with pytest.raises(BadInput, match=rf"{trial_of('R').title} \({run.info.run_id}\): no predictions.csv"):
        list(collecting.collect(tracker, study)[0])


def test_a_run_without_its_tags_is_not_counted_and_named(tracker, job, study, trial_of):
    one.run(job, trial_of("R"))
    run = tracker.finished()[trial_of("R").id]
    tracker.client.delete_tag(run.info.run_id, "mlflow.ser.grid")
    results, grid = collect(tracker, study)
    assert run.info.run_id not in {r.run_id for r in results}
    assert any("without the tag" in note and run.info.run_id in note for note in grid.expected.notes)


def test_curves_are_of_the_best_trial_of_each_target(tracker, job, study, trial_of):
    one.run(job, trial_of("R"))
    results, grid = collect(tracker, study)
    ((title, curve),) = best_curves(results, grid, tracker.curve).items()
    history = tracker.client.get_metric_history(results[0].run_id, "val/loss")
    assert curve == [m.value for m in history]
    assert title == trial_of("R").title


def test_what_is_expected_can_be_named(tracker, job, study, trial_of):
    trial = trial_of("T+R", task="multi")
    one.run(job, trial)
    finished, expected = collecting.collect(tracker, study)
    (run,) = finished
    assert (expected.count, len(expected.trials)) == (24, 24)
    assert json.loads(job.tags["grid"])["mode"] == "paper"
    assert expected.mode == "paper"  # there is no other
    assert run.title == trial.title
    assert run.title in dict(expected.trials)
    assert dict(expected.trials)[run.title] == {
        "corpora": ("tess", "ravdess"), "block": "lstm", "pooling": "mean", "task": "multi", "seed": 0
    }  # fmt: skip
    assert columns(run)[:8] == ("corpus", "uid", "speaker", "sex", "session", "sentence", "label", "predicted")
    assert {"corpora", "block", "block.units", "pooling", "task", "seed"} < set(run.params)
    assert not any(name.startswith("training.") for name in run.params)  # which the report does not read
    assert all(name.startswith(SCORES) for name in run.scores)


def test_a_star_in_a_params_name_is_any_text():
    selection = collecting.Selection(("seed", "corpus.*.split.fold"))
    assert all(map(selection.has, ("seed", "corpus.a.split.fold", "corpus.my.own.split.fold")))
    assert not any(map(selection.has, ("seeds", "corpus.a.split", "corpus.a.split.folds", "xcorpus.a.split.fold")))


def test_a_report_that_names_nothing_is_given_all(tracker, job, study, trial_of, monkeypatch):
    trial = trial_of("R")
    one.run(job, trial)
    monkeypatch.setattr(collecting.Selection, "of", lambda report: collecting.Selection())
    run = next(collecting.collect(tracker, study)[0])
    assert run.params.items() >= trial.params().items()
    assert run.scores.keys() >= {"wa/ravdess", "val/loss", "epochs"}


def test_the_report_is_written_by_the_file_that_the_study_names(tracker, job, study, trial_of, tmp_path):
    one.run(job, trial_of("R"))
    written = collecting.report(tracker, study, tmp_path / "report", Options(replicates=2))
    assert (written.done, written.expected) == (2, 24)
    assert "ravdess is part of the release (" in written.markdown  # tones under a few of its names
    assert "| paper" not in written.markdown
    assert "Deviations from the study file" in written.markdown
    assert "curves.png" in {path.name for path in written.files}
    with pytest.raises(BadInput, match="mfcc_networks"):
        collecting.report(tracker, replace(study, report="unknown"), tmp_path / "report")


def test_files_of_a_run_are_read_where_they_are(tracker, job, trial_of):
    one.run(job, trial_of("R"))
    run = next(iter(tracker.finished().values()))
    assert collecting._file(tracker, run.info.run_id, "statement.json").startswith("{")
    assert collecting._file(tracker, run.info.run_id, "split/ravdess.json").startswith("{")
    for absent in ("none.json", "split/none.json", "none/none.json"):
        assert collecting._file(tracker, run.info.run_id, absent) is None


def test_a_trial_that_was_not_tested_has_no_predictions_and_no_result(tracker, job, study, trial_of):
    head = head_of(job, trial_of("R"))
    log = tracker.start(head)
    tracker.client.log_metric(log.run_id, "val/wa/ravdess", 0.5)
    log.close("", "FINISHED")
    (run,) = collecting.collect(tracker, study)[0]
    assert (run.title, run.text) == (head.title, "")
    assert collect(tracker, study)[0] == []


def test_settings_in_which_runs_differ_from_the_study_come_with_the_splits(tracker, job, study, trial_of):
    one.run(job, trial_of("R"))
    one.run(job, trial_of("T+R", learning_rate=0.5))
    expected = collect(tracker, study)[1].expected
    told = {(d.path, d.runs, d.study) for d in expected.deviations}
    assert told == {("training.learning_rate", "0.5", str(study.training.learning_rate))}
    assert {(s.of.corpus, s.proof["utterances"]["test"] > 0) for s in expected.splits.proved} == {
        ("ravdess", True),
        ("tess", False),
    }

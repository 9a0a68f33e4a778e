"""Plain references beside a grid's results: read apart from it, folds and seeds pooled, holes where they failed."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from experiments.multilabel import study as multilabel
from experiments.segments import study as segments
from ser.cli import console, states
from ser.data.functionals import functionals
from ser.features.store import Store
from ser.metrics.multilabel import scores as multilabel_scores
from ser.planning.plan import resolve
from ser.report import collect as collecting
from ser.report import reference
from ser.report.content import Cell
from ser.report.runs import Expected, Finished, Options, Reference, UsedCorpus
from ser.runs.outcomes import Failed
from ser.runs.outcomes import Finished as Trained
from ser.runs.tracker import Tracker
from ser.study import Search, override, part, with_demo_budget
from ser.study.study import Labels
from ser.trials import run as one
from ser.trials.job import job_of

SVM = part("svm", statistics=("mean", "std"))


@pytest.fixture(scope="module")
def with_reference(study):
    return replace(study, reference=SVM)


@pytest.fixture(scope="module")
def referenced(with_reference, manifests):
    """The plan of the fixture ``plan``, with the reference of its one tested corpus."""
    return resolve(with_reference, {name: manifests[name] for name in ("tess", "ravdess")})


@pytest.fixture
def jobs(referenced, features, where, tmp_path):
    return job_of(referenced, where, tmp_path, str(features), "cpu", 1, "test", [])


@pytest.fixture
def tracker(jobs):
    return Tracker(jobs.where, jobs.study)


def first_of(plan):
    return next(t for t in plan.trials if (t.combination, t.block.name) == ("R", "lstm"))


def test_its_answers_are_those_of_a_standard_machine_and_the_test_side_moves_no_scale(
    jobs, referenced, features, tracker
):
    (trial,) = referenced.references
    assert isinstance(one.run(jobs, trial), Trained)
    source, split = referenced.sources["ravdess"], referenced.sources["ravdess"].split
    entry = Store(features).open(source.recipes[0].key)
    sides = {
        side: np.array([functionals(entry.frames(u.uid), ("mean", "std")) for u in us])
        for side, us in split.subsets().items()
    }
    labels = {side: [u.label for u in us] for side, us in split.subsets().items()}
    scaler = StandardScaler().fit(sides["train"])
    machine = SVC(gamma="scale").fit(scaler.transform(sides["train"]), labels["train"])
    decisions = machine.decision_function(scaler.transform(sides["test"]))
    (run,) = tracker.finished().values()
    table = csv.DictReader(tracker.text("predictions.csv", run.info.artifact_uri).splitlines())
    rows = {row["uid"]: row for row in table}
    found = [[float(rows[u.uid][f"d_{name}"]) for name in machine.classes_] for u in split.test]
    np.testing.assert_allclose(found, decisions, atol=1e-4)
    assert [rows[u.uid]["predicted"] for u in split.test] == machine.classes_[decisions.argmax(1)].tolist()


def test_reports_count_it_nowhere_and_have_its_table(jobs, referenced, with_reference, tracker, tmp_path, capsys):
    (trial,) = referenced.references
    one.run(jobs, trial)
    one.run(jobs, first_of(referenced))
    finished, expected = collecting.collect(tracker, with_reference)
    assert [run.title for run in finished] == ["R · lstm · μ · unified", "R · lstm · μ · multi"]
    assert (expected.count, len(expected.trials), expected.failures) == (24, 24, {})
    (found,) = expected.references
    assert (found.title, found.corpus, found.trials) == ("R · reference svm", "ravdess", 2)
    written = collecting.report(tracker, with_reference, tmp_path / "report", Options(replicates=20))
    assert "2 of 24 trials" in written.markdown
    assert "Plain reference: SVM" in written.markdown
    assert "references beside the trials: 1 of 1 are finished" in written.markdown
    assert not [name for name in written.markdown.split("## Notes")[0].split("|") if "reference svm" in name]
    console.console.print("\n".join(states.lines([states.state(tracker, tmp_path)], tracker.where, whole=True)))
    assert "2 of 24 trials finished\n1 of 1 references finished" in capsys.readouterr().out


def test_one_that_failed_is_a_hole_and_the_rest_goes_on(
    jobs, referenced, with_reference, tracker, tmp_path, monkeypatch
):
    (trial,) = referenced.references
    monkeypatch.setattr("ser.models.svm.build", lambda *_: Broken())
    assert isinstance(one.run(jobs, trial), Failed)
    one.run(jobs, first_of(referenced))
    written = collecting.report(tracker, with_reference, tmp_path / "report", Options(replicates=0))
    assert "2 of 24 trials" in written.markdown
    assert "without results: R · reference svm (BadInput: fit of svm: 'no'" in written.markdown
    (row,) = [line for line in written.markdown.splitlines() if line.startswith("| ravdess | reference (SVM) |")]
    assert [cell.strip() for cell in row.split("|")[3:7]] == ["–", "–", "0 of 0", "0 of 1"]


class Broken:
    def fit(self, x, y):
        raise ValueError("'no'")


def test_runs_that_were_begun_without_references_expect_none(job, study, tracker, trial_of):
    one.run(job, trial_of("R"))
    run = next(iter(tracker.finished().values()))
    grid = json.loads(run.data.tags["grid"])
    del grid["references"]  # as before there were any
    for each in tracker.finished().values():
        tracker.client.set_tag(each.info.run_id, "grid", json.dumps(grid))
    assert collecting.overview(tracker, study)[1].references == ()


def trained(made, manifests, where, tmp_path):
    """The finished reference of a study over the miniature of IEMOCAP, and what reports expect beside it."""
    plan = resolve(made, {"iemocap": manifests["iemocap"]})
    store = Store(tmp_path / "features")
    for source in plan.sources.values():
        for recipe in source.entries:
            store.build(recipe)
    job = job_of(plan, where, tmp_path, str(tmp_path / "features"), "cpu", 1, "test", [])
    assert isinstance(one.run(job, plan.references[0]), Trained)
    tracker = Tracker(where, made.name)
    expected = collecting.overview(tracker, made)[1]
    return expected, Options(replicates=20, references=lambda: collecting._references(tracker, expected))


def of_iemocap(study):
    return replace(with_demo_budget(study), search=Search()).with_corpora(
        c for c in study.corpora if c.name == "iemocap"
    )


def test_where_an_utterance_may_have_several_labels_its_run_has_probabilities(manifests, where, tmp_path):
    made = override(of_iemocap(multilabel), "iemocap.denoise", "none")
    expected, options = trained(made, manifests, where, tmp_path)
    (found,) = reference.reference_several(expected, options)
    assert found.truth.shape == (len(found.uids), 7)
    assert ((found.probabilities >= 0) & (found.probabilities <= 1)).all()
    (row,) = reference.table(expected, options).rows
    assert row.cells[0].value == multilabel_scores(found.truth, found.probabilities)["balanced"]


def test_where_an_utterance_is_many_segments_its_run_has_every_segment(manifests, where, tmp_path):
    made = replace(of_iemocap(segments), labels=Labels(), classes=("angry", "happy", "sad", "neutral"))
    expected, options = trained(made, manifests, where, tmp_path)
    (clips,) = reference.reference_segments(expected, options)["iemocap"]
    assert clips.logits.shape == (len(clips.clip), 4)
    wa, _ = reference.reference_accuracies(expected, options)["iemocap"]
    assert wa.value == pytest.approx(np.mean(clips.predicted == clips.truth))


# --- folds, seeds, and the three forms of predictions ---


def expected_with(*references):
    return Expected(
        "s", "S", "", ("a", "b"), (UsedCorpus("x", "X", True),), "", (), 0, (0,), False, False, references=references
    )


def placed(run_id, corpus="x", setting="", fold=0, seed=0):
    return Reference("title", "svm", corpus, setting, fold, seed, run_id)


def finished(run_id, text):
    return Finished(run_id, run_id, "title", {"classes": "a,b"}, {}, "", text)


def options_of(*runs):
    return Options(replicates=0, references=lambda: runs)


def labelled(run_id, *rows):
    return finished(run_id, "\n".join(["corpus,uid,label,predicted", *rows]))


def test_folds_are_pooled_before_accuracies_and_seeds_are_averaged():
    runs = (
        labelled("1", "x,u1,a,a", "x,u2,a,a", "x,u3,b,a"),
        labelled("2", "x,u4,b,b"),
        labelled("3", "x,u1,a,b", "x,u2,a,b", "x,u3,b,b"),
        labelled("4", "x,u4,b,b"),
    )
    expected = expected_with(
        *(placed(r, fold=f, seed=s) for r, f, s in (("1", 1, 0), ("2", 2, 0), ("3", 1, 1), ("4", 2, 1)))
    )
    wa, ua = reference.reference_accuracies(expected, options_of(*runs))["x"]
    assert wa.value == pytest.approx((3 / 4 + 2 / 4) / 2)
    assert ua.value == pytest.approx((3 / 4 + 2 / 4) / 2)  # (1 + 1/2) / 2 and (0 + 1) / 2


def test_a_seed_that_lacks_a_fold_does_not_count_and_without_any_there_is_a_hole():
    runs = (labelled("1", "x,u1,a,a"), labelled("3", "x,u1,a,b"), labelled("4", "x,u2,b,b"))
    two = (placed("1", fold=1), placed("", fold=2), placed("3", fold=1, seed=1), placed("4", fold=2, seed=1))
    assert reference.reference_accuracies(expected_with(*two), options_of(*runs))["x"][0].value == 0.5
    wa, ua = reference.reference_accuracies(expected_with(*two[:2]), options_of(*runs))["x"]
    assert np.isnan([wa.value, ua.value]).all()


def test_protocols_are_kept_apart():
    runs = (labelled("1", "x,u1,a,a"), labelled("2", "x,u1,a,b"))
    expected = expected_with(placed("1", setting="sd"), placed("2", setting="si"))
    values = [reference.reference_accuracies(expected, options_of(*runs), s)["x"][0].value for s in ("sd", "si")]
    assert values == [1.0, 0.0]
    assert reference.reference_accuracies(expected, options_of(*runs)) == {}
    assert [row.name for row in reference.table(expected, options_of(*runs)).rows] == [
        "reference (SVM) · sd",
        "reference (SVM) · si",
    ]


def test_clips_are_answered_by_the_mean_of_their_segments_decisions_and_each_segment_is_there():
    head = "corpus,uid,segment,label,predicted,l_a,l_b"
    rows = ["x,u1,0,a,b,0,1", "x,u1,1,a,b,0,1", "x,u1,2,a,a,5,0", "x,u2,0,b,b,0,1"]
    runs = (finished("1", "\n".join([head, *rows])),)
    expected = expected_with(placed("1"))
    assert reference.reference_accuracies(expected, options_of(*runs))["x"][0].value == 1.0
    (clips,) = reference.reference_segments(expected, options_of(*runs))["x"]
    assert clips.clip.tolist() == [0, 0, 0, 1]
    assert reference.reference_several(expected, options_of(*runs)) == []


def test_of_several_labels_all_corpora_are_joined_and_scored_by_probabilities():
    head = "corpus,uid,label,p_a,p_b"
    runs = (
        finished("1", f"{head}\nx,u2,b,0.1,0.9\nx,u1,a,0.9,0.6"),
        finished("2", f"{head}\ny,u3,a|b,0.8,0.7"),
    )
    expected = expected_with(placed("1"), placed("2", corpus="y"))
    (whole,) = reference.reference_several(expected, options_of(*runs))
    assert (whole.corpora.tolist(), whole.uids) == (["x", "x", "y"], ("u1", "u2", "u3"))
    assert whole.truth.tolist() == [[True, False], [False, True], [True, True]]
    assert reference.reference_accuracies(expected, options_of(*runs)) == {}
    x, y = reference.table(expected, options_of(*runs)).rows
    scores = multilabel_scores(whole.truth[:2], whole.probabilities[:2])
    assert x.cells[0] == Cell(scores["balanced"])  # a: 1; b: (1 + 0) / 2
    assert scores["balanced"] == 0.75
    assert np.isnan(y.cells[0].value)  # no emotion is both present and absent there
    missing = expected_with(placed("1"), placed("", corpus="y"))
    assert reference.reference_several(missing, options_of(*runs)) == []


def test_trials_are_counted_against_the_reference_of_their_own_split():
    def params(corpus, seed):
        return {f"corpus.{corpus}.split": "speakers", f"corpus.{corpus}.split.seed": str(seed), "block": "x"}

    accuracies = {}
    scores = {"t1": ("x", 0, 0.7), "t2": ("x", 0, 0.4), "t3": ("x", 1, 0.9), "t4": ("y", 0, 0.9), "ref": ("x", 0, 0.5)}
    for trial, (corpus, seed, ua) in scores.items():
        metrics = {f"ua/{corpus}": ua, f"wa/{corpus}": 0.1, "val/ua/x": 0.3}
        for split, value in reference.accuracies_by_split(params(corpus, seed), metrics).items():
            accuracies.setdefault(split, {})[trial] = value
    assert reference.rank("ref", accuracies) == (2, 1)
    assert reference.rank("unknown", accuracies) == (0, 0)

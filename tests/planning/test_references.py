"""Plain references beside a grid: one for each way in which it splits a corpus it tests, and none of its trials."""

from dataclasses import replace

import pytest
import tiny_search
import tiny_survey

from experiments.multilabel import study as multilabel
from experiments.segments import study as segments
from ser.errors import BadInput
from ser.planning.plan import resolve
from ser.planning.selection import select
from ser.study import Part, override, part, references_of, statement, trial_of
from ser.study.study import Labels
from ser.trials.job import UNCOPIED, job_of

SVM = part("svm", statistics=("mean", "std"))


@pytest.fixture(scope="module")
def whole(paper, manifests):
    return resolve(paper, manifests)


def test_each_tested_corpus_has_one_and_the_grid_counts_none_of_them(whole, paper, manifests):
    assert [t.title for t in whole.references] == ["I · reference svm", "R · reference svm", "C · reference svm"]
    assert (len(whole.trials), whole.results, len(whole.to_train)) == (168, 288, 150)
    assert len(whole.to_run) == 153
    without = resolve(override(paper, "reference", "none"), manifests)
    assert (without.trials, without.twins, without.references) == (whole.trials, whole.twins, ())
    assert without.variant == whole.variant


def test_it_takes_the_studys_front_end_and_split_and_neither_copies_nor_balance(whole, paper):
    for trial in whole.references:
        (corpus,) = trial.corpora
        beside = next(t for t in whole.trials if corpus.name in t.targets)
        (as_split,) = (c for c in beside.corpora if c.name == corpus.name)
        assert corpus == replace(as_split, copies=0)
        assert (trial.front_end, trial.normalise) == (paper.features.front_end, "train")
        assert (trial.balance, trial.augmentation) == (Part("none"), ())
        assert trial.block.values() | {"statistics": ("mean", "std"), "kernel": "rbf"} == trial.block.values()


def test_its_training_subset_has_no_copies_where_those_of_the_grid_do(whole, where, tmp_path):
    job = job_of(whole, where, tmp_path, str(tmp_path), "cpu", 1, "test", [])
    source = whole.sources["ravdess"]
    subsets = job.subsets["ravdess"]
    assert len(subsets["train"].names) == len(source.split.train) + source.corpus.copies
    assert list(subsets[UNCOPIED].names) == [u.uid for u in source.split.train]


def test_each_fold_and_protocol_has_one_and_its_title_tells_them_apart(data, tmp_path):
    found = tiny_survey.plan(tiny_survey.study(folds=2, reference=SVM), data, tmp_path)
    assert [t.title for t in found.references] == [
        f"R · reference svm · {protocol} · fold {k}" for protocol in ("sd", "si") for k in (1, 2)
    ]
    assert [t.corpora[0].split["fold"] for t in found.references] == [1, 2, 1, 2]


def test_a_corpus_with_a_value_of_its_own_for_each_point_has_one_for_each(study, manifests):
    made = override(replace(study, reference=SVM), "ravdess.test", 0.1)

    def points(corpora, train_only):
        shared = {"corpora": ("ravdess",), "block": "lstm", "pooling": "mean", "task": "unified"}
        return [{**shared, "ravdess.test": share} for share in (0.1, 0.2)]

    found = resolve(replace(made, points=points, expect=2), {"ravdess": manifests["ravdess"]})
    assert [t.title for t in found.references] == ["R · reference svm · test 0.1", "R · reference svm · test 0.2"]


def test_a_seed_has_one_of_its_own_only_where_it_changes_the_split(study):
    made = replace(study, reference=SVM, points=lambda *_: [], expect=0)
    point = {"corpora": ("ravdess",), "block": "lstm", "pooling": "mean", "task": "unified"}
    corpus = next(c for c in made.corpora if c.name == "ravdess")
    apart = [trial_of(made, point, {"ravdess": corpus}, seed) for seed in (0, 1)]
    alike = [trial_of(replace(made, seed_moves=("weights",)), point, {"ravdess": corpus}, seed) for seed in (0, 1)]
    assert [t.seed for t in references_of(made, alike)] == [0]
    assert [t.title for t in references_of(made, apart)] == ["R · reference svm", "R · reference svm · seed 1"]


def test_rotating_folds_have_one_for_each_fold_and_seed(study, manifests):
    made = replace(override(study.in_mode("sound"), "augmentation", "none"), reference=SVM)
    found = resolve(made, {"ravdess": manifests["ravdess"]}, seeds=2)
    folds = [f"R · reference svm · fold {k}" for k in range(1, 6)]
    assert [t.title for t in found.references] == [*folds, *(f"{title} · seed 1" for title in folds)]
    for trial in found.references:
        source = found.sources[trial.corpora[0].source]
        assert not {u.speaker for u in source.split.train} & {u.speaker for u in source.split.test}


def test_candidates_of_a_search_have_none(data, tmp_path):
    found = tiny_search.plan(tiny_search.study(), data, tmp_path)
    assert [t.title for t in found.references] == ["R · reference svm"]
    assert found.references == found.grown({t.id: 0.5 for t in found.trials}).references


def test_it_is_never_a_trial_of_the_grid_with_equal_settings(whole):
    reference = whole.references[0]
    other = replace(reference, role=Part("grid"))
    assert other.id != reference.id
    assert statement(reference) == statement(other) | {"reference": True}


def test_it_is_found_by_its_title(whole):
    assert select([*whole.trials, *whole.references], "r reference svm") == whole.references[1]


def test_its_settings_can_be_set_and_it_can_be_left_out(paper):
    assert override(paper, "reference.c", 10.0).reference["c"] == 10.0
    assert override(paper, "reference", "none").reference is None
    assert override(paper, "reference", "lda").reference.name == "lda"
    assert override(paper, "reference", "lda").reference["statistics"] == ("mean", "std")
    for path, value in (("reference.c", 0.0), ("reference.kernle", "rbf"), ("reference", "lstm"), ("reference", "vsm")):
        with pytest.raises(BadInput):
            override(paper, path, value)


@pytest.mark.parametrize("model", ["lstm", "svm"])
def test_a_network_and_a_model_of_one_label_are_refused_where_they_cannot_serve(model, study, manifests):
    block = part("svm", statistics=("mean",)) if model == "svm" else study.block("lstm")
    votes = Labels(votes="tied") if model == "svm" else Labels()
    made = replace(study, reference=block, labels=votes)
    with pytest.raises(BadInput, match=f"(?s){model}.*logistic"):
        resolve(made, {"ravdess": manifests["ravdess"]})


@pytest.mark.parametrize("study", [segments, multilabel], ids=lambda study: study.name)
def test_studies_of_segments_and_of_several_labels_have_a_regression(study):
    corpora = {c.name: c for c in study.corpora}
    trials = [trial_of(study, point, corpora, 0) for point in study.grid(study.corpora)]
    assert {t.block.name for t in references_of(study, trials)} == {"logistic"}

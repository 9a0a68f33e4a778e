"""Notes on the data of a plan: what is not tested, folds that are not run, what copies hang on, what a seed changes."""

from dataclasses import replace

import tiny_survey

from ser.planning.plan import resolve
from ser.study import override, part


def notes(study, manifests, *names, seeds=1):
    return resolve(study, {name: manifests[name] for name in names}, seeds=seeds).notes


def test_a_corpus_that_only_trains_is_told(study, manifests):
    assert "tess: nothing of it is tested" in notes(study, manifests, "tess", "ravdess")
    assert notes(study, manifests, "ravdess") == ()


def test_copies_tell_that_they_hang_on_the_other_corpora(paper, study, manifests):
    (told,) = [note for note in notes(paper, manifests, "tess", "ravdess") if "augmented copies" in note]
    assert "all corpora of the run (ravdess)" in told
    assert not [n for n in notes(paper, manifests, "ravdess") if "copies" in n]  # none to hang on
    assert not [n for n in notes(study, manifests, "tess", "ravdess") if "copies" in n]  # none are made


def test_folds_that_are_not_run_are_told(paper, manifests):
    sound = override(paper.in_mode("sound"), "ravdess.folds", 4)
    sound = override(sound, "customer.folds", 3)
    told = [note for note in notes(sound, manifests, "ravdess", "customer") if "folds" in note]
    assert told == ["ravdess: 3 of 4 folds (grouped) are run in some combinations, as other corpora have no more"]
    told = [note for note in notes(override(sound, "folds", 1), manifests, "ravdess") if "folds" in note]
    assert told == ["ravdess: 1 of 4 folds (grouped) are run"]


def test_what_another_seed_changes_is_told_where_there_is_one(paper, study, manifests):
    assert not [note for note in notes(paper, manifests, "tess", "ravdess") if "another seed" in note]
    assert [note for note in notes(paper, manifests, "tess", "ravdess", seeds=2) if "another seed" in note] == [
        "another seed changes: weights, batches and dropout; the split of ravdess (tess: fixed by "
        "the rule); augmentation (--set seed_moves)"
    ]
    weights = override(study, "seed_moves", "weights")
    assert "another seed changes: weights, batches and dropout (--set seed_moves)" in notes(
        weights, manifests, "ravdess", seeds=2
    )


def test_a_protocol_that_no_seed_moves_is_told_apart_from_one_that_it_does(data, tmp_path):
    by_name = part("leave_one_out", by="speaker", songs=False)
    made = tiny_survey.study()
    fixed = replace(made, corpora=(replace(made.corpora[0], split=by_name),), seed_moves=("split", "weights"))
    manifest = tiny_survey.plan(made, data, tmp_path).manifests["ravdess"]
    (told,) = [n for n in resolve(fixed, {"ravdess": manifest}, seeds=2).notes if "another seed" in n]
    assert "the split of ravdess by sd alone" in told
    (told,) = [n for n in resolve(made, {"ravdess": manifest}, seeds=2).notes if "another seed" in n]
    assert "the split of ravdess;" in told.replace(" (--set", ";")


def test_subsets_of_a_table_that_a_rule_does_not_ask_for_are_told(paper, manifests):
    customer = manifests["customer"]
    marked = replace(customer, utterances=tuple(replace(u, split="") for u in customer.utterances))
    one = replace(marked.utterances[0], split="test")
    same = [replace(u, split="test") if u.speaker == one.speaker else u for u in marked.utterances]
    marked = replace(marked, utterances=tuple(same))
    sound = override(paper.in_mode("sound"), "customer.folds", 3)
    told = "customer: its own subsets (column split) are not used by the rule grouped"
    assert told in resolve(sound, {"customer": marked}).notes
    assert not [n for n in resolve(paper, {"customer": marked}).notes if "own subsets" in n]

"""Plans: the paper's grid over scanned corpora, copies that even them out, duplicates, and grids refused."""

import json
import pickle
import re
from collections import Counter
from dataclasses import replace

import pytest

from ser.errors import BadInput
from ser.features.store import Store
from ser.planning import notes
from ser.planning.plan import resolve
from ser.planning.request import bring
from ser.planning.sources import total_frames
from ser.study import grid, override
from ser.study.trial import in_short
from ser.trials.job import Subset, job_of


@pytest.fixture(scope="module")
def whole(paper, manifests):
    """The paper's study, augmentation included, on four miniatures."""
    return resolve(paper, manifests)


def test_four_corpora_give_the_papers_grid(whole):
    assert len({t.combination for t in whole.trials}) == 14
    assert (len(whole.trials), whole.results, len(whole.to_train), len(whole.twins)) == (168, 288, 150, 18)


def test_a_twin_is_the_multi_task_trial_of_one_corpus_and_points_to_its_unified_equal(whole):
    for twin, original in whole.twins.items():
        one, other = whole.by_id[twin], whole.by_id[original]
        assert len(one.corpora) == 1
        assert replace(one, task="unified") == other
    assert not set(whole.twins) & {t.id for t in whole.to_train}


def test_repeating_duplicates_trains_all_168_apart(paper, manifests):
    plan = resolve(paper, manifests, duplicates="repeat")
    assert plan.twins == {}
    assert len({t.id for t in plan.to_train}) == 168
    apart = {(t.combination, t.block.name, t.pooling, len(t.corpora) > 1 and t.task, t.repeat) for t in plan.trials}
    assert len(apart) == 168


def test_seeds_repeat_the_whole_grid(paper, manifests, whole):
    plan = resolve(paper, manifests, seeds=3)
    assert (len(plan.trials), len(plan.to_train)) == (3 * 168, 3 * 150)
    assert plan.trials[:168] == whole.trials
    assert {t.seed for t in plan.trials[336:]} == {2}


def test_copies_bring_every_corpus_to_the_largest(whole):
    sizes = {len(s.split.train) + s.corpus.copies for s in whole.sources.values()}
    assert sizes == {max(len(s.split.train) for s in whole.sources.values())}
    for source in whole.sources.values():
        assert sum(len(r.items) for r in source.recipes[1:]) == source.corpus.copies


def test_copies_are_of_training_speakers_alone(whole):
    for source in whole.sources.values():
        train = {u.uid for u in source.split.train}
        assert {u.uid for r in source.recipes[1:] for u, _ in r.items} <= train
        assert {u.uid for u, _ in source.recipes[0].items} == {
            u.uid for us in source.split.subsets().values() for u in us
        }


def test_copies_are_spread_evenly_over_utterances_and_the_six_kinds(whole):
    tess = whole.sources["tess"]  # 35 copies of 16 utterances: two turns, and three of the third
    assert sum(len(r.items) for r in tess.recipes[1:]) == tess.corpus.copies == 35
    assert max(len(r.items) for r in tess.recipes[1:]) - min(len(r.items) for r in tess.recipes[1:]) <= 3
    times = Counter(u.uid for r in tess.recipes[1:] for u, _ in r.items)
    assert sorted(times.values()) == [2] * 13 + [3] * 3
    kinds = Counter((u.uid, r.augmentation.name) for r in tess.recipes[1:] for u, _ in r.items)
    assert set(kinds.values()) == {1}
    assert {copy for r in tess.recipes[1:] for _, copy in r.items} == {1, 2, 3}


def test_without_augmentation_there_are_no_copies(study, manifests):
    plan = resolve(study, manifests)
    assert {s.corpus.copies for s in plan.sources.values()} == {0}
    assert {len(s.recipes) for s in plan.sources.values()} == {1}


def test_corpora_carry_their_fingerprints_into_the_identity(study, manifests, plan):
    other = resolve(study, {**{n: manifests[n] for n in ("tess", "ravdess")}, "tess": without_one(manifests["tess"])})
    assert plan.sources["tess"].corpus.fingerprint == manifests["tess"].fingerprint
    changed = [a.id == b.id for a, b in zip(plan.trials, other.trials, strict=True)]
    assert changed == ["T" not in t.combination for t in plan.trials]


def without_one(manifest):
    return replace(manifest, utterances=manifest.utterances[1:])


def with_own(study, *names):
    """The study over these corpora, those it does not know being tables."""
    return study.with_corpora(bring(study, [(name, "manifest_csv") for name in names]))


def under(manifest, name):
    """The same recordings as a corpus of another name."""
    mine = [
        replace(u, uid=u.uid.replace(manifest.corpus, name, 1), speaker=u.speaker.replace(manifest.corpus, name, 1))
        for u in manifest.utterances
    ]
    return replace(manifest, corpus=name, utterances=tuple(replace(u, corpus=name) for u in mine))


def test_a_corpus_that_is_another_under_a_second_name_is_left_out_and_told(study, manifests):
    plan = resolve(
        with_own(study, "customer", "clients"),
        {"customer": manifests["customer"], "clients": under(manifests["customer"], "clients")},
    )
    assert list(plan.corpora) == ["customer"]
    assert "clients is left out: all its 76 recordings are in others" in plan.notes


def test_corpora_that_contradict_each_other_in_every_label_are_refused(study, manifests):
    other = under(manifests["customer"], "clients")
    wrong = tuple(replace(u, label="sad" if u.label == "happy" else "happy") for u in other.utterances)
    with pytest.raises(BadInput, match=r"left out of both.*customer is left out.*clients is left out"):
        resolve(
            with_own(study, "customer", "clients"),
            {"customer": manifests["customer"], "clients": replace(other, utterances=wrong)},
        )


def test_recordings_that_two_corpora_share_are_used_in_the_first_alone_and_told(study, manifests):
    customer, tess = manifests["customer"], manifests["tess"]
    same, other = [u for u in customer.utterances if u.label == "sad"][:2]
    alike = next(u for u in tess.utterances if u.label == "sad")
    unlike = next(u for u in tess.utterances if u.label == "happy")
    shared = {alike.uid: same.sound, unlike.uid: other.sound}
    joined = tuple(replace(u, sound=shared.get(u.uid, u.sound)) for u in tess.utterances)
    plan = resolve(study, {"tess": replace(tess, utterances=joined), "customer": customer})
    left = {name: {u.uid for u in plan.sources[name].manifest.utterances} for name in ("tess", "customer")}
    assert left["tess"] == {u.uid for u in tess.utterances} - {unlike.uid}
    assert left["customer"] == {u.uid for u in customer.utterances} - {same.uid, other.uid}
    assert {note for note in plan.notes if "same audio" in note} == {
        f"the same audio in tess and customer (1), used in tess alone: {alike.uid} (sad) = {same.uid} (sad)",
        "the same audio in tess and customer (1), left out of both, as their labels differ: "
        f"{unlike.uid} (happy) = {other.uid} (sad)",
    }
    assert plan.grown({}).trials == plan.trials


def test_a_corpus_of_ones_own_gets_a_letter_that_is_free(study, manifests):
    two = {"iemocap": manifests["iemocap"], "irritated": under(manifests["customer"], "irritated")}
    plan = resolve(with_own(study, *two), two)
    assert [s.corpus.letter for s in plan.sources.values()] == ["I", "Ir"]
    assert plan.sources["irritated"].corpus.loader.name == "manifest_csv"
    assert plan.sources["irritated"].corpus.split == study.other_corpora


@pytest.mark.parametrize("name", ["all", "loss", "Upper", "a.b", "x" * 41])
def test_a_name_that_metrics_could_not_bear_is_refused(study, name):
    with pytest.raises(BadInput, match="rename it"):
        with_own(study, name)


def test_a_corpus_that_the_study_does_not_know_is_refused(study, manifests):
    with pytest.raises(BadInput, match="iemocap, tess, ravdess, customer"):
        resolve(study, {"clients": under(manifests["customer"], "clients")})


def test_where_a_table_lies_is_no_part_of_the_identity(study, manifests):
    def ids(study):
        return [t.id for t in resolve(study, {"customer": manifests["customer"]}).trials]

    assert ids(override(with_own(study, "customer"), "customer.audio_root", "elsewhere")) == ids(study)


def test_ratings_are_in_the_identity_by_the_fingerprint_alone(paper, manifests):
    iemocap = manifests["iemocap"]
    rated = replace(iemocap, utterances=tuple(replace(u, valence=2.5) for u in iemocap.utterances), scale=(1.0, 5.0))
    with_ratings = override(paper, "iemocap.ratings", True)

    def ids(study, manifest):
        return [t.id for t in resolve(study, {"iemocap": manifest}).trials]

    assert ids(with_ratings, iemocap) == ids(paper, iemocap)
    assert not set(ids(with_ratings, rated)) & set(ids(paper, iemocap))


def only(manifest, keep):
    return replace(manifest, utterances=tuple(u for u in manifest.utterances if keep(u)))


def test_a_class_that_cannot_be_trained_is_an_error(study, manifests, plan):
    source = plan.sources["ravdess"]
    split = replace(source.split, train=tuple(u for u in source.split.train if u.label != "sad"))
    with pytest.raises(BadInput, match=r"no sad in the training side; .*seed"):
        notes.check_classes(study, replace(source, split=split))
    with pytest.raises(BadInput, match=r"corpus ravdess: no sad; .*--set merge"):  # no seed would help
        resolve(study, {"ravdess": only(manifests["ravdess"], lambda u: u.label != "sad")})


def test_a_class_that_cannot_be_tested_is_a_note(study, manifests, plan):
    tested = {u.speaker for u in plan.sources["ravdess"].split.test}
    fewer = only(manifests["ravdess"], lambda u: u.label != "sad" or u.speaker not in tested)
    given = tuple(replace(u, split="test" if u.speaker in tested else "") for u in fewer.utterances)
    notes = resolve(study, {"ravdess": replace(fewer, utterances=given)}).notes
    assert notes == ("ravdess: no sad in test; UA there is over the classes present",)


def test_a_corpus_without_any_wanted_class_says_what_it_has(study, manifests):
    with pytest.raises(BadInput, match=r"it has fear.*merge labels"):
        resolve(study, {"customer": only(manifests["customer"], lambda u: u.label == "fear")})


def test_merged_labels_count_as_their_class(study, manifests):
    before = resolve(study, {"iemocap": manifests["iemocap"]}).sources["iemocap"].split
    after = resolve(override(study, "merge", (("excited", "happy"),)), {"iemocap": manifests["iemocap"]})
    extra = {u.label_raw for u in after.sources["iemocap"].split.train} - {u.label_raw for u in before.train}
    assert extra == {"exc"}
    assert {u.label for u in after.sources["iemocap"].split.train} == set(study.classes)


def test_train_only_corpora_alone_are_no_grid(study, manifests):
    with pytest.raises(BadInput, match=r"at least one corpus with a test side; .*--corpora NAME=PATH"):
        resolve(study, {"tess": manifests["tess"]})


@pytest.mark.parametrize(("wrong", "said"), [({"seeds": 0}, "--seeds"), ({"duplicates": "twice"}, "once, repeat")])
def test_wrong_options_are_refused(study, manifests, wrong, said):
    with pytest.raises(BadInput, match=said):
        resolve(study, manifests, **wrong)


def test_a_variant_is_the_same_for_all_seeds_and_another_for_other_settings(study, manifests, plan):
    two = {name: manifests[name] for name in ("tess", "ravdess")}
    assert resolve(study, two, seeds=2).variant == plan.variant
    assert resolve(override(study, "training.max_epochs", 3), two).variant != plan.variant
    assert resolve(study, {"ravdess": manifests["ravdess"]}).variant != plan.variant


def test_a_later_setting_makes_another_variant_only_where_it_says_something_else(study, manifests, plan):
    made = {"learns_from": "train", "check_every_epochs": 1, "loss_tolerance": 0.0, "weighted_validation": True}
    assert not set(made) & set(re.findall(r"(\w+)=", in_short(study.training)))
    assert set(made) <= set(vars(study.training))
    corpus = study.corpora[0]
    assert in_short(corpus) == repr(corpus).replace(", apart=(), seed=0, protocol=''", "")
    assert "apart=('sentence',)" in in_short(replace(corpus, apart=("sentence",)))
    other = override(study, "training.learns_from", "train_and_validation")
    assert "learns_from='train_and_validation'" in in_short(other.training)
    assert resolve(other, {n: manifests[n] for n in ("tess", "ravdess")}).variant != plan.variant


def test_another_merge_than_the_studys_makes_another_variant_and_the_studys_own_the_same(study, manifests, plan):
    two = {name: manifests[name] for name in ("tess", "ravdess")}
    excited = override(study, "merge", (("excited", "happy"),))
    fearful = override(excited, "merge", (("fear", "sad"),))
    variants = {resolve(each, two).variant for each in (study, excited, fearful)}
    assert len(variants) == 3
    assert override(fearful, "merge", study.labels.merge) == study
    stated = replace(study, labels=replace(study.labels, merge=(("excited", "happy"),)))
    assert resolve(stated, two).variant == plan.variant  # as it was before a merge could be told from the study's


def test_a_search_that_grows_keeps_the_copies_that_corpora_without_a_point_ask_for(paper, manifests):
    """Copies make corpora as large as the largest of the run, which no point needs to use."""

    def points(corpora, train_only):
        return [{"corpora": ("ravdess",), "block": "lstm", "pooling": "mean", "task": "unified"}]

    alone = resolve(replace(paper, points=points, expect=1), {"ravdess": manifests["ravdess"]})
    plan = resolve(replace(paper, points=points, expect=1), manifests)
    assert plan.trials[0].corpora[0].copies > alone.trials[0].corpora[0].copies == 0
    grown = plan.grown({})
    assert (grown.trials, grown.references, grown.variant) == (plan.trials, plan.references, plan.variant)
    assert list(grown.corpora) == list(manifests)


def test_a_job_says_of_all_corpora_what_they_are_also_of_those_without_a_point(paper, manifests, where, tmp_path):
    def points(corpora, train_only):
        return [{"corpora": ("ravdess",), "block": "lstm", "pooling": "mean", "task": "unified"}]

    plan = resolve(replace(paper, points=points, expect=1), manifests)
    job = job_of(plan, where, tmp_path, "store", "cpu", 1, "test", [])
    assert {name: release["state"] for name, release in json.loads(job.tags["grid"])["releases"].items()} == {
        "iemocap": "part", "tess": "part", "ravdess": "part", "customer": "own",
    }  # fmt: skip


def test_frames_are_estimated_from_durations(plan, features):
    recipe = plan.sources["ravdess"].recipes[0]
    stored = Store(features).open(recipe.key)
    exact = stored.nbytes / 4 / 257
    assert abs(total_frames([recipe]) - exact) <= len(recipe.items)  # a resampled wave may be a sample longer


def test_a_job_names_every_item_of_every_side_and_is_the_same_after_a_journey(whole, where, tmp_path):
    job = job_of(whole, where, tmp_path, "store", "cpu", 1, "test", [])
    arrived = pickle.loads(pickle.dumps(job))
    for name, source in whole.sources.items():
        copies = {n: u for recipe in source.recipes[1:] for n, (u, _) in zip(recipe.names, recipe.items, strict=True)}
        for side, utterances in source.split.subsets().items():
            sent = job.subsets[name][side]
            expected = {u.uid: u for u in utterances} | (copies if side == "train" else {})
            assert list(sent.names) == list(expected)
            assert sent.labels.tolist() == [whole.study.classes.index(u.label) for u in expected.values()]
            assert arrived.subsets[name][side] == sent
            assert hash(arrived.subsets[name][side]) == hash(sent)
    train = job.subsets["ravdess"]["train"]
    assert train != job.subsets["ravdess"]["val"]
    assert train != Subset(train.names, [*train.labels[:-1], (train.labels[-1] + 1) % 4])


def with_axis(study, **axes):
    """The study with one network on RAVDESS alone, and an axis over settings of that corpus."""
    whole = grid(corpora=[("ravdess",)], block=["lstm"], pooling=["mean"], task=["unified"], **axes)
    return replace(study, points=lambda corpora, train_only: whole, expect=len(whole))


def test_a_split_may_be_an_axis_and_each_of_its_values_has_subsets_of_its_own(study, manifests):
    plan = resolve(with_axis(study, **{"ravdess.test": [0.2, 0.4]}), {"ravdess": manifests["ravdess"]})
    tested = {name: len({u.speaker for u in source.split.test}) for name, source in plan.sources.items()}
    assert list(tested) == ["ravdess/test=0.2", "ravdess/test=0.4"]
    assert tested["ravdess/test=0.2"] < tested["ravdess/test=0.4"]
    assert [t.title for t in plan.trials] == ["R · lstm · μ · unified · test 0.2", "R · lstm · μ · unified · test 0.4"]
    assert len({t.id for t in plan.trials}) == 2
    assert len({source.recipes[0].key for source in plan.sources.values()}) == 1  # the same features


@pytest.mark.parametrize(
    ("axis", "remedy"),
    [("channels", "--set ravdess.channels="), ("tets", "did you mean test")],
)
def test_an_axis_that_needs_another_scan_or_is_misspelt_is_refused(study, manifests, axis, remedy):
    with pytest.raises(BadInput, match=rf"axes of interaffection: ravdess: .*{remedy}"):
        resolve(with_axis(study, **{f"ravdess.{axis}": [("speech",)]}), {"ravdess": manifests["ravdess"]})


def test_a_split_is_no_axis_where_augmented_copies_follow_from_it(paper, manifests):
    with pytest.raises(BadInput, match="one split for all trials, where copies are augmented"):
        resolve(with_axis(paper, **{"ravdess.test": [0.2, 0.4]}), {"ravdess": manifests["ravdess"]})


def test_two_points_that_are_one_trial_are_refused(study, manifests):
    with pytest.raises(BadInput, match="take one of the two out"):
        resolve(with_axis(study, **{"training.batch_size": [4, 4]}), {"ravdess": manifests["ravdess"]})

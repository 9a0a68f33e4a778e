"""Rotating folds and moved seeds in a plan: who is tested, copies, shared entries, identities, titles, notes."""

from collections import Counter
from dataclasses import replace
from functools import partial

import pytest

from ser.data.leakage import Leak
from ser.data.splits import split
from ser.errors import BadInput
from ser.planning.plan import resolve
from ser.planning.search import unfold
from ser.report.planned import planned_trials
from ser.report.runs import UsedCorpus
from ser.study import completed, load_study, override, part, trial_of
from ser.trials.job import job_of

NAMES = ("iemocap", "tess", "ravdess", "customer")


@pytest.fixture(scope="module")
def sound(paper):
    """The mode of rotating folds; its miniatures have fewer speakers than a corpus."""
    study = paper.in_mode("sound")
    for name in ("ravdess", "customer"):
        study = override(study, f"{name}.folds", 3)
    return override(study, "iemocap.folds", 3)


@pytest.fixture(scope="module")
def whole(sound, manifests):
    return resolve(sound, manifests)


def of_point(plan, combination="I+T+R+C", block="lstm", seed=0):
    found = [t for t in plan.trials if (t.combination, t.block.name, t.seed) == (combination, block, seed)]
    return [t for t in found if (t.pooling, t.task) == ("mean", "unified")]


def test_every_point_is_trained_in_every_fold(whole):
    assert (len(whole.trials), whole.results, len(whole.twins)) == (3 * 168, 3 * 288, 3 * 18)
    assert [t.title for t in of_point(whole)] == [f"I+T+R+C · lstm · μ · unified · fold {k}" for k in (1, 2, 3)]
    assert len({t.id for t in whole.trials}) == 3 * 168


def test_all_utterances_of_tested_corpora_are_tested_once_over_the_folds(whole):
    for name in ("iemocap", "ravdess", "customer"):
        folds = [whole.sources[f"{name}/grouped/{k}"].split for k in (1, 2, 3)]
        everyone = {u.uid for us in folds[0].subsets().values() for u in us}
        assert Counter(u.uid for done in folds for u in done.test) == Counter(everyone)
    assert [len(whole.sources[f"tess/alternating/{k}"].split.test) for k in (1, 2, 3)] == [0, 0, 0]


def test_copies_make_the_training_sides_of_each_fold_equal_and_are_of_these_alone(whole):
    for trial in of_point(whole):
        sources = [whole.sources[c.source] for c in trial.corpora]
        assert len({len(s.split.train) + s.corpus.copies for s in sources}) == 1
        for source in sources:
            training = {u.uid for u in source.split.train}
            assert len(source.copies) == source.corpus.copies
            assert {u.uid for _, u in source.copies} <= training
            times = Counter(u.uid for _, u in source.copies)
            if source.copies:
                assert max(times.values()) - min(times.get(uid, 0) for uid in training) <= 1


def test_folds_share_their_entries(whole):
    """A copy of an utterance is computed once, in whatever folds it trains."""
    for name, rule in zip(NAMES, ("grouped", "alternating", "grouped", "grouped"), strict=True):
        sources = [whole.sources[f"{name}/{rule}/{k}"] for k in (1, 2, 3)]
        keys = {recipe.key for source in sources for recipe in source.entries}
        items = [
            item for source in sources for r in source.entries for item in zip(r.names, [r.key] * 999, strict=False)
        ]
        assert len({name for name, _ in items}) == len(set(items))  # none lies in two entries
        assert len({source.recipes[0].key for source in sources}) == 1
        most = max(sources, key=lambda s: len(s.entries))
        assert keys == {recipe.key for recipe in most.entries}


def test_a_fold_finds_its_copies_in_the_entries_that_it_names(whole):
    for source in whole.sources.values():
        held = {name: r.augmentation for r in source.recipes[1:] for name in r.names}
        assert {name for name, _ in source.copies} <= set(held)
        kinds = Counter(held[name].name for name, _ in source.copies)
        assert len(source.copies) < 12 or len(kinds) == 6


def test_a_report_expects_the_titles_that_the_plan_has(sound, whole):
    used = [UsedCorpus(c.name, c.letter, c.tested) for c in whole.corpora.values()]
    expected = [title for title, _ in planned_trials(sound, used, 1, whole.folds, whole.unmet)]
    assert expected == [t.title for t in whole.trials]


def test_a_job_proves_every_fold(whole, where, tmp_path):
    job = job_of(whole, where, tmp_path, "store", "cpu", 1, "test", [])
    assert set(job.proofs) == {c.source for t in whole.trials for c in t.corpora}
    assert {proof["shared_dialogues"] for proof in job.proofs.values()} == {0}
    train = job.subsets["ravdess/grouped/2"]["train"]
    assert list(train.names)[-1].endswith("#1") or not whole.sources["ravdess/grouped/2"].copies


def test_pairs_of_iemocap_stay_together_by_rules_of_speakers_and_are_a_leak_where_one_is_named(manifests):
    everyone = manifests["iemocap"].utterances
    for rule in (part("speakers", train=0.6, val=0.2, test=0.2), part("grouped"), part("leave_one_out", by="session")):
        done = split("iemocap", everyone, completed("splits", rule, "split"))
        assert [len({u.session for u in us}) for us in done.subsets().values()] == [3, 1, 1]
    with pytest.raises(Leak, match=r"dialogue of .*--set iemocap\.by=session"):
        split("iemocap", everyone, completed("splits", part("leave_one_out", by="speaker"), "split"))


# what another seed moves


def test_seed_0_is_as_stated_and_others_move_split_augmentation_and_copies(paper, manifests):
    plan = resolve(paper, manifests, seeds=3)
    assert [t.id for t in resolve(paper, manifests).trials] == [t.id for t in plan.trials[:168]]
    first, second, third = (of_point(plan, seed=seed)[0] for seed in range(3))
    for seed, trial in ((1, second), (2, third)):
        for before, now in zip(first.corpora, trial.corpora, strict=True):
            moves = before.name in ("ravdess", "customer")
            assert now.split == (before.split.changed(seed=seed) if moves else before.split)
            assert now.source == f"{before.name}/seed {seed}"
        for before, now in zip(first.augmentation, trial.augmentation, strict=True):
            assert now["seed"] == before["seed"] + seed
        sources = [plan.sources[c.source] for c in trial.corpora]
        assert len({len(s.split.train) + s.corpus.copies for s in sources}) == 1
        assert {r.augmentation for s in sources for r in s.recipes} <= {None, *trial.augmentation}
    tested = {
        tuple(u.uid for c in t.corpora for u in plan.sources[c.source].split.test) for t in (first, second, third)
    }
    assert len(tested) > 1


@pytest.mark.parametrize("moves", [("weights",), ("split",), ("weights", "augmentation")])
def test_a_seed_moves_what_the_study_says_and_nothing_else(paper, manifests, moves):
    two = {name: manifests[name] for name in ("tess", "ravdess")}
    plan = resolve(override(paper, "seed_moves", moves), two, seeds=2)
    first, second = of_point(plan, "T+R", seed=0)[0], of_point(plan, "T+R", seed=1)[0]
    assert (second.training_seed == 1) == ("weights" in moves)
    assert (second.augmentation != first.augmentation) == ("augmentation" in moves)
    assert (second.corpora[1].split != first.corpora[1].split) == ("split" in moves)
    assert first.id != second.id
    assert [t.id for t in plan.trials[:24]] == [t.id for t in resolve(paper, two).trials]


def test_the_old_behaviour_keeps_its_ids(study, manifests):
    """As before ``seed_moves`` was: another seed in an equal statement."""
    two = {name: manifests[name] for name in ("tess", "ravdess")}
    plan = resolve(override(study, "seed_moves", "weights"), two, seeds=2)
    zero, one = plan.trials[:24], plan.trials[24:]
    assert [replace(t, seed=1).id for t in zero] == [t.id for t in one]
    assert set(plan.sources) == {"tess", "ravdess"}


def test_a_seed_that_moves_nothing_is_refused(study, manifests):
    with pytest.raises(BadInput, match=r"identical inputs and settings.*--set seed_moves"):
        resolve(override(study, "seed_moves", "split"), {"iemocap": manifests["iemocap"]}, seeds=2)


def test_folds_are_dealt_anew_by_another_seed(sound, manifests):
    plan = resolve(sound, {"ravdess": manifests["ravdess"], "tess": manifests["tess"]}, seeds=2)
    for trial in plan.trials:
        assert {c.split["seed"] for c in trial.corpora} == {trial.seed}
    one, two = (plan.sources[f"ravdess/grouped/1{end}"].split for end in ("", "/seed 1"))
    assert {u.speaker for u in one.test} != {u.speaker for u in two.test}
    assert len({t.id for t in plan.trials}) == len(plan.trials)


def test_a_seed_that_is_an_axis_stays_as_the_point_has_it(study, manifests):
    whole = [{"corpora": ("ravdess",), "block": "lstm", "pooling": "mean", "task": "unified", "ravdess.seed": 3}]
    with_axis = replace(study, points=lambda corpora, train_only: whole, expect=1)
    plan = resolve(with_axis, {"ravdess": manifests["ravdess"]}, seeds=2)
    assert [t.corpora[0].split["seed"] for t in plan.trials] == [3, 3]
    assert len({t.id for t in plan.trials}) == 2


def test_an_axis_of_an_augmentation_whose_copies_are_made_once_is_refused(paper, manifests):
    base = {"corpora": ("tess", "ravdess"), "block": "lstm", "pooling": "mean", "task": "unified"}
    points = [{**base, "noise.snr_db": value} for value in ((0.0, 5.0), (5.0, 20.0))]
    two = {name: manifests[name] for name in ("tess", "ravdess")}
    with pytest.raises(BadInput, match=r"several settings of an augmentation.*run the study once for each value"):
        resolve(replace(paper, points=lambda corpora, train_only: points, expect=2), two)


def test_fewer_speakers_than_folds_name_the_setting_that_helps(paper, manifests):
    speakers = len(manifests["customer"].speakers)
    study = override(paper.in_mode("sound"), "customer.folds", speakers + 1)
    with pytest.raises(BadInput, match=rf"--set customer\.folds={speakers}"):
        resolve(study, {"customer": manifests["customer"]})
    plan = resolve(override(study, "customer.folds", speakers), {"customer": manifests["customer"]})
    assert len(of_point(plan, "C")) == speakers


def test_a_corpus_without_folds_stands_in_each_fold_of_others(sound, manifests):
    stays = part("speakers", train=0.7, val=0.2, test=0.1)
    study = sound.with_corpora(replace(c, split=stays) if c.name == "customer" else c for c in sound.corpora)
    plan = resolve(study, {name: manifests[name] for name in ("ravdess", "customer")})
    assert len(of_point(plan, "R+C")) == 3
    assert len({t.title for t in plan.trials}) == len(plan.trials)
    first = study.with_corpora(sorted(study.corpora, key=lambda c: c.name != "customer"))
    turned = resolve(first, {name: manifests[name] for name in ("customer", "ravdess")})
    assert [t.title for t in of_point(turned, "C+R")] == [f"C+R · lstm · μ · unified · fold {k}" for k in (1, 2, 3)]
    assert [t.title for t in of_point(plan, "C")] == ["C · lstm · μ · unified"]


def test_a_search_and_what_it_trains_again_live_in_the_split_of_their_seed():
    study = load_study("mfcc_networks")
    corpora = {c.name: c for c in study.corpora}
    for seed in (0, 2):
        statement = partial(trial_of, study, corpora=corpora, seed=seed)
        points = study.grid(study.corpora)
        known = unfold(study, points, statement, seed, {})
        everything = unfold(study, points, statement, seed, {t.id: 1.0 for t in known})
        roles = Counter(t.role.name for t in everything)
        assert roles == {"printed": 2, "candidate": 2 * 20 * 3, "refit": 2}
        assert {t.corpora[0].split["seed"] for t in everything} == {42 + seed}
        assert {t.corpora[0].split["fold"] for t in everything} == {0, 1, 2, 3}
        assert {t.seed for t in everything} == {seed}

"""Unseen corpora in a plan: which points there are, who trains, who is tested, and what tables and notes say of it."""

from dataclasses import replace

import pytest

from ser.errors import BadInput
from ser.planning.plan import resolve
from ser.report.planned import across_corpora, planned_trials
from ser.report.runs import UsedCorpus
from ser.study import Comparison, override, part
from ser.study.stored import stored_trial
from ser.study.trial import canonical
from ser.trials.job import across_rules

NAMES = ("tess", "ravdess", "customer")


def planned(study, manifests, names, *settings):
    for path, value in settings:
        study = override(study, path, value)
    return resolve(study, {name: manifests[name] for name in names})


@pytest.fixture(scope="module")
def in_turn(study, manifests):
    return planned(study, manifests, NAMES, ("split", part("leave_one_corpus_out", val=0.5)))


def of_lstm(plan, task="multi"):
    return [t for t in plan.trials if (t.block.name, t.pooling, t.task) == ("lstm", "mean", task)]


def test_every_corpus_of_a_combination_is_left_out_once(in_turn):
    titles = [t.title for t in of_lstm(in_turn)]
    pairs = [f"{a}+{b} · lstm · μ · multi · {x} unseen" for a, b in ("TR", "TC", "RC") for x in (a, b)]
    assert titles == [*pairs, *(f"T+R+C · lstm · μ · multi · {x} unseen" for x in "TRC")]
    assert len({t.id for t in in_turn.trials}) == len(in_turn.trials) == 9 * 12


def test_the_unseen_one_is_tested_whole_and_the_others_train_and_validate_by_speakers(in_turn):
    for trial in of_lstm(in_turn):
        (unseen,) = [c for c in trial.corpora if not c.trains]
        assert trial.targets == (unseen.name,)
        assert trial.training_corpora == tuple(c for c in trial.corpora if c is not unseen)
        for corpus in trial.corpora:
            done = in_turn.sources[corpus.source].split
            sizes = [len(side) for side in done.subsets().values()]
            if corpus is unseen:
                assert sizes == [0, 0, len(done.test)]
            else:
                assert [bool(size) for size in sizes] == [True, True, False]
                assert not {u.speaker for u in done.train} & {u.speaker for u in done.val}


def test_another_seed_and_share_state_another_split(study, manifests):
    rules = [part("leave_one_corpus_out", val=v, seed=s) for v, s in ((0.5, 0), (0.5, 1), (0.3, 0))]
    plans = [planned(study, manifests, NAMES, ("split", rule)) for rule in rules]
    splits = [of_lstm(p)[0].corpora[1].split.values() for p in plans]
    assert [(s["train"], s["val"], s["test"], s["seed"]) for s in splits] == [
        (0.5, 0.5, 0, 0),
        (0.5, 0.5, 0, 1),
        (0.7, 0.3, 0, 0),
    ]


def test_one_head_per_corpus_is_one_head_where_one_corpus_trains(in_turn):
    twins = {t.title: in_turn.by_id[in_turn.twins[t.id]].title for t in of_lstm(in_turn) if t.id in in_turn.twins}
    assert twins == {t: t.replace("multi", "unified") for t in (x.title for x in of_lstm(in_turn)) if t[3] == " "}


def test_an_unseen_corpus_of_the_command_is_in_combinations_with_others_only(study, manifests):
    plan = planned(study, manifests, ("tess", "ravdess"), ("tess.split", "unseen"))
    assert [t.title for t in of_lstm(plan)] == ["R · lstm · μ · multi", "T+R · lstm · μ · multi · T unseen"]
    assert of_lstm(plan)[1].targets == ("tess", "ravdess")
    assert plan.sources["tess/unseen"].corpus.copies == 0


def test_corpora_of_which_none_trains_are_refused(study, manifests):
    with pytest.raises(BadInput, match=r"leave_one_corpus_out.*two or more"):
        planned(study, manifests, ("ravdess",), ("split", "leave_one_corpus_out"))
    with pytest.raises(BadInput, match="none trains"):
        planned(study, manifests, ("ravdess",), ("split", "unseen"))


def test_no_copies_are_made_of_an_unseen_corpus(paper, manifests):
    rule = ("split", part("leave_one_corpus_out", val=0.5))
    plan = planned(paper, manifests, NAMES, rule, ("reference", "none"))
    for trial in of_lstm(plan):
        assert [c.copies for c in trial.corpora if not c.trains] == [0]
        sizes = [len(plan.sources[c.source].split.train) + c.copies for c in trial.training_corpora]
        assert len(set(sizes)) == 1


def test_it_may_be_the_rule_of_a_protocol(study, manifests):
    def points(corpora, train_only):
        return [{**point, "protocol": "crossed"} for point in study.points(corpora, train_only)]

    comparison = Comparison(protocols=(("crossed", part("leave_one_corpus_out", val=0.5)),))
    plan = planned(replace(study, points=points, comparison=comparison), manifests, ("tess", "ravdess"))
    assert [t.targets for t in of_lstm(plan)] == [("tess",), ("ravdess",)]
    assert {"ravdess/crossed/unseen", "tess/crossed"} <= set(plan.sources)


def test_the_plan_says_what_is_unseen(in_turn, study, manifests):
    across = "tested whole by models that were trained on others"
    assert f"tess, ravdess, customer: each is unseen in turn (leave_one_corpus_out), {across}" in in_turn.notes
    plan = planned(study, manifests, ("tess", "ravdess"), ("tess.split", "unseen"))
    assert f"tess: unseen, {across}" in plan.notes


def test_reports_plan_the_same_trials(in_turn, study):
    used = [UsedCorpus(c.name, c.letter, c.tested) for c in in_turn.corpora.values()]
    rules = across_rules(in_turn)
    assert rules == dict.fromkeys(NAMES, "leave_one_corpus_out")
    trials = planned_trials(across_corpora(study, rules), used, 1, in_turn.folds, in_turn.unmet)
    assert [title for title, _ in trials] == [t.title for t in in_turn.trials]


def test_a_statement_is_read_back(in_turn):
    trial = of_lstm(in_turn)[0]
    assert stored_trial(canonical(trial), "statement.json").id == trial.id

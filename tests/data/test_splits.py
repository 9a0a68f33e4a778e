"""Splits: the papers' own, the general rule, and the gate that lets no speaker or recording through."""

from collections import Counter
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import GroupKFold, GroupShuffleSplit, StratifiedKFold, train_test_split

from ser.data.leakage import Leak, Split, prove
from ser.data.manifest import SPLITS, Utterance
from ser.data.splits import fold_count, split
from ser.errors import BadInput
from ser.study import part


def by_speaker(seed=0, **shares):
    return part("speakers", **{"train": 0.7, "val": 0.2, "test": 0.1, "by": "speaker", "seed": seed, **shares})


def speakers(done, side):
    return {u.speaker for u in done.subsets()[side]}


@pytest.fixture
def actors(utterance):
    """RAVDESS: 24 actors of 28 utterances, odd numbers male."""
    return [utterance(f"{a:02d}", n, sex="FM"[a % 2]) for a in range(1, 25) for n in range(28)]


@pytest.mark.parametrize("seed", range(8))
def test_24_actors_become_17_5_2_balanced_by_sex_whatever_the_seed(actors, seed):
    done = split("corpus", actors, by_speaker(seed))
    sexes = {s: sorted(Counter(u.sex for u in done.subsets()[s]).values()) for s in SPLITS}
    assert [len(speakers(done, s)) for s in SPLITS] == [17, 5, 2]
    assert sexes["test"] == [28, 28]
    assert sexes["val"] == [2 * 28, 3 * 28]


def test_another_seed_draws_other_speakers(actors):
    drawn = {frozenset(speakers(split("corpus", actors, by_speaker(seed)), "test")) for seed in range(8)}
    assert len(drawn) > 1


def test_the_order_of_utterances_is_no_difference(actors):
    assert split("corpus", actors, by_speaker()) == split("corpus", actors[::-1], by_speaker())


def test_sessions_go_where_the_rule_says(utterance):
    everyone = [utterance(f"Ses0{s}{sex}", n, session=str(s)) for s in range(1, 6) for sex in "FM" for n in range(3)]
    done = split("corpus", everyone, part("sessions", train=("1", "2", "3"), val=("4",), test=("5",)))
    assert [len(side) for side in done.subsets().values()] == [18, 6, 6]
    assert {u.session for u in done.test} == {"5"}


def test_named_speakers_go_where_the_rule_says_and_others_nowhere(utterance):
    everyone = [utterance(name, n) for name in ("OAF", "YAF", "XAF") for n in range(3)]
    done = split("corpus", everyone, part("named", train=("OAF",), val=("YAF",), test=()))
    assert [speakers(done, s) for s in SPLITS] == [{"corpus/OAF"}, {"corpus/YAF"}, set()]


def test_a_named_speaker_who_is_absent_is_an_error_that_lists_those_present(utterance):
    with pytest.raises(BadInput, match=r"no utterance for val.*corpus/OAF"):
        split("corpus", [utterance("OAF", 1)], part("named", train=("OAF",), val=("YAF",), test=()))


def test_a_rule_without_validation_leaves_it_empty_and_one_without_training_is_refused(utterance):
    done = split("corpus", [utterance("OAF", 1)], part("named", train=("OAF",), val=(), test=()))
    assert [len(side) for side in done.subsets().values()] == [1, 0, 0]
    with pytest.raises(BadInput, match="no utterance for train"):
        split("corpus", [utterance("OAF", 1)], part("named", train=(), val=("OAF",), test=()))


def test_a_given_column_is_kept(utterance):
    given = {"a": "test", "b": "val", "c": "train", "d": "test"}
    done = split("corpus", [utterance(s, n, split=given[s]) for s in given for n in range(9)], by_speaker())
    assert {u.speaker: s for s, us in done.subsets().items() for u in us} == {
        f"corpus/{k}": v for k, v in given.items()
    }


def test_speakers_without_a_given_side_fill_the_empty_ones(utterance):
    everyone = [utterance(f"t{i}", n, split="train") for i in range(10) for n in range(5)]
    done = split("corpus", everyone + [utterance(s, n) for s in "xy" for n in range(5)], by_speaker())
    assert speakers(done, "val") | speakers(done, "test") == {"corpus/x", "corpus/y"}


def test_a_speaker_on_two_given_sides_is_a_leak(utterance):
    everyone = [utterance(s, n) for s in "abc" for n in range(3)]
    mixed = [replace(u, split="train" if i % 3 else "test") for i, u in enumerate(everyone)]
    with pytest.raises(Leak, match="one subset per speaker"):
        split("corpus", mixed, by_speaker())


def test_a_recording_on_two_sides_under_two_names_is_a_leak(utterance):
    everyone = [utterance(s, n, sha=f"{s if n else 'same'}{n}") for s in "abc" for n in range(3)]
    with pytest.raises(Leak, match=r"recording of corpus/[abc]_000 .* and corpus/[abc]_000"):
        split("corpus", everyone, by_speaker())


def test_two_stretches_of_one_file_are_two_recordings(utterance):
    everyone = [utterance(s, i, sha="one call", start_s=float(i), end_s=i + 1.0) for i, s in enumerate("abc")]
    assert prove(split("corpus", everyone, by_speaker()))["shared_recordings"] == 0


def test_the_gate_itself_finds_a_speaker_on_two_sides(utterance):
    with pytest.raises(Leak, match=r"speaker of corpus/a_001 \(train\) and corpus/a_002 \(test\)"):
        prove(Split("corpus", (utterance("a", 1),), (), (utterance("a", 2),)))


def test_the_proof_says_who_is_where(utterance):
    sides = (utterance("a", 1), utterance("a", 2, label="sad")), (utterance("b", 1),), (utterance("c", 1),)
    proof = prove(Split("corpus", *sides))
    assert proof["speakers"] == {"train": ["corpus/a"], "val": ["corpus/b"], "test": ["corpus/c"]}
    assert proof["utterances"] == {"train": 2, "val": 1, "test": 1}
    assert proof["per_class"]["train"] == {"happy": 1, "sad": 1}


@pytest.mark.parametrize("seed", range(5))
def test_the_actor_who_does_not_sing_only_trains(actors, utterance, seed):
    songs = [utterance(f"{a:02d}", 100 + n, sex="FM"[a % 2], channel="song") for a in range(1, 25) for n in range(28)]
    done = split("corpus", actors + [u for u in songs if u.speaker != "corpus/18"], by_speaker(seed))
    assert "corpus/18" in speakers(done, "train")


@pytest.mark.parametrize("number", [1, 2])
def test_fewer_speakers_than_sides_is_an_error(utterance, number):
    with pytest.raises(BadInput, match=rf"{number} speaker\(s\).*at least one speaker for each subset"):
        split("corpus", [utterance(f"{s}", n) for s in range(number) for n in range(9)], by_speaker())


def test_two_speakers_are_enough_where_nobody_is_tested(utterance):
    done = split("corpus", [utterance(s, n) for s in "ab" for n in range(3)], by_speaker(train=0.8, test=0.0))
    assert (len(done.train), len(done.val), len(done.test)) == (3, 3, 0)


def test_an_unknown_rule_is_refused_with_those_that_exist(actors):
    with pytest.raises(BadInput, match="sessions, named, speakers"):
        split("corpus", actors, part("by_chance", test=0.1))


@given(
    who=st.lists(st.tuples(st.integers(1, 60), st.sampled_from(["F", "M", ""])), min_size=3, max_size=30),
    seed=st.integers(0, 99),
)
def test_any_three_or_more_speakers_give_whole_disjoint_full_sides(who, seed):
    everyone = [
        Utterance(f"c/{s}_{n}", "c", "", f"c/{s}", "happy", "happy", sex)
        for s, (size, sex) in enumerate(who)
        for n in range(size)
    ]
    done = split("c", everyone, by_speaker(seed))
    assert sorted(u.uid for us in done.subsets().values() for u in us) == sorted(u.uid for u in everyone)
    assert all(done.subsets().values())
    assert sum(len(speakers(done, s)) for s in SPLITS) == len(who)
    assert split("c", everyone, by_speaker(seed)) == done


# Splits as papers made them: some leak by intention.


def by_chance(seed=0, rest="train", order=("test", "val", "train"), **shares):
    return part("random", **{"train": 0.8, "val": 0.1, "test": 0.1, **shares}, seed=seed, rest=rest, order=order)


def holdout(by="utterance", fold=0, seed=3, drop=0, test=0.33):
    return part("holdout", by=by, test=test, seed=seed, drop=drop, folds=3, fold=fold)


def left_out(by, fold):
    return part("leave_one_out", by=by, fold=fold)


def uids(side):
    return [u.uid for u in side]


@pytest.fixture
def everyone(utterance):
    """Six speakers in three sessions, 47 utterances of three classes, as sorted by uid."""
    made = [
        utterance(f"s{s}", n, session=str(1 + s // 2), label=("happy", "sad", "angry")[(n + s) % 3])
        for s in range(6)
        for n in range(7 + s % 3)
    ]
    return sorted(made, key=lambda u: u.uid)[:47]


@pytest.mark.parametrize("order", [("test", "val", "train"), ("train", "val", "test")])
def test_random_cuts_pythons_shuffle_and_rounds_down(everyone, order):
    done = split("corpus", everyone, by_chance(5, order=order))
    shuffled = uids(everyone)
    Random(5).shuffle(shuffled)
    sizes = {"train": 37 + 2, "val": 4, "test": 4}  # 37.6 and 4.7 rounded down; two are left
    at = 0
    for side in order:
        assert uids(done.subsets()[side]) == sorted(shuffled[at : at + sizes[side]])
        at += sizes[side]


@pytest.mark.parametrize(("rest", "sizes"), [("train", (39, 4, 4)), ("val", (37, 6, 4)), ("test", (37, 4, 6))])
def test_what_rounding_leaves_goes_where_the_rule_says(everyone, rest, sizes):
    done = split("corpus", everyone, by_chance(rest=rest))
    assert tuple(len(side) for side in done.subsets().values()) == sizes


def test_another_seed_is_another_random_split(everyone):
    assert len({tuple(uids(split("corpus", everyone, by_chance(seed)).test)) for seed in range(6)}) == 6


def test_the_order_of_utterances_is_no_difference_to_any_rule(everyone):
    for rule in (by_chance(), holdout(), holdout(fold=2), holdout("speaker"), left_out("session", 2)):
        assert split("corpus", everyone, rule) == split("corpus", everyone[::-1], rule)


def test_leaks_by_intention_are_counted_in_the_proof(everyone):
    done = split("corpus", everyone, by_chance())
    sides = {s: {u.speaker for u in us} for s, us in done.subsets().items()}
    shared = {u.speaker for u in everyone if sum(u.speaker in names for names in sides.values()) > 1}
    proof = prove(done)
    assert done.leaks
    assert (proof["shared_speakers"], proof["shared_recordings"]) == (len(shared), 0)
    assert shared


def test_a_recording_on_two_sides_is_counted_too(utterance):
    twice = [utterance("a", n, sha=f"sha {n // 2}") for n in range(40)]
    done = split("corpus", twice, by_chance())
    side = {u.uid: s for s, us in done.subsets().items() for u in us}
    apart = sum(side[a.uid] != side[b.uid] for a, b in zip(twice[::2], twice[1::2], strict=True))
    assert prove(done)["shared_recordings"] == apart > 0
    assert prove(done)["shared_speakers"] == 1


def test_what_leaks_by_accident_is_refused_still(utterance):
    sides = (utterance("a", 1),), (), (utterance("a", 2),)
    assert prove(Split("corpus", *sides, leaks=True))["shared_speakers"] == 1
    with pytest.raises(Leak):
        prove(Split("corpus", *sides))


@pytest.mark.parametrize("seed", [0, 3, 42])
def test_holdout_is_scikit_learns_train_test_split(everyone, seed):
    train, test = train_test_split(uids(everyone), test_size=0.33, random_state=seed)
    done = split("corpus", everyone, holdout(seed=seed))
    assert (uids(done.train), uids(done.val), uids(done.test)) == (sorted(train), [], sorted(test))


def test_folds_are_scikit_learns_stratified_ones_of_its_training_side(everyone):
    train, _ = train_test_split(everyone, test_size=0.33, random_state=3)
    cut = StratifiedKFold(3).split(train, [u.label for u in train])
    for fold, (_, val) in enumerate(cut, start=1):
        done = split("corpus", everyone, holdout(fold=fold))
        assert uids(done.val) == sorted(train[i].uid for i in val)
        assert uids(done.train) == sorted({u.uid for u in train} - set(uids(done.val)))
        assert not done.test
        assert done.leaks


def test_holdout_by_speaker_is_group_shuffle_split_and_leaks_nothing(everyone):
    owners = [u.speaker for u in everyone]
    _, test = next(GroupShuffleSplit(1, test_size=0.33, random_state=3).split(everyone, groups=owners))
    done = split("corpus", everyone, holdout("speaker"))
    assert uids(done.test) == [everyone[i].uid for i in test]
    assert not done.leaks
    assert not speakers(done, "train") & speakers(done, "test")
    assert len(speakers(done, "test")) == 2


def test_folds_by_speaker_are_group_k_fold_and_meet_no_tested_speaker(everyone):
    whole = split("corpus", everyone, holdout("speaker"))
    rest = list(whole.train)
    cut = list(GroupKFold(3).split(rest, groups=[u.speaker for u in rest]))
    for fold, (_, val) in enumerate(cut, start=1):
        done = split("corpus", everyone, holdout("speaker", fold))
        assert uids(done.val) == sorted(rest[i].uid for i in val)
        assert prove(done)["shared_speakers"] == 0
        assert not (speakers(done, "train") | speakers(done, "val")) & speakers(whole, "test")


def test_dropped_utterances_are_nowhere_and_the_same_in_every_fold(everyone):
    kept = [split("corpus", everyone, holdout(drop=5, fold=fold)) for fold in (0, 1, 2, 3)]
    gone = {u.uid for u in everyone} - {u.uid for us in kept[0].subsets().values() for u in us}
    assert len(gone) == 5
    for done in kept[1:]:
        assert not gone & {u.uid for us in done.subsets().values() for u in us}
    expected = np.random.default_rng(3).choice(len(everyone), 5, replace=False)
    assert gone == {everyone[i].uid for i in expected}


@pytest.mark.parametrize("rule", [holdout("speaker"), holdout("speaker", 1), holdout(fold=4), holdout(test=1.5)])
def test_a_holdout_that_cannot_be_made_is_refused(utterance, rule):
    with pytest.raises(BadInput, match="enough utterances and speakers for each subset"):
        split("corpus", [utterance("a", n) for n in range(9)], rule)


@pytest.mark.parametrize(("by", "count"), [("session", 3), ("speaker", 6)])
def test_each_is_tested_once_and_the_next_validates(everyone, by, count):
    names = sorted({getattr(u, by) for u in everyone})
    tested = []
    for fold in range(1, count + 1):
        done = split("corpus", everyone, left_out(by, fold))
        assert {getattr(u, by) for u in done.test} == {names[fold - 1]}
        assert {getattr(u, by) for u in done.val} == {names[fold % count]}
        assert prove(done)["shared_speakers"] == 0
        tested += uids(done.test)
    assert sorted(tested) == uids(everyone)


def test_the_whole_of_a_study_with_folds_is_its_first(everyone):
    assert split("corpus", everyone, left_out("session", 0)) == split("corpus", everyone, left_out("session", 1))


def test_more_folds_than_there_are_is_refused(everyone, utterance):
    with pytest.raises(BadInput, match="fold 4 of 3 sessions"):
        split("corpus", everyone, left_out("session", 4))
    with pytest.raises(BadInput, match="fold 1 of 2 speakers"):
        split("corpus", [utterance(s, n) for s in "ab" for n in range(3)], left_out("speaker", 1))


def test_a_session_that_shares_a_speaker_with_another_is_a_leak(utterance):
    shared = [utterance("a", n, session=str(n)) for n in (1, 2, 3)]
    with pytest.raises(Leak):
        split("corpus", shared, left_out("session", 1))


# folds of utterances, and songs


def of_classes(utterance, counts, **other):
    """So many utterances of each class, by three speakers in turn."""
    return [
        utterance(f"{n % 3:02d}", 100 * place + n, label=label, **other)
        for place, (label, count) in enumerate(counts.items())
        for n in range(count)
    ]


STRATIFIED = part("stratified", folds=5, fold=1, seed=0)


def test_stratified_folds_test_every_utterance_once_validate_on_the_next_and_have_every_class_alike(utterance):
    everyone = of_classes(utterance, {"happy": 20, "sad": 10, "angry": 5})
    folds = [split("corpus", everyone, STRATIFIED.changed(fold=k)) for k in range(1, 6)]
    assert sorted(u.uid for done in folds for u in done.test) == sorted(u.uid for u in everyone)
    for done, following in zip(folds, [*folds[1:], folds[0]], strict=True):
        assert Counter(u.label for u in done.test) == {"happy": 4, "sad": 2, "angry": 1}
        assert done.val == following.test
        assert len(done.train) == 21
    assert fold_count(everyone, STRATIFIED) == 5


def test_stratified_folds_share_speakers_and_the_proof_counts_them(utterance):
    done = split("corpus", of_classes(utterance, {"happy": 20, "sad": 10}), STRATIFIED)
    assert prove(done)["shared_speakers"] == 3
    assert done.leaks


def test_another_seed_deals_stratified_folds_otherwise_and_the_order_of_utterances_does_not(utterance):
    everyone = of_classes(utterance, {"happy": 20, "sad": 10})
    first = split("corpus", everyone, STRATIFIED)
    assert split("corpus", everyone[::-1], STRATIFIED) == first
    assert split("corpus", everyone, STRATIFIED.changed(seed=1)) != first


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (STRATIFIED, "fewer than 5 of sad"),
        (STRATIFIED.changed(folds=2), "three folds"),
        (STRATIFIED.changed(fold=6), "fold 6"),
    ],
)
def test_stratified_folds_that_cannot_be_are_refused(utterance, rule, said):
    with pytest.raises(BadInput, match=said):
        split("corpus", of_classes(utterance, {"happy": 20, "sad": 4}), rule)


def test_songs_have_the_folds_of_their_singers_and_are_never_tested(utterance):
    """Also where somebody does not sing, so that there are fewer singers than speakers."""
    spoken = [utterance(f"{s:02d}", n, channel="speech") for s in range(6) for n in range(3)]
    sung = [utterance(f"{s:02d}", 10 + n, channel="song") for s in range(6) if s != 2 for n in range(2)]
    rule = part("leave_one_out", by="speaker", fold=1, songs=False)
    assert fold_count(spoken + sung, rule) == 6
    for fold in range(1, 7):
        speech = split("corpus", spoken + sung, rule.changed(fold=fold))
        songs = split("corpus", spoken + sung, rule.changed(fold=fold, songs=True))
        assert {u.channel for side in speech.subsets().values() for u in side} == {"speech"}
        assert {u.channel for side in songs.subsets().values() for u in side} == {"song"}
        assert songs.test == ()
        for side in ("train", "val"):
            assert speakers(songs, side) == speakers(speech, side) - {"corpus/02"}


# whole speakers or sessions in folds

GROUPED = part("grouped", by="speaker", folds=5, fold=1, seed=0, songs=None)


def test_grouped_folds_test_every_actor_once_validate_on_the_next_and_have_both_sexes(actors):
    folds = [split("corpus", actors, GROUPED.changed(fold=k)) for k in range(1, 6)]
    tested = [speakers(done, "test") for done in folds]
    assert sorted(name for names in tested for name in names) == sorted({u.speaker for u in actors})
    for done, following in zip(folds, [*folds[1:], folds[0]], strict=True):
        assert done.val == following.test
        assert prove(done)["shared_speakers"] == 0
        assert len(speakers(done, "test")) in (4, 5)
        assert set(Counter(u.sex for u in done.test).values()) <= {2 * 28, 3 * 28}
    assert fold_count(actors, GROUPED) == 5


def test_another_seed_deals_grouped_folds_otherwise_and_the_order_of_utterances_does_not(actors):
    first = split("corpus", actors, GROUPED)
    assert split("corpus", actors[::-1], GROUPED) == first
    assert len({split("corpus", actors, GROUPED.changed(seed=seed)).test for seed in range(20)}) == 20


def test_as_many_folds_as_speakers_leave_one_out(actors):
    folds = [split("corpus", actors, GROUPED.changed(folds=24, fold=k)) for k in range(1, 25)]
    assert {len(speakers(done, "test")) for done in folds} == {1}
    assert len({frozenset(speakers(done, "test")) for done in folds}) == 24


def test_the_fold_that_a_study_with_folds_has_before_they_are_known_is_its_first_grouped_one(actors):
    assert split("corpus", actors, GROUPED.changed(fold=0)) == split("corpus", actors, GROUPED)


@pytest.mark.parametrize(
    ("count", "remedy"), [(4, "take fewer folds: --set corpus.folds=4"), (2, "bring more, or leave the corpus out")]
)
def test_fewer_speakers_than_folds_are_refused_with_the_number_that_is_possible(utterance, count, remedy):
    few = [utterance(f"s{s}", n) for s in range(count) for n in range(3)]
    with pytest.raises(BadInput, match=rf"{count} speaker\(s\) for 5 folds; allowed: at least 5.*{remedy}"):
        split("corpus", few, GROUPED)
    with pytest.raises(BadInput, match="fold 6 of 5"):
        split("corpus", few, GROUPED.changed(fold=6))


def test_songs_have_the_grouped_folds_of_their_singers(utterance):
    spoken = [utterance(f"{s:02d}", n, sex="FM"[s % 2]) for s in range(12) for n in range(3)]
    sung = [utterance(f"{s:02d}", 10 + n, channel="song") for s in range(12) if s != 2 for n in range(2)]
    for fold in range(1, 6):
        speech = split("corpus", spoken + sung, GROUPED.changed(fold=fold, songs=False))
        songs = split("corpus", spoken + sung, GROUPED.changed(fold=fold, songs=True))
        assert songs.test == ()
        for side in ("train", "val"):
            assert speakers(songs, side) == speakers(speech, side) - {"corpus/02"}


def test_two_speakers_take_turns_in_validation_and_nobody_is_tested(utterance):
    pair = [utterance(name, n) for name in ("OAF", "YAF") for n in range(3)]
    rule = part("alternating", fold=1, seed=0)
    validate = [speakers(split("corpus", pair, rule.changed(fold=k)), "val") for k in range(1, 6)]
    assert validate[0] != validate[1]
    assert validate[0] | validate[1] == {"corpus/OAF", "corpus/YAF"}
    assert validate == [validate[0], validate[1]] * 2 + [validate[0]]
    assert all(not split("corpus", pair, rule.changed(fold=k)).test for k in range(1, 6))
    assert fold_count(pair, rule) == 0
    assert len({str(speakers(split("corpus", pair, rule.changed(seed=seed)), "val")) for seed in range(20)}) == 2
    with pytest.raises(BadInput, match="two speakers at least"):
        split("corpus", pair[:3], rule)


@pytest.fixture
def pairs(utterance):
    """IEMOCAP: five sessions, in each a woman and a man who talk with each other."""
    return [
        utterance(
            f"Ses0{s}{sex}", n, session=str(s), sex=sex, channel="dialog", sentence=("impro01", "script02")[n % 2]
        )
        for s in range(1, 6)
        for sex in "FM"
        for n in range(4)
    ]


@pytest.mark.parametrize("by", ["session", "speaker"])
@pytest.mark.parametrize("seed", range(4))
def test_who_talks_with_a_tested_speaker_is_tested_too(pairs, by, seed):
    shares = part("speakers", by=by, train=0.6, val=0.2, test=0.2, seed=seed)
    for rule in (shares, GROUPED.changed(by=by, seed=seed)):
        done = split("corpus", pairs, rule)
        assert [len({u.session for u in us}) for us in done.subsets().values()] == [3, 1, 1]
        assert prove(done)["shared_dialogues"] == 0


def test_sessions_are_drawn_by_the_seed(pairs):
    rule = part("speakers", by="session", train=0.6, val=0.2, test=0.2, seed=0)
    tested = Counter(u.session for seed in range(40) for u in split("corpus", pairs, rule.changed(seed=seed)).test)
    assert set(tested) == {"1", "2", "3", "4", "5"}


def test_a_dialogue_on_two_sides_is_a_leak(pairs):
    with pytest.raises(Leak, match=r"dialogue of corpus/Ses0.*one subset only; split by session"):
        split("corpus", pairs, part("leave_one_out", by="speaker", fold=2))
    with pytest.raises(Leak, match="dialogue of"):
        split("corpus", pairs, part("named", train=("Ses01F",), val=("Ses02F",), test=("Ses01M",)))
    with pytest.raises(Leak, match="dialogue of"):
        split("corpus", pairs, holdout("speaker"))


def test_dialogues_and_sentences_that_leak_by_intention_are_counted(pairs):
    proof = prove(split("corpus", pairs, by_chance()))
    assert (proof["shared_dialogues"], proof["shared_sentences"]) == (5, 2)
    assert prove(split("corpus", pairs, left_out("session", 1)))["shared_sentences"] == 2


def test_sentences_are_refused_only_where_they_are_to_be_apart(pairs):
    with pytest.raises(Leak, match=r"sentence of .*each sentence in one subset only"):
        split("corpus", pairs, left_out("session", 1), apart=("sentence",))
    with pytest.raises(Leak, match="sentence of"):
        split("corpus", pairs, by_chance(), apart=("sentence",))
    own = [replace(u, sentence=f"{u.session}{u.sentence}") for u in pairs]
    assert prove(split("corpus", own, left_out("session", 1), apart=("sentence",)))["shared_sentences"] == 0


def test_a_session_that_is_no_dialogue_may_stand_in_several_subsets(utterance):
    """As of a table whose sessions are days of recording."""
    everyone = [utterance(f"s{s}", n, session="monday") for s in range(6) for n in range(3)]
    assert prove(split("corpus", everyone, by_speaker()))["shared_dialogues"] == 0


@pytest.mark.parametrize("seed", range(6))
def test_a_holdout_may_balance_the_sexes_of_who_is_tested_and_of_its_folds(actors, seed):
    rule = holdout("speaker_by_sex", seed=seed)
    whole = split("corpus", actors, rule)
    assert sorted(Counter(u.sex for u in whole.test).values()) == [4 * 28, 4 * 28]
    validated = []
    for fold in (1, 2, 3):
        done = split("corpus", actors, rule.changed(fold=fold))
        assert not done.test
        assert not (speakers(done, "train") | speakers(done, "val")) & speakers(whole, "test")
        assert max(Counter(u.sex for u in done.val).values()) <= 3 * 28
        validated += sorted(speakers(done, "val"))
    assert sorted(validated) == sorted(speakers(whole, "train"))
    assert len({split("corpus", actors, holdout("speaker_by_sex", seed=s)).test for s in range(10)}) == 10


@pytest.mark.parametrize(
    "rule", [holdout("speaker_by_sex"), holdout("speaker_by_sex", 4), holdout("speaker_by_sex", 1)]
)
def test_a_balanced_holdout_that_cannot_be_made_is_refused(utterance, rule):
    count = 1 if not rule["fold"] else 3
    with pytest.raises(BadInput, match="enough utterances and speakers for each subset"):
        split("corpus", [utterance(f"s{s}", n) for s in range(count) for n in range(9)], rule)


GIVEN = part("given", fold=1, val=0.25, by="speaker", seed=0)


def in_folds(utterance):
    """Eight speakers with two folds: of the first one subset validates, in the second nobody does."""
    sides = {s: ("test" if s < 2 else "val" if s < 4 else "train", "test" if s > 5 else "train") for s in range(8)}
    return [utterance(f"s{s}", n, folds=sides[s]) for s in range(8) for n in range(5)]


def test_official_folds_are_taken_as_they_are(utterance):
    first = split("corpus", in_folds(utterance), GIVEN)
    assert {s: speakers(first, s) for s in SPLITS} == {
        "train": {f"corpus/s{s}" for s in (4, 5, 6, 7)},
        "val": {"corpus/s2", "corpus/s3"},
        "test": {"corpus/s0", "corpus/s1"},
    }
    assert fold_count(in_folds(utterance), GIVEN) == 2
    with pytest.raises(BadInput, match="fold 3 of 2"):
        split("corpus", in_folds(utterance), GIVEN.changed(fold=3))


def test_where_nobody_validates_a_share_of_the_training_speakers_does(utterance):
    done = split("corpus", in_folds(utterance), GIVEN.changed(fold=2, val=1 / 3))
    assert speakers(done, "test") == {"corpus/s6", "corpus/s7"}
    assert (len(speakers(done, "val")), len(speakers(done, "train"))) == (2, 4)
    assert speakers(done, "val").isdisjoint(speakers(done, "train"))
    drawn = {
        frozenset(speakers(split("corpus", in_folds(utterance), GIVEN.changed(fold=2, seed=s)), "val"))
        for s in range(9)
    }
    assert len(drawn) > 1
    assert not split("corpus", in_folds(utterance), GIVEN.changed(fold=2, val=0.0)).val


def test_utterances_validate_where_speakers_are_unknown_or_it_is_asked_for(utterance):
    unknown = [utterance("unknown", n, folds=("test" if n < 4 else "train",)) for n in range(24)]
    done = split("corpus", unknown, GIVEN)
    assert (len(done.train), len(done.val), len(done.test)) == (15, 5, 4)
    by_utterance = split("corpus", in_folds(utterance), GIVEN.changed(fold=2, by="utterance"))
    assert (len(by_utterance.train), len(by_utterance.val)) == (22, 8)
    assert prove(by_utterance)["shared_speakers"] > 0


def test_a_speaker_on_both_sides_is_counted_as_the_corpus_gives_it(utterance):
    both = [utterance(f"s{n % 3}", n, folds=("test" if n % 2 else "train",)) for n in range(30)]
    assert prove(split("corpus", both, GIVEN))["shared_speakers"] == 3


def test_one_subset_stated_for_each_utterance_is_one_fold(utterance):
    stated = [utterance(f"s{n % 5}", n, split=("train", "val", "test", "train", "")[n % 5]) for n in range(20)]
    done = split("corpus", stated, GIVEN)
    assert {s: len(us) for s, us in done.subsets().items()} == {"train": 8, "val": 4, "test": 4}
    assert fold_count(stated, GIVEN) == 1
    with pytest.raises(BadInput, match="no official subsets"):
        split("corpus", [utterance("a", n) for n in range(9)], GIVEN)

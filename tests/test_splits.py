"""Splits: the papers' own, the general rule, and the gate that lets no speaker or recording through."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ser.errors import BadInput
from ser.manifest import SPLITS, Utterance
from ser.splits import Leak, Split, prove, split
from ser.study import part


def by_speaker(seed=0, **shares):
    return part("speakers", **{"train": 0.7, "val": 0.2, "test": 0.1, "seed": seed, **shares})


def speakers(done, side):
    return {u.speaker for u in done.sides()[side]}


@pytest.fixture
def actors(utterance):
    """RAVDESS: 24 actors of 28 utterances, odd numbers male."""
    return [utterance(f"{a:02d}", n, sex="FM"[a % 2]) for a in range(1, 25) for n in range(28)]


@pytest.mark.parametrize("seed", range(8))
def test_24_actors_become_17_5_2_balanced_by_sex_whatever_the_seed(actors, seed):
    done = split("corpus", actors, by_speaker(seed))
    sexes = {s: sorted(Counter(u.sex for u in done.sides()[s]).values()) for s in SPLITS}
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
    assert [len(side) for side in done.sides().values()] == [18, 6, 6]
    assert {u.session for u in done.test} == {"5"}


def test_named_speakers_go_where_the_rule_says_and_others_nowhere(utterance):
    everyone = [utterance(name, n) for name in ("OAF", "YAF", "XAF") for n in range(3)]
    done = split("corpus", everyone, part("named", train=("OAF",), val=("YAF",), test=()))
    assert [speakers(done, s) for s in SPLITS] == [{"corpus/OAF"}, {"corpus/YAF"}, set()]


def test_a_named_speaker_who_is_absent_is_an_error_that_lists_those_present(utterance):
    with pytest.raises(BadInput, match=r"no utterance for val.*corpus/OAF"):
        split("corpus", [utterance("OAF", 1)], part("named", train=("OAF",), val=("YAF",), test=()))


def test_a_rule_without_validation_is_refused(utterance):
    with pytest.raises(BadInput, match="no utterance for val"):
        split("corpus", [utterance("OAF", 1)], part("named", train=("OAF",), val=(), test=()))


def test_a_given_column_is_kept(utterance):
    given = {"a": "test", "b": "val", "c": "train", "d": "test"}
    done = split("corpus", [utterance(s, n, split=given[s]) for s in given for n in range(9)], by_speaker())
    assert {u.speaker: s for s, us in done.sides().items() for u in us} == {f"corpus/{k}": v for k, v in given.items()}


def test_speakers_without_a_given_side_fill_the_empty_ones(utterance):
    everyone = [utterance(f"t{i}", n, split="train") for i in range(10) for n in range(5)]
    done = split("corpus", everyone + [utterance(s, n) for s in "xy" for n in range(5)], by_speaker())
    assert speakers(done, "val") | speakers(done, "test") == {"corpus/x", "corpus/y"}


def test_a_speaker_on_two_given_sides_is_a_leak(utterance):
    everyone = [utterance(s, n) for s in "abc" for n in range(3)]
    mixed = [replace(u, split="train" if i % 3 else "test") for i, u in enumerate(everyone)]
    with pytest.raises(Leak, match="one side per speaker"):
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
    with pytest.raises(BadInput, match=rf"{number} speaker\(s\).*at least one speaker for each side"):
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
    assert sorted(u.uid for us in done.sides().values() for u in us) == sorted(u.uid for u in everyone)
    assert all(done.sides().values())
    assert sum(len(speakers(done, s)) for s in SPLITS) == len(who)
    assert split("c", everyone, by_speaker(seed)) == done

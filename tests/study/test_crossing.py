"""The study of strangers: its grid, its systems and its demo; encoders where the command names some."""

from collections import Counter
from dataclasses import replace

import pytest

from ser.planning.plan import resolve
from ser.planning.request import Request, check
from ser.study import load_study, trial_of, with_demo_budget

NAMES = ("iemocap", "ravdess")


@pytest.fixture(scope="module")
def crossing():
    return load_study("crossing")


def test_every_combination_has_every_system_in_every_way(crossing):
    points = crossing.grid(crossing.corpora)
    assert Counter(p["system"] for p in points) == {"wu_lda": 93, "network": 93, "heads": 78, "encoder": 93}
    assert len({(p["corpora"], p["system"], p["normalise"]) for p in points}) == len(points) == 357
    assert crossing.comparison.test_on == ("all",)


def test_a_plan_without_encoders_leaves_their_system_out_and_says_why(crossing, manifests, tmp_path):
    plan = resolve(crossing, {name: manifests[name] for name in NAMES})
    assert Counter(t.role.values()["system"] for t in plan.trials) == {"wu_lda": 9, "network": 9, "heads": 3}
    assert {why for lacking in plan.unmet.values() for why in lacking.values()} == {
        "the command names no encoder (--encoder)"
    }
    assert check(Request("crossing", tmp_path)).name == "crossing"


def test_an_encoder_of_the_command_is_a_trial_of_each_combination_and_way(crossing, manifests):
    named = crossing.with_encoders([("one", "whisper-384x5-1.320-3fa29c81d0b2")])
    assert not any(named.awaits_encoder(point) for point in named.grid(named.corpora))
    points = [p for p in named.grid(named.corpora) if p["system"] == "encoder"]
    point = {**points[0], "front_end.encoder": "whisper-384x5-1.320-3fa29c81d0b2"}
    trial = trial_of(named, point, {c.name: c for c in named.corpora}, 0)
    assert (trial.front_end["encoder"], trial.normalise) == ("whisper-384x5-1.320-3fa29c81d0b2", "train")


def test_normalisation_is_an_axis_of_systems_too(crossing, manifests):
    plan = resolve(crossing, {name: manifests[name] for name in NAMES})
    of_lda = [t for t in plan.trials if t.role.values()["system"] == "wu_lda" and t.combination == "I+R"]
    assert [t.normalise for t in of_lda] == ["train", "corpus", "speaker"]
    assert len({t.id for t in of_lda}) == 3


def test_the_demo_is_of_what_takes_seconds(crossing):
    demo = with_demo_budget(crossing)
    assert demo.comparison.only == ("wu_lda", "network", "heads")
    assert replace(demo.comparison, only=(), systems=crossing.comparison.systems).test_on == ("all",)

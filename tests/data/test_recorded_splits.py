"""Split rules put utterances into the subsets that are recorded for their VERSION."""

import numpy as np
import pytest
import recorded

from ser import registry
from ser.data import splits
from ser.data.manifest import Utterance
from ser.study import part
from ser.study.components import completed

LABELS = ("angry", "happy", "neutral", "sad")
SHARES = {"train": 0.6, "val": 0.2, "test": 0.2}
NAMES = {"train": ("s0", "s1", "s2", "s3"), "val": ("s4", "s5"), "test": ("s6", "s7")}
RULES = {
    "given": part("given", fold=2, val=0.3, seed=3),
    "sessions": part("sessions", train=("0", "1"), val=("2",), test=("3",)),
    "named": part("named", **NAMES),
    "speakers": part("speakers", **SHARES, seed=3),
    "grouped": part("grouped", folds=4, fold=2, seed=3),
    "alternating": part("alternating", fold=2, seed=3),
    "random": part("random", **SHARES, seed=3),
    "holdout": part("holdout", by="speaker", test=0.25, seed=3, folds=3, fold=2),
    "leave_one_out": part("leave_one_out", by="speaker", fold=3),
    "stratified": part("stratified", folds=5, fold=2, seed=3),
    "unseen": part("unseen"),
}


def utterances():
    """Eight speakers of two sexes in four sessions, twelve utterances each, and of unequal classes."""
    rows = []
    for number in range(96):
        speaker = number % 8
        label, sex = LABELS[(number // 8) % 4 if number % 5 else 0], "FM"[speaker % 2]
        named = {"speaker": f"c/s{speaker}", "label": label, "label_raw": label, "sex": sex, "sha": f"{number:x}"}
        folds = ("test" if speaker < 2 else "train", "test" if speaker > 5 else "train")
        rows.append(Utterance(f"c/{number}", "c", f"/{number}.wav", session=str(speaker // 2), folds=folds, **named))
    return rows


@pytest.mark.parametrize("name", RULES)
def test_gives_the_recorded_subsets(name):
    subsets = splits.split("c", utterances(), completed("splits", RULES[name], "split")).subsets()
    of_number = {u.uid: i for i, us in enumerate(subsets.values()) for u in us}
    assert set(of_number.values()) >= ({2} if name == "unseen" else {0, 1})
    # Eight utterances, each in one of three subsets or left out, are a number below 4 ** 8.
    digits = np.array([of_number.get(f"c/{number}", 3) for number in range(96)]).reshape(12, 8)
    recorded.check(
        "splits", name, registry.version("splits", name), {"subsets": (digits * 4.0 ** np.arange(8)).sum(1)}, 0.0
    )


def test_every_rule_is_recorded_and_nothing_else():
    assert recorded.names("splits") == set(RULES) == set(splits._RULES)

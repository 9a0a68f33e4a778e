"""What finished runs recorded of their origin, counted by hand."""

from ser.report.provenance import NOT_RECORDED, Fact, Recorded, in_words
from ser.runs.reader import Data, Info, Run

TAGS = {
    "machine": "node1: Linux",
    "processor": "Intel Xeon, AVX512, 1 thread",
    "code_version": "0.1.0+3f2a9c1.changed",
    "versions": "python 3.11.7, torch 2.8.0",
    "command": "ser run mine",
    "fingerprint/emodb": "aa",
}
PARAMS = {"training.precision": "float32", "seed": "0"}


def facts(*runs):
    recorded = Recorded()
    for tags, params in runs:
        info = Info("r", "name", "FINISHED", 0, 1, "", "1", "active")
        recorded.add(Run(info, Data({**PARAMS, **params}, {**TAGS, **tags})))
    return {fact.name: fact for fact in recorded.facts()}


def test_one_value_is_told_alone_and_several_with_their_runs():
    it = facts(
        ({}, {}),
        ({"machine": "node2: Linux", "fingerprint/emodb": "bb", "fingerprint/savee": "cc"}, {"seed": "10"}),
        ({"machine": "node2: Linux", "gpu": "H200"}, {"seed": "2"}),
    )
    assert it["Machine"].listed == ("node2: Linux (2 runs)", "node1: Linux (1 run)")
    assert it["Processor"].listed == ("Intel Xeon, AVX512, 1 thread",)
    assert (it["ser"].listed, it["Commit"].listed) == (("0.1.0",), ("3f2a9c1.changed",))
    assert it["Data, emodb"].listed == ("aa (2 runs)", "bb (1 run)")
    assert it["Data, savee"].listed == ("cc",)
    assert it["Seeds"].listed == ("0 (1 run)", "2 (1 run)", "10 (1 run)")
    assert it["GPU"].listed == ("H200",)
    assert it["Finished runs"].listed == ("3",)


def test_what_runs_did_not_record_is_said():
    it = facts(({"machine": "", "versions": "", "code_version": "0.1.0", "command": ""}, {}), ({}, {}))
    assert it["Machine"].listed == ("node1: Linux (1 run)", f"{NOT_RECORDED} (1 run)")
    assert it["Commit"].listed == ("3f2a9c1.changed (1 run)", f"{NOT_RECORDED} (1 run)")


def test_of_very_many_values_the_most_frequent_are_listed():
    it = facts(*(({"machine": f"node{number:02}"}, {}) for number in range(12)), ({"machine": "node11"}, {}))
    assert it["Machine"].listed[0] == "node11 (2 runs)"
    assert it["Machine"].listed[-1] == "and 4 more (4 runs)"


def test_without_runs_nothing_is_said():
    assert Recorded().facts() == ()
    assert in_words([Fact("Seeds", (("0", 1),))]) == ["Seeds: 0"]

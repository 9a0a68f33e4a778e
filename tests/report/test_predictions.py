"""Tables of predictions, with and without who says what, in all forms; folds put together."""

import numpy as np
import pytest

from ser.errors import BadInput
from ser.report.predictions import multi_label, pooled_labels, pooled_segments, segments, single_label
from ser.report.runs import Finished

CLASSES = ("angry", "sad")
WHO = "speaker,sex,session,sentence,"


def run(text):
    return Finished("trial", "run", "title", {}, {}, "", text)


ONE = f"""corpus,uid,{WHO}label,predicted,p_angry,p_sad
a,u2,s2,M,2,x,sad,angry,0.75,0.25
a,u1,s1,F,1,y,angry,angry,0.5,0.5
b,u3,s3,,,,sad,sad,0.125,0.875
"""
ONE_OF_BEFORE = "corpus,uid,label,predicted,p_angry,p_sad\na,u2,sad,angry,0.75,0.25\na,u1,angry,angry,0.5,0.5\n"


def test_single_labels_say_who_speaks():
    found = single_label(run(ONE), CLASSES)
    a = found["a"]
    assert (a.uids, a.speakers, a.sexes) == (("u1", "u2"), ("s1", "s2"), ("F", "M"))
    assert (a.sessions, a.sentences) == (("1", "2"), ("y", "x"))
    assert (a.truth.tolist(), a.predicted.tolist(), a.probabilities) == ([0, 1], [0, 0], None)
    assert found["b"].sexes == ("",)


def test_ties_of_votes_are_left_out_and_ratings_alone_have_no_labels():
    header, first, *rest = ONE.splitlines()
    at = header.split(",").index("label")
    cells = first.split(",")
    tied = "\n".join([header, ",".join([*cells[:at], "", *cells[at + 1 :]]), *rest])
    whole, found = single_label(run(ONE), CLASSES), single_label(run(tied), CLASSES)
    uid = cells[header.split(",").index("uid")]
    assert {u for t in whole.values() for u in t.uids} - {u for t in found.values() for u in t.uids} == {uid}
    assert single_label(run("corpus,uid,true_valence,predicted_valence\na,a/1,0.5,0.25\n"), CLASSES) == {}


def test_probabilities_are_kept_where_they_are_asked_for():
    found = single_label(run(ONE), CLASSES, only="a", probabilities=True)
    assert list(found) == ["a"]
    np.testing.assert_array_equal(found["a"].probabilities, np.array([[0.5, 0.5], [0.75, 0.25]], np.float32))


@pytest.mark.parametrize("cells", ["much,0.5", "0.7,0.5", "-0.5,1.5"])
def test_what_is_no_probability_is_refused_where_it_is_asked_for(cells):
    text = ONE.replace("0.5,0.5", cells)
    assert single_label(run(text), CLASSES)["a"].probabilities is None
    with pytest.raises(BadInput, match="predictions of run run"):
        single_label(run(text), CLASSES, probabilities=True)


def test_probabilities_are_rounded_to_digits():
    text = ONE.replace("0.5,0.5", "0.5,0.5000001")
    assert single_label(run(text), CLASSES, probabilities=True)["a"].probabilities is not None


def test_where_a_network_gave_no_number_there_are_no_probabilities():
    text = ONE.replace("0.5,0.5", ",")
    assert single_label(run(text), CLASSES, probabilities=True)["a"].probabilities is None


def test_runs_of_before_have_no_speakers():
    found = single_label(run(ONE_OF_BEFORE), CLASSES, probabilities=True)["a"]
    assert (found.uids, found.speakers, found.sexes) == (("u1", "u2"), (), ())
    assert found.probabilities is not None


def test_decision_values_are_no_probabilities():
    text = ONE.replace("p_", "d_")
    assert single_label(run(text), CLASSES, probabilities=True)["a"].probabilities is None


def test_equal_columns_of_thousands_of_runs_are_one_object():
    first, second = (single_label(run(ONE), CLASSES)["a"] for _ in range(2))
    assert first.speakers is second.speakers


def test_folds_put_together_keep_speakers_and_probabilities_in_order():
    parts = single_label(run(ONE), CLASSES, probabilities=True)
    whole = pooled_labels([parts["b"], parts["a"]])
    assert whole.uids == ("u1", "u2", "u3")
    assert whole.speakers == ("s1", "s2", "s3")
    assert whole.probabilities[:, 0].tolist() == [0.5, 0.75, 0.125]
    of_before = single_label(run(ONE_OF_BEFORE), CLASSES)["a"]
    mixed = pooled_labels([parts["b"], of_before])
    assert (mixed.speakers, mixed.probabilities) == ((), None)


SEGMENTS = f"""corpus,uid,{WHO}segment,label,predicted,l_angry,l_sad
a,v,s2,M,2,x,0,sad,angry,1,0
a,u,s1,F,1,y,1,angry,sad,0,1
a,u,s1,F,1,y,0,angry,angry,2,0
"""


def test_clips_say_who_speaks():
    found = segments(run(SEGMENTS), CLASSES)["a"]
    assert (found.uids, found.speakers, found.sentences) == (("u", "v"), ("s1", "s2"), ("y", "x"))
    # Mean logits of u are 1 and 0.5: a probability of 1 / (1 + exp(-0.5)).
    assert found.probabilities[:, 0] == pytest.approx(1 / (1 + np.exp([-0.5, -1.0])), rel=1e-6)
    labels = single_label(run(SEGMENTS), CLASSES, probabilities=True)["a"]
    assert (labels.speakers, labels.predicted.tolist()) == (("s1", "s2"), [0, 0])
    assert labels.probabilities.tolist() == found.probabilities.tolist()
    assert single_label(run(SEGMENTS), CLASSES)["a"].probabilities is None
    both = pooled_segments([found, found])
    assert both.speakers == ("s1", "s2", "s1", "s2")


def test_clips_of_before_have_no_speakers():
    lines = [",".join(c for i, c in enumerate(line.split(",")) if not 2 <= i <= 5) for line in SEGMENTS.splitlines()]
    found = segments(run("\n".join(lines) + "\n"), CLASSES)["a"]
    assert (found.uids, found.speakers) == (("u", "v"), ())
    assert pooled_segments([found, segments(run(SEGMENTS), CLASSES)["a"]]).sexes == ()


SEVERAL = f"""corpus,uid,{WHO}label,p_angry,p_sad
b,u2,s2,M,2,x,angry|sad,0.5,0.75
a,u1,s1,F,1,y,,0.25,0.5
"""


def test_several_labels_say_who_speaks():
    found = multi_label(run(SEVERAL), CLASSES)
    assert (found.uids, found.speakers) == (("u1", "u2"), ("s1", "s2"))
    assert found.truth.tolist() == [[False, False], [True, True]]
    assert found.probabilities.tolist() == [[0.25, 0.5], [0.5, 0.75]]
    assert found.of("b").sexes == ("M",)
    of_before = multi_label(run("corpus,uid,label,p_angry,p_sad\na,u1,,0.25,0.5\n"), CLASSES)
    assert (of_before.speakers, of_before.of("a").speakers) == ((), ())

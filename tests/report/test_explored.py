"""What a page shows of any run: matrices summed over seeds and folds, and curves of those that logged them."""

import numpy as np
from pages import RUNS, content_of

from ser.report.explored import Explored
from ser.report.runs import Finished

HEAD = "corpus,uid,label,predicted\n"


def finished(place, title, text, same_as=""):
    return Finished(f"t{place}", RUNS[place], title, {"corpora": "a,b"}, {}, same_as, text)


def test_matrices_of_a_setting_are_summed_and_curves_are_of_runs_that_were_trained():
    runs = [
        finished(0, "A · x · seed 0", HEAD + "a,1,sad,sad\na,2,angry,sad\nb,1,sad,angry\n"),
        finished(1, "A · x · seed 1", HEAD + "a,1,sad,sad\na,2,angry,angry\na,3,,sad\n"),
        finished(2, "A · y", "corpus,uid,label\na,1,sad|happy\n"),
        finished(3, "A · z", HEAD + "a,1,calm,sad\n", same_as="t0"),
    ]
    explored = Explored(("angry", "sad"))
    assert list(explored.noted(runs)) == runs
    asked = {}

    def curves(ids, metric):
        asked[metric] = list(ids)
        return {RUNS[0]: [1.0, 0.5], RUNS[1]: [1.0]} if metric == "val/loss" else {}

    content = explored.of(content_of(), curves, "http://h/{run}")
    named = {(m.heading, m.title): (m.classes, m.counts.tolist(), m.runs) for m in content.confusions}
    assert named == {
        ("a", "A · x"): (("angry", "sad"), [[1, 1], [0, 2]], (RUNS[0], RUNS[1])),
        ("b", "A · x"): (("angry", "sad"), [[0, 0], [1, 0]], (RUNS[0],)),
    }
    assert asked == {key: [RUNS[0], RUNS[1], RUNS[2]] for key in ("train/loss", "val/loss", "val/ua/a", "val/ua/b")}
    (only,) = content.curves
    assert (only.run_id, only.title, only.values) == (RUNS[0], "A · x · seed 0", {"val/loss": (1.0, 0.5)})
    assert content.runs_address == "http://h/{run}"
    assert all(isinstance(m.counts, np.ndarray) for m in content.confusions)

"""How far a grid is: states, best results, speed and time left, by values that can be worked out by hand."""

import json
import math

import pytest

from ser.runs.progress import progress_of, seconds_left, since_pause
from ser.runs.reader import Data, Info, Run
from ser.study import SCHEMA

GRID = json.dumps({"corpora": [], "seeds": 1, "count": 6, "references": {"r1": {}, "r2": {}}})


class Runs:
    """A tracker of these runs."""

    study = "interaffection"

    def __init__(self, *runs):
        self._runs = runs

    def pages(self):
        return iter(sorted(self._runs, key=lambda run: run.info.start_time))


def run(trial, status="FINISHED", start=0, end=None, metrics=None, params=None, variant="v", **tags):
    info = Info(f"run-{trial}", f"title {trial}", status, 1000 * start, end and 1000 * end, "", "1", "active")
    tags = {
        "trial_id": trial,
        "grid": GRID,
        "variant": variant,
        "schema": str(SCHEMA),
        "title": f"title {trial}",
        **tags,
    }
    return Run(info, Data({"corpora": "emodb,savee", **(params or {})}, tags, dict(metrics or {})))


def test_trials_are_counted_by_state_and_references_apart():
    progress = progress_of(
        Runs(
            run("a", end=10),
            run("b", "KILLED", 1, 5),
            run("b", start=6, end=20),  # its second attempt
            run("c", "FAILED", 2, 9, error="out of memory"),
            run("d", "RUNNING", 3),
            run("e", "KILLED", 4, 8),
            run("r1", end=3, params={"role": "reference"}),
            run("x", end=3, superseded_by="run-a"),
            run("y", end=3, schema="0"),
        ),
        now_s=30,
    )
    assert (progress.finished, progress.running, progress.failed, progress.interrupted) == (2, 1, 1, 1)
    assert (progress.expected, progress.references, progress.state) == (6, (1, 2), "running")
    assert [(f.title, f.error) for f in progress.failures] == [("title c", "out of memory")]
    assert progress.running_titles == ("title d",)
    assert (progress.began_s, progress.ended_s) == (0, 20)


def test_a_failure_that_was_made_good_is_none():
    progress = progress_of(Runs(run("a", "FAILED", 0, 1, error="killed"), run("a", start=2, end=3)))
    assert (progress.failures, progress.failed, progress.state) == ((), 0, "unfinished")


@pytest.mark.parametrize(
    ("states", "state"),
    [(["FINISHED"] * 6, "finished"), (["FINISHED"] * 5, "unfinished"), (["FINISHED", "FAILED"], "failed")],
)
def test_a_grid_is_finished_when_all_its_trials_are(states, state):
    runs = (run(str(n), status, n, n + 1) for n, status in enumerate(states))
    assert progress_of(Runs(*runs)).state == state


def test_the_variant_that_was_run_last_counts():
    progress = progress_of(Runs(run("a", variant="old", end=1), run("b", start=2, end=3)))
    assert (progress.variant, progress.finished, progress.other_variants) == ("v", 1, 1)


def test_best_results_are_those_of_finished_trials_by_corpus():
    scores = {"ua/emodb": 0.5, "ua/savee": 0.7, "wa/emodb": 0.9}
    progress = progress_of(
        Runs(
            run("a", end=1, metrics=scores),
            run("b", end=1, metrics={"ua/emodb": 0.6, "ua/savee": math.nan}),
            run("c", "RUNNING", metrics={"ua/emodb": 0.9}),
            run("d", end=1, metrics={"ua/emodb": 0.9}, params={"role": "reference"}),
        )
    )
    assert [(b.corpus, b.measure, b.value, b.trial_id) for b in progress.best] == [
        ("emodb", "UA", 0.6, "b"),
        ("savee", "UA", 0.7, "a"),
    ]


def test_emotions_at_once_and_ratings_have_measures_of_their_own():
    values = {"ua/emodb": 0.9, "balanced/emodb": 0.6, "ccc/savee/arousal": 0.3}
    (first, second) = progress_of(Runs(run("a", end=1, metrics=values))).best
    assert (first.measure, first.value) == ("balanced accuracy", 0.6)
    assert (second.measure, second.value) == ("CCC arousal", 0.3)


def test_speed_and_time_left_are_those_of_the_call_that_goes_on():
    """One trial in 100 s since the pause of a day: 36 an hour; two more take 200 s, of which 50 have gone by."""
    day = 86_400
    ended = [run(str(n), start=day, end=day + 100 * n) for n in range(4)]
    before = [run(f"before {n}", start=n, end=n + 1) for n in range(3)]
    progress = progress_of(Runs(*before, *ended, run("z", "RUNNING", day)), expected=9, now_s=day + 350)
    assert (progress.per_hour, progress.left_s) == (36, 150)


def test_where_nothing_runs_no_time_is_left_to_tell():
    progress = progress_of(Runs(*(run(str(n), start=0, end=100 * n) for n in range(5))), now_s=500)
    assert (progress.per_hour, progress.left_s) == (None, None)


def test_a_grid_that_somebody_changed_in_the_pages_is_counted_by_its_runs():
    assert progress_of(Runs(run("a", end=1, grid="no JSON"))).expected == 1


def test_the_first_of_a_batch_tell_nothing_of_the_others():
    """59 trials in two batches of 27 s each, as they came in: 1 of 59 after 27 s does not mean 26 minutes."""
    first = [27 + n / 1000 for n in range(30)]
    assert seconds_left(first[:1], 58, now=27, began=0) is None
    assert seconds_left(first[:12], 47, now=27.012, began=0) is None  # they are still coming in
    assert seconds_left(first, 29, now=29.029, began=0) == pytest.approx(27.029 * 29 / 30 - 2)


def test_three_trials_and_as_many_as_run_at_once_have_to_end():
    ends = [10.0, 20.0, 30.0]
    assert seconds_left(ends[:2], 7, now=25, began=0) is None
    assert seconds_left(ends, 7, now=34, began=0) == 66
    assert seconds_left(ends, 7, now=34, began=0, at_once=4) is None
    assert seconds_left([], 7, now=34) is None
    assert seconds_left(ends, 0, now=34) == 0


def test_what_takes_longer_than_others_did_counts():
    """Three in 30 s, and none in the 70 s since: now they take 100 / 3 s each."""
    assert seconds_left([10.0, 20.0, 30.0], 3, now=100, began=0) == pytest.approx(100)


def test_where_trials_end_all_the_time_there_is_an_answer():
    """Ten in a second, for two seconds and a half: 80 more take 8 s."""
    ends = [0.1 * n for n in range(1, 26)]
    assert seconds_left(ends, 80, now=2.5, began=0) == pytest.approx(8, abs=0.5)


def test_a_pause_is_longer_than_all_gaps_within_a_call():
    assert since_pause([0, 10, 20, 5000, 5010]) == [5000, 5010]
    hours = [3600 * n for n in range(5)]
    assert since_pause(hours) == hours  # trials that take long
    assert since_pause([]) == []

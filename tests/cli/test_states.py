"""`ser status`, of one study and of all of a work folder, once and for as long as trials run."""

import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from ser.cli import states
from ser.cli.states import State
from ser.errors import Away
from ser.runs.location import Location
from ser.runs.progress import Best, Failure, Progress

WHERE = Location("sqlite:////w/mlflow.db", "/w/artifacts")
BEST = (Best("emodb", "UA", 0.876, "E · lstm", "a", "1"), Best("msp", "CCC arousal", 0.51, "M · cnn", "b", "2"))
RUNNING = Progress("layers", "v", 20, 8, 2, 7, 1, (1, 3), BEST, per_hour=36.4, left_s=1188.4)
FINISHED = Progress("interaffection", "v", 168, 168, 0, 0, 0)


def state(progress, report=None):
    return State(progress, report, "http://127.0.0.1:5000/#/experiments/1/runs")


def test_all_that_is_known_of_a_study_is_told():
    assert states.lines([state(RUNNING, Path("/w/reports/layers/report.html"))], WHERE, whole=True) == [
        "layers: 8 of 20 trials finished",
        "1 of 3 references finished",
        "7 failed",
        "1 interrupted",
        "2 running",
        "36 trials an hour, 0:19:48 left",
        "best UA emodb 87.6 %: E · lstm",
        "best CCC arousal msp 0.510: M · cnn",
        "report:  /w/reports/layers/report.html",
        "runs:    http://127.0.0.1:5000/#/experiments/1/runs",
        "",
        "MLflow's pages are served by:  ser ui --work /w",
    ]


def test_of_several_studies_few_failures_are_told_and_of_one_all():
    failures = tuple(Failure(f"trial {n}", "killed", str(n), str(n)) for n in range(7))
    each = [state(FINISHED), state(replace(RUNNING, failures=failures))]
    told = states.lines(each, WHERE, whole=False)
    assert "interaffection: 168 of 168 trials finished" in told
    assert sum(line.startswith("failed: ") for line in told) == 5
    assert "and 2 failures more: ser status layers" in told
    assert sum(line.startswith("failed: ") for line in states.lines(each, WHERE, whole=True)) == 7


def test_a_work_folder_without_runs_says_so():
    assert states.lines([], WHERE, whole=False)[0].startswith("no runs in sqlite:////w/mlflow.db")


def test_before_the_first_trial_nothing_is_counted():
    assert states.lines([state(Progress("layers", "", 0, 0, 0, 0, 0))], WHERE, whole=True)[0] == (
        "layers: no trial has been started yet"
    )


@pytest.fixture
def watched(monkeypatch):
    """States one after the other, and the seconds that were slept between them."""
    slept: list[float] = []
    monkeypatch.setattr(states.time, "sleep", slept.append)

    def watch(*each):
        answers = iter(each)

        def answer(*_):
            one = next(answers)
            if isinstance(one, Exception):
                raise one
            return one

        monkeypatch.setattr(states, "states", answer)
        states.watch(WHERE, Path("/w"), None)
        return slept

    return watch


def test_watching_prints_what_changed_and_ends_when_all_are_finished(watched, capsys):
    later = replace(RUNNING, finished=9)
    done = replace(RUNNING, finished=20, running=0, failed=0, interrupted=0, per_hour=None, references=(3, 3))
    assert len(watched([state(RUNNING)], [state(RUNNING)], [state(later)], Away("restarts"), [state(done)])) == 4
    first, second, third = capsys.readouterr().out.splitlines()
    assert "layers: 8 of 20 trials finished; " in first
    assert second[9:] == "layers: 9 of 20 trials finished"
    assert third[9:] == "layers: 20 of 20 trials finished; 3 of 3 references finished"


def test_watching_goes_on_while_one_study_is_unfinished(watched):
    unfinished = replace(FINISHED, finished=100)
    answers = [[state(FINISHED), state(one)] for one in (unfinished, unfinished, FINISHED)]
    assert len(watched(*answers)) == 2


def test_a_store_that_takes_long_is_asked_less_often(watched, monkeypatch):
    clock = itertools.count(0, 50)
    monkeypatch.setattr(states.time, "monotonic", lambda: next(clock))
    assert watched([state(RUNNING)], [state(FINISHED)]) == [500]

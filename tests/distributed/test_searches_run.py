"""Searches to their ends: each trial once, and whatever ends a command, the next one goes on as if it had not."""

import random
import shutil
from collections import Counter
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev

import pool_here
import pytest
import tiny_search
import torch
from chaos import Chaos
from tiny_search import RANDOM

from ser.cli.main import _request, arguments, main
from ser.distributed import launch
from ser.distributed.ledger import Search
from ser.distributed.profile import Profile
from ser.planning.request import plan_of
from ser.runs.location import Location
from ser.runs.outcomes import Failed
from ser.runs.tracker import Tracker
from ser.study import part
from ser.trials import run as one
from ser.trials.inputs import initial_state
from ser.trials.job import job_of

OPTUNA = part("optuna", candidates=4, at_once=2, seed=0, by="loss")
PBT = part("pbt", members=3, generations=2, quantile=0.34, seed=0, by="loss")
RATES = (("training.learning_rate", part("log_uniform", low=1e-3, high=1e-1)),)


class Here(pool_here.Here):
    """A pool without Ray that is interrupted after ``most`` work items."""

    most = 10**9

    def do(self, item):
        if Here.most <= 0:
            raise KeyboardInterrupt
        Here.most -= 1
        return super().do(item)


class Listener:
    """Counts what it is told."""

    def __init__(self):
        self.trained, self.grown_by, self.errors = [], [], {}

    def started(self, at_once):
        pass

    def finished(self, trial, result):
        self.trained.append(trial.id)

    def failed(self, trial, error):
        self.errors[trial.id] = error

    def note(self, line):
        pass

    def grown(self, trials):
        self.grown_by.append([t.id for t in trials])


class Run:
    """One study in one work folder, given again and again."""

    def __init__(self, study, data, cache, work):
        self.study, self.data, self.cache, self.work = study, data, cache, work
        self.tracker = Tracker(Location.of(work, None), study.name)

    def __call__(self, most=10**9):
        """As ``ser run`` does it. Returns the plan at the end, the summary and what was heard."""
        plan, heard = tiny_search.plan(self.study, self.data, self.cache), Listener()

        def job():
            return tiny_search.job(plan, self.cache, self.work)

        def more(losses):
            nonlocal plan
            grown = plan.grown(losses)
            if len(grown.trials) == len(plan.trials):
                return None
            plan = grown
            return job(), plan.to_train

        Here.most = most
        search = Search.of(self.study, more)
        summary = launch.run(job(), plan.to_train, Profile.read("local"), None, heard, search=search)
        return plan, summary, heard

    def finished(self):
        return self.tracker.finished()


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def begin(monkeypatch, data, cache, tmp_path, empty_ledger):
    """Starts a study in an empty work folder, without Ray."""
    monkeypatch.setattr(launch, "WorkerPool", Here)

    def make(study, name="work"):
        (tmp_path / name).mkdir()
        shutil.copy(empty_ledger, tmp_path / name / "mlflow.db")
        return Run(study, data, cache, tmp_path / name)

    return make


def candidates(plan, kind="candidate"):
    return [t for t in plan.trials if t.role.name == kind]


def curves(run):
    """All final numbers of all finished runs, but times, by trial."""
    return {
        trial: {k: v for k, v in r.data.metrics.items() if not k.startswith(("seconds/", "system/"))}
        for trial, r in run.finished().items()
    }


# random search in folds


def test_a_search_in_folds_ends_with_its_best_trained_once_more_and_folds_beneath_their_candidate(begin):
    run = begin(tiny_search.study("cnn1d", max_epochs=8))
    plan, summary, heard = run()
    done = run.finished()
    assert (summary.unfinished, summary.failures, summary.interrupted) == (0, {}, False)
    assert Counter(t.role.name for t in plan.trials) == {"printed": 1, "candidate": 8, "refit": 1}
    assert done.keys() == {t.id for t in plan.trials} == set(heard.trained)
    assert [len(ids) for ids in heard.grown_by] == [1]

    parents = {r.info.run_id: r for r in run.tracker.runs("tags.candidate LIKE '%'")}
    assert len(parents) == 4
    best = {}
    for number in (1, 2, 3, 4):
        folds = [done[t.id] for t in candidates(plan) if t.role["number"] == number]
        (parent,) = {r.data.tags["mlflow.parentRunId"] for r in folds}
        scores = [r.data.metrics["objective/wa"] for r in folds]
        told = parents[parent]
        assert told.data.metrics["objective/wa"] == pytest.approx(mean(scores))
        assert told.data.metrics["objective/wa_std"] == pytest.approx(stdev(scores))
        assert told.info.status == "FINISHED"
        assert "trial_id" not in told.data.tags
        assert told.data.params["training.learning_rate"] == folds[0].data.params["training.learning_rate"]
        best[number] = -mean(scores)
    (refit,) = candidates(plan, "refit")
    assert refit.role["number"] == min(best, key=best.get)
    assert done[refit.id].data.metrics["epochs"] == 4
    assert "mlflow.parentRunId" not in done[refit.id].data.tags

    again, summary, heard = run()
    assert [t.id for t in again.trials] == [t.id for t in plan.trials]
    assert (summary.trained, heard.trained) == (0, [])
    assert len(run.tracker.runs()) == 14


def test_a_search_that_is_interrupted_anywhere_ends_like_one_that_is_not(begin):
    study = tiny_search.study("cnn1d", search=RANDOM.changed(candidates=2, per_shape=1))
    calm, shaken = begin(study), begin(study, "shaken")
    calm()
    stops = 0
    for _ in range(9):
        _, summary, _ = shaken(most=1)
        stops += summary.interrupted
        if not summary.interrupted:
            break
    assert stops >= 2
    assert curves(shaken) == curves(calm)
    assert len(shaken.tracker.runs()) == len(calm.tracker.runs())


# optuna


@pytest.fixture
def tree():
    return replace(
        tiny_search.with_space(tiny_search.study("rnn", search=OPTUNA, stacked=False), RATES), corpora=(CHECKED,)
    )


# A fold of the two validates: without one there is no loss to go by.
CHECKED = replace(tiny_search.CORPUS, split=part("speakers", train=0.5, val=0.25, test=0.25, seed=0))


def test_optuna_goes_on_where_it_was_and_asks_the_same(begin, tree):
    calm, shaken = begin(tree), begin(tree, "shaken")
    plan, summary, heard = calm()
    assert summary.unfinished == 0
    assert [len(ids) for ids in heard.grown_by] == [2]
    assert [t.role["number"] for t in candidates(plan)] == [1, 2, 3, 4]
    _, summary, _ = shaken(most=3)  # what is printed, and round one
    assert summary.interrupted
    other, summary, heard = shaken()
    assert len(heard.trained) == 2
    assert [t.id for t in other.trials] == [t.id for t in plan.trials]
    assert curves(shaken) == curves(calm)
    last, summary, heard = calm()
    assert (summary.trained, heard.trained) == (0, [])
    assert [t.id for t in last.trials] == [t.id for t in plan.trials]


def test_a_candidate_that_cannot_be_trained_is_no_end_of_the_search(begin, tree):
    wild = replace(
        tiny_search.with_space(tree, (("training.learning_rate", part("log_uniform", low=1e37, high=1e38)),)),
        training=replace(tree.training, optimiser="sgd"),
    )
    plan, summary, _ = begin(wild)()
    assert [t.role["number"] for t in candidates(plan)] == [1, 2, 3, 4]
    assert summary.failures.keys() == {t.id for t in candidates(plan)}
    assert summary.unfinished == 4


# population based training


@pytest.fixture
def population():
    study = tiny_search.study("cnn1d", search=PBT, stacked=False, max_epochs=2)
    return replace(tiny_search.with_space(study, RATES), corpora=(CHECKED,))


def test_a_second_generation_goes_on_from_the_ends_of_the_first(begin, population):
    run = begin(population)
    plan, summary, _ = run()
    members, done = candidates(plan, "member"), run.finished()
    assert summary.unfinished == 0
    assert [t.role["number"] for t in members] == ["1.1", "2.1", "3.1", "1.2", "2.2", "3.2"]
    first, second = members[:3], members[3:]
    losses = [done[t.id].data.metrics["objective/loss"] for t in first]
    order = sorted(range(3), key=losses.__getitem__)
    for place, member in enumerate(second):
        source = first[order[0]] if place == order[-1] else first[place]
        assert member.initial_from == source.id
        if place != order[-1]:
            assert member.training.learning_rate == source.training.learning_rate
    loser = second[order[-1]]
    rate = loser.training.learning_rate / first[order[0]].training.learning_rate
    assert min(abs(rate - 0.8), abs(rate - 1.2)) < 1e-3

    job = tiny_search.job(plan, run.cache, run.work)
    state, weights = initial_state(job, loser), torch.load(run.tracker.artifact(done[loser.initial_from], "best.pt"))
    assert state["network"].keys() == weights.keys()
    assert all(torch.equal(state["network"][k], weights[k]) for k in weights)
    assert state["optimiser"]["state"]
    idle = replace(loser, training=replace(loser.training, learning_rate=1e-30))  # no step further
    told = one.run(job, idle)
    assert told.results["objective/loss"] == pytest.approx(losses[order[0]], rel=1e-6)

    again, summary, heard = run()
    assert (summary.trained, heard.trained) == (0, [])
    assert [t.id for t in again.trials] == [t.id for t in plan.trials]


def test_a_population_that_is_interrupted_goes_on_with_the_same_numbers(begin, population):
    calm, shaken = begin(population), begin(population, "shaken")
    calm()
    assert shaken(most=2)[1].interrupted
    assert shaken(most=3)[1].interrupted
    assert not shaken()[1].interrupted
    assert curves(shaken) == curves(calm)


def test_an_end_that_is_not_whole_is_no_start(begin, population):
    run = begin(population)
    plan, _, _ = run()
    member = candidates(plan, "member")[3]
    found = Path(run.finished()[member.initial_from].info.artifact_uri.removeprefix("file://"), "state.pt")
    found.write_bytes(found.read_bytes()[:-100])
    other = replace(member, seed=7)
    told = one.run(tiny_search.job(plan, run.cache, run.work), other)
    assert isinstance(told, Failed)
    assert f"state.pt of trial {member.initial_from}" in told.error


# on Ray


def finished_once(tracker, plan):
    """The finished run of each trial, and of each reference; fails where one has none or several."""
    runs = [r for r in tracker.runs() if "trial_id" in r.data.tags and "superseded_by" not in r.data.tags]
    assert Counter(r.data.tags["trial_id"] for r in runs) == Counter(t.id for t in (*plan.trials, *plan.references))
    assert {r.info.status for r in runs} == {"FINISHED"}
    return {r.data.tags["trial_id"]: r for r in runs}


@pytest.fixture
def command(data, tmp_path, empty_ledger, one_at_once):
    """A command over the miniature of RAVDESS with a demo's small networks, and the plan that it starts from."""
    work = tmp_path / "work"
    work.mkdir()
    shutil.copy(empty_ledger, work / "mlflow.db")

    def make(study, *settings):
        given = ["run", study, "--demo", "--data", str(data), "--corpora", "ravdess", "--work", str(work), *one_at_once]
        given += [f"--set={each}" for each in settings]
        return given, work

    return make


def planned(given):
    """What the command starts from."""
    return plan_of(_request(arguments(given)), lambda title: nullcontext(lambda done, of: None))


@pytest.mark.slow
def test_a_scheduler_ends_candidates_early_and_a_killed_command_loses_none(command, tmp_path, empty_ledger):
    settings = ["search.candidates=5", "scheduler.grace=1", "scheduler.reduction=2", "training.max_epochs=4"]
    given, work = command("multilabel", *settings)
    chaos = Chaos(given, work, tmp_path / "log")
    try:
        chaos.rage(["driver"], (0.1, 0.5), random.Random(0), most_s=300)
    finally:
        chaos.end()
    plan, tracker = planned(given), Tracker(Location.of(work, None), "multilabel")
    runs = finished_once(tracker, plan)
    ended = {i: int(r.data.metrics["stopped_epoch"]) for i, r in runs.items() if "stopped_epoch" in r.data.metrics}
    assert ended
    for trial in plan.trials:
        epochs = runs[trial.id].data.metrics["epochs"]
        assert epochs == ended.get(trial.id, 4)
        assert len(tracker.curve(runs[trial.id].info.run_id, "val/loss")) == epochs
    assert set(ended.values()) <= {1, 2}
    assert not {t.id for t in plan.trials if t.role.name == "printed"} & ended.keys()

    stopped = plan.by_id[next(iter(ended))]
    apart = tmp_path / "apart"
    apart.mkdir()
    shutil.copy(empty_ledger, apart / "mlflow.db")
    alone = replace(stopped, training=replace(stopped.training, max_epochs=ended[stopped.id]))
    job = job_of(plan, Location.of(apart, None), apart, str(work / "store"), "cpu", 1, "test", [])
    told, known = one.run(job, alone), runs[stopped.id].data.metrics
    same = {k: v for k, v in told.results.items() if k in known and not k.startswith(("seconds/", "system/"))}
    assert same == {k: known[k] for k in same}
    assert {"objective/loss", "balanced/ravdess", "epochs"} <= same.keys()


@pytest.mark.slow
def test_what_a_scheduler_ends_is_trained_again_on_both_subsets_and_not_ended_once_more(command):
    settings = ["search.candidates=4", "scheduler.grace=1", "scheduler.reduction=2", "training.max_epochs=4"]
    given, work = command("multilabel", *settings, "training.learns_from=train_and_validation")
    assert main(given) == 0
    plan, tracker = planned(given), Tracker(Location.of(work, None), "multilabel")
    runs = finished_once(tracker, plan)
    ended = {i: int(r.data.metrics["stopped_epoch"]) for i, r in runs.items() if "stopped_epoch" in r.data.metrics}
    assert ended
    for trial in plan.trials:
        found = runs[trial.id].data.metrics
        assert found["epochs"] == found["best_epoch"] == found["refit_epochs"] == ended.get(trial.id, 4)
        assert len(tracker.curve(runs[trial.id].info.run_id, "refit/train/loss")) == found["refit_epochs"]
        assert len(tracker.curve(runs[trial.id].info.run_id, "val/loss")) == found["epochs"]


def test_on_ray_candidates_are_trained_stacked_and_the_search_goes_on_with_the_same_workers(command):
    settings = ["search.candidates=2", "search.folds=2", "training.max_epochs=2", "final.training.max_epochs=3"]
    given, work = command("mfcc_networks", *settings)
    assert main(given) == 0
    tracker = Tracker(Location.of(work, None), "mfcc_networks")
    done = tracker.finished()
    plan = planned(given).grown(tracker.objectives(done, "objective/loss"))
    known = Counter(r.data.metrics.get("stacked_trials", 1.0) for r in done.values())
    assert set(known) - {1.0}
    assert len(done) == len(plan.trials) + len(plan.references) == 2 + 2 * 4 + 2 + 1
    assert len(tracker.runs("tags.candidate LIKE '%'")) == 4
    assert main(given) == 0
    assert tracker.finished().keys() == done.keys()

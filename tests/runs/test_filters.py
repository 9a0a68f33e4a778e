"""Every filter of docs/mlflow.md finds the runs that its question means; so do views, and candidates are kept."""

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

import ser
from ser.runs import candidates, views
from ser.runs.links import CHARTS, MEANS, RESULTS, run_page, runs_page
from ser.runs.location import Location
from ser.runs.shown import params_of
from ser.runs.tracker import Tracker
from ser.study import Trial
from ser.trials.job import head_of, job_of
from ser.trials.presented import presented, varying

DOCS = Path(ser.__file__).parents[1] / "docs" / "mlflow.md"
_ROW = re.compile(r"^\| (.+\?) \| (`+)(.+)\2 \|$", re.MULTILINE)


@pytest.fixture(scope="module")
def study_of_runs(plan, features, empty_ledger, tmp_path_factory):
    """An experiment with a run for each trial of a grid: finished, failed, running, one finished twice, a candidate."""
    work = tmp_path_factory.mktemp("filters")
    (work / "mlflow.db").write_bytes(empty_ledger.read_bytes())
    where, files = Location.of(work, None), work / "files"
    for name in ("confusion/x.json", "split/x.json", "predictions.csv"):
        (files / name).parent.mkdir(parents=True, exist_ok=True)
        (files / name).write_text(name)
    job = job_of(plan, where, work, str(features), "cpu", 1, "0.1.0+abc", [])
    job = replace(job, tags={**job.tags, "mlflow.user": "anna"})
    tracker = Tracker(where, plan.study.name)
    trials, ids = list(plan.to_train), {}
    for number, trial in enumerate(trials):
        log = tracker.start(head_of(job, trial))
        ids[trial.id] = log.run_id
        scores = {f"{kind}/{name}": 0.9 - number / 40 for name in trial.targets for kind in ("ua", "wa")}
        if number == len(trials) - 1:
            log.close("RuntimeError: CUDA out of memory")
        elif number < len(trials) - 2:
            log.finish(9, {"epochs": number % 5 + 1.0, "parameters": 10.0**number, **scores}, files)
    twin = next(t for t in plan.trials if t.id in plan.twins and plan.twins[t.id] in ids)
    tracker.mirror(tracker.finished()[plan.twins[twin.id]], head_of(job, twin))
    first = tracker.finished()[trials[0].id]
    candidates.nest(tracker, "c1", "candidate 1", [first], {"training.learning_rate": "0.1", "block": "lstm"})
    views.publish(tracker, presented(plan))
    return where, tracker, trials, twin


@dataclass(frozen=True)
class Recorded:
    """What a run was given."""

    title: str
    trial: Trial
    number: int  # of its training among the finished ones; -1 of a failed one, -2 of one that still runs
    kind: str = "trial"  # "twin", and "parent" of folds

    @property
    def tests_well(self) -> bool:
        return "ravdess" in self.trial.targets and self.number >= 0 and 0.9 - self.number / 40 > 0.6

    def uses(self, corpus: str) -> bool:
        return corpus in [c.name for c in self.trial.corpora]


def recorded(trials, twin):
    """All runs of ``study_of_runs``."""
    last = len(trials) - 2
    runs = [Recorded(t.title, t, n if n < last else last - n - 1) for n, t in enumerate(trials)]
    runs = [replace(run, number={-1: -2, -2: -1}.get(run.number, run.number)) for run in runs]
    original = next(run for run in runs if replace(twin, task=run.trial.task).id == run.trial.id)
    return [*runs, Recorded(twin.title, twin, original.number, "twin"), Recorded("candidate 1", trials[0], 0, "parent")]


MEANT = {
    "dataset.name = 'tess'": lambda r: r.kind != "parent" and r.uses("tess"),
    "dataset.context = 'testing'": lambda r: r.kind != "parent" and r.trial.targets,
    "params.combination = 'T+R'": lambda r: r.trial.combination == "T+R",
    "params.corpora LIKE '%tess%'": lambda r: r.uses("tess"),
    "metrics.`ua/ravdess` > 0.6": lambda r: r.tests_well,
    "dataset.name = 'tess' and metrics.`ua/ravdess` > 0.6": lambda r: (
        r.kind != "parent" and r.uses("tess") and r.tests_well
    ),
    "params.block = 'lstm' and params.pooling = 'mean_var' and params.task = 'multi'": lambda r: (
        (r.trial.block.name, r.trial.pooling, r.trial.task) == ("lstm", "mean_var", "multi")
    ),
    "params.seed = '0'": lambda r: True,
    "metrics.parameters < 1000000": lambda r: 0 <= r.number < 6,
    "metrics.epochs >= 3": lambda r: r.number >= 0 and r.number % 5 >= 2,
    "attributes.status = 'FAILED'": lambda r: r.number == -1,
    "tags.error LIKE '%out of memory%'": lambda r: r.number == -1,
    "tags.same_as LIKE '%'": lambda r: r.kind == "twin",
    "tags.superseded_by LIKE '%'": lambda r: False,
    "tags.candidate LIKE '%'": lambda r: r.kind == "parent",
    "tags.data = 'demo'": lambda r: False,
    "tags.variant = 'VARIANT'": lambda r: True,
    "tags.`fingerprint/tess` = 'FINGERPRINT'": lambda r: r.uses("tess"),
    "tags.code_version LIKE '0.%'": lambda r: True,
    "attributes.user_id = 'anna'": lambda r: True,
    "attributes.status = 'RUNNING'": lambda r: r.number == -2,
    "tags.trial_id = 'TRIAL'": lambda r: r.kind == "trial" and r.number == 0,
}


def test_each_documented_filter_finds_what_its_question_means(study_of_runs):
    where, tracker, trials, twin = study_of_runs
    text = DOCS.read_text(encoding="utf-8")
    filters = [row[2] for row in _ROW.findall(text.partition("## Which filter answers")[2])]
    assert set(filters) == set(MEANT)
    run = tracker.finished()[trials[0].id]
    tess = next(t for t in trials if "tess" in [c.name for c in t.corpora])
    values = {"VARIANT": run.data.tags["variant"], "'TRIAL'": f"'{trials[0].id}'"}
    values["FINGERPRINT"] = next(c.fingerprint for c in tess.corpora if c.name == "tess")
    client = MlflowClient(where.uri)
    for query in filters:
        asked = query
        for name, value in values.items():
            asked = asked.replace(name, value)
        found = client.search_runs([tracker.experiment], asked, max_results=1000)
        meant = sorted(run.title for run in recorded(trials, twin) if MEANT[query](run))
        assert (query, sorted(r.info.run_name for r in found)) == (query, meant)


def test_runs_as_a_table_have_the_columns_that_people_look_for(study_of_runs):
    where, tracker, trials, _ = study_of_runs
    mlflow.set_tracking_uri(where.uri)
    try:
        table = mlflow.search_runs(experiment_ids=[tracker.experiment])
    finally:
        mlflow.set_tracking_uri(None)
    assert len(table) == len(trials) + 2
    assert {"params.combination", "params.block", "params.seed", "metrics.ua/ravdess", "tags.trial_id"} <= set(table)
    stated = {key for trial in trials for key in trial.params()}
    assert len([name for name in table if name.startswith("params.")]) < 0.4 * len(stated)


def test_datasets_say_how_many_of_what_they_hold_and_for_what(study_of_runs, plan):
    where, tracker, trials, _ = study_of_runs
    run = tracker.finished()[trials[0].id]
    source = plan.sources[trials[0].corpora[0].source]
    used = MlflowClient(where.uri).get_run(run.info.run_id).inputs.dataset_inputs
    by_use = {(i.dataset.name, i.tags[0].value): i.dataset for i in used}
    assert len(by_use) == len(used)
    data = by_use[source.corpus.name, "training"]
    assert data.digest.startswith(f"{source.corpus.fingerprint}-")
    profile = json.loads(data.profile)
    assert profile["utterances"] == len(source.split.train) == sum(profile["classes"].values())
    assert profile["speakers"] == len({u.speaker for u in source.split.train})
    assert profile["hours"] == pytest.approx(sum(u.seconds for u in source.split.train) / 3600, abs=1e-3)
    assert json.loads(data.source) == {"uri": source.manifest.root}


def test_an_experiment_describes_itself_and_has_views_that_name_what_there_is(study_of_runs, plan):
    where, tracker, trials, _ = study_of_runs
    tags = MlflowClient(where.uri).get_experiment(tracker.experiment).tags
    assert tags["mlflow.note.content"].startswith(f"{plan.study.title}. ")
    assert tags["mlflow.experiment.primaryMetric.name"] == "ua/ravdess"
    assert not [key for key in tags if not key.startswith("mlflow.")]  # which the pages would show
    shown, metrics = set(), {"ua/ravdess", "wa/ravdess", "objective/ua/ravdess", "val/ua/ravdess"}
    for trial in trials:
        shown |= set(params_of(trial.params(), varying(plan.trials)))
    for key in (RESULTS, MEANS, CHARTS):
        view = json.loads(tags[f"mlflow.sharedViewState.{key}"])
        state = json.loads(view["state"])
        columns = re.findall(r"(params|metrics)\.`([^`]+)`", " ".join([*state["selectedColumns"], state["orderByKey"]]))
        assert {name for kind, name in columns if kind == "params"} <= shown
        assert {name for kind, name in columns if kind == "metrics"} == {"ua/ravdess", "wa/ravdess"}
        sections = {section["uuid"] for section in state["compareRunSections"]}
        assert {chart["metricSectionId"] for chart in state["compareRunCharts"]} == sections
        drawn = {chart.get("metricKey", "ua/ravdess") for chart in state["compareRunCharts"]}
        assert drawn <= metrics | {"train/loss", "val/loss"}
    grouped = json.loads(json.loads(tags[f"mlflow.sharedViewState.{MEANS}"])["state"])["groupBy"]
    assert grouped["groupByKeys"] == [{"mode": "param", "groupByData": "combination"}]


def test_what_a_person_wrote_stays_until_the_study_changes(study_of_runs, plan):
    where, tracker, *_ = study_of_runs
    client, shows = MlflowClient(where.uri), presented(plan)
    client.set_experiment_tag(tracker.experiment, "mlflow.note.content", "mine")
    view = f"mlflow.sharedViewState.{RESULTS}"
    client.set_experiment_tag(tracker.experiment, view, "mine")
    views.publish(tracker, shows)
    tags = client.get_experiment(tracker.experiment).tags
    assert (tags["mlflow.note.content"], tags[view]) == ("mine", "mine")
    views.publish(tracker, replace(shows, axes=("block",)))
    tags = client.get_experiment(tracker.experiment).tags
    assert tags["mlflow.note.content"] == "mine"
    assert json.loads(tags[view])["name"] == "Results: UA and WA of every trial"


def test_a_candidate_is_kept_by_filters_and_counts_as_no_trial(study_of_runs):
    _, tracker, trials, _ = study_of_runs
    (parent,) = tracker.runs("tags.candidate = 'c1'")
    first = tracker.finished()[trials[0].id]
    assert parent.data.tags["variant"] == first.data.tags["variant"]
    assert (parent.data.params["training.learning_rate"], parent.data.params["block"]) == ("0.1", "lstm")
    assert "trial_id" not in parent.data.tags
    assert len(tracker.finished()) == len(trials) - 1  # two are not finished, one has a twin


def test_addresses_lead_to_runs_in_their_mode_and_escape_what_they_must():
    base = "http://h:1"
    kind = "workflowType=machine_learning"
    assert runs_page(base, "1") == f"{base}/#/experiments/1/runs?{kind}&viewStateShareKey=ser-results"
    assert runs_page(base, "1", CHARTS).endswith("viewStateShareKey=ser-charts&compareRunsMode=CHART")
    page = run_page(base, "1", "ab", "confusion/a b.png")
    assert page == f"{base}/#/experiments/1/runs/ab/artifacts/confusion/a%20b.png?{kind}"

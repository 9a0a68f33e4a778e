"""Finished runs tested on corpora that they have not learned from: once, whatever is killed, as ser predict answers."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ser import registry
from ser.data.leakage import Leak
from ser.data.scan import scan
from ser.errors import Away, BadInput
from ser.features.store import Store
from ser.planning.plan import resolve
from ser.prediction import unseen
from ser.prediction.predictor import load
from ser.prediction.recordings import Recording
from ser.runs import later
from ser.runs.outcomes import Busy, Failed, Finished, Undelivered
from ser.runs.tracker import Tracker
from ser.study import Corpus, override, part
from ser.trials import run as one
from ser.trials.job import job_of


@pytest.fixture(scope="module")
def emodb(tmp_path_factory):
    """A corpus that no trial trains on, as scanned; it has labels that are no class, and lacks none."""
    root = tmp_path_factory.mktemp("emodb")
    module = registry.find("corpora", "emodb")
    module.miniature(root)
    return scan("emodb", "emodb", root, {}, root / "scans")


def brought(study, manifest, name="emodb", loader="emodb"):
    settings = registry.settings("corpora", loader)
    del settings
    return {name: (Corpus(name, name[:1].upper(), part(loader), study.other_corpora), manifest)}


@pytest.fixture(scope="module")
def tested(study):
    return override(override(study, "test_on", ("members", "emodb")), "test_side", "all")


@pytest.fixture(scope="module")
def tests_plan(tested, manifests, emodb):
    members = {name: manifests[name] for name in ("tess", "ravdess")}
    return resolve(tested, members, brought=brought(tested, emodb))


@pytest.fixture(scope="module")
def filled(tests_plan, features):
    store = Store(features)
    for source in (*tests_plan.sources.values(), *tests_plan.unseen.sources.values()):
        for recipe in source.entries:
            store.build(recipe)
    return features


@pytest.fixture
def job(tests_plan, filled, where, tmp_path):
    return job_of(tests_plan, where, tmp_path, str(filled), "cpu", 1, "this version", [])


def run_of(job, trial):
    return Tracker(job.where, job.study).finished(trial.id)[trial.id]


def table(job, trial, corpus):
    return pd.read_csv(Tracker(job.where, job.study).artifact(run_of(job, trial), f"cross/{corpus}.csv"))


def record(job, trial, corpus):
    tracker = Tracker(job.where, job.study)
    return json.loads(tracker.text(f"cross/{corpus}.json", str(run_of(job, trial).info.artifact_uri)))


def test_tests_change_no_trial_and_no_variant(plan, tests_plan):
    assert [t.id for t in tests_plan.trials] == [t.id for t in plan.trials]
    assert tests_plan.variant == plan.variant
    assert tests_plan.brought.keys() == {"emodb"}


def test_members_are_tested_where_they_did_not_train(tests_plan, trial_of):
    names = {
        letters: [t.corpus.name for t in tests_plan.unseen.by_trial[trial_of(letters).id]] for letters in ("R", "T+R")
    }
    assert names == {"R": ["tess", "emodb"], "T+R": ["emodb"]}


def test_a_run_is_tested_once_with_the_numbers_of_its_own_table(job, trial_of, tests_plan):
    trial = trial_of("T+R", task="multi")
    assert isinstance(one.run(job, trial), Finished)
    assert unseen.untested(job, [trial]) == [trial]
    outcome = unseen.run(job, trial)
    assert isinstance(outcome, Finished)
    assert unseen.untested(job, [trial]) == []
    assert unseen.run(job, trial) == Finished({})
    run, rows = run_of(job, trial), table(job, trial, "emodb")
    assert run.info.status == "FINISHED"
    # By hand: the share of right answers, the mean of the classes' shares, of the mean of both heads' probabilities.
    right = rows["label"] == rows["predicted"]
    assert run.data.metrics["cross/wa/emodb"] == pytest.approx(right.mean())
    recalls = right.groupby(rows["label"]).mean()
    assert run.data.metrics["cross/ua/emodb"] == pytest.approx(recalls.mean())
    for name, value in recalls.items():
        assert run.data.metrics[f"cross/recall/emodb/{name}"] == pytest.approx(value)
    for c in trial.classes:
        mean = (rows[f"p_{c}@tess"] + rows[f"p_{c}@ravdess"]) / 2
        assert rows[f"p_{c}"].to_numpy() == pytest.approx(mean.to_numpy(), abs=1e-6)
    of_head = rows[[f"p_{c}@tess" for c in trial.classes]].to_numpy().argmax(1)
    share = np.mean(np.array(trial.classes)[of_head] == rows["label"])
    assert run.data.metrics["cross/head/wa/emodb/tess"] == pytest.approx(share)
    tracker = Tracker(job.where, job.study)
    for key in (k for k in run.data.metrics if k.startswith("cross/")):
        assert len(tracker.client.get_metric_history(run.info.run_id, key)) == 1
    assert {k for k in run.data.tags if k.startswith("ser.begun")} == set()
    assert not list((Path(job.work) / "tests" / "trials").iterdir())


def test_the_record_says_what_was_tested_and_what_is_missing(job, trial_of, emodb):
    trial = trial_of("R")
    one.run(job, trial)
    unseen.run(job, trial)
    written, run = record(job, trial, "emodb"), run_of(job, trial)
    counts = emodb.counts()
    assert written["per_class"] == {c: counts[c] for c in sorted(trial.classes) if c in counts}
    assert written["utterances"] == sum(written["per_class"].values())
    assert written["unused"] == {name: n for name, n in counts.items() if name not in trial.classes}
    assert written["absent"] == [c for c in trial.classes if c not in counts]
    assert (written["side"], written["fingerprint"], written["shared_recordings"]) == ("all", emodb.fingerprint, 0)
    assert written["code_version"] == "this version"
    assert len(written["model"]) == 64
    assert run.data.tags["cross/emodb"].split()[:2] == ["all", emodb.fingerprint]
    # Equal models of one corpus count in both places, and so do their tests.
    (twin,) = job.mirrors[trial.id]
    assert run_of(job, twin).data.metrics["cross/ua/emodb"] == run.data.metrics["cross/ua/emodb"]
    pd.testing.assert_frame_equal(table(job, twin, "emodb"), table(job, trial, "emodb"))


def test_answers_are_those_of_ser_predict(job, trial_of, emodb, tmp_path):
    trial = trial_of("T+R", task="multi")
    one.run(job, trial)
    unseen.run(job, trial)
    rows = table(job, trial, "emodb").set_index("uid")
    tracker = Tracker(job.where, job.study)
    predictor = load(Path(tracker.artifact(run_of(job, trial), "")))
    used = [u for u in emodb.utterances if u.uid in rows.index]
    assert len(used) == len(rows)
    for u, answer in zip(used, predictor.predict(Recording(u.uid, Path(u.path)) for u in used), strict=True):
        assert answer.emotion == rows.loc[u.uid, "predicted"]
        for c in trial.classes:
            assert answer.scores[c] == pytest.approx(rows.loc[u.uid, f"p_{c}"], abs=1e-5)


class Killed(Exception):
    """What stands for the death of a worker."""


@pytest.mark.parametrize("step", ["log_batch", "set_tag", "delete_tag"])
def test_after_a_kill_between_any_two_steps_all_is_there_once(job, trial_of, monkeypatch, step):
    trial = trial_of("R")
    one.run(job, trial)
    tracker = Tracker.of(job.where, job.study)
    real, calls = tracker.client.__getattr__, []

    def dying(name):
        method = real(name)
        if name != step:
            return method

        def call(*args, **options):
            result = method(*args, **options)
            calls.append(name)
            if len(calls) in (1, 3):
                raise Killed
            return result

        return call

    with monkeypatch.context() as patch:
        patch.setattr(type(tracker.client), "__getattr__", lambda self, name: dying(name))
        for _ in range(5):
            try:
                outcome = unseen.run(job, trial)
                break
            except Killed:
                continue
    assert isinstance(outcome, Finished)
    assert unseen.untested(job, [trial]) == []
    run = run_of(job, trial)
    fresh = Tracker(job.where, job.study)
    for key in (k for k in run.data.metrics if k.startswith("cross/")):
        assert len(fresh.client.get_metric_history(run.info.run_id, key)) == 1, key


def test_a_corpus_that_changed_is_tested_anew(tested, manifests, emodb, filled, where, tmp_path, trial_of, job):
    trial = trial_of("T+R")
    one.run(job, trial)
    unseen.run(job, trial)
    before = run_of(job, trial).data.metrics
    fewer = replace(emodb, utterances=emodb.utterances[: len(emodb.utterances) // 2])
    members = {name: manifests[name] for name in ("tess", "ravdess")}
    plan = resolve(tested, members, brought=brought(tested, fewer))
    for source in plan.unseen.sources.values():
        for recipe in source.entries:
            Store(filled).build(recipe)
    changed = job_of(plan, where, tmp_path, str(filled), "cpu", 1, "test", [])
    assert unseen.untested(changed, [trial]) == [trial]
    unseen.run(changed, trial)
    assert record(job, trial, "emodb")["fingerprint"] == fewer.fingerprint
    assert len(table(job, trial, "emodb")) < len([u for u in emodb.utterances if u.label in trial.classes])
    after = run_of(job, trial).data
    assert after.tags["cross/emodb"].split()[1] == fewer.fingerprint
    assert after.metrics.keys() >= {k for k in before if k.startswith("cross/ua")}


def test_what_cannot_be_tested_is_told_and_the_run_stays_finished(job, trial_of, monkeypatch):
    trial = trial_of("R")
    one.run(job, trial)
    path = Path(Tracker(job.where, job.study).artifact(run_of(job, trial), "best.pt"))
    content = path.read_bytes()
    path.write_bytes(content[:100])
    assert isinstance(unseen.run(job, trial), Failed)
    assert run_of(job, trial).info.status == "FINISHED"
    assert unseen.untested(job, [trial]) == [trial]
    path.write_bytes(content)

    def away(*args):
        raise Away("the server sleeps")

    with monkeypatch.context() as patch:
        patch.setattr(later, "add", away)
        assert unseen.run(job, trial) == Undelivered({}, "the server sleeps")
    with unseen._claim(job, trial) as is_owned:
        assert is_owned
        assert not unseen.is_untouched(job, trial)
        assert unseen.run(job, trial) == Busy()
    assert unseen.is_untouched(job, trial)
    assert isinstance(unseen.run(job, trial), Finished)


# the plan


def other_names(manifest, name):
    """The same recordings and speakers as another corpus."""
    rows = (
        replace(
            u, uid=f"{name}/{u.uid.partition('/')[2]}", corpus=name, speaker=f"{name}/{u.speaker.partition('/')[2]}"
        )
        for u in manifest.utterances
    )
    return replace(manifest, corpus=name, utterances=tuple(rows))


def other_audio(manifest):
    return replace(manifest, utterances=tuple(replace(u, sound=f"other {u.sha}") for u in manifest.utterances))


@pytest.mark.parametrize(("change", "words"), [(lambda m: m, "recordings of ravdess"), (other_audio, "speakers ")])
def test_a_corpus_that_a_trial_has_learned_from_is_refused_under_any_name(study, manifests, change, words):
    copy = change(other_names(manifests["ravdess"], "copy"))
    named = override(study, "test_on", ("copy",))
    members = {"ravdess": manifests["ravdess"]}
    named = override(named, "test_side", "all")
    with pytest.raises(Leak, match=words):
        resolve(named, members, brought=brought(named, copy, "copy", "ravdess"))
    swept = override(named, "test_on", ("all",))
    plan = resolve(swept, members, brought=brought(swept, copy, "copy", "ravdess"))
    assert plan.unseen.by_trial == {}
    assert [note for note in plan.notes if "copy is not tested" in note]


def test_the_test_side_is_that_of_the_trials_fold_and_seed(study, manifests):
    tests = override(study, "test_on", ("members",))
    plan = resolve(tests, {name: manifests[name] for name in ("ravdess", "customer", "tess")}, seeds=2)
    trial = next(t for t in plan.trials if t.combination == "R" and t.seed == 1 and t.id not in plan.twins)
    by_name = {t.corpus.name: t for t in plan.unseen.by_trial[trial.id]}
    assert (by_name["tess"].side, by_name["customer"].side) == ("all", "test")
    alone = next(t for t in plan.trials if t.targets == ("customer",) and t.seed == 1)
    tested = plan.unseen.sources[by_name["customer"].key].split.test
    assert tested == plan.sources[alone.corpora[0].source].split.test


def test_names_that_are_nowhere_and_corpora_without_a_class_are_refused(study, manifests, emodb):
    with pytest.raises(BadInput, match="emodbb"):
        resolve(override(study, "test_on", ("emodbb",)), {"ravdess": manifests["ravdess"]})
    bored = replace(emodb, utterances=tuple(u for u in emodb.utterances if u.label == "boredom"))
    named = override(study, "test_on", ("emodb",))
    with pytest.raises(BadInput, match="no utterance of"):
        resolve(named, {"ravdess": manifests["ravdess"]}, brought=brought(named, bored))
    swept = override(study, "test_on", ("all",))
    plan = resolve(swept, {"ravdess": manifests["ravdess"]}, brought=brought(swept, bored))
    assert any(note.startswith("emodb is not tested: ") and "no utterance of" in note for note in plan.notes)

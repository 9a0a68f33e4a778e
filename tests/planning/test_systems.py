"""Studies of whole systems: what is run of them, on which utterances, and what is told of the rest."""

import json
import shutil
from collections import Counter
from dataclasses import replace

import pandas as pd
import pytest
import tiny_survey
from tiny_survey import FRAMES, SYSTEMS

from ser.errors import BadInput
from ser.planning import request
from ser.report.collect import collect
from ser.runs.location import Location
from ser.runs.outcomes import Finished
from ser.runs.tracker import Tracker
from ser.study import Comparison, Labels, load_study, override, part, settable_paths
from ser.trials import inputs
from ser.trials import run as one

RUNS = [s.name for s in SYSTEMS if s.name != "never"]


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("survey")


@pytest.fixture(scope="module")
def plan(data, cache):
    return tiny_survey.plan(tiny_survey.study(), data, cache)


@pytest.fixture(scope="module")
def whole(data, cache):
    """With all folds."""
    return tiny_survey.plan(tiny_survey.study(folds=0), data, cache)


def of(plan, system, protocol="si", fold=1):
    (found,) = [
        t for t in plan.trials if (t.role["system"], t.role["protocol"], t.role["fold"]) == (system, protocol, fold)
    ]
    return found


def sides(plan, trial, corpus=0):
    return plan.sources[trial.corpora[corpus].source].split.subsets()


# what is run


def test_each_system_is_run_in_every_fold_of_both_protocols_and_what_cannot_be_is_told(whole):
    counted = Counter((t.role["system"], t.role["protocol"]) for t in whole.trials)
    assert counted == {(name, protocol): n for name in RUNS for protocol, n in (("sd", 3), ("si", 5))}
    assert whole.folds == {"ravdess": {"sd": 3, "si": 5}}
    assert whole.unmet == {"ravdess": {"never": "it cannot be"}}


def test_a_corpus_without_songs_or_texts_lacks_what_needs_them(data, cache):
    spoken = replace(tiny_survey.CORPUS, loader=tiny_survey.CORPUS.loader.changed(channels=("speech",)))
    found = tiny_survey.plan(tiny_survey.study(corpora=(spoken,)), data, cache)
    assert found.unmet["ravdess"] == {
        "tasks": "ravdess has no songs",
        "heads": "ravdess has no songs",
        "never": "it cannot be",
    }
    assert {t.role["system"] for t in found.trials} == set(RUNS) - {"tasks", "heads"}


@pytest.mark.parametrize(
    ("wanted", "systems", "protocols"),
    [(("si",), RUNS, {"si"}), (("cnn", "lda"), ["lda", "cnn"], {"sd", "si"}), (("lda", "sd"), ["lda"], {"sd"})],
)
def test_a_person_may_want_some_systems_or_one_protocol_and_it_stays_the_same_grid(
    plan, data, cache, wanted, systems, protocols
):
    some = tiny_survey.plan(override(tiny_survey.study(), "only", wanted), data, cache)
    assert list(dict.fromkeys(t.role["system"] for t in some.trials)) == systems
    assert {t.role["protocol"] for t in some.trials} == protocols
    assert {t.id for t in some.trials} <= {t.id for t in plan.trials}
    assert some.variant == plan.variant


def test_two_systems_that_are_one_are_refused(data, cache):
    made = tiny_survey.study(systems=(*SYSTEMS, replace(SYSTEMS[2], name="other")))
    doubled = [
        *made.points(("ravdess",), ()),
        {"corpora": ("ravdess",), "system": "other", "protocol": "si", "fold": 1},
    ]
    with pytest.raises(BadInput, match=r"R · cnn · si · fold 1 = R · other · si · fold 1"):
        tiny_survey.plan(replace(made, points=lambda *_: doubled, expect=len(doubled)), data, cache)


def test_what_is_wanted_has_to_be_there():
    with pytest.raises(BadInput, match="lda_speaker"):
        override(tiny_survey.study(), "only", "lda_speakr")


# on which utterances


def test_every_system_is_tested_on_the_same_spoken_utterances_of_a_fold(whole):
    for protocol, folds in (("sd", 3), ("si", 5)):
        tested = []
        for fold in range(1, folds + 1):
            found = {tuple(u.uid for u in sides(whole, of(whole, name, protocol, fold))["test"]) for name in RUNS}
            assert len(found) == 1
            tested += found.pop()
        assert sorted(tested) == sorted(u.uid for u in whole.sources["ravdess/sd/stratified/1"].manifest.utterances
                                        if u.channel == "speech")  # fmt: skip


@pytest.mark.parametrize(
    "rules",
    [
        (part("random", train=0.6, val=0.2, test=0.2), part("speakers", train=0.6, val=0.2, test=0.2)),
        (part("grouped", folds=3), part("grouped", folds=4)),
    ],
    ids=["without folds", "by one rule"],
)
def test_protocols_have_splits_of_their_own_whatever_their_rules(rules, data, cache):
    def points(corpora, train_only):
        return [{"corpora": corpora, "system": "lda", "protocol": name, "fold": "all"} for name in ("one", "two")]

    compared = Comparison(SYSTEMS[:1], tuple(zip(("one", "two"), rules, strict=True)))
    found = tiny_survey.plan(tiny_survey.study(comparison=compared, points=points, expect=2), data, cache)
    by_protocol = {name: [t for t in found.trials if t.role["protocol"] == name] for name in ("one", "two")}
    assert [len(trials) for trials in by_protocol.values()] == [max(1, dict(r.settings).get("folds", 1)) for r in rules]
    for trial in found.trials:
        source = found.sources[trial.corpora[0].source]
        assert source.corpus.split == trial.corpora[0].split
    assert len(found.sources) == len(found.trials)


def test_songs_train_beside_speech_and_never_those_of_a_singer_who_is_tested(whole):
    for fold in range(1, 6):
        trial = of(whole, "heads", "si", fold)
        speech, songs = sides(whole, trial), sides(whole, trial, corpus=1)
        assert songs["test"] == ()
        assert {u.channel for u in songs["train"]} == {"song"}
        assert {u.channel for side in speech.values() for u in side} == {"speech"}
        for side in ("train", "val"):
            assert {u.speaker for u in songs[side]} <= {u.speaker for u in speech[side]}
    assert trial.targets == ("ravdess",)


def test_a_system_without_songs_computes_none_of_their_features(whole):
    for key, source in whole.sources.items():
        wanted = {"song"} if key.startswith("ravdess-song") else {"speech"}
        assert {u.channel for r in source.entries for u, _ in r.items} == wanted


def test_all_folds_read_one_entry(whole):
    keys = {(s.corpus.name, r.augmentation is not None): set() for s in whole.sources.values() for r in s.entries}
    for source in whole.sources.values():
        for recipe in source.entries:
            keys[source.corpus.name, recipe.augmentation is not None].add(recipe.key)
    assert {k: len(v) for k, v in keys.items()} == {
        ("ravdess", False): 1,
        ("ravdess", True): 1,
        ("ravdess-song", False): 1,
    }


def test_classes_are_all_that_a_corpus_has_where_nobody_states_any(plan):
    assert plan.trials[0].classes == ("neutral", "calm", "happy", "sad", "angry", "fear", "disgust", "surprise")
    stated = replace(tiny_survey.CORPUS, classes=("sad", "happy"))
    assert tiny_survey.study(corpora=(stated,)).classes_of(stated) == ("sad", "happy")


# what comes of it


@pytest.fixture(scope="module")
def run(plan, cache, empty_ledger, tmp_path_factory):
    """All trials of the plan, finished, and where."""
    work = tmp_path_factory.mktemp("survey_runs")
    shutil.copy(empty_ledger, work / "mlflow.db")
    job = tiny_survey.job(plan, cache, work)
    told = {t.id: one.run(job, t) for t in plan.trials}
    assert {type(outcome) for outcome in told.values()} == {Finished}
    return told, Tracker(Location.of(work, None), "survey")


def test_networks_and_fitted_models_leave_the_same_kinds_of_results(run, plan):
    _, tracker = run
    for trial in plan.trials:
        found = tracker.finished(trial.id)[trial.id]
        assert found.data.metrics.keys() >= {"wa/ravdess", "ua/ravdess", "seconds/training", "parameters"}
        assert 0 <= found.data.metrics["ua/ravdess"] <= 1
        assert found.data.metrics["parameters"] > 0
        table = pd.read_csv(tracker.artifact(found, "predictions.csv"))
        assert sorted(table.uid) == sorted(u.uid for u in sides(plan, trial)["test"])
        assert (table.label == table.predicted).mean() == pytest.approx(found.data.metrics["wa/ravdess"])
        assert found.data.params["role.system"] == trial.role["system"]
        assert json.loads(tracker.artifact(found, "confusion/ravdess.json").read_text())["counts"]


def test_a_fitted_model_gives_decision_values_and_a_network_probabilities(run, plan):
    _, tracker = run
    for name, sign in (("lda", "d_"), ("cnn", "p_")):
        trial = of(plan, name)
        table = pd.read_csv(tracker.artifact(tracker.finished(trial.id)[trial.id], "predictions.csv"))
        values = table[[f"{sign}{c}" for c in trial.classes]]
        assert (values.to_numpy().argmax(1) == [trial.classes.index(p) for p in table.predicted]).all()


def test_balancing_adds_items_of_the_smaller_classes_alone(data, cache, tmp_path):
    # Merged, one class is larger than the others.
    plan = tiny_survey.plan(tiny_survey.study(labels=Labels((("calm", "neutral"), ("fear", "other")))), data, cache)
    job = tiny_survey.job(plan, cache, tmp_path)
    plain = inputs.load(job, of(plan, "cnn"), of(plan, "cnn").corpora[0])
    for name in ("cnn_copying", "cnn_signal"):
        trial = of(plan, name)
        found = inputs.load(job, trial, trial.corpora[0])
        assert found.train.names[: len(plain.train)] == plain.train.names
        assert len(set(Counter(found.train.labels.tolist()).values())) == 1
        assert len(found.train) > len(plain.train)
        assert (found.val.names, found.test.names) == (plain.val.names, plain.test.names)
    extra = found.train.names[len(plain.train) :]
    assert all(name.rpartition("#")[0] in plain.train.names for name in extra)


def test_copies_of_other_systems_are_not_asked_of_a_front_end_that_has_none(data, cache, tmp_path):
    coarse = replace(next(s for s in SYSTEMS if s.name == "cnn"), name="coarse", front_end=FRAMES.changed(hop=256))
    study = tiny_survey.study()
    # The same points: of "never" no trial is made.
    systems = tuple(coarse if s.name == "words" else s for s in study.comparison.systems)
    points = [
        {**p, "system": coarse.name if p["system"] == "words" else p["system"]}
        for p in tiny_survey.points(("ravdess",), ())
    ]
    made = replace(study, comparison=replace(study.comparison, systems=systems), points=lambda every, trained: points)
    plan = tiny_survey.plan(made, data, cache)
    job = tiny_survey.job(plan, cache, tmp_path)
    trial = of(plan, "coarse")
    assert job.spare[trial.corpora[0].source].names  # of cnn_signal
    assert len(inputs.load(job, trial, trial.corpora[0]).train)


def test_a_report_is_told_what_was_asked_for_what_is_missing_and_why(run):
    _, tracker = run
    _, expected = collect(tracker, tiny_survey.study())
    assert expected.systems == tuple(s.name for s in SYSTEMS)
    assert expected.folds == {"ravdess": {"sd": 1, "si": 1}}
    assert expected.unmet == {"ravdess": {"never": "it cannot be"}}
    assert len(expected.trials) == 2 * len(RUNS)
    assert {title for title, _ in expected.trials} >= {"R · lda · sd · fold 1", "R+Rs · heads · si · fold 1"}


# settings


def test_a_file_of_weights_is_for_the_networks_that_may_start_from_one(tmp_path):
    (tmp_path / "some.pth").write_bytes(b"weights")
    found = request._with_weights(load_study("survey"), tmp_path / "some.pth")
    stated = {s.name: s.block["weights"] for s in found.comparison.systems if s.block.name == "vgg"}
    assert stated.pop("popova").startswith("file:")
    assert set(stated.values()) == {"none"}
    with pytest.raises(BadInput, match="name the file: --weights"):
        request._with_weights(found, None)


def test_what_can_be_set_is_told_of_the_system_that_was_meant_or_of_none():
    made = tiny_survey.study()
    with pytest.raises(BadInput, match=r"lda\.block\.solver") as error:
        override(made, "lda.block.solvr", "svd")
    assert "cnn" not in str(error.value)
    with pytest.raises(BadInput, match="NAME is lda, lda_speaker") as error:
        override(made, "trainin.max_epochs", 2)
    assert "lda.block" not in str(error.value)


def test_every_setting_of_a_system_can_be_set_and_takes_its_own_value_back():
    made = load_study("survey")
    for path in settable_paths(made):
        name, _, key = path.partition(".")
        if (system := next((s for s in made.comparison.systems if s.name == name), None)) is None or key == "normalise":
            continue
        kind, _, inner = key.partition(".")
        if kind == "training":
            value = dict(system.training).get(inner, getattr(made.training, inner))
            changed = override(made, path, value)
            assert changed.with_system(name).training == made.with_system(name).training
        else:
            assert override(made, path, getattr(system, kind)[inner]) == made


def test_a_systems_training_is_its_own_and_the_rest_the_studys():
    made = override(override(tiny_survey.study(), "training.max_epochs", 7), "heads.training.batch_size", 5)
    assert (made.with_system("heads").training.max_epochs, made.with_system("heads").training.batch_size) == (7, 5)
    assert (made.with_system("cnn").training.max_epochs, made.with_system("cnn").training.batch_size) == (7, 16)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("lda.block.solvr", "svd"),
        ("lda.training.max_epochs", 0),
        ("cnn.normalise", "corpora"),
        ("cnn.block.units", "x"),
    ],
)
def test_a_setting_of_a_system_that_is_none_is_refused(path, value):
    with pytest.raises(BadInput):
        override(tiny_survey.study(), path, value)

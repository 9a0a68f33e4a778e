"""What a run shows of its statement is what a person chooses, and the whole is read back as it was stated."""

import json
from dataclasses import replace

import pytest
from mlflow import MlflowClient

from ser.errors import BadInput
from ser.runs import shown
from ser.runs.folder import Dataset, Head, RunFolder
from ser.runs.reader import client as reading
from ser.runs.tracker import Tracker
from ser.study import part


@pytest.fixture
def trial(trial_of):
    return trial_of("T+R")


def read_back(params, tags=()):
    """The parameters and tags that reports see of a run that shows ``params``; the database keeps no order."""
    varying = shown.varying_of(dict(tags))
    texts, tagged = dict(reversed(shown.params_of(params, varying).items())), shown.tags_of(params, dict(tags))
    shown.restore(texts, tagged, "run")
    return texts, tagged


def test_components_their_settings_the_seed_and_the_combination_are_shown(trial):
    params = shown.params_of(trial.params())
    assert params["combination"] == "T+R"
    assert {"corpora", "block", "pooling", "task", "front_end", "seed"} <= set(params)
    assert {"training.learning_rate", "training.max_epochs", "corpus.ravdess.split.test"} <= set(params)


def test_defaults_of_components_are_shown_where_they_vary_or_are_others(trial):
    defaults = {"front_end.window", "corpus.ravdess.loader.channels", "training.keep"}
    assert not defaults & shown.params_of(trial.params()).keys()
    assert defaults <= shown.params_of(trial.params(), defaults).keys()
    other = replace(trial, front_end=trial.front_end.changed(window=256))
    assert shown.params_of(other.params())["front_end.window"] == "256"
    assert "front_end.hop" not in shown.params_of(other.params())
    noise = {"augmentation": "noise", "augmentation.noise.snr_db": "5.0,20.0", "augmentation.noise.source": "1f2e"}
    assert set(shown.params_of(noise)) == {"augmentation", "augmentation.noise.source"}
    assert {"front_end.window", "combination"} == shown.varying([trial.params(), other.params(), {"corpora": "a",
        "corpus.a.letter": "A", "front_end.window": "256"}]) - {"corpora"}  # fmt: skip


def test_settings_of_a_component_that_is_gone_are_shown():
    params = {"corpora": "a", "front_end": "gone", "front_end.window": "512", "block": "lstm"}
    assert shown.params_of(params)["front_end.window"] == "512"


def test_versions_and_what_nothing_uses_are_not(trial):
    hidden = trial.params().keys() - shown.params_of(trial.params()).keys()
    assert {"block.version", "training.dimension_loss", "training.loss_tolerance", "initial_from", "study"} <= hidden
    assert {"corpus.ravdess.letter", "corpus.ravdess.fingerprint", "corpus.ravdess.loader"} <= hidden


def test_a_setting_is_shown_where_it_is_used(trial):
    by_accuracy = replace(trial, training=replace(trial.training, keep="best_accuracy", loss_tolerance=0.5))
    assert shown.params_of(by_accuracy.params())["training.loss_tolerance"] == "0.5"
    rated = replace(trial, dimensions=("arousal",))
    assert shown.params_of(rated.params())["training.dimension_loss"] == "ccc"
    sgd = replace(trial, training=replace(trial.training, optimiser="sgd"))
    few = {"training.epsilon"}
    assert few <= shown.params_of(trial.params(), few).keys() - shown.params_of(sgd.params(), few).keys()
    fitted = replace(trial, block=part("lda"))
    training = {key for key in shown.params_of(fitted.params()) if key.startswith("training.")}
    assert training == set()
    both = replace(fitted, training=replace(fitted.training, learns_from="train_and_validation"))
    training = {key for key in shown.params_of(both.params()) if key.startswith("training.")}
    assert training == {"training.learns_from"}


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("training.loss_tolerance", "training.loss_tolerance"),
        ("lstm.version", "block.version"),
        ("ravdess.actors", "corpus.ravdess.loader.actors"),
    ],
)
def test_an_axis_is_shown_whatever_its_value(trial, path, key):
    varied = replace(trial, role=part("candidate", number=1, varied=(path,)))
    assert (key in shown.params_of(varied.params())) == (".loader." not in key)  # no axis leads to a loader


def test_the_statement_is_read_back_whole_and_in_its_order(trial):
    stated = {"grid": "{}", "work": "w", "title": "T", "study": "s", "data": "real"}
    params, tags = read_back(trial.params(), stated | {shown.VARYING: "front_end.window,seed"})
    assert list(params.items()) == list(trial.params().items())
    assert tags == stated
    stored = shown.tags_of(trial.params(), stated)
    assert json.loads(stored["mlflow.ser.tags"]) == {"study": "s", "title": "T", "work": "w"}
    assert (stored["mlflow.ser.grid"], stored["data"], len(stored)) == ("{}", "real", 4)


def test_runs_of_earlier_versions_are_read_as_they_are(trial):
    params, tags = trial.params(), {"grid": "{}", "notes": "[]", "data": "real"}
    each_hidden = {"mlflow.ser.grid": "{}", "mlflow.ser.notes": "[]", "data": "real"}
    for stored in (tags, each_hidden):
        shown.restore(params, stored, "run")
        assert (params, stored) == (trial.params(), {"grid": "{}", "notes": "[]", "data": "real"})


def test_what_a_person_adds_to_a_run_is_read_too(trial):
    texts, tags = shown.params_of(trial.params()) | {"mine": "1"}, shown.tags_of(trial.params(), {})
    shown.restore(texts, tags, "run")
    assert texts == trial.params() | {"mine": "1"}


@pytest.mark.parametrize("text", ["{", "[]", "null"])
def test_a_damaged_tag_is_named_with_its_run(text):
    for name in ("params", "tags"):
        with pytest.raises(BadInput, match=rf"mlflow\.ser\.{name} of run r1"):
            shown.restore({}, {f"mlflow.ser.{name}": text}, "r1")


def test_corpora_whose_names_begin_alike_are_kept_apart():
    params = {"corpora": "a,a.b", "corpus.a.letter": "A", "corpus.a.b.letter": "B", "block": "lstm"}
    params |= {"corpus.a.b.split": "folds", "corpus.a.b.loader": "a.b", "corpus.a.loader": "csv"}
    kept = shown.params_of(params)
    assert kept["combination"] == "A+B"
    assert {k for k in kept if k.startswith("corpus.")} == {"corpus.a.b.split", "corpus.a.loader"}


def test_the_database_has_few_parameters_and_commands_see_all(where, trial):
    tracker = Tracker(where, "study")
    tags = {"grid": json.dumps({"corpora": []}), "notes": "[]", "schema": "2", "work": "w", "command": "ser run study"}
    head = Head(trial.study, trial.id, trial.title, trial.params(), tags)
    log = tracker.start(head)
    stored = MlflowClient(where.uri).get_run(log.run_id).data
    assert stored.params == shown.params_of(trial.params())
    assert not {"grid", "notes", "schema", "work", "command", "study", "title"} & stored.tags.keys()
    assert stored.tags["mlflow.note.content"].startswith(f"{trial.title}: lstm on tess, ravdess;")
    for tracked in (tracker, Tracker(where, "study", to_read=True)):  # by MLflow's client, and without it
        (run,) = tracked.runs()
        assert run.data.params == trial.params()
        assert run.data.tags.items() >= tags.items()
        assert tracked.newest().data.tags["schema"] == "2"
    assert type(reading(where, to_read=True)).__name__ == "Reader"


def test_a_run_of_an_earlier_version_goes_on_and_keeps_its_parameters(where, trial):
    tracker = Tracker(where, "study")
    by_digit = {f"mlflow.ser.trial.{trial.id[0]}": trial.id}
    run = tracker.client.create_run(tracker.experiment, tags={"trial_id": trial.id, "work": "w", **by_digit})
    for key, text in trial.params().items():
        tracker.client.log_param(run.info.run_id, key, text)
    log = tracker.start(Head(trial.study, trial.id, trial.title, trial.params(), {"work": "w"}))
    assert log.run_id == run.info.run_id
    (read,) = tracker.runs()
    assert read.data.params == trial.params()


def test_the_description_ends_with_the_accuracies_and_the_datasets_are_inputs(where, trial, tmp_path):
    tracker, files = Tracker(where, "study"), tmp_path / "files"
    files.mkdir()
    datasets = (Dataset("ravdess", "f-1", "testing", "/corpora", '{"utterances": 3}'),)
    head = Head(trial.study, trial.id, trial.title, trial.params(), {"work": "w"}, datasets=datasets)
    folder = RunFolder(tmp_path, trial.id)
    with folder.lock():
        folder.begin(head)
    assert folder.head == head  # as a later process reads it
    for _ in range(2):  # a second call goes on with the same run
        log = tracker.start(folder.head)
    log.finish(5, {"ua/ravdess": 0.625, "wa/ravdess": 0.5, "recall/ravdess/sad": 0.1, "ua/tess": float("nan")}, files)
    run = MlflowClient(where.uri).get_run(log.run_id)
    assert run.data.tags["mlflow.note.content"].splitlines()[2:] == [
        "| tested on | WA | UA |",
        "|---|---|---|",
        "| ravdess | 50.0 % | 62.5 % |",
        "| tess | – | – |",
    ]
    (used,) = run.inputs.dataset_inputs
    assert (used.dataset.name, used.dataset.digest, used.tags[0].value) == ("ravdess", "f-1", "testing")

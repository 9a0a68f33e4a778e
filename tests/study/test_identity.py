"""Identity: a statement is an explicit mapping of names under a schema, so that renaming a field changes no id."""

import json
from dataclasses import fields, replace

import pytest

from ser.study import SCHEMA, Corpus, Part, Training, Trial, canonical, identity, part, statement

TRAINING = Training(
    learning_rate=1e-3, weight_decay=0, clip_norm=5, batch_size=16, batches="pooled", bucket_pool=1, steps_per_epoch=0,
    max_epochs=3, patience_epochs=0, min_improvement=0, keep="last", watch=("train",), loss="cross_entropy",
    class_weights="none", optimiser="adam", epsilon=1e-8, precision="float32", stacked=False,
)  # fmt: skip
BY_HAND = Trial(
    study="mine",
    mode="paper",
    corpora=(Corpus("calls", "C", Part("manifest_csv", (), 1), Part("speakers", (("test", 0.1),), 1), copies=2),),
    classes=("happy", "sad"),
    merge=(("excited", "happy"),),
    labels="one",
    front_end=Part("log_stft", (("hop", 128), ("window", 512)), 1),
    normalise="train",
    balance=Part("none"),
    augmentation=(Part("noise", (("snr_db", (5.0, 20.0)),), 1),),
    block=Part("lstm", (("units", 128),), 1),
    pooling="mean",
    task="unified",
    training=TRAINING,
    seed=0,
)
TEXT = (
    '{"augmentation":[{"name":"noise","settings":{"snr_db":[5.0,20.0]},"version":1}],'
    '"balance":{"name":"none","settings":{},"version":0},'
    '"block":{"name":"lstm","settings":{"units":128},"version":1},"classes":["happy","sad"],'
    '"corpora":[{"classes":[],"copies":2,"fingerprint":"","front_end":[],"letter":"C",'
    '"loader":{"name":"manifest_csv","settings":{},"version":1},"name":"calls",'
    '"split":{"name":"speakers","settings":{"test":0.1},"version":1}}],'
    '"front_end":{"name":"log_stft","settings":{"hop":128,"window":512},"version":1},"initial_from":"",'
    '"labels":"one","merge":[["excited","happy"]],"mode":"paper","normalise":"train","pooling":"mean","repeat":0,'
    '"schema":2,"seed":0,"study":"mine","task":"unified",'
    '"training":{"batch_size":16,"batches":"pooled","bucket_pool":1,"class_weights":"none","clip_norm":5.0,'
    '"epsilon":1e-08,"keep":"last","learning_rate":0.001,"loss":"cross_entropy","max_epochs":3,'
    '"min_improvement":0.0,"optimiser":"adam","patience_epochs":0,"precision":"float32","stacked":false,'
    '"steps_per_epoch":0,"watch":["train"],"weight_decay":0.0}}'
)


def test_a_statement_is_this_text_and_no_other_as_long_as_the_schema_is_this():
    """Whoever changes this text makes all trials of everybody new ones, and raises SCHEMA."""
    assert SCHEMA == 2
    assert canonical(statement(BY_HAND)) == TEXT
    assert BY_HAND.id == identity(json.loads(TEXT)) == "45244f832528"


@pytest.mark.parametrize("name", ["loader", "split"])
def test_the_version_of_a_corpus_component_is_part_of_the_identity(name):
    corpus = BY_HAND.corpora[0]
    newer = replace(corpus, **{name: replace(getattr(corpus, name), version=2)})
    assert replace(BY_HAND, corpora=(newer,)).id != BY_HAND.id


@pytest.mark.parametrize("name", [f.name for f in fields(Trial) if isinstance(getattr(BY_HAND, f.name, None), Part)])
def test_the_version_of_a_component_is_part_of_the_identity(name):
    newer = replace(getattr(BY_HAND, name), version=2)
    assert (replace(BY_HAND, **{name: newer}).id == BY_HAND.id) is (name == "role")


def test_a_version_is_among_the_params_of_a_run_where_there_is_one():
    params = BY_HAND.params()
    assert (params["block"], params["block.units"], params["block.version"]) == ("lstm", "128", "1")
    assert params["augmentation.noise.version"] == params["corpus.calls.loader.version"] == "1"
    assert "balance.version" not in params


def test_a_value_that_is_not_plain_is_refused_where_it_is_written():
    with pytest.raises(ValueError, match=r"lstm\.units: \{1\}; allowed: .*a finite number.*plain value"):
        part("lstm", units={1})


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("learns_from", "train_and_validation"),
        ("check_every_epochs", 10),
        ("loss_tolerance", 0.01),
        ("weighted_validation", False),
    ],
)
def test_a_later_setting_is_stated_only_where_it_is_not_what_was_done_before(name, other):
    changed = replace(BY_HAND, training=replace(TRAINING, **{name: other}))
    assert statement(changed)["training"] == {**statement(BY_HAND)["training"], name: other}
    assert changed.id != BY_HAND.id


def test_what_a_fitted_model_learns_from_is_always_stated_as_it_once_was_both():
    fitted = replace(BY_HAND, block=part("svm"))
    assert statement(fitted)["training"]["learns_from"] == "train"

"""A statement read back is the trial that it was written of, and what this version does not know is refused."""

import json
from dataclasses import asdict, replace

import pytest

from ser.errors import BadInput
from ser.study import Trial, check_versions, load_study, part, stored_trial, trial_of

STUDIES = ("interaffection", "mfcc_networks", "multilabel", "segments", "survey")


def first(name):
    study = load_study(name)
    corpora = {c.name: c for c in study.corpora}
    return trial_of(study, study.grid(study.corpora[:1])[0], corpora, 1)


def written(trial):
    return json.loads(json.dumps(asdict(trial)))


def read(values):
    return stored_trial(json.dumps(values), "statement.json")


@pytest.mark.parametrize("name", STUDIES)
def test_a_statement_read_back_is_the_trial(name):
    trial = first(name)
    again = read(written(trial))
    assert again == trial
    assert again.id == trial.id
    assert hash(again) == hash(trial)
    assert again.params() == trial.params()


def test_parts_within_parts_and_several_of_them_come_back():
    volume = part("volume", gain_db=(-6.0, 6.0), seed=0)
    trial = replace(
        first("interaffection"), augmentation=(volume, volume), role=part("search", x=((1, "a"), (2, None)))
    )
    assert read(written(trial)) == trial


def test_what_came_later_has_the_value_of_before():
    trial = first("interaffection")
    values = written(trial)
    for place, later in (
        (values, "weights_seed"),
        (values["training"], "learns_from"),
        (values["corpora"][0], "apart"),
    ):
        del place[later]
    assert read(values) == replace(
        trial, weights_seed=None, training=replace(trial.training, learns_from="train"),
        corpora=(replace(trial.corpora[0], apart=()),),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda v: v.update(invented=1), "invented of a Trial"),
        (lambda v: v["training"].update(invented=1), "invented of a Training"),
        (lambda v: v["block"].update(invented=1), "invented of a Part"),
        (lambda v: v.pop("classes"), "no classes"),
        (lambda v: v.pop("block"), "KeyError"),
        (lambda v: v.update(corpora=3), "TypeError"),
        (lambda v: v.update(block=3), "TypeError"),
        (lambda v: v["training"].update(batch_size=0), "training.batch_size"),
        (lambda v: v.update(seed={"a": 1}), "seed"),
    ],
)
def test_what_is_no_statement_of_this_version_is_refused(change, words):
    values = written(first("interaffection"))
    change(values)
    with pytest.raises(BadInput) as refusal:
        read(values)
    assert words in str(refusal.value)
    assert "; allowed: " in str(refusal.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null", "NaN"])
def test_what_is_no_json_object_is_refused(text):
    with pytest.raises(BadInput, match=r"statement\.json: .*; allowed: a statement"):
        stored_trial(text, "statement.json")


def test_a_component_of_another_version_is_refused():
    trial: Trial = first("interaffection")
    check_versions(trial, "R")
    for name in ("front_end", "block"):
        stated = getattr(trial, name)
        with pytest.raises(BadInput, match=rf"R: {stated.name} of version 99; allowed: version {stated.version},"):
            check_versions(replace(trial, **{name: replace(stated, version=99)}), "R")

"""Statements: the paper's grid, identity, overrides, and files that hold nothing else."""

import ast
import json
import math
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import pytest

import experiments
from ser.errors import BadInput
from ser.study import (
    Corpus,
    Part,
    Training,
    Trial,
    canonical,
    load_study,
    override,
    part,
    settable_paths,
    statement,
    subsets,
    trial_of,
    value_at,
)
from ser.study.settings import rule_of

FIELDS = {item.name: item for item in fields(Training)}
CORPORA = ("iemocap", "tess", "ravdess", "customer")
PATHS = settable_paths(load_study("interaffection"))


@pytest.fixture(scope="module")
def trials(paper):
    return [trial_of(paper, p, {c.name: c for c in paper.corpora}, seed=0) for p in paper.grid(paper.corpora)]


def test_the_paper_has_14_combinations_168_trials_and_288_results(trials):
    assert len({t.corpora for t in trials}) == 14
    assert len(trials) == len({t.id for t in trials}) == 168
    assert sum(len(t.targets) for t in trials) == 288


def test_tess_alone_is_the_one_combination_left_out(trials):
    left_out = set(subsets(CORPORA)) - {tuple(c.name for c in t.corpora) for t in trials}
    assert left_out == {("tess",)}


def test_subsets_come_small_first_and_keep_the_order_of_names():
    assert subsets(("b", "a", "c")) == [("b",), ("a",), ("c",), ("b", "a"), ("b", "c"), ("a", "c"), ("b", "a", "c")]


def test_every_network_meets_every_combination(trials):
    networks = {(t.block.name, t.pooling, t.task) for t in trials}
    assert len(networks) == 12
    assert len({(t.corpora, t.block.name, t.pooling, t.task) for t in trials}) == 14 * 12


@pytest.mark.parametrize("seed", ["0", "1", "4242"])
def test_ids_are_the_same_in_another_process(trials, seed):
    code = (
        "from ser.study import load_study, trial_of\n"
        "s = load_study('interaffection')\n"
        "print(*[trial_of(s, p, {c.name: c for c in s.corpora}, 0).id for p in s.grid(s.corpora)])\n"
    )
    env = {"PYTHONHASHSEED": seed, "PATH": "/usr/bin:/bin"}
    said = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True).stdout
    assert said.split() == [t.id for t in trials]


def other(value):
    """A value of the same kind that is not the same."""
    match value:
        case None:
            return 1
        case bool():
            return not value
        case int():
            return value + 1
        case float():
            return value / 2 or 0.5
        case str():
            return value + "x"
        case Part():
            return replace(value, name=value.name + "x")
        case Training():
            return replace(value, batch_size=value.batch_size + 1)
        case (float(low), float(high)):
            return (low, high + 1)
        case tuple():
            return (*value, value[0] if value else "x")
    raise AssertionError(value)


@pytest.mark.parametrize("name", [f.name for f in fields(Trial)])
def test_every_field_is_part_of_the_identity(trials, name):
    trial = trials[-1]
    same = name == "role"  # what the trial is called
    assert (replace(trial, **{name: other(getattr(trial, name))}).id == trial.id) is same


@pytest.mark.parametrize("name", [f.name for f in fields(Training)])
def test_every_training_setting_is_part_of_the_identity(trials, name):
    trial = trials[0]
    present = getattr(trial.training, name)
    others = [choice for choice in rule_of(FIELDS[name]).choices if choice != present]
    value = ("test",) if name == "watch" else others[0] if others else other(present)
    changed = replace(trial.training, **{name: value})
    assert replace(trial, training=changed).id != trial.id


# ``axes``, ``seed`` and ``protocol`` repeat what the split, the front-end and the trial hold; ``apart`` refuses, and
# changes nothing.
@pytest.mark.parametrize("name", sorted({f.name for f in fields(Corpus)} - {"axes", "seed", "protocol", "apart"}))
def test_every_field_of_a_corpus_is_part_of_the_identity(trials, name):
    trial = trials[0]
    changed = replace(trial.corpora[0], **{name: other(getattr(trial.corpora[0], name))})
    assert replace(trial, corpora=(changed,)).id != trial.id


@pytest.mark.parametrize("path", [p for p in PATHS if p.partition(".")[0] in ("front_end", "noise", "tdnn", "ravdess")])
def test_every_setting_of_a_part_is_part_of_the_identity(paper, path):
    def point_trial(study):
        point = {"corpora": ("ravdess",), "block": "tdnn", "pooling": "mean", "task": "multi"}
        return trial_of(study, point, {c.name: c for c in study.corpora}, seed=0)

    changed = {
        "ravdess.actors": ("01",),
        "ravdess.by": "session",
        "front_end": "mfcc",
        "ravdess.split": "alternating",
    }.get(path) or other(value_at(paper, path))
    assert point_trial(override(paper, path, changed)).id != point_trial(paper).id


def test_the_order_of_writing_settings_is_no_difference():
    assert part("noise", low=1, high=2) == part("noise", high=2, low=1)
    assert canonical(part("x", a=(1, 2))) == canonical(part("x", a=[1, 2]))


def test_the_canonical_text_is_fixed_to_the_letter():
    assert canonical({"b": (1, "é"), "a": None, "c": 1.0}) == '{"a":null,"b":[1,"\\u00e9"],"c":1.0}'


def test_a_statement_survives_json(trials):
    assert json.loads(canonical(statement(trials[0])))["block"]["name"] == "lstm"


@pytest.mark.parametrize("path", PATHS)
def test_every_settable_path_takes_its_own_value_back(paper, path):
    value = "none" if path == "augmentation" else value_at(paper, path)
    study = override(paper, path, value)
    assert (study == paper) == (path != "augmentation")


@pytest.mark.parametrize("path", [p for p in PATHS if p not in ("classes", "merge", "augmentation")])
def test_a_value_of_another_kind_is_refused(paper, path):
    wrong = {"kind": "none of these"} if not isinstance(value_at(paper, path), tuple) else {1: 2}
    with pytest.raises(BadInput) as error:
        override(paper, path, wrong)
    assert all((error.value.value, error.value.place, error.value.allowed, error.value.remedy))
    assert path in str(error.value)


@pytest.mark.parametrize("path", ["", "training", "training.colour", "lstmm.units", "tdnn", "ravdess.colour", "seed"])
def test_a_path_that_names_nothing_is_refused_with_those_that_exist(paper, path):
    with pytest.raises(BadInput, match=r"training\.batch_size"):
        override(paper, path, 1)


def test_an_int_may_stand_for_a_float_and_gives_the_same_identity(paper):
    assert override(paper, "training.clip_norm", 10) == paper
    assert override(paper, "noise.snr_db", (5, 20)) == paper


def test_a_number_may_stand_for_the_name_of_a_session(paper):
    assert override(paper, "iemocap.test", 5) == paper
    assert override(paper, "iemocap.train", (1, 2, 3)) == paper


def test_a_part_tells_its_settings_and_refuses_others(paper):
    assert paper.block("tdnn")["layers"] == 6
    with pytest.raises(BadInput, match="context, dropout, layers, units"):
        paper.block("tdnn")["prep_units"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("normalise", "utterance"),
        ("training.class_weights", "balanced"),
        ("training.precision", "float16"),
        ("merge", ("excited",)),
        ("merge", (("excited",),)),
        ("tdnn.context", ("left", "right")),
    ],
)
def test_a_value_that_no_training_could_use_is_refused_at_once(paper, path, value):
    with pytest.raises(BadInput, match="allowed"):
        override(paper, path, value)


def numbers(study):
    """Every path that takes one number, with the value that the study states."""
    values = {path: value_at(study, path) for path in PATHS}
    return {p: v for p, v in values.items() if isinstance(v, int | float) and not isinstance(v, bool)}


NUMBERS = numbers(load_study("interaffection"))


def refused(study, path, value):
    with pytest.raises(BadInput) as error:
        override(study, path, value)
    assert path in error.value.place
    assert str(value) in error.value.value
    return error.value.allowed


def test_the_numbers_that_a_person_may_set_are_those_of_networks_front_end_and_training():
    assert {"tdnn.layers", "lstm.units", "front_end.hop", "training.bucket_pool", "noise.seed"} < NUMBERS.keys()


@pytest.mark.parametrize("path", NUMBERS)
def test_no_number_is_infinite_or_none_at_all(paper, path):
    for value in (math.nan, math.inf, -math.inf):
        assert refused(paper, path, value)


@pytest.mark.parametrize(
    ("path", "value", "allowed"),
    [
        ("training.max_epochs", 0, "1 or more"),
        ("training.learning_rate", 0.0, "more than 0"),
        ("training.weight_decay", -1e-9, "0 or more"),
        ("training.min_improvement", 1.0, "0 or more, less than 1"),
        ("training.optimiser", "adamw", "adam, rmsprop, sgd"),
        ("training.watch", ("train", "val"), "train, test"),
        ("training.batch_size", 16.5, "whole number"),
        ("training.stacked", "yes", "true or false"),
        ("lstm.units", 0, "1 or more"),
        ("lstm.dropout", 1.0, "0 or more, less than 1"),
        ("tdnn.context", ("left", "right"), "several of: whole number"),
        ("ravdess.test", 1.5, "0 or more, at most 1"),
        ("ravdess.seed", -1, "0 or more"),
        ("seeds", 0, "1 or more"),
        ("folds", -1, "0 or more"),
        ("test_side", "train", "test, all"),
    ],
)
def test_a_value_out_of_its_range_is_refused_with_what_is_allowed(paper, path, value, allowed):
    assert refused(paper, path, value) == allowed


@pytest.mark.parametrize(
    ("value", "allowed"),
    [
        ((20.0, 5.0), "the smaller number first (dB)"),
        ((5.0,), "2 values: number, number"),
        ((1.0, 2.0, 3.0), "2 values: number, number"),
    ],
)
def test_a_range_is_two_numbers_the_smaller_first(paper, value, allowed):
    assert refused(paper, "noise.snr_db", value) == allowed
    assert value_at(override(paper, "noise.snr_db", (5.0, 5.0)), "noise.snr_db") == (5.0, 5.0)


@pytest.mark.parametrize(
    ("path", "value"),
    [("training.clip_norm", 0), ("training.patience_epochs", 0), ("lstm.dropout", 0), ("lstm.prep_layers", 0)],
)
def test_zero_is_for_what_works_without(paper, path, value):
    assert value_at(override(paper, path, value), path) == 0


def test_a_share_of_a_split_may_be_nothing_and_then_the_corpus_only_trains(paper):
    changed = override(paper, "ravdess.test", 0)
    assert not next(c for c in changed.corpora if c.name == "ravdess").tested


@pytest.mark.parametrize("value", [0, -3, (64, 0)])
def test_sizes_in_a_list_are_above_zero(value):
    with pytest.raises(BadInput, match=r"vggish\.filters.*1 or more"):
        override(load_study("segments"), "vggish.filters", value)


def test_a_study_file_cannot_state_a_training_that_never_ends_or_begins(paper):
    for name, value in {"max_epochs": 0, "learning_rate": math.nan, "clip_norm": math.inf}.items():
        with pytest.raises(BadInput, match=f"training.{name}"):
            replace(paper.training, **{name: value})


def test_expect_fails_a_study_whose_axes_were_edited(paper):
    with pytest.raises(BadInput, match=r"168 trials.*167"):
        replace(paper, expect=167)


def test_testing_a_train_only_corpus_makes_a_larger_grid(paper):
    tested = override(override(paper, "tess.test", "YAF"), "tess.val", ())
    assert len(tested.grid(tested.corpora)) == 15 * 12


def test_an_unknown_study_is_refused_with_those_that_exist():
    with pytest.raises(BadInput, match="interaffection"):
        load_study("interaffektion")


def test_an_unknown_block_is_refused_with_those_that_exist(paper):
    with pytest.raises(BadInput, match="lstm, blstm, tdnn"):
        paper.block("gru")


def test_the_demo_budget_is_made_of_paths_that_exist(paper):
    for path, value in paper.demo.changes:
        assert override(paper, path, value) != paper


STUDIES = [p for p in Path(experiments.__path__[0]).glob("*.py") if not p.stem.startswith("_")]


@pytest.mark.parametrize("path", STUDIES, ids=lambda p: p.stem)
def test_study_files_import_nothing_but_the_words_of_studies(path):
    tree = ast.parse(path.read_text())
    imported = [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
    modules = [n.module for n in imported if isinstance(n, ast.ImportFrom)]
    assert [name for name in modules if name != "ser.study" and not name.startswith("_")] == []
    assert len(modules) == len(imported)
    assert load_study(path.stem).name == path.stem

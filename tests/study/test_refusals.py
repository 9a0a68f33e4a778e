"""What is wrong with a study is said when it is loaded: the value, the place, what is allowed, and what to do."""

import subprocess
import sys
from dataclasses import fields, replace

import pytest

from ser import registry
from ser.errors import BadInput
from ser.study import Corpus, Search, Study, System, load_study, override, part

FILE = """
from ser.study import *

study = Study(
    name="mine",
    title="Mine",
    report="interaffection",
    corpora=(Corpus("ravdess", "R", part("ravdess"), part("speakers", train=0.7, val=0.2, test=0.1)),),
    other_corpora=part("speakers", train=0.7, val=0.2, test=0.1),
    classes=("happy", "sad"),
    features=Features(part("log_stft", rate_hz=8000, window=512, hop=128, floor=1e-6), normalise="train"),
    blocks=(part("lstm", units=32),),
    training=Training(
        learning_rate=1e-3, weight_decay=0, clip_norm=5, batch_size=16, batches="pooled", bucket_pool=1,
        steps_per_epoch=0, max_epochs=3, patience_epochs=0, min_improvement=0, keep="last", watch=(),
        loss="cross_entropy", class_weights="none", optimiser="adam", epsilon=1e-8, precision="float32", stacked=False,
    ),
    points=lambda corpora, train_only: grid(corpora=[corpora], block=["lstm"], pooling=["mean"], task=["unified"]),
    expect=1,
)
"""


@pytest.fixture
def written(tmp_path):
    """A study file of one's own with changes, by its path."""

    def write(*changes, text=FILE):
        path = tmp_path / "my_study.py"
        for before, after in changes:
            assert before in text
            text = text.replace(before, after)
        path.write_text(text)
        return str(path)

    return write


def refusal(name):
    with pytest.raises(BadInput) as error:
        load_study(name)
    assert all((error.value.value, error.value.place, error.value.allowed, error.value.remedy))
    return error.value


def test_a_study_is_loaded_by_its_path_and_named_as_it_names_itself(written, monkeypatch, tmp_path):
    assert load_study(written()).name == "mine"
    monkeypatch.chdir(tmp_path)
    assert load_study("./my_study.py").name == load_study("my_study.py").name == "mine"


def test_a_statement_holds_what_the_study_leaves_to_defaults_and_the_version(written):
    (block,) = load_study(written()).blocks
    assert block.values() == {"units": 32, "prep_layers": 1, "prep_units": 512, "dropout": 0.5}
    assert block.version == registry.version("models", "lstm")
    assert load_study(written()).corpora[0].split["seed"] == 0


def test_a_file_that_was_changed_is_read_again_and_files_beside_it_are_too(written, tmp_path):
    beside = tmp_path / "_networks.py"
    for units in (8, 16):
        beside.write_text(f"from ser.study import part\n\nBLOCK = part('lstm', units={units})  # {'x' * units}\n")
        changes = (('part("lstm", units=32)', "BLOCK"), ("import *\n", "import *\nfrom ._networks import BLOCK\n"))
        assert load_study(written(*changes)).blocks[0]["units"] == units


@pytest.mark.parametrize(
    ("change", "value", "place", "near"),
    [
        (("batch_size=16", "bach_size=16"), "'training.bach_size'", "my_study.py, line 13", "training.batch_size"),
        (("units=32", "unit=32"), "'unit'", "lstm (lstm)", "units"),
        (("window=512", "windw=512"), "'windw'", "front_end (log_stft)", "window"),
        (('part("lstm", units=32)', 'part("lstmm")'), "'lstmm'", "lstmm", "lstm"),
        (('part("ravdess")', 'part("ravdes")'), "'ravdes'", "ravdess", "ravdess"),
        (('other_corpora=part("speakers"', 'other_corpora=part("speaker"'), "'speaker'", "other_corpora", "speakers"),
        (('report="interaffection"', 'report="interafection"'), "'interafection'", "report", "interaffection"),
        (("expect=1", 'expect=1, search=Search(part("randm"))'), "'randm'", "search", "random"),
        (("expect=1", 'expect=1, search=Search(scheduler=part("ascha"))'), "'ascha'", "scheduler", "asha"),
        (('title="Mine"', 'tittle="Mine"'), "'study.tittle'", "my_study.py", "study.title"),
        (('normalise="train"', 'normalise="trein"'), "'trein'", "normalise", "train"),
        (('block=["lstm"]', 'block=["lsm"]'), "'lsm'", "study mine", "lstm"),
    ],
)
def test_a_misspelt_name_is_refused_with_the_nearest_one(written, change, value, place, near):
    error = refusal(written(change))
    assert error.value == value
    assert place in error.place
    assert f"did you mean {near}?" in error.remedy


@pytest.mark.parametrize(
    ("change", "value", "place", "allowed"),
    [
        (("units=32", "units=0"), "0", "lstm.units", "1 or more"),
        (("units=32", "units=1.5"), "1.5", "lstm.units", "whole number"),
        (("units=32", "dropout=1.0"), "1.0", "lstm.dropout", "less than 1"),
        (("max_epochs=3", "max_epochs=0"), "0", "training.max_epochs", "1 or more"),
        (("watch=()", 'watch=("val",)'), "('val',)", "training.watch", "train, test"),
        (("test=0.1)),)", "test=1.1)),)"), "1.1", "ravdess.test", "0 or more, at most 1"),
        (("test=0.1)),)", 'test="some")),)'), "'some'", "ravdess.test", "number"),
        (("units=32", "units={1}"), "{1}", "lstm.units", "a finite number"),
        (('part("lstm", units=32)', '"lstm"'), "'lstm'", "block", "a component"),
        (("expect=1", "expect=2"), "1 trials", "study mine", "the 2 it expects"),
        (("expect=1", "demo=Demo((('lstm.units', 0),)), expect=1"), "0", "lstm.units", "1 or more"),
        (("expect=1", "demo=Demo((('lstm.size', 9),)), expect=1"), "'lstm.size'", "--set", "lstm.units"),
        (('["unified"])', '["unified"], **{"lstm.units": [0]})'), "0", "lstm.units", "1 or more"),
    ],
)
def test_a_value_that_its_component_does_not_take_is_refused(written, change, value, place, allowed):
    error = refusal(written(change))
    assert error.value == value
    assert place in error.place
    assert allowed in error.allowed


@pytest.mark.parametrize(
    ("path", "kind", "value"),
    [
        ("lstm.units", 'part("choice", values=(8, 0))', "0"),
        ("lstm.dropout", 'part("uniform", low=0.1, high=1.0)', "1.0"),
        ("training.batch_size", 'part("uniform", low=1.0, high=8.0)', "1.0"),
        ("training.learning_rate", 'part("log_uniform", low=0.0, high=1.0)', "0.0"),
        ("lstm.unit", 'part("choice", values=(8,))', "'lstm.unit'"),
    ],
)
@pytest.mark.parametrize("where", ["space", "demo"])
def test_every_value_of_a_search_space_is_checked(written, path, kind, value, where):
    good = 'part("choice", values=(8, 16))' if path.startswith("lstm.units") else kind
    space = f"expect=1, search=Search(part('random', candidates=2), (({path!r}, {good if where == 'demo' else kind}),))"
    demo = f", demo=Demo((('space.{path}', {kind}),))" if where == "demo" else ""
    assert refusal(written(("expect=1", space + demo))).value == value


@pytest.mark.parametrize(
    ("text", "value", "place", "allowed"),
    [
        (FILE.replace("    expect=1,\n", ""), "no expect", "Study in", "points, expect"),
        (FILE.replace("weight_decay=0, ", ""), "no weight_decay", "Training in", "weight_decay"),
        ("x = 1", "no name study", "my_study.py", "study = Study("),
        ("study = 1", "study is a int", "my_study.py", "study = Study("),
        ("study = (", "'(' was never closed", "my_study.py, line 1", "Python can read"),
        ("x = 1\nx / 0", "ZeroDivisionError: division by zero", "my_study.py, line 2", "Python can execute"),
        ("import nowhere", "ModuleNotFoundError: No module named 'nowhere'", "line 1", "Python can execute"),
        ("raise SystemExit(3)", "SystemExit: 3", "line 1", "Python can execute"),
    ],
)
def test_a_file_that_is_incomplete_or_broken_is_refused_with_its_line(written, text, value, place, allowed):
    error = refusal(written(text=text))
    assert error.value == value
    assert place in error.place
    assert allowed in error.allowed


def test_what_a_missing_setting_means_is_told(written):
    error = refusal(written(("epsilon=1e-8, ", "")))
    assert error.remedy == "state epsilon: added to the denominators of adam and rmsprop"


@pytest.mark.parametrize("name", ["./nowhere.py", "nowhere.py", "tests/"])
def test_a_file_that_is_not_there_is_refused(name):
    assert refusal(name).value == name


def test_studies_are_checked_without_torch_and_before_anything_else(written):
    name = written(("units=32", "unit=32"))
    code = (
        "import sys\nfrom ser.cli.main import main\n"
        f"code = main(['run', {name!r}, '--demo'])\n"
        "print(code, [m for m in ('torch', 'ray', 'mlflow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[-2] == "2 []"
    assert "did you mean units?" in done.stderr


def test_settings_of_a_corpus_of_its_own_front_end_and_of_a_system_are_checked(paper):
    corpus = replace(paper.corpora[0], front_end=(("windw", 256),))
    with pytest.raises(BadInput, match=r"'windw'.*did you mean window"):
        replace(paper, corpora=(corpus, *paper.corpora[1:]))
    with pytest.raises(BadInput, match=r"mine\.block.*'unit'.*did you mean units"):
        System("mine", part("lstm", unit=3))
    with pytest.raises(BadInput, match=r"mine\.training.*'bach_size'.*did you mean batch_size"):
        System("mine", part("lstm"), training=(("bach_size", 3),))
    with pytest.raises(BadInput, match=r"protocol.*'leave_one_ot'"):
        override(load_study("survey"), "only", "si").comparison.__class__(protocols=(("x", part("leave_one_ot")),))


def test_a_study_has_few_fields():
    assert len(fields(Study)) <= 23


@pytest.mark.parametrize(
    ("path", "value", "near"),
    [
        ("seed_moves", "weight", "weights"),
        ("seed_moves", ("weights", "splt"), "split"),
        ("training.learns_from", "train_validation", "train_and_validation"),
        ("ravdess.by", "speakers", "speaker"),
        ("reference", "svmm", "svm"),
        ("reference.statistics", ("mean", "stdd"), "std"),
    ],
)
def test_a_choice_that_there_is_not_is_refused_with_the_nearest_one(paper, path, value, near):
    with pytest.raises(BadInput, match=f"did you mean {near}") as error:
        override(paper.in_mode("sound"), path, value)
    assert error.value.place == f"--set {path}"
    assert near in error.value.allowed.split(", ")


def test_a_network_as_a_reference_is_refused_with_the_models_that_can_be_one(paper):
    with pytest.raises(BadInput, match="networks are no references") as error:
        override(paper, "reference", "lstm")
    assert {"svm", "logistic", "none"} <= set(error.value.allowed.split(", "))
    assert "tdnn" not in error.value.allowed


def test_a_reference_that_takes_frames_has_no_statistics_and_the_next_one_has_again(paper):
    frames = override(paper, "reference", "semi_cnn")
    assert "statistics" not in frames.reference.values()
    assert override(frames, "reference", "lda").reference["statistics"] == ("mean", "std")


def test_a_search_that_there_is_not_is_refused_where_it_is_made():
    with pytest.raises(BadInput, match=r"candidates: 2\.5; allowed: whole number"):
        Search(part("random", candidates=2.5))
    assert Corpus("x", "X", part("ravdess"), part("speakers")).copies == 0


def test_what_no_gate_can_keep_apart_is_refused_where_it_is_written(paper):
    with pytest.raises(BadInput, match=r"ravdess\.apart: 'sentences'.*sentence"):
        paper.with_corpora(replace(c, apart=("sentences",)) if c.name == "ravdess" else c for c in paper.corpora)


def test_what_no_seed_can_move_is_refused(paper):
    with pytest.raises(BadInput, match="weights, split, augmentation"):
        replace(paper, seed_moves=("weights", "order"))
    with pytest.raises(BadInput, match=r"--set seed_moves: .*weights, split, augmentation"):
        override(paper, "seed_moves", "order")

"""The report of Pho et al. 2020: resampled scores against plain loops, what is shown, and what is never shown."""

import csv
import doctest
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from releases import whole

from ser.errors import BadInput
from ser.metrics import multilabel
from ser.report import groups, write
from ser.report.bootstrap import Sample
from ser.report.groups import grouped, short
from ser.report.multilabel import content as one
from ser.report.multilabel.hyperparameters import layers
from ser.report.multilabel.published import CLASSES, INCONSISTENCIES
from ser.report.multilabel.scores import METRICS, rates, resampled, scores_of
from ser.report.predictions import MultiLabelPredictions, multi_label
from ser.report.runs import Expected, Finished, Options, Reference, UsedCorpus

CORPORA = (UsedCorpus("iemocap", "I", True), UsedCorpus("tess", "T", True))
EXPECTED = Expected(
    study="multilabel",
    title="Several emotions at once",
    report="multilabel",
    classes=CLASSES,
    corpora=CORPORA,
    mode="paper",
    trials=(("I+T · cnn2d", {"seed": 0}),),
    count=1,
    seeds=(0,),
    demo=False,
    **whole("multilabel", "iemocap", "tess"),
)
LABELS = {
    "iemocap": {"utterances": 12, "labels": {"neutral": 9, "sad": 6}, "types": {"1": 9, "2": 3}},
    "tess": {"utterances": 4, "labels": {"angry": 4}, "types": {"1": 4}},
}


def predictions(n=60, seed=0, certain=True):
    """Labels, of one or two emotions, and probabilities that know a little of them."""
    rng = np.random.default_rng(seed)
    truth = np.zeros((n, len(CLASSES)), bool)
    truth[np.arange(n), rng.integers(len(CLASSES), size=n)] = True
    truth |= rng.random(truth.shape) < 0.05
    values = np.clip(0.7 * truth + 0.6 * rng.random(truth.shape), 0, 1 if certain else 0.99).astype(np.float32)
    return truth, values


def text_of(truth, values, classes=CLASSES):
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["corpus", "uid", "label", *(f"p_{c}" for c in classes)])
    for i, (labels, line) in enumerate(zip(truth, values, strict=True)):
        corpus = CORPORA[i % 2].name
        names = "|".join(np.array(classes)[labels])
        writer.writerow([corpus, f"{corpus}/{i:03d}", names, *(f"{v:.9g}" for v in line)])
    return out.getvalue()


def run_of(number=0, text=None, loss=0.5, title="I+T · cnn2d", **params):
    settings = {"block": "cnn2d", "block.frames": "278", "front_end.mels": "200", "training.optimiser": "adam"}
    settings |= {
        "training.loss": "binary_cross_entropy",
        "training.learning_rate": "0.001",
        "training.epsilon": "1e-08",
    }
    settings |= {"block.filters": "200,200,150,100", "block.kernel": "3", "block.dense": "512,256,512"}
    settings |= {"training.max_epochs": "20", "training.batch_size": "32", "seed": "0", "role": "grid"}
    settings |= {"corpora": "iemocap,tess", "block.dropout": "0.5", "corpus.tess.copies": str(number)}
    scores = {"epochs": 20.0, "objective/loss": loss, "published/iemocap": 0.5, "eq4/iemocap": 0.8}
    told = text_of(*predictions(seed=number)) if text is None else text
    return Finished(f"t{number}", f"run{number}", title, settings | params, scores, "", told)


def searched(number, loss, **params):
    named = {"role": "candidate", "role.number": str(number), **params}
    return run_of(number, loss=loss, title=f"I+T · cnn2d · candidate {number}", **named)


def files(run_id, path):
    proof = json.dumps({"utterances": {"train": 2, "val": 1, "test": 1}})
    return ({"labels.json": json.dumps(LABELS)} | {f"split/{c.name}.json": proof for c in CORPORA}).get(path)


def options(**changes):
    return replace(Options(replicates=20, curve=lambda run, metric: [0.9, 0.5, 0.4], file=files), **changes)


def table(content, key):
    return next(t for t in content.tables if t.key == key)


@pytest.fixture
def undrawn(monkeypatch):
    """Without figures, which take most of the time."""
    monkeypatch.setattr(one, "_pictures", lambda *_: [])


def test_doctests():
    assert doctest.testmod(groups).failed == 0


def answers(seed=0, n=60):
    truth, values = predictions(n, seed)
    return MultiLabelPredictions("run", np.array(["a"] * n), tuple(map(str, range(n))), truth, values)


def test_resampled_scores_against_plain_loops():
    found = answers()
    draws = np.random.default_rng(5).integers(60, size=(50, 60))
    weights = np.array([np.bincount(drawn, minlength=60) for drawn in draws], np.float32)
    quick = resampled(found, weights)
    slow = [multilabel.scores(found.truth[d], found.probabilities[d]) for d in draws]
    assert set(quick) == set(METRICS) == set(multilabel.scores(found.truth, found.probabilities))
    for name, values in quick.items():
        np.testing.assert_allclose(values, [scores.get(name, np.nan) for scores in slow], atol=1e-6, err_msg=name)


def test_what_is_undefined_in_a_replicate_is_nan_there():
    truth = np.zeros((3, 7), bool)
    truth[0, :2] = truth[1, 2] = True
    found = MultiLabelPredictions("run", np.array(["a"] * 3), ("0", "1", "2"), truth, np.full((3, 7), 0.2, np.float32))
    weights = np.array([[0, 0, 3], [3, 0, 0], [1, 1, 1]], np.float32)  # no label at all; one utterance; all
    drawn = resampled(found, weights)
    assert np.isnan(drawn["balanced"]).tolist() == [True, True, False]
    assert np.isnan(drawn["lrap"]).tolist() == [True, False, False]
    assert np.isnan(drawn["argmax"]).tolist() == [True, True, False]
    assert drawn["eq4"].tolist() == pytest.approx([1, 5 / 7, 18 / 21])


def test_scores_are_means_over_seeds_with_their_deviation():
    mixed = scores_of([answers(0), replace(answers(1), truth=answers(0).truth)], Options(replicates=30))
    plain = [multilabel.scores(answers(0).truth, answers(s).probabilities)["eq4"] for s in (0, 1)]
    cell = mixed.cells["eq4"]
    assert cell.value == pytest.approx(np.mean(plain))
    assert cell.low < cell.value < cell.high
    assert mixed.spread["eq4"] == pytest.approx(np.std(plain, ddof=1))
    assert mixed.sample == Sample(60, 0, False, 2)
    assert np.isnan(scores_of([answers(0)], Options(replicates=0)).spread["eq4"])


def test_seeds_on_other_utterances_count_alike():
    other = replace(answers(1), uids=tuple(f"other {i}" for i in range(60)))
    scores = scores_of([answers(0), other], Options(replicates=30))
    assert scores.sample.utterances == 120
    plain = [multilabel.scores(t.truth, t.probabilities)["macro_f1"] for t in (answers(0), other)]
    assert scores.cells["macro_f1"].value == pytest.approx(np.mean(plain))


def test_intervals_are_over_speakers():
    """Half of six speakers are always right: the interval over speakers is far wider than that over utterances."""
    truth = np.tile(np.eye(2, dtype=bool), (30, 1))
    right = np.repeat([True, False] * 3, 10)
    values = np.where(right[:, None], truth, ~truth).astype(np.float32)
    speakers = tuple(np.repeat(list("abcdef"), 10).tolist())
    found = MultiLabelPredictions("run", np.array(["a"] * 60), tuple(map(str, range(60))), truth, values, speakers)
    wide, narrow = (
        scores_of([found], Options(replicates=300, resample=by)).cells["subset"] for by in ("speaker", "utterance")
    )
    assert wide.value == narrow.value == 0.5
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_rates_are_shares_of_rows_and_blank_where_a_row_is_empty():
    truth = np.array([[1, 0], [1, 0]], bool)
    found = MultiLabelPredictions(
        "run", np.array(["a", "a"]), ("0", "1"), truth, np.array([[1, 0.4], [0.9, 0.6]], np.float32)
    )
    cast, counts = rates([found, found], cast=True)
    plain, _ = rates([found], cast=False)
    np.testing.assert_array_equal(counts, [[[0, 0], [2, 2]], [[4, 0], [0, 0]]])
    np.testing.assert_array_equal(cast, [[[np.nan, np.nan], [0.5, 0.5]], [[1, 0], [np.nan, np.nan]]])
    np.testing.assert_array_equal(plain[0, 1], [0, 1])
    np.testing.assert_array_equal(plain[1, 0], [0.5, 0.5])


def test_predictions_are_read_by_name_and_sorted():
    truth, values = predictions(6)
    found = multi_label(run_of(text=text_of(truth, values)), CLASSES)
    order = [0, 2, 4, 1, 3, 5]
    assert found.uids[:2] == ("iemocap/000", "iemocap/002")
    np.testing.assert_array_equal(found.truth, truth[order])
    np.testing.assert_array_equal(found.probabilities, values[order])  # nine digits tell all float32 apart
    assert multi_label(run_of(text=""), CLASSES) is None


def test_a_probability_next_to_one_is_not_one():
    values = np.full((2, 7), np.nextafter(np.float32(1), np.float32(0)), np.float32)
    found = multi_label(run_of(text=text_of(np.eye(7, dtype=bool)[:2], values)), CLASSES)
    assert not multilabel.int_cast(found.probabilities).any()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("000,neutral", "000,furious"), "'furious'"),
        (("p_happy", "p_x"), "no column p_happy"),
        ((",0.", ",x."), "x.25"),
    ],
)
def test_predictions_that_do_not_fit_are_refused(change, said):
    text = text_of(np.eye(7, dtype=bool), np.full((7, 7), 0.25, np.float32)).replace(*change)
    with pytest.raises((BadInput, ValueError), match=said):
        multi_label(run_of(text=text), CLASSES)


def test_the_papers_numbers_stand_beside_ours_on_its_own_corpora(undrawn):
    content = one.content([run_of()], EXPECTED, options())
    assert table(content, "metrics").rows[0].paper == (57.64,)
    assert table(content, "figure4").rows[6].paper == (100.0, 0.0, 53.0, 47.0)
    assert [row.paper[:1] for row in table(content, "table2").rows[:3]] == [
        ("278w x 200h x 1d",),
        ("Adam",),
        ("0.001",),
    ]
    assert table(content, "table3").rows[2].paper == ("17341",)
    assert [row.cells[-1] for row in table(content, "table4").rows[1:3]] == ["52.1", "57.6"]
    assert [row.name for row in table(content, "table1").rows[:3]] == ["iemocap", "tess", "crema_d"]
    assert table(content, "figure1").rows[0].paper == ("10021", pytest.approx(46.23, abs=0.01))
    assert content.inconsistencies == INCONSISTENCIES


@pytest.mark.parametrize("changes", [{"demo": True}, {"paper": ""}, {"releases": {}}])
def test_other_corpora_never_show_the_papers_numbers(undrawn, tmp_path, changes):
    content = one.content([run_of()], replace(EXPECTED, **changes), options())
    assert not any(row.paper for t in content.tables for row in t.rows)
    assert [row.name for row in table(content, "table4").rows] == ["Here: I+T · cnn2d"]
    assert content.inconsistencies == ()
    written = write.write(content, tmp_path).folder
    for name in ("tables.md", "tables.csv", "tables.tex", "report.html"):
        text = (written / name).read_text()
        assert not any(number in text for number in ("57.6", "Zhao", "17341"))
        assert not any(note in text for note in INCONSISTENCIES)


def test_what_the_study_has_of_labels_and_layers(undrawn):
    content = one.content([run_of()], EXPECTED, options())
    iemocap, tess = table(content, "table1").rows[:2]
    assert (iemocap.cells[0].value, iemocap.cells[1], tess.cells[1].value) == (9, None, 4)
    shares = {row.name: row.cells for row in table(content, "figure1").rows}
    assert (shares["iemocap"][0], shares["iemocap"][1].value) == ("12", 0.75)
    assert shares["two emotions"][1].value == pytest.approx(3 / 16)
    assert table(content, "table3").rows[2].cells[0] == "4"
    assert table(content, "table2").rows[0].cells[0] == "278w x 200h x 1d"


def test_without_those_files_there_are_holes(undrawn):
    content = one.content([run_of()], EXPECTED, options(file=lambda *_: None))
    assert all(np.isnan(c.value) for row in table(content, "table1").rows[:2] for c in row.cells if c)
    assert table(content, "table3").rows[2].cells[0] == "–"
    assert any("no labels.json" in note for note in content.notes)


def test_layers_are_those_that_a_run_logged():
    logged = [
        {"name": "batch normalisation", "output": "99 × 138 × 200", "parameters": 400, "averaged": 400},
        {"name": "head", "output": "7", "parameters": 3591, "averaged": 0},
    ]
    rows = layers(run_of(), options(file=lambda *_: json.dumps(logged))).rows
    assert [(row.name, *row.cells) for row in rows] == [
        ("batch normalisation", "99 × 138 × 200", "800"),
        ("dense, sigmoid", "7", "3,591"),
        ("all", "", "4,391"),
    ]
    assert layers(run_of(), options(file=lambda *_: None)).rows[-1].cells == ("", "–")
    assert layers(None, options()).rows[-1].cells == ("", "–")


def test_the_best_of_a_search_is_chosen_by_validation_alone(undrawn):
    changes = {"training.learning_rate": "0.01", "front_end.mels": "128"}, {"training.learning_rate": "0.1"}
    runs = [run_of(role="printed"), searched(1, 0.3, **changes[0]), searched(2, 0.4, **changes[1])]
    runs[2].scores["published/iemocap"] = 0.99
    content = one.content(runs, replace(EXPECTED, count=3), options())
    search = table(content, "search")
    assert search.columns[:5] == ("mels", "learning_rate", "Epochs", "Ended", "Validation loss")
    assert [row.name.rpartition(" ")[2] for row in search.rows] == ["1", "2", "cnn2d"]
    assert [row.cells[1] for row in search.rows] == ["0.01", "0.1", "0.001"]
    assert search.rows[0].cells[4].value == 0.3
    assert {row.metric for row in table(content, "metrics").rows} == {"I+T · cnn2d", "I+T · cnn2d · candidate 1"}
    size, *_ = table(content, "table2").rows
    assert size.cells == ("278w x 200h x 1d", "278w x 128h x 1d", "")
    rate = next(row for row in table(content, "table2").rows if row.name == "Learning Rate")
    assert rate.cells == ("0.001", "0.01", "0.001, 0.01, 0.1")
    assert (content.done, content.expected, content.holes) == (3, 3, ())


def test_the_search_shows_what_each_setting_gave_and_who_was_not_tested(undrawn):
    runs = [run_of(), replace(searched(1, 0.3, **{"block.dropout": "0.1"}), text="")]
    content = one.content(runs, EXPECTED, options())
    first, second = table(content, "search").rows
    assert first.cells[4:] == ("–", "–", "–")
    truth, values = predictions()
    assert second.cells[4] == f"{100 * multilabel.scores(truth, values)['published']:.1f} %"
    assert {row.metric for row in table(content, "metrics").rows} == {"I+T · cnn2d"}


def test_a_trial_says_how_it_ended(undrawn):
    runs = [run_of(), searched(1, 0.3, **{"block.dropout": "0.1"}), searched(2, 0.4, **{"block.dropout": "0.2"})]
    runs[1].scores["epochs"] = 7.0
    runs[2].scores.update({"epochs": 4.0, "stopped_epoch": 4.0})
    rows = table(one.content(runs, EXPECTED, options()), "search").rows
    assert [row.cells[2] for row in rows] == ["early", "by the scheduler at 4", "all epochs"]


def test_repeats_are_one_setting_and_folds_are_not_answers():
    runs = [run_of(), run_of(1, seed="1", title="I+T · cnn2d · seed 1"), run_of(2, text="", **{"seed": "2"})]
    (group,) = grouped(runs)
    assert (group.title, len(group.runs), group.settings) == ("I+T · cnn2d", 3, {})
    assert group.loss == 0.5
    assert short(["a.x", "b.x", "c"]) == ["a.x", "b.x", "c"]


def test_a_seed_that_tests_other_utterances_counts(undrawn):
    fewer = text_of(*predictions(10))
    runs = [run_of(), run_of(1, text=fewer, seed="1", title="I+T · cnn2d · seed 1")]
    content = one.content(runs, replace(EXPECTED, seeds=(0, 1)), options())
    row = table(content, "metrics").rows[0]
    alone = [table(one.content([run], EXPECTED, options()), "metrics").rows[0] for run in runs]
    assert (row.n, row.of) == (2, 2)
    assert row.cells[0].value == pytest.approx(np.mean([each.cells[0].value for each in alone]))


def test_a_seed_on_other_utterances_counts_and_one_that_was_not_tested_is_said(undrawn):
    runs = [
        run_of(),
        run_of(1, text=text_of(*predictions(10)), seed="1", title="I+T · cnn2d · seed 1"),
        run_of(2, text="", seed="2", title="I+T · cnn2d · seed 2"),
    ]
    content = one.content(runs, replace(EXPECTED, seeds=(0, 1, 2)), options())
    assert "Left out: seeds that were not tested, or lack folds which others have, of I+T · cnn2d." in content.notes
    metrics = table(content, "metrics")
    assert (metrics.rows[0].n, metrics.rows[0].of, metrics.columns[1]) == (2, 3, "±")


def test_the_programs_own_numbers_stand_beside_ours(undrawn):
    content = one.content([run_of()], EXPECTED, options())
    keras = next(row for row in table(content, "metrics").rows if "Keras" in row.name)
    assert keras.paper == (52.57,)
    (loss,) = table(content, "loss").rows
    truth, values = predictions()
    assert loss.paper == (0.32,)
    assert loss.cells[0].value == pytest.approx(multilabel.binary_cross_entropy(truth, values))
    steps = {row.name: row.cells for row in table(content, "figure2").rows}
    assert steps["Network"][1] == "block cnn2d, filters 200,200,150,100, dense 512,256,512"
    assert steps["Scaling"][1] == "–"


def test_the_reference_stands_below_the_networks(undrawn):
    run = replace(run_of(9), run_id="the svm", params=run_of().params | {"classes": ",".join(CLASSES)})
    references = tuple(Reference(f"{c.letter} · reference", "logistic", c.name, "", 0, 0, "the svm") for c in CORPORA)
    content = one.content([run_of()], replace(EXPECTED, references=references), options(references=lambda: iter([run])))
    names = dict.fromkeys(row.metric for row in table(content, "metrics").rows)
    assert list(names) == ["I+T · cnn2d", "reference (logistic regression)"]
    assert not any(row.paper for row in table(content, "metrics").rows if "reference" in row.metric)
    assert [row.name for row in table(content, "loss").rows] == list(names)


def test_missing_trials_are_holes_named_or_not(undrawn):
    expected = replace(EXPECTED, count=5, failures={"I+T · cnn2d · candidate 2": "Diverged: loss nan"})
    content = one.content([searched(1, 0.3)], expected, options())
    assert [(hole.title, hole.error) for hole in content.holes] == [
        ("I+T · cnn2d", ""),
        ("I+T · cnn2d · candidate 2", "Diverged: loss nan"),
        ("2 trials of the search", ""),
    ]
    assert (content.done, content.expected) == (1, 5)


def test_nothing_done_yet_is_a_report_of_holes(tmp_path):
    content = one.content([], EXPECTED, options())
    done = write.write(content, tmp_path)
    assert (done.done, done.expected) == (0, 1)
    assert "1 trial is missing" in done.markdown
    assert not list(tmp_path.glob("*.png"))


def test_everything_is_written(tmp_path, accessible):
    runs = [run_of(), searched(1, 0.3, **{"training.learning_rate": "0.01"})]
    written = write.write(one.content(runs, EXPECTED, options()), tmp_path)
    names = {path.name for path in written.files}
    assert {"figure1.png", "figure4_1.png", "figure4_2.png", "curves_1.png", "curves_search.png"} <= names
    assert "mode paper" in written.markdown
    page = (tmp_path / "report.html").read_text()
    assert page.count("<svg") == 6
    accessible(tmp_path / "report.html")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "tables.csv").read_text())))
    (accuracy,) = [r for r in rows if r["row"] == "accuracy as published" and r["column"] == "All" and r["paper"]][:1]
    assert accuracy["paper"] == "57.64"
    keys = "metrics loss figure2 figure4 table4 table1 table2 table3 search figure1 figure3 corpora"
    assert {r["table"] for r in rows} == set(keys.split())

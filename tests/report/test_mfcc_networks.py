"""The report of Khan et al.: made runs with the params of real statements, values by hand."""

import csv
import doctest
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from releases import whole
from scipy.stats import binomtest, norm
from scipy.stats import t as student
from sklearn.metrics import balanced_accuracy_score

from experiments.mfcc_networks import study
from ser.errors import BadInput
from ser.frontends import mfcc
from ser.report import markdown, statistics, write
from ser.report.bootstrap import mean_accuracies
from ser.report.mfcc_networks import content as networks
from ser.report.mfcc_networks.groups import candidates, settings_tested
from ser.report.mfcc_networks.published import CLASSES, INCONSISTENCIES
from ser.report.mfcc_networks.tables import ranked
from ser.report.predictions import LabelPredictions
from ser.report.runs import Expected, Finished, Options, Reference, UsedCorpus
from ser.report.statistics import wilson
from ser.study import Corpus, Trial, part

BLOCKS = {
    "cnn1d": part("cnn1d", filters=(20, 10), kernel=3, pool=3, dropout=0.25, init="glorot"),
    "rnn": part("rnn", units=16, init="glorot"),
}
TRAINING = replace(study.training, max_epochs=500, watch=("train", "test"), stacked=False)
RAVDESS = Corpus(
    "ravdess",
    "R",
    part("ravdess"),
    part("holdout", by="utterance", test=0.33, seed=42, fold=0, folds=3, drop=1),
)
EXPECTED = Expected(
    study="mfcc_networks",
    title="Two small networks",
    report="mfcc_networks",
    classes=CLASSES,
    corpora=(UsedCorpus("ravdess", "R", True),),
    mode="paper",
    trials=(("R · cnn1d · printed", {"seed": 0}), ("R · rnn · printed", {"seed": 0})),
    count=2,
    seeds=(0,),
    demo=False,
    **whole("mfcc_networks", "ravdess"),
)
# By class: utterances in the test, and how many of them are found; the others are taken for the next class.
PER_CLASS = {"neutral": (4, 3), "calm": (2, 2), "happy": (5, 0), "sad": (1, 1)}
CURVES = {"train/wa/ravdess": [0.3, 0.5, 0.9], "test/wa/ravdess": [0.2, 0.4, 0.5]}
LAYERS = [
    {"name": "C1", "output": "78 × 20", "parameters": 80, "averaged": 0},
    {"name": "head", "output": "8", "parameters": 88, "averaged": 0},
]
PROOF = {"utterances": {"train": 24, "val": 0, "test": 12}, "shared_speakers": 5}


def trial(block="cnn1d", role=None, fold=0, seed=0, **training):
    settings = {k: v for k, v in training.items() if k in BLOCKS[block].values()}
    rest = {k: v for k, v in training.items() if k not in settings}
    return Trial(
        study="mfcc_networks",
        mode="paper",
        corpora=(RAVDESS.in_fold(fold),),
        classes=CLASSES,
        merge=(),
        labels="one",
        front_end=part("mfcc", **vars(mfcc.Settings())),
        normalise="none",
        balance=part("none"),
        augmentation=(),
        block=BLOCKS[block].changed(**settings),
        pooling="none",
        task="unified",
        training=replace(TRAINING, **rest),
        seed=seed,
        role=role or part("printed"),
    )


def text_of(per_class):
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["corpus", "uid", "label", "predicted"])
    for place, (name, (n, right)) in enumerate(per_class.items()):
        for i in range(n):
            writer.writerow(["ravdess", f"{name}/{i}", name, name if i < right else CLASSES[place + 1]])
    return out.getvalue()


def finished(one, per_class=PER_CLASS, **scores):
    text = text_of(per_class) if per_class else ""
    told = {"epochs": 3.0, "best_epoch": 3.0, **{k.replace("_", "/"): v for k, v in scores.items()}}
    return Finished(one.id, f"run-{one.id}", one.title, one.params(), told, "", text)


def candidate(number, fold, wa, loss=1.0, seed=0, block="cnn1d", **drawn):
    role = part("candidate", number=number, varied=("training.learning_rate", "cnn1d.pool"))
    one = trial(block, role, fold, seed, **drawn)
    return finished(one, None, objective_wa=wa, objective_loss=loss)


def search(seed=0):
    """Candidate 1: 0.5, 0.6, 0.7; candidate 2: 0.6, 0.7, 0.8; candidate 3 lacks fold 2."""
    runs = [candidate(n, f, 0.4 + 0.1 * (n + f - 1), seed=seed, pool=n) for n in (1, 2) for f in (1, 2, 3)]
    return [*runs, candidate(3, 1, 0.9, seed=seed, pool=4), candidate(3, 3, 0.9, seed=seed, pool=4)]


def refit(number=2, seed=0):
    role = part("refit", number=number, varied=("training.learning_rate", "cnn1d.pool"))
    return finished(trial("cnn1d", role, seed=seed, pool=2), {"neutral": (4, 4), "calm": (2, 0)})


def file(run_id, path):
    texts = {"split/ravdess.json": PROOF, "layers.json": LAYERS}
    return json.dumps(texts[path]) if path in texts else None


OPTIONS = Options(replicates=50, curve=lambda run, metric: CURVES.get(metric, []), file=file)


@pytest.fixture
def undrawn(monkeypatch):
    """Without figures, which take most of the time."""
    monkeypatch.setattr(networks, "_pictures", lambda *_: [])


def table(content, key):
    return next(t for t in content.tables if t.key == key)


@pytest.mark.parametrize("module", [statistics])
def test_doctests(module):
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize(("right", "n"), [(18, 37), (0, 5), (5, 5), (307, 412)])
def test_wilson_is_scipys(right, n):
    found, there = wilson(right, n), binomtest(right, n).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((there.low, there.high))
    assert np.isnan(wilson(0, 0).value)


def test_layers_are_those_that_a_run_logged(undrawn):
    content = networks.content([finished(trial("cnn1d")), finished(trial("rnn"))], EXPECTED, OPTIONS)
    cnn = [(row.name, row.cells[0], row.cells[1].value) for row in table(content, "table4").rows]
    assert cnn == [("C1", "78 × 20", 80), ("Output", "8", 88), ("all", "", 168)]
    without = networks.content([finished(trial("cnn1d"))], EXPECTED, replace(OPTIONS, file=lambda *_: None))
    assert [row.cells for row in table(without, "table4").rows] == [("–", "–")]


def test_accuracies_are_means_over_seeds_and_bootstrapped_together():
    rng = np.random.default_rng(3)
    truth = rng.integers(3, size=200)
    guesses = [np.where(rng.random(200) < share, truth, 0) for share in (0.4, 0.9)]
    runs = [LabelPredictions("", tuple(map(str, range(200))), truth, guess, 3) for guess in guesses]
    wa, ua = mean_accuracies(runs, 60)
    assert wa.value == pytest.approx(np.mean([(truth == g).mean() for g in guesses]))
    assert ua.value == pytest.approx(np.mean([balanced_accuracy_score(truth, g) for g in guesses]))
    rng = np.random.default_rng(0)
    seeds = rng.integers(2, size=60)  # of two seeds one is drawn, and of 200 utterances 199: their speakers are unknown
    draws = rng.integers(200, size=(60, 199))
    outside = 100 * norm.cdf(-student.ppf(0.975, 199))
    slow = [balanced_accuracy_score(truth[d], guesses[k][d]) for k, d in zip(seeds, draws, strict=True)]
    assert (ua.low, ua.high) == pytest.approx(np.percentile(slow, (outside, 100 - outside)))
    plain = [(truth == guesses[k])[d].mean() for k, d in zip(seeds, draws, strict=True)]
    assert (wa.low, wa.high) == pytest.approx(np.percentile(plain, (outside, 100 - outside)))
    assert np.isnan(mean_accuracies(runs, 0)[0].low)


def test_accuracy_of_training_and_test(undrawn):
    content = networks.content([finished(trial()), finished(trial("rnn"))], EXPECTED, OPTIONS)
    cnn, rnn = table(content, "accuracy").rows
    assert (cnn.name, rnn.name) == ("cnn1d, as printed", "rnn, as printed")
    assert [c.value for c in cnn.cells[:3]] == pytest.approx([0.9, 0.5, (3 / 4 + 1 + 0 + 1) / 4])
    assert cnn.cells[3:] == ("12 utterances", "3")
    assert (cnn.paper, rnn.paper) == ((94.63, 74.57), (None, 55.47))
    assert content.badges == ("mode paper", "corpora: 1 whole release")


def test_of_several_seeds_the_best_of_the_test_is_called_so_and_all_stand_beside_it(undrawn):
    worse = finished(trial(seed=1), {"neutral": (4, 0), "calm": (2, 2), "happy": (5, 0), "sad": (1, 1)})
    expected = replace(EXPECTED, seeds=(0, 1))
    content = networks.content([worse, finished(trial())], expected, OPTIONS)
    row, both = table(content, "table6").rows
    assert (row.name, row.n) == ("cnn1d, as printed, best of 2 seeds in the test", 1)
    assert row.cells[0] == wilson(3, 4)
    assert [c.value for c in row.cells[:4]] == [0.75, 1, 0, 1]
    assert all(np.isnan(c.value) for c in row.cells[4:])
    assert row.paper[6] == 48.65
    assert (both.name, both.n, both.paper) == ("cnn1d, as printed, all 2 seeds", 2, ())
    assert [c.value for c in both.cells[:4]] == [3 / 8, 1, 0, 1]
    neutral = table(content, "table5").rows[0]
    assert neutral.cells == ("3", "1", *"0" * 6, "4")
    assert neutral.paper == ("18", "4", "1", "1", "1", "0", "1", "0")
    assert content.matrices[0].counts[0].tolist() == [3, 5, 0, 0, 0, 0, 0, 0]  # summed over both
    accuracy = table(content, "accuracy")
    assert accuracy.columns[3:6] == ("± train", "± test", "± UA")
    assert accuracy.rows[0].cells[1].value == pytest.approx((6 + 3) / 24)
    assert accuracy.rows[0].cells[4].value == pytest.approx(np.std([6 / 12, 3 / 12], ddof=1))


def test_of_refitted_seeds_the_candidates_validation_chooses(undrawn):
    """Seed 0 refits candidate 1 (0.6 in its folds), seed 1 candidate 2 (0.7), which has fewer right in the test."""
    runs = [*search(0), *search(1), refit(1, 0), refit(2, 1)]
    runs[-2] = replace(runs[-2], text=text_of({"neutral": (4, 4), "calm": (2, 2)}))
    content = networks.content(runs, replace(EXPECTED, seeds=(0, 1)), OPTIONS)
    found = {row.name: row.cells[1].value for row in table(content, "table6").rows}
    assert found["cnn1d, refitted, best of 2 seeds in the test"] == 1
    assert found["cnn1d, refitted, seed 1, best in validation"] == 0


def reference_of(per_class):
    """Expected and options with an SVM that has so many right of each class."""
    run = replace(finished(trial(), per_class), run_id="the svm")
    reference = Reference("R · reference svm", "svm", "ravdess", "", 0, 0, "the svm")
    return (
        replace(EXPECTED, references=(reference,)),
        replace(OPTIONS, replicates=300, references=lambda: iter([run])),
    )


def test_a_reference_that_is_surely_better_is_said(undrawn):
    """On 120 utterances: the SVM has 90 % right, the network half."""
    many = {"neutral": (60, 30), "calm": (60, 30)}
    expected, options = reference_of({"neutral": (60, 54), "calm": (60, 54)})
    content = networks.content([finished(trial(), many)], expected, options)
    _, svm = table(content, "accuracy").rows
    assert (svm.name, svm.cells[1].value) == ("reference (SVM)", 0.9)
    finding = "On ravdess the reference (SVM), on the same features and split, has 90.0 % and cnn1d, as printed 50.0 %"
    assert content.notes[0].startswith(finding)
    assert content.notes[0].endswith("the data allow more than this network shows.")
    (pair,) = table(content, "differences").rows
    assert (pair.name, pair.cells[0].value) == ("reference (SVM) − cnn1d, as printed", pytest.approx(0.4))


def test_a_reference_that_may_be_no_better_is_only_shown(undrawn):
    few = {"neutral": (6, 3), "calm": (6, 3)}
    expected, options = reference_of({"neutral": (6, 4), "calm": (6, 3)})
    content = networks.content([finished(trial(), few)], expected, options)
    assert table(content, "accuracy").rows[1].cells[1].value == pytest.approx(7 / 12)
    assert not any("allow more" in note for note in content.notes)


def test_both_networks_are_compared_pairwise(undrawn):
    content = networks.content([finished(trial()), finished(trial("rnn"))], EXPECTED, OPTIONS)
    (pair,) = table(content, "differences").rows
    assert (pair.name, pair.cells[0].value, pair.cells[1]) == ("rnn, as printed − cnn1d, as printed", 0, "1.000")


def test_ranks_are_by_the_mean_of_all_folds():
    placed = ranked(candidates(search()))
    assert [(place, c.number) for place, c in placed] == [("1", "2"), ("2", "1"), ("–", "3")]
    assert [c.mean("objective/wa") for _, c in placed[:2]] == pytest.approx([0.7, 0.6])


def test_the_search_shows_folds_and_what_was_chosen(undrawn):
    content = networks.content([*search(), refit()], EXPECTED, OPTIONS)
    found = table(content, "search_cnn1d")
    heads = ("Rank", "learning_rate", "pool", "Fold 1", "Fold 2", "Fold 3", "Mean", "Std", "Loss", "Chosen")
    assert found.columns == heads
    best, second, third = found.rows
    assert best.cells[:3] == ("1", "0.005", "2")
    assert [c.value for c in best.cells[3:8]] == pytest.approx([0.6, 0.7, 0.8, 0.7, 0.1])
    assert best.cells[8:] == ("1.0000", "refitted")
    assert second.cells[9] == ""
    assert np.isnan([third.cells[i].value for i in (4, 6, 7)]).all()
    assert (third.n, third.of) == (2, 3)
    assert any("cnn1d: candidate 2 (seed 0)" in note for note in content.notes)
    assert [row.name for row in table(content, "accuracy").rows] == ["cnn1d, refitted"]
    assert sum(row.metric == "cnn1d, refitted" for row in table(content, "table4").rows) == 3


def test_searches_of_two_seeds_are_ranked_apart(undrawn):
    found = candidates([*search(0), *search(1)])
    assert [place for place, _ in ranked(found)] == ["1", "2", "–"] * 2
    chosen = settings_tested([refit(2, 0), refit(1, 1)], {})
    assert [len(one.runs) for one in chosen] == [2]


def test_paper_numbers_only_beside_its_own_corpora(undrawn):
    runs = [finished(trial()), finished(trial("rnn"))]
    ours = networks.content(runs, replace(EXPECTED, demo=True), OPTIONS)
    assert all(not row.paper for t in ours.tables for row in t.rows)
    assert ours.inconsistencies == ()
    beside = networks.content(runs, EXPECTED, OPTIONS)
    assert beside.inconsistencies == INCONSISTENCIES
    rows = {row.name: row for row in table(beside, "table4").rows}
    assert rows["C1"].paper == ("78 × 20", 200.0)
    assert rows["C1"].cells[1].value == 80
    assert rows["all"].cells[1].value == 168


def test_what_is_missing_is_a_hole(undrawn):
    content = networks.content([], EXPECTED, OPTIONS)
    assert [h.title for h in content.holes] == ["R · cnn1d · printed", "R · rnn · printed"]
    markdown.markdown(content)
    silent = networks.content([finished(trial())], EXPECTED, Options(replicates=0))
    assert np.isnan(table(silent, "accuracy").rows[0].cells[0].value)  # no curve was logged


def test_seeds_on_other_utterances_all_count(undrawn):
    other = finished(trial(seed=1), {"neutral": (2, 2)})
    content = networks.content([finished(trial()), other], replace(EXPECTED, seeds=(0, 1)), OPTIONS)
    row = table(content, "accuracy").rows[0]
    assert (row.n, row.cells[1].value) == (2, pytest.approx((6 / 12 + 2 / 2) / 2))
    assert not any("Left out" in note for note in content.notes)


def test_a_label_of_no_class_is_refused():
    one = finished(trial())
    with pytest.raises(BadInput, match="boredom"):
        networks.content([replace(one, text=one.text.replace("calm", "boredom"))], EXPECTED, OPTIONS)


def test_everything_is_written(tmp_path, accessible):
    runs = [finished(trial()), finished(trial("rnn")), *search(), refit()]
    written = write.write(networks.content(runs, EXPECTED, OPTIONS), tmp_path)
    names = {path.name for path in written.files}
    assert {"figure6_1.png", "figure7_1.png", "search.png", "confusion_1_1.png", "report.html"} <= names
    assert "| paper" in written.markdown
    accessible(tmp_path / "report.html")


def test_every_tested_setting_has_its_f1_from_saved_predictions():
    runs = [finished(trial("cnn1d", seed=seed)) for seed in (0, 1)]
    texts = {run.run_id: run.text for run in runs}

    def with_predictions(run_id, path):
        return texts[run_id] if path == "predictions.csv" else file(run_id, path)

    content = networks.content([*runs, *search()], EXPECTED, replace(OPTIONS, file=with_predictions))
    (row,) = next(table for table in content.tables if table.key == "more").rows
    assert (row.name, row.cells[0], row.n) == ("cnn1d, as printed", "the study", 2)
    wa = sum(right for _, right in PER_CLASS.values()) / sum(n for n, _ in PER_CLASS.values())
    assert row.cells[3].value == pytest.approx(wa)

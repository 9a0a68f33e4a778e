"""What a trained trial leaves: scores by hand, and files that a person can open."""

import csv
import json
import math
import pickle
from dataclasses import replace

import matplotlib.image
import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score, label_ranking_average_precision_score

from experiments.mfcc_networks import study as of_vectors
from experiments.multilabel import study as of_several
from experiments.segments import study as of_segments
from ser.data.manifest import Utterance
from ser.features.recipe import segment_frames
from ser.metrics import accuracy
from ser.study import part, trial_of
from ser.training import checkpoint
from ser.training.batches import Items
from ser.training.start import CorpusData
from ser.training.train import Outcome, Predictions
from ser.trials.facts import Facts
from ser.trials.outputs import score, write


def first_trial(study, **point):
    corpora = {c.name: c for c in study.corpora}
    return trial_of(study, {"corpora": tuple(corpora), "block": study.blocks[0].name, **point}, corpora, seed=0)


def outcome(corpus, predictions=None, history=(), best=1):
    weights = {"block.first.weight": torch.ones(2, 3), "block.first.bias": torch.ones(2), "mean": torch.zeros(3)}
    weights |= {"block.norm.weight": torch.ones(2), "block.norm.running_mean": torch.ones(2)}
    predictions = {corpus: predictions} if predictions else {}
    return Outcome(
        list(history), best, predictions, 1.0, weights, {"memory/gpu_peak_mb": 3.0}, {"network": {"a": torch.ones(1)}}
    )


def items(corpus, names, labels):
    return Items(corpus, tuple(names), [torch.zeros(1, 1)] * len(names), torch.as_tensor(labels))


def data(corpus, test, labels):
    """A corpus with nobody else: the other sides are of one item."""
    one = items(corpus, [f"{corpus}/other"], np.asarray(labels)[:1])
    return {corpus: CorpusData(one, items(corpus, [], np.asarray(labels)[:0]), items(corpus, test, labels))}


PROOF = {"speakers": {"train": ["x"]}}


@pytest.fixture
def single():
    """Eight classes; of four items the first, third and fourth are right."""
    trial = first_trial(of_vectors)
    logits = np.full((4, 8), -1.0, np.float32)
    logits[range(4), [0, 2, 1, 1]] = 2.0
    return trial, Predictions(tuple("abcd"), np.array([0, 1, 1, 1]), logits)


@pytest.fixture
def clips():
    """Three clips of three, one and two segments, of classes 0, 1, 3; four classes.

    Segments say 0 0 2 | 1 | 0 3. By the mean of their logits the clips are 2, 1, 3.
    """
    trial = first_trial(of_segments, **{"front_end.segmentation": "nonoverlap"})
    names = ("iemocap/a#0", "iemocap/a#1", "iemocap/a#2", "iemocap/b#0", "iemocap/c#0", "iemocap/c#1")
    logits = np.array([[1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 5, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 2]], np.float32)
    return trial, Predictions(names, np.array([0, 0, 0, 1, 3, 3]), logits)


@pytest.fixture
def several():
    """Seven classes, three items of which the first has two."""
    trial = first_trial(of_several)
    truth = np.zeros((3, 7), np.float32)
    truth[0, [1, 3]] = truth[1, 0] = truth[2, 6] = 1
    logits = np.linspace(-2, 2, 21, dtype=np.float32).reshape(3, 7)
    return trial, Predictions(tuple("abc"), truth, logits)


# scores


def test_scores_of_single_labels_by_hand(single):
    trial, predictions = single
    found = score(trial, outcome("ravdess", predictions))
    assert found["wa/ravdess"] == pytest.approx(3 / 4)
    assert found["ua/ravdess"] == pytest.approx((1 + 2 / 3) / 2)
    assert {k: v for k, v in found.items() if k.startswith("recall/")} == {
        f"recall/ravdess/{trial.classes[0]}": pytest.approx(1),
        f"recall/ravdess/{trial.classes[1]}": pytest.approx(2 / 3),
    }
    assert found["memory/gpu_peak_mb"] == 3
    # The third class is predicted once, and nowhere present.
    assert found["macro_f1/ravdess"] == pytest.approx((1 + 2 * 2 / (2 * 2 + 1) + 0) / 3)
    assert found["weighted_f1/ravdess"] == pytest.approx((1 + 3 * 0.8) / 4)
    chance, rest = (np.exp([2.0, -1.0]) / (np.exp(2.0) + 7 * np.exp(-1.0))).tolist()
    assert found["ece/ravdess"] == pytest.approx(abs(3 / 4 - chance), abs=1e-6)
    assert found["nll/ravdess"] == pytest.approx(-(3 * math.log(chance) + math.log(rest)) / 4)
    wrong, right = chance**2 + (1 - rest) ** 2 + 6 * rest**2, (1 - chance) ** 2 + 7 * rest**2
    assert found["brier/ravdess"] == pytest.approx((wrong + 3 * right) / 4)


def test_what_has_no_number_is_not_logged(single):
    trial, predictions = single
    certain = replace(predictions, logits=200 * predictions.logits)  # of the second item, and wrong
    assert not {"nll/ravdess"} & score(trial, outcome("ravdess", certain)).keys()
    spoilt = replace(predictions, logits=np.where(np.eye(4, 8) > 0, np.nan, predictions.logits))
    assert not {"ece/ravdess", "nll/ravdess", "brier/ravdess"} & score(trial, outcome("ravdess", spoilt)).keys()


def test_fitted_models_have_no_calibration(single):
    trial, predictions = single
    fitted = replace(trial, block=part("svm"))
    names = {name.partition("/")[0] for name in score(fitted, outcome("ravdess", predictions))}
    assert names >= {"macro_f1", "weighted_f1"}
    assert names.isdisjoint({"ece", "nll", "brier"})


def test_objectives_are_of_the_epoch_whose_weights_are_kept():
    trial = first_trial(of_vectors)
    rows = [
        {"epoch": float(n), "val/loss": 3.0 / n, "val/wa/a": n / 4, "val/wa/b": n / 2, "val/ua/a": 0.0} for n in (1, 2)
    ]
    assert score(trial, outcome("ravdess", None, rows, best=1)).items() >= {
        "epochs": 2.0, "best_epoch": 1.0, "objective/loss": 3.0, "objective/wa": 0.375
    }.items()  # fmt: skip
    assert score(trial, outcome("ravdess", None, rows, best=2))["objective/wa"] == 0.75


def test_accuracies_on_the_validation_subset_are_of_each_corpus_in_the_kept_epoch():
    trial = first_trial(of_vectors)
    rows = [{"epoch": n, "val/loss": 3.0 / n, "val/loss/ravdess": 1.0, "val/wa/ravdess": n / 4, "val/ua/ravdess": n / 5}
            for n in (1.0, 2.0)]  # fmt: skip
    found = score(trial, outcome("ravdess", None, rows, best=1))
    objectives = {name for name in found if name.startswith("objective/")}
    assert objectives == {"objective/loss", "objective/wa", "objective/wa/ravdess", "objective/ua/ravdess"}
    assert (found["objective/wa/ravdess"], found["objective/ua/ravdess"]) == (0.25, 0.2)


def test_corpora_that_are_validated_pooled_have_no_accuracy_of_their_own():
    rows = [{"epoch": 1.0, "val/loss": 1.0, "val/wa/pooled": 0.5, "val/ua/pooled": 0.5}]
    found = score(first_trial(of_vectors), outcome("ravdess", None, rows))
    assert {name for name in found if name.startswith("objective/")} == {"objective/loss", "objective/wa"}


def test_without_validation_there_is_no_objective(single):
    trial, predictions = single
    found = score(trial, outcome("ravdess", predictions, [{"epoch": 1.0, "test/loss": 1.0, "train/loss": 2.0}]))
    assert not [k for k in found if k.startswith("objective/")]


def test_clips_are_scored_beside_their_segments(clips):
    trial, predictions = clips
    found = score(trial, outcome("iemocap", predictions))
    names = ("sa", "aca", "sca", "alca", "bca", "wa", "ua")
    expected = (4 / 6, 1 / 3, 2 / 3, 2 / 3, 1.0, 2 / 3, 2 / 3)  # c ties: in bca, not in sca
    assert {n: found[f"{n}/iemocap"] for n in names} == pytest.approx(dict(zip(names, expected, strict=True)))
    assert found[f"recall/iemocap/{trial.classes[0]}"] == 0
    assert f"recall/iemocap/{trial.classes[2]}" not in found
    # Mean logits of the clips, whose probabilities are of the class said.
    means = np.array([[2, 0, 5, 0], [0, 3, 0, 0], [1.5, 0, 0, 3]]) / 3
    chances = np.exp(means) / np.exp(means).sum(axis=1, keepdims=True)
    assert found["nll/iemocap"] == pytest.approx(-np.log(chances[[0, 1, 2], [0, 1, 3]]).mean(), rel=1e-6)


def test_a_model_that_is_fitted_to_segments_has_no_calibration_either(clips):
    trial, predictions = clips
    fitted = replace(trial, block=part("svm", statistics=("mean",)))
    scores, of_network = (score(each, outcome("iemocap", predictions)) for each in (fitted, trial))
    assert {"ece/iemocap", "nll/iemocap"} <= set(of_network)
    assert not {"ece/iemocap", "nll/iemocap", "brier/iemocap"} & set(scores)
    assert scores["wa/iemocap"] == of_network["wa/iemocap"]


def test_several_labels_have_scores_of_their_own(several):
    trial, predictions = several
    found = score(trial, outcome("iemocap", predictions))
    assert not [k for k in found if k.startswith(("wa/", "ua/", "recall/"))]
    truth, said = predictions.truth > 0, predictions.logits > 0
    assert found["macro_f1/iemocap"] == pytest.approx(f1_score(truth, said, average="macro", zero_division=np.nan))
    assert found["subset/iemocap"] == pytest.approx(accuracy_score(truth, said))
    assert found["lrap/iemocap"] == pytest.approx(
        label_ranking_average_precision_score(truth, predictions.probabilities)
    )


def test_a_trial_that_tests_nothing_still_has_its_epochs():
    assert score(first_trial(of_vectors), outcome("ravdess"))["epochs"] == 0


def test_frames_of_a_segment_come_from_the_front_end(clips, single):
    assert segment_frames(clips[0].front_end) == 96
    assert segment_frames(single[0].front_end) == 0


# files


def written(folder, trial, predictions, corpus, state=False, facts=()):
    given = data(corpus, predictions.names, predictions.truth)
    proofs = {c.source: PROOF for c in trial.corpora}
    write(trial, outcome(corpus, predictions), given, proofs, dict(facts), folder, state)
    return list(csv.DictReader((folder / "predictions.csv").read_text().splitlines()))


def test_files_of_single_labels(single, tmp_path):
    trial, predictions = single
    rows = written(tmp_path / "files", trial, predictions, "ravdess")
    assert [r["uid"] for r in rows] == list("abcd")
    assert [r["label"] for r in rows] == [trial.classes[i] for i in (0, 1, 1, 1)]
    assert [r["predicted"] for r in rows] == [trial.classes[i] for i in (0, 2, 1, 1)]
    chance = np.exp([2.0, -1.0]) / (np.exp(2.0) + 7 * np.exp(-1.0))
    assert float(rows[1][f"p_{trial.classes[2]}"]) == pytest.approx(chance[0], rel=1e-6)
    assert float(rows[1][f"p_{trial.classes[5]}"]) == pytest.approx(chance[1], rel=1e-6)
    folder = tmp_path / "files"
    counts = json.loads((folder / "confusion/ravdess.json").read_text())["counts"]
    assert counts == accuracy.confusion(predictions.truth, predictions.predicted, 8).tolist()
    assert min(matplotlib.image.imread(folder / "confusion/ravdess.png").shape[:2]) > 100
    assert json.loads((folder / "split/ravdess.json").read_text()) == PROOF
    assert json.loads((folder / "statement.json").read_text())["block"]["name"] == trial.block.name
    assert torch.load(folder / "best.pt")["block.first.weight"].tolist() == [[1.0] * 3] * 2
    assert not (folder / "state.pt").exists()
    assert not (folder / "labels.json").exists()
    assert not (folder / "segments.json").exists()


def test_weights_of_an_encoders_layers_are_a_file_of_their_own(single, tmp_path):
    trial, predictions = single
    found = outcome("ravdess", predictions)
    write(
        trial,
        found,
        data("ravdess", predictions.names, predictions.truth),
        {"ravdess": PROOF},
        {},
        tmp_path / "a",
        False,
    )
    assert not (tmp_path / "a/layer_weights.json").exists()
    found.weights["layer_sum.logits"] = torch.tensor([0.0, np.log(3.0)])
    write(
        trial,
        found,
        data("ravdess", predictions.names, predictions.truth),
        {"ravdess": PROOF},
        {},
        tmp_path / "a",
        False,
    )
    content = json.loads((tmp_path / "a/layer_weights.json").read_text())
    assert content["corpora"] == [c.name for c in trial.corpora]
    assert content["front_end"] == str(trial.front_end)
    assert content["weights"] == pytest.approx({"0": 0.25, "1": 0.75})


def test_a_probability_of_one_is_not_one_of_nearly_one(single, tmp_path):
    trial, predictions = single
    logits = predictions.logits.copy()
    logits[0] = [17.0, 0, 0, 0, 0, 0, 0, 0]
    near = replace(predictions, logits=logits)
    rows = written(tmp_path / "files", trial, near, "ravdess")
    by_hand = np.float32(1 / (1 + 7 * math.exp(-17)))  # in single precision some processors' sums make a 1 of it
    assert np.float32(rows[0][f"p_{trial.classes[0]}"]) == near.probabilities[0, 0] == by_hand < 1


def test_files_of_segments_have_logits_by_utterance_and_matrices_of_clips(clips, tmp_path):
    trial, predictions = clips
    rows = written(tmp_path / "files", trial, predictions, "iemocap")
    assert [f"{r['uid']}#{r['segment']}" for r in rows] == list(predictions.names)
    assert [float(rows[2][f"l_{c}"]) for c in trial.classes] == [0, 0, 5, 0]
    matrix = np.array(json.loads((tmp_path / "files/confusion/iemocap.json").read_text())["counts"])
    assert matrix.sum() == 3
    assert (matrix[0, 2], matrix[1, 1], matrix[3, 3]) == (1, 1, 1)
    told = json.loads((tmp_path / "files/segments.json").read_text())["iemocap"]
    assert (told["utterances"], told["segments"]) == (4, 7)  # with the one that trains
    assert told["per_class"] == dict(zip(trial.classes, (4, 1, 0, 2), strict=True))


def test_files_of_several_labels_name_them_all_and_have_no_matrix(several, tmp_path):
    trial, predictions = several
    rows = written(tmp_path / "files", trial, predictions, "iemocap")
    assert [r["label"] for r in rows] == ["angry|fear", "neutral", "surprise"]
    sigmoid = 1 / (1 + np.exp(-predictions.logits[1, 2].astype(float)))
    assert float(rows[1][f"p_{trial.classes[2]}"]) == pytest.approx(sigmoid, rel=1e-6)
    assert list((tmp_path / "files/confusion").iterdir()) == []
    told = json.loads((tmp_path / "files/labels.json").read_text())["iemocap"]
    assert told["utterances"] == 4
    assert told["types"] == {"1": 2, "2": 2}
    assert told["labels"] == dict(zip(trial.classes, (1, 2, 0, 2, 0, 0, 1), strict=True))
    assert told["subsets"] == {"train": 1, "test": 3}


def test_the_end_state_is_left_where_others_start_from_it(single, tmp_path):
    written(tmp_path / "files", *single, "ravdess", state=True)
    assert checkpoint.load(tmp_path / "files/state.pt")["network"]["a"].tolist() == [1.0]


def test_what_an_attempt_before_left_is_gone(single, tmp_path):
    (tmp_path / "files").mkdir()
    (tmp_path / "files/old").write_text("x")
    written(tmp_path / "files", *single, "ravdess")
    assert not (tmp_path / "files/old").exists()


# who says what


def said(uid, **facts):
    return Utterance(uid, "ravdess", "", facts.pop("speaker", "ravdess/1"), "", "", **facts)


UNSAID = {"speaker": "", "sex": "", "session": "", "sentence": ""}


def test_predictions_say_who_speaks_and_what(single, tmp_path):
    trial, predictions = single
    utterances = [
        said("refused", speaker="ravdess/3"),
        said("b", sex="F", session="2", sentence="01"),
        said("a", sex="F", session="1", sentence="02"),
        said("d", speaker="ravdess/2", sex="M"),
    ]
    facts = {c.source: Facts(utterances) for c in trial.corpora}
    rows = written(tmp_path / "files", trial, predictions, "ravdess", facts=facts)
    assert [{name: row[name] for name in UNSAID} for row in rows] == [
        {"speaker": "ravdess/1", "sex": "F", "session": "1", "sentence": "02"},
        {"speaker": "ravdess/1", "sex": "F", "session": "2", "sentence": "01"},
        UNSAID,  # of c nothing is known
        UNSAID | {"speaker": "ravdess/2", "sex": "M"},
    ]
    assert list(rows[0])[:8] == ["corpus", "uid", "speaker", "sex", "session", "sentence", "label", "predicted"]


def test_every_segment_says_whose_it_is(clips, tmp_path):
    trial, predictions = clips
    utterances = [said(f"iemocap/{x}", speaker=f"iemocap/{x}", session=x) for x in "cab"]
    facts = {c.source: Facts(utterances) for c in trial.corpora}
    rows = written(tmp_path / "files", trial, predictions, "iemocap", facts=facts)
    assert [row["session"] for row in rows] == list("aaabcc")


def test_facts_are_cells_that_no_reader_takes_for_more():
    facts = Facts([said("a", session="=1+1", sentence="two\r\nlines")])
    assert facts.of(["a"]) == {"speaker": ["ravdess/1"], "sex": [""], "session": ["'=1+1"], "sentence": ["two lines"]}


def test_facts_travel_to_workers_whole():
    facts = Facts([said(f"u{i}", speaker=f"s{i % 3}", sex="FM"[i % 2]) for i in range(7)])
    there = pickle.loads(pickle.dumps(facts))
    assert there.of(["u5", "u1"]) == {
        "speaker": ["s2", "s1"],
        "sex": ["M", "M"],
        "session": [""] * 2,
        "sentence": [""] * 2,
    }

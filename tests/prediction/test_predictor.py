"""A run's model says of a recording of its test subset what its predictions say."""

import json
import shutil
from contextlib import suppress
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import soundfile
import torch
from scipy.special import softmax
from trained_runs import ENCODER_KINDS, of_kind

from ser import registry
from ser.data import audio, encoders
from ser.errors import BadInput
from ser.metrics import segments
from ser.prediction import Recording, load, served, unseen
from ser.prediction import predictor as predictor_module
from ser.prediction.predictor import FEWEST
from ser.study import part, settings_of
from ser.training.train import mean_of_heads
from ser.trials import inputs
from ser.trials.outputs import prediction_table

KINDS = (
    "frames",
    "frames_speaker",
    "frames_corpus",
    "heads",
    "segments",
    "several",
    "stacked",
    "lda",
    "logistic",
    "knn",
    "gmtfs",
    "lda_speaker",
    "encoder",
    "finetuned",
)


@pytest.fixture(scope="module")
def run_of(data, tmp_path_factory):
    """A finished run of each kind, made once."""
    return cache(lambda kind: of_kind(kind, data, tmp_path_factory.mktemp(kind)))


def recordings(run, uids=()):
    uids = uids or list(dict.fromkeys(run.table["uid"]))
    return [Recording(u, run.paths[u], speaker=run.speakers[u], sex=run.sexes[u]) for u in uids]


def corpus_of(run):
    """The corpus whose test subset the predictions are of, "" where it is no corpus that trains."""
    name = run.table["corpus"][0]
    return name if name in {c.name for c in run.trial.training_corpora} else ""


def answers_of(run, each=(), corpus=""):
    return list(load(run.files, corpus).predict(each or recordings(run)))


def scores_of(answers):
    return np.array([list(a.scores.values()) for a in answers])


@pytest.mark.parametrize("kind", KINDS)
def test_predictions_are_those_of_the_test_subset(run_of, kind):
    if kind in ENCODER_KINDS:
        pytest.importorskip("peft")
    run = run_of(kind)
    answers = answers_of(run, corpus=corpus_of(run))
    assert [a.error for a in answers] == [""] * len(answers)
    prefix = next(p for p in "pdl" if f"{p}_{run.trial.classes[0]}" in run.table)
    expected = run.columns(prefix).to_numpy(float)
    if prefix == "p":
        np.testing.assert_allclose(scores_of(answers), expected, atol=1e-5)
    else:
        logits = np.concatenate([a.logits for a in answers])
        np.testing.assert_allclose(logits, expected, rtol=1e-6, atol=1e-6 if prefix == "d" else 1e-5)
    if "predicted" in run.table and prefix != "l":
        assert [a.emotion for a in answers] == run.table["predicted"].tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_a_test_from_saved_files_answers_as_the_trial_did(run_of, kind):
    """As if the trial's own test subset were of a corpus that it has not seen."""
    if kind in ENCODER_KINDS:
        pytest.importorskip("peft")
    run = run_of(kind)
    (corpus,) = [c for c in run.trial.corpora if c.name == run.table["corpus"][0]]
    data = inputs.load(run.job, replace(run.trial, balance=part("none")), corpus)
    said = mean_of_heads(unseen.answers(load(run.files), data, "cpu"))
    table = prediction_table(run.trial, corpus.name, said, run.job.facts[corpus.source])
    assert list(table.columns) == list(run.table.columns)
    expected = run.table[run.table["corpus"] == corpus.name]
    for name in table.columns:
        if name[:2] in ("p_", "d_", "l_"):
            np.testing.assert_allclose(table[name], expected[name].astype(float), rtol=1e-6, atol=1e-6)
        elif name in ("uid", "segment", "label", "predicted"):
            assert table[name].tolist() == expected[name].tolist()


def test_damaged_weights_are_refused_wherever_they_are_damaged(run_of, tmp_path):
    """Torch's reader raises errors of many kinds, and advises to run what the file asks for."""
    run, draw = run_of("frames"), np.random.default_rng(0)
    shutil.copytree(run.files, tmp_path / "run")
    whole = (run.files / "best.pt").read_bytes()
    at = whole.index(b"heads")  # in the names of weights
    places = [*range(at - 8, at + 24), *draw.integers(len(whole), size=20)]
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 0x80
        (tmp_path / "run" / "best.pt").write_bytes(damaged)
        with suppress(BadInput):
            load(tmp_path / "run")
    torch.save({"weight": Recording}, tmp_path / "run" / "best.pt")
    with pytest.raises(BadInput, match="damaged, or more than weights"):
        load(tmp_path / "run")


def test_a_recording_alone_is_answered_as_among_others(run_of):
    run = run_of("frames")
    one = answers_of(run, recordings(run)[2:3])
    np.testing.assert_allclose(scores_of(one), scores_of(answers_of(run))[2:3], atol=1e-6)


# scores


def test_scores_are_probabilities_where_the_model_has_some(run_of):
    for kind, unit in {"frames": "probability", "logistic": "probability", "knn": "probability", "gmtfs": "probability",
                       "lda": "score", "several": "probability"}.items():  # fmt: skip
        predictor = load(run_of(kind).files, run_of(kind).table["corpus"][0])
        assert predictor.unit == unit
        scores = scores_of(predictor.predict(recordings(run_of(kind))))
        if unit == "probability" and kind != "several":
            np.testing.assert_allclose(scores.sum(1), 1, atol=1e-6)
    run = run_of("logistic")
    decisions = run.columns("d").to_numpy(float)
    powers = np.exp(decisions - decisions.max(1, keepdims=True))
    np.testing.assert_allclose(scores_of(answers_of(run)), powers / powers.sum(1, keepdims=True), atol=1e-6)


def test_without_a_corpus_all_heads_answer_and_their_mean(run_of):
    run = run_of("heads")
    whole = answers_of(run)
    heads = {name: scores_of(answers_of(run, corpus=name)) for name in ("tess", "ravdess")}
    np.testing.assert_allclose(scores_of(whole), (heads["tess"] + heads["ravdess"]) / 2, atol=1e-9)
    for number, answer in enumerate(whole):
        assert list(answer.heads) == ["tess", "ravdess"]
        for name, scores in answer.heads.items():
            np.testing.assert_allclose(list(scores.values()), heads[name][number])
        assert answer.emotion == max(answer.scores, key=answer.scores.get)
    assert np.abs(heads["tess"] - heads["ravdess"]).max() > 1e-3
    with pytest.raises(BadInput, match=r"--corpus: 'emodb'; allowed: tess, ravdess"):
        load(run.files, "emodb")


def test_an_utterance_of_several_segments_is_what_the_mean_of_their_logits_says(run_of, tmp_path):
    run = run_of("segments")
    wave, rate_hz = soundfile.read(next(iter(run.paths[uid] for uid in run.table["uid"])))
    voices = np.concatenate([wave, 0.3 * wave[::-1], wave[::2], wave])
    soundfile.write(tmp_path / "long.wav", voices, rate_hz)
    (answer,) = answers_of(run, [tmp_path / "long.wav"])
    front_end = run.trial.front_end
    module, settings = registry.find("frontends", front_end.name), settings_of("frontends", front_end)
    frames = module.extract(audio.load(tmp_path / "long.wav", settings.rate_hz), settings)
    parts = torch.from_numpy(frames).split(settings.patch)
    network = load(run.files).system.network
    with torch.no_grad():
        logits = np.concatenate([network(p, torch.tensor([len(p)]), "iemocap").numpy() for p in parts])
    assert len(answer.segments) == len(parts) > 1
    np.testing.assert_allclose(answer.logits, logits, atol=1e-5)
    np.testing.assert_allclose([list(p.values()) for p in answer.segments], softmax(logits, 1), atol=1e-5)
    np.testing.assert_allclose(list(answer.scores.values()), softmax(logits.mean(0)), atol=1e-5)
    assert answer.emotion == run.trial.classes[segments.clip_predictions([0] * len(parts), logits)[0]]


def test_a_recording_may_have_several_emotions_or_none(run_of):
    run = run_of("several")
    for answer in answers_of(run):
        assert answer.emotion.split("|") == ([n for n, p in answer.scores.items() if p > 0.5] or [""])


def test_tasks_are_corpus_and_sex_and_without_them_their_mean(run_of):
    run = run_of("gmtfs")
    predictor, each = load(run.files, "ravdess"), recordings(run)
    with_sex = scores_of(predictor.predict(each))
    without = scores_of(predictor.predict([replace(r, sex="") for r in each]))
    assert np.abs(with_sex - without).max() > 1e-4
    model = predictor.system.fitted.model
    vector = predictor.system.vector(run.trial, predictor._features(each[0], predictor.front_end()))
    x = model.scaling_.transform(vector[None])
    scores = x @ model.weights_.mean(1) + model.offsets_.mean(0)
    expected = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
    np.testing.assert_allclose(without[0][model.classes_], expected[0], atol=1e-6)


# normalised by speaker


@pytest.mark.parametrize(("kind", "who"), [("frames_speaker", "ravdess/"), ("frames_corpus", "all")])
def test_frames_normalised_together_need_enough_recordings(run_of, kind, who):
    run = run_of(kind)
    few = answers_of(run, [r for r in recordings(run) if r.speaker == recordings(run)[0].speaker][: FEWEST - 1])
    assert all(f"{FEWEST - 1} recordings of {who}" in a.error for a in few)
    assert len(few) == FEWEST - 1


def test_a_speaker_normalised_model_needs_the_speaker_and_enough_of_him(run_of):
    run = run_of("lda_speaker")
    each = recordings(run)
    nobody = answers_of(run, [replace(r, speaker="") for r in each])
    assert all("the speaker is not known" in a.error and "--one-speaker" in a.error for a in nobody)
    few = answers_of(run, each[: FEWEST - 1])
    assert all(f"{FEWEST - 1} recordings of ravdess" in a.error for a in few)
    mixed = answers_of(run, [*each, replace(each[0], speaker=""), Recording("gone", run.files / "gone.wav")])
    assert [bool(a.error) for a in mixed] == [False] * len(each) + [True, True]
    np.testing.assert_allclose(scores_of(mixed[:-2]), scores_of(answers_of(run)), atol=1e-9)


# what a front-end needs


def test_a_front_end_that_reads_text_asks_for_it(run_of, monkeypatch):
    run = run_of("frames")
    monkeypatch.setattr(predictor_module, "reads_text", lambda front_end: True)
    (answer,) = answers_of(run, recordings(run)[:1])
    assert "reads what is said" in answer.error
    assert "path, text" in answer.error


@pytest.mark.parametrize("kind", ENCODER_KINDS)
def test_a_model_on_an_encoder_asks_for_its_folder_before_anything(run_of, kind, monkeypatch):
    pytest.importorskip("peft")
    run = run_of(kind)
    expected = scores_of(answers_of(run))
    folder = next(p for p in run.files.parents if (p / "encoder").is_dir()) / "encoder"
    monkeypatch.setattr(encoders, "_folders", {})
    with pytest.raises(BadInput, match="--encoder"):
        load(run.files)
    monkeypatch.setenv("SER_ENCODERS", str(folder))
    np.testing.assert_allclose(scores_of(served.load(str(run.files)).predict(recordings(run))), expected, atol=1e-6)


def test_a_front_end_that_fails_on_one_recording_stops_nothing(run_of, monkeypatch):
    run, genuine = run_of("frames"), predictor_module._extracted

    def failing(recording, front_end):
        if recording.name == "third":
            raise ZeroDivisionError("of a plugin")
        return genuine(recording, front_end)

    monkeypatch.setattr(predictor_module, "_extracted", failing)
    each = recordings(run)
    answers = answers_of(run, [*each[:2], replace(each[2], name="third"), *each[3:]])
    assert answers[2].error == "log_stft: ZeroDivisionError: of a plugin"
    assert sum(bool(a.error) for a in answers) == 1


def test_a_recording_that_the_network_cannot_take_spoils_no_other(run_of, monkeypatch):
    run, genuine = run_of("frames"), predictor_module._extracted

    def spoilt(recording, front_end):
        frames = genuine(recording, front_end)
        return (
            frames[:, :-1] if recording.name == "third" else frames * np.nan if recording.name == "fourth" else frames
        )

    monkeypatch.setattr(predictor_module, "_extracted", spoilt)
    each = recordings(run)
    expected = answers_of(run)
    answers = answers_of(run, [*each[:2], replace(each[2], name="third"), replace(each[3], name="fourth"), *each[4:]])
    assert answers[2].error.startswith("tdnn: ")
    assert answers[3].error == "the model's answer is not finite"
    rest = [i for i in range(len(each)) if i not in (2, 3)]
    np.testing.assert_allclose(scores_of([answers[i] for i in rest]), scores_of([expected[i] for i in rest]), atol=1e-5)


def test_corpora_with_front_ends_of_their_own_have_to_be_named(run_of, tmp_path):
    run = run_of("frames")
    files = tmp_path / "files"
    shutil.copytree(run.files, files)
    values = json.loads((files / "statement.json").read_text())
    values["corpora"][0]["front_end"] = [["rate_hz", 16000]]
    (files / "statement.json").write_text(json.dumps(values))
    with pytest.raises(BadInput, match=r"2 front-ends of 2 corpora.*--corpus NAME"):
        next(load(files).predict(recordings(run)))
    answers = list(load(files, "ravdess").predict(recordings(run)))
    np.testing.assert_allclose(scores_of(answers), scores_of(answers_of(run)), atol=1e-6)
    others = list(load(files, "tess").predict(recordings(run)))
    assert np.abs(scores_of(answers) - scores_of(others)).max() > 1e-3

"""A study of a person's own that fine-tunes an encoder, from recordings to delivered runs; killed, it goes on alike."""

import csv
import shutil
from contextlib import nullcontext
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch

from ser import prediction
from ser.demo import encoder
from ser.errors import BadInput
from ser.features.store import Store
from ser.models import finetuned
from ser.planning import request as requests
from ser.planning.request import CorpusRequest, Request
from ser.runs.location import Location
from ser.runs.outcomes import Finished
from ser.runs.tracker import Tracker
from ser.training import checkpoint
from ser.trials import run as one
from ser.trials.estimate import estimate
from ser.trials.job import job_of

# peft is not imported for it: processes that collect these tests without running them would take seconds.
pytestmark = pytest.mark.skipif(find_spec("peft") is None, reason="needs ser[pretrained]")
STUDY = '''"""Whether a fine-tuned encoder tells low tones from high ones."""

from ser.study import Corpus, Features, Study, Training, grid, part

SPEAKERS = part("speakers", train=0.6, val=0.2, test=0.2, seed=0)

study = Study(
    name="tones",
    title="Tones",
    report="",
    corpora=(),
    other_corpora=SPEAKERS,
    classes=("happy", "sad"),
    features=Features(part("samples", longest_s=0.5), "none"),
    blocks=(part("finetuned", units=16, rate=0.5, top=1),),
    training=Training(
        learning_rate=1e-2,
        weight_decay=0.0,
        clip_norm=1.0,
        batch_size=8,
        batches="corpus",
        bucket_pool=1,
        steps_per_epoch=0,
        max_epochs=10,
        patience_epochs=0,
        min_improvement=0.0,
        keep="best",
        watch=("train",),
        loss="cross_entropy",
        class_weights="none",
        optimiser="adam",
        epsilon=1e-8,
        precision="float32",
        stacked=False,
    ),
    points=lambda corpora, _: grid(
        corpora=[(name,) for name in corpora], block=["finetuned"], pooling=["none"], task=["unified"],
        **{"finetuned.method": ["top", "lora", "all"]},
    ),
    expect=0,
)
'''  # fmt: skip
HZ = {"sad": 300, "happy": 1500}
bar = lambda title: nullcontext(lambda done, of: None)  # noqa: E731


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    """Five speakers with eight tones each, of unequal lengths, and noise."""
    root, rng, rows = tmp_path_factory.mktemp("tones"), np.random.default_rng(0), []
    for speaker in "abcde":
        for number in range(8):
            label, name = sorted(HZ)[number % 2], f"{speaker}{number}.wav"
            time = np.arange(rng.integers(4000, 9000)) / 16000
            wave = 0.3 * np.sin(2 * np.pi * HZ[label] * rng.uniform(0.9, 1.1) * time) + 0.02 * rng.normal(
                size=len(time)
            )
            soundfile.write(root / name, wave, 16000)
            rows.append({"path": name, "label": label, "speaker": speaker})
    with (root / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return root


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return encoder.make(tmp_path_factory.mktemp("encoder") / "tiny", "wav2vec2", norm="layer", width=16, layers=2)


@pytest.fixture
def ask(tones, folder, tmp_path):
    path = tmp_path / "tones.py"
    path.write_text(STUDY)

    def asked(*settings, encoders=(("tiny", folder),)):
        corpora = (CorpusRequest("tones", tones),)
        return Request(str(path), tmp_path, corpora=corpora, settings=settings, encoders=encoders)

    return asked


@pytest.fixture
def job(ask, empty_ledger, tmp_path):
    """The plan and what a worker needs for it, features computed."""
    plan = requests.plan_of(ask(), bar)
    store = Store(tmp_path / "store")
    requests.prepare(plan, store, {}, bar)
    shutil.copy(empty_ledger, tmp_path / "mlflow.db")
    return plan, job_of(plan, Location.of(tmp_path, None), tmp_path, str(store.local), "cpu", 1, "test", [])


class Killed(Exception):
    pass


def test_it_learns_by_each_method_and_keeps_what_has_learned(job):
    plan, each = job
    assert [t.block["method"] for t in plan.trials] == ["top", "lora", "all"]
    assert any("left to train" in line for line in estimate(plan, plan.trials, 1, {}).lines)
    sizes = {}
    for trial in plan.trials:
        assert isinstance(one.run(each, trial, raise_errors=True), Finished)
    tracker = Tracker(each.where, "tones")
    for trial in plan.trials:
        run = tracker.finished()[trial.id]
        assert run.data.metrics["wa/tones"] > 0.8
        assert tracker.client.get_metric_history(run.info.run_id, "train/wa/tones")[-1].value == 1.0
        weights = torch.load(tracker.artifact(run, "best.pt"), weights_only=True)
        sizes[trial.block["method"]] = sum(w.numel() for name, w in weights.items() if name.startswith("block.encoder"))
        assert run.data.metrics["parameters"] > sizes[trial.block["method"]]
        assert run.data.params["block.encoder"] == plan.study.encoders[0][1]
    assert sizes["lora"] == 2 * 2 * 2 * 8 * 16  # layers, projections, two matrices of 8 x 16
    assert sizes["lora"] < sizes["top"] < sizes["all"]


def check_predictions(folder, tones):
    """The run's model, read back from its files, answers of recordings what it has answered in the run."""
    (table,) = (pd.read_csv(path) for path in folder.rglob("predictions.csv"))
    model = prediction.load(next(folder.rglob("best.pt")).parent)
    answers = list(model.predict([tones / f"{uid.rpartition('/')[2]}.wav" for uid in table["uid"]]))
    for answer, (_, row) in zip(answers, table.iterrows(), strict=True):
        assert (answer.error, answer.emotion) == ("", row["predicted"])
        assert answer.scores["sad"] == pytest.approx(row["p_sad"], abs=1e-4)


@pytest.mark.parametrize("method", ["lora", "all"])
def test_killed_after_an_epoch_it_goes_on_to_the_same_bits(job, tones, tmp_path, method):
    plan, each = job
    (trial,) = (t for t in plan.trials if t.block["method"] == method)
    curves, whole = [], []

    def interrupt(epoch, row):
        curves.append(row["train/loss"])
        if len(curves) == 2:
            raise Killed

    with pytest.raises(Killed):
        one.run(each.untracked(), trial, interrupt)
    torch.manual_seed(99)
    np.random.seed(99)  # noqa: NPY002 what happens elsewhere in the process must not matter
    curves.clear()
    (path,) = (tmp_path / "untracked").rglob("checkpoint.pt")
    state = checkpoint.load(path)
    assert not any("feature_extractor" in name for name in {**state["network"], **state["best"]})
    one.run(each.untracked(), trial, lambda epoch, row: curves.append([row[k] for k in sorted(row) if "loss" in k]))
    one.run(each, trial, lambda epoch, row: whole.append([row[k] for k in sorted(row) if "loss" in k]))
    assert len(whole) == 10
    assert curves == whole
    check_predictions(path.parents[0], tones)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ((("normalise", "train"),), "normalise, with finetuned: 'train'; allowed: none"),
        ((("front_end", "log_mel"),), "front_end of finetuned: log_mel; allowed: samples"),
        ((("finetuned.top", 3),), "finetuned.top: 3; allowed: 1 to 2"),
        ((("front_end.rate_hz", 8000),), "front_end of finetuned: rate_hz: 8000; allowed: 16000"),
    ],
)
def test_what_it_cannot_learn_from_is_refused_before_anything_is_computed(ask, settings, message):
    with pytest.raises(BadInput, match=message):
        requests.plan_of(ask(*settings), bar)


def test_without_an_encoder_it_is_refused(ask):
    with pytest.raises(BadInput, match="--encoder NAME=DIR"):
        requests.check(ask(encoders=()))


def test_adapters_without_their_package_are_refused_with_what_installs_it(ask, monkeypatch):
    monkeypatch.setattr(finetuned, "find_spec", lambda name: None)
    with pytest.raises(BadInput, match=r"no peft; allowed: the package peft; pip install 'ser\[pretrained\]'"):
        requests.plan_of(ask(), bar)

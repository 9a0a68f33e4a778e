"""One small trained run of each kind, with its files and its recordings: shared by the tests of predictions."""

from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import tiny_search
import tiny_survey

from experiments.interaffection import study as frames
from experiments.multilabel import study as multilabel
from experiments.segments import study as segments
from ser.data import encoders
from ser.data.scan import scan
from ser.demo import encoder
from ser.features.store import Store
from ser.planning.plan import Plan, resolve
from ser.runs.folder import RunFolder
from ser.runs.location import Location
from ser.study import Features, Study, System, Trial, override, part
from ser.trials import group
from ser.trials import run as one
from ser.trials.job import Job, job_of

FRAMES = {
    "augmentation": "none",
    "tdnn.units": 8,
    "tdnn.layers": 2,
    "training.learning_rate": 3e-3,
    "training.steps_per_epoch": 4,
    "training.max_epochs": 2,
    "training.batch_size": 4,
    "reference": "none",
}
SEGMENTS = {
    "mlp.units": 8,
    "training.max_epochs": 2,
    "training.patience_epochs": 0,
    "front_end.mels": 8,
    "training.keep": "last",
    "reference": "none",
}
SEVERAL = {
    "front_end.rate_hz": 8000,
    "front_end.window": 512,
    "front_end.hop": 256,
    "front_end.fft": 512,
    "front_end.mels": 12,
    "front_end.high_hz": 4000.0,
    "front_end.seconds": 1.0,
    "cnn2d.filters": (3, 2),
    "cnn2d.dense": (4,),
    "cnn2d.frames": 30,
    "training.class_weights": "none",
    "training.max_epochs": 2,
    "reference": "none",
}
SYSTEMS = {
    "lda": tiny_survey.LDA,
    "logistic": part("logistic", **tiny_survey.STEPS),
    "knn": part("knn", **tiny_survey.STEPS, neighbours=3),
    "gmtfs": tiny_survey.TASKS,
}


PRETRAINED = {"block": "projection", "pooling": "mean_var", "task": "unified", "front_end.layers": "all",
              "front_end.stored": "float16"}  # fmt: skip
TUNED = {"block": "finetuned", "pooling": "none", "task": "unified", "front_end": part("samples", longest_s=1.0),
         "normalise": "none", "finetuned.method": "lora", "finetuned.units": 4}  # fmt: skip
ENCODER_KINDS = {"encoder": PRETRAINED, "finetuned": TUNED}


# Networks, normalised by their own speakers, and by a whole corpus, of which nothing trains.
NORMALISED: dict[str, dict[str, object]] = {
    "frames_speaker": {"normalise": "speaker"},
    "frames_corpus": {"normalise": "corpus", "ravdess.split": "unseen"},
}


@dataclass(frozen=True)
class Trained:
    """A finished trial: ``files`` of its run, ``table`` its predictions, ``paths`` of its recordings by uid."""

    trial: Trial
    files: Path
    table: pd.DataFrame
    paths: dict[str, str]
    sexes: dict[str, str]
    speakers: dict[str, str]
    job: Job

    def columns(self, prefix: str) -> pd.DataFrame:
        """The values of each class in the predictions, float [rows, classes]."""
        return self.table[[f"{prefix}_{name}" for name in self.trial.classes]]


def changed(study: Study, settings: dict[str, object]) -> Study:
    """The study with other settings."""
    for path, value in settings.items():
        study = override(study, path, value)
    return study


def plan_of(study: Study, data: Path, cache: Path, *names: str) -> Plan:
    """The study's plan over the miniatures of some of its corpora."""
    corpora = [c for c in study.corpora if c.name in names]
    return resolve(study, {c.name: scan(c.name, c.loader.name, data, c.loader.values(), cache) for c in corpora})


def trained(plan: Plan, trial: Trial, cache: Path) -> Trained:
    """Trains one trial of a plan, without a tracking store."""
    for corpus in trial.corpora:
        for recipe in plan.sources[corpus.source].entries:
            if recipe.front_end == corpus.front_end_for(trial.front_end):
                Store(cache / "store").build(recipe)
    job = job_of(plan, Location.of(cache, None), cache, str(cache / "store"), "cpu", 1, "test", []).untracked()
    alone = group.group_key(trial) is None
    outcome = one.run(job, trial, raise_errors=True) if alone else group.run(job, [trial])[trial.id]
    files = RunFolder(job.work, trial.id).files
    assert (files / "predictions.csv").exists(), outcome
    utterances = [u for m in plan.manifests.values() for u in m.utterances]
    by_uid = {u.uid: u for u in utterances}
    return Trained(
        trial,
        files,
        pd.read_csv(files / "predictions.csv", keep_default_na=False),
        {uid: u.path for uid, u in by_uid.items()},
        {uid: u.sex for uid, u in by_uid.items()},
        {uid: u.speaker for uid, u in by_uid.items()},
        job,
    )


def of_kind(kind: str, data: Path, cache: Path) -> Trained:
    """A trained run: "frames", "heads", "segments", "several", "stacked", a fitted system; "…_speaker": by speaker."""
    if kind in ("frames", "heads", *NORMALISED):
        settings = FRAMES | NORMALISED.get(kind, {})
        plan = plan_of(changed(frames, settings), data, cache, "tess", "ravdess")
        shape = ("T+R", "tdnn", "mean_var", "multi" if kind == "heads" else "unified")
        trial = next(t for t in plan.trials if (t.combination, t.block.name, t.pooling, t.task) == shape)
    elif kind == "segments":
        plan = plan_of(changed(segments, SEGMENTS), data, cache, "iemocap")
        trial = next(t for t in plan.trials if t.block.name == "mlp")
    elif kind == "several":
        plan = plan_of(changed(multilabel, SEVERAL), data, cache, "iemocap")
        trial = next(t for t in plan.trials if t.block.name == "cnn2d")
    elif kind == "stacked":
        plan = tiny_search.plan(tiny_search.study("cnn1d"), data, cache)
        trial = next(t for t in plan.trials if group.group_key(t) is not None)
    elif kind in ENCODER_KINDS:
        plan = encoder_plan(ENCODER_KINDS[kind], data, cache)
        (trial,) = plan.trials
    else:
        name = kind.removesuffix("_speaker")
        system = System(kind, SYSTEMS[name], normalise="speaker" if name != kind else "none")
        study = replace(tiny_survey.study((system,)), expect=2, points=points_of(kind))
        plan = tiny_survey.plan(study, data, cache)
        trial = next(t for t in plan.trials if t.role.values()["protocol"] == "si")
    return trained(plan, trial, cache)


def encoder_plan(point: dict[str, object], data: Path, cache: Path) -> Plan:
    """One network on a tiny encoder with random weights, over the miniature of RAVDESS."""
    folder = encoder.make(cache / "encoder", width=8, layers=2)
    identity = str(encoders.examine(folder))
    encoders.remember({identity: folder})
    study = replace(
        frames,
        features=Features(part("pretrained"), "train"),
        blocks=(part("projection", units=4), part("finetuned", units=4)),
        corpora=tuple(c for c in frames.corpora if c.name == "ravdess"),
        points=lambda corpora, _: [{"corpora": corpora, **point}],
        expect=1,
    ).with_encoders([("tiny", identity)])
    settings = {k: v for k, v in FRAMES.items() if not k.startswith("tdnn.")}
    return plan_of(changed(study, settings), data, cache, "ravdess")


def points_of(system: str):
    """One system by both protocols."""

    def points(corpora, train_only):
        return [
            {"corpora": (name,), "system": system, "protocol": protocol, "fold": "all"}
            for name in corpora
            for protocol in ("sd", "si")
        ]

    return points

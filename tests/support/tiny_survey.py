"""A survey of a few small systems over the miniature of RAVDESS, spoken and sung: shared by tests of such studies."""

from dataclasses import replace
from pathlib import Path

from experiments.survey import SD, SI_SPEAKERS
from experiments.survey import study as paper
from ser.data.scan import scan
from ser.features.store import Store
from ser.planning.plan import Plan, resolve
from ser.runs.location import Location
from ser.study import Comparison, Corpus, Study, System, part
from ser.trials.job import Job, job_of

FRAMES = part("time_domain", rate_hz=8000, window=256, hop=128, zero=1e-10)
STEPS = {"statistics": ("mean", "std"), "scaling": "standard", "select": 0, "clusters": 0}
LDA = part("lda", **STEPS, solver="lsqr", shrinkage="auto")
TASKS = part("gmtfs", statistics=("mean", "std"), scaling="standard", penalty=0.01, iterations=200, tolerance=1e-3)
CNN = part("tdnn", units=6, layers=1, context=(-1, 0, 1), dropout=0.0)
TURNS = (("batches", "corpus"), ("steps_per_epoch", 3))
LOUDER = (part("volume", gain_db=(-6.0, 6.0), seed=0),)
SYSTEMS = (
    System("lda", LDA, normalise="none"),
    System("lda_speaker", LDA, normalise="speaker"),
    System("cnn", CNN, pooling="mean"),
    System("cnn_copying", CNN, pooling="mean", balance=part("copying")),
    System("cnn_signal", CNN, pooling="mean", balance=part("signal", copies=2), augmentation=LOUDER),
    System("tasks", TASKS, normalise="speaker", needs=("song",)),
    System("heads", CNN, pooling="mean", task="multi", training=TURNS, needs=("song",)),
    System("words", CNN.changed(units=5), pooling="mean", needs=("text",)),
    System("never", CNN, pooling="mean", impossible="it cannot be"),
)
CORPUS = Corpus("ravdess", "R", part("ravdess", channels=("speech", "song"), actors=()), SI_SPEAKERS)


def points(corpora, train_only):
    """Every system by both protocols."""
    return [
        {"corpora": (name,), "system": system.name, "protocol": protocol, "fold": "all"}
        for name in corpora
        for system in SYSTEMS
        for protocol in ("sd", "si")
    ]


def study(systems=SYSTEMS, folds=1, **changed) -> Study:
    """The tiny survey, with one fold of either protocol unless told otherwise."""
    made = replace(
        paper,
        corpora=(CORPUS,),
        features=replace(paper.features, front_end=FRAMES),
        training=replace(paper.training, max_epochs=2, batch_size=16),
        points=points,
        expect=2 * len(SYSTEMS),
        comparison=Comparison(systems, (("sd", SD.changed(folds=3)), ("si", None)), folds=folds),
    )
    return replace(made, **changed)


def plan(made: Study, data: Path, cache: Path) -> Plan:
    """The plan over the miniature below ``data``."""
    manifest = scan("ravdess", "ravdess", data, made.corpora[0].loader.values(), cache / "scans")
    return resolve(made, {"ravdess": manifest})


def job(made: Plan, cache: Path, work: Path) -> Job:
    """What a worker needs for it, with features built once in ``cache``."""
    store = Store(cache / "store")
    for source in made.sources.values():
        for recipe in source.entries:
            store.build(recipe)
    return job_of(made, Location.of(work, None), work, str(cache / "store"), "cpu", 1, "test", [])

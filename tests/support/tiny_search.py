"""The search of paper 001 over a miniature of RAVDESS, cut down to seconds: shared by the tests of searches."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from experiments.mfcc_networks import study as paper
from ser.data.scan import scan
from ser.features.store import Store
from ser.planning.plan import Plan, resolve
from ser.runs.location import Location
from ser.study import Corpus, Part, Search, Study, Trial, part, trial_of
from ser.trials.job import Job, job_of

ACTORS = ("01", "02", "03", "04", "05", "06")  # of the miniature
CORPUS = Corpus(
    "ravdess",
    "R",
    part("ravdess", channels=("speech",), actors=ACTORS),
    part("holdout", by="utterance", test=0.25, seed=42, drop=0, folds=2, fold=0),
)
RANDOM = part("random", candidates=4, seed=0, by="wa", folds=2, per_shape=2, shape=("cnn1d.filters", "rnn.units"))
ALONE = part("none")
SPACE = (
    ("training.learning_rate", part("log_uniform", low=1e-4, high=1e-2)),
    ("training.optimiser", part("choice", values=("rmsprop", "adam", "sgd"))),
    ("cnn1d.filters", part("choice", values=((4, 3), (3, 2)))),
    ("rnn.units", part("choice", values=(3, 5))),
)
FINAL = (("training.max_epochs", 4), ("training.watch", ("train", "test")))


def points(blocks, corpora, train_only):
    """The printed networks of these blocks."""
    return [{"corpora": corpora, "block": name, "final": True, "role": part("printed")} for name in blocks]


def study(*blocks: str, search: Part = RANDOM, scheduler: Part = ALONE, **training) -> Study:
    """Paper 001's study of some of its blocks ("cnn1d" alone where none is named), with few small candidates."""
    blocks = blocks or ("cnn1d",)
    settings = {"max_epochs": 3, "batch_size": 16, **training}
    return replace(
        paper,
        corpora=(CORPUS,),
        features=replace(
            paper.features,
            front_end=paper.features.front_end.changed(rate_hz=8000, window=512, hop=256, mels=40, coefficients=20),
        ),
        blocks=(part("cnn1d", filters=(4, 3), kernel=3, pool=2, dropout=0.25, init="glorot"), paper.block("rnn")),
        training=replace(paper.training, **settings),
        points=partial(points, blocks),
        expect=len(blocks),
        search=Search(search, SPACE, FINAL, scheduler),
    )


def with_space(study: Study, space) -> Study:
    """The study with another search space."""
    return replace(study, search=replace(study.search, space=space))


def first(study: Study, losses=None, seed=0) -> list[Trial]:
    """All trials that the study's search knows by ``losses``, without any corpus on disk."""
    from ser.planning.search import unfold

    statement = partial(trial_of, study, corpora={c.name: c for c in study.corpora}, seed=seed)
    return unfold(study, study.grid(study.corpora), statement, seed, losses or {})


def plan(study: Study, data: Path, cache: Path) -> Plan:
    """The plan over the miniature below ``data``; the store for it is in ``cache``."""
    manifest = scan("ravdess", "ravdess", data, study.corpora[0].loader.values(), cache / "scans")
    return resolve(study, {"ravdess": manifest})


def job(made: Plan, cache: Path, work: Path) -> Job:
    """What a worker needs for it, with features built once in ``cache``."""
    store = Store(cache / "store")
    for source in made.sources.values():
        for recipe in source.recipes:
            store.build(recipe)
    return job_of(made, Location.of(work, None), work, str(cache / "store"), "cpu", 1, "test", [])

"""Tiny corpora, a tiny study over them, and fresh places to run it: shared by the tests of the core."""

import gc
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import soundfile
import torch
from chaos import facts
from sqlalchemy import event
from sqlalchemy.engine import Engine

from experiments.interaffection import study as paper_study
from ser import registry
from ser.cli.main import _request, arguments
from ser.data.manifest import Manifest, Utterance
from ser.data.scan import scan
from ser.features.store import Store
from ser.planning import request
from ser.planning.plan import Plan, resolve
from ser.runs.location import Location
from ser.runs.outcomes import Finished
from ser.runs.tracker import Tracker
from ser.study import Study, Trial, override
from ser.trials import run as one
from ser.trials.job import Job, job_of


def pytest_configure(config: pytest.Config) -> None:
    """Warnings are errors, but for one between MLflow and SQLAlchemy; Ray's workers have the priority of tests."""
    config.addinivalue_line("filterwarnings", "ignore:The ``noload`` loader strategy:DeprecationWarning")
    # Ray runs its workers at niceness 15: while other tests compute, they got a thirtieth of a processor.
    os.environ.setdefault("RAY_worker_niceness", "0")


# Files of a quarter of a minute and more, most of which wait for processes: begun last, one of them would go on alone.
FIRST = ("test_killed", "test_launch", "test_tracking_faults", "test_searches_run", "test_nodes", "test_wheel")
FIRST += ("test_docs", "test_store_faults", "test_training_faults", "test_postgres", "test_features", "test_families")
FIRST += ("test_survey_systems", "test_train", "test_every_loader", "test_trial_faults")


class Backwards(pytest.Dir):
    """A folder whose files are collected from the last to the first."""

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        return reversed(list(super().collect()))


def pytest_collect_directory(path: Path, parent: pytest.Collector) -> pytest.Dir | None:
    """Every other worker collects backwards: of the asserts, each rewrites a half, and reads the half of the other."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    return Backwards.from_parent(parent, path=path) if int(worker[2:]) % 2 else None


def pytest_sessionstart() -> None:
    """Half a million objects come, and none goes, while tests are collected."""
    gc.disable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The dearest files come first, as with two workers the last file decides when all is over."""
    rank = {name: number for number, name in enumerate(FIRST)}
    items.sort(key=lambda item: (rank.get(item.path.stem, len(FIRST)), item.path))


def pytest_collection_finish() -> None:
    """What stays to the end is not looked at again by each collection of cycles."""
    gc.collect()
    gc.freeze()
    gc.enable()


TINY = {
    "lstm.prep_units": 8,
    "lstm.units": 4,
    "blstm.prep_units": 8,
    "blstm.units": 4,
    "tdnn.units": 8,
    "tdnn.layers": 2,
    "training.learning_rate": 3e-3,
    "training.steps_per_epoch": 4,
    "training.max_epochs": 2,
    "training.batch_size": 4,
    "training.bucket_pool": 2,
    "reference": "none",
}


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """As trials run; two threads on a busy machine wait for each other."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def _no_waiting_for_disks() -> None:
    """Only a power cut would lose what is not written through; a killed process loses nothing."""
    os.fsync = lambda file: None
    soundfile.SoundFile.flush = lambda file: None  # which closing a file calls, and which waits for the disk

    def unsynchronised(connection: object, record: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous=OFF")

    event.listen(Engine, "connect", unsynchronised)


@pytest.fixture(autouse=True)
def _denormals() -> Iterator[None]:
    """Trials flush them to zero, for the whole process; other tests want numbers as they are."""
    yield
    torch.set_flush_denormal(False)


@pytest.fixture(scope="session")
def paper() -> Study:
    """The study of da Silva et al. as its file states it."""
    return paper_study


@pytest.fixture(scope="session")
def study(paper: Study) -> Study:
    """The same with networks and a budget for seconds, without augmentation and references."""
    tiny = override(paper, "augmentation", "none")
    for path, value in TINY.items():
        tiny = override(tiny, path, value)
    return tiny


@pytest.fixture(scope="session")
def tiny() -> list[str]:
    """The settings of ``study`` as a person writes them."""
    return [f"--set={path}={value}" for path, value in {"augmentation": "none", **TINY}.items()]


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the miniatures of the paper's four corpora."""
    root = tmp_path_factory.mktemp("data")
    for loader in ("iemocap", "tess", "ravdess", "manifest_csv"):
        registry.find("corpora", loader).miniature(root)
    return root


@pytest.fixture(scope="session")
def manifests(data: Path, paper: Study, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Manifest]:
    """The four miniatures, scanned."""
    cache = tmp_path_factory.mktemp("scans")
    return {c.name: scan(c.name, c.loader.name, data, c.loader.values(), cache) for c in paper.corpora}


@pytest.fixture(scope="session")
def plan(study: Study, manifests: dict[str, Manifest]) -> Plan:
    """The grid over two corpora, one of which is only trained on: 24 trials, 18 of them to train."""
    return resolve(study, {name: manifests[name] for name in ("tess", "ravdess")})


@pytest.fixture(scope="session")
def features(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that holds all features of ``plan``."""
    folder = tmp_path_factory.mktemp("store")
    store = Store(folder)
    for source in plan.sources.values():
        for recipe in source.recipes:
            store.build(recipe)
    return folder


@pytest.fixture(scope="session")
def empty_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database with all its tables, made once and copied, since making one takes seconds."""
    work = tmp_path_factory.mktemp("ledger")
    Tracker(Location.of(work, None), "unused")
    return work / "mlflow.db"


@pytest.fixture
def where(empty_ledger: Path, tmp_path: Path) -> Location:
    """A tracking store of one's own, without runs."""
    shutil.copy(empty_ledger, tmp_path / "mlflow.db")
    return Location.of(tmp_path, None)


@pytest.fixture
def job(plan: Plan, features: Path, where: Location, tmp_path: Path) -> Job:
    """What a worker needs to run a trial of ``plan``."""
    return job_of(plan, where, tmp_path, str(features), "cpu", 1, "test", ["a note"])


@pytest.fixture(scope="session")
def trial_of(plan: Plan) -> Callable[..., Trial]:
    """Finds the trial of ``plan`` with the given letters, and changes its training where asked."""

    def find(combination: str, block: str = "lstm", pooling: str = "mean", task: str = "unified", **changed) -> Trial:
        wanted = (combination, block, pooling, task)
        (trial,) = [t for t in plan.trials if (t.combination, t.block.name, t.pooling, t.task) == wanted]
        return replace(trial, training=replace(trial.training, **changed))

    return find


@pytest.fixture(scope="session")
def utterance() -> Callable[..., Utterance]:
    """Makes an utterance from a speaker and a number; anything else by keyword."""

    def make(speaker: str, number: int, corpus: str = "corpus", **other) -> Utterance:
        uid = f"{corpus}/{speaker}_{number:03d}"
        given = {"path": f"/{uid}.wav", "label_raw": "happy", "label": "happy", "sex": "F", "sha": f"sha of {uid}"}
        return Utterance(uid=uid, corpus=corpus, speaker=f"{corpus}/{speaker}", **{**given, **other})

    return make


@pytest.fixture(scope="session")
def one_at_once(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A profile with a single worker, as every further one takes seconds to start."""
    path = tmp_path_factory.mktemp("profile") / "one.toml"
    shares = 'device = "cpu"\ncpus_per_trial = 1\ngpus_per_trial = 0.0\ntrials_at_once = 1\n'
    path.write_text(f"{shares}minutes_without_progress = 30\n")
    return ["--profile", str(path)]


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, empty_ledger: Path) -> Callable[..., dict[str, Any]]:
    """The numbers that a command's trials have when one process trains them in peace, by trial id."""

    def quiet_bar(title: str) -> Any:
        return nullcontext(lambda done, of: None)

    @cache
    def numbers(*command: str) -> dict[str, Any]:
        work = tmp_path_factory.mktemp("undisturbed")
        shutil.copy(empty_ledger, work / "mlflow.db")
        args = arguments([*command, "--work", str(work)])
        plan = request.plan_of(_request(args), quiet_bar)
        store = Store(work / "store")
        request.prepare(plan, store, {}, quiet_bar)
        where = Location.of(work, None)
        job = job_of(plan, where, work, str(store.local), "cpu", 1, "test", [])
        for trial in plan.to_run:
            assert isinstance(one.run(job, trial), Finished)
        tracker = Tracker(where, plan.study.name)
        return {trial_id: facts(tracker, run) for trial_id, run in tracker.finished().items()}

    return numbers

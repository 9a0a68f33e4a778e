"""One trial on one worker: features from the store, training, everything into its run. Knows nothing of Ray."""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ser import registry
from ser.data.manifest import SPLITS, Utterance
from ser.data.splits import prove
from ser.errors import BadInput
from ser.features.remote import is_far
from ser.features.store import Features, Names, Store
from ser.files import Damaged
from ser.planning.plan import Plan, Source
from ser.runs import attempts
from ser.runs.delivery import Delivery
from ser.runs.folder import Head, RunFolder, work_id
from ser.runs.outcomes import Busy, Failed, Finished, StoreDamaged, TrialOutcome, Undelivered
from ser.runs.replica import Replica, place
from ser.runs.tracker import Location, Tracker, grid_tags, without_secrets
from ser.study import Corpus, Trial, settings_of
from ser.training import checkpoint
from ser.training.batches import Frames, Items
from ser.training.fit import fit, is_fitted
from ser.training.train import CorpusData, Diverged, Outcome, is_out_of_memory, train
from ser.trials.outputs import score, segment, write

_SEXES = {"F": 1, "M": 2}
_SHARE_OF_FREE = 0.1  # of a card's free memory, for one corpus's side in one of several processes on the card


class Side:
    """Names of store items and their classes, as arrays: every worker holds every side of every corpus.

    ``labels`` are class indices int64 [items], or k-hot float32 [items, classes] where an item may have several;
    ``voices`` int32 [items, 2] the number of the speaker in the corpus, and the sex: 1 female, 2 male, 0 unknown.
    """

    def __init__(self, names: Iterable[str], labels: npt.ArrayLike, voices: npt.ArrayLike = ()) -> None:
        self.names = Names(names)
        self.labels = np.asarray(labels)
        self.voices = np.asarray(voices, np.int32).reshape(-1, 2)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Side):
            return NotImplemented
        same = np.array_equal(self.labels, other.labels) and np.array_equal(self.voices, other.voices)
        return self.names == other.names and same

    def __hash__(self) -> int:
        return hash(self.names)


@dataclass(frozen=True)
class Job:
    """What workers need and no statement may hold: places, and which store items stand on which side."""

    study: str
    where: Location
    work: str
    store: str
    keys: Mapping[str, Mapping[str, tuple[str, ...]]]  # corpus as split -> front-end -> its store entries
    sides: Mapping[str, Mapping[str, Side]]  # corpus as split -> train | val | test
    spare: Mapping[str, Side]  # corpus as split -> augmented copies that may balance the classes of its training side
    proofs: Mapping[str, dict[str, Any]]  # corpus as split -> the leakage gate's proof
    tags: Mapping[str, str]
    mirrors: Mapping[str, tuple[Trial, ...]]  # trial id -> equal trials that share its training
    device: str
    threads: int
    weights: str = ""  # path of a file that blocks start from
    starts: bool = False  # trials go on from others' ends, and so leave their own
    apart: bool = False  # other machines than this train the trials
    replica: str = ""  # URL of the trials' folders, where those share none
    experiment: str = ""  # in which the runs are: it may be renamed while they are trained

    def spread(self) -> "Job":
        """The job for other machines; where the store is a URL, they need not share the work folder either."""
        return replace(self, apart=True, replica=place(self.store, self.tags["work"]) if is_far(self.store) else "")


def job_of(
    plan: Plan,
    where: Location,
    work: Path,
    store: str,
    device: str,
    threads: int,
    code: str,
    notes: Sequence[str],
) -> Job:
    """The job of a plan. ``code`` names the version of this project; ``notes`` go with every run to the report."""
    sides = {
        key: {
            "train": _side(plan, s, [(u.uid, u) for u in s.split.train] + _copies(s)),
            "val": _side(plan, s, [(u.uid, u) for u in s.split.val]),
            "test": _side(plan, s, [(u.uid, u) for u in s.split.test]),
        }
        for key, s in plan.sources.items()
    }
    mirrors: dict[str, tuple[Trial, ...]] = {}
    for twin, original in plan.twins.items():
        mirrors[original] = (*mirrors.get(original, ()), plan.by_id[twin])
    tags = grid_tags(
        plan.corpora.values(), plan.seeds, plan.variant, plan.study.mode, len(plan.trials), _compared(plan)
    ) | {
        "code_version": code,
        "data": "demo" if plan.demo else "real",
        "notes": json.dumps(notes),
        "work": work_id(work),
    }
    return Job(
        study=plan.study.name,
        where=where,
        work=str(work.absolute()),
        store=store,
        keys={key: _keys(s) for key, s in plan.sources.items()},
        sides=sides,
        spare={key: _side(plan, s, _spare(s)) for key, s in plan.sources.items() if s.spare},
        proofs={key: prove(s.split) for key, s in plan.sources.items()},
        tags=tags,
        mirrors=mirrors,
        device=device,
        threads=threads,
        starts=plan.study.search.name == "pbt",
        experiment=Tracker.known.get((where, plan.study.name), ""),
    )


def _keys(source: Source) -> dict[str, tuple[str, ...]]:
    by_end: dict[str, tuple[str, ...]] = {}
    for recipe in source.entries:
        end = str(recipe.front_end)
        by_end[end] = (*by_end.get(end, ()), recipe.key)
    return by_end


def _compared(plan: Plan) -> dict[str, Any]:
    """What a report must know of folds and of a study of systems: what was asked for, and what corpora lack for it."""
    study = plan.study
    told: dict[str, Any] = {"folds": plan.folds, "unmet": plan.unmet}
    for kind, names in (("systems", [s.name for s in study.systems]), ("protocols", list(dict(study.protocols)))):
        told[kind] = [name for name in names if study.is_selected(name, names)]
    return told


def _spare(source: Source) -> list[tuple[str, Utterance]]:
    """Those of which the original is in training; the same of them for each front-end."""
    training = {u.uid for u in source.split.train}
    some = {name: u for r in source.spare for name, (u, _) in zip(r.names, r.items, strict=True)}
    return [(name, u) for name, u in some.items() if u.uid in training]


def _copies(source: Source) -> list[tuple[str, Utterance]]:
    some = source.recipes[0].front_end if source.recipes else None  # copies bear the same names for each front-end
    own = [r for r in source.recipes if r.augmentation and r.front_end == some]
    return [(name, u) for r in own for name, (u, _) in zip(r.names, r.items, strict=True)]


def _side(plan: Plan, source: Source, rows: list[tuple[str, Utterance]]) -> Side:
    number = {name: i for i, name in enumerate(plan.study.classes_of(source.corpus))}
    speaker = {name: i for i, name in enumerate(source.manifest.speakers)}
    names = (name for name, _ in rows)
    voices = np.array([(speaker[u.speaker], _SEXES.get(u.sex, 0)) for _, u in rows], np.int32)
    if plan.study.labels == "one":
        return Side(names, np.array([number[u.label] for _, u in rows], np.int64), voices)
    hot = np.zeros((len(rows), len(number)), np.float32)
    for row, (_, u) in enumerate(rows):
        hot[row, [number[name] for name in source.labels[u.uid]]] = 1
    return Side(names, hot, voices)


def run(
    job: Job, trial: Trial, on_epoch: Callable[[int, Mapping[str, float]], None] | None = None, last: int = 0
) -> TrialOutcome:
    """Run ``trial`` to its finished run in MLflow, from its last checkpoint if there is one, and return how it ended.

    Exceptions are worth another try. ``on_epoch`` is called with every epoch, those before an interruption included.
    ``last``: the epoch after which a scheduler ended it, or 0.
    """
    started = time.perf_counter()
    begin(job)
    with hold(job, trial) as held:
        if not isinstance(held, Held):
            return held
        if not held.run_folder.results:
            try:
                heard = on_epoch or (lambda epoch, row: None)
                error = _train(job, trial, held, started, heard, last)
            except Damaged as damage:
                return StoreDamaged(str(damage))
            if error:
                return held.fail(error)
        return held.deliver(started)


def begin(job: Job) -> None:
    """Set this process up for training."""
    torch.set_num_threads(job.threads)
    if job.experiment:
        Tracker.known.setdefault((job.where, job.study), job.experiment)
    if job.device != "cpu":
        torch.use_deterministic_algorithms(True)
    torch.set_flush_denormal(True)  # gradients that decay below 1e-38 cost ten times more than zeros


@dataclass
class Held:
    """A trial that this process owns: where it tells what, and its latest attempt."""

    run_folder: RunFolder
    replica: Replica
    delivery: Delivery
    now: attempts.Attempt

    def complete(
        self,
        job: Job,
        trial: Trial,
        data: Mapping[str, CorpusData],
        outcome: Outcome,
        started: float,
        more: Mapping[str, float],
    ) -> None:
        """Leave everything of a trained trial in its folder."""
        results = score(trial, outcome)
        write(trial, outcome, data, job.proofs, self.run_folder.files, state=job.starts)
        results |= {"seconds/training": outcome.seconds, "seconds/total": time.perf_counter() - started}
        self.run_folder.complete({**results, **more})

    def fail(self, error: str) -> Failed:
        """Say why it cannot be trained."""
        self.run_folder.fail(error)
        self.delivery.deliver()
        self.replica.push()
        return Failed(error)

    def deliver(self, started: float) -> Finished | Undelivered:
        """Bring a trained trial to MLflow, if that is there."""
        _, results = self.run_folder.results or (0, {})
        if self.delivery.deliver():
            self.replica.drop()
            return Finished({**results, "seconds/total": time.perf_counter() - started})
        self.replica.push()  # for whoever delivers it; until now a lost node costs what an epoch costs
        results = {**results, "seconds/total": time.perf_counter() - started}
        return Undelivered(results, self.delivery.reason, self.delivery.refused)


@contextmanager
def hold(job: Job, trial: Trial) -> Iterator[Held | Busy | Finished]:
    """Own ``trial`` for a while; Busy where another process does, Finished where it need not be trained."""
    run_folder = RunFolder(job.work, trial.id)
    with run_folder.lock() as owned, open_store(job.store, job.work).claim(trial.id) as claimed:
        if not (owned and claimed):
            yield Busy()
            return
        replica = Replica(job.replica, run_folder)
        replica.fetch()
        now = attempts.begin(run_folder.path)
        replica.push()
        delivery = Delivery(job.where, run_folder)
        if not run_folder.results:
            if not delivery.open(head_of(job, trial)):
                run_folder.mark_delivered(job.where.shown)
                replica.drop()
                yield Finished()
                return
            run_folder.begin(head_of(job, trial))
        yield Held(run_folder, replica, delivery, now)


def _train(job: Job, trial: Trial, held: Held, started: float, on_epoch: Callable[..., None], last: int) -> str:
    """Train ``trial`` and leave its results in its folder. Returns why it cannot be trained, or ""."""
    run_folder, now = held.run_folder, held.now
    if now.starts > attempts.STARTS:
        ended = attempts.last_error(run_folder.path) or "its worker died"
        return f"{attempts.STARTS} attempts did not finish epoch {now.epoch + 1}; the last: {ended}"

    def report(epoch: int, row: dict[str, float]) -> None:
        nonlocal now
        run_folder.add_epoch(epoch, row)
        if epoch > now.epoch:
            now = attempts.progressed(run_folder.path, now, epoch)
        held.replica.push(soon=True)
        on_epoch(epoch, row)
        held.delivery.carry()

    while True:
        try:
            loading = time.perf_counter()
            data = {c.name: load(job, trial, c) for c in trial.corpora}
            balancing = time.perf_counter() - loading if trial.balance.name != "none" else 0.0
            outcome = _outcome(
                job, trial, data, run_folder.path / "checkpoint.pt", report, now.accumulation_steps, last
            )
            outcome.seconds += balancing
            break
        except (Diverged, BadInput) as error:
            return without_secrets(f"{type(error).__name__}: {error}")
        except Damaged:
            raise
        except Exception as error:
            said = without_secrets(f"{type(error).__name__}: {error}")
            attempts.note(run_folder.path, said, handled=True)
            if not is_out_of_memory(error):
                raise
            if now.accumulation_steps >= trial.training.batch_size:
                return f"out of memory with a single utterance at a time: {said}"
        now = attempts.smaller(
            run_folder.path, now
        )  # outside of the handler, which holds the tensors of the failed try
        if job.device != "cpu":
            torch.cuda.empty_cache()
    more = {"stopped_epoch": float(last)} if last else {}
    held.complete(
        job,
        trial,
        data,
        outcome,
        started,
        more | ({"batch_split": float(now.accumulation_steps)} if now.accumulation_steps > 1 else {}),
    )
    return ""


def _outcome(
    job: Job,
    trial: Trial,
    data: Mapping[str, CorpusData],
    path: Path,
    report: Callable[[int, dict[str, float]], None],
    split: int,
    last: int,
) -> Outcome:
    """Of a network that is trained, or of a model that is fitted."""
    if is_fitted(trial):
        return fit(trial, data, job.device)
    return train(trial, data, path, job.device, report, split, _start(job, trial), last, job.weights)


def head_of(job: Job, trial: Trial) -> Head:
    """What the run of ``trial`` says of itself, and of the equal trials that share its training."""
    prints = {f"fingerprint/{c.name}": c.fingerprint for c in trial.corpora}
    twins = tuple(head_of(job, twin) for twin in job.mirrors.get(trial.id, ()))
    return Head(trial.study, trial.id, trial.title, trial.params(), {**job.tags, **prints}, twins)


def is_free(job: Job, trial: Trial) -> bool:
    """Whether no living process works on ``trial``."""
    run_folder = RunFolder(job.work, trial.id)
    with open_store(job.store, job.work).claim(trial.id) as unclaimed:
        if not run_folder.path.exists():
            return unclaimed
        with run_folder.lock() as owned:
            return owned and unclaimed


def load(job: Job, trial: Trial, corpus: Corpus) -> CorpusData:
    """A corpus's items as the trial hears, splits and balances them, kept by the process for its next trials."""
    own = corpus.front_end_for(trial.front_end)
    keys, sides = job.keys[corpus.source][str(own)], job.sides[corpus.source]

    def items(side: Side) -> Items:
        return _items(job.store, job.work, corpus.name, keys, side, segment(own), job.device)

    data = CorpusData(*(items(sides[s]) for s in SPLITS))
    if trial.balance.name == "none":
        return data
    copies = items(job.spare[corpus.source]) if corpus.source in job.spare else None
    balanced = registry.find("balance", trial.balance.name).balanced
    seed = [trial.seed, trial.repeat, 3]
    train = balanced(data.train, copies, len(trial.classes), settings_of("balance", trial.balance), seed, job.device)
    return replace(data, train=train)


def _start(job: Job, trial: Trial) -> Mapping[str, Any] | None:
    """The end state of the trial that this one starts from. Raises Away, or Damaged where its file is not whole."""
    if not trial.initial_from:
        return None
    waiting = RunFolder(job.work, trial.initial_from).files / "state.pt"  # trained, and MLflow is away
    with TemporaryDirectory() as copy:
        path = (
            waiting
            if waiting.exists()
            else Tracker.of(job.where, trial.study).fetch(trial.initial_from, "state.pt", Path(copy))
        )
        state = checkpoint.load(path)
    if state is None:
        raise BadInput(f"state.pt of trial {trial.initial_from}", "its run", "a file that is whole", "delete that run")
    return state


@lru_cache(maxsize=64)
def _items(store: str, work: str, corpus: str, keys: tuple[str, ...], side: Side, cut: int, device: str) -> Items:
    """Mapped where they lie; copied to a GPU once, as one block, if they take no more than their share of it."""
    names = tuple(side.names)
    blocks: list[torch.Tensor] = []
    places = np.full((3, len(names)), -1)  # block, start and length of each item
    for entry in (_entry(store, work, key) for key in keys):
        rows = entry.rows(names)
        here = rows >= 0
        rows = rows[here]
        places[:, here] = entry.block[rows] + len(blocks), entry.start[rows], entry.length[rows]
        blocks += map(torch.from_numpy, entry.blocks)
    kept = places[0] >= 0  # in none: refused when the features were computed, and listed there
    if names and not kept.any():
        raise BadInput(f"all {len(names)} utterances refused", f"store of {corpus}", "usable audio", "ser prepare")
    block, start, length = places[:, kept]
    features, labels = Frames(blocks, block, start, length), side.labels[kept]
    voices = side.voices[kept] if len(side.voices) else side.voices
    if not kept.all():
        names = tuple(name for name, here in zip(names, kept.tolist(), strict=True) if here)
    if cut:
        several = features.length // cut
        names = tuple(f"{name}#{k}" for name, n in zip(names, several.tolist(), strict=True) for k in range(n))
        features, labels = features.cut(cut), np.repeat(labels, several, axis=0)
        voices = np.repeat(voices, several, axis=0) if len(voices) else voices
    if device != "cpu" and 0 < features.nbytes < _SHARE_OF_FREE * torch.cuda.mem_get_info()[0]:
        features = features.on(device)
    return Items(corpus, names, features, torch.from_numpy(labels).to(device), voices)


@lru_cache(maxsize=256)
def _entry(store: str, work: str, key: str) -> Features:
    try:
        return open_store(store, work).open(key)
    except FileNotFoundError as error:
        raise Damaged(f"store entry {key} is gone ({error})") from None


def open_store(store: str, work: str) -> Store:
    """The store as this node sees it; a remote one is cached in the work folder."""
    return Store(store, Path(work) / "cache")

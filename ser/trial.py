"""One trial on one worker: features from the store, training, everything into its run. Knows nothing of Ray."""

import json
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from ser import attempt, figures, metrics
from ser.batches import Frames, Items
from ser.courier import Courier
from ser.errors import BadInput
from ser.far import is_far
from ser.manifest import SPLITS
from ser.plan import Plan
from ser.replica import Replica, place
from ser.sealed import Damaged
from ser.splits import prove
from ser.spool import Head, Spool, work_id
from ser.store import Features, Names, Store
from ser.study import Trial
from ser.track import Location, grid_tags, without_secrets
from ser.train import CorpusData, Diverged, Outcome, Predictions, is_out_of_memory, train

_SHARE_OF_FREE = 0.1  # of a card's free memory, for one corpus's side in one of several processes on the card


class Side:
    """Names of store items and their class indices, as arrays: every worker holds every side of every corpus."""

    def __init__(self, names: Iterable[str], labels: Iterable[int]) -> None:
        self.names = Names(names)
        self.labels = np.array(tuple(labels), np.int64)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Side):
            return NotImplemented
        return self.names == other.names and np.array_equal(self.labels, other.labels)

    def __hash__(self) -> int:
        return hash(self.names)


@dataclass(frozen=True)
class Job:
    """What workers need and no statement may hold: places, and which store items stand on which side."""

    study: str
    where: Location
    work: str
    store: str
    keys: Mapping[str, tuple[str, ...]]  # corpus -> its store entries
    sides: Mapping[str, Mapping[str, Side]]  # corpus -> train | val | test
    proofs: Mapping[str, dict[str, Any]]  # corpus -> the leakage gate's proof
    tags: Mapping[str, str]
    mirrors: Mapping[str, tuple[Trial, ...]]  # trial id -> equal trials that share its training
    device: str
    threads: int
    apart: bool = False  # other machines than this train the trials
    replica: str = ""  # URL of the trials' folders, where those share none

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
    classes = {name: i for i, name in enumerate(plan.study.classes)}
    sides = {
        name: {
            "train": _side(classes, [(u.uid, u.label) for u in s.split.train] + _copies(s.recipes[1:])),
            "val": _side(classes, [(u.uid, u.label) for u in s.split.val]),
            "test": _side(classes, [(u.uid, u.label) for u in s.split.test]),
        }
        for name, s in plan.sources.items()
    }
    mirrors: dict[str, tuple[Trial, ...]] = {}
    for twin, original in plan.twins.items():
        mirrors[original] = (*mirrors.get(original, ()), plan.by_id[twin])
    tags = grid_tags([s.corpus for s in plan.sources.values()], plan.seeds, plan.variant) | {
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
        keys={name: tuple(r.key for r in s.recipes) for name, s in plan.sources.items()},
        sides=sides,
        proofs={name: prove(s.split) for name, s in plan.sources.items()},
        tags=tags,
        mirrors=mirrors,
        device=device,
        threads=threads,
    )


def _copies(recipes: Any) -> list[tuple[str, str]]:
    return [(name, u.label) for r in recipes for name, (u, _) in zip(r.names, r.items, strict=True)]


def _side(classes: Mapping[str, int], rows: list[tuple[str, str]]) -> Side:
    return Side((name for name, _ in rows), (classes[label] for _, label in rows))


def run(job: Job, trial: Trial, on_epoch: Callable[[int, Mapping[str, float]], None] | None = None) -> dict[str, Any]:
    """Run ``trial`` to its finished run in MLflow, from its last checkpoint if there is one.

    Returns {"status": "finished" | "kept" | "failed" | "busy" | "damaged", ...} with ``wa/<corpus>``, ``ua/<corpus>``.
    "kept": trained, and spooled as MLflow is away. "busy": another process holds the trial. "failed": the run says why.
    "damaged": the store has to be built again first. Other exceptions are worth another try. ``on_epoch`` hears of
    every epoch, those before an interruption included.
    """
    started = time.perf_counter()
    torch.set_num_threads(job.threads)
    if job.device != "cpu":
        torch.use_deterministic_algorithms(True)
    torch.set_flush_denormal(True)  # gradients that decay below 1e-38 cost ten times more than zeros
    spool = Spool(job.work, trial.id)
    with spool.owned() as owned, open_store(job.store, job.work).claim(trial.id) as claimed:
        if not (owned and claimed):
            return {"status": "busy"}
        replica = Replica(job.replica, spool)
        replica.fetch()
        now = attempt.begin(spool.folder)
        replica.push()
        courier = Courier(job.where, spool)
        if not spool.results:
            if not courier.open(head_of(job, trial)):
                spool.delivered(job.where.shown)
                replica.drop()
                return {"status": "finished"}
            spool.begin(head_of(job, trial))
            try:
                heard = on_epoch or (lambda epoch, row: None)
                error = _train(job, trial, spool, replica, courier, now, started, heard)
            except Damaged as damage:
                return {"status": "damaged", "error": str(damage)}
            if error:
                spool.fail(error)
                courier.deliver()
                replica.push()
                return {"status": "failed", "error": error}
        _, results = spool.results or (0, {})
        status = "finished" if courier.deliver() else "kept"
        if status == "finished":
            replica.drop()
        else:
            replica.push()  # for whoever delivers it; until now a lost node costs what an epoch costs
    return {"status": status, **results, "seconds/total": time.perf_counter() - started, "reason": courier.reason}


def _train(
    job: Job,
    trial: Trial,
    spool: Spool,
    replica: Replica,
    courier: Courier,
    now: attempt.Attempt,
    started: float,
    on_epoch: Callable[..., None],
) -> str:
    """Train ``trial`` and leave its results in ``spool``. Returns why it cannot be trained, or ""."""
    last = attempt.last_error(spool.folder) or "its worker died"
    if now.starts > attempt.STARTS:
        return f"{attempt.STARTS} attempts did not finish epoch {now.epoch + 1}; the last: {last}"

    def report(epoch: int, row: dict[str, float]) -> None:
        nonlocal now
        spool.epoch(epoch, row)
        if epoch > now.epoch:
            now = attempt.progressed(spool.folder, now, epoch)
        replica.push(soon=True)
        on_epoch(epoch, row)
        courier.carry()

    while True:
        try:
            data = {c.name: load(job, c.name) for c in trial.corpora}
            outcome = train(trial, data, spool.folder / "checkpoint.pt", job.device, report, now.split)
            break
        except (Diverged, BadInput) as error:
            return without_secrets(f"{type(error).__name__}: {error}")
        except Damaged:
            raise
        except Exception as error:
            said = without_secrets(f"{type(error).__name__}: {error}")
            attempt.note(spool.folder, said, heeded=True)
            if not is_out_of_memory(error):
                raise
            if now.split >= trial.training.batch_size:
                return f"out of memory with a single utterance at a time: {said}"
        now = attempt.smaller(spool.folder, now)  # outside of the handler, which holds the tensors of the failed try
        if job.device != "cpu":
            torch.cuda.empty_cache()
    results = _results(trial, outcome)
    _write_files(job, trial, outcome, spool.files)
    results |= {"seconds/training": outcome.seconds, "seconds/total": time.perf_counter() - started}
    spool.complete(results | ({"batch_split": float(now.split)} if now.split > 1 else {}))
    return ""


def head_of(job: Job, trial: Trial) -> Head:
    """What the run of ``trial`` says of itself, and of the equal trials that share its training."""
    prints = {f"fingerprint/{c.name}": c.fingerprint for c in trial.corpora}
    twins = tuple(head_of(job, twin) for twin in job.mirrors.get(trial.id, ()))
    return Head(trial.study, trial.id, trial.title, trial.params(), {**job.tags, **prints}, twins)


def is_free(job: Job, trial: Trial) -> bool:
    """Whether no living process works on ``trial``."""
    spool = Spool(job.work, trial.id)
    with open_store(job.store, job.work).claim(trial.id) as unclaimed:
        if not spool.folder.exists():
            return unclaimed
        with spool.owned() as owned:
            return owned and unclaimed


def load(job: Job, corpus: str) -> CorpusData:
    """A corpus's items, kept by the process for its next trials."""
    return CorpusData(
        *(_items(job.store, job.work, corpus, job.keys[corpus], job.sides[corpus][side], job.device) for side in SPLITS)
    )


@lru_cache(maxsize=64)
def _items(store: str, work: str, corpus: str, keys: tuple[str, ...], side: Side, device: str) -> Items:
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
    features = Frames(blocks, block, start, length)
    labels = torch.from_numpy(side.labels[kept]).to(device)
    if device != "cpu" and 0 < features.nbytes < _SHARE_OF_FREE * torch.cuda.mem_get_info()[0]:
        features = features.on(device)
    if not kept.all():
        names = tuple(name for name, here in zip(names, kept.tolist(), strict=True) if here)
    return Items(corpus, names, features, labels)


@lru_cache(maxsize=256)
def _entry(store: str, work: str, key: str) -> Features:
    try:
        return open_store(store, work).open(key)
    except FileNotFoundError as error:
        raise Damaged(f"store entry {key} is gone ({error})") from None


def open_store(store: str, work: str) -> Store:
    """The store as this node sees it; a remote one is cached in the work folder."""
    return Store(store, Path(work) / "cache")


def _results(trial: Trial, outcome: Outcome) -> dict[str, float]:
    """``wa/``, ``ua/`` and ``recall/<corpus>/<class>``; a class without test utterances has no recall, not zero."""
    out = {"best_epoch": float(outcome.best_epoch), "epochs": float(len(outcome.history)), **outcome.memory}
    for corpus, p in outcome.predictions.items():
        matrix = metrics.confusion(p.truth, p.predicted, len(trial.classes))
        out[f"wa/{corpus}"], out[f"ua/{corpus}"] = metrics.wa(matrix), metrics.ua(matrix)
        recalls = dict(zip(trial.classes, metrics.recalls(matrix), strict=True))
        out |= {f"recall/{corpus}/{c}": float(r) for c, r in recalls.items() if r == r}
    return out


def _write_files(job: Job, trial: Trial, outcome: Outcome, folder: Path) -> None:
    """Everything the run keeps as files: confusion matrices, predictions, splits' proofs, statement, weights."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("confusion", "split"):
        (folder / name).mkdir(parents=True)
    rows = []
    for corpus, p in outcome.predictions.items():
        matrix = metrics.confusion(p.truth, p.predicted, len(trial.classes))
        content = {"classes": trial.classes, "rows": "truth", "counts": matrix.tolist()}
        (folder / "confusion" / f"{corpus}.json").write_text(json.dumps(content))
        picture = figures.confusion_png(matrix, trial.classes, f"{trial.title}\ntested on {corpus}, n = {len(p.names)}")
        (folder / "confusion" / f"{corpus}.png").write_bytes(picture)
        rows.append(_prediction_table(trial.classes, corpus, p))
    pd.concat(rows).to_csv(folder / "predictions.csv", index=False, float_format="%.6g")
    for c in trial.corpora:
        (folder / "split" / f"{c.name}.json").write_text(json.dumps(job.proofs[c.name]))
    (folder / "statement.json").write_text(json.dumps(asdict(trial), indent=1))
    torch.save(outcome.weights, folder / "best.pt")


def _prediction_table(classes: tuple[str, ...], corpus: str, p: Predictions) -> pd.DataFrame:
    names = np.array(classes)
    table = pd.DataFrame({"corpus": corpus, "uid": p.names, "label": names[p.truth], "predicted": names[p.predicted]})
    return pd.concat([table, pd.DataFrame(p.probabilities, columns=[f"p_{c}" for c in classes])], axis=1)

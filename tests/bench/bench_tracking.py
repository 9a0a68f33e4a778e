"""What tracking costs when an experiment is large: a worker's trial, the driver's look-ups, status and report.

An experiment is filled with finished runs as the runner leaves them, by bulk inserts, and everything is measured twice:
with a tenth of the runs and with all. One plain pass of MLflow's own search over the same runs is the baseline. Each
measurement has a process of its own, and its memory is the most by which that process grew. Run it with python.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from uuid import uuid4

import mlflow
import numpy as np
from mlflow import MlflowClient
from mlflow.store.tracking.dbmodels.models import (
    SqlDataset,
    SqlInput,
    SqlInputTag,
    SqlLatestMetric,
    SqlMetric,
    SqlParam,
    SqlRun,
    SqlTag,
)
from sqlalchemy import Engine, create_engine, insert, select

from ser.distributed import launch
from ser.distributed.ledger import unfinished
from ser.planning.plan import grid_tags
from ser.report import collect, overview
from ser.report.runs import Options
from ser.runs.delivery import Delivery
from ser.runs.folder import Dataset, RunFolder
from ser.runs.location import Location
from ser.runs.mlflow_client import Client
from ser.runs.shown import VARYING, params_of, varying_of
from ser.runs.sqlite_rows import SqliteRows
from ser.runs.tracker import Tracker, tags_of
from ser.study import SCHEMA, Trial, load_study, trial_of
from ser.trials.job import Job, head_of
from ser.trials.presented import varying

study = load_study("interaffection")
EPOCHS, UTTERANCES, OWN_TRIALS, AT_ONCE = 30, 300, 20, 500
FRESH = 1_000_000  # seeds that no finished run has
CURVES = ("train/loss", "val/loss", "val/wa", "val/ua", "val/wa/iemocap", "val/ua/iemocap", "seconds/epoch", "clipped")
CORPORA = tuple(replace(c, copies=6, fingerprint="0123456789ab") for c in study.corpora)
USES, PROFILE = ("training", "validation", "testing"), json.dumps({"utterances": 900, "speakers": 8, "hours": 1.1})
ALONE = 2 * len(study.blocks)  # at the end of a point's list of networks: one corpus and two tasks are one model


def trials(count: int) -> list[Trial]:
    """The first so many of the study's grid, seed after seed."""
    by_name, points = {c.name: c for c in CORPORA}, study.grid(CORPORA)
    return [trial_of(study, points[i % len(points)], by_name, i // len(points)) for i in range(count)]


def job_for(where: Location, work: Path, chosen: list[Trial]) -> Job:
    """A job over ``chosen``; what is multi-task on one corpus is trained with its equal."""
    tags = grid_tags(CORPORA, chosen[-1].seed + 1, "bench") | {"code_version": "bench", "data": "real", "work": "w"}
    tags |= {
        "schema": str(SCHEMA),
        "notes": "[]",
        "mlflow.user": "bench",
        "mlflow.source.name": f"ser run {study.name}",
    }
    tags |= {"mlflow.source.type": "LOCAL", "mlflow.source.git.commit": 40 * "0", "processor": "a processor, 1 thread"}
    tags |= {"command": "ser run", VARYING: ",".join(varying(chosen))}
    known = {t.id for t in chosen}
    twins = [t for t in chosen if len(t.corpora) == 1 and t.task == "multi"]
    mirrors = {original: (t,) for t in twins if (original := replace(t, task="unified").id) in known}
    datasets = {
        c.source: tuple(Dataset(c.name, f"{c.fingerprint}-{use}", use, "/corpora", PROFILE) for use in USES)
        for trial in chosen
        for c in trial.corpora
    }
    store = str(work / "store")
    return Job(study.name, where, str(work), store, {}, {}, {}, {}, tags, mirrors, "cpu", 1, datasets=datasets)


def predictions(trial: Trial, rng: np.random.Generator) -> tuple[str, dict[str, float]]:
    """A table as ``ser.trials.outputs`` writes it, and the accuracies it gives."""
    lines, results = ["corpus,uid,label,predicted," + ",".join(f"p_{c}" for c in study.classes)], {}
    for corpus in trial.targets:
        truth = np.arange(UTTERANCES) % len(study.classes)
        guess = np.where(rng.random(UTTERANCES) < 0.6, truth, rng.integers(len(study.classes), size=UTTERANCES))
        results |= {f"{metric}/{corpus}": float((truth == guess).mean()) for metric in ("wa", "ua")}
        lines += [
            f"{corpus},{corpus}/spk{i % 10}/utterance_{i:05d},{study.classes[t]},{study.classes[g]},.25,.25,.25,.25"
            for i, (t, g) in enumerate(zip(truth, guess, strict=True))
        ]
    return "\n".join(lines) + "\n", results


def fill(where: Location, job: Job, chosen: list[Trial]) -> None:
    """Record ``chosen`` as finished."""
    client = MlflowClient(where.uri)
    experiment = client.get_experiment_by_name(study.name)
    engine, now, rng = create_engine(where.uri), int(time.time() * 1000), np.random.default_rng(len(chosen))
    known = datasets_of(engine, int(experiment.experiment_id), job)
    tables = (SqlRun, SqlParam, SqlTag, SqlMetric, SqlLatestMetric, SqlInput, SqlInputTag)
    waiting = iter(chosen)
    while batch := list(islice(waiting, AT_ONCE)):
        rows: dict[Any, list[dict[str, Any]]] = {table: [] for table in tables}
        for trial in batch:
            run, head = uuid4().hex, head_of(job, trial)
            folder = Path(where.artifacts) / study.name / run / "artifacts"
            folder.mkdir(parents=True)
            table, results = predictions(trial, rng)
            (folder / "predictions.csv").write_text(table)
            told = {"run_uuid": run, "name": head.title, "user_id": "bench", "start_time": now, "end_time": now + 1}
            told |= {"source_type": "LOCAL", "source_name": "", "entry_point_name": "", "source_version": ""}
            told |= {"status": "FINISHED", "lifecycle_stage": "active", "artifact_uri": folder.as_uri()}
            rows[SqlRun].append(told | {"experiment_id": int(experiment.experiment_id)})
            tags = {**tags_of(head), "mlflow.runName": head.title}
            rows[SqlTag] += [{"run_uuid": run, "key": k, "value": v} for k, v in tags.items()]
            params = params_of(head.params, varying_of(head.tags))
            rows[SqlParam] += [{"run_uuid": run, "key": k, "value": v} for k, v in params.items()]
            last = dict.fromkeys(CURVES, 0.5) | results | {"epochs": float(EPOCHS), "seconds/training": 9.0}
            steps = [(k, e) for k in CURVES for e in range(1, EPOCHS + 1)] + [(k, 0) for k in last if k not in CURVES]
            common = {"run_uuid": run, "timestamp": now, "is_nan": False}
            rows[SqlMetric] += [{**common, "key": k, "value": last[k], "step": e} for k, e in steps]
            rows[SqlLatestMetric] += [{**common, "key": k, "value": v, "step": 0} for k, v in last.items()]
            for data in head.datasets:
                use, edge = uuid4().hex, {"source_type": "DATASET", "destination_type": "RUN", "destination_id": run}
                rows[SqlInput].append(edge | {"input_uuid": use, "source_id": known[data.name, data.digest]})
                rows[SqlInputTag].append({"input_uuid": use, "name": "mlflow.data.context", "value": data.context})
        with engine.begin() as connection:
            for table_of, found in rows.items():
                connection.execute(insert(table_of.__table__), found)
    engine.dispose()


def datasets_of(engine: Engine, experiment: int, job: Job) -> dict[tuple[str, str], str]:
    """Ids of a job's datasets by name and digest, which are added to the experiment where they are not there."""
    with engine.begin() as connection:
        columns = SqlDataset.name, SqlDataset.digest, SqlDataset.dataset_uuid
        known = {(name, digest): key for name, digest, key in connection.execute(select(*columns))}
        for data in (each for some in job.datasets.values() for each in some):
            if (data.name, data.digest) not in known:
                known[data.name, data.digest] = key = uuid4().hex
                row = {"dataset_uuid": key, "experiment_id": experiment, "name": data.name, "digest": data.digest}
                row |= {"dataset_source_type": "local", "dataset_source": "{}", "dataset_profile": data.profile}
                connection.execute(insert(SqlDataset.__table__), row)
    return known


def plain_search(where: Location) -> Callable[[], object]:
    """Every run once, a thousand at a time, and nothing kept."""
    client = MlflowClient(where.uri)
    experiment = client.get_experiment_by_name(study.name).experiment_id

    def search() -> int:
        token, count = None, 0
        while True:
            page = client.search_runs([experiment], max_results=1000, page_token=token)
            count, token = count + len(page), page.token
            if not token:
                return count

    return search


def into_pandas(where: Location) -> Callable[[], object]:
    """Every run as a row of a table, as MLflow's own function for people makes it; prints the number of its columns."""
    mlflow.set_tracking_uri(where.uri)
    mlflow.search_runs(experiment_names=[study.name], max_results=1)  # opens the store

    def search() -> None:
        found = mlflow.search_runs(experiment_names=[study.name], max_results=1_000_000)
        keys = len({name for name in found.columns if name.startswith("tags.mlflow.ser.")})
        print(f"mlflow.search_runs: {found.shape[0]} rows, {found.shape[1]} columns, of which {keys} find trials")

    return search


def own_trials(job: Job, news: list[Trial]) -> Callable[[], object]:
    """Begin, tell and deliver some trials without training them."""
    Tracker.of(job.where, job.study)  # a worker opens the store once

    def tell() -> None:
        for trial in news:
            run_folder = RunFolder(job.work, trial.id)
            with run_folder.lock():
                delivery, head = Delivery(job.where, run_folder), head_of(job, trial)
                delivery.open(head)
                run_folder.begin(head)
                run_folder.files.mkdir()
                (run_folder.files / "predictions.csv").write_text("corpus,uid,label,predicted\n")
                (run_folder.files / "statement.json").write_text(json.dumps({"classes": study.classes}))
                (run_folder.files / "best.pt").write_bytes(bytes(1000))  # so that MLflow has a model of it
                for name in ("confusion", "split"):
                    (run_folder.files / name).mkdir()
                    (run_folder.files / name / "x.json").write_text("{}")
                for epoch in range(1, EPOCHS + 1):
                    run_folder.add_epoch(epoch, {"timestamp_ms": 1_000 + epoch} | dict.fromkeys(CURVES, 0.5))
                run_folder.complete({"epochs": float(EPOCHS), "wa/iemocap": 0.5, "ua/iemocap": 0.5})
                assert delivery.deliver(), delivery.reason

    return tell


def by_mlflows_client(job: Job, news: list[Trial]) -> Callable[[], object]:
    """The same, and no row is written past MLflow's client."""
    SqliteRows.is_known = False  # type: ignore[assignment,method-assign]
    return own_trials(job, news)


def write_report(where: Location, folder: Path, replicates: int) -> Callable[[], object]:
    """Everything that ``ser report`` does."""

    def write() -> None:
        collect.report(Tracker(where, study.name, to_read=True), study, folder, Options(replicates=replicates))

    return write


def growth() -> Iterator[float]:
    """MiB by which this process has grown since the first call, at most."""
    Path("/proc/self/clear_refs").write_text("5")
    begun = None
    while True:
        told = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
        begun = begun or int(told["VmRSS"].split()[0])
        yield (int(told["VmHWM"].split()[0]) - begun) / 1024


def _measure(pipe: Any, make: Callable[..., Callable[[], object]], arguments: tuple[Any, ...]) -> None:
    genuine, requests = Client.call, 0

    def counted(*args: Any, **options: Any) -> Any:
        nonlocal requests
        requests += 1
        return genuine(*args, **options)

    Client.call = counted  # type: ignore[method-assign]
    do = make(*arguments)
    grown = growth()
    next(grown)
    wall, cpu, requests = time.perf_counter(), time.process_time(), 0
    do()
    pipe.send((time.process_time() - cpu, time.perf_counter() - wall, requests, next(grown)))


def measure(make: Callable[..., Callable[[], object]], *arguments: Any) -> tuple[float, float, int, float]:
    """CPU seconds, seconds, calls of MLflow's client and MiB that ``make(*arguments)()`` takes in a fresh process."""
    here, there = get_context("fork").Pipe()
    process = get_context("fork").Process(target=_measure, args=(there, make, arguments))
    process.start()
    there.close()
    try:
        return here.recv()
    finally:
        process.join()


def table(where: Location, work: Path, count: int, replicates: int) -> dict[str, tuple[float, float, int, float]]:
    """Every measurement over ``count`` runs."""
    chosen = trials(count)
    job = job_for(where, work, chosen)
    some = chosen[:: max(1, count // OWN_TRIALS)][:OWN_TRIALS]  # perhaps all of one point of the grid
    news = [replace(t, seed=FRESH + count + number) for number, t in enumerate(some)]
    told = {
        "plain search of all runs": measure(plain_search, where),
        "mlflow.search_runs": measure(into_pandas, where),
        "Tracker.finished": measure(lambda: Tracker(where, study.name).finished),
        "survey (ser status)": measure(lambda: partial(overview.overview, Tracker(where, study.name), study)),
        "close_runs": measure(lambda: partial(Tracker(where, study.name).close_runs, {})),
        "record_duplicates": measure(lambda: lambda: launch._record_duplicates(job, chosen)),
        "unfinished": measure(lambda: lambda: unfinished(job, chosen)),
        "report": measure(write_report, where, work / "report", replicates),
    }
    again = [replace(t, seed=t.seed + OWN_TRIALS) for t in news]
    for name, do, chosen in (("", own_trials, news), (", by MLflow's client", by_mlflows_client, again)):
        cpu, wall, requests, grown = measure(do, job, chosen)
        told[f"a worker's trial{name}"] = (cpu / len(news), wall / len(news), requests // len(news), grown)
    return told


def main() -> None:
    """Print what each part takes over a tenth of the runs and over all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000)
    parser.add_argument("--replicates", type=int, default=20)
    parser.add_argument("--uri", help="a database of its own (default: SQLite in a temporary folder)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        where = Location.of(work, args.uri)
        before, found = 0, {}
        for count in (args.runs // 10, args.runs):
            chosen = trials(count)
            measure(lambda: lambda: Tracker(where, study.name))  # makes the experiment, in a process of its own
            job = job_for(where, work, chosen)
            taken = measure(lambda new=chosen[before:], job=job: lambda: fill(where, job, new))
            print(f"{count} runs: filled in {taken[1]:.0f} s", flush=True)
            found[count], before = table(where, work, count, args.replicates), count
    print(f"{'':38}" + "".join(f"{f'{n} runs: CPU s':>20}{'wall s':>9}{'calls':>8}{'MiB':>8}" for n in found))
    for name in found[args.runs]:
        cells = (f[name] for f in found.values())
        print(
            f"{name:38}" + "".join(f"{cpu:20.3f}{wall:9.2f}{calls:8d}{grown:8.0f}" for cpu, wall, calls, grown in cells)
        )


if __name__ == "__main__":
    main()

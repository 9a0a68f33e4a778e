"""What it takes until a command that only looks has answered: plan, status, report, doctor and the lists.

A work folder is filled with finished runs of the grid of da Silva et al., through the runner's own delivery but without
training: predictions are drawn. Each command is then run in processes of its own, in turns with Python that does
nothing, and with the imports of torch and of MLflow, beside which the numbers can be read. Run it with python.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd

from ser import demo
from ser.cli import console
from ser.features.store import Store
from ser.metrics.accuracy import confusion
from ser.planning import request as requests
from ser.planning.plan import Plan
from ser.runs.delivery import Delivery
from ser.runs.folder import RunFolder
from ser.runs.location import Location
from ser.study import Trial
from ser.trials.job import Job, head_of, job_of

STUDY, EPOCHS = "interaffection", 25
CURVES = ("train/loss", "val/loss", "val/wa", "val/ua", "seconds/epoch", "clipped")
BARE = {
    "python -c pass": ("-c", "pass"),
    "import torch": ("-c", "import torch"),
    "import mlflow": ("-c", "import mlflow"),
}


def commands(work: Path) -> dict[str, tuple[str, ...]]:
    """The commands by what they are called here; arguments of python."""
    ser, at = ("-P", "-m", "ser"), ("--work", str(work))
    return {
        "ser --help": (*ser, "--help"),
        "ser studies": (*ser, "studies"),
        "ser show": (*ser, "show"),
        "ser corpora --known": (*ser, "corpora", "--known"),
        "ser corpora": (*ser, "corpora", "--data", str(work / "corpora"), *at),
        "ser run --plan": (*ser, "run", STUDY, "--demo", "--plan", *at),
        "ser status": (*ser, "status", STUDY, *at),
        "ser report": (*ser, "report", STUDY, *at),
        "ser doctor": (*ser, "doctor", *at),
    }


def fill(work: Path, runs: int, scale: float) -> int:
    """Leaves a work folder of so many finished runs at most, whole seeds; returns how many there are."""
    demo.make(work / "corpora", scale=scale)
    request = requests.Request(STUDY, work, (work / "corpora",), seeds=max(1, runs // 168), demo=True)
    plan = requests.plan_of(request, console.bar)
    job = job_of(plan, Location.of(work, None), work, str(work / "store"), "cpu", 1, "bench", [])
    requests.prepare(plan, Store(work / "store"), {}, console.bar)
    rng, count = np.random.default_rng(0), 0
    for trial in plan.to_run:
        if count >= runs:
            break
        deliver(plan, job, trial, rng)
        if trial not in plan.references:
            count += 1 + len(job.mirrors.get(trial.id, ()))
    return count


def deliver(plan: Plan, job: Job, trial: Trial, rng: np.random.Generator) -> None:
    """Hands one trial to MLflow as the runner does when it has been trained."""
    run_folder = RunFolder(job.work, trial.id)
    with run_folder.lock():
        delivery, head = Delivery(job.where, run_folder), head_of(job, trial)
        delivery.open(head)
        run_folder.begin(head)
        for epoch in range(1, EPOCHS + 1):
            run_folder.add_epoch(epoch, {"timestamp_ms": 1_000 + epoch} | dict.fromkeys(CURVES, 1 / epoch))
        results = write_files(plan, job, trial, run_folder.files, rng)
        run_folder.complete({**results, "epochs": float(EPOCHS), "best_epoch": 5.0, "seconds/training": 9.0})
        assert delivery.deliver(), delivery.reason


def write_files(plan: Plan, job: Job, trial: Trial, files: Path, rng: np.random.Generator) -> dict[str, float]:
    """The files of a run as far as commands read them; returns its accuracies."""
    results: dict[str, float] = {"objective/loss": 1.0}
    tables = []
    for name in ("split", "confusion"):
        (files / name).mkdir(parents=True)
    for corpus in trial.corpora:
        (files / "split" / f"{corpus.name}.json").write_text(json.dumps(job.proofs[corpus.source]))
        if corpus.name not in trial.targets:
            continue
        utterances, facts = plan.sources[corpus.source].split.test, job.facts[corpus.source]
        truth = np.array([trial.classes.index(u.label) for u in utterances])
        drawn = np.where(rng.random(len(truth)) < 0.6, truth, rng.integers(len(trial.classes), size=len(truth)))
        table = confusion(truth, drawn, len(trial.classes))
        (files / "confusion" / f"{corpus.name}.json").write_text(json.dumps({"counts": table.tolist()}))
        recalls = [float((drawn[truth == k] == k).mean()) for k in set(truth.tolist())]
        results |= {f"wa/{corpus.name}": float((truth == drawn).mean()), f"ua/{corpus.name}": float(np.mean(recalls))}
        names, uids = np.array(trial.classes), [u.uid for u in utterances]
        columns: dict[str, Any] = {"corpus": corpus.name, "uid": uids, **facts.of(uids)}
        columns |= {"label": names[truth], "predicted": names[drawn]}
        chances = rng.dirichlet(np.ones(len(names)), len(truth))
        columns |= {f"p_{name}": chances[:, k] for k, name in enumerate(names)}
        tables.append(pd.DataFrame(columns))
    pd.concat(tables).to_csv(files / "predictions.csv", index=False, float_format="%.9g")
    return results


def measured(arguments: Sequence[str]) -> tuple[float, float]:
    """Seconds of a process with these arguments of python: by the clock, and of processors."""
    cached = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}  # as usual
    before, began = os.times(), time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=cached)
    wall, after = time.perf_counter() - began, os.times()
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return wall, used


def main() -> None:
    """Print medians over repeats, in turns, beside those of bare imports."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=168)
    parser.add_argument("--scale", type=float, default=1.0, help="size of the made corpora (default: 1)")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--work", type=Path, help="a folder to fill, or one that was filled: it stays")
    parser.add_argument("--only", default="", help="commands whose names begin so, beside the bare imports")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = args.work or Path(folder)
        count = args.runs if (work / "mlflow.db").exists() else fill(work, args.runs, args.scale)
        kinds = BARE | {k: v for k, v in commands(work).items() if k.startswith(args.only)}
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in kinds}
        for turn in range(args.repeats + 1):
            for name, arguments in kinds.items():
                taken = measured(arguments)
                times[name] += [taken] if turn else []  # the first turn fills caches of files
    rows = {name: [median(column) for column in zip(*taken, strict=True)] for name, taken in times.items()}
    nothing = rows["python -c pass"][1]
    print(f"{count} runs, medians of {args.repeats}{'':12}wall s   processor s   times python -c pass")
    for name, (wall, used) in rows.items():
        print(f"{name:32}{wall:8.2f}{used:14.2f}{used / nothing:14.0f}")
    if args.json:
        seconds = {name: {"wall_s": wall, "processor_s": used} for name, (wall, used) in rows.items()}
        args.json.write_text(json.dumps({"runs": count, "repeats": args.repeats, "commands": seconds}, indent=1))


if __name__ == "__main__":
    main()

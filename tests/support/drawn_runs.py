"""A work folder of finished runs whose predictions are drawn, not trained: the runner's own delivery in a second."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from ser.metrics.accuracy import confusion, ua, wa
from ser.metrics.f1 import macro_f1
from ser.planning.plan import Plan
from ser.runs.delivery import Delivery
from ser.runs.folder import RunFolder
from ser.study import Trial
from ser.trials.job import Job, head_of

LOSSES = (1.0, 0.7, 0.5, 0.6)  # of validation, by epoch
ERROR = 'RuntimeError: out of memory, "here"\nand on a second line'


def fill(plan: Plan, job: Job) -> tuple[Trial, Trial]:
    """Delivers all trials of a plan but two, which are returned: one failed, the other was never begun."""
    rng = np.random.default_rng(0)
    *done, failed, left = [t for t in plan.to_train if t not in plan.references and not job.mirrors.get(t.id)]
    for trial in [t for t in plan.to_train if t not in plan.references and t not in (failed, left)]:
        deliver(plan, job, trial, rng)
    deliver(plan, job, failed, None)
    assert done
    return failed, left


def deliver(plan: Plan, job: Job, trial: Trial, rng: np.random.Generator | None) -> None:
    """Hands one trial to the tracking store; without ``rng`` as failed."""
    run_folder = RunFolder(job.work, trial.id)
    with run_folder.lock():
        delivery, head = Delivery(job.where, run_folder), head_of(job, trial)
        delivery.open(head)
        run_folder.begin(head)
        if rng is None:
            run_folder.fail(ERROR)
        else:
            for epoch, loss in enumerate(LOSSES, 1):
                run_folder.add_epoch(epoch, {"timestamp_ms": 1_000 + epoch, "train/loss": loss / 2, "val/loss": loss})
            results = files(plan, job, trial, run_folder.files, rng)
            run_folder.complete({**results, "epochs": 4.0, "best_epoch": 3.0, "seconds/training": 9.5})
        delivery.deliver()


def files(plan: Plan, job: Job, trial: Trial, folder: Path, rng: np.random.Generator) -> dict[str, float]:
    """Writes what a trained trial leaves, as far as reports read it; returns its scores."""
    scores = {"objective/loss": min(LOSSES), "objective/wa": 0.5}
    tables = []
    for name in ("split", "confusion"):
        (folder / name).mkdir(parents=True)
    (folder / "statement.json").write_text(json.dumps(asdict(trial)))
    for corpus in trial.corpora:
        (folder / "split" / f"{corpus.name}.json").write_text(json.dumps(job.proofs[corpus.source]))
        if corpus.name not in trial.targets:
            continue
        utterances, facts = plan.sources[corpus.source].split.test, job.facts[corpus.source]
        truth = np.array([trial.classes.index(u.label) for u in utterances])
        guess = np.where(rng.random(len(truth)) < 0.6, truth, rng.integers(len(trial.classes), size=len(truth)))
        counts = confusion(truth, guess, len(trial.classes))
        content = {"classes": trial.classes, "rows": "truth", "counts": counts.tolist()}
        (folder / "confusion" / f"{corpus.name}.json").write_text(json.dumps(content))
        scores |= {f"wa/{corpus.name}": wa(counts), f"ua/{corpus.name}": ua(counts)}
        scores |= {f"macro_f1/{corpus.name}": macro_f1(counts), f"objective/ua/{corpus.name}": 0.25}
        scores |= {f"recall/{corpus.name}/{trial.classes[truth[0]]}": float((guess == truth)[truth == truth[0]].mean())}
        uids, names = [u.uid for u in utterances], np.array(trial.classes)
        table = pd.DataFrame({"corpus": corpus.name, "uid": uids, **facts.of(uids), "label": names[truth]})
        table["predicted"] = names[guess]
        chances = rng.dirichlet(np.ones(len(names)), len(truth))
        tables.append(table.assign(**{f"p_{name}": chances[:, k] for k, name in enumerate(names)}))
    pd.concat(tables).to_csv(folder / "predictions.csv", index=False, float_format="%.9g")
    return scores

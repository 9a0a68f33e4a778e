"""What the runner costs beside training: scheduling, features, tracking, recording. Run it with python.

The whole grid of da Silva et al., 168 trials, is run on small made corpora with one short epoch per trial, through Ray
Tune and MLflow as always; a plain loop over the same trials without either is the baseline. Prints seconds per trial.
"""

import argparse
import tempfile
import time
from pathlib import Path

from ser import demo
from ser.cli import console
from ser.distributed import launch
from ser.distributed.profile import Profile
from ser.features.store import Store
from ser.planning import request as requests
from ser.runs.location import Location
from ser.training.train import train
from ser.trials.inputs import load
from ser.trials.job import job_of

SETTINGS = (("training.max_epochs", 1), ("training.steps_per_epoch", 4), ("tdnn.units", 16))


def main() -> None:
    """Print the runner's own seconds per trial, and the plain loop's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=0.3, help="size of the made corpora (default: 0.3)")
    parser.add_argument("--corpora", default="iemocap,tess,ravdess,customer", help="less of them: fewer trials")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        demo.make(work / "corpora", scale=args.scale)
        corpora = tuple(map(requests.CorpusRequest, args.corpora.split(",")))
        request = requests.Request("interaffection", work, (work / "corpora",), corpora, SETTINGS, demo=True)
        plan = requests.plan_of(request, console.bar)
        store = Store(work / "store")
        requests.prepare(plan, store, {}, console.bar)
        job = job_of(plan, Location.of(work, None), work, str(store.local), "cpu", 1, "bench", [])

        start = time.perf_counter()
        for trial in plan.to_train:
            data = {c.name: load(job, trial, c) for c in trial.corpora}
            train(trial, data, work / f"{trial.id}.pt", "cpu", lambda epoch, row: None)
        loop = time.perf_counter() - start

        with console.Live(plan.to_train, 0, work / "log") as live:
            start = time.perf_counter()
            summary = launch.run(job, plan.to_train, Profile.read("local"), None, live)
            wall = time.perf_counter() - start
    own = (wall * summary.slots - summary.training_seconds) / len(plan.trials)
    print(f"{len(plan.trials)} trials, {summary.trained} trained, {summary.slots:g} at once")
    print(f"training and evaluation alone: {summary.training_seconds:.0f} s; plain loop {loop:.0f} s")
    print(f"through Ray Tune and MLflow: {wall:.0f} s of wall time, start of Ray included")
    print(
        f"the runner's own cost: {own:.2f} s of one core per trial, {own / summary.slots:.2f} s of wall time per trial"
    )


if __name__ == "__main__":
    main()

"""Whether thousands of trials cost each as much as hundreds: time and memory, tenth by tenth. Run it with python.

A grid of many seeds of one tiny network is run on a made corpus through Ray Tune and MLflow as always, with one epoch
of one step per trial. Printed per tenth: wall seconds per trial, and the resident memory of the process that decides,
of the one that talks to Ray, and of one worker; then the seconds of ``ser status`` and of the report. The first tenth
is the baseline.
"""

import argparse
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from ser import demo
from ser.cli import console
from ser.distributed import launch
from ser.distributed.profile import Profile
from ser.features.store import Store
from ser.planning import request as requests
from ser.report import collect, overview
from ser.report.runs import Options
from ser.runs.location import Location
from ser.runs.outcomes import TrialOutcome
from ser.runs.tracker import Tracker
from ser.study import Trial
from ser.trials.job import job_of

TINY = {
    "lstm.prep_units": 4,
    "lstm.units": 2,
    "training.batch_size": 2,
    "training.bucket_pool": 1,
    "training.steps_per_epoch": 1,
    "training.max_epochs": 1,
}


@dataclass
class Heard:
    """A listener that looks at the clock and at memory as trials end."""

    rows: list[tuple[float, float, float, float]] = field(default_factory=list)

    def started(self, at_once: int) -> None:
        self.rows.append(_now())

    def finished(self, trial: Trial, outcome: TrialOutcome) -> None:
        self.rows.append(_now())

    def failed(self, trial: Trial, error: str) -> None:
        raise SystemExit(f"{trial.title}: {error}")

    def note(self, line: str) -> None:
        print(line)


def _now() -> tuple[float, float, float, float]:
    here = psutil.Process()
    pool = next((c for c in here.children() if "spawn_main" in " ".join(c.cmdline())), here)
    worker = next((c for c in pool.children(recursive=True) if c.name().startswith("ray::Implicit")), here)
    return time.perf_counter(), *(p.memory_info().rss / 2**20 for p in (here, pool, worker))  # type: ignore[return-value]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=400, help="about how many (default: 400)")
    parser.add_argument("--work", type=Path, help="a folder to keep (default: a temporary one)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = args.work or Path(folder)
        demo.make(work / "corpora", scale=0.2)
        wanted = (requests.CorpusRequest("ravdess"),)
        settings = (("augmentation", "none"), *TINY.items())
        request = requests.Request(
            "interaffection", work, (work / "corpora",), wanted, settings, seeds=-(-args.trials // 2)
        )
        plan = requests.plan_of(request, console.bar)
        chosen = [t for t in plan.to_train if t.block.name == "lstm"]
        store = Store(work / "store")
        requests.prepare(plan, store, {}, console.bar)
        job = job_of(plan, Location.of(work, None), work, str(store.local), "cpu", 1, "bench", [])
        heard = Heard()
        summary = launch.run(job, chosen, Profile.read("local"), None, heard)
        print(f"{summary.trained} trials trained, {summary.unfinished} left, {summary.slots:g} at once")
        print("trials      s per trial   decides    talks   worker (MiB)")
        tenth = max(len(chosen) // 10, 1)
        for at in range(tenth, len(heard.rows), tenth):
            (before, *_), (after, *memory) = heard.rows[at - tenth], heard.rows[at]
            print(f"{at - tenth:5d}-{at:5d}  {(after - before) / tenth:9.3f}   " + "".join(f"{m:9.0f}" for m in memory))
        study, tracker = plan.study, Tracker(job.where, plan.study.name)
        start = time.perf_counter()
        overview.overview(tracker, study)
        surveyed = time.perf_counter()
        collect.report(tracker, study, work / "reports", Options(replicates=10))
        print(f"status {surveyed - start:.1f} s, report {time.perf_counter() - surveyed:.1f} s")


if __name__ == "__main__":
    main()

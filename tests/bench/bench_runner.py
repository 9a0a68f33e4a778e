"""What the runner costs beside training: scheduling, features, tracking, recording. Run it with python.

The whole grid of da Silva et al., 168 trials, is run on small made corpora with one short epoch per trial, through Ray
Tune and MLflow as always; a plain loop over the same trials without either is the baseline. Both are repeated in turns.
Prints processor time per trial, by process: what workers take beside what the loop takes, the process that decides, the
one that runs Tune, and Ray's daemons; and what Ray takes to start and end, which is no matter of trials.
"""

import argparse
import json
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median

import psutil

from ser import demo
from ser.cli import console
from ser.cli.live import Live
from ser.distributed import launch
from ser.distributed.ledger import Summary
from ser.distributed.profile import Profile
from ser.features.store import Store
from ser.host import machine
from ser.planning import request as requests
from ser.runs.location import Location
from ser.runs.outcomes import TrialOutcome
from ser.study import Trial
from ser.training.train import train
from ser.trials.inputs import load
from ser.trials.job import Job, job_of

SETTINGS = (("training.max_epochs", 1), ("training.steps_per_epoch", 4), ("tdnn.units", 16))
EVERY_S = 0.2  # a process that ends in between takes no more than this along
ROLES = ("workers", "decider", "tune", "ray")


@dataclass
class Grid:
    """One run of the grid: processor seconds by role, of trials and of the start; and wall time."""

    cpu: dict[str, float]
    start: dict[str, float]
    wall_s: float
    start_s: float
    summary: Summary


def main() -> None:
    """Print the runner's own seconds per trial, and the plain loop's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=0.3, help="size of the made corpora (default: 0.3)")
    parser.add_argument("--corpora", default="iemocap,tess,ravdess,customer", help="less of them: fewer trials")
    parser.add_argument("--trials", type=int, default=0, help="this many of the grid (default: all)")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there, too")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        job, trials, planned = prepared(work, args.scale, args.corpora, args.trials)
        loops, grids = [], []
        for repeat in range(args.repeats):
            loops.append(plain_loop(job, trials, work))
            grids.append(grid(at(job, work / f"grid-{repeat}"), trials))
    report(loops, grids, planned, args.json)


def prepared(work: Path, scale: float, corpora: str, count: int) -> tuple[Job, list[Trial], int]:
    """Returns a job with its features, the trials to train, and how many runs they leave with those that share one."""
    demo.make(work / "corpora", scale=scale)
    wanted = tuple(map(requests.CorpusRequest, corpora.split(",")))
    request = requests.Request("interaffection", work, (work / "corpora",), wanted, SETTINGS, demo=True)
    plan = requests.plan_of(request, console.bar)
    store = Store(work / "store")
    requests.prepare(plan, store, {}, console.bar)
    job = job_of(plan, Location.of(work, None), work, str(store.local), "cpu", 1, "bench", [])
    trials = list(plan.to_train)
    trials = trials[:: max(1, len(trials) // count)][:count] if count else trials
    return job, trials, len(trials) + sum(len(job.mirrors.get(t.id, ())) for t in trials)


def at(job: Job, work: Path) -> Job:
    """Returns the job with runs and folders of its own."""
    work.mkdir()
    return replace(job, work=str(work), where=Location.of(work, None), experiment="")


def plain_loop(job: Job, trials: Sequence[Trial], work: Path) -> float:
    """Returns the processor seconds of training ``trials`` one after another."""
    start = time.process_time()
    for trial in trials:
        data = {c.name: load(job, trial, c) for c in trial.corpora}
        train(trial, data, work / f"{trial.id}.pt", "cpu", lambda epoch, row: None)
    return time.process_time() - start


def grid(job: Job, trials: Sequence[Trial]) -> Grid:
    """Runs ``trials`` through Ray Tune and MLflow, in a process of its own."""
    here, there = multiprocessing.get_context("fork").Pipe()
    watched = multiprocessing.get_context("fork").Process(target=_run, args=(there, job, trials))
    watched.start()
    used = _watch(psutil.Process(watched.pid), here)
    events: dict[str, tuple[float, dict[str, float]]] = {}
    while True:
        while not here.poll(EVERY_S):
            used()
        event = here.recv()
        events["ended" if isinstance(event, Summary) else event] = time.perf_counter(), used()
        if isinstance(event, Summary):
            break
    there.close()
    watched.join()
    (begun_s, begun), (ready_s, ready), (ended_s, ended) = (events[name] for name in ("begun", "ready", "ended"))
    start = {role: ready[role] - begun[role] for role in ROLES}
    return Grid({r: ended[r] - ready[r] for r in ROLES}, start, ended_s - begun_s, ready_s - begun_s, event)


def _run(pipe: Connection, job: Job, trials: Sequence[Trial]) -> None:
    class Counted(Live):
        has_finished = 0

        def finished(self, trial: Trial, outcome: TrialOutcome) -> None:
            super().finished(trial, outcome)
            self.has_finished += 1
            if self.has_finished == profile.at_once(machine.cores()):
                pipe.send("ready")

    profile = Profile.read("local")

    with Counted(trials, 0, Path(job.work) / "log") as live:
        pipe.send("begun")
        pipe.send(launch.run(job, trials, profile, None, live))


def _watch(root: psutil.Process, pipe: Connection) -> Callable[[], dict[str, float]]:
    """Returns a function that gives the processor seconds so far of ``root`` and all below it, by role."""
    seconds: dict[tuple[int, float], tuple[str, float]] = {}

    def used() -> dict[str, float]:
        tune = {child.pid for child in root.children()}
        for process in (root, *root.children(recursive=True)):
            try:
                times, command = process.cpu_times(), " ".join(process.cmdline())
            except psutil.Error:  # it has just ended
                continue
            is_worker = command.startswith("ray::") or "default_worker.py" in command
            role = "decider" if process.pid == root.pid else "tune" if process.pid in tune else "ray"
            role = "workers" if is_worker else role
            key = process.pid, process.create_time()
            if not command and key in seconds:  # it has ended, and nobody has waited for it yet
                role, _ = seconds[key]
            seconds[key] = role, times.user + times.system
        return {role: sum(s for r, s in seconds.values() if r == role) for role in ROLES}

    return used


def report(loops: Sequence[float], grids: Sequence[Grid], planned: int, to: Path | None) -> None:
    """Prints medians over repeats, each per trial that was trained."""
    trained = grids[0].summary.trained
    loop = median(loops) / trained
    each = {role: median(g.cpu[role] for g in grids) / trained for role in ROLES}
    each["workers"] -= loop
    own = [(sum(g.cpu.values()) - used) / trained for g, used in zip(grids, loops, strict=True)]
    start = {role: median(g.start[role] for g in grids) for role in ROLES}
    wall, start_s = median(g.wall_s for g in grids), median(g.start_s for g in grids)
    slots = grids[0].summary.slots
    print(f"{planned} runs of {trained} trained trials, {slots:g} at once, {len(grids)} times: medians")
    print(
        f"wall time {wall:.1f} s, of which {start_s:.1f} s until workers are there; plain loop {loop:.3f} s per trial"
    )
    print("processor time per trial beside the plain loop's:")
    for role, name in zip(
        ROLES, ("workers", "the process that decides", "Tune's process", "Ray's daemons"), strict=True
    ):
        print(f"  {name:26}{each[role]:7.3f} s      (until workers are there, in all: {start[role]:5.1f} s)")
    print(f"  {'all':26}{median(own):7.3f} s      ({min(own):.3f} to {max(own):.3f})")
    busy = (wall - start_s) * slots - median(g.summary.training_seconds for g in grids)
    print(f"slots not training: {busy / trained:.3f} s per trial")
    if to:
        content = {"trained": trained, "runs": planned, "slots": slots, "repeats": len(grids), "loop_s": loop}
        content |= {"own_s": median(own), "own_each_s": own, "by_process_s": each, "start_cpu_s": start}
        to.write_text(json.dumps({**content, "wall_s": wall, "start_wall_s": start_s}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()

"""How costs grow with the trials of a grid, the utterances of a corpus and the machines of a cluster.

Everything beside training is measured at several sizes, in CPU seconds and MiB, each step in a process of its own. The
exponent of a step is the slope of log CPU seconds over log size, by least squares over all sizes, and between the last
two, where fixed costs hide the least. 1 is a cost that grows as the work does; more than 1.05 is marked. All sizes, to
a million utterances and ten thousand trials: --largest 1000000.

Machines are nodes of Ray on this one machine, each with one processor: what it costs the driver to hand trials to them
and to hear of their ends is measured, the network between real machines is not. Run it with python.
"""

import argparse
import json
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import bench_corpus
import bench_tracking
import numpy as np
from ser.experiments.interaffection import study

from ser import registry
from ser.data.manifest import Manifest
from ser.data.scan import scan
from ser.distributed import tune as runner
from ser.distributed.messages import Ended, TrialEvent, WorkItem
from ser.distributed.profile import Profile
from ser.host.environment import OF_RAY
from ser.planning.plan import resolve
from ser.runs.location import Location
from ser.runs.outcomes import Finished
from ser.runs.tracker import Tracker

SIZES = {"trials": (168, 1_008, 10_080), "utterances": (1_000, 10_000, 100_000, 1_000_000), "machines": (1, 2, 4)}
MOST = 1.05
LEAST_S = 0.05  # of a step; less is noise
PER_SEED, PER_MACHINE = 168, 100
Step = tuple[str, float, float]  # name, CPU seconds, MiB


def of_trials(sizes: Sequence[int]) -> Iterator[list[Step]]:
    """Planning, and all that asks the tracking store, which is filled with that many finished runs."""
    with tempfile.TemporaryDirectory() as folder:
        work, before = Path(folder), 0
        manifests, where = scanned(work), Location.of(work, None)
        for size in sizes:
            chosen = bench_tracking.trials(size)
            bench_tracking.measure(lambda: lambda: Tracker(where, study.name))  # makes the experiment
            job = bench_tracking.job_for(where, work, chosen)
            fill = partial(bench_tracking.fill, where, job, chosen[before:])
            bench_tracking.measure(lambda fill=fill: fill)
            before = size
            plan = partial(resolve, study, manifests, max(1, size // PER_SEED))
            steps = {"plan": bench_tracking.measure(lambda plan=plan: plan)}
            steps |= bench_tracking.table(where, work, size, replicates=10)
            each = steps.pop("a worker's trial")
            steps["workers: tracking of all trials"] = (each[0] * size, *each[1:])
            yield [(name, cpu_s, mib) for name, (cpu_s, _, _, mib) in steps.items()]


def scanned(folder: Path) -> dict[str, Manifest]:
    """Miniatures of the study's corpora."""
    for corpus in study.corpora:
        registry.find("corpora", corpus.loader.name).miniature(folder / "data")
    return {c.name: scan(c.name, c.loader.name, folder / "data", c.loader.values(), folder) for c in study.corpora}


def of_utterances(sizes: Sequence[int]) -> Iterator[list[Step]]:
    """A corpus from its table to a worker's first mini-batch; planning splits it, and looks for leaks."""
    for size in sizes:
        yield [(cost.step, cost.cpu_s, cost.peak_mb * 1e6 / 2**20) for cost in bench_corpus.measure(size)]


def of_machines(sizes: Sequence[int]) -> Iterator[list[Step]]:
    """What the process that hands trials out spends on so many for each machine; the trials do nothing."""
    sys.path.append(str(Path(__file__).parents[1] / "support"))
    from nodes import Cluster

    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            cluster = Cluster(Path(folder))
            try:
                cluster.head(cpus=0)
                for number in range(size):
                    cluster.add(f"machine {number}")
                os.environ.update(OF_RAY | cluster.environment)  # Ray reads it when it is imported
                cpu_s, wall_s, mib = bench_corpus.alone(hand_out, cluster.address, size)
            finally:
                cluster.end()
        print(f"{size} machines: {PER_MACHINE * size} trials in {wall_s:.1f} s", flush=True)
        yield [("driver: hand out trials", cpu_s, mib)]


def hand_out(address: str, machines: int) -> tuple[float, float, float]:
    """Returns CPU seconds, wall seconds and MiB of a run of Tune over trials that do nothing."""
    import ray

    def nothing(config: dict[str, str], jobs: list[Any]) -> None:
        ray.tune.report({"outcomes": {name: Finished() for name in json.loads(config["item"])["trials"]}})

    ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    runner.work, job, ended = nothing, ray.put(b""), 0

    def count(event: TrialEvent) -> None:
        nonlocal ended
        ended += isinstance(event, Ended)

    profile = replace(Profile.read("local"), cpus_per_trial=1)
    runner.run([WorkItem((f"warm-{i}",)) for i in range(machines)], job, profile, None, count)
    grown_mib, ended = bench_tracking.growth(), 0
    next(grown_mib)
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    runner.run([WorkItem((f"{i}",)) for i in range(PER_MACHINE * machines)], job, profile, None, count)
    cost = time.process_time() - cpu_s, time.perf_counter() - wall_s, next(grown_mib)
    assert ended == PER_MACHINE * machines
    ray.shutdown()
    return cost


MEASURED: dict[str, Callable[[Sequence[int]], Iterator[list[Step]]]]
MEASURED = {"trials": of_trials, "utterances": of_utterances, "machines": of_machines}


def exponent(sizes: Sequence[int], cpu_s: Sequence[float]) -> float | None:
    """Returns the slope of log CPU seconds over log size; None where fewer than two can be told from noise."""
    told = [(math.log(n), math.log(s)) for n, s in zip(sizes, cpu_s, strict=True) if s >= LEAST_S]
    return float(np.polyfit(*zip(*told, strict=True), 1)[0]) if len(told) > 1 else None


def grown(subject: str, sizes: Sequence[int]) -> dict[str, Any]:
    """Measures, prints a line for each step, and returns what was printed."""
    measured: dict[str, list[tuple[float, float]]] = {}
    for number, steps in enumerate(MEASURED[subject](sizes)):
        print(f"{subject}: {sizes[number]:,} measured", flush=True)
        for name, cpu_s, mib in steps:
            measured.setdefault(name, []).append((cpu_s, mib))
    print(f"\n{subject:34}" + "".join(f"{n:>12,}: CPU s    MiB" for n in sizes) + "   exponent   last")
    result: dict[str, Any] = {}
    for name, costs in measured.items():
        cpu_s = [c for c, _ in costs]
        whole, last = exponent(sizes, cpu_s), exponent(sizes[-2:], cpu_s[-2:])
        result[name] = {"cpu_s": cpu_s, "mib": [mib for _, mib in costs], "exponent": whole, "last": last}
        slopes = "".join(
            f"{'-' if slope is None else format(slope, '.2f'):>{w}}" for slope, w in ((whole, 11), (last, 7))
        )
        mark = f"   above {MOST}" if max(whole or 0.0, last or 0.0) > MOST else ""
        print(f"{name:34}" + "".join(f"{c:20.2f}{mib:7.0f}" for c, mib in costs) + slopes + mark)
    return {"sizes": list(sizes), "steps": result}


def main() -> None:
    """Print a table for each subject."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for subject, sizes in SIZES.items():
        parser.add_argument(f"--{subject}", type=int, nargs="*", default=sizes, help=f"default: {sizes}; none: skipped")
    parser.add_argument("--largest", type=int, default=10_000, help="no larger size than this (default: 10000)")
    parser.add_argument("--json", type=Path, help="write the numbers to this file, too")
    args = parser.parse_args()
    told = {}
    for subject in SIZES:
        if sizes := [n for n in getattr(args, subject) if n <= args.largest]:
            told[subject] = grown(subject, sizes)
            print()
    if args.json:
        args.json.write_text(json.dumps(told, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()

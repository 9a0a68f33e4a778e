"""What Ray Tune itself costs per trial, by the number of trials handed to it at once. Run it with python.

The workers do nothing and say so; everything else is as in a grid. Printed for passes of growing size: wall seconds per
trial, processor seconds per trial of the process that talks to Ray, and its resident memory. The smallest pass is the
baseline. ``ser.distributed.driver`` hands out larger grids in passes of a thousand.
"""

import argparse
import json
import os
import time
from typing import Any

from ser.host.environment import OF_RAY

os.environ.update(OF_RAY)

import psutil
import ray
from ray import tune

from ser.distributed import tune as runner
from ser.distributed.messages import Ended, TrialEvent, WorkItem
from ser.distributed.profile import Profile
from ser.runs.outcomes import Finished


def _nothing(config: dict[str, str], jobs: list[Any]) -> None:
    tune.report({"outcomes": {name: Finished() for name in json.loads(config["item"])["trials"]}})


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--largest", type=int, default=1000, help="trials of the largest pass (default: 1000)")
    largest = parser.parse_args().largest
    runner.work = _nothing
    ray.init(address="local", include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    job, ended, local = ray.put(b""), 0, Profile.read("local")

    def count(event: TrialEvent) -> None:
        nonlocal ended
        ended += isinstance(event, Ended)

    runner.run([WorkItem(("warm",))], job, local, None, count)
    sizes = [size for size in (125, 250, 500, 1000, 2000, 4000, 8000) if size <= largest]
    print("trials   s per trial   CPU s per trial   memory (MiB)")
    for size in sizes:
        ended, start, cpu = 0, time.perf_counter(), time.process_time()
        runner.run([WorkItem((f"{size}-{i}",)) for i in range(size)], job, local, None, count)
        assert ended == size
        wall, cpu = time.perf_counter() - start, time.process_time() - cpu
        memory = psutil.Process().memory_info().rss / 2**20
        print(f"{size:6d}   {wall / size:11.4f}   {cpu / size:15.4f}   {memory:12.0f}", flush=True)
    ray.shutdown()


if __name__ == "__main__":
    main()

"""A grid under ``kill -9``: a command that is given again whenever it ends, and a hand that kills at random."""

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import psutil

from ser.runs.tracker import Tracker

KINDS = ("worker", "ray_driver", "driver", "raylet", "gcs_server")
_CALL = "import sys; from ser.cli.main import main; sys.exit(main())"


@dataclass
class Chaos:
    """One grid, given by the command that runs it."""

    command: list[str]  # after ``ser``
    work: Path
    log: Path
    kills: Counter[str] = field(default_factory=Counter)
    starts: int = 0
    driver: subprocess.Popen | None = None

    def start(self) -> subprocess.Popen:
        """Give the command once more."""
        self.starts += 1
        with self.log.open("a") as log:
            self.driver = subprocess.Popen([sys.executable, "-c", _CALL, *self.command], stdout=log, stderr=log)
        return self.driver

    def finished(self) -> bool:
        """Whether the command has ended well."""
        return self.driver is not None and self.driver.poll() == 0

    def keep_alive(self) -> None:
        """Start the command unless it runs."""
        if self.driver is None or self.driver.poll() is not None:
            self.start()

    def find(self, kind: str) -> list[psutil.Process]:
        """Living processes of the grid: the driver, the process that talks to Ray, Ray's own, and training workers."""
        if self.driver is None or self.driver.poll() is not None:
            return []
        try:
            driver = psutil.Process(self.driver.pid)
            children = driver.children(recursive=True)
            if kind == "driver":
                return [driver]
            if kind == "ray_driver":
                return [c for c in driver.children() if "spawn_main" in " ".join(c.cmdline())]
            if kind == "worker":
                return [c for c in children if self._trains(c)]
            return [c for c in children if c.name() == kind]
        except psutil.Error:
            return []

    def _trains(self, process: psutil.Process) -> bool:
        try:
            return any(Path(f.path).is_relative_to(self.work / "trials") for f in process.open_files())
        except psutil.Error:
            return False

    def kill(self, kind: str, rng: random.Random, how: int = signal.SIGKILL) -> bool:
        """Kill one process of this kind, if there is one."""
        for process in rng.sample(found := self.find(kind), min(1, len(found))):
            try:
                process.send_signal(how)
            except psutil.Error:
                continue
            self.kills[kind] += 1
            return True
        return False

    def rage(self, kinds: list[str], pause_s: tuple[float, float], rng: random.Random, most_s: float) -> None:
        """Kill these kinds in turn, each as soon as training goes on, and then let the grid finish."""
        deadline = time.monotonic() + most_s
        queue = list(kinds)
        while not self.finished() and time.monotonic() < deadline:
            self.keep_alive()
            if queue and self.find("worker"):
                time.sleep(rng.uniform(*pause_s))
                if self.kill(queue[0], rng):
                    queue.pop(0)
            time.sleep(0.1)
        if not self.finished():
            raise TimeoutError(f"after {dict(self.kills)} the grid did not finish:\n{self.log.read_text()[-3000:]}")

    def end(self) -> None:
        """Leave no process behind."""
        if self.driver is not None and self.driver.poll() is None:
            for process in [*psutil.Process(self.driver.pid).children(recursive=True), psutil.Process(self.driver.pid)]:
                try:
                    process.kill()
                except psutil.Error:
                    continue
            self.driver.wait()


@dataclass(frozen=True)
class Verdict:
    """What became of the trials: ids that have no finished run, several, or other numbers than undisturbed ones."""

    lost: list[str]
    duplicated: list[str]
    wrong: list[str]
    unmarked: list[str]  # runs neither finished nor marked as superseded


def judge(tracker: Tracker, expected: Mapping[str, Any]) -> Verdict:
    """Compare what MLflow holds with ``expected``, the ``facts`` of the same trials undisturbed."""
    runs = tracker.runs()
    finished: dict[str, list[Any]] = {}
    for run in runs:
        if run.info.status == "FINISHED":
            finished.setdefault(run.data.tags["trial_id"], []).append(run)
    lost = [i for i in expected if i not in finished]
    duplicated = [i for i, found in finished.items() if len(found) > 1]
    wrong = [i for i, found in finished.items() if expected.get(i) is None or facts(tracker, found[0]) != expected[i]]
    unmarked = [r.info.run_id for r in runs if r.info.status != "FINISHED" and "superseded_by" not in r.data.tags]
    return Verdict(lost, duplicated, wrong, unmarked)


def facts(tracker: Tracker, run: Any) -> dict[str, Any]:
    """Every number of a run but its seconds: curves with all their rows, results, predictions to the last digit."""
    curves = {
        key: [(m.step, m.value) for m in tracker.client.get_metric_history(run.info.run_id, key)]
        for key in run.data.metrics
        if not key.startswith(("seconds/", "system/"))
    }
    return {"curves": curves, "predictions": pd.read_csv(tracker.artifact(run, "predictions.csv")).to_csv()}

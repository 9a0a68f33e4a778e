"""A watch on a cluster, while it computes: it says that a node is alive, and ends trials that make no progress."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from ser.distributed import tune
from ser.distributed.messages import Alive, Broke, Died, EpochDone, Lost, Message, TrialEvent
from ser.distributed.profile import Profile
from ser.runs.folder import RunFolder
from ser.runs.replica import Replica

PULSE_S = 2.0
_LONGEST_ROUND_S = 10.0  # what took longer, this process was stopped


@dataclass(frozen=True)
class Running:
    """The latest progress of a trial, and where its worker is; ``awake_s``: the watch's clock at that time."""

    node: str
    pid: int
    epoch: int
    awake_s: float


class Watch(threading.Thread):
    """Passes events of trials on; sends every few seconds that Ray has a living node; ends trials that make no
    progress, by this process's own clock, as those of other machines may differ or jump. The clock stands while this
    process does: a job that is suspended, by Ctrl-Z or by SLURM, hangs nowhere.
    """

    def __init__(self, send: Callable[[Message], None], work: str, replica: str, profile: Profile) -> None:
        super().__init__(daemon=True)
        self.send, self.work, self.replica = send, work, replica
        self.limit_s = profile.minutes_without_progress * 60
        self.running: dict[str, Running] = {}  # by trial
        self.awake_s, self._last_tick = 0.0, time.monotonic()
        self.killed: set[str] = set()  # by this thread, which has noted the reason itself

    def on_event(self, event: TrialEvent) -> None:
        """Passes an event of a trial on; a death with its reason, where one is noted."""
        match event:
            case EpochDone(trial, epoch, node_id, pid):
                self.running[trial] = Running(node_id, pid, epoch, self.awake_s)
            case Died(trial, error):
                self.running.pop(trial, None)
                event = Died(trial, self._noted(trial, error))
            case Broke(trial, error):
                self.running.pop(trial, None)
                event = Broke(trial, self._noted(trial, error))
            case _:
                self.running.pop(event.trial, None)
        self.send(event)

    def _noted(self, trial: str, error: str) -> str:
        """Returns why a worker ended, and notes it where the worker itself could not; what it raised it has noted."""
        replica, reason = Replica(self.replica, RunFolder(self.work, trial)), ""
        if trial in self.killed or "ray::" in error:
            reason = replica.note("")
            self.killed.discard(trial)
        return reason or replica.note(_in_short(error)) or _in_short(error)

    def tick(self) -> None:
        """Moves the clock on."""
        now = time.monotonic()
        self.awake_s += min(now - self._last_tick, _LONGEST_ROUND_S)
        self._last_tick = now

    def run(self) -> None:
        """Looks every few seconds, to the end of the process."""
        while True:
            self.tick()
            with contextlib.suppress(RayError, ConnectionError, TimeoutError):
                alive = {n["NodeID"] for n in ray.nodes() if n["Alive"]}
                self.send(Alive() if alive else Lost("no node is alive"))
                for trial, running in list(self.running.items()):
                    if self.limit_s and self.awake_s - running.awake_s > self.limit_s and running.node in alive:
                        self.running.pop(trial, None)
                        self._kill(trial, running)
            time.sleep(PULSE_S)

    def _kill(self, trial: str, running: Running) -> None:
        self.killed.add(trial)
        on_node = NodeAffinitySchedulingStrategy(node_id=running.node, soft=False)
        place = ray.get(_kill.options(scheduling_strategy=on_node).remote(running.pid), timeout=60)
        epoch = running.epoch + 1
        reason = f"no progress for {self.limit_s / 60:g} min in epoch {epoch}, ended; it was at {place}"
        Replica(self.replica, RunFolder(self.work, trial)).note(reason)


@ray.remote(num_cpus=0)
def _kill(pid: int) -> str:
    """Has a process of this node write where it is, and ends it, also if it is stopped. Returns that place."""
    path = tune.stack_file(pid)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGUSR1)
        time.sleep(1)
        os.kill(pid, signal.SIGKILL)
    lines: list[str] = []
    with contextlib.suppress(OSError):
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        path.unlink()
    return " < ".join([text.strip() for text in lines if text.strip().startswith("File")][:8]) or "an unknown place"


def _in_short(text: str) -> str:
    """Returns what Ray knows of the death of a worker; it explains at length, and names every possible cause."""
    if "running low on memory" in text:
        return "the worker was ended: the node was running low on memory"
    if "ray::" not in text:
        return "the worker died: it was killed, or its machine was lost"
    return text.splitlines()[-1]

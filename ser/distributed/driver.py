"""Trials on one machine or a cluster, as Ray knows them. It runs in a process of its own.

A raylet or head node that dies takes the process connected to it along, or leaves it waiting for ever. So
``ser.distributed.launch`` decides, keeps the count and starts this process again; here Tune runs what it is told and
tells how. Tune itself runs in this process, or, where this one is only a client (``ray://``), in a task on the head
node.
"""

import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from ser import PACKAGE, registry
from ser.distributed import node, tune
from ser.distributed.messages import Halving, Unit
from ser.distributed.profile import Profile
from ser.errors import BadInput
from ser.host import environment, logs, machine
from ser.host.environment import OF_RAY, OF_WORKERS
from ser.host.scratch import INSIDE
from ser.runs.folder import RunFolder
from ser.runs.replica import Replica

PULSE_S = 2.0
_LONGEST_ROUND_S = 10.0  # of a watch; what took longer, it was stopped
_AT_ONCE = 1000  # trials in one pass of Tune, whose own cost per trial grows with their number
_NODES_S = 600.0  # a cloud's GPU machine needs minutes to start
_LOOK_S = 120.0
_STORE = 2**28  # bytes; Ray itself would take a third of the memory
_HEAD = {"node:__internal_head__": 0.001}


@dataclass
class _Line:
    """To the process that started this one; several threads speak."""

    connection: Connection
    lock: threading.Lock = field(default_factory=threading.Lock)

    def tell(self, *message: Any) -> None:
        with self.lock:
            try:
                self.connection.send(message)
            except OSError:  # nobody listens any more: workers die with this process, and their trials go on later
                os._exit(1)


def serve(
    address: str | None,
    connection: Connection,
    folder: str,
    places: node.Places | None,
    profile: Profile,
    given: bytes = b"",
    work: str = "",
    replica: str = "",
) -> None:
    """Run the units that are received, list by list, until None comes; without any ``given`` look at all nodes.

    With a list may come a scheduler, and a new ``given``, as searches find further trials. ``given`` is a pickled job
    and its trials by id, which only workers open; ``places`` is what the nodes of a cluster have to reach. ``folder``
    is for a local Ray's files.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; the listening process decides
    line = _Line(connection)
    try:
        with _session(address, folder, len(given)):
            signal.signal(signal.SIGTERM, _interrupted)
            if not given:
                return line.tell("examined", _examine(places) if places else [])
            slots = _slots(address, profile, line)
            if places:
                _refuse_unfit(places, profile)
            line.tell("ready", slots)
            watch = _Watch(line, work, replica, profile)
            watch.start()
            stored = [ray.put(given)]
            while (message := connection.recv()) is not None:
                units, halving, fresh = message
                stored = [ray.put(fresh)] if fresh else stored
                for at in range(0, len(units), _AT_ONCE):
                    _pass(address, units[at : at + _AT_ONCE], stored, profile, watch, halving)
                line.tell("passed")
    except BadInput as error:
        line.tell("refused", error)
    except (KeyboardInterrupt, EOFError):
        pass


def _interrupted(*_: Any) -> None:
    raise KeyboardInterrupt


def _pass(
    address: str | None,
    units: list[Unit],
    given: list[Any],
    profile: Profile,
    watch: "_Watch",
    halving: Halving | None,
) -> None:
    if not _is_client(address):
        return tune.run(units, given, profile, watch.heard, halving)
    mailbox: Any = ray.remote(num_cpus=0)(_Mailbox).options(resources=_HEAD).remote()
    run = _far_pass.options(resources=_HEAD).remote(units, given, profile, mailbox, halving)
    done: list[Any] = []
    while not done:
        done, _ = ray.wait([run], timeout=0.5)
        for message in ray.get(mailbox.take.remote()):
            watch.heard(*message)
    ray.get(run)


def _is_client(address: str | None) -> bool:
    return address is not None and address.startswith("ray://")


class _Mailbox:
    """On the cluster, between Tune there and this process, which cannot be called."""

    def __init__(self) -> None:
        self.messages: list[tuple[Any, ...]] = []

    def put(self, *message: Any) -> None:
        self.messages.append(message)

    def take(self) -> list[tuple[Any, ...]]:
        out, self.messages = self.messages, []
        return out


@ray.remote(num_cpus=0, max_retries=0)
def _far_pass(units: list[Unit], given: list[Any], profile: Profile, mailbox: Any, halving: Halving | None) -> None:
    tune.run(units, given, profile, lambda *message: ray.get(mailbox.put.remote(*message)), halving)


class _Watch(threading.Thread):
    """Hears what becomes of trials and passes it on; says every few seconds that Ray has a living node; ends trials
    that make no progress, by this process's own clock, as those of other machines may differ or jump. The clock stands
    while this process does: a job that is suspended, by Ctrl-Z or by SLURM, hangs nowhere.
    """

    def __init__(self, line: _Line, work: str, replica: str, profile: Profile) -> None:
        super().__init__(daemon=True)
        self.line, self.work, self.replica = line, work, replica
        self.limit_s = profile.minutes_without_progress * 60
        self.running: dict[str, tuple[str, int, int, float]] = {}  # trial -> (node, pid, epoch, since when)
        self.awake_s, self._seen = 0.0, time.monotonic()
        self.ended: set[str] = set()  # by this thread, which says itself why

    def heard(self, kind: str, trial: str, *told: Any) -> None:
        if kind == "epoch":
            epoch, where, pid = told
            self.running[trial] = (where, pid, epoch, self.awake_s)
            self.line.tell(kind, trial, epoch)
            return
        self.running.pop(trial, None)
        if kind in ("died", "broke"):
            told = (self._noted(trial, told[0]),)
        self.line.tell(kind, trial, *told)

    def _noted(self, trial: str, error: str) -> str:
        """Deaths leave a note here, as the worker itself could leave none; of what it raised it has left its own."""
        replica, known = Replica(self.replica, RunFolder(self.work, trial)), ""
        if trial in self.ended or "ray::" in error:
            known = replica.note("")
            self.ended.discard(trial)
        return known or replica.note(_in_short(error)) or _in_short(error)

    def tick(self) -> None:
        """Move the clock on."""
        now = time.monotonic()
        self.awake_s += min(now - self._seen, _LONGEST_ROUND_S)
        self._seen = now

    def run(self) -> None:
        while True:
            self.tick()
            with contextlib.suppress(RayError, ConnectionError, TimeoutError):
                alive = {n["NodeID"] for n in ray.nodes() if n["Alive"]}
                self.line.tell(*(("alive",) if alive else ("lost", "no node is alive")))
                for trial, (where, pid, epoch, since) in list(self.running.items()):
                    if self.limit_s and self.awake_s - since > self.limit_s and where in alive:
                        self.running.pop(trial, None)
                        self._end(trial, where, pid, epoch)
            time.sleep(PULSE_S)

    def _end(self, trial: str, where: str, pid: int, epoch: int) -> None:
        self.ended.add(trial)
        here = NodeAffinitySchedulingStrategy(node_id=where, soft=False)
        at = ray.get(_kill.options(scheduling_strategy=here).remote(pid), timeout=60)
        said = f"no progress for {self.limit_s / 60:g} min in epoch {epoch + 1}, ended; it was at {at}"
        Replica(self.replica, RunFolder(self.work, trial)).note(said)


@ray.remote(num_cpus=0)
def _kill(pid: int) -> str:
    """Have a process of this node write where it is, and end it, also if it is stopped."""
    written = tune.stack_file(pid)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGUSR1)
        time.sleep(1)
        os.kill(pid, signal.SIGKILL)
    lines: list[str] = []
    with contextlib.suppress(OSError):
        lines = written.read_text(encoding="utf-8", errors="replace").splitlines()
        written.unlink()
    return " < ".join([text.strip() for text in lines if text.strip().startswith("File")][:8]) or "an unknown place"


def _in_short(text: str) -> str:
    """Ray explains the death of a worker at length, and names every possible cause; we keep what it knows."""
    if "running low on memory" in text:
        return "the worker was ended: the node was running low on memory"
    if "ray::" not in text:
        return "the worker died: it was killed, or its machine was lost"
    return text.splitlines()[-1]


def _refuse_unfit(places: node.Places, profile: Profile) -> None:
    """Raises BadInput where a node that could take a trial cannot reach what trials need."""
    found = [f for f in _examine(places, profile) if f.problems]
    if found:
        told = "; ".join(f"{f.node}: {', '.join(f.problems)}" for f in found)
        raise BadInput(told, "nodes of the cluster", "every node with the same libraries, store and tracker",
                       "mend them, or look closer: ser doctor with the same options")  # fmt: skip


def _examine(places: node.Places, profile: Profile | None = None) -> list[node.Finding]:
    """What each living node says of itself; with a ``profile`` those that could take a trial, and in short."""
    nodes = [n for n in ray.nodes() if n["Alive"] and (profile is None or _fits(n["Resources"], profile) >= 1)]
    asked = {}
    for n in nodes:
        here = NodeAffinitySchedulingStrategy(node_id=n["NodeID"], soft=False)
        asked[_look_around.options(scheduling_strategy=here).remote(places, node.versions(), profile is None)] = n
    ready, _ = ray.wait(list(asked), num_returns=len(asked), timeout=_LOOK_S) if asked else ([], [])
    found = []
    for reference, n in asked.items():
        name = f"{n['NodeManagerHostname']} ({n['NodeManagerAddress']})"
        try:
            if reference not in ready:
                raise TimeoutError(f"no answer within {_LOOK_S:.0f} s")
            offers = f"{n['Resources'].get('CPU', 0):g} CPU, {n['Resources'].get('GPU', 0):g} GPU"
            found.append(replace(ray.get(reference), node=name, offers=offers))
        except (RayError, TimeoutError) as error:
            found.append(node.Finding(name, problems=(str(error).splitlines()[-1],)))
    apart = len({n["NodeManagerAddress"] for n in nodes}) > 1
    return [node.alone(f, places) for f in found] if apart else found


@ray.remote(num_cpus=0, max_retries=1)
def _look_around(places: node.Places, here: Mapping[str, str], thorough: bool) -> node.Finding:
    environment.settle()
    return node.examine(places, here, thorough)


@contextlib.contextmanager
def _session(address: str | None, folder: str, kept: int) -> Iterator[None]:
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": True}
    if address is None:
        options |= _local(folder, kept)
        os.environ.update(OF_WORKERS)
    else:
        # The workers run the code of this process, and a user's components, whatever is installed where they are.
        plugins, folders = registry.carried(Path(folder) / "ser_plugins")
        code = {"py_modules": [str(PACKAGE), *folders]}
        every = {"env_vars": OF_WORKERS | OF_RAY | {registry.VARIABLE: plugins}}
        options |= {"address": address, "runtime_env": every | code}
    try:
        _init(options)
    except (OSError, ValueError, RuntimeError, RayError) as error:
        if address is None:
            raise _cannot_start(error, folder) from None
        raise BadInput(str(address), "--address", "auto, ray://HOST:10001 or HOST:6379 of a running cluster",
                       f"start it, or leave --address out to use this machine ({error})") from None  # fmt: skip
    try:
        yield
    finally:
        ray.shutdown()


def _local(folder: str, kept: int) -> dict[str, Any]:
    """Options of a Ray of this machine, whose object store holds the pickled job of ``kept`` bytes and little else."""
    store = max(_STORE, 4 * kept)
    out: dict[str, Any] = {"address": "local", "include_dashboard": False, "runtime_env": {"env_vars": OF_WORKERS}}
    # Ray would look at all processors, and refuse to start where it thinks memory short; we ask it for no memory.
    out |= {"num_cpus": machine.cores(), "_memory": machine.memory_bytes(), "object_store_memory": store}
    out |= {"_temp_dir": f"{folder}/{INSIDE}"}
    return out if machine.shared_memory_bytes() > store else out | {"_plasma_directory": folder}


def _cannot_start(error: Exception, folder: str) -> BadInput:
    lines = [text for text in str(error).splitlines() if text.strip()] or [type(error).__name__]
    why = logs.reason(Path(), 0, Path(folder))
    remedy = "mend that, or give --address of a running cluster; work/logs/ray.log has all that Ray said"
    return BadInput(f"{lines[-1].strip()[:300]}{f' ({why})' if why else ''}", "Ray", "a machine on which it starts",
                    remedy)  # fmt: skip


def _init(options: Mapping[str, Any]) -> None:
    """A head that is busy may not start what serves a client in the half minute that Ray allows it."""
    for last in (False, False, True):
        try:
            ray.init(**options)
            return
        except (ConnectionError, RuntimeError) as error:
            if last or "Starting Ray client server failed" not in str(error):
                raise


def _fits(have: Mapping[str, float], profile: Profile) -> float:
    """How many trials fit into these resources at once."""
    fits = have.get("CPU", 0) / profile.cpus_per_trial
    return min(fits, have.get("GPU", 0) / profile.gpus_per_trial) if profile.gpus_per_trial else fits


def _slots(address: str | None, profile: Profile, line: _Line) -> float:
    """How many trials fit at once; an autoscaler that has none yet is asked for a node, and waited for."""
    deadline = time.monotonic() + (_NODES_S if address is not None else 0)
    share = {"CPU": profile.cpus_per_trial, "GPU": profile.gpus_per_trial}
    asked = False
    while (fits := _fits(have := ray.cluster_resources(), profile)) < 1:
        offered = f"{have.get('CPU', 0):.0f} CPU, {have.get('GPU', 0):.0f} GPU"
        if time.monotonic() > deadline:
            wanted = f"{profile.cpus_per_trial} CPU and {profile.gpus_per_trial} GPU per trial"
            raise BadInput(wanted, "--profile", f"at most what there is: {offered}", "choose another profile")
        if not asked:
            ray.get(_request.options(resources=_HEAD).remote([share]))
            line.tell("told", f"the cluster has {offered} and no room for a trial; waiting for a node")
            asked = True
        line.tell("alive")
        time.sleep(PULSE_S)
    if asked:
        ray.get(_request.options(resources=_HEAD).remote([]))
    return min(fits, profile.trials_at_once or fits)


@ray.remote(num_cpus=0)
def _request(bundles: list[dict[str, float]]) -> None:
    """Autoscaling looks at what waits; what is asked for here it keeps until the next such call."""
    from ray.autoscaler.sdk import request_resources

    request_resources(bundles=bundles)

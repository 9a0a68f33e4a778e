"""Trials on one machine or a cluster, as Ray knows them. It runs in a process of its own (``ser.distributed.pool``).

A raylet or head node that dies takes the process connected to it along, or leaves it waiting for ever. So
``ser.distributed.launch`` decides, keeps the count and starts this process again; here Tune runs the work items that
arrive, and every event of a trial goes back. Tune itself runs in this process, or, where this one is only a client
(``ray://``), in a task on the head node.
"""

import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from ser import PACKAGE, registry
from ser.distributed import node, tune
from ser.distributed.messages import (
    Alive,
    Broke,
    Died,
    DriverOptions,
    EpochDone,
    Examined,
    Halving,
    ItemsDone,
    Lost,
    Message,
    Note,
    Ready,
    Rejected,
    RunItems,
    TrialEvent,
    WorkItem,
)
from ser.distributed.profile import Profile
from ser.errors import BadInput
from ser.host import environment, logs, machine
from ser.host.environment import OF_RAY, OF_WORKERS
from ser.host.scratch import INSIDE
from ser.runs.folder import RunFolder
from ser.runs.replica import Replica

PULSE_S = 2.0
_LONGEST_ROUND_S = 10.0  # of a watch; what took longer, it was stopped
_AT_ONCE = 1000  # work items in one run of Tune, whose own cost per trial grows with their number
_NODES_S = 600.0  # a cloud's GPU machine needs minutes to start
_LOOK_S = 120.0
_STORE = 2**28  # bytes; Ray itself would take a third of the memory
_HEAD = {"node:__internal_head__": 0.001}


@dataclass
class _Line:
    """The connection to the process that started this one; several threads send."""

    connection: Connection
    lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, message: Message) -> None:
        with self.lock:
            try:
                self.connection.send(message)
            except OSError:  # nobody listens any more: workers die with this process, and their trials go on later
                os._exit(1)


def serve(options: DriverOptions, connection: Connection, folder: str) -> None:
    """Runs the work items that arrive, list by list, until Close does; without a job looks at all nodes instead.

    With a list may come a scheduler, and a new job, as searches add trials. ``folder`` is for a local Ray's files.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; the listening process decides
    line, address, profile = _Line(connection), options.address, options.profile
    try:
        with _session(address, folder, len(options.packed_job)):
            signal.signal(signal.SIGTERM, _interrupt)
            if not options.packed_job:
                return line.send(Examined(tuple(_examine(options.places) if options.places else ())))
            # Whatever keeps trials from running is known before the first of them is handed out.
            slots = _slots(address, profile, line)
            if options.places:
                _refuse_unfit(options.places, profile)
            line.send(Ready(slots))
            watch = _Watch(line, options.work, options.replica, profile)
            watch.start()
            job = ray.put(options.packed_job)
            while isinstance(request := connection.recv(), RunItems):
                job = ray.put(request.packed_job) if request.packed_job else job
                for at in range(0, len(request.items), _AT_ONCE):
                    items = request.items[at : at + _AT_ONCE]
                    if _is_client(address):
                        _run_on_head(items, job, profile, request.halving, watch)
                    else:
                        tune.run(items, job, profile, request.halving, watch.on_event)
                line.send(ItemsDone())
    except BadInput as error:
        line.send(Rejected(error))
    except (KeyboardInterrupt, EOFError):
        pass


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _is_client(address: str | None) -> bool:
    return address is not None and address.startswith("ray://")


def _run_on_head(
    items: Sequence[WorkItem], job: "ray.ObjectRef[bytes]", profile: Profile, halving: Halving | None, watch: "_Watch"
) -> None:
    """Runs ``tune.run`` in a task of the head node, which cannot call this process."""
    mailbox: Any = ray.remote(num_cpus=0)(_Mailbox).options(resources=_HEAD).remote()
    task = _tune_task.options(resources=_HEAD).remote(items, [job], profile, halving, mailbox)
    ready: list[Any] = []
    while not ready:
        ready, _ = ray.wait([task], timeout=0.5)
        for event in ray.get(mailbox.take.remote()):
            watch.on_event(event)
    ray.get(task)


class _Mailbox:
    """Events on the cluster, between Tune there and this process, which cannot be called."""

    def __init__(self) -> None:
        self.events: list[TrialEvent] = []

    def put(self, event: TrialEvent) -> None:
        self.events.append(event)

    def take(self) -> list[TrialEvent]:
        out, self.events = self.events, []
        return out


@ray.remote(num_cpus=0, max_retries=0)
def _tune_task(
    items: Sequence[WorkItem],
    jobs: "list[ray.ObjectRef[bytes]]",
    profile: Profile,
    halving: Halving | None,
    mailbox: Any,
) -> None:
    """The job comes in a list, as Ray would replace a plain reference by the job itself."""
    tune.run(items, jobs[0], profile, halving, lambda event: ray.get(mailbox.put.remote(event)))


@dataclass(frozen=True)
class _Running:
    """The latest progress of a trial, and where its worker is; ``awake_s``: the watch's clock at that time."""

    node: str
    pid: int
    epoch: int
    awake_s: float


class _Watch(threading.Thread):
    """Passes events of trials on; sends every few seconds that Ray has a living node; ends trials that make no
    progress, by this process's own clock, as those of other machines may differ or jump. The clock stands while this
    process does: a job that is suspended, by Ctrl-Z or by SLURM, hangs nowhere.
    """

    def __init__(self, line: _Line, work: str, replica: str, profile: Profile) -> None:
        super().__init__(daemon=True)
        self.line, self.work, self.replica = line, work, replica
        self.limit_s = profile.minutes_without_progress * 60
        self.running: dict[str, _Running] = {}  # by trial
        self.awake_s, self._last_tick = 0.0, time.monotonic()
        self.killed: set[str] = set()  # by this thread, which has noted the reason itself

    def on_event(self, event: TrialEvent) -> None:
        match event:
            case EpochDone(trial, epoch, node_id, pid):
                self.running[trial] = _Running(node_id, pid, epoch, self.awake_s)
            case Died(trial, error):
                self.running.pop(trial, None)
                event = Died(trial, self._noted(trial, error))
            case Broke(trial, error):
                self.running.pop(trial, None)
                event = Broke(trial, self._noted(trial, error))
            case _:
                self.running.pop(event.trial, None)
        self.line.send(event)

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
        while True:
            self.tick()
            with contextlib.suppress(RayError, ConnectionError, TimeoutError):
                alive = {n["NodeID"] for n in ray.nodes() if n["Alive"]}
                self.line.send(Alive() if alive else Lost("no node is alive"))
                for trial, running in list(self.running.items()):
                    if self.limit_s and self.awake_s - running.awake_s > self.limit_s and running.node in alive:
                        self.running.pop(trial, None)
                        self._kill(trial, running)
            time.sleep(PULSE_S)

    def _kill(self, trial: str, running: _Running) -> None:
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


def _refuse_unfit(places: node.Places, profile: Profile) -> None:
    """Raises BadInput where a node that could take a trial cannot reach what trials need."""
    unfit = [f for f in _examine(places, profile) if f.problems]
    if unfit:
        problems = "; ".join(f"{f.node}: {', '.join(f.problems)}" for f in unfit)
        raise BadInput(problems, "nodes of the cluster", "every node with the same libraries, store and tracker",
                       "fix them, or look closer: ser doctor with the same options")  # fmt: skip


def _examine(places: node.Places, profile: Profile | None = None) -> list[node.Finding]:
    """Returns the state of each living node; with a ``profile`` of those that could take a trial, and in short."""
    nodes = [n for n in ray.nodes() if n["Alive"] and (profile is None or _fits(n["Resources"], profile) >= 1)]
    tasks = {}
    for n in nodes:
        on_node = NodeAffinitySchedulingStrategy(node_id=n["NodeID"], soft=False)
        tasks[_examine_node.options(scheduling_strategy=on_node).remote(places, node.versions(), profile is None)] = n
    ready, _ = ray.wait(list(tasks), num_returns=len(tasks), timeout=_LOOK_S) if tasks else ([], [])
    findings = []
    for reference, n in tasks.items():
        name = f"{n['NodeManagerHostname']} ({n['NodeManagerAddress']})"
        try:
            if reference not in ready:
                raise TimeoutError(f"no answer within {_LOOK_S:.0f} s")
            offers = f"{n['Resources'].get('CPU', 0):g} CPU, {n['Resources'].get('GPU', 0):g} GPU"
            findings.append(replace(ray.get(reference), node=name, offers=offers))
        except (RayError, TimeoutError) as error:
            findings.append(node.Finding(name, problems=(str(error).splitlines()[-1],)))
    apart = len({n["NodeManagerAddress"] for n in nodes}) > 1
    return [node.one_of_several(f, places) for f in findings] if apart else findings


@ray.remote(num_cpus=0, max_retries=1)
def _examine_node(places: node.Places, versions: Mapping[str, str], thorough: bool) -> node.Finding:
    environment.settle()
    return node.examine(places, versions, thorough)


@contextlib.contextmanager
def _session(address: str | None, folder: str, job_bytes: int) -> Iterator[None]:
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": True}
    if address is None:
        options |= _local(folder, job_bytes)
        os.environ.update(OF_WORKERS)
    else:
        # The workers run the code of this process, and a user's components, whatever is installed where they are.
        plugins, folders = registry.carried(Path(folder) / "ser_plugins")
        code = {"py_modules": [str(PACKAGE), *folders]}
        variables = {"env_vars": OF_WORKERS | OF_RAY | {registry.VARIABLE: plugins}}
        options |= {"address": address, "runtime_env": variables | code}
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


def _local(folder: str, job_bytes: int) -> dict[str, Any]:
    """Returns the options of a Ray of this machine, whose object store holds the pickled job and little else."""
    store = max(_STORE, 4 * job_bytes)
    out: dict[str, Any] = {"address": "local", "include_dashboard": False, "runtime_env": {"env_vars": OF_WORKERS}}
    # Ray would look at all processors, and refuse to start where it thinks memory short; we ask it for no memory.
    out |= {"num_cpus": machine.cores(), "_memory": machine.memory_bytes(), "object_store_memory": store}
    out |= {"_temp_dir": f"{folder}/{INSIDE}"}
    return out if machine.shared_memory_bytes() > store else out | {"_plasma_directory": folder}


def _cannot_start(error: Exception, folder: str) -> BadInput:
    lines = [text for text in str(error).splitlines() if text.strip()] or [type(error).__name__]
    reason = logs.reason(Path(), 0, Path(folder))
    remedy = "fix that, or give --address of a running cluster; work/logs/ray.log has all that Ray said"
    value = f"{lines[-1].strip()[:300]}{f' ({reason})' if reason else ''}"
    return BadInput(value, "Ray", "a machine on which it starts", remedy)


def _init(options: Mapping[str, Any]) -> None:
    """Connects to Ray, or starts it: a busy head may not start a client's server in the half minute that Ray allows."""
    for is_last in (False, False, True):
        try:
            ray.init(**options)
            return
        except (ConnectionError, RuntimeError) as error:
            if is_last or "Starting Ray client server failed" not in str(error):
                raise


def _fits(resources: Mapping[str, float], profile: Profile) -> float:
    """Returns how many trials fit into these resources at once."""
    fits = resources.get("CPU", 0) / profile.cpus_per_trial
    return min(fits, resources.get("GPU", 0) / profile.gpus_per_trial) if profile.gpus_per_trial else fits


def _slots(address: str | None, profile: Profile, line: _Line) -> float:
    """Returns how many trials fit at once; an autoscaler that has none yet is asked for a node, and waited for."""
    deadline = time.monotonic() + (_NODES_S if address is not None else 0)
    share = {"CPU": profile.cpus_per_trial, "GPU": profile.gpus_per_trial}
    is_requested = False
    while (fits := _fits(resources := ray.cluster_resources(), profile)) < 1:
        offer = f"{resources.get('CPU', 0):.0f} CPU, {resources.get('GPU', 0):.0f} GPU"
        if time.monotonic() > deadline:
            need = f"{profile.cpus_per_trial} CPU and {profile.gpus_per_trial} GPU per trial"
            raise BadInput(need, "--profile", f"at most what there is: {offer}", "choose another profile")
        if not is_requested:
            ray.get(_request.options(resources=_HEAD).remote([share]))
            line.send(Note(f"the cluster has {offer} and no room for a trial; waiting for a node"))
            is_requested = True
        line.send(Alive())
        time.sleep(PULSE_S)
    if is_requested:
        ray.get(_request.options(resources=_HEAD).remote([]))
    return min(fits, profile.trials_at_once or fits)


@ray.remote(num_cpus=0)
def _request(bundles: list[dict[str, float]]) -> None:
    """Asks the autoscaler for room, which it keeps until the next such call; else it looks at what waits."""
    from ray.autoscaler.sdk import request_resources

    request_resources(bundles=bundles)

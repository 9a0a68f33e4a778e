"""Trials and features on one machine or a cluster, as Ray knows them, in a process of its own (see ``pool``).

A raylet or head node that dies takes the process connected to it along, or leaves it waiting for ever. So
``ser.distributed.launch`` and ``features`` decide, keep the count and start this process again; here Tune runs the work
items that arrive, ``feature_tasks`` computes shards, and every event goes back. Tune itself runs in this process, or,
where this one is only a client (``ray://``), in a task on the head node.
"""

import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from ser import PACKAGE, registry
from ser.distributed import feature_tasks, node, tune
from ser.distributed.messages import (
    Alive,
    BuildShards,
    DriverOptions,
    Examined,
    Halving,
    ItemsDone,
    Message,
    Note,
    Ready,
    Rejected,
    RunItems,
    ShardsDone,
    TrialEvent,
    WorkItem,
)
from ser.distributed.profile import Profile
from ser.distributed.watch import PULSE_S, Watch
from ser.errors import BadInput
from ser.host import environment, logs, machine
from ser.host.environment import OF_RAY, OF_WORKERS
from ser.host.scratch import INSIDE

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
    """Runs the work items or shards that arrive, list by list, until Close does; with places alone looks at all nodes.

    ``folder`` is for a local Ray's files.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; the listening process decides
    line = _Line(connection)
    try:
        with _session(options.address, folder, len(options.packed_job)):
            signal.signal(signal.SIGTERM, _interrupt)
            if options.packed_job:
                _train(options, line)
            elif options.places:
                line.send(Examined(tuple(_examine(options.places))))
            else:
                _build(options, line)
    except BadInput as error:
        line.send(Rejected(error))
    except (KeyboardInterrupt, EOFError):
        pass


def _train(options: DriverOptions, line: _Line) -> None:
    """With a list of work items may come a scheduler, and a new job, as searches add trials."""
    address, profile = options.address, options.profile
    # Whatever keeps trials from running is known before the first of them is handed out.
    slots = _slots(address, profile, line)
    if options.places:
        _refuse_unfit(options.places, profile)
    line.send(Ready(slots))
    watch = Watch(line.send, options.work, options.replica, profile)
    watch.start()
    job = ray.put(options.packed_job)
    while isinstance(request := line.connection.recv(), RunItems):
        job = ray.put(request.packed_job) if request.packed_job else job
        for at in range(0, len(request.items), _AT_ONCE):
            items = request.items[at : at + _AT_ONCE]
            if _is_client(address):
                _run_on_head(items, job, profile, request.halving, watch)
            else:
                tune.run(items, job, profile, request.halving, watch.on_event)
        line.send(ItemsDone())


def _build(options: DriverOptions, line: _Line) -> None:
    line.send(Ready(0.0))
    Watch(line.send, options.work, options.replica, options.profile).start()
    while isinstance(request := line.connection.recv(), BuildShards):
        share = replace(options.profile, cpus_per_trial=1, gpus_per_trial=request.gpus, trials_at_once=0)
        _slots(options.address, share, line)
        feature_tasks.build(request, partial(_room, share), line.send)
        line.send(ShardsDone())


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _is_client(address: str | None) -> bool:
    return address is not None and address.startswith("ray://")


def _run_on_head(
    items: Sequence[WorkItem], job: "ray.ObjectRef[bytes]", profile: Profile, halving: Halving | None, watch: Watch
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


def _room(profile: Profile) -> float:
    """Returns how many trials fit into the cluster as it is now."""
    return _fits(ray.cluster_resources(), profile)


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

"""Checks whether a machine has all that trials of a grid need. Knows nothing of Ray."""

import errno
import os
import platform
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from ser.errors import Away, BadInput
from ser.features.remote import RemoteFolder, is_url
from ser.host import environment, machine, processor
from ser.host.libraries import Look, looking
from ser.runs import replica
from ser.runs.folder import work_id

if TYPE_CHECKING:  # what only looks does without torch and MLflow
    from ser.runs.location import Location
    from ser.trials.job import Job

_MARK = ".seen"
_COMPARED = ("ray", "torch", "mlflow", "numpy", "soundfile", "soxr")


@dataclass(frozen=True)
class Places:
    """Places that the nodes of a grid have to reach; ``work`` and its id are "" where nodes share no such folder."""

    uri: str  # of the tracking store
    printable: str  # the same without a password
    artifacts: str
    store: str
    token: str  # the text of the store's mark
    device: str
    work: str = ""
    work_id: str = ""


@dataclass(frozen=True)
class Finding:
    """The state of one machine. Values that could not be read are ""; ``problems`` keep trials from running there."""

    node: str
    versions: Mapping[str, str] = field(default_factory=dict)
    offers: str = ""  # to Ray
    cpus: int = 0
    memory_gb: float = 0.0
    disk_gb: float = 0.0  # free, where this node keeps its copy of the features
    gpus: tuple[str, ...] = ()
    torchaudio: str = ""
    processor: str = ""  # its name
    abilities: tuple[str, ...] = ()  # its sets of instructions
    used: str = ""  # those that torch uses, as it calls them
    bfloat16_gain: float = 0.0  # how many times as fast as float32 it multiplies; 0 unknown
    memory_kept: bool = False  # whether the C library keeps the memory of large tensors, where it is asked to
    store: str = ""
    tracker: str = ""
    problems: tuple[str, ...] = ()


def cache() -> Path:
    """Returns the folder in which a node keeps copies of features and the trials it works on; ``SER_CACHE`` names it.

    Raises BadInput where another user has made one of the default name.
    """
    setting = os.environ.get("SER_CACHE")
    if setting:
        if not Path(setting).is_absolute():  # each process of a node runs in a folder of its own
            raise BadInput(repr(setting), "SER_CACHE of this node", "an absolute path", "write it from / on")
        return Path(setting)
    place = Path(tempfile.gettempdir()) / f"ser-cache-{os.getuid()}"
    with suppress(FileExistsError):
        place.mkdir(mode=0o700, exist_ok=True)
    if place.stat().st_uid != os.geteuid() or not place.is_dir():  # its files would be taken for ours
        value = f"{place}, which is another user's or no folder"
        raise BadInput(value, "cache of this node", "a folder of one's own", "set SER_CACHE")
    return place


def local(job: "Job") -> "Job":
    """Returns the job as this node sees it: where nodes share no folder, its work folder is one of the node."""
    return replace(job, work=str(cache() / job.tags["work"])) if job.replica else job


def unfit(job: "Job") -> str:
    """Returns why no trial of ``job`` can be trained on this node, or ""; a node is checked until one can.

    An entry that is gone from a store that is there is another matter: it is built again.
    """
    try:
        if job.apart:
            keys = tuple(key for by_end in job.keys.values() for entries in by_end.values() for key in entries)
            _fit(job.work, "" if job.replica else job.tags["work"], job.store, keys)
    except (OSError, BadInput) as error:
        return f"{socket.gethostname()}: {error}"
    return ""


@lru_cache(maxsize=8)
def _fit(work: str, identity: str, store: str, keys: tuple[str, ...]) -> None:
    """Raises OSError or BadInput, which are not remembered."""
    if identity:
        _same_work(work, identity)
    if is_url(store):
        if not any(RemoteFolder(store).sizes(key) for key in keys):
            raise FileNotFoundError(f"{store} has no features for this grid")
    elif not any((_folder(store) / key).exists() for key in keys):
        raise FileNotFoundError(f"{store} is not mounted here, or is another folder")


def _folder(store: str) -> Path:
    return Path(store.removeprefix("file://"))


def _same_work(work: str, identity: str) -> None:
    try:
        same = (Path(work) / "id").read_text(encoding="utf-8") == identity
    except OSError:
        same = False
    if not same:
        raise FileNotFoundError(f"the work folder {work} is not mounted here, or is another folder")


def places(where: "Location", store: str, work: Path, device: str) -> Places:
    """Leaves a mark in the store and the work folder, by which nodes can be asked. Raises BadInput."""
    token, tracker = os.urandom(8).hex(), (where.uri, where.printable, where.artifacts)
    try:
        if is_url(store):
            RemoteFolder(store).write(_MARK, token.encode())
            return Places(*tracker, store, token, device)
        folder = _folder(store).absolute()
        token = token if _marked(folder, token) else ""
        return Places(*tracker, str(folder), token, device, str(work.absolute()), work_id(work))
    except OSError as error:
        raise BadInput(str(error), store, "a store that can be written from here", "fix it, or name another") from None


def _marked(folder: Path, token: str) -> bool:
    """Writes the mark; False where a finished store may only be read: then it is enough that the folder is there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _MARK).write_text(token, encoding="utf-8")
    except OSError as error:
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            return False
        raise
    return True


def examine(
    needs: Places, driver_versions: Mapping[str, str], thorough: bool = True, look: Look | None = None
) -> Finding:
    """Returns the state of this machine; ``driver_versions`` are those where the command runs. ``thorough``: its GPUs,
    too, and a run is written to the tracking store and removed again. ``look``: at its libraries, begun before.
    """
    problems, node_versions = differences(driver_versions), versions()
    is_due = look is None and (thorough or needs.device != "cpu")
    with looking() if is_due else nullcontext(look or Look()) as imports:  # meanwhile the others are asked
        store, tracker = _timed(_check_store, needs), _timed(_try_tracker if thorough else _check_tracker, needs)
        libraries = imports.result()
    problems += libraries.problems
    gpus = tuple(f"{name} {memory / 2**30:.0f} GiB" for name, memory in libraries.gpus)
    if needs.device == "cuda" and not gpus:
        problems.append("torch sees no CUDA device: its CPU build, or no driver")
    problems += [
        f"{place}: {state}" for place, state in (("store", store), ("tracker", tracker)) if not state.startswith("ok")
    ]
    if needs.work:
        try:
            _same_work(needs.work, needs.work_id)
        except OSError as error:
            problems.append(str(error))
    place, chip = cache(), processor.processor()
    place.mkdir(parents=True, exist_ok=True)
    return Finding(
        node=socket.gethostname(),
        versions=node_versions,
        cpus=machine.cores(),
        memory_gb=machine.memory_bytes() / 2**30,
        disk_gb=shutil.disk_usage(place).free / 2**30,
        gpus=gpus,
        torchaudio=libraries.torchaudio,
        processor=chip.name,
        abilities=chip.abilities,
        used=libraries.used,
        bfloat16_gain=libraries.bfloat16_gain,
        memory_kept=environment.keeps_memory(),
        store=store,
        tracker=tracker,
        problems=tuple(problems),
    )


def one_of_several(finding: Finding, needs: Places) -> Finding:
    """Adds what several machines cannot share: a database file, and artifacts in a folder of one of them."""
    if needs.uri.startswith("sqlite") or not (needs.work or needs.uri.startswith("http")):
        problem = f"{needs.printable} cannot be shared by machines; give --tracking-uri http://HOST:PORT of a server"
        return replace(finding, problems=(*finding.problems, f"tracker: {problem}"))
    return finding


def versions(*others: str) -> dict[str, str]:
    """Returns the versions of Python and the libraries that have to agree, ``others`` among them."""
    out = {"python": platform.python_version()}
    for name in (*_COMPARED, *others):
        try:
            out[name] = version(name)
        except PackageNotFoundError:
            out[name] = "missing"
    return out


def differences(driver_versions: Mapping[str, str]) -> list[str]:
    """Returns which libraries of this machine are of other versions than where the command is given."""
    node_versions = versions(*(name for name in driver_versions if name not in (*_COMPARED, "python")))
    return [
        f"{name} {node_versions[name]}, but {needed} where the command is given"
        for name, needed in driver_versions.items()
        if _plain(node_versions[name]) != _plain(needed)
    ]


def _plain(version_text: str) -> str:
    """Returns a version without its build: CPU and CUDA builds of torch are one version."""
    return version_text.partition("+")[0]


def _timed(check: Callable[[Places], None], needs: Places) -> str:
    """Returns ``ok`` and how long it took, or why not."""
    started = time.perf_counter()
    try:
        check(needs)
    except (OSError, BadInput, Away) as error:
        return str(error)
    return f"ok, {1000 * (time.perf_counter() - started):.0f} ms"


def _check_store(needs: Places) -> None:
    if not is_url(needs.store):
        path = Path(needs.store) / _MARK
        if not path.parent.is_dir() or (
            needs.token and not (path.exists() and path.read_text(encoding="utf-8") == needs.token)
        ):
            raise FileNotFoundError(f"{needs.store} is not mounted here, or is another folder")
        return
    store = RemoteFolder(needs.store)
    if store.read(_MARK) != needs.token.encode():
        raise FileNotFoundError(f"{needs.store} is another place here")
    mine = f"{replica.FOLDER}/.seen-{os.urandom(8).hex()}"  # checkpoints of running trials will go there
    store.write(mine, b"seen")
    store.remove(mine)


def _check_tracker(needs: Places) -> None:
    from ser.runs.location import Location
    from ser.runs.store_check import check_answers

    check_answers(Location(needs.uri, needs.artifacts))


def _try_tracker(needs: Places) -> None:
    from ser.runs.location import Location
    from ser.runs.store_check import try_out

    try_out(Location(needs.uri, needs.artifacts))

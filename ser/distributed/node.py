"""What a machine must have to train trials of a grid, and what it has. Knows nothing of Ray."""

import errno
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ser.errors import Away, BadInput
from ser.features.remote import RemoteFolder, is_url
from ser.host import machine
from ser.runs import replica
from ser.runs.folder import work_id

if TYPE_CHECKING:  # what only looks does without torch and MLflow
    from ser.runs.tracker import Location
    from ser.trials.job import Job

_MARK = ".seen"
_COMPARED = ("ray", "torch", "mlflow", "numpy")
# In a process of its own: what Ray lets a process see of the cards is not what the machine has.
_LOOK = """
import json, torch
try:
    import torchaudio
    audio = torchaudio.__version__
except ModuleNotFoundError:
    audio = ""
except Exception as error:
    audio = f"not usable ({type(error).__name__})"
cards = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
print(json.dumps({"torchaudio": audio, "cards": [[c.name, c.total_memory] for c in cards]}))
"""


@dataclass(frozen=True)
class Places:
    """What the nodes of a grid have to reach. ``work`` and its id are "" where nodes need not share that folder."""

    uri: str  # of the tracking store
    shown: str  # the same without a password
    artifacts: str
    store: str
    token: str  # what stands in the store's mark
    device: str
    work: str = ""
    work_id: str = ""


@dataclass(frozen=True)
class Finding:
    """One machine. Values that could not be found out are ""; ``problems`` keep trials from running there."""

    node: str
    versions: Mapping[str, str] = field(default_factory=dict)
    offers: str = ""  # to Ray
    cpus: int = 0
    memory_gb: float = 0.0
    disk_gb: float = 0.0  # free, where this node keeps its copy of the features
    cards: tuple[str, ...] = ()
    torchaudio: str = ""
    store: str = ""
    tracker: str = ""
    problems: tuple[str, ...] = ()


def cache() -> Path:
    """The folder in which a node keeps copies of features and the trials it works on; ``SER_CACHE`` names it.

    Raises BadInput where another user has made one of the default name.
    """
    named = os.environ.get("SER_CACHE")
    if named:
        if not Path(named).is_absolute():  # each process of a node runs in a folder of its own
            raise BadInput(repr(named), "SER_CACHE of this node", "an absolute path", "write it from / on")
        return Path(named)
    place = Path(tempfile.gettempdir()) / f"ser-cache-{os.getuid()}"
    with suppress(FileExistsError):
        place.mkdir(mode=0o700, exist_ok=True)
    if place.stat().st_uid != os.geteuid() or not place.is_dir():  # what lies there would be taken for ours
        value = f"{place}, which is another user's or no folder"
        raise BadInput(value, "cache of this node", "a folder of one's own", "set SER_CACHE")
    return place


def local(job: "Job") -> "Job":
    """The job as this node sees it: where nodes share no folder, its work folder is one of the node."""
    return replace(job, work=str(cache() / job.tags["work"])) if job.replica else job


def unfit(job: "Job") -> str:
    """Why no trial of ``job`` can be trained on this node, or ""; asked again until it can.

    That an entry is gone from a store that is there is another matter, which building it again mends.
    """
    try:
        if job.apart:
            keys = tuple(key for by_end in job.keys.values() for own in by_end.values() for key in own)
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
    """Leave a mark in the store and the work folder, by which nodes can be asked. Raises BadInput."""
    token, tracker = os.urandom(8).hex(), (where.uri, where.shown, where.artifacts)
    try:
        if is_url(store):
            RemoteFolder(store).write(_MARK, token.encode())
            return Places(*tracker, store, token, device)
        folder = _folder(store).absolute()
        token = token if _marked(folder, token) else ""
        return Places(*tracker, str(folder), token, device, str(work.absolute()), work_id(work))
    except OSError as error:
        raise BadInput(str(error), store, "a store that can be written from here", "mend it, or name another") from None


def _marked(folder: Path, token: str) -> bool:
    """False where a finished store may only be read; then that it is there has to do."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _MARK).write_text(token, encoding="utf-8")
    except OSError as error:
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            return False
        raise
    return True


def examine(wanted: Places, here: Mapping[str, str], thorough: bool = True) -> Finding:
    """Look at this machine; ``here`` are the versions of the machine that asks. ``thorough``: the cards, too, and a
    run is written to the tracking store and removed again.
    """
    problems: list[str] = []
    own = versions()
    problems += [f"{name} {own[name]}, but {there} where the command is given"
                 for name, there in here.items() if _plain(own[name]) != _plain(there)]  # fmt: skip
    looked = _look() if thorough or wanted.device != "cpu" else {}
    cards = tuple(f"{name} {memory / 2**30:.0f} GiB" for name, memory in looked.get("cards", ()))
    if wanted.device == "cuda" and not cards:
        problems.append("torch sees no CUDA device: its CPU build, or no driver")
    store, tracker = _asked(_see_store, wanted), _asked(_try_tracker if thorough else _see_tracker, wanted)
    problems += [
        f"{what}: {said}" for what, said in (("store", store), ("tracker", tracker)) if not said.startswith("ok")
    ]
    if wanted.work:
        try:
            _same_work(wanted.work, wanted.work_id)
        except OSError as error:
            problems.append(str(error))
    place = cache()
    place.mkdir(parents=True, exist_ok=True)
    return Finding(
        node=socket.gethostname(),
        versions=own,
        cpus=machine.cores(),
        memory_gb=machine.memory_bytes() / 2**30,
        disk_gb=shutil.disk_usage(place).free / 2**30,
        cards=cards,
        torchaudio=str(looked.get("torchaudio", "")),
        store=store,
        tracker=tracker,
        problems=tuple(problems),
    )


def alone(found: Finding, wanted: Places) -> Finding:
    """With what machines that are not one cannot share: a database file, and artifacts in a folder of one of them."""
    if wanted.uri.startswith("sqlite") or not (wanted.work or wanted.uri.startswith("http")):
        said = f"{wanted.shown} cannot be shared by machines; give --tracking-uri http://HOST:PORT of a server"
        return replace(found, problems=(*found.problems, f"tracker: {said}"))
    return found


def versions() -> dict[str, str]:
    """Of Python and the libraries that have to agree."""
    found = {"python": platform.python_version()}
    for name in _COMPARED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "missing"
    return found


def _plain(version_text: str) -> str:
    """Without the build: CPU and CUDA builds of torch are one version."""
    return version_text.partition("+")[0]


def _look() -> dict[str, Any]:
    seen = {k: v for k, v in os.environ.items() if k != "CUDA_VISIBLE_DEVICES"}
    done = subprocess.run(
        [sys.executable, "-P", "-c", _LOOK], capture_output=True, encoding="utf-8", env=seen, timeout=120
    )
    found: dict[str, Any] = json.loads(done.stdout) if done.returncode == 0 else {}
    return found


def _asked(see: Callable[[Places], None], wanted: Places) -> str:
    """``ok`` and how long it took, or why not."""
    started = time.perf_counter()
    try:
        see(wanted)
    except (OSError, BadInput, Away) as error:
        return str(error)
    return f"ok, {1000 * (time.perf_counter() - started):.0f} ms"


def _see_store(wanted: Places) -> None:
    if not is_url(wanted.store):
        path = Path(wanted.store) / _MARK
        if not path.parent.is_dir() or (
            wanted.token and not (path.exists() and path.read_text(encoding="utf-8") == wanted.token)
        ):
            raise FileNotFoundError(f"{wanted.store} is not mounted here, or is another folder")
        return
    far = RemoteFolder(wanted.store)
    if far.read(_MARK) != wanted.token.encode():
        raise FileNotFoundError(f"{wanted.store} is another place here")
    mine = f"{replica.FOLDER}/.seen-{os.urandom(8).hex()}"  # checkpoints of running trials will go there
    far.write(mine, b"seen")
    far.remove(mine)


def _see_tracker(wanted: Places) -> None:
    from ser.runs.tracker import Location, answers

    answers(Location(wanted.uri, wanted.artifacts))


def _try_tracker(wanted: Places) -> None:
    from ser.runs.tracker import Location, try_out

    try_out(Location(wanted.uri, wanted.artifacts))

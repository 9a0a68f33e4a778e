"""What of this machine a process may use: processors and memory, as far as affinity and control groups let it."""

import os
import shutil
import socket
from collections.abc import Iterator
from functools import cache
from math import inf
from pathlib import Path

from ser.errors import BadInput

_ROOT = Path("/")


def cores(root: Path = _ROOT) -> int:
    """Processors that this process may keep busy: those it may run on, and its groups' quota rounded down; 1 or more.

    A step of SLURM and ``taskset`` limit the first, ``docker --cpus`` and Kubernetes the second.
    """
    return max(1, int(min(len(os.sched_getaffinity(0)), _quota(root))))


def memory_bytes(root: Path = _ROOT) -> int:
    """Memory that this process may use: the machine's, or what its groups leave of it."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for folder in _groups(root, "memory"):
        limits += [int(n) for n in _words(folder / "memory.max") if n.isdigit()]
        limits += [int(n) for n in _words(folder / "memory.limit_in_bytes") if n.isdigit()]
    return min(limits)


@cache
def description() -> str:
    """For example ``node7: Linux 6.1.0 x86_64, 16 cores, 128 GiB``: what of it this process may use."""
    system = os.uname()
    size = f"{cores()} cores, {memory_bytes() / 2**30:.0f} GiB"
    return f"{system.nodename}: {system.sysname} {system.release} {system.machine}, {size}"


def kernel(root: Path = _ROOT) -> str:
    """What names the running system, until it starts again: containers and machines may share a host name."""
    words = _words(root / "proc/sys/kernel/random/boot_id")
    return words[0] if words else os.uname().nodename


def process(pid: int, root: Path = _ROOT) -> str:
    """What names a process of this container among all of the machine: each PID namespace counts for itself."""
    try:
        space = (root / "proc/self/ns/pid").stat().st_ino
    except OSError:
        space = 0
    return f"{space}-{pid}"


def shared_memory_bytes(folder: Path = Path("/dev/shm")) -> int:
    """Free in the shared memory of the system; 0 where it has none, or not for us. Docker gives 64 MiB."""
    try:
        return shutil.disk_usage(folder).free if os.access(folder, os.W_OK | os.X_OK) else 0
    except OSError:
        return 0


def check_loopback() -> None:
    """Raises BadInput where processes of this machine cannot talk to each other by 127.0.0.1, as those of Ray do."""
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            socket.create_connection(server.getsockname(), timeout=10).close()
    except OSError as error:
        allowed = "127.0.0.1 that answers, by which the processes of Ray talk"
        raise BadInput(error.strerror or str(error), "this machine's network", allowed, "ip link set lo up") from None


def _quota(root: Path) -> float:
    """In processors; infinite without one."""
    quotas = [inf]
    for folder in _groups(root, "cpu"):
        pair = _words(folder / "cpu.max") or _words(folder / "cpu.cfs_quota_us") + _words(folder / "cpu.cfs_period_us")
        if len(pair) == 2 and all(n.isdigit() for n in pair) and int(pair[1]):  # "max", or -1: none
            quotas.append(int(pair[0]) / int(pair[1]))
    return min(quotas)


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """Folders of the control groups that this process is in, from the innermost up, of both versions.

    Within a container the path may be the host's, of which only the top is seen: that is the container's own.
    """
    mounts = root / "sys/fs/cgroup"
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = ["0::/", f"1:{controller}:/"]
    for line in lines:
        _, names, path = line.split(":", 2)
        if names and controller not in names.split(","):
            continue
        inner = [part for part in path.split("/") if part not in ("", "..")]
        tops = (mounts / names, mounts / controller) if names else (mounts, mounts / "unified")
        for top in dict.fromkeys(tops):
            yield from (top.joinpath(*inner[:depth]) for depth in range(len(inner), -1, -1))


def _words(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").split()
    except OSError:
        return []

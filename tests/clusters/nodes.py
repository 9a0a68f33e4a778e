"""A Ray cluster of several nodes on one machine, each a ``ray start`` of its own that can be killed and started again."""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

RAY = str(Path(sys.executable).with_name("ray"))


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def until_open(host: str, port: int) -> None:
    """Wait until somebody listens there."""
    for _ in range(1200):
        with socket.socket() as asked:
            if asked.connect_ex((host, port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError(f"nobody listens on {host}:{port}")


class Cluster:
    """A head and its nodes. With a token, as clusters have; on loopback."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.temp = Path(tempfile.mkdtemp(prefix="rc-"))  # Ray's sockets need a short path
        self.port, self.client_port, self.jobs_port = free_port(), free_port(), free_port()
        self.environment = {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(16),
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1",  # what the runner sets for a Ray of one machine is in force here
            "RAY_gcs_rpc_server_reconnect_timeout_s": "5",
            "RAY_health_check_failure_threshold": "3",
            "RAY_health_check_period_ms": "1000",
        }
        self.nodes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def client(self) -> str:
        return f"ray://127.0.0.1:{self.client_port}"

    def head(self, cpus: int = 1, client: bool = False, dashboard: bool = False) -> None:
        """Start the head, and wait until nodes can join."""
        options = ["--head", f"--port={self.port}", f"--temp-dir={self.temp}", f"--include-dashboard={dashboard}"]
        options += [f"--dashboard-port={self.jobs_port}"]
        options += [f"--ray-client-server-port={self.client_port}"] if client else []
        self._start("head", cpus, options, {})
        for port in [*([self.client_port] if client else []), *([self.jobs_port] if dashboard else [])]:
            until_open("127.0.0.1", port)

    def add(self, name: str, cpus: int = 1, **environment: str) -> None:
        """Start a node that joins."""
        self._start(name, cpus, [f"--address={self.address}"], environment)

    def _start(self, name: str, cpus: int, options: list[str], environment: dict[str, str]) -> None:
        common = [f"--num-cpus={cpus}", "--block", "--node-ip-address=127.0.0.1", "--object-store-memory=100000000"]
        common += ["--disable-usage-stats"]
        with (self.folder / f"{name}.log").open("ab") as log:
            self.nodes[name] = subprocess.Popen(
                [RAY, "start", *options, *common],
                env={**os.environ, **self.environment, **environment},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            at = log.tell()
        # One after the other: nodes that start at the same time choose the same names for their sockets.
        for _ in range(1200):
            said = (self.folder / f"{name}.log").read_bytes()[at:].decode()
            if "Ray runtime started" in said:
                return
            if self.nodes[name].poll() is not None:
                break
            time.sleep(0.1)
        raise TimeoutError(said)

    def processes(self, name: str) -> list[psutil.Process]:
        """All processes of a node."""
        started = psutil.Process(self.nodes[name].pid)
        return [started, *started.children(recursive=True)]

    def kill(self, name: str) -> None:
        """As a machine that is lost: all its processes at once."""
        for process in self.processes(name):
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        self.nodes.pop(name).wait()

    def end(self) -> None:
        """Leave no process behind."""
        for name in list(self.nodes):
            self.kill(name)
        shutil.rmtree(self.temp, ignore_errors=True)

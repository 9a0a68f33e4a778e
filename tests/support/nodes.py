"""A Ray cluster on one machine: each node is a ``ray start`` of its own, which can be killed and started again."""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
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


class Network:
    """A network of its own for nodes, each in a namespace with an address; needs the rights of root."""

    def __init__(self) -> None:
        number = os.getpid() % 250
        self.bridge, self.prefix = f"serbr{number}", f"10.77.{number}"
        self.host = f"{self.prefix}.1"
        self.made: list[str] = []
        _ip("link", "add", self.bridge, "type", "bridge")
        _ip("addr", "add", f"{self.host}/24", "dev", self.bridge)
        _ip("link", "set", self.bridge, "up")

    def join(self) -> tuple[str, str]:
        """A new namespace: its name and address."""
        number = len(self.made) + 2
        name, address = f"{self.bridge}n{number}", f"{self.prefix}.{number}"
        _ip("netns", "add", name)
        self.made.append(name)
        _ip("link", "add", f"{name}a", "type", "veth", "peer", "name", f"{name}b")
        _ip("link", "set", f"{name}a", "master", self.bridge, "up")
        _ip("link", "set", f"{name}b", "netns", name)
        for words in (f"addr add {address}/24 dev {name}b", f"link set {name}b up", "link set lo up"):
            _ip("-n", name, *words.split())
        return name, address

    def end(self) -> None:
        """Remove everything."""
        for name in self.made:
            subprocess.run(["ip", "netns", "del", name], check=False)
        subprocess.run(["ip", "link", "del", self.bridge], check=False)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def network() -> Network | None:
    """A network for nodes, where this machine permits one."""
    try:
        subprocess.run(["unshare", "--mount", "true"], check=True, capture_output=True)
        return Network()
    except (OSError, subprocess.CalledProcessError):
        return None


class Cluster:
    """A head and its nodes, with a token, as clusters have. Nodes are in namespaces where there is a ``network``."""

    def __init__(self, folder: Path, network: Network | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.network = folder, network
        self.host = network.host if network else "127.0.0.1"
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
        return f"{self.host}:{self.port}"

    @property
    def client(self) -> str:
        return f"ray://{self.host}:{self.client_port}"

    def head(self, cpus: int = 1, client: bool = False, dashboard: bool = False) -> None:
        """Start the head, and wait until nodes can join."""
        options = ["--head", f"--port={self.port}", f"--temp-dir={self.temp}", f"--include-dashboard={dashboard}"]
        options += [f"--dashboard-port={self.jobs_port}", f"--node-ip-address={self.host}"]
        options += [f"--ray-client-server-port={self.client_port}"] if client else []
        self._start("head", [RAY, "start", *options], cpus, {})
        if client:
            until_open(self.host, self.client_port)
        if dashboard:
            until_open("127.0.0.1", self.jobs_port)

    def add(self, name: str, cpus: int = 1, hidden: Sequence[Path] = (), **environment: str) -> str:
        """Start a node that joins, and will soon be seen at the address that is returned. ``hidden`` folders are not
        there for it.
        """
        command, own = [RAY, "start", f"--address={self.address}"], self.host
        if self.network:
            space, own = self.network.join()
            hidden = [*hidden, self.temp]
            enter = ["ip", "netns", "exec", space]
        else:
            enter = []
        if hidden:
            covers = " && ".join(f"mount -t tmpfs none {folder}" for folder in hidden)
            enter += ["unshare", "--mount", "sh", "-c", f'{covers} && exec "$@"', "sh"]
        self._start(name, [*enter, *command, f"--node-ip-address={own}"], cpus, environment)
        return own

    def _start(self, name: str, command: list[str], cpus: int, environment: dict[str, str]) -> None:
        common = [f"--num-cpus={cpus}", "--block", "--object-store-memory=100000000", "--disable-usage-stats"]
        with (self.folder / f"{name}.log").open("ab") as log:
            at = log.tell()
            self.nodes[name] = subprocess.Popen(
                [*command, *common],
                env={**os.environ, **self.environment, **environment},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
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

    def empty(self) -> None:
        """Lose all nodes but the head."""
        for name in [n for n in self.nodes if n != "head"]:
            self.kill(name)

    def end(self) -> None:
        """Leave no process behind."""
        for name in list(self.nodes):
            self.kill(name)
        shutil.rmtree(self.temp, ignore_errors=True)

"""An MLflow server of one's own, and a way to it that can fail in every manner."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ser.runs.location import Location


class Server:
    """A real MLflow server, which can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process: subprocess.Popen | None = None

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start, and wait until it answers."""
        options = ["--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
        options += ["--backend-store-uri", f"sqlite:///{self.folder / 'server.db'}"]
        options += ["--artifacts-destination", str(self.folder / "served")]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *options],
            env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(600):
            try:
                with urllib.request.urlopen(f"{self.uri}/health", timeout=1):
                    return
            except OSError:
                time.sleep(0.1)
        raise TimeoutError

    def kill(self) -> None:
        """As by ``kill -9``, its children too."""
        if self.process:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@pytest.fixture(scope="session")
def server(empty_ledger: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for all tests: each has an experiment of its own, by the name of its study."""
    folder = tmp_path_factory.mktemp("server")
    (folder / "server.db").write_bytes(empty_ledger.read_bytes())
    made = Server(folder)
    made.start()
    yield made
    made.kill()


class Way:
    """A proxy to a server. ``fault(request line)`` says what happens to a request:

    "" it passes; "500", "403": such an answer; "hang": no answer ever; "lost": the server does it, but the answer does
    not arrive.
    """

    def __init__(self, port: int) -> None:
        self.port, self.fault, self.injected = port, lambda line: "", 0
        self.over = threading.Event()
        way = self

        class Handler(BaseHTTPRequestHandler):
            def _pass(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                fault = way.fault(f"{self.command} {self.path}")
                way.injected += bool(fault)
                self.close_connection = True
                if fault.isdigit():
                    self.send_error(int(fault))
                    return
                if fault == "hang":
                    way.over.wait(60)
                    return
                to = HTTPConnection("127.0.0.1", way.port, timeout=30)
                to.request(self.command, self.path, body, {**self.headers, "Connection": "close"})
                answer = to.getresponse()
                content = answer.read()
                to.close()
                if fault == "lost":
                    return
                self.send_response(answer.status)
                for name in ("Content-Type", "Content-Disposition"):
                    if answer.headers[name]:
                        self.send_header(name, answer.headers[name])
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pass

            def log_message(self, *_: object) -> None:
                pass

        class Listening(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                pass  # a client that has given up

        self._listening = lambda address: Listening(address, Handler)
        self.address = ("127.0.0.1", 0)
        self.open()

    @property
    def where(self) -> Location:
        return Location(f"http://127.0.0.1:{self.address[1]}", "")

    def open(self) -> None:
        """Listen, at the same port as before."""
        self.door = self._listening(self.address)
        self.address = self.door.server_address
        threading.Thread(target=self.door.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self) -> None:
        """From now on connections are refused."""
        self.door.shutdown()
        self.door.server_close()


@pytest.fixture
def way(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Way]:
    """A proxy to the server, and a client that is impatient with it."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    made = Way(server.port)
    yield made
    made.over.set()
    made.close()


@pytest.fixture
def wait_for() -> Callable[..., object]:
    """The first true value of ``what()``, within some seconds."""

    def wait(what: Callable[[], object], seconds: float = 60.0) -> object:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := what():
                return found
            time.sleep(0.05)
        raise TimeoutError

    return wait


@pytest.fixture
def in_a_namespace() -> Callable[..., dict[str, Any]]:
    """What a script prints that may mount what it likes, seen by nobody else."""
    tests = Path(__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": f"{tests / 'support'}:{tests.parent}", "OPENBLAS_NUM_THREADS": "1"}

    def run(script: str, *arguments: object) -> dict[str, Any]:
        command = ["unshare", "-rm", sys.executable, "-c", script, *map(str, arguments)]
        told = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment, timeout=120).stdout
        return json.loads(told.splitlines()[-1])

    return run


@pytest.fixture(scope="session")
def mounts(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skips where no file system may be mounted."""
    place = str(tmp_path_factory.mktemp("mount"))
    command = ["unshare", "-rm", "mount", "-t", "tmpfs", "none", place]
    if not shutil.which("unshare") or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("needs to mount a file system")

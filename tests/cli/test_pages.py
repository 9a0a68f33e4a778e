"""``ser ui``: one process, a port that is its own before it is announced, and the names of the machine."""

import asyncio
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import closing
from urllib.error import HTTPError

import psutil
import pytest

from ser.cli import pages
from ser.cli.main import main
from ser.errors import BadInput


@pytest.fixture
def taken():
    """A port of 127.0.0.1 on which somebody listens."""
    with closing(pages.listen("127.0.0.1", 0)[0]) as sock:
        yield sock.getsockname()[1]


def refused(host, port):
    with pytest.raises(BadInput) as error:
        pages.listen(host, port)
    return error.value


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost"])
def test_a_taken_port_is_refused_and_a_free_one_is_proposed(taken, host):
    error = refused(host, taken)
    assert (error.place, str(taken) in error.value) == ("--port", True)
    free = int(error.remedy.removeprefix("pass --port "))
    pages.listen("127.0.0.1", free)[0].close()


def test_a_taken_port_is_refused_before_anything_is_looked_at(taken, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setitem(sys.modules, "ser.runs.tracker", None)  # an import of it would fail
    assert main(["ui", "--work", str(tmp_path), "--port", str(taken)]) == 2
    assert capsys.readouterr().err.startswith(f"ser: error: --port: {taken}, on which another program listens; ")


@pytest.mark.parametrize("port", [-1, 65536, 99999])
def test_a_port_that_there_is_not_is_refused(port):
    assert refused("127.0.0.1", port).place == "--port"


@pytest.mark.parametrize("host", ["", "..", "x y", "a" * 300, "\0", "-x", "http://x", "127.0.0.1:80", "192.0.2.1"])
def test_a_host_that_this_machine_does_not_have_is_refused(host):
    assert refused(host, 0).place == "--host"


def test_a_port_of_the_systems_is_refused_where_it_may_not_be_taken(monkeypatch):
    def forbidden(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", forbidden)
    assert "1024" in refused("127.0.0.1", 80).allowed


def test_all_addresses_of_a_name_are_held_on_one_port(monkeypatch):
    two = [(socket.AF_INET, 1, 6, "", (address, 0)) for address in ("127.0.0.1", "127.0.0.2")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: two)
    sockets = pages.listen("both", 0)
    assert [s.getsockname()[0] for s in sockets] == ["127.0.0.1", "127.0.0.2"]
    assert len({s.getsockname()[1] for s in sockets}) == 1
    assert "here both means this machine alone" in pages.announcement("both", sockets)
    for sock in sockets:
        sock.close()


def asked(site, host, origin=None):
    """The status of a request, and the headers that went on to MLflow."""
    passed, sent = [], []

    async def application(scope, receive, send):
        passed.extend(scope["headers"])
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message):
        sent.append(message)

    headers = [(b"host", host.encode()), *([(b"origin", origin.encode())] if origin else [])]
    site.application = application
    asyncio.run(site({"type": "http", "headers": headers}, None, send))
    return sent[0]["status"], dict(passed).get(b"origin")


@pytest.fixture
def site():
    return pages.SameSite(None, {"localhost", "gpu1"}, pages.patterns("lab.example.org,*.Uni.example"))


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:5000", 200),
        ("GPU1:8080", 200),
        ("gpu1.", 200),
        ("203.0.113.5:5000", 200),
        ("[2001:db8::1]:5000", 200),
        ("lab.example.org", 200),
        ("x.uni.example:5000", 200),
        ("", 403),
        ("evil.com", 403),
        ("10.0.0.1.evil.com", 403),
        ("gpu1.evil.com:5000", 403),
        ("localhost@evil.com", 403),
        ("[", 403),
    ],
)
def test_pages_are_shown_under_names_of_the_machine_and_under_those_that_are_allowed(site, host, status):
    assert asked(site, host)[0] == status


@pytest.mark.parametrize(
    ("host", "origin", "passed"),
    [
        ("gpu1:5000", "http://gpu1:5000", None),
        ("203.0.113.5:5000", "http://203.0.113.5:5000", None),
        ("localhost:5000", "https://lab.example.org", None),  # a proxy that asks under its own name
        ("gpu1:5000", "http://gpu1:8888", b"http://gpu1:8888"),  # another program of the machine
        ("gpu1:5000", "http://evil.com", b"http://evil.com"),
        ("gpu1:5000", "null", b"null"),
    ],
)
def test_only_what_the_pages_themselves_ask_is_not_cross_origin(site, host, origin, passed):
    assert asked(site, host, origin) == (200, passed)


@pytest.mark.parametrize("text", ["*", "a,,b", "http://lab", "a b", ",", "lab/x"])
def test_what_is_no_name_of_a_host_is_refused(text):
    with pytest.raises(BadInput, match="--allowed-hosts"):
        pages.patterns(text)


def test_a_server_with_its_own_pages_is_named_without_its_password(capsys, monkeypatch):
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert main(["ui", "--tracking-uri", "https://anna:s3cret@host:5000", "--port", "0"]) == 0
    assert capsys.readouterr().out.endswith("https://host:5000\n")


def test_the_pages_are_one_process_that_answers_when_it_says_so_and_ends_when_it_is_told(empty_ledger, tmp_path):
    shutil.copy(empty_ledger, tmp_path / "mlflow.db")
    command = [sys.executable, "-m", "ser", "ui", "--work", str(tmp_path), "--host", "0.0.0.0", "--port", "0"]
    # A closed terminal ends the pages, unless whoever began them said otherwise, as nohup does to a whole test run.
    hung_up = {"preexec_fn": lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **hung_up) as server:
        try:
            line = server.stdout.readline()
            name, _, port = line.split()[2].removeprefix("http://").rstrip(",").partition(":")
            assert (line.split()[:2], name) == (["MLflow", "on"], socket.gethostname())
            runs = rf"  unused  http://{name}:{port}/#/experiments/1/runs\?\S+\n"
            assert re.fullmatch(runs, server.stdout.readline())
            line = server.stdout.readline()
            assert line == f"reports on http://{name}:{port}/ser/, what runs on http://{name}:{port}/ser/live\n"
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/ser/live", timeout=60) as answer:
                assert "What runs" in answer.read().decode()
            same = {"Host": f"{name}:{port}", "Origin": f"http://{name}:{port}", "Content-Type": "application/json"}
            url = f"http://127.0.0.1:{port}/ajax-api/2.0/mlflow/experiments/search"
            query = urllib.request.Request(url, b'{"max_results": 1}', same)
            with urllib.request.urlopen(query, timeout=60) as answer:
                assert answer.status == 200
            with pytest.raises(HTTPError, match="403"):
                urllib.request.urlopen(urllib.request.Request(url, b"{}", {"Host": "evil.com"}), timeout=60)
            assert psutil.Process(server.pid).children(recursive=True) == []  # so nothing outlives it
            server.send_signal(signal.SIGHUP)
            rest = server.stdout.read()
            assert (server.wait(60), rest) == (0, "")
        finally:
            server.kill()

"""MLflow's pages in this process: no child that could outlive it, on a port that it holds before it says so.

MLflow's own command starts a supervisor and that one a server; whoever ends the first may leave the others. The socket
is bound here first, so that a taken port is known at once and what is announced is never a stranger's page.
"""

import asyncio
import errno
import os
import re
import signal
import socket
import threading
import warnings
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from fnmatch import fnmatch
from ipaddress import ip_address
from typing import Any, cast
from urllib.parse import urlsplit

import uvicorn

from ser.errors import BadInput

Scope = dict[str, Any]  # of ASGI: what is asked
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_LAST_PORT = 65535
_GOODBYE_S = 3  # for answers under way when the server is asked to end
_NEAR = 20  # ports above a taken one that are proposed before any other


def listen(host: str, port: int) -> list[socket.socket]:
    """Sockets that hold ``port`` on every address of ``host``; port 0 is any free one. Raises BadInput."""
    if not 0 <= port <= _LAST_PORT:
        raise BadInput(str(port), "--port", f"0 to {_LAST_PORT}; 0 takes a free one", "give one of these")
    with ExitStack() as opened:
        sockets: list[socket.socket] = []
        for family, address in _addresses(host):
            port = sockets[0].getsockname()[1] if sockets else port  # a free one is the same on all addresses
            sockets.append(opened.enter_context(closing(_bound(family, address, host, port))))
        opened.pop_all()
        return sockets


def _addresses(host: str) -> list[tuple[socket.AddressFamily, str]]:
    """What ``host`` stands for on this machine, each once; IPv6 only where the machine has it."""
    try:
        addresses = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE) if host else []
    except (OSError, ValueError):  # no such name, or one that is no name at all
        addresses = []
    names = dict.fromkeys((family, str(address[0])) for family, _, _, _, address in addresses)
    if not names:
        allowed = "127.0.0.1 for this machine alone, 0.0.0.0 for all its addresses, or one of its names and addresses"
        raise BadInput(repr(host), "--host", allowed, "give one of these")
    several = len(names) > 1
    return [name for name in names if not several or name[0] != socket.AF_INET6 or _has_ipv6()] or list(names)


def _has_ipv6() -> bool:
    with suppress(OSError), closing(socket.socket(socket.AF_INET6, socket.SOCK_STREAM)) as probe:
        probe.bind(("::1", 0))
        return True
    return False


def _bound(family: socket.AddressFamily, address: str, host: str, port: int) -> socket.socket:
    """A socket that listens there. Raises BadInput."""
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # the port of a server that has just ended is free
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, address != "::")
    try:
        sock.bind((address, port))
        sock.listen(128)
    except OSError as error:
        sock.close()
        raise _refused(error, host, address, port) from None
    return sock


def _refused(error: OSError, host: str, address: str, port: int) -> BadInput:
    if error.errno == errno.EADDRINUSE:
        free = _free_port(address, port)
        return BadInput(f"{port}, on which another program listens", "--port", "a free port", f"pass --port {free}")
    if error.errno in (errno.EACCES, errno.EPERM):
        return BadInput(f"{port}, which this user may not take", "--port", f"1024 to {_LAST_PORT}", "choose another")
    if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
        allowed = "an address of this machine; 0.0.0.0 for all of them"
        return BadInput(f"{host!r}, an address that this machine does not have", "--host", allowed, "give one of these")
    return BadInput(f"{host!r}: {error.strerror}", "--host", "an address that can be listened on", "give another")


def _free_port(address: str, used: int) -> int:
    """A port that nobody has just now: a near one if there is one."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for port in (*range(used + 1, min(used + 1 + _NEAR, _LAST_PORT + 1)), 0):
        with suppress(OSError), closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
            probe.bind((address, port))
            return int(probe.getsockname()[1])
    return 0


class SameSite:
    """Passes on what a browser asks under a name of this machine, and refuses names that it does not have.

    A page of a stranger whose name is made to point here could else read and change runs. Numeric addresses cannot be
    made to point anywhere, so all are taken: the machine may have others outside, behind a router or a container. What
    a page of this very server asks is not cross-origin, under whichever name it was opened.
    """

    def __init__(self, application: Application, names: set[str], others: Sequence[str] = ()) -> None:
        """``others`` are names, or patterns of names, of proxies and tunnels through which pages are seen."""
        self.application, self.names, self.others = application, names, tuple(name.lower() for name in others)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, as ASGI has it."""
        if scope["type"] == "http":
            headers = dict(scope["headers"])
            host = headers.get(b"host", b"").decode("latin-1").lower()
            if not self.knows(name := _name_in(f"//{host}")):
                return await _forbid(send, name)
            if self._is_own(headers.get(b"origin", b"").decode("latin-1").lower(), host):
                scope = {**scope, "headers": [(k, v) for k, v in scope["headers"] if k != b"origin"]}
        await self.application(scope, receive, send)

    def knows(self, name: str) -> bool:
        """Whether a server may be asked under ``name``."""
        with suppress(ValueError):
            return bool(ip_address(name))
        return name in self.names or self._is_other(name)

    def _is_own(self, origin: str, host: str) -> bool:
        return bool(origin) and (origin.partition("://")[2] == host or self._is_other(_name_in(origin)))

    def _is_other(self, name: str) -> bool:
        return bool(name) and any(fnmatch(name, pattern) for pattern in self.others)


def _name_in(address: str) -> str:
    """Of ``//NAME:PORT`` the name; nothing where there is none."""
    try:
        return (urlsplit(address).hostname or "").rstrip(".")
    except ValueError:
        return ""


async def _forbid(send: Send, name: str) -> None:
    text = f"{name!r} is not known as a name of this machine; start the pages with: ser ui --allowed-hosts {name}\n"
    kind = (b"content-type", b"text/plain; charset=utf-8")
    await send({"type": "http.response.start", "status": 403, "headers": [kind]})
    await send({"type": "http.response.body", "body": text.encode("utf-8", "replace")})


def own_names(host: str) -> set[str]:
    """Names under which this machine may be asked. Its full one joins as soon as it is known: that may take seconds."""
    hostname = socket.gethostname().lower()
    names = {"localhost", hostname, hostname.partition(".")[0], host.lower()}
    if not _is_loopback(host):
        names.add(f"{hostname.partition('.')[0]}.local")
        threading.Thread(target=lambda: names.add(socket.getfqdn().lower()), daemon=True).start()
    return names


def _is_loopback(host: str) -> bool:
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host.lower() == "localhost"


def patterns(text: str) -> list[str]:
    """The names, or patterns of names, in a list with commas. Raises BadInput."""
    names = [name.strip() for name in text.split(",")] if text else []
    for name in names:
        if not re.fullmatch(r"[\w*?.:-]+", name) or not name.strip("*?.:"):
            allowed = "names without http:// and port, separated by commas; * stands for any part of a name"
            raise BadInput(repr(name), "--allowed-hosts", allowed, "write for example lab.example.org,*.example.org")
    return [*names, *filter(None, os.environ.get("MLFLOW_SERVER_ALLOWED_HOSTS", "").split(","))]


def address(host: str, sockets: Sequence[socket.socket]) -> str:
    """Returns ``http://NAME:PORT`` by which others, or this machine, reach the sockets."""
    name = socket.gethostname() if _is_everywhere(sockets) else f"[{host}]" if ":" in host else host
    return f"http://{name}:{sockets[0].getsockname()[1]}"


def _is_everywhere(sockets: Sequence[socket.socket]) -> bool:
    return any(sock.getsockname()[0] in ("0.0.0.0", "::") for sock in sockets)


def announcement(host: str, sockets: Sequence[socket.socket], what: str = "MLflow") -> str:
    """Where a person finds the pages."""
    reached = {str(sock.getsockname()[0]) for sock in sockets}
    line = f"{what} on {address(host, sockets)} (Ctrl-C ends it)"
    if _is_everywhere(sockets):
        line += ", and on all addresses of this machine; whoever reaches one can read and change runs"
    elif not _is_loopback(host) and all(map(_is_loopback, reached)):
        line += f"; here {host} means this machine alone: --host 0.0.0.0 for others"
    return line


class _Server(uvicorn.Server):
    """Ends quietly, whatever asks it to, and says when it answers."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Until the end all ways to ask for it are one; a second time does not wait for answers under way."""
        asking = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as nohup leaves it
            asking.append(signal.SIGHUP)
        before = {s: signal.signal(s, self._end) for s in asking}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _end(self, *_: object) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True


def run(application: Application, sockets: Sequence[socket.socket], ready: Callable[[], None]) -> None:
    """Serve until SIGINT, SIGTERM or SIGHUP; ``ready`` is called once requests are answered."""
    warnings.simplefilter(
        "ignore", DeprecationWarning
    )  # of libraries to each other; the pages' reader cannot change them
    config = uvicorn.Config(
        cast(Any, application),
        log_config=None,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=_GOODBYE_S,
    )
    asyncio.run(_Server(config, ready).serve(list(sockets)))

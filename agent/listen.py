"""
Answer over HTTP those who ask how the agent is.

Flow: health, metrics -> **listen**. Answers are given in threads beside the capture, eight at once; they read, and the
capture never waits for them.
"""

from __future__ import annotations

import contextlib
import errno
import http.server
import json
import socket
import socketserver
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qs

import structlog
from prometheus_client import Counter

from agent.health import Health, Remark
from agent.metrics import PREFIX
from agent.settings import Listen
from kinwatch.errors import InputError, NodeError

TIMEOUT_S: Final = 5.0
"""How long a client may take for its whole request and to read the answer, in seconds."""
AT_ONCE: Final = 8
"""Clients that are answered at once. One more is hung up on, and counted."""
LOOK_S: Final = 0.2
"""How often it is looked whether a client is too slow, or the agent ends, in seconds."""

_REMEDIES: Final = {
    errno.EADDRINUSE: "give another port: under hostNetwork it is the node's own; `ss -ltnp` shows who has this one",
    errno.EADDRNOTAVAIL: "give an address that this node has, as `ip address` shows them",
    errno.EACCES: "give a port from 1024 on, or grant the capability NET_BIND_SERVICE",
}
"""By what the system says of an address."""


log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """An answer."""

    status: HTTPStatus
    text: bytes
    content_type: str = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question, as far as an answer hangs on it."""

    form: str
    """What `?format=` says."""
    accept: str
    """The header of that name."""


def pages(health: Health) -> dict[str, Callable[[Asked], Page]]:
    """What there is, by its path."""

    def metrics(asked: Asked) -> Page:
        text, content_type = health.metrics.exposition(asked.accept)
        return Page(status=HTTPStatus.OK, text=text, content_type=content_type)

    return {
        "/healthz": lambda asked: _state("alive", health.stalled(), [], asked),
        "/readyz": lambda asked: _state("ready", health.hindrances(), health.notes(), asked),
        "/metrics": metrics,
    }


def _state(word: str, reasons: Sequence[Remark], notes: Sequence[Remark], asked: Asked) -> Page:
    """200 and the word, or 503 and a reason a line."""
    status = HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK
    if asked.form == "json":
        said = {word: not reasons, "reasons": list(map(asdict, reasons)), "notes": list(map(asdict, notes))}
        return Page(status=status, text=json.dumps(said).encode() + b"\n", content_type="application/json")
    lines = [*(map(str, reasons) if reasons else [word]), *(f"note: {note}" for note in notes)]
    return Page(status=status, text="".join(f"{line}\n" for line in lines).encode())


class _Connection(http.server.BaseHTTPRequestHandler):
    """One request and its answer, in HTTP/1.0."""

    server: _Server
    timeout = TIMEOUT_S
    server_version = "kinwatch-agent"
    sys_version = ""
    error_content_type = "text/plain; charset=utf-8"
    error_message_format = "%(message)s; there is GET and HEAD of /healthz, /readyz, /metrics\n"

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        asked = Asked(form=parse_qs(query).get("format", [""])[-1], accept=self.headers.get("Accept", ""))
        there = self.server.pages.get(path)
        page = there(asked) if there else self.server.not_there()
        self.send_response(page.status)
        self.send_header("Content-Type", page.content_type)
        self.send_header("Content-Length", str(len(page.text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(page.text)

    do_HEAD = do_GET  # noqa: N815 - so are they called by the library

    def log_message(self, *_: object) -> None:
        """Probes come every few seconds: they are not worth a line."""


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """A thread per client, so many at once; whoever is slow is hung up on, in the middle of a word if need be."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 2 * AT_ONCE

    def __init__(self, listen: Listen, there: Mapping[str, Callable[[Asked], Page]], refused: Counter) -> None:
        self.pages = there
        self._refused = refused
        self._until_s: dict[socket.socket, float] = {}
        self.address_family, address = _resolved(listen)
        super().__init__(address, _Connection)

    def not_there(self) -> Page:
        return Page(status=HTTPStatus.NOT_FOUND, text="".join(f"{path}\n" for path in self.pages).encode())

    def server_bind(self) -> None:
        if self.address_family == socket.AF_INET6:  # `::` takes IPv4 too, whatever net.ipv6.bindv6only says
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()

    def verify_request(self, request: Any, _client_address: object) -> bool:
        if len(self._until_s) >= AT_ONCE:
            self._refused.inc()
            return False
        self._until_s[request] = time.monotonic() + TIMEOUT_S
        return True

    def service_actions(self) -> None:
        now_s = time.monotonic()
        for request, until_s in self._until_s.copy().items():
            if until_s <= now_s:
                with contextlib.suppress(OSError):  # it has just ended by itself
                    request.shutdown(socket.SHUT_RDWR)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        self._until_s.pop(request, None)

    def handle_error(self, _request: object, _client_address: object) -> None:
        if not isinstance(sys.exception(), OSError):  # else who asked went away, or was too slow
            log.error("request_failed", traceback=traceback.format_exc())


@contextlib.contextmanager
def answering(listen: Listen | None, health: Health) -> Iterator[Listen | None]:
    """Answer while the agent runs; gives where. NodeError or InputError if it can't be listened there."""
    if listen is None:
        yield None
        return
    refused = Counter(
        "requests_refused", "Clients hung up on for want of room.", namespace=PREFIX, registry=health.metrics.registry
    )
    with _bound(listen, pages(health), refused) as server:
        host, port = server.server_address[:2]
        at = Listen(host=str(host), port=int(port))
        threading.Thread(target=server.serve_forever, args=(LOOK_S,), name="health", daemon=True).start()
        log.info("listening", address=str(at))
        try:
            yield at
        finally:
            server.shutdown()


def _bound(listen: Listen, there: Mapping[str, Callable[[Asked], Page]], refused: Counter) -> _Server:
    try:
        return _Server(listen, there, refused)
    except (socket.gaierror, UnicodeError) as error:
        raise InputError(
            f"--listen {listen}: there is no such address", remedy="give an IP address of this node, such as 127.0.0.1"
        ) from error
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0, "give another address or port")
        raise NodeError(f"listening on {listen}: {error.strerror}", remedy=remedy) from error


def _resolved(listen: Listen) -> tuple[int, Any]:
    """The family of an address, and what the system calls it."""
    everywhere = "::" if socket.has_dualstack_ipv6() else "0.0.0.0"  # noqa: S104 - on all addresses, as was asked for
    found = socket.getaddrinfo(listen.host or everywhere, listen.port, type=socket.SOCK_STREAM)
    return found[0][0], found[0][4]

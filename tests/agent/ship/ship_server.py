"""An aggregator on 127.0.0.1 that answers as it is told to: with any status, with garbage, late, or not at all."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What is answered."""

    status: int = 201
    body: bytes = b'{"outcome":"stored"}'
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def refusing(cls, status: int, problem: str = "no", **headers: str) -> Reply:
        """As the aggregator refuses."""
        said = {"reason": "test", "problem": problem, "remedy": "do otherwise"}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return cls(status=status, body=json.dumps(said).encode(), headers=named)


class Hang:
    """Nothing is answered, for as long as the server stands."""


class Reset:
    """The connection is reset in place of an answer."""


@dataclass(frozen=True, slots=True)
class Raw:
    """These bytes are all that is answered."""

    data: bytes


class ShipServer(ThreadingHTTPServer):
    """The server; `with serving(...)` runs it."""

    daemon_threads = True

    def __init__(self, context: ssl.SSLContext | None = None, *, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Answering)
        self.context = context
        self.reply: Reply | Hang | Reset | Raw = Reply()
        self.connections = 0
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.peers: list[Any] = []
        self.ending = threading.Event()
        self.hung_up = threading.Semaphore(0)
        """Released for each connection that has ended."""

    @property
    def url(self) -> str:
        """Its address."""
        return f"{'https' if self.context else 'http'}://127.0.0.1:{self.server_address[1]}"

    def finish_request(self, request: Any, client_address: Any) -> None:
        """In the thread of the connection, so that a handshake that hangs holds nobody else up."""
        self.connections += 1
        if self.context is None:
            super().finish_request(request, client_address)
            return
        with self.context.wrap_socket(request, server_side=True, do_handshake_on_connect=False) as encrypted:
            if _shake_hands(encrypted):
                super().finish_request(encrypted, client_address)

    def shutdown_request(self, request: Any) -> None:
        """The connection has ended."""
        super().shutdown_request(request)
        self.hung_up.release()

    def handle_error(self, *_: object) -> None:
        """A connection that the other side breaks off is no error here."""


def _shake_hands(encrypted: ssl.SSLSocket) -> bool:
    """Whether both sides agree; if not, the other one is left the time to hear why."""
    try:
        encrypted.do_handshake()
    except ssl.SSLError:
        with contextlib.suppress(OSError), socket.socket(fileno=encrypted.detach()) as bare:
            bare.shutdown(socket.SHUT_WR)
            while bare.recv(4096):
                pass
        return False
    return True


class _Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: ShipServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((self.path, dict(self.headers), body))
        if self.server.context:
            self.server.peers.append(self.connection.getpeercert())  # type: ignore[attr-defined]
        match self.server.reply:
            case Reply() as reply:
                self._answer(reply)
            case Raw(data):
                self.wfile.write(data)
                self.close_connection = True
            case Hang():
                self.server.ending.wait()
                self.close_connection = True
            case Reset():
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.connection.close()
                self.close_connection = True

    def _answer(self, reply: Reply) -> None:
        self.send_response(reply.status)
        headers = {"Content-Type": "application/json", "Content-Length": str(len(reply.body)), **reply.headers}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def serving(context: ssl.SSLContext | None = None) -> Iterator[ShipServer]:
    """Run a server."""
    server = ShipServer(context)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.ending.set()
        server.shutdown()
        server.server_close()
        thread.join()

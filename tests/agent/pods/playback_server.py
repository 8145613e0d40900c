"""The threads of a `PlaybackKubelet`: one that accepts, and one for each connection."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from recordings import GRANTED, REFUSED, Recording, recording


class Conduct(StrEnum):
    """What the kubelet does with a request."""

    ANSWER = "answer it"
    HANG = "read it and never answer"
    DRIP = "answer a byte of a header at a time, for ever"
    DRIP_BODY = "answer a byte of the body at a time, for ever"
    RESET = "reset the connection instead of an answer"
    CUT = "reset the connection in the midst of the body"
    SHORT = "end the connection in the midst of the body, properly"
    HUGE = "answer with more than anyone wants to read, in chunks"
    WIRE = "write the bytes that were given, whatever they are, and end the connection"


@dataclass(kw_only=True)
class Played:
    """What is set from the test's thread, and read in those of the server."""

    tokens: dict[str | None, str] = field(default_factory=lambda: {None: "pods-anonymous"})
    conduct: Conduct = Conduct.ANSWER
    once: list[Conduct] = field(default_factory=list)
    before_answer: Callable[[], object] = bool
    override: Recording | None = None
    wire: bytes = b""
    pods: bytes | None = None
    authorizations: list[str | None] = field(default_factory=list)
    connections: int = 0


class PlaybackServer(ThreadingHTTPServer):
    """Accepts connections on 127.0.0.1; each has a thread, which is awaited when the server closes."""

    daemon_threads = False

    def __init__(self, played: Played, context: ssl.SSLContext | None) -> None:
        self.played = played
        self.context = context
        self.over = threading.Event()
        self.connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Asked)

    def get_request(self) -> tuple[socket.socket, Any]:
        plain, address = super().get_request()
        self.played.connections += 1
        if self.context is None:
            self.connections.add(plain)
            return plain, address
        # The handshake is for the connection's own thread: a client that breaks it off must not end the server.
        wrapped = self.context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
        self.connections.add(wrapped)
        return wrapped, address

    def shutdown_request(self, request: Any) -> None:
        self.connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients of a test break off all the time, and what matters is what they say of it."""

    def drop_connections(self) -> None:
        """Shut all connections down."""
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)


class _Asked(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer waits 40 ms for an acknowledgement
    server: PlaybackServer

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server names it so
        """Say nothing on standard error."""

    def do_GET(self) -> None:
        """Answer, or do what else is to be done with a request."""
        played = self.server.played
        played.authorizations.append(self.headers["Authorization"])
        answering = self._recording()
        played.before_answer()
        _CONDUCTS[played.once.pop() if played.once else played.conduct](self, answering)

    def play(self, answer: Recording) -> None:
        """What was recorded for the credential."""
        chunked = answer.headers.get("Transfer-Encoding") == "chunked"
        self._head(answer, [] if chunked else [("Content-Length", str(len(answer.body)))])
        if chunked:
            for piece in _pieces(answer.body):
                self._chunk(piece)
            self._chunk(b"")
        else:
            self.wfile.write(answer.body)

    def hang(self, _: Recording) -> None:
        """Nothing, until it is over."""
        self.server.over.wait()
        self.close_connection = True

    def drip(self, _: Recording) -> None:
        """A header that never ends."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Drip: ")
        while not self.server.over.wait(0.01):
            self.wfile.write(b".")

    def drip_body(self, _: Recording) -> None:
        """A body that never ends, and of which nobody said how long it is."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not self.server.over.wait(0.01):
            self.wfile.write(b" ")

    def reset(self, _: Recording) -> None:
        """No answer but an RST."""
        self._reset()

    def cut(self, answer: Recording) -> None:
        """Half an answer, and an RST."""
        self._head(answer, [("Content-Length", str(len(answer.body)))])
        self.wfile.write(answer.body[: len(answer.body) // 2])
        self.wfile.flush()
        self._reset()

    def short(self, answer: Recording) -> None:
        """Half an answer, and an end."""
        self._head(answer, [("Content-Length", str(len(answer.body)))])
        self.wfile.write(answer.body[: len(answer.body) // 2])
        self.close_connection = True

    def huge(self, _: Recording) -> None:
        """Chunks without end."""
        self._head(recording(GRANTED), [])
        while not self.server.over.is_set():
            self._chunk(b" " * (1 << 16))

    def wire(self, _: Recording) -> None:
        """Bytes that needn't be HTTP."""
        self.wfile.write(self.server.played.wire)
        self.close_connection = True

    def _recording(self) -> Recording:
        played = self.server.played
        if played.override is not None:
            return played.override
        scheme, _, token = (self.headers["Authorization"] or "").partition(" ")
        answer = recording(played.tokens.get(token if scheme == "Bearer" else None, REFUSED))
        if answer.status != 200 or played.pods is None:
            return answer
        return replace(answer, body=played.pods)

    def _head(self, answer: Recording, more: list[tuple[str, str]]) -> None:
        self.send_response_only(answer.status)
        for name, value in [*answer.headers.items(), *more]:
            if not (more and name in {"Content-Length", "Transfer-Encoding"} and (name, value) not in more):
                self.send_header(name, value)
        self.end_headers()

    def _chunk(self, piece: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self.close_connection = True
        self.server.connections.discard(self.connection)
        self.connection.close()
        self.rfile.close()


def _pieces(body: bytes) -> Iterator[bytes]:
    yield from (body[start : start + 4096] for start in range(0, len(body), 4096))


_CONDUCTS: Final = {
    Conduct.ANSWER: _Asked.play,
    Conduct.HANG: _Asked.hang,
    Conduct.DRIP: _Asked.drip,
    Conduct.DRIP_BODY: _Asked.drip_body,
    Conduct.RESET: _Asked.reset,
    Conduct.CUT: _Asked.cut,
    Conduct.SHORT: _Asked.short,
    Conduct.HUGE: _Asked.huge,
    Conduct.WIRE: _Asked.wire,
}

"""
A kubelet to be talked to over real TLS: it plays back what a real one answered, and misbehaves when told to.

    with PlaybackKubelet(folder) as kubelet:
        kubelet.tokens["a-token"] = "pods-no-permission"   # which recording a credential gets, changed at any time
        kubelet.pods = with_ids(recorded_pods(), {"old uid": "new uid"})
        ...
        assert kubelet.requests == 2
"""

from __future__ import annotations

import contextlib
import csv
import json
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from certificates import Authority, Certificate

RECORDINGS: Final = Path(__file__).parents[2] / "fixtures/kubernetes/kubelet"
NODE: Final = "knode-1"
"""The node on which the recordings were made."""
GRANTED: Final = "pods-nodes-pods"
"""The recording for a ServiceAccount with get on nodes/pods."""
REFUSED: Final = "pods-bad-token"
"""The recording for a token that nobody knows."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One answer of the real kubelet."""

    name: str
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of INDEX.tsv."""

    name: str
    request: str
    credentials: str
    status: int


class Conduct(StrEnum):
    """What the kubelet does with a request."""

    ANSWER = "answer it"
    HANG = "read it and never answer"
    DRIP = "answer a byte at a time, for ever"
    RESET = "reset the connection instead of an answer"
    CUT = "reset the connection in the midst of the body"
    SHORT = "end the connection in the midst of the body, properly"
    HUGE = "answer with more than anyone wants to read, in chunks"
    GARBAGE = "answer what is not HTTP"


def rows() -> list[Row]:
    """All that was recorded."""
    with (RECORDINGS / "INDEX.tsv").open(newline="") as index:
        return [
            Row(name=row["file"], request=row["request"], credentials=row["credentials"], status=int(row["status"]))
            for row in csv.DictReader(index, delimiter="\t")
        ]


def recording(name: str) -> Recording:
    """What the real kubelet answered, by its name in INDEX.tsv."""
    first, *lines = (RECORDINGS / f"{name}.headers").read_text().strip().splitlines()
    return Recording(
        name=name,
        status=int(first.split()[1]),
        headers={key: value.strip() for key, _, value in (line.partition(":") for line in lines)},
        body=(RECORDINGS / f"{name}.body").read_bytes(),
    )


def recorded_pods(name: str = GRANTED) -> list[Json]:
    """The pods of a recording, as JSON objects to be changed at will."""
    items: list[Json] = json.loads(recording(name).body)["items"]
    return items


def with_ids(pods: list[Json], ids: Mapping[str, str]) -> list[Json]:
    """Copies of the pods in which uids, container ids, names … are replaced wherever they stand."""
    text = json.dumps(pods)
    for old, new in ids.items():
        text = text.replace(old, new)
    replaced: list[Json] = json.loads(text)
    return replaced


@dataclass(kw_only=True)
class _Played:
    """What is set from the test's thread, and read in those of the server."""

    tokens: dict[str | None, str] = field(default_factory=lambda: {None: "pods-anonymous"})
    conduct: Conduct = Conduct.ANSWER
    override: Recording | None = None
    pods: list[Json] | None = None
    authorizations: list[str | None] = field(default_factory=list)
    connections: int = 0


class PlaybackKubelet:
    """A kubelet on 127.0.0.1, in threads of its own while the context lasts."""

    def __init__(
        self, folder: Path, *, node: str = NODE, certificate: Certificate = Certificate.CLUSTER, tls: bool = True
    ) -> None:
        self.node = node
        self._authority = Authority(folder)
        self._played = _Played()
        self._context = self._authority.context(certificate, node=node) if tls else None
        self._server = _Server(self._played, self._context)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.over.set()
        self._server.shutdown()
        self.drop_connections()
        self._server.server_close()
        self._thread.join()

    @property
    def port(self) -> int:
        """Where it listens on 127.0.0.1."""
        return self._server.server_address[1]

    @property
    def address(self) -> str:
        """HOST:PORT."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """What is asked for the pods."""
        return f"https://{self.address}/pods"

    @property
    def ca_file(self) -> Path:
        """The cluster's CA."""
        return self._authority.ca_file

    @property
    def tokens(self) -> dict[str | None, str]:
        """Which recording a token gets, by its name; None is no token. One that isn't listed gets `REFUSED`."""
        return self._played.tokens

    @property
    def pods(self) -> list[Json] | None:
        """The pods that are told in place of the recorded ones to whom the recorded ones would be told."""
        return self._played.pods

    @pods.setter
    def pods(self, pods: list[Json] | None) -> None:
        self._played.pods = pods

    @property
    def conduct(self) -> Conduct:
        """What it does with a request."""
        return self._played.conduct

    @conduct.setter
    def conduct(self, conduct: Conduct) -> None:
        self._played.conduct = conduct

    @property
    def requests(self) -> int:
        """How many there were."""
        return len(self._played.authorizations)

    @property
    def authorizations(self) -> list[str | None]:
        """The Authorization headers of all requests, in their order."""
        return self._played.authorizations

    @property
    def connections(self) -> int:
        """How many were opened."""
        return self._played.connections

    def answer(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        """Answer every request with this from now on."""
        self._played.override = Recording(name="override", status=status, headers=headers or {}, body=body)

    def play(self, name: str | None) -> None:
        """Answer every request with this recording from now on, or by the token again if None."""
        self._played.override = recording(name) if name else None

    def show(self, certificate: Certificate) -> None:
        """Show this certificate to those who connect from now on."""
        self._server.context = self._authority.context(certificate, node=self.node)

    def drop_connections(self) -> None:
        """Close the connections that are open, as a kubelet does that is started anew."""
        self._server.drop_connections()


class _Server(ThreadingHTTPServer):
    daemon_threads = False

    def __init__(self, played: _Played, context: ssl.SSLContext | None) -> None:
        self.played = played
        self.context = context
        self.over = threading.Event()
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Asked)

    def get_request(self) -> tuple[socket.socket, Any]:
        plain, address = super().get_request()
        self.played.connections += 1
        if self.context is None:
            self._open.add(plain)
            return plain, address
        # The handshake is for the connection's own thread: a client that breaks it off must not end the server.
        wrapped = self.context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
        self._open.add(wrapped)
        return wrapped, address

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients of a test break off all the time, and what matters is what they say of it."""

    def drop_connections(self) -> None:
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)


class _Asked(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server names it so
        """Say nothing on standard error."""

    def do_GET(self) -> None:
        """Answer, or do what else is to be done with a request."""
        self.server.played.authorizations.append(self.headers["Authorization"])
        _CONDUCTS[self.server.played.conduct](self)

    def play(self) -> None:
        """What was recorded for the credential."""
        answer = self._recording()
        chunked = answer.headers.get("Transfer-Encoding") == "chunked"
        self._head(answer, [] if chunked else [("Content-Length", str(len(answer.body)))])
        if chunked:
            for piece in _pieces(answer.body):
                self._chunk(piece)
            self._chunk(b"")
        else:
            self.wfile.write(answer.body)

    def hang(self) -> None:
        """Nothing, until it is over."""
        self.server.over.wait()
        self.close_connection = True

    def drip(self) -> None:
        """A header that never ends."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Drip: ")
        while not self.server.over.wait(0.01):
            self.wfile.write(b".")

    def reset(self) -> None:
        """No answer but an RST."""
        self._reset()

    def cut(self) -> None:
        """Half an answer, and an RST."""
        answer = self._recording()
        self._head(answer, [("Content-Length", str(len(answer.body)))])
        self.wfile.write(answer.body[: len(answer.body) // 2])
        self.wfile.flush()
        self._reset()

    def short(self) -> None:
        """Half an answer, and an end."""
        answer = self._recording()
        self._head(answer, [("Content-Length", str(len(answer.body)))])
        self.wfile.write(answer.body[: len(answer.body) // 2])
        self.close_connection = True

    def huge(self) -> None:
        """Chunks without end."""
        self._head(recording(GRANTED), [])
        while not self.server.over.is_set():
            self._chunk(b" " * (1 << 16))

    def garbage(self) -> None:
        """Something that no HTTP client understands."""
        self.wfile.write(b"\x00\x01SSH-2.0-what\r\n\r\n")
        self.close_connection = True

    def _recording(self) -> Recording:
        played = self.server.played
        if played.override is not None:
            return played.override
        scheme, _, token = (self.headers["Authorization"] or "").partition(" ")
        answer = recording(played.tokens.get(token if scheme == "Bearer" else None, REFUSED))
        if answer.status != 200 or played.pods is None:
            return answer
        body = json.dumps({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": played.pods})
        return Recording(name=answer.name, status=200, headers=answer.headers, body=body.encode())

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
        self.server._open.discard(self.connection)
        self.connection.close()
        self.rfile.close()


def _pieces(body: bytes) -> Iterator[bytes]:
    yield from (body[start : start + 4096] for start in range(0, len(body), 4096))


_CONDUCTS: Final = {
    Conduct.ANSWER: _Asked.play,
    Conduct.HANG: _Asked.hang,
    Conduct.DRIP: _Asked.drip,
    Conduct.RESET: _Asked.reset,
    Conduct.CUT: _Asked.cut,
    Conduct.SHORT: _Asked.short,
    Conduct.HUGE: _Asked.huge,
    Conduct.GARBAGE: _Asked.garbage,
}

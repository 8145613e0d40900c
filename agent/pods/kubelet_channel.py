"""
One HTTPS connection to the kubelet, kept open from request to request.

Flow: kubelet_address, token -> **kubelet_channel** -> kubelet. urllib3 is met here only. No proxy of the
environment is asked, and no redirection followed.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from urllib3.connection import HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.response import HTTPResponse
from urllib3.util.ssl_match_hostname import CertificateError

from agent.pods.hurdle import Hurdle, KubeletError
from agent.pods.kubelet_faults import fault, over_bound
from agent.pods.kubelet_peer import Peer
from agent.pods.kubelet_tls import other_name
from agent.pods.kubelet_trust import trusting

_PIECE_BYTES: Final = 1 << 16
_GONE: Final = (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError)
"""How it shows, at the next request, that the other end has closed a connection that was kept."""
_BROKEN: Final = (OSError, http.client.HTTPException, HTTPError, ValueError)
"""What sending a request and reading its answer raise; ValueError is http.client's for a malformed header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long and how much; whoever reaches one of them gets an error of its own."""

    connect_s: float = 5.0
    """For each address of the host to accept the connection, and for each step of the handshake."""
    read_s: float = 10.0
    """For the next bytes of an answer. The kubelet answers /pods from memory, in milliseconds."""
    deadline_s: float = 20.0
    """For a whole answer once the connection stands, however steadily its bytes drip."""
    body_bytes: int = 64 << 20
    """Longest answer. 110 pods, as many as a node has by default, are about 1 MiB; an object has at most 1.5 MiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back, complete."""

    status: int
    body: bytes


class Channel:
    """
    One connection, opened when it is needed; one that the kubelet closed meanwhile is opened anew without a word.

    The server's certificate has to carry the node's name, not the address: a kubelet's often lacks the IP
    (metrics-server issues 196 and 1588).
    """

    def __init__(self, peer: Peer, *, limits: Limits) -> None:
        self._peer = peer
        self._limits = limits
        self._connection: HTTPSConnection | None = None

    def get(self, path: str, *, token: str) -> Answer:
        """The answer to GET, whatever its status; raises KubeletError when there is no whole one."""
        headers = {"Accept": "application/json", "User-Agent": "kinwatch-agent"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        try:
            return self._answer(path, headers)
        except KubeletError:
            self.close()
            raise
        except _BROKEN as error:
            self.close()
            raise fault(_cause(error), self._peer, hurdle=Hurdle.ANSWER) from error

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _answer(self, path: str, headers: Mapping[str, str]) -> Answer:
        if self._connection is not None and self._connection.is_connected:
            with contextlib.suppress(*_GONE):
                return self._exchange(self._connection, path, headers)
        self.close()
        self._connection = self._opened()
        return self._exchange(self._connection, path, headers)

    def _opened(self) -> HTTPSConnection:
        connection = HTTPSConnection(
            self._peer.address.host,
            self._peer.address.port,
            timeout=self._limits.connect_s,
            ssl_context=trusting(self._peer.ca_file),
            server_hostname=self._peer.node or None,
            assert_hostname=self._peer.node if self._peer.ca_file else False,
        )
        try:
            self._connect(connection)
        except KubeletError:
            connection.close()
            raise
        return connection

    def _connect(self, connection: HTTPSConnection) -> None:
        try:
            connection.connect()
        except CertificateError as error:
            raise other_name(str(error), self._peer) from error
        except HTTPError as error:  # urllib3 wraps what fails before the handshake, and only that
            raise fault(_cause(error), self._peer, hurdle=Hurdle.CONNECTION) from error
        except OSError as error:
            raise fault(error, self._peer, hurdle=Hurdle.TLS) from error

    def _exchange(self, connection: HTTPSConnection, path: str, headers: Mapping[str, str]) -> Answer:
        sock = connection.sock
        connection.timeout = self._limits.read_s  # urllib3 gives it to the socket with each request
        with _let_go_of(sock), _deadline(sock, self._limits.deadline_s):
            connection.request("GET", path, headers=headers, preload_content=False, decode_content=False)
            return self._read(connection.getresponse())

    def _read(self, response: HTTPResponse) -> Answer:
        body = bytearray()
        with contextlib.closing(response):
            while piece := response.read(_PIECE_BYTES, decode_content=False):
                body += piece
                if len(body) > self._limits.body_bytes:
                    raise over_bound(self._peer, limit=self._limits.body_bytes)
        return Answer(status=response.status, body=bytes(body))


@contextlib.contextmanager
def _deadline(sock: socket.socket, seconds: float) -> Iterator[None]:
    """Shut the connection down when time is up: a socket's own timeout begins anew with every byte that drips in."""
    over = threading.Event()
    timer = threading.Timer(seconds, _shut_down, [sock, over])
    timer.daemon = True
    timer.start()
    try:
        yield
    except _BROKEN as error:
        if over.is_set():
            raise TimeoutError from error
        raise
    finally:
        timer.cancel()
        timer.join()
    if over.is_set():  # what looks like the end of the answer is ours
        raise TimeoutError


@contextlib.contextmanager
def _let_go_of(sock: socket.socket) -> Iterator[None]:
    """Give the descriptor back at an error: half a response would hold it for as long as the error is remembered."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            os.close(sock.detach())
        raise


def _shut_down(sock: socket.socket, over: threading.Event) -> None:
    over.set()
    with contextlib.suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)  # SSLSocket's own would go on reading without TLS


def _cause(error: Exception) -> Exception:
    """The exception of ssl, socket or http.client that urllib3 wrapped, where there is one."""
    while isinstance(error, HTTPError) and isinstance(error.__cause__, Exception):
        error = error.__cause__
    return error

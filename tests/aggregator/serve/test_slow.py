"""Who is slow, or never says what was promised, is not waited for without an end."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator

import pytest
from batching import body
from running import TOKENS, Running, serving, wait_for

IMPATIENT = """
from aggregator.serve import body, connection
connection.HEADERS_S = connection.LINGER_S = body.BODY_S = 0.3
connection.KEEP_ALIVE_S = 30
"""
HEAD = f"POST /v1/batches HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKENS.a}\r\n"
HEAD += "Content-Type: application/vnd.kinwatch.batch\r\nContent-Length: 100000\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server that waits for a third of a second where it would wait for seconds."""
    folder = tmp_path_factory.mktemp("slow")
    with serving(folder, "--tokens", str(TOKENS.written(folder)), patch=IMPATIENT) as running:
        yield running


def test_a_connection_without_a_request_is_ended(server: Running) -> None:
    with server.connection() as connection:
        assert ended(connection)


def test_headers_that_never_end_are_not_waited_for(server: Running) -> None:
    """Slow loris: a line now and then keeps nobody waiting."""
    with server.connection() as connection:
        connection.sendall(HEAD.encode())
        assert ended(connection)


def test_a_body_that_never_ends_is_refused(server: Running) -> None:
    with server.connection() as connection:
        connection.sendall(f"{HEAD}\r\n".encode() + body()[:60])
        assert connection.makefile("rb").readline().startswith(b"HTTP/1.1 408")


def test_the_rest_of_a_body_that_was_refused_is_not_waited_for(server: Running) -> None:
    """The answer comes whole, and then the connection ends."""
    with server.connection() as connection:
        connection.sendall(f"{HEAD}\r\n".replace(TOKENS.a, "e" * 32).encode())
        said = connection.makefile("rb").read()
    assert said.startswith(b"HTTP/1.1 401")
    assert said.endswith(b"}")


def test_a_connection_goes_on_after_a_refusal_whose_body_was_short(server: Running) -> None:
    """An agent whose token has just been renewed need not connect anew."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    for _ in range(2):
        connection.request("POST", "/v1/batches", body=b"hello")
        first = connection.sock
        answer = connection.getresponse()
        assert answer.status == 401
        assert answer.read()
        assert connection.sock is first
    connection.close()


def test_nothing_of_them_is_left(server: Running) -> None:
    """Neither memory of bodies nor connections, but for the one that asks."""
    wait_for(lambda: server.metric("kinwatch_aggregator_bodies_held_bytes") == 0, "the bodies' memory")
    wait_for(lambda: server.metric("kinwatch_aggregator_connections") <= 1, "the connections to end")


def ended(connection: socket.socket) -> bool:
    """Whether the other end has hung up."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True

"""What is refused before anything is listened on, with what to do about it."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

import pytest
import trustme
from running import TOKENS, serving, written

from aggregator.main import run
from aggregator.serve.listening import Listen, bound, is_loopback, listen_on
from kinwatch.errors import InputError, NodeError


def refusal(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    """What `aggregator serve` says on standard error when it does not start."""
    assert run(["serve", *options]) in (2, 3)
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--no-auth"], "is not loopback"),
        (["--tokens", "TOKENS"], "would travel readable"),
        (["--listen", "127.0.0.1:0"], "nothing says who agents are"),
        (["--listen", "8443"], "is not HOST:PORT"),
        (["--listen", "127.0.0.1:0", "--tls-cert", "x"], "go together"),
        (["--listen", "127.0.0.1:0", "--client-ca", "x", "--tls-cert", "x"], "go together"),
        (["--listen", "127.0.0.1:0", "--tls-cert", "x", "--tls-key", "x"], "reading x: No such file"),
        (["--listen", "127.0.0.1:0", "--tokens", "nowhere"], "nowhere"),
        (["--listen", "127.0.0.1:0", "--agent-service-account", "agent"], "is not NAMESPACE/NAME"),
        (["--listen", "192.0.2.1:0", "--no-auth"], "listening on 192.0.2.1:0"),
        (["--listen", "127.0.0.1:0", "--no-auth", "--data-dir", "/proc/nowhere"], "/proc/nowhere"),
    ],
)
def test_what_can_not_be_is_refused_with_a_remedy(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, options: list[str], said: str
) -> None:
    known = {"TOKENS": str(TOKENS.written(tmp_path))}
    told = refusal(capsys, "--data-dir", str(tmp_path / "data"), *(known.get(option, option) for option in options))
    assert said in told
    assert "remedy: " in told


def test_options_can_be_set_in_the_environment(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KINWATCH_NO_AUTH", "1")
    monkeypatch.setenv("KINWATCH_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("KINWATCH_LISTEN", "0.0.0.0:0")
    assert "--no-auth takes batches from anybody, and 0.0.0.0:0 is not loopback" in refusal(capsys)


def test_http_on_any_address_is_served_where_it_is_said_twice(tmp_path: Path) -> None:
    tokens = str(TOKENS.written(tmp_path))
    with serving(tmp_path, "--insecure-http", "--listen", ":0", "--tokens", tokens, "--metrics-token") as server:
        assert server.get("/readyz").status == 200
        assert server.get("/metrics").status == 401
        assert server.get("/metrics", token=TOKENS.reader).status == 200
        assert server.stop() == 0


def test_it_ends_at_once_though_clients_are_connected(tmp_path: Path, authority: trustme.CA) -> None:
    """One idles in TLS, one is in the middle of a body."""
    tokens = str(TOKENS.written(tmp_path))
    with serving(tmp_path, *written(tmp_path, authority), "--tokens", tokens, ca=authority) as server:
        server.get("/healthz")
        with server.connection() as connection:
            head = f"POST /v1/batches HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKENS.a}\r\n"
            head += "Content-Type: application/vnd.kinwatch.batch\r\nContent-Length: 1000\r\n\r\n"
            connection.sendall(head.encode())
            connection.sendall(b"\x28\xb5\x2f\xfd")
            server.process.terminate()
            assert connection.makefile("rb").readline().startswith((b"HTTP/1.1 503", b""))
        assert server.process.wait(8) == 0


@pytest.mark.parametrize("text", ["127.0.0.1:1", "[::1]:1", "::1:1", ":1", "localhost:1"])
def test_an_address_is_a_host_and_a_port(text: str) -> None:
    assert listen_on(text).port == 1


@pytest.mark.parametrize("text", ["", "8443", "host:", "host:x", "host:70000", "[::1:1", "a/b:1", "host:-1"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        listen_on(text)


def test_loopback_is_known_by_the_address_that_was_bound() -> None:
    for host, expected in (("127.0.0.1", True), ("localhost", True), ("", False)):
        with bound(Listen(host=host, port=0)) as listener:
            assert is_loopback(listener) == expected


def test_a_port_that_is_taken_is_told() -> None:
    with bound(Listen(host="127.0.0.1", port=0)) as listener:
        listener.listen()
        with pytest.raises(NodeError, match="ss -ltnp"):
            bound(listener.address)


def test_one_connection_too_many_is_hung_up_on() -> None:
    """It is counted, and there is room again when another one ends."""
    with bound(Listen(host="127.0.0.1", port=0), most=2) as listener, contextlib.ExitStack() as stack:
        listener.listen()

        def connected() -> socket.socket:
            stack.enter_context(socket.create_connection(("127.0.0.1", listener.address.port)))
            taken, _ = listener.accept()
            stack.callback(taken.close)
            return taken

        first, _second = connected(), connected()
        with pytest.raises(ConnectionAbortedError):
            connected()
        assert (listener.hung_up, listener.connections) == (1, 2)
        first.close()
        connected()
        assert (listener.hung_up, listener.connections) == (1, 2)

"""Whatever breaks on the way to the kubelet is told in its own words, and no request lasts longer than it may."""

from __future__ import annotations

import contextlib
import errno
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from asking import Asking
from playback import PlaybackKubelet
from playback_server import Conduct

from agent.pods.hurdle import Hurdle, KubeletError
from agent.pods.kubelet_address import Address
from agent.pods.kubelet_channel import Limits
from agent.pods.kubelet_faults import fault
from agent.pods.kubelet_peer import Peer

PEER = Peer(address=Address(host="node.example"), node="knode-1", ca_file=Path("/ca.crt"))


def error_of(asking: Asking, **changes: object) -> KubeletError:
    """What the source says."""
    with pytest.raises(KubeletError) as raised:
        asking(**changes).pods()
    return raised.value


@pytest.mark.parametrize(
    ("conduct", "problem", "lasting"),
    [
        (Conduct.HANG, "accepted the connection, and then took too long: answer", False),
        (Conduct.DRIP, "accepted the connection, and then took too long: answer", False),
        (Conduct.DRIP_BODY, "accepted the connection, and then took too long: answer", False),
        (Conduct.RESET, "broke the connection off before the answer was complete", False),
        (Conduct.CUT, "before the answer was complete|ended in its midst", False),
        (Conduct.SHORT, "ended in its midst", False),
        (Conduct.HUGE, "is longer than 1 MiB", True),
    ],
)
def test_answer_that_does_not_come_whole(
    played: PlaybackKubelet, asking: Asking, conduct: Conduct, problem: str, *, lasting: bool
) -> None:
    """Dripping bytes don't put the deadline off, and too long an answer isn't read to its end."""
    played.conduct = conduct
    error = error_of(asking)
    assert re.search(problem, error.problem)
    assert (error.hurdle, error.lasting) == (Hurdle.ANSWER, lasting)


def test_answer_may_take_longer_than_a_connection(played: PlaybackKubelet, asking: Asking) -> None:
    played.before_answer = lambda: threading.Event().wait(0.15)
    assert asking(limits=Limits(connect_s=0.1, read_s=10)).pods()


def test_next_request_after_a_broken_one_has_a_connection_of_its_own(played: PlaybackKubelet, asking: Asking) -> None:
    """Nothing that is left of an answer can be taken for the next one."""
    kubelet = asking()
    played.once(Conduct.HUGE)
    with pytest.raises(KubeletError):
        kubelet.pods()
    assert kubelet.pods()
    assert played.connections == 2


@pytest.mark.parametrize(
    "wire",
    [
        b"\x00\x01SSH-2.0-what\r\n\r\n",
        b"HTTP/1.1 abc What\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * (1 << 17),
        b"HTTP/1.1 200 OK\r\nContent-Length: 4, 5\r\n\r\nabcd",
    ],
)
def test_answer_that_is_not_http(played: PlaybackKubelet, asking: Asking, wire: bytes) -> None:
    played.write(wire)
    error = error_of(asking)
    assert "is not HTTP" in error.problem
    assert "10250" in error.remedy
    assert error.lasting


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "is not JSON"),
        (b"<html>", "is not JSON"),
        (b"\xff\xfe\xfd", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[]", "this is no PodList"),
        (b'{"kind":"NodeList"}', "this is no PodList"),
        (b'{"kind":"PodList","items":5}', "its items are no list"),
        (b'{"kind":"PodList","items":[{"metadata":{}}]}', "this is no Pod"),
    ],
)
def test_answer_that_is_no_list_of_pods(played: PlaybackKubelet, asking: Asking, body: bytes, problem: str) -> None:
    played.answer(200, body)
    error = error_of(asking)
    assert problem in error.problem
    assert error.hurdle is Hurdle.ANSWER
    assert error.lasting


def test_list_that_can_not_be_read_is_not_remembered(played: PlaybackKubelet, asking: Asking) -> None:
    """The same bytes are refused again."""
    kubelet = asking()
    played.answer(200, b"[]")
    for _ in range(2):
        with pytest.raises(KubeletError, match="no PodList"):
            kubelet.pods()


def test_nobody_listens(asking: Asking) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    error = error_of(asking, address=f"127.0.0.1:{port}")
    assert error.problem == f"nobody listens at 127.0.0.1:{port}"
    assert "under hostNetwork" in error.remedy
    assert (error.hurdle, error.lasting) == (Hurdle.CONNECTION, False)


def test_ipv6_address_is_connected_to(asking: Asking) -> None:
    """Where there is no IPv6, that is told; nobody listens on port 1 where there is."""
    error = error_of(asking, address="[::1]:1")
    assert "[::1]:1" in error.problem
    assert error.hurdle is Hurdle.CONNECTION


def test_connection_that_is_not_accepted(asking: Asking) -> None:
    """A firewall that drops packets, or an address that is nobody's."""
    with _full() as address:
        error = error_of(asking, address=address)
    assert "took too long to accept" in error.problem
    assert "NetworkPolicy" in error.remedy
    assert (error.hurdle, error.lasting) == (Hurdle.CONNECTION, False)


@contextlib.contextmanager
def _full() -> Iterator[str]:
    """Address of a server whose queue of connections is full, so that it takes no other."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)  # noqa: FBT003 - the standard library's
            with contextlib.suppress(BlockingIOError):
                waiting.connect(server.getsockname())
        yield f"127.0.0.1:{server.getsockname()[1]}"


def alert(reason: str) -> ssl.SSLError:
    """What OpenSSL makes of an alert, or of what it takes for none."""
    error = ssl.SSLError(1, f"[SSL: {reason}]")
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("error", "hurdle", "problem", "lasting"),
    [
        (
            socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
            Hurdle.CONNECTION,
            "node.example: Name",
            True,
        ),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure"), Hurdle.CONNECTION, "Temporary failure", False),
        (
            OSError(errno.EHOSTUNREACH, "No route to host"),
            Hurdle.CONNECTION,
            "can't be reached: No route to host",
            False,
        ),
        (alert("TLSV13_ALERT_CERTIFICATE_REQUIRED"), Hurdle.ANSWER, "with an alert: TLSV13_ALERT", True),
        (alert("RECORD_LAYER_FAILURE"), Hurdle.TLS, "does not speak TLS", True),
        (alert("NO_PROTOCOLS_AVAILABLE"), Hurdle.TLS, "came to nothing: NO_PROTOCOLS_AVAILABLE", True),
        (ConnectionResetError(errno.ECONNRESET, "reset by peer"), Hurdle.TLS, "before the TLS was complete", False),
    ],
)
def test_fault_that_needs_another_network(error: Exception, hurdle: Hurdle, problem: str, *, lasting: bool) -> None:
    """What can't be brought about on loopback, or not each time. A name server that is slow is no unknown host."""
    told = fault(error, PEER, hurdle=hurdle)
    assert problem in told.problem
    assert told.hurdle is (Hurdle.TLS if isinstance(error, ssl.SSLError) else hurdle)
    assert told.lasting is lasting

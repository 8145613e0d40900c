"""What becomes of a batch by what the aggregator answers, over real sockets and real TLS."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from ship_server import Hang, Raw, Reply, Reset, ShipServer, serving

from agent.ship.aggregator import Address, Aggregator
from agent.ship.answer import RETRY_AFTER_MAX_S, NotNowError, Outcome
from kinwatch.errors import InputError

BATCH = b"a batch"
READ_S = 0.3
DAY = timedelta(days=1)


@pytest.fixture(name="server")
def _server() -> Iterator[ShipServer]:
    """Without TLS."""
    with serving() as server:
        yield server


def client(server: ShipServer, **options: Path) -> Aggregator:
    return Aggregator(Address(url=server.url, **options), connect_s=5.0, read_s=READ_S)


def failure(server: ShipServer, reply: Reply | Hang | Reset | Raw) -> NotNowError:
    """What is said of a batch that is to be sent again."""
    server.reply = reply
    with pytest.raises(NotNowError) as caught:
        client(server).send(BATCH)
    return caught.value


# --- Taken, or refused for good -------------------------------------------------------------------------------------


def test_batch_is_posted(server: ShipServer) -> None:
    client(server).send(BATCH)
    ((path, headers, body),) = server.requests
    assert (path, body) == ("/v1/batches", BATCH)
    assert headers["Content-Type"] == "application/vnd.kinwatch.batch"
    assert "Authorization" not in headers
    assert "Content-Encoding" not in headers


@pytest.mark.parametrize(("status", "outcome"), [(201, Outcome.STORED), (200, Outcome.DUPLICATE)])
def test_what_is_stored_is_delivered(server: ShipServer, status: int, outcome: Outcome) -> None:
    server.reply = Reply(status=status, body=json.dumps({"outcome": outcome}).encode())
    assert client(server).send(BATCH).outcome is outcome


@pytest.mark.parametrize("status", [400, 409, 413, 415, 422])
def test_batch_that_the_aggregator_will_never_take_is_refused(server: ShipServer, status: int) -> None:
    server.reply = Reply.refusing(status, "it is of next year's version")
    answer = client(server).send(BATCH)
    assert answer.outcome is Outcome.REFUSED
    assert answer.problem == f"HTTP {status}, it is of next year's version"


def test_batch_that_a_proxy_finds_too_large_is_refused(server: ShipServer) -> None:
    """Else one batch, of a loud container, would keep all after it from the aggregator."""
    server.reply = Reply(status=413, body=b"<html>413 Request Entity Too Large</html>")
    assert client(server).send(BATCH).outcome is Outcome.REFUSED


# --- What somebody else answers is no reason to let go of a batch -----------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 202, 204, 400, 405, 409, 411, 415, 418, 422, 426, 431, 451])
def test_answer_that_is_not_the_aggregators_lets_go_of_nothing(server: ShipServer, status: int) -> None:
    """An ingress, another service, a captive portal: it says so, until somebody mends the address."""
    error = failure(server, Reply(status=status, body=b"" if status == 204 else b"<html>Welcome to nginx!</html>"))
    assert error.lasting
    assert error.problem.startswith(f"there is no aggregator at this address (HTTP {status}")
    assert "--aggregator" in error.remedy


@pytest.mark.parametrize("body", [b"", b"[]", b'"stored"', b'{"outcome":7}', b'{"outcome":"refused"}', b"[" * 4000])
def test_word_stored_has_to_be_there(server: ShipServer, body: bytes) -> None:
    assert failure(server, Reply(body=body)).lasting


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirection_is_not_followed(server: ShipServer, status: int) -> None:
    """It would take the token elsewhere."""
    error = failure(server, Reply(status=status, body=b"", headers={"Location": f"{server.url}/elsewhere"}))
    assert error.lasting
    assert len(server.requests) == 1


def test_wrong_path_is_said(server: ShipServer) -> None:
    error = failure(server, Reply.refusing(404, "Not Found"))
    assert error.lasting
    assert "without a path" in error.remedy


def test_what_others_answer_does_no_harm_to_a_terminal(server: ShipServer) -> None:
    error = failure(server, Reply(status=404, body=b"\x1b]0;owned\x07" + b"x" * 100_000))
    assert error.problem.isprintable()
    assert len(error.problem) < 500


# --- Not now --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403])
def test_agent_that_is_not_let_in_says_so_until_it_is(server: ShipServer, status: int) -> None:
    error = failure(server, Reply.refusing(status, "the token is not for us"))
    assert error.lasting
    assert error.problem == f"the aggregator refuses this agent (HTTP {status}, the token is not for us)"
    assert "kinwatch-aggregator" in error.remedy


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 507])
def test_trouble_that_passes_is_waited_for(server: ShipServer, status: int) -> None:
    error = failure(server, Reply.refusing(status, "the disk is full"))
    assert not error.lasting
    assert error.problem == f"the aggregator does not take batches now (HTTP {status}, the disk is full)"
    assert error.remedy == "do otherwise"
    assert error.retry_after_s == 0


@pytest.mark.parametrize("status", [401, 429, 503, 507])
@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("7", 7),
        ("0", 0),
        ("100000", RETRY_AFTER_MAX_S),
        ("9" * 1000, RETRY_AFTER_MAX_S),
        ("-5", 0),
        ("1.5", 0),
        ("soon", 0),
        ("Fri, 31 Dec 2027 23:59:59 GMT", 0),
    ],
)
def test_aggregator_may_say_for_how_long(server: ShipServer, status: int, told: str, seconds: float) -> None:
    assert failure(server, Reply.refusing(status, Retry_After=told)).retry_after_s == seconds


@pytest.mark.parametrize(
    "reply",
    [
        Reset(),
        Hang(),
        Raw(b""),
        Raw(b"\x00\x01\x02 no HTTP at all\n\n"),
        Raw(b"HTTP/1.1 201 Created\r\nContent-Length: 20\r\n\r\n{"),
        Raw(b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
        Raw(b"HTTP/1.1 201 Created\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"),
        Raw(b"HTTP/1.1 " + b"9" * 100_000),
        Raw(b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 1000),
    ],
    ids=["reset", "hang", "nothing", "garbage", "cut short", "bad chunk", "bad gzip", "long line", "many headers"],
)
def test_connection_that_fails_is_tried_again(server: ShipServer, reply: Hang | Reset | Raw) -> None:
    """A batch whose answer was lost may have been stored: sent again, it is a duplicate."""
    error = failure(server, reply)
    assert not error.lasting
    assert server.url in error.problem
    assert "spool" in error.remedy


def test_answer_without_an_end_is_not_read_to_it(server: ShipServer) -> None:
    """A part is enough to see that it is nobody's we know."""
    endless = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n" + b"x" * 100_000
    assert failure(server, Raw(endless)).lasting


def test_server_that_is_down_is_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(NotNowError, match="Connection refused") as caught:
        Aggregator(Address(url=f"http://127.0.0.1:{port}")).send(BATCH)
    assert not caught.value.lasting


# --- Connections ----------------------------------------------------------------------------------------------------


def test_one_connection_is_used_for_many_batches(server: ShipServer) -> None:
    one = client(server)
    for number in range(20):
        server.reply = Reply() if number % 2 else Reply.refusing(422)
        one.send(BATCH)
    assert (len(server.requests), server.connections) == (20, 1)


def test_connection_is_made_anew_when_asked_to(server: ShipServer) -> None:
    one = client(server)
    one.send(BATCH)
    one.renew()
    one.send(BATCH)
    assert server.connections == 2


def test_connection_that_the_server_has_closed_meanwhile_is_made_anew(server: ShipServer) -> None:
    server.reply = Raw(b'HTTP/1.1 201 Created\r\nContent-Length: 20\r\n\r\n{"outcome":"stored"}')
    one = client(server)
    assert one.send(BATCH).outcome is Outcome.STORED
    assert server.hung_up.acquire(timeout=30)
    server.reply = Reply()
    assert one.send(BATCH).outcome is Outcome.STORED


# --- Who the agent is -----------------------------------------------------------------------------------------------


@pytest.fixture(name="ca", scope="module")
def _ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(name="ca_file", scope="module")
def _ca_file(ca: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("ca") / "ca.crt"
    ca.cert_pem.write_to_path(file)
    return file


def showing(leaf: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    return context


@pytest.fixture(name="tls")
def _tls(ca: trustme.CA) -> Iterator[ShipServer]:
    with serving(showing(ca.issue_cert("127.0.0.1"))) as server:
        yield server


def test_token_is_read_for_each_batch(tls: ShipServer, ca_file: Path, tmp_path: Path) -> None:
    """The kubelet swaps it when four fifths of its time are over."""
    file = tmp_path / "token"
    one = client(tls, ca_file=ca_file, token_file=file)
    for token in ("first", "second"):
        file.write_text(f"{token}\n")
        one.send(BATCH)
    assert [headers["Authorization"] for _, headers, _ in tls.requests] == ["Bearer first", "Bearer second"]
    assert tls.connections == 1


@pytest.mark.parametrize("content", [None, "", " \n", "two words", "line\nbreak"])
def test_token_that_is_not_there_is_said(tls: ShipServer, ca_file: Path, tmp_path: Path, content: str | None) -> None:
    """Nothing is sent without it, and it may still come."""
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content)
    one = client(tls, ca_file=ca_file, token_file=file)
    with pytest.raises(NotNowError) as caught:
        one.send(BATCH)
    assert caught.value.lasting
    assert str(file) in caught.value.problem
    assert "audience kinwatch-aggregator" in caught.value.remedy
    assert not tls.requests
    file.write_text("there")
    assert one.send(BATCH).outcome is Outcome.STORED


def test_token_is_never_sent_in_the_clear(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="in the clear"):
        Address(url="http://127.0.0.1:8080", token_file=tmp_path / "token")


def test_token_is_in_no_error(tls: ShipServer, ca_file: Path, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("hush-hush")
    tls.reply = Reply.refusing(401)
    with pytest.raises(NotNowError) as caught:
        client(tls, ca_file=ca_file, token_file=file).send(BATCH)
    assert "hush" not in f"{caught.value!r} {caught.value.__cause__!r}"


# --- TLS ------------------------------------------------------------------------------------------------------------


def untrusted(leaf: trustme.LeafCert, ca_file: Path | None, token: Path | None = None) -> NotNowError:
    """What is said of a server that shows this certificate."""
    with serving(showing(leaf)) as server, pytest.raises(NotNowError) as caught:
        Aggregator(Address(url=server.url, ca_file=ca_file, token_file=token)).send(BATCH)
    assert not server.requests
    return caught.value


def test_certificate_of_another_ca_is_not_trusted(ca_file: Path, tmp_path: Path) -> None:
    """Nothing is sent, least of all the token."""
    (tmp_path / "token").write_text("hush")
    error = untrusted(trustme.CA().issue_cert("127.0.0.1"), ca_file, tmp_path / "token")
    assert error.lasting
    assert "not to be trusted" in error.problem
    assert "--aggregator-ca" in error.remedy


def test_certificate_for_another_name_is_not_trusted(ca: trustme.CA, ca_file: Path) -> None:
    error = untrusted(ca.issue_cert("aggregator.elsewhere.svc"), ca_file)
    assert error.lasting
    assert "127.0.0.1" in error.problem


def test_certificate_that_is_over_is_not_trusted(ca: trustme.CA, ca_file: Path) -> None:
    now = datetime.now(UTC)
    error = untrusted(ca.issue_cert("127.0.0.1", not_before=now - 2 * DAY, not_after=now - DAY), ca_file)
    assert error.lasting
    assert "expired" in error.problem


def test_without_a_ca_of_ones_own_those_of_the_system_count(ca: trustme.CA) -> None:
    assert untrusted(ca.issue_cert("127.0.0.1"), None).lasting


def test_new_ca_is_read_when_the_connection_is_made_anew(ca: trustme.CA, tls: ShipServer, tmp_path: Path) -> None:
    """The sender does that after each failure: a CA that was changed needs no restart."""
    file = tmp_path / "ca.crt"
    trustme.CA().cert_pem.write_to_path(file)
    one = client(tls, ca_file=file)
    with pytest.raises(NotNowError):
        one.send(BATCH)
    one.renew()
    ca.cert_pem.write_to_path(file)
    assert one.send(BATCH).outcome is Outcome.STORED


def test_ca_that_was_taken_away_is_said_until_it_is_back(tls: ShipServer, ca: trustme.CA, tmp_path: Path) -> None:
    file = tmp_path / "ca.crt"
    ca.cert_pem.write_to_path(file)
    one = client(tls, ca_file=file)
    file.unlink()
    one.renew()
    with pytest.raises(NotNowError, match="reading the certificates") as caught:
        one.send(BATCH)
    assert caught.value.lasting
    ca.cert_pem.write_to_path(file)
    assert one.send(BATCH).outcome is Outcome.STORED


def own_certificate(ca: trustme.CA, folder: Path) -> dict[str, Path]:
    """The agent's own, in two files."""
    leaf = ca.issue_cert(common_name="system:node:node-1", organization_name="system:nodes")
    leaf.cert_chain_pems[0].write_to_path(folder / "tls.crt")
    leaf.private_key_pem.write_to_path(folder / "tls.key")
    return {"certificate": folder / "tls.crt", "key": folder / "tls.key"}


@pytest.fixture(name="mutual")
def _mutual(ca: trustme.CA) -> Iterator[ShipServer]:
    """A server that wants to see a certificate."""
    context = showing(ca.issue_cert("127.0.0.1"))
    ca.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    with serving(context) as server:
        yield server


def test_agent_shows_its_own_certificate(mutual: ShipServer, ca: trustme.CA, ca_file: Path, tmp_path: Path) -> None:
    client(mutual, ca_file=ca_file, **own_certificate(ca, tmp_path)).send(BATCH)
    assert ("commonName", "system:node:node-1") in [part for (part,) in mutual.peers[0]["subject"]]


def test_certificate_that_the_aggregator_does_not_trust_is_said(
    mutual: ShipServer, ca_file: Path, tmp_path: Path
) -> None:
    """And so is one that is missing: neither passes by itself."""
    for own in (own_certificate(trustme.CA(), tmp_path), {}):
        with pytest.raises(NotNowError) as caught:
            client(mutual, ca_file=ca_file, **own).send(BATCH)
        assert caught.value.lasting
        assert "TLS" in caught.value.problem
        assert "--client-ca" in caught.value.remedy


def test_server_without_tls_is_said(server: ShipServer) -> None:
    with pytest.raises(NotNowError) as caught:
        Aggregator(Address(url=server.url.replace("http:", "https:")), read_s=READ_S).send(BATCH)
    assert caught.value.lasting
    assert "TLS" in caught.value.problem


# --- What can't be used from the start ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url", ["", "aggregator:8443", "ftp://aggregator", "https://", "https://a:99999", "https:///v1"]
)
def test_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(InputError) as caught:
        Address(url=url)
    assert "https://HOST:PORT" in caught.value.remedy


def test_certificate_and_key_go_together(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="wants its key"):
        Address(url="https://aggregator", certificate=tmp_path / "tls.crt")


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_ca_that_can_not_be_read_is_refused(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "ca.crt"
    if content is not None:
        file.write_text(content)
    with pytest.raises(InputError) as caught:
        Aggregator(Address(url="https://aggregator", ca_file=file))
    assert "--aggregator-ca" in caught.value.remedy


def test_slash_at_the_end_of_the_address_does_no_harm(server: ShipServer) -> None:
    Aggregator(Address(url=f"{server.url}/")).send(BATCH)
    assert server.requests[0][0] == "/v1/batches"

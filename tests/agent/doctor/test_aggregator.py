"""What the doctor says of the aggregator, by asking one that answers as it is told to."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from agent.doctor.aggregator import ask, judge
from agent.doctor.examined import AggregatorAddress
from agent.doctor.finding import Finding, Outcome


class PlayedAggregator(ThreadingHTTPServer):
    """An aggregator on 127.0.0.1 that gives /readyz and /v1/batches the statuses it is set to."""

    daemon_threads = True

    def __init__(self, folder: Path, *, tls: bool = True) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.ready, self.batches = 200, 400
        self.authorizations: list[str | None] = []
        ca = trustme.CA()
        self.ca_file = folder / "aggregator-ca.crt"
        ca.cert_pem.write_to_path(self.ca_file)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.server_address[1]}"
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            ca.issue_cert("127.0.0.1").configure_cert(context)
            self.socket = context.wrap_socket(self.socket, server_side=True)

    def handle_error(self, *_: object) -> None:
        """A handshake that the other side breaks off is no error here."""


class _Answering(BaseHTTPRequestHandler):
    server: PlayedAggregator

    def do_GET(self) -> None:
        self._answer(self.server.ready if self.path == "/readyz" else 404)

    def do_POST(self) -> None:
        self.server.authorizations.append(self.headers.get("Authorization"))
        self._answer(self.server.batches if self.path == "/v1/batches" else 404)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def serving(server: PlayedAggregator) -> Iterator[PlayedAggregator]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(name="aggregator")
def _aggregator(tmp_path: Path) -> Iterator[PlayedAggregator]:
    yield from serving(PlayedAggregator(tmp_path))


@pytest.fixture(name="plain")
def _plain(tmp_path: Path) -> Iterator[PlayedAggregator]:
    yield from serving(PlayedAggregator(tmp_path, tls=False))


@pytest.fixture(name="token_file")
def _token_file(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text("let-me-in\n")
    return file


def found(server: PlayedAggregator, token_file: Path | None, *, ca: bool = True) -> dict[str, Finding]:
    address = AggregatorAddress(url=server.url, token_file=token_file, ca_file=server.ca_file if ca else None)
    return {finding.check: finding for finding in judge(ask(address))}


def test_none_is_configured() -> None:
    assert [finding.outcome for finding in judge(None)] == [Outcome.SKIPPED] * 2


@pytest.mark.parametrize("batches", [400, 422])
def test_empty_batch_is_refused_and_the_token_taken(
    aggregator: PlayedAggregator, token_file: Path, batches: int
) -> None:
    aggregator.batches = batches
    findings = found(aggregator, token_file)
    assert [finding.outcome for finding in findings.values()] == [Outcome.OK] * 2
    assert aggregator.authorizations == ["Bearer let-me-in"]


@pytest.mark.parametrize(
    ("batches", "expected"),
    [
        (401, (Outcome.FAILED, "does not know the token", "audience")),
        (403, (Outcome.FAILED, "takes no batches by it", "ServiceAccount")),
        (200, (Outcome.WARNING, "HTTP 200", "same version")),
        (500, (Outcome.WARNING, "HTTP 500", "log")),
    ],
)
def test_token_that_is_not_taken(
    aggregator: PlayedAggregator, token_file: Path, batches: int, expected: tuple[Outcome, str, str]
) -> None:
    outcome, fact, remedy = expected
    aggregator.batches = batches
    finding = found(aggregator, token_file)["aggregator-token"]
    assert finding.outcome is outcome
    assert fact in finding.found
    assert remedy in finding.remedy


@pytest.mark.parametrize(("ready", "outcome"), [(503, Outcome.WARNING), (404, Outcome.FAILED), (302, Outcome.FAILED)])
def test_aggregator_that_is_not_ready_or_none(aggregator: PlayedAggregator, ready: int, outcome: Outcome) -> None:
    aggregator.ready = ready
    finding = found(aggregator, None)["aggregator"]
    assert finding.outcome is outcome
    assert str(ready) in finding.found


def test_token_that_is_not_there(aggregator: PlayedAggregator, tmp_path: Path) -> None:
    assert found(aggregator, None)["aggregator-token"].outcome is Outcome.SKIPPED
    finding = found(aggregator, tmp_path / "none")["aggregator-token"]
    assert finding.outcome is Outcome.FAILED
    assert f"there is no file {tmp_path / 'none'}" in finding.found
    assert aggregator.authorizations == []


def test_certificate_of_an_unknown_ca_gets_no_token(aggregator: PlayedAggregator, token_file: Path) -> None:
    findings = found(aggregator, token_file, ca=False)
    assert findings["aggregator"].outcome is Outcome.FAILED
    assert "certificate is not to be trusted" in findings["aggregator"].found
    assert "CA" in findings["aggregator"].remedy
    assert findings["aggregator-token"].found == "not reached: see aggregator"
    assert aggregator.authorizations == []


def test_token_is_not_shown_without_tls(plain: PlayedAggregator, token_file: Path) -> None:
    findings = found(plain, token_file)
    assert [finding.outcome for finding in findings.values()] == [Outcome.WARNING, Outcome.SKIPPED]
    assert plain.authorizations == []


@pytest.mark.parametrize(
    ("url", "fact"),
    [("https://127.0.0.1:1", "Connection refused"), ("gopher://somewhere", "scheme"), ("nothing", "scheme")],
)
def test_address_where_nobody_answers(url: str, fact: str) -> None:
    finding, _ = judge(ask(AggregatorAddress(url=url)))
    assert finding.outcome is Outcome.FAILED
    assert f"{url} is not reached: " in finding.found
    assert fact in finding.found
    assert finding.remedy


def test_ca_that_can_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "ca").write_text("nothing")
    for name, fact in (("none", "No such file"), ("ca", "ca")):
        finding, _ = judge(ask(AggregatorAddress(url="https://127.0.0.1:1", ca_file=tmp_path / name)))
        assert finding.outcome is Outcome.FAILED
        assert f"reading the CA {tmp_path / name}" in finding.found
        assert fact in finding.found
        assert "PEM" in finding.remedy

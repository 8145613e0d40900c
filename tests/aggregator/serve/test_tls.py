"""TLS: certificates that change, and clients that show their own."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from batching import body
from cryptography import x509
from running import TOKENS, Running, serving, wait_for, written
from urllib3.exceptions import HTTPError

ATTENTIVE = "from aggregator.serve import tls\ntls.LOOK_S = 0.05"


@pytest.fixture(scope="module")
def clients() -> trustme.CA:
    """The CA of agents' certificates."""
    return trustme.CA()


@pytest.fixture
def folder(tmp_path: Path, clients: trustme.CA) -> Path:
    clients.cert_pem.write_to_path(tmp_path / "clients.crt")
    return tmp_path


@pytest.fixture
def server(folder: Path, authority: trustme.CA) -> Iterator[Running]:
    """A server that knows agents by tokens and by certificates, and looks at its files all the time."""
    options = [*written(folder, authority), "--client-ca", str(folder / "clients.crt")]
    options += ["--tokens", str(TOKENS.written(folder))]
    with serving(folder, *options, ca=authority, patch=ATTENTIVE) as running:
        yield running


def of_node_a(issuer: trustme.CA) -> trustme.LeafCert:
    """A certificate as the kubelet of node-a has it."""
    return issuer.issue_cert(organization_name="system:nodes", common_name="system:node:node-a")


def presented(server: Running) -> int:
    """The serial number of the certificate that a new connection is shown."""
    with server.connection() as connection:
        assert isinstance(connection, ssl.SSLSocket)
        return x509.load_der_x509_certificate(connection.getpeercert(binary_form=True) or b"").serial_number


def test_a_new_certificate_is_taken_while_agents_are_connected(
    server: Running, folder: Path, authority: trustme.CA
) -> None:
    """Connections that are there go on; new ones see the new certificate."""
    before = presented(server)
    assert server.post(body(1), token=TOKENS.a).status == 201
    written(folder, authority)
    wait_for(lambda: presented(server) != before, "the new certificate")
    assert server.post(body(2), token=TOKENS.a).status == 201
    assert server.pool.connection_from_url(server.url).num_connections == 1


def test_a_broken_pair_leaves_the_old_one(server: Running, folder: Path, authority: trustme.CA) -> None:
    """It is told once, and a pair that fits is taken afterwards."""
    before = presented(server)
    (folder / "tls.key").write_bytes(authority.issue_cert("localhost").private_key_pem.bytes())
    assert "tls.key" in server.event("certificate_refused")["problem"]
    assert presented(server) == before
    (folder / "tls.crt").unlink()
    wait_for(lambda: len(server.events("certificate_refused")) == 2, "the missing file to be told")
    assert presented(server) == before
    written(folder, authority)
    wait_for(lambda: presented(server) != before, "the pair that fits")
    assert len(server.events("certificate_refused")) <= 3


def test_an_agent_is_known_by_its_certificate(server: Running, authority: trustme.CA, clients: trustme.CA) -> None:
    """It names the node; without one a token does, and without either nothing is taken."""
    agent = Running(server.process, server.log, authority, shows=of_node_a(clients))
    assert agent.post(body(3)).status == 201
    assert agent.post(body(4, node="node-b")).status == 403
    assert server.post(body(4), token=TOKENS.a).status == 201
    assert server.post(body(5)).status == 401


def test_a_certificate_of_another_ca_gets_no_connection(server: Running, authority: trustme.CA) -> None:
    stranger = Running(server.process, server.log, authority, shows=of_node_a(trustme.CA()))
    with pytest.raises(HTTPError):
        stranger.get("/healthz")

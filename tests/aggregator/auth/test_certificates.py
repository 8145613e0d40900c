"""An agent is known by its client certificate, in the forms in which TLS hands it over."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import trustme
from made_certificate import client_certificate
from set_time import START_S, SetTime

from aggregator.auth.certificates import Certificates, node_of
from aggregator.auth.refused import AuthError, Reason
from aggregator.auth.values import Credential, Principal, Via

TOKEN = "a"  # noqa: S105 - any
FAR_OFF = "Jan  1 00:00:00 2100 GMT"


def certificate(*, uris: tuple[str, ...] = (), **names: str | tuple[str, ...]) -> dict[str, Any]:
    """As ssl.SSLSocket.getpeercert() gives it."""
    pairs = [(key, value) for key, told in names.items() for value in ((told,) if isinstance(told, str) else told)]
    return {
        "subject": tuple(((pair),) for pair in pairs),
        "subjectAltName": tuple(("URI", uri) for uri in uris),
        "notAfter": FAR_OFF,
    }


KUBELET = certificate(organizationName="system:nodes", commonName="system:node:knode-1")


def refusal(told: Mapping[str, Any] | None) -> AuthError:
    with pytest.raises(AuthError) as refused:
        Certificates().authenticate(Credential(certificate=told))
    return refused.value


def test_agent_is_known_by_a_uri_of_ours() -> None:
    told = certificate(uris=("kinwatch://node/edge-1",), commonName="whoever")
    principal = Certificates().authenticate(Credential(certificate=told))
    assert principal == Principal(name="certificate of edge-1", node="edge-1", via=Via.CERTIFICATE)


def test_agent_is_known_by_its_kubelets_certificate() -> None:
    assert Certificates().authenticate(Credential(certificate=KUBELET)).node == "knode-1"


@pytest.mark.parametrize(
    "told",
    [
        certificate(),
        certificate(commonName="knode-1"),
        certificate(commonName="system:node:knode-1"),
        certificate(organizationName="system:masters", commonName="system:node:knode-1"),
        certificate(organizationalUnitName="system:nodes", commonName="system:node:knode-1"),
        certificate(organizationName="system:nodes", commonName="knode-1"),
        certificate(organizationName="system:nodes", commonName="system:node:"),
        certificate(organizationName="system:nodes", commonName="system:node:*"),
        certificate(organizationName="system:nodes", commonName="system:node:knode-1\n"),
        certificate(organizationName="system:nodes", commonName="system:node:a/b"),
        certificate(organizationName="system:nodes", commonName=("system:node:a", "system:node:b")),
        certificate(uris=("spiffe://node/knode-1",)),
        certificate(uris=("kinwatch://node/",)),
        certificate(uris=("kinwatch://node/a/b",)),
        certificate(uris=("kinwatch://node/a?b",)),
        certificate(uris=("kinwatch://node/%61",)),
        certificate(uris=("kinwatch://node/*",)),
        certificate(uris=("kinwatch://reader/a",)),
        certificate(uris=("kinwatch:node/a",)),
        certificate(uris=("kinwatch://node/a", "kinwatch://node/b")),
        {**KUBELET, "subjectAltName": (("URI", "kinwatch://node/"),)},
        {"subjectAltName": (("DNS", "knode-1"),), "notAfter": FAR_OFF},
        {"subjectAltName": 5, "subject": 5, "notAfter": FAR_OFF},
        {"subjectAltName": (5, ("URI",), ("URI", 5)), "subject": ((5,), 5, ((5, 5),)), "notAfter": FAR_OFF},
    ],
)
def test_certificate_that_names_no_node_or_several_is_refused(told: dict[str, Any]) -> None:
    """DNS names count for nothing: every web server of the same CA has them."""
    error = refusal(told)
    assert (error.status, error.reason) == (403, Reason.NO_NODE)
    assert "kinwatch://node/<its node>" in error.remedy


def test_uri_of_ours_counts_alone() -> None:
    assert node_of({**KUBELET, "subjectAltName": (("URI", "kinwatch://node/edge-1"), ("DNS", "a"))}) == "edge-1"


@pytest.mark.parametrize("none", [None, {}])
def test_connection_without_certificate_is_refused(none: dict[str, Any] | None) -> None:
    """`{}` is what getpeercert() gives for one that TLS did not verify."""
    assert refusal(none).reason is Reason.NO_CREDENTIAL


def test_certificate_ends_though_its_connection_lasts(time: SetTime) -> None:
    """TLS looks at its end only when the connection is made."""
    certificates = Certificates(clock=time.clock)
    ends_s = ssl.cert_time_to_seconds(FAR_OFF)
    certificates.authenticate(Credential(certificate=KUBELET))
    time.sleep(ends_s - START_S)
    with pytest.raises(AuthError, match="has ended since the connection was made") as refused:
        certificates.authenticate(Credential(certificate=KUBELET))
    assert refused.value.reason is Reason.EXPIRED


@pytest.mark.parametrize("end", [None, "", "never", 5, "Jan  1 00:00:00 2100"])
def test_certificate_whose_end_is_not_known_has_ended(end: object) -> None:
    assert refusal({**KUBELET, "notAfter": end}).reason is Reason.EXPIRED


def test_token_goes_before_a_certificate() -> None:
    """It is shown on purpose, where a certificate may be there for a mesh."""
    assert Certificates().takes(Credential(certificate=KUBELET))
    assert not Certificates().takes(Credential(certificate=KUBELET, token=TOKEN))
    assert not Certificates().takes(Credential())


@pytest.mark.parametrize(
    ("subject", "uri"),
    [
        ({"organizationName": "system:nodes", "commonName": "system:node:knode-1"}, None),
        ({"commonName": "whoever"}, "kinwatch://node/knode-1"),
    ],
)
def test_certificate_is_read_as_tls_gives_it(tmp_path: Path, subject: dict[str, str], uri: str | None) -> None:
    """Over a real handshake, with a client certificate of a real CA."""
    ca = trustme.CA()
    chain = client_certificate(ca, tmp_path, subject=subject, uri=uri)
    told = _shown(ca, chain)
    assert Certificates().authenticate(Credential(certificate=told)).node == "knode-1"


def _shown(ca: trustme.CA, chain: Path) -> Mapping[str, Any] | None:
    """What a server sees of a client's certificate."""
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ca.issue_cert("127.0.0.1").configure_cert(server)
    server.verify_mode = ssl.CERT_REQUIRED
    for context in (server, client):
        ca.configure_trust(context)
    client.load_cert_chain(chain)
    ours, theirs = socket.socketpair()

    def connect() -> None:
        with client.wrap_socket(theirs, server_hostname="127.0.0.1") as wrapped:
            wrapped.recv(1)

    connecting = threading.Thread(target=connect)
    connecting.start()
    with server.wrap_socket(ours, server_side=True) as wrapped:
        told = wrapped.getpeercert()
        wrapped.sendall(b".")
    connecting.join(10)
    return told

"""The token is sent to a kubelet whose certificate a known CA signed for this node, and to nobody else."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import pytest
from asking import Asking
from certificates import Certificate
from playback import PlaybackKubelet
from recordings import GRANTED

from agent.pods.hurdle import Hurdle, KubeletError


def refusal(asking: Asking, address: str | None = None, **changes: object) -> KubeletError:
    """The error of a kubelet that is not to be trusted; it heard no token."""
    with pytest.raises(KubeletError) as raised:
        (asking(address, **changes) if address else asking(**changes)).pods()
    assert raised.value.hurdle is Hurdle.TLS
    return raised.value


@pytest.mark.parametrize(
    ("certificate", "problem", "remedy"),
    [
        (Certificate.SELF_SIGNED, "signed itself, as kubelets do by default", "serverTLSBootstrap: true"),
        (Certificate.OTHER_CA, "no CA in", "by --kubelet-ca"),
        (
            Certificate.WRONG_NAME,
            "not of the node knode-1: hostname 'knode-1' doesn't match 'another-node'",
            "get nodes",
        ),
        (Certificate.EXPIRED, "expired", "why the kubelet didn't renew it"),
        (Certificate.NOT_YET_VALID, "not yet valid", "the clocks"),
    ],
)
def test_certificate_that_is_not_to_be_trusted(
    played: PlaybackKubelet, asking: Asking, certificate: Certificate, problem: str, remedy: str
) -> None:
    played.show(certificate)
    error = refusal(asking)
    assert problem in error.problem
    assert remedy in error.remedy
    assert error.lasting
    assert played.requests == 0


def test_name_is_that_of_the_node_not_the_address(played: PlaybackKubelet, asking: Asking) -> None:
    """The certificate of these tests has no IP, as that of many a kubelet (metrics-server issue 196)."""
    assert asking(f"localhost:{played.port}").pods()
    assert asking(f"127.0.0.1:{played.port}").pods()


def test_node_that_is_called_by_its_ip(tmp_path: Path, token: str, asking: Asking) -> None:
    with PlaybackKubelet(tmp_path, node="192.0.2.7") as played:
        played.tokens[token] = GRANTED
        assert asking(played.address, node="192.0.2.7", ca_file=played.ca_file).pods()
        assert "192.0.2.8" in refusal(asking, played.address, node="192.0.2.8", ca_file=played.ca_file).problem


def test_kubelets_own_certificate_may_be_named_for_a_ca(
    played: PlaybackKubelet, asking: Asking, tmp_path: Path
) -> None:
    """/var/lib/kubelet/pki/kubelet.crt of the node, where the kubelet signs for itself."""
    played.show(Certificate.SELF_SIGNED)
    assert asking(ca_file=tmp_path / "kubelet.crt").pods()


@pytest.mark.parametrize("certificate", Certificate)
def test_insecure_trusts_anyone(
    played: PlaybackKubelet, asking: Asking, token: str, certificate: Certificate, tmp_path: Path
) -> None:
    """And sends the token to whoever answers; neither the CA file nor the node's name is needed."""
    played.show(certificate)
    assert asking(insecure=True, node="", ca_file=tmp_path / "missing").pods()
    assert played.authorizations == [f"Bearer {token}"]


def test_cas_are_read_anew_with_each_connection(played: PlaybackKubelet, asking: Asking, tmp_path: Path) -> None:
    """A cluster's CA that is replaced takes no new start."""
    other = tmp_path / "other.crt"
    other.write_bytes(played.ca_file.read_bytes())
    kubelet = asking(ca_file=other)
    assert kubelet.pods()
    played.show(Certificate.SELF_SIGNED)
    other.write_bytes((tmp_path / "kubelet.crt").read_bytes())
    played.drop_connections()
    assert kubelet.pods()


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "No such file or directory"), (b"", "no certificate"), (b"rubbish", "no certificate")],
)
def test_ca_file_that_can_not_be_read(asking: Asking, tmp_path: Path, content: bytes | None, problem: str) -> None:
    file = tmp_path / "some-ca.crt"
    if content is not None:
        file.write_bytes(content)
    error = refusal(asking, ca_file=file)
    assert problem in error.problem
    assert str(file) in error.problem
    assert "--kubelet-ca" in error.remedy


def test_port_that_does_not_speak_tls(tmp_path: Path, asking: Asking) -> None:
    """As the read-only port 10255; no byte of the token goes there."""
    with PlaybackKubelet(tmp_path, tls=False) as plain:
        error = refusal(asking, plain.address)
    assert "does not speak TLS" in error.problem
    assert "10250" in error.remedy
    assert plain.requests == 0


def test_alert_of_a_server_that_wants_a_clients_certificate(played: PlaybackKubelet, asking: Asking) -> None:
    """By TLS 1.2; by 1.3 the alert comes after the handshake, and may be overtaken by the end of the connection."""
    played.want_client_certificate(ssl.TLSVersion.TLSv1_2)
    assert "alert" in refusal(asking).problem


def test_server_that_never_answers_the_handshake(asking: Asking) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        error = refusal(asking, f"127.0.0.1:{silent.getsockname()[1]}")
    assert "took too long: TLS" in error.problem
    assert not error.lasting

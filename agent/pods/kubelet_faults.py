"""
Say what broke between the agent and the kubelet, before an answer could be read.

Flow: kubelet_channel -> **kubelet_faults** -> kubelet. Pure. Takes the exceptions of ssl, socket and http.client; the
codes are OpenSSL's (include/openssl/x509_vfy.h.in, X509_V_ERR_*).
"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from agent.pods.hurdle import Hurdle, KubeletError
from agent.pods.kubelet_address import Address

NOT_YET_VALID: Final = 9
EXPIRED: Final = 10
SELF_SIGNED: Final = frozenset({18, 19})
"""DEPTH_ZERO_SELF_SIGNED_CERT, SELF_SIGNED_CERT_IN_CHAIN: the kubelet's default brings its own CA along."""
OTHER_CA: Final = frozenset({2, 7, 20, 21})
"""UNABLE_TO_GET_ISSUER_CERT, CERT_SIGNATURE_FAILURE (a CA of the same name), the others where there is no issuer."""

PLAINTEXT: Final = frozenset({"WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"})
"""How OpenSSL calls an answer that isn't TLS: the first in 1.1 and 3.0, the last from 3.2 on."""

_INSECURE: Final = "or skip the check by kubelet.insecure, with which the token goes to whoever answers there"
_SIGN: Final = (
    "set serverTLSBootstrap: true in the kubelet's configuration and approve its request (kubectl get csr), so that "
    "the cluster's CA signs its certificate"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Whom the agent means to talk to."""

    address: Address
    node: str
    """The name that the certificate has to carry."""
    ca_file: Path | None
    """The CAs that are trusted; None where the certificate is not checked."""


def fault(error: Exception, peer: Peer, *, hurdle: Hurdle) -> KubeletError:
    """What an exception means that came while this hurdle was to be passed."""
    for kind, tell in _TELLING:
        if isinstance(error, kind):
            return tell(error, peer, hurdle)
    return _no_http(error, peer)


def other_name(names: str, peer: Peer) -> KubeletError:
    """The certificate is trusted, and is another's: `names` tells whose."""
    return _tls(
        f"the kubelet at {peer.address} shows a certificate that is not of the node {peer.node}: {names}",
        remedy="see that the node's name is that of `kubectl get nodes`, and that the address is this node's own; "
        f"{_SIGN}; {_INSECURE}",
    )


def over_bound(peer: Peer, *, limit: int) -> KubeletError:
    """The answer is longer than the agent reads."""
    return KubeletError(
        f"the answer of {peer.address} is longer than {limit >> 20} MiB, which no list of a node's pods is",
        remedy="see that the address is the kubelet's; if it is, have the pods told by the API server",
        hurdle=Hurdle.ANSWER,
        lasting=True,
    )


def no_authority(ca_file: Path, reason: str) -> KubeletError:
    """The CAs to be trusted can't be read."""
    return _tls(
        f"reading the CA by which the kubelet's certificate is checked, {ca_file}: {reason}",
        remedy="name a file of PEM certificates as kubelet.caFile; in a pod the cluster's CA is mounted beside the "
        f"token, unless automountServiceAccountToken is false; {_INSECURE}",
    )


def _untrusted(error: ssl.SSLCertVerificationError, peer: Peer, _: Hurdle) -> KubeletError:
    shown = f"the kubelet at {peer.address} shows a certificate that"
    if error.verify_code in SELF_SIGNED:
        return _tls(
            f"{shown} it signed itself, as kubelets do by default, and not one signed by a CA in {peer.ca_file}",
            remedy=f"{_SIGN}; or name the node's /var/lib/kubelet/pki/kubelet.crt as kubelet.caFile; {_INSECURE}",
        )
    if error.verify_code in OTHER_CA:
        return _tls(
            f"{shown} no CA in {peer.ca_file} signed ({error.verify_message})",
            remedy=f"name the file of the CA that signs the kubelets' certificates as kubelet.caFile; {_INSECURE}",
        )
    if error.verify_code == EXPIRED:
        return _tls(
            f"{shown} expired, or whose CA did",
            remedy="see the node's clock, and why the kubelet didn't renew it (rotateCertificates, kubectl get csr); "
            "start the kubelet anew after that",
        )
    if error.verify_code == NOT_YET_VALID:
        return _tls(f"{shown} is not yet valid", remedy="see the clocks of this node and of who signed it")
    return _tls(
        f"{shown} is not to be trusted: {error.verify_message}",
        remedy=f"give the kubelet another certificate: {_SIGN}; {_INSECURE}",
    )


def _no_tls(error: ssl.SSLError, peer: Peer, _: Hurdle) -> KubeletError:
    reason = error.reason or str(error)
    if reason in PLAINTEXT:
        return _tls(
            f"{peer.address} does not speak TLS, so it is not the kubelet's port",
            remedy="give the port of the kubelet, mostly 10250; 10255, its read-only port, has no authentication",
        )
    if "ALERT" in reason:
        return _tls(
            f"{peer.address} broke the TLS handshake off with an alert: {reason}",
            remedy="see tlsMinVersion and tlsCipherSuites in the kubelet's configuration, and whether a proxy stands "
            "in between that wants a client's certificate",
        )
    return _tls(
        f"the TLS handshake with {peer.address} came to nothing: {reason}",
        remedy="see tlsMinVersion and tlsCipherSuites in the kubelet's configuration; the agent wants TLS 1.2 or 1.3",
    )


def _unknown_host(error: socket.gaierror, peer: Peer, _: Hurdle) -> KubeletError:
    return KubeletError(
        f"no address is known for the host {peer.address.host}: {error.strerror}",
        remedy="give the node's IP address (status.hostIP), or localhost under hostNetwork",
        hurdle=Hurdle.CONNECTION,
        lasting=error.errno != socket.EAI_AGAIN,
    )


def _refused(_error: OSError, peer: Peer, _: Hurdle) -> KubeletError:
    return KubeletError(
        f"nobody listens at {peer.address}",
        remedy="see that the kubelet runs (systemctl status kubelet) and on which port; localhost is the node only "
        "under hostNetwork, else give status.hostIP",
        hurdle=Hurdle.CONNECTION,
    )


def _too_slow(_: OSError, peer: Peer, hurdle: Hurdle) -> KubeletError:
    if hurdle is Hurdle.CONNECTION:
        return KubeletError(
            f"{peer.address} took too long to accept a connection",
            remedy="see that the address is this node's, and that no NetworkPolicy or firewall drops what goes there",
            hurdle=hurdle,
        )
    return KubeletError(
        f"{peer.address} accepted the connection, and then took too long: {hurdle}",
        remedy="see the kubelet's log and the node's load",
        hurdle=hurdle,
    )


def _broken_off(error: OSError, peer: Peer, hurdle: Hurdle) -> KubeletError:
    if hurdle is Hurdle.CONNECTION:
        return _unreachable(error, peer)
    return KubeletError(
        f"{peer.address} broke the connection off before the {hurdle} was complete: {error.strerror or error}",
        remedy="mostly the kubelet is being started anew; if it stays so, see its log",
        hurdle=hurdle,
    )


def _unreachable(error: OSError, peer: Peer) -> KubeletError:
    return KubeletError(
        f"{peer.address} can't be reached: {error.strerror or error}",
        remedy="give this node's own address (status.hostIP); see the node's routes and firewall",
        hurdle=Hurdle.CONNECTION,
    )


def _truncated(_error: Exception, peer: Peer, _: Hurdle) -> KubeletError:
    return KubeletError(
        f"the answer of {peer.address} ended in its midst",
        remedy="mostly the kubelet is being started anew; if it stays so, see its log and what stands in between",
        hurdle=Hurdle.ANSWER,
    )


def _no_http(error: Exception, peer: Peer) -> KubeletError:
    return KubeletError(
        f"{peer.address} answered something that is not HTTP ({type(error).__name__})",
        remedy="give the port of the kubelet, mostly 10250",
        hurdle=Hurdle.ANSWER,
        lasting=True,
    )


def _tls(problem: str, *, remedy: str) -> KubeletError:
    return KubeletError(problem, remedy=remedy, hurdle=Hurdle.TLS, lasting=True)


_Tell = Callable[[Any, Peer, Hurdle], KubeletError]
_TELLING: Final[tuple[tuple[type[Exception], _Tell], ...]] = (
    (ssl.SSLCertVerificationError, _untrusted),
    (ssl.SSLEOFError, _broken_off),
    (ssl.SSLZeroReturnError, _broken_off),
    (ssl.SSLError, _no_tls),
    (socket.gaierror, _unknown_host),
    (TimeoutError, _too_slow),
    (ConnectionRefusedError, _refused),
    (http.client.IncompleteRead, _truncated),
    (OSError, _broken_off),
)
"""The first kind that an exception is of tells what it means."""

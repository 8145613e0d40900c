"""
Say why the agent doesn't trust who answers at the kubelet's address, or can't talk to them by TLS.

Flow: kubelet_trust, kubelet_faults -> **kubelet_tls** -> kubelet. Pure. The codes are OpenSSL's
(include/openssl/x509_vfy.h.in, X509_V_ERR_*).
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Final

from agent.pods.hurdle import Hurdle, KubeletError
from agent.pods.kubelet_peer import Peer

NOT_YET_VALID: Final = 9
EXPIRED: Final = 10
SELF_SIGNED: Final = frozenset({18, 19})
"""DEPTH_ZERO_SELF_SIGNED_CERT, SELF_SIGNED_CERT_IN_CHAIN: the kubelet's default brings its own CA along."""
OTHER_CA: Final = frozenset({2, 7, 20, 21})
"""UNABLE_TO_GET_ISSUER_CERT, CERT_SIGNATURE_FAILURE (a CA of the same name), the others where there is no issuer."""

PLAINTEXT: Final = frozenset({"WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"})
"""How OpenSSL calls an answer that isn't TLS: the first in 1.1 and 3.0, the last from 3.2 on."""

_INSECURE: Final = (
    "or skip the check by --kubelet-insecure (kubelet.insecure in the chart), with which the token goes to whoever "
    "answers there"
)
_SIGN: Final = (
    "set serverTLSBootstrap: true in the kubelet's configuration and approve its request (kubectl get csr), so that "
    "the cluster's CA signs its certificate"
)


def other_name(names: str, peer: Peer) -> KubeletError:
    """The certificate is trusted, and is another's: `names` tells whose."""
    return _tls(
        f"the kubelet at {peer.address} shows a certificate that is not of the node {peer.node}: {names}",
        remedy="see that the node's name is that of `kubectl get nodes`, and that the address is this node's own; "
        f"{_SIGN}; {_INSECURE}",
    )


def no_authority(ca_file: Path, reason: str) -> KubeletError:
    """The CAs to be trusted can't be read."""
    return _tls(
        f"reading the CA by which the kubelet's certificate is checked, {ca_file}: {reason}",
        remedy="name a file of PEM certificates by --kubelet-ca; in a pod the cluster's CA is mounted beside the "
        f"token, unless automountServiceAccountToken is false; {_INSECURE}",
    )


def untrusted(error: ssl.SSLCertVerificationError, peer: Peer, _: Hurdle) -> KubeletError:
    """The certificate did not pass the check."""
    shown = f"the kubelet at {peer.address} shows a certificate that"
    if error.verify_code in SELF_SIGNED:
        return _tls(
            f"{shown} it signed itself, as kubelets do by default, and not one signed by a CA in {peer.ca_file}",
            remedy=f"{_SIGN}; or name the node's /var/lib/kubelet/pki/kubelet.crt by --kubelet-ca; {_INSECURE}",
        )
    if error.verify_code in OTHER_CA:
        return _tls(
            f"{shown} no CA in {peer.ca_file} signed ({error.verify_message})",
            remedy=f"name the file of the CA that signs the kubelets' certificates by --kubelet-ca; {_INSECURE}",
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


def no_tls(error: ssl.SSLError, peer: Peer, _: Hurdle) -> KubeletError:
    """The handshake came to nothing before or after the check of the certificate."""
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


def _tls(problem: str, *, remedy: str) -> KubeletError:
    return KubeletError(problem, remedy=remedy, hurdle=Hurdle.TLS, lasting=True)

"""
Know an agent by the certificate with which it came, as TLS verified it (mTLS).

Flow: credential -> **certificates** -> principal. Pure but for the clock. The node is told by

1. a URI among the certificate's alternative names: `kinwatch://node/<name>`, for certificates made for this; or
2. the subject of a kubelet's client certificate: O `system:nodes`, CN `system:node:<name>` (Kubernetes, «Node
   authorization»).

If there is a URI of ours, it alone counts. DNS names are not taken: server certificates of the same CA have them too,
and each would be an agent's.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator, Mapping
from typing import Any, Final

from aggregator.auth.clock import Clock
from aggregator.auth.refused import AuthError, Reason
from aggregator.auth.values import Credential, Principal, Via

SCHEME: Final = "kinwatch:"
_URI: Final = re.compile(r"kinwatch://node/(?P<node>[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?)")
_KUBELET: Final = re.compile(r"system:node:(?P<node>[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)")
_KUBELETS: Final = "system:nodes"
_REMEDY: Final = (
    "make the agent a certificate with the one URI `kinwatch://node/<its node>` among its alternative names, or let "
    "it use its kubelet's (O system:nodes, CN system:node:<its node>)"
)


class Certificates:
    """Agents with certificates of the CA that the server was given for clients."""

    def __init__(self, *, clock: Clock | None = None) -> None:
        self._clock = clock or Clock()

    def takes(self, credential: Credential) -> bool:
        """Whether the certificate says who it is: a token says it rather, for it is shown on purpose."""
        return credential.token is None and bool(credential.certificate)

    def authenticate(self, credential: Credential) -> Principal:
        """Whose certificate it is."""
        if not credential.certificate:
            raise AuthError(Reason.NO_CREDENTIAL, "the connection came without a client certificate", remedy=_REMEDY)
        node = node_of(credential.certificate)
        if node is None:
            raise AuthError(Reason.NO_NODE, "the client's certificate names no node, or several", remedy=_REMEDY)
        name = f"certificate of {node}"
        if not self._holds(credential.certificate):
            raise AuthError(
                Reason.EXPIRED,
                f"the {name} has ended since the connection was made",
                remedy="renew it, and connect anew",
                principal=name,
            )
        return Principal(name=name, node=node, via=Via.CERTIFICATE)

    def _holds(self, certificate: Mapping[str, Any]) -> bool:
        """TLS looked at its end when the connection was made, which may be long ago."""
        try:
            return self._clock.wall_s() < ssl.cert_time_to_seconds(certificate["notAfter"])
        except (KeyError, TypeError, ValueError):
            return False


def node_of(certificate: Mapping[str, Any]) -> str | None:
    """The node that a certificate is for; None if it is for none, or for several."""
    ours = [uri for kind, uri in _pairs(certificate.get("subjectAltName")) if kind == "URI" and uri.startswith(SCHEME)]
    if ours:
        matched = _URI.fullmatch(ours[0]) if len(ours) == 1 else None
        return matched["node"] if matched else None
    subject = [pair for names in _sequence(certificate.get("subject")) for pair in _pairs(names)]
    if ("organizationName", _KUBELETS) not in subject:
        return None
    names = [value for key, value in subject if key == "commonName"]
    matched = _KUBELET.fullmatch(names[0]) if len(names) == 1 else None
    return matched["node"] if matched else None


def _pairs(told: Any) -> Iterator[tuple[str, str]]:
    for pair in _sequence(told):
        match pair:
            case (str(key), str(value)):
                yield key, value


def _sequence(told: Any) -> tuple[Any, ...]:
    return tuple(told) if isinstance(told, tuple | list) else ()

"""
Who speaks to the aggregator, and with what it proves that.

Flow: **values** -> ingest, API.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Protocol

from aggregator.auth.refused import AuthError, Reason
from kinwatch.printable import printable

AUDIENCE: Final = "kinwatch-aggregator"
"""Whom an agent's token is meant for: a token for the API server, or for anyone else, is of no use here."""
_BEARER: Final = "bearer"


class Via(StrEnum):
    """By what somebody is known."""

    TOKEN_REVIEW = "token_review"  # noqa: S105 - no password, nor are those below
    STATIC_TOKEN = "static_token"  # noqa: S105
    CERTIFICATE = "certificate"
    NO_AUTH = "no_auth"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What came with a request."""

    token: str | None = field(default=None, repr=False)
    certificate: Mapping[str, Any] | None = None
    """The client's, as ssl.SSLSocket.getpeercert() gives it: TLS has verified it already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who it is, as it was proved."""

    name: str
    node: str | None
    """The only node it may speak for; None: any, which only the operator grants. Means nothing for a reader."""
    via: Via


class Agents(Protocol):
    """Who may send batches. May block for some seconds, while the API server is asked; for any number of threads."""

    def authenticate(self, credential: Credential) -> Principal:
        """Who sends; raises AuthError, and nothing else."""


class Readers(Protocol):
    """Who may read. Blocks as Agents does; for any number of threads."""

    def authorise(self, credential: Credential, *, verb: str, path: str) -> Principal:
        """Who reads a path of ours, such as `/api/v1/verdicts`, by a verb such as `get`; raises only AuthError."""


def bearer(authorization: str | None) -> str | None:
    """The token in an Authorization header (RFC 6750, section 2.1); None if there is none of the kind."""
    scheme, _, token = (authorization or "").strip().partition(" ")
    return token.strip() or None if scheme.lower() == _BEARER else None


def speaks_for(principal: Principal, node: str) -> None:
    """Raise AuthError unless the principal may send batches of this node."""
    if principal.node is None or principal.node == node:
        return
    raise AuthError(
        Reason.OTHER_NODE,
        f"{principal.name} may speak for the node {printable(principal.node)}, and sent a batch of "
        f"{printable(node[:_SHOWN])}",
        remedy="an agent speaks for the node that it runs on: set its --node to that node's name in Kubernetes "
        "(spec.nodeName); if it is set, ask what else has this agent's credentials",
        principal=principal.name,
    )


_SHOWN: Final = 253
"""Characters of a name that an error repeats: as long as a node's may be."""

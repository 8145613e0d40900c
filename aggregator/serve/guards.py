"""
Choose by whom agents and readers are known.

Flow: settings -> **guards** -> access. What is in a file comes before what is asked of the API server.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from aggregator.auth.access_review import AccessReviewReaders
from aggregator.auth.certificates import Certificates
from aggregator.auth.chain import AgentWay, AnyAgents, AnyReaders, ReaderWay
from aggregator.auth.lines import Lines
from aggregator.auth.reviews import Reviews
from aggregator.auth.static_tokens import StaticTokens
from aggregator.auth.token_review import TokenReviewAgents, agent_account
from aggregator.auth.unguarded import NoAuth
from aggregator.auth.values import Agents, Readers
from aggregator.serve.settings import ServeSettings
from kinwatch.apiserver.connection import Connection, by_kubeconfig, in_cluster
from kinwatch.errors import InputError

AGGREGATOR: Final = "kinwatch-aggregator"
"""What we call ourselves, as it stands in the API server's audit log."""

_REMEDY: Final = (
    "give --agent-service-account NAMESPACE/NAME in a cluster, --tokens FILE or --client-ca FILE elsewhere; to try it "
    "out on this machine, --no-auth --listen 127.0.0.1:8443"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """Who knows agents, and who knows readers."""

    agents: Agents
    readers: Readers
    lines: Lines | None = None
    """To the API server, if it is asked."""

    def close(self) -> None:
        """Ask nothing more."""
        if self.lines is not None:
            self.lines.close()


def guards_of(settings: ServeSettings) -> Guards:
    """Those that the settings ask for; InputError if there are none, or a file can't be used."""
    if settings.no_auth:
        return Guards(agents=NoAuth(), readers=NoAuth())
    agents: list[AgentWay] = []
    readers: list[ReaderWay] = []
    lines: Lines | None = None
    if settings.tokens:
        tokens = StaticTokens(settings.tokens)
        agents.append(tokens)
        readers.append(tokens)
    if settings.agent_accounts:
        accounts = list(map(_account, settings.agent_accounts))
        lines = Lines(_connecting(settings))
        reviews = Reviews(lines)
        agents.append(TokenReviewAgents(reviews, accounts=accounts))
        readers.append(AccessReviewReaders(reviews))
    if settings.tls and settings.tls.client_ca:
        agents.append(Certificates())
    if not agents:
        raise InputError("nothing says who agents are", remedy=_REMEDY)
    return Guards(agents=AnyAgents(of=agents), readers=AnyReaders(of=readers), lines=lines)


def _connecting(settings: ServeSettings) -> Callable[[], Connection]:
    """How to connect to the API server; raises OperatorError here if the first connection can't be prepared."""
    if settings.kubeconfig:
        connect = partial(by_kubeconfig, settings.kubeconfig, user_agent=AGGREGATOR)
    else:
        connect = partial(in_cluster, os.environ, user_agent=AGGREGATOR)
    connect()  # which asks nothing of it, and reads what it needs
    return connect


def _account(written: str) -> str:
    namespace, slash, name = written.partition("/")
    if not (namespace and slash and name) or "/" in name:
        raise InputError(
            f"--agent-service-account {written!r} is not NAMESPACE/NAME", remedy="give such as kinwatch/kinwatch-agent"
        )
    return agent_account(namespace, name)

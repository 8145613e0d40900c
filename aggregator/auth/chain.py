"""
Take several ways to be known; the credential says which applies.

Flow: credential -> **chain** -> token_review, access_review, static_tokens, certificates. The first way that takes the
credential decides alone: what it refuses is asked of no other. So static tokens stand before the API server, which
would otherwise be sent each of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from aggregator.auth.refused import AuthError, Reason
from aggregator.auth.tokens import checked
from aggregator.auth.values import Agents, Credential, Principal, Readers


class Takes(Protocol):
    """Tells by the look of a credential whether it is one that this knows."""

    def takes(self, credential: Credential) -> bool:
        """Whether this is the way to know it; raises AuthError, and nothing else."""


class AgentWay(Agents, Takes, Protocol):
    """One way for agents to be known."""


class ReaderWay(Readers, Takes, Protocol):
    """One way for readers to be known."""


Way = TypeVar("Way", bound=Takes)


class AnyAgents:
    """Agents that are known in one of several ways."""

    def __init__(self, *, of: Sequence[AgentWay]) -> None:
        self._of = tuple(of)

    def authenticate(self, credential: Credential) -> Principal:
        """By the first way that takes it."""
        return _first(self._of, credential).authenticate(credential)


class AnyReaders:
    """Readers that are known in one of several ways."""

    def __init__(self, *, of: Sequence[ReaderWay]) -> None:
        self._of = tuple(of)

    def authorise(self, credential: Credential, *, verb: str, path: str) -> Principal:
        """By the first way that takes it."""
        return _first(self._of, credential).authorise(credential, verb=verb, path=path)


def _first(ways: Sequence[Way], credential: Credential) -> Way:
    for way in ways:
        if way.takes(credential):
            return way
    checked(credential.token)
    raise AuthError(Reason.BAD_TOKEN, "nobody here knows the token", remedy="use one that the operator gave you")

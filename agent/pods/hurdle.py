"""
What a request to the kubelet has to get past, and the error that says at which of these it stopped.

Flow: kubelet_address, kubelet_channel, kubelet_faults, refusals -> **hurdle** -> kubelet.
"""

from __future__ import annotations

from enum import StrEnum

from kinwatch.errors import PeerError


class Hurdle(StrEnum):
    """What a request has to get past, in this order: where one is named, those before it were passed."""

    CONNECTION = "connection"
    """The host's name, and a connection to the port."""
    TLS = "TLS"
    """The handshake, and the trust in the server's certificate."""
    AUTHENTICATION = "authentication"
    """That the kubelet knows who asks: 401."""
    AUTHORISATION = "authorisation"
    """That who asks may: 403."""
    ANSWER = "answer"
    """That the answer comes whole, and is a list of pods."""


class KubeletError(PeerError):
    """The kubelet can't tell the pods: why, what to do about it, and at which hurdle the request stopped."""

    def __init__(self, problem: str, *, remedy: str, hurdle: Hurdle, lasting: bool = False) -> None:
        super().__init__(problem, remedy=remedy, lasting=lasting)
        self.hurdle = hurdle

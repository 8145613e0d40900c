"""What tests ask a kubelet with: a token of any kind, a pace that takes no time, limits that are soon reached."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any, Final

from agent.pods.kubelet import Kubelet
from agent.pods.kubelet_channel import Limits
from agent.pods.pace import Pace

ACCOUNT: Final = "system:serviceaccount:monitoring:agent-nodes-pods"
ISSUER: Final = "https://kubernetes.default.svc.cluster.local"
FAR_OFF: Final = 4102444800
"""2100-01-01, in seconds since the epoch."""

Asking = Callable[..., Kubelet]
"""Gives a source; whatever is named replaces what it is usually made with."""

SOON: Final = Limits(connect_s=0.2, read_s=0.2, deadline_s=0.4, body_bytes=1 << 20)
"""Limits that a test can wait for."""


def jwt(**claims: Any) -> str:
    """A ServiceAccount's token as the API server issues it, but for the signature; claims replace its own."""
    whole = {"aud": [ISSUER], "exp": FAR_OFF, "iss": ISSUER, "sub": ACCOUNT} | claims
    return ".".join(map(_encoded, ({"alg": "RS256"}, whole, {"signature": None})))


def _encoded(part: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


class CountedPace(Pace):
    """A pace that takes no time, and counts."""

    def __init__(self) -> None:
        super().__init__()
        self.waits = 0
        self.rests: list[float] = []

    def wait(self) -> None:
        self.waits += 1

    def rest(self, seconds: float) -> None:
        self.rests.append(seconds)

"""
Whom the agent means to talk to when it asks the kubelet.

Flow: kubelet -> **kubelet_peer** -> kubelet_channel, kubelet_faults, kubelet_tls.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agent.pods.kubelet_address import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Whom the agent means to talk to."""

    address: Address
    node: str
    """The name that the certificate has to carry."""
    ca_file: Path | None
    """The CAs that are trusted; None where the certificate is not checked."""

"""
Say what broke between the agent and the kubelet, before an answer could be read.

Flow: kubelet_channel -> **kubelet_faults** -> kubelet. Pure. Takes the exceptions of ssl, socket and http.client.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable
from typing import Any, Final

from agent.pods.hurdle import Hurdle, KubeletError
from agent.pods.kubelet_peer import Peer
from agent.pods.kubelet_tls import no_tls, untrusted


def fault(error: Exception, peer: Peer, *, hurdle: Hurdle) -> KubeletError:
    """What an exception means that came while this hurdle was to be passed."""
    for kind, tell in _TELLING:
        if isinstance(error, kind):
            return tell(error, peer, hurdle)
    return _no_http(error, peer)


def over_bound(peer: Peer, *, limit: int) -> KubeletError:
    """The answer is longer than the agent reads."""
    return KubeletError(
        f"the answer of {peer.address} is longer than {limit >> 20} MiB, which no list of a node's pods is",
        remedy="see that the address is the kubelet's; if it is, have the pods told by the API server",
        hurdle=Hurdle.ANSWER,
        lasting=True,
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


_Tell = Callable[[Any, Peer, Hurdle], KubeletError]
_TELLING: Final[tuple[tuple[type[Exception], _Tell], ...]] = (
    (ssl.SSLCertVerificationError, untrusted),
    (ssl.SSLEOFError, _broken_off),
    (ssl.SSLZeroReturnError, _broken_off),
    (ssl.SSLError, no_tls),
    (socket.gaierror, _unknown_host),
    (TimeoutError, _too_slow),
    (ConnectionRefusedError, _refused),
    (http.client.IncompleteRead, _truncated),
    (OSError, _broken_off),
)
"""The first kind that an exception is of tells what it means."""

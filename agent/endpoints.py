"""
Turn the two ends of a socket into features.

Flow: probe -> **drain** -> window; the part of drain that knows sockets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from agent.networks import Networks, address_of
from agent.records import Endpoint, Record, UnixEndpoint

_UNIX: Final = 1
_IPV6: Final = 10
_SOCK_RAW: Final = 3
_LISTEN: Final = 10  # include/net/tcp_states.h
_TRANSPORTS: Final = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmp6", 132: "sctp", 136: "udplite", 262: "mptcp"}
_AUTOBOUND: Final = re.compile(rb"\0[0-9a-f]{5}")
"""An abstract name that the kernel chose (unix(7), autobind)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the meaning of an endpoint depends on besides itself."""

    networks: Networks
    first_ephemeral_port: int = 32768
    """First port that the kernel gives out by itself (net.ipv4.ip_local_port_range)."""


def endpoints(record: Record, around: Surroundings) -> Iterator[str]:
    """
    The features of an endpoint: `connect tcp 5432 private`, `listen udp 53`, `connect unix /run/x.sock`, `raw icmp`.

    A connection that was accepted is none, since who asks is the client's doing; nor is a port that the kernel chose.
    """
    if record.family == _UNIX:
        yield from _unix(UnixEndpoint.from_buffer_copy(record.payload))
    else:
        yield from _internet(Endpoint.from_buffer_copy(record.payload), around, is_ipv6=record.family == _IPV6)


def _internet(ends: Endpoint, around: Surroundings, *, is_ipv6: bool) -> Iterator[str]:
    transport = _TRANSPORTS.get(ends.protocol, f"protocol_{ends.protocol}")
    if ends.type == _SOCK_RAW:
        yield f"raw {transport}"
    elif ends.state == _LISTEN:
        yield f"listen {transport} {ends.local_port}"
    elif ends.remote_port:
        if not _came_in(ends, around):
            kind = around.networks.kind(address_of(bytes(ends.remote), is_ipv6=is_ipv6))
            yield f"connect {transport} {ends.remote_port} {kind}"
    elif transport == "udp" and ends.local_port < around.first_ephemeral_port:
        yield f"listen udp {ends.local_port}"


def _came_in(ends: Endpoint, around: Surroundings) -> bool:
    """Whether a connection was accepted before the agent could see its listener; the kernel sorts out the others."""
    return bool(0 < ends.local_port < around.first_ephemeral_port <= ends.remote_port)


def _unix(ends: UnixEndpoint) -> Iterator[str]:
    for verb, raw, length in (("listen", ends.own, ends.own_bytes), ("connect", ends.peer, ends.peer_bytes)):
        name = bytes(raw)[:length]
        if name and not _AUTOBOUND.fullmatch(name):
            yield f"{verb} unix {_unix_name(name)}"


def _unix_name(name: bytes) -> str:
    """The path of a socket; an abstract name, which begins with a zero, is written with @ as ss(8) does."""
    plain = b"@" + name[1:] if name[0] == 0 else name.partition(b"\0")[0]
    return plain.decode("utf-8", "backslashreplace")

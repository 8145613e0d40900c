"""
Listen on an address, for so many connections at once.

Flow: start -> **listening** -> server. The bound is here and not in uvicorn: asyncio takes 256 KiB for a connection
before the client has proved anything, and even before TLS has begun.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import re
import socket
import weakref
from dataclasses import dataclass
from typing import Any, Final

from kinwatch.errors import InputError, NodeError

HIGHEST_PORT: Final = 65535
CONNECTIONS: Final = 2048
"""At once. One more is hung up on, and counted; 1,000 agents have one each."""

_REMEDIES: Final = {
    errno.EADDRINUSE: "give another port, or end who has this one: `ss -ltnp` shows it",
    errno.EADDRNOTAVAIL: "give an address that this machine has, as `ip address` shows them",
    errno.EACCES: "give a port from 1024 on, or grant the capability NET_BIND_SERVICE",
}
"""By what the system says of an address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """Where to listen."""

    host: str
    """An address or a name; empty: on all addresses."""
    port: int
    """0: on a free one."""

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def listen_on(text: str) -> Listen:
    """What a person wrote for --listen; InputError if it is no HOST:PORT."""
    host, _, port = text.strip().rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    is_port = re.fullmatch("[0-9]{1,5}", port) and int(port) <= HIGHEST_PORT
    if ":" not in text or not is_port or set(bare) & set("[]/ "):
        raise InputError(
            f"--listen {text!r} is not HOST:PORT",
            remedy="give an address of this machine and a port, such as 127.0.0.1:8443 or [::]:8443",
        )
    return Listen(host=bare, port=int(port))


class Listener(socket.socket):
    """A socket that hangs up on whoever comes when there are CONNECTIONS already."""

    def __init__(self, family: int, *, most: int = CONNECTIONS) -> None:
        super().__init__(family, socket.SOCK_STREAM)
        self._most = most
        self._open: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self.hung_up = 0
        """How many were hung up on."""

    @property
    def connections(self) -> int:
        """How many there are."""
        return sum(one.fileno() >= 0 for one in self._open)

    @property
    def address(self) -> Listen:
        """Where it listens; the port is that which the system has chosen, if it was asked to."""
        host, port = self.getsockname()[:2]
        return Listen(host=host, port=port)

    def accept(self) -> tuple[socket.socket, Any]:
        """The next connection; ConnectionAbortedError, which asyncio takes for one that has just gone, if too many."""
        connection, address = super().accept()
        if len(self._open) >= self._most and self.connections >= self._most:
            connection.close()
            self.hung_up += 1
            raise ConnectionAbortedError
        self._open.add(connection)
        return connection, address


def bound(listen: Listen, *, most: int = CONNECTIONS) -> Listener:
    """A socket at this address; InputError if there is no such address, NodeError if it can't be had."""
    try:
        family, address = _resolved(listen)
    except (socket.gaierror, UnicodeError) as error:
        raise InputError(
            f"--listen {listen}: there is no such address", remedy="give an IP address of this machine, such as [::]"
        ) from error
    listener = Listener(family, most=most)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:  # `::` takes IPv4 too, whatever net.ipv6.bindv6only says
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(address)
    except OSError as error:
        listener.close()
        remedy = _REMEDIES.get(error.errno or 0, "give another address or port by --listen")
        raise NodeError(f"listening on {listen}: {error.strerror}", remedy=remedy) from error
    return listener


def is_loopback(listener: Listener) -> bool:
    """Whether only this machine reaches it."""
    with contextlib.suppress(ValueError):
        address = ipaddress.ip_address(listener.address.host.partition("%")[0])
        mapped = getattr(address, "ipv4_mapped", None)
        return (mapped or address).is_loopback
    return False


def _resolved(listen: Listen) -> tuple[int, Any]:
    """The family of an address, and what the system calls it."""
    host = listen.host or "::"
    if host == "::" and not socket.has_dualstack_ipv6():
        host = "0.0.0.0"  # noqa: S104 - on all addresses, as was asked for, where there is no IPv6
    found = socket.getaddrinfo(host, listen.port, type=socket.SOCK_STREAM)
    return found[0][0], found[0][4]

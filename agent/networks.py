"""
Say what kind of network an address belongs to, since an address itself tells replicas apart that are alike.

Flow: beside **drain**. Takes an address, gives the name of its class.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Final

from kinwatch.errors import InputError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_IPV4_BYTES: Final = 4
_ANY_IPV4: Final = ipaddress.ip_address("0.0.0.0")  # noqa: S104 - compared with, not bound to
_ANY_IPV6: Final = ipaddress.ip_address("::")


def address_of(raw: bytes, *, is_ipv6: bool) -> Address:
    """An address of 16 bytes as the kernel has it, IPv4 in the first four; one mapped into IPv6 is IPv4."""
    if not is_ipv6:
        return ipaddress.IPv4Address(raw[:_IPV4_BYTES])
    address = ipaddress.IPv6Address(raw)
    return address.ipv4_mapped or address


class Networks:
    """The networks that have a name here, over those that have one everywhere: loopback, private and public."""

    def __init__(self, named: Iterable[tuple[str, Network]] = ()) -> None:
        self._named = sorted(named, key=lambda pair: pair[1].prefixlen, reverse=True)

    def kind(self, address: Address) -> str:
        """The name of the smallest network that holds the address; connecting to 0.0.0.0 is connecting to oneself."""
        for name, network in self._named:
            if address.version == network.version and address in network:
                return name
        if address.is_loopback or address in {_ANY_IPV4, _ANY_IPV6}:
            return "loopback"
        if address.is_multicast:
            return "multicast"
        return "public" if address.is_global else "private"


def named_network(text: str) -> tuple[str, Network]:
    """`NAME=CIDR`, such as `pod=10.42.0.0/16`; InputError if it is none."""
    name, _, cidr = text.partition("=")
    try:
        network = ipaddress.ip_network(cidr)
    except ValueError:
        network = None
    if network is None or not name.isidentifier():
        raise InputError(
            f"--network {text!r} is no NAME=CIDR",
            remedy="give it as pod=10.42.0.0/16, service=10.43.0.0/16, node=192.0.2.0/24 or dns=10.43.0.10/32",
        )
    return name, network

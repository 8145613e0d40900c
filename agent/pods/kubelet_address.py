"""
Where the kubelet listens: HOST or HOST:PORT, as a person writes it.

Flow: settings -> **kubelet_address** -> kubelet_channel. Pure.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

from kinwatch.errors import InputError

KUBELET_PORT: Final = 10250
"""The kubelet's own port (KubeletConfiguration, `port`): https, with authentication."""
HIGHEST_PORT: Final = 65535

_LABEL: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME: Final = re.compile(rf"(?=.{{1,253}}$){_LABEL}(?:\.{_LABEL})*\.?")
"""A host name (RFC 1123), and the underscore that some networks allow themselves."""
_PARTS: Final = re.compile(r"(?:\[(?P<bracketed>[^\[\]]*)\]|(?P<host>[^:\[\]]*))(?::(?P<port>[^:]*))?")

_REMEDY: Final = (
    "give HOST or HOST:PORT, such as localhost under hostNetwork, 192.0.2.7 or [2001:db8::7]:10250; "
    f"without a port it is {KUBELET_PORT}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a kubelet listens."""

    host: str
    """A name or an IP address, without brackets."""
    port: int = KUBELET_PORT

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def address_of(text: str) -> Address:
    """The address that a person wrote; raises InputError, with its remedy, where it is none."""
    rest = _without_scheme(text.strip()).removesuffix("/")
    if _is_ip(rest):
        return Address(host=rest)
    parts = _PARTS.fullmatch(rest)
    if parts is None:
        raise InputError(f"{text!r} is not the address of a kubelet", remedy=_REMEDY)
    host = _host(parts["host"], parts["bracketed"])
    if host is None:
        raise InputError(f"{text!r} names no host on which a kubelet could listen", remedy=_REMEDY)
    return Address(host=host, port=_port(parts["port"], text))


def _without_scheme(text: str) -> str:
    scheme, separator, rest = text.rpartition("://")
    if not separator or scheme.lower() == "https":
        return rest
    if scheme.lower() == "http":
        raise InputError(
            f"{text!r} is no address to send a token to: over http it would travel in the clear",
            remedy=f"leave the scheme out: the kubelet speaks https, on port {KUBELET_PORT}",
        )
    raise InputError(
        f"{text!r} has the scheme {scheme!r}, which no kubelet speaks",
        remedy=f"leave the scheme out: the kubelet speaks https, on port {KUBELET_PORT}",
    )


def _host(host: str | None, bracketed: str | None) -> str | None:
    if bracketed is not None:
        return bracketed if ":" in bracketed and _is_ip(bracketed) else None
    return host if host and _NAME.fullmatch(host) else None


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _port(digits: str | None, text: str) -> int:
    if digits is None:
        return KUBELET_PORT
    if re.fullmatch("[0-9]{1,5}", digits) and 0 < int(digits) <= HIGHEST_PORT:
        return int(digits)
    raise InputError(f"{text!r} has the port {digits!r}; there are 1 to {HIGHEST_PORT}", remedy=_REMEDY)

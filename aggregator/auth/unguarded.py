"""
Let everybody in, where nobody but this machine can ask: `--no-auth`.

Flow: credential -> **unguarded** -> principal.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final

from aggregator.auth.values import Credential, Principal, Via
from kinwatch.errors import InputError
from kinwatch.printable import printable

EVERYBODY: Final = Principal(name="anybody", node=None, via=Via.NO_AUTH)


class NoAuth:
    """Everybody is an agent of every node, and a reader; only behind `require_loopback`."""

    def authenticate(self, credential: Credential) -> Principal:  # noqa: ARG002 - it doesn't matter
        """Whoever it is."""
        return EVERYBODY

    def authorise(self, credential: Credential, *, verb: str, path: str) -> Principal:  # noqa: ARG002 - "
        """Whoever it is, whatever it wants."""
        return EVERYBODY


def require_loopback(host: str) -> None:
    """Raise InputError unless only this machine can reach a server that listens here."""
    if host == "localhost" or _is_loopback(host):  # RFC 6761, section 6.3: the name is loopback's everywhere
        return
    raise InputError(
        f"--no-auth lets everybody in, and {printable(host) or 'every address'} can be reached from elsewhere",
        remedy="listen on 127.0.0.1 or ::1, or drop --no-auth and say who may come in: docs/authentication.md",
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return False

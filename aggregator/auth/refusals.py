"""
Count who was refused, and say so in the log once a minute.

Flow: ingest, API -> **refusals** -> metrics, log. Somebody who guesses tokens must fill neither disk nor memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv6Address, ip_address
from threading import Lock
from time import monotonic
from typing import Any, Final, Protocol

from aggregator.auth.refused import AuthError, Reason

EVERY_S: Final = 60.0
MOST: Final = 1024
"""Pairs of reason and refused one that are told apart; beyond it there is one more for each reason, `others`."""
OTHERS: Final = "others"


class Log(Protocol):
    """Where refusals are told; structlog's loggers are such."""

    def warning(self, event: str, **values: Any) -> Any:
        """Tell an event."""


class Peer(StrEnum):
    """From where somebody came."""

    LOOPBACK = "loopback"
    LINK_LOCAL = "link_local"
    PRIVATE = "private"
    PUBLIC = "public"
    UNKNOWN = "unknown"


def peer_class(address: str | None) -> Peer:
    """The class of an address; `unknown` for what is none, as with a Unix socket."""
    try:
        parsed = ip_address((address or "").partition("%")[0])
    except ValueError:
        return Peer.UNKNOWN
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    if parsed.is_loopback:
        return Peer.LOOPBACK
    if parsed.is_link_local:
        return Peer.LINK_LOCAL
    return Peer.PRIVATE if parsed.is_private else Peer.PUBLIC


@dataclass(slots=True)
class _Told:
    """When a refusal was told last, and how many came since."""

    at_s: float
    untold: int = 0


class Refusals:
    """For any number of threads; give it each AuthError that is answered."""

    def __init__(self, log: Log, *, clock: Callable[[], float] = monotonic, most: int = MOST) -> None:
        self._log = log
        self._clock = clock
        self._most = most
        self._lock = Lock()
        self._counts: Counter[Reason] = Counter()
        self._told: dict[tuple[Reason, str], _Told] = {}

    @property
    def counts(self) -> Mapping[Reason, int]:
        """How many were refused since the start, by reason; all reasons always."""
        with self._lock:
            return {reason: self._counts[reason] for reason in Reason}

    def add(self, error: AuthError, *, peer: str | None) -> None:
        """Count a refusal of somebody at this address; it is told if none of its kind was within a minute."""
        with self._lock:
            self._counts[error.reason] += 1
            who = self._kept_as(error.reason, error.principal or peer_class(peer))
            times = self._untold(error.reason, who)
        if times:
            self._log.warning(
                "refused",
                reason=error.reason.value,
                who=who,
                peer=peer,
                times=times,
                problem=error.problem,
                remedy=error.remedy,
            )

    def _kept_as(self, reason: Reason, who: str) -> str:
        """As whom somebody is remembered: by name, while there is room."""
        if (reason, who) in self._told or len(self._told) < self._most:
            return who
        self._drop_old()
        return who if len(self._told) < self._most else OTHERS

    def _untold(self, reason: Reason, who: str) -> int:
        """How many are to be told now, this one among them; 0: none."""
        now_s = self._clock()
        told = self._told.setdefault((reason, who), _Told(at_s=now_s - EVERY_S))
        told.untold += 1
        if now_s - told.at_s < EVERY_S:
            return 0
        times, told.untold, told.at_s = told.untold, 0, now_s
        return times

    def _drop_old(self) -> None:
        """Make room; what some of them have left untold is told with the others."""
        now_s = self._clock()
        old = [key for key, told in self._told.items() if now_s - told.at_s >= EVERY_S and key[1] != OTHERS]
        for reason, who in old:
            untold = self._told.pop((reason, who)).untold
            if untold:
                self._told.setdefault((reason, OTHERS), _Told(at_s=now_s - EVERY_S)).untold += untold

"""
What the store takes and gives.

Flow: beside **store**. What is in a Received can be stored in either database: one that can't is never made, so that it
never spoils the transaction of the batches it came with.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from kinwatch.batch import BatchKey
from kinwatch.snapshot import Window

MAX_NAME: Final = 253
"""Characters of a node's name, as in Kubernetes (RFC 1123), and of a boot's: both are in an index."""
MAX_SEQUENCE: Final = 2**63 - 1
"""What a BIGINT holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A batch as it came from a node."""

    key: BatchKey
    window: Window
    """Kept to the microsecond."""
    late: bool
    body: bytes
    """The batch as it was encoded by its node."""
    received_at: datetime
    """In UTC."""
    authenticated_as: str | None
    """Who the sender proved to be; None where nothing was asked for."""

    def __post_init__(self) -> None:
        _check_text("node", self.key.node, longest=MAX_NAME)
        _check_text("boot", self.key.boot, longest=MAX_NAME)
        if self.authenticated_as is not None:
            _check_text("authenticated_as", self.authenticated_as)
        if not 1 <= self.key.sequence <= MAX_SEQUENCE:
            message = f"a sequence is from 1 to {MAX_SEQUENCE}, not {self.key.sequence!r}"
            raise ValueError(message)
        if not self.body:
            message = "a batch without a byte"
            raise ValueError(message)
        if self.received_at.utcoffset() != timedelta(0):
            message = f"received in UTC, not at {self.received_at!r}"
            raise ValueError(message)


def _check_text(name: str, text: str, *, longest: int | None = None) -> None:
    """Both databases hold UTF-8; PostgreSQL's text holds no NUL."""
    if not text or (longest is not None and len(text) > longest):
        message = f"{name} has 1 to {longest or 'any number of'} characters, not {len(text)}"
        raise ValueError(message)
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        message = f"{name} is text without NUL and lone surrogates, not {text!r}"
        raise ValueError(message)


class Outcome(StrEnum):
    """What became of a batch that was added. Whichever it is: the store needs it no more."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    """It was stored before, byte for byte."""
    CONFLICT = "conflict"
    """Another batch is stored under its key, and stays; counted in `NodeSeen.conflicts`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredWindow:
    """A window that batches came for."""

    window: Window
    batches: int
    """Those that are stored now; 0 once they are forgotten."""
    bytes: int
    """Of their bodies."""
    first_received_at: datetime
    last_received_at: datetime
    judged_at: datetime | None
    """None until it is judged."""
    forgotten_at: datetime | None
    """When the first of its batches was forgotten; from then on it is not judged any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSeen:
    """What is known of a node, by the boot that was heard of last."""

    node: str
    boot: str
    last_window: Window
    """The latest window of a batch."""
    last_sequence: int
    """The greatest of a batch."""
    last_seen: datetime
    """When a batch came last, be it a duplicate."""
    stored: int
    """How many batches of this boot were stored; fewer than `last_sequence` where some are missing."""
    conflicts: int
    """How often another batch came under a key that was taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """What retention took away."""

    batches: int = 0
    bytes: int = 0
    """Of their bodies."""
    unjudged: int = 0
    """Windows that went before they were judged: the bound is too low, or nobody judges."""

    def __add__(self, other: Forgotten) -> Forgotten:
        return Forgotten(
            batches=self.batches + other.batches,
            bytes=self.bytes + other.bytes,
            unjudged=self.unjudged + other.unjudged,
        )

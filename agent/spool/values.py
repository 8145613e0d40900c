"""
What goes into the spool, what comes out, and what was lost in between.

Flow: window -> **values** -> segments, ledger.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Final

from kinwatch.errors import InputError

MIB: Final = 1 << 20
LEAST_BYTES: Final = 64 << 10
"""The ledger takes 8 KiB; with less than this a segment would hold next to nothing."""


class Reason(StrEnum):
    """Why a batch was dropped."""

    FULL = "full"
    """The spool had reached its bound in bytes: the oldest segment went."""
    AGE = "age"
    """It had waited longer than its bound in age."""
    DAMAGED = "damaged"
    """It can't be read back: torn by a crash, changed on the disk, or its file is gone."""
    UNWRITABLE = "unwritable"
    """The disk took nothing, and memory was full or the agent ended."""


@dataclass(frozen=True, slots=True)
class Tally:
    """How many batches, and the bytes of them."""

    batches: int = 0
    bytes: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.batches + other.batches, self.bytes + other.bytes)

    def __sub__(self, other: Tally) -> Tally:
        """What is left; never below nothing."""
        return Tally(max(0, self.batches - other.batches), max(0, self.bytes - other.bytes))

    def __bool__(self) -> bool:
        return self.batches > 0


NOTHING: Final = Tally()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """Batches that the aggregator will not get, by reason; a field for each Reason."""

    full: Tally = NOTHING
    age: Tally = NOTHING
    damaged: Tally = NOTHING
    unwritable: Tally = NOTHING

    @classmethod
    def of(cls, reason: Reason, tally: Tally) -> Dropped:
        """Those of one reason."""
        return cls(**{reason.value: tally})

    @property
    def by_reason(self) -> dict[Reason, Tally]:
        """The tally of each reason, also where it is nothing."""
        return {Reason(one.name): getattr(self, one.name) for one in fields(self)}

    @property
    def total(self) -> Tally:
        """All reasons together."""
        return self.full + self.age + self.damaged + self.unwritable

    def __add__(self, other: Dropped) -> Dropped:
        theirs = other.by_reason
        return Dropped(**{reason.value: tally + theirs[reason] for reason, tally in self.by_reason.items()})

    def __sub__(self, other: Dropped) -> Dropped:
        theirs = other.by_reason
        return Dropped(**{reason.value: tally - theirs[reason] for reason, tally in self.by_reason.items()})

    def __bool__(self) -> bool:
        return bool(self.total)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """What a batch has to carry; the spool hands it to whoever encodes the batch."""

    incarnation: str
    """A UUID: `boot` of the batch's key."""
    sequence: int
    """From 1 under each incarnation, without a gap."""
    dropped: Dropped
    """Dropped since the batch before; told by this batch, and by no other unless this one is dropped too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A batch that waits."""

    incarnation: str
    sequence: int
    until_s: float
    """End of its window, in seconds since 1970."""
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolLimits:
    """How large a spool may grow; InputError where it could not work."""

    bytes: int = 256 * MIB
    """Of all its files. A node's batch of 30 s has some 20 KB: 256 MiB are four days of them."""
    age_s: float = 24 * 3600.0
    """How long after its window a batch is still worth sending."""
    held_bytes: int = 8 * MIB
    """Of batches in memory while the disk takes none."""

    def __post_init__(self) -> None:
        if self.bytes < LEAST_BYTES:
            raise InputError(
                f"a spool of {self.bytes} bytes holds no batch", remedy=f"give it {LEAST_BYTES} bytes at least"
            )
        if not self.age_s > 0 or self.held_bytes < 0:
            raise InputError(
                f"batches can't wait for {self.age_s} s, or in {self.held_bytes} bytes of memory",
                remedy="give an age above 0 and a memory of 0 bytes or more",
            )

    @property
    def segment_bytes(self) -> int:
        """From which size on a segment is closed: when the spool is full, this much goes at once."""
        return self.bytes // 32

    @property
    def segment_s(self) -> float:
        """From which age on a segment is closed, so that what was acknowledged does not stay on the disk for long."""
        return self.age_s / 24


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolState:
    """What there is to measure."""

    bytes: int
    """On the disk, of all files of the spool."""
    records: int
    """That wait, on the disk and in memory."""
    segments: int
    held: Tally
    """In memory, because the disk takes none."""
    oldest_age_s: float | None
    """Since the end of the oldest waiting record's window; None: none waits."""
    dropped: Dropped
    """Since the spool was opened, and what was found lost then."""
    unwritable: str | None
    """The errno's name, such as ENOSPC; None: all is well."""
